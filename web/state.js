// What the page knows, its phase, and which controls that leaves open.

import { box, button, input, show } from "./dom.js";
import { enableBudget } from "./budget.js";
import { count } from "./format.js";
import { Engine, failureOf, isFatal } from "./engine.js";
import { ForecastView } from "./forecast-view.js";
import { TrainingView } from "./training-view.js";
import { showAdapter } from "./device-view.js";

/** @typedef {import('./protocol').Loaded} Loaded */
/** @typedef {import('./protocol').Trained} Trained */
/** @typedef {import('./files.js').NamedBytes} NamedBytes */
/** @typedef {"starting" | "no-gpu" | "empty" | "planned" | "compiling" | "training" | "paused" | "scoring" | "done" | "failed"} Phase */

export const engine = new Engine();
export const training = new TrainingView(() => isFinished());

/** @type {{ step: number, loss: number | null }[]} Of every step event of this page. */
export const losses = [];

export const app = {
  /** @type {Phase} */
  phase: "starting",
  /** A short request is open: planning, a self-test, a download. */
  working: false,
  /** The device may be gone: the next request starts a new worker. */
  suspect: false,
  /** @type {NamedBytes | null} The CSV that the config beside it is for. */
  csv: null,
  /** @type {{ config: string, csv: NamedBytes } | null} What `loaded` was made of. */
  source: null,
  /** @type {Loaded | null} */
  loaded: null,
  /** @type {{ step: number, run: ArrayBuffer } | null} Outlives the worker. */
  checkpoint: null,
  /** Steps of the run that the user has as a file. */
  savedStep: 0,
  /** @type {Trained["outcome"] | null} */
  outcome: null,
  /** A pause was asked for; it takes effect at the next step. */
  pausing: false,
  /** The config or the data are not those that were planned. */
  stale: false,
};

/** The first `open`; what needs a device waits for it. @type {Promise<void>} */
let ready = Promise.resolve();

/** Opens a device in the worker there is, or in a new one if that one is gone. */
export function openEngine() {
  const attempt = engine.ask("open", {}).then((adapter) => {
    app.suspect = false;
    showAdapter(adapter);
  });
  ready = attempt;
  return attempt;
}

/** @type {Engine["ask"]} Like `engine.ask`, on an engine that is up. */
export async function ask(kind, fields, onEvent) {
  await ready.catch(() => {});
  if (!engine.alive || app.suspect) {
    engine.restart();
    await openEngine();
  }
  return engine.ask(kind, fields, onEvent);
}

/** What to do about a failure that leaves no engine behind; training.js knows. */
export const hooks = { fatal: (/** @type {import('./protocol').Failure} */ failure) => console.error(failure.message) };

/**
 * Of a run that is loaded: never on a new engine, which would not know it. Answers null where the engine was lost, and that was told.
 * @template T
 * @param {Promise<T>} answer
 * @returns {Promise<T | null>}
 */
export async function unlessLost(answer) {
  try {
    return await answer;
  } catch (error) {
    const failure = failureOf(error);
    if (!isFatal(failure)) throw error;
    hooks.fatal(failure);
    return null;
  }
}

export const forecasts = new ForecastView((part, window, levels) => unlessLost(engine.ask("forecast", { part, window, levels })));

export const running = () => app.phase === "compiling" || app.phase === "training" || app.phase === "scoring";
export const busy = () => running() || app.working;

/** Whether all steps are done, or training stopped early. */
export const isFinished = () => training.record.step >= training.record.total || app.outcome === "early-stop";

/** How the run of a file ended, as far as it did. @param {Loaded} loaded @returns {Trained["outcome"] | null} */
export const outcomeOf = (loaded) => (loaded.finished ? (loaded.step < loaded.plan.steps ? "early-stop" : "finished") : null);

/** Steps that would be lost with the page. */
export function unsaved() {
  const step = app.phase === "failed" ? (app.checkpoint?.step ?? 0) : training.record.step;
  return app.loaded !== null && step > app.savedStep;
}

/** @param {Phase} phase */
export function setPhase(phase) {
  app.phase = phase;
  document.documentElement.dataset.state = phase;
  refresh();
}

/**
 * Marks a short request as open while it is.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function working(work) {
  app.working = true;
  refresh();
  try {
    return await work();
  } finally {
    app.working = false;
    refresh();
  }
}

/** @type {HTMLElement | null} Had the focus when it was switched off. */
let lostFocus = null;

/** Which controls are open, from the phase alone. */
export function refresh() {
  const { phase, loaded } = app;
  const focused = document.activeElement;
  const gpu = phase !== "no-gpu";
  const idle = gpu && !busy();
  for (const id of ["files", "open-run"]) input(id).disabled = !idle;
  button("use-example").disabled = !idle;
  button("plan-button").disabled = !idle || phase === "starting";
  button("starter").disabled = !idle || !app.csv;
  button("self-test").disabled = !idle || phase === "starting";
  button("train").disabled = !idle || phase !== "planned" || app.stale;
  button("download").disabled = busy();
  show(box("plan-stale"), app.stale && loaded !== null);
  for (const id of ["plan-memory", "plan-facts"]) box(id).classList.toggle("outdated", app.stale);
  forecasts.enable(!busy());
  enableBudget(idle && phase !== "starting");

  const live = phase === "compiling" || phase === "training";
  const unfinished = loaded !== null && !isFinished();
  show(button("pause"), live);
  show(button("continue"), phase === "paused" || (phase === "done" && unfinished));
  button("continue").disabled = busy();
  show(button("stop"), live || phase === "paused");
  button("stop").textContent = phase === "paused" ? "Score what there is" : "Stop and score";
  // Not `disabled`: that would take the focus away from them.
  for (const id of ["pause", "stop"]) button(id).setAttribute("aria-disabled", String(app.pausing));
  show(box("training"), loaded !== null && phase !== "planned" && phase !== "empty");
  show(box("keep"), loaded !== null && (phase === "paused" || phase === "done" || phase === "scoring" || (phase === "failed" && app.checkpoint !== null)));
  box("phase-text").textContent = phaseText();
  keepFocus(focused);
}

/** A control that is switched off must not drop the focus at the top of the page. @param {Element | null} before */
function keepFocus(before) {
  const usable = (/** @type {HTMLElement} */ e) => !e.matches(":disabled") && e.offsetParent !== null;
  if (before instanceof HTMLElement && before !== document.body && !usable(before)) lostFocus = before;
  const now = document.activeElement;
  if (!lostFocus || (now !== document.body && now !== lostFocus && now !== null)) return;
  const next = [lostFocus, button("pause"), button("continue"), button("stop"), button("go-on"), box("verdict"), box("curve-scroll")].find(usable);
  next?.focus({ preventScroll: true });
  if (next) lostFocus = null;
}

function phaseText() {
  const { step, total } = training.record;
  switch (app.phase) {
    case "compiling":
    case "training":
      if (app.pausing) return "Stopping after this step…";
      return app.phase === "training" ? "Training" : "Compiling the kernels…";
    case "paused":
      return `Paused at step ${count(step)}`;
    case "scoring":
      return "Scoring…";
    case "done":
      if (app.outcome === "early-stop") return `Stopped early at step ${count(step)}: the validation loss no longer fell`;
      return step >= total ? "Finished" : `Stopped at step ${count(step)}`;
    case "failed":
      return "Stopped by a failure";
    default:
      return "";
  }
}
