// The state of the page: its phase, its data, and the enabled controls.

import { box, button, input, show } from "./dom.js";
import { enableBudget } from "./budget.js";
import { count } from "./format.js";
import { Engine, failureOf, isFatal } from "./engine.js";
import { DriversView } from "./drivers-view.js";
import { ForecastView } from "./forecast-view.js";
import { TrainingView } from "./training-view.js";
import { showAdapter } from "./device-view.js";

/** @typedef {import('./protocol').Loaded} Loaded */
/** @typedef {import('./protocol').Trained} Trained */
/** @typedef {import('./files.js').NamedBytes} NamedBytes */
/** @typedef {"starting" | "no-gpu" | "empty" | "planned" | "compiling" | "training" | "paused" | "scoring" | "done" | "failed"} Phase */

export const engine = new Engine();
export const training = new TrainingView(() => isFinished());

/** @type {{ step: number, loss: number | null }[]} The losses of all step events since the page was loaded. */
export const losses = [];

export const app = {
  /** @type {Phase} */
  phase: "starting",
  /** Whether a short request is pending: planning, a self-test, a download. */
  working: false,
  /** Whether the device may be lost. The next request then starts a new worker. */
  suspect: false,
  /** @type {NamedBytes | null} The CSV file for the config. */
  csv: null,
  /** @type {{ config: string, csv: NamedBytes } | null} The source of `loaded`. */
  source: null,
  /** @type {Loaded | null} */
  loaded: null,
  /** @type {{ step: number, run: ArrayBuffer } | null} The last checkpoint. It is kept if the worker dies. */
  checkpoint: null,
  /** The step of the run file that the user downloaded or opened. */
  savedStep: 0,
  /** @type {Trained["outcome"] | null} */
  outcome: null,
  /** Whether a pause was requested. It takes effect after the current step. */
  pausing: false,
  /** Whether the config or the data differ from those of the plan. */
  stale: false,
};

/** The last `open` request. Requests that need a device wait for it. @type {Promise<void>} */
let ready = Promise.resolve();

/** Opens a device in the current worker. */
export function openEngine() {
  const attempt = engine.ask("open", {}).then((adapter) => {
    app.suspect = false;
    showAdapter(adapter);
  });
  ready = attempt;
  return attempt;
}

/** @type {Engine["ask"]} Like `engine.ask`, but starts the engine first if necessary. */
export async function ask(kind, fields, onEvent) {
  await ready.catch(() => {});
  if (!engine.alive || app.suspect) {
    engine.restart();
    await openEngine();
  }
  return engine.ask(kind, fields, onEvent);
}

/** The handler for failures after which the engine is not usable; training.js sets it. */
export const hooks = { fatal: (/** @type {import('./protocol').Failure} */ failure) => console.error(failure.message) };

/**
 * Waits for a request about the loaded run, which a new engine would not have. Gives null if the engine failed; the failure is then shown.
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

export const drivers = new DriversView((truth) => unlessLost(engine.ask("drivers", { truth })));

export const running = () => app.phase === "compiling" || app.phase === "training" || app.phase === "scoring";
export const busy = () => running() || app.working;

/** Whether all steps are done, or training stopped early. */
export const isFinished = () => training.record.step >= training.record.total || app.outcome === "early-stop";

/** The outcome of the run of a run file, if it is finished. @param {Loaded} loaded @returns {Trained["outcome"] | null} */
export const outcomeOf = (loaded) => (loaded.finished ? (loaded.step < loaded.plan.steps ? "early-stop" : "finished") : null);

/** Whether the page contains training steps that are not in a downloaded file. */
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
 * Marks the page as working during a short request.
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

/** @type {HTMLElement | null} The element that had the focus when it was disabled. */
let lostFocus = null;

/** Enables and disables all controls according to the phase. */
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
  drivers.enable(!busy());
  enableBudget(idle && phase !== "starting");

  const live = phase === "compiling" || phase === "training";
  const unfinished = loaded !== null && !isFinished();
  show(button("pause"), live);
  show(button("continue"), phase === "paused" || (phase === "done" && unfinished));
  button("continue").disabled = busy();
  show(button("stop"), live || phase === "paused");
  button("stop").textContent = phase === "paused" ? "Score now" : "Stop and score";
  // `aria-disabled` instead of `disabled`, because a disabled button loses the focus.
  for (const id of ["pause", "stop"]) button(id).setAttribute("aria-disabled", String(app.pausing));
  show(box("training"), loaded !== null && phase !== "planned" && phase !== "empty");
  show(box("keep"), loaded !== null && (phase === "paused" || phase === "done" || phase === "scoring" || (phase === "failed" && app.checkpoint !== null)));
  box("phase-text").textContent = phaseText();
  keepFocus(focused);
}

/** Moves the focus of a disabled control to a usable one, so that it is not lost. @param {Element | null} before */
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
      if (app.outcome === "early-stop") return `Stopped early at step ${count(step)}: the validation loss no longer improved`;
      return step >= total ? "Finished" : `Stopped at step ${count(step)}`;
    case "failed":
      return "Stopped by an error";
    default:
      return "";
  }
}
