// From files to a plan: which config goes with which CSV, and when the engine is asked. Nothing that was there is lost before a new
// load succeeded.

import { box, button, fillNotes, get, make, show } from "./dom.js";
import { budgetHooks, refuseBudget, showBudget, showOutlook } from "./budget.js";
import { readBudget, sameRun, writeBudget } from "./config-text.js";
import { binary, count } from "./format.js";
import { failureOf, isFatal } from "./engine.js";
import { app, ask, busy, forecasts, isFinished, outcomeOf, refresh, setPhase, training, working } from "./state.js";
import { clearError, clearNotices, question, say, showError } from "./notices.js";
import { fetchExample } from "./files.js";
import { mayForget } from "./keep.js";
import { failed, score } from "./training.js";
import { showPlan } from "./plan-view.js";

/** @typedef {import('./protocol').Loaded} Loaded */
/** @typedef {import('./files.js').Brought} Brought */
/** @typedef {import('./files.js').NamedBytes} NamedBytes */

const editor = get("config", HTMLTextAreaElement);
/** Whether the config is the user's: from a file, or typed. One that the page wrote may be replaced. */
let own = false;
/** @type {NamedBytes | null} A run file that waits for its CSV. */
let waitingRun = null;
/** @type {string | null} Its config, if its own budget was refused: another one opens it. */
let waitingConfig = null;

/** @param {Promise<Brought>} promise */
export async function take(promise) {
  if (busy() || app.phase === "no-gpu") {
    void promise.catch(() => {});
    const wait = app.phase === "scoring" || app.working ? "Wait until it has ended" : "Pause or end what is running";
    const hint = app.phase === "no-gpu" ? "See below what it needs." : `${wait}, then choose the files again.`;
    showError("top", { kind: "busy", message: "Files cannot be opened just now.", hint });
    return;
  }
  clearError();
  try {
    await sort(await promise);
  } catch (error) {
    showError("top", { kind: "data", message: failureOf(error).message, hint: "Choose the file again." });
  }
}

export async function takeExample() {
  if (own && !(await mayReplaceConfig())) return;
  clearError();
  try {
    const { csv, config } = await working(fetchExample);
    waitingRun = null;
    app.csv = csv ?? null;
    setConfig(config ?? "", false);
  } catch (error) {
    showError("top", { kind: "data", message: failureOf(error).message, hint: "Check the connection and try again, or use your own CSV." });
    return;
  }
  await plan();
}

/** Says what was brought, and does the next thing that it allows. @param {Brought} brought */
async function sort({ csv, config, run }) {
  if (run) waitingRun = run;
  if (run) waitingConfig = null;
  if (config !== undefined) {
    waitingRun = run ?? null;
    setConfig(config, true);
  }
  if (csv) app.csv = csv;
  showChosen();
  // Until a load of these succeeds, what was planned is not what is chosen: Train must not take the file before.
  compare();
  const table = csv ?? app.csv;
  if (waitingRun && table) return restore(waitingRun, table);
  if (waitingRun || !table) return undefined;
  if (config === undefined && !own) return writeStarter();
  return plan();
}

/** Asks the engine for a config for the CSV, and plans it. */
export async function writeStarter() {
  const { csv } = app;
  if (!csv) return;
  clearError();
  try {
    const answer = await working(() => ask("starter", { csv: csv.bytes, file: csv.name }));
    setConfig(answer.config, false);
    fillNotes(box("starter-notes"), answer.notes);
  } catch (error) {
    show(box("setup"), true);
    showError("config", failureOf(error));
    return;
  }
  await plan();
}

export async function plan() {
  const { csv } = app;
  if (!csv) {
    showError("config", { kind: "data", message: "There are no data yet.", hint: "Choose a CSV above; the config says what its columns mean." });
    return;
  }
  const config = editor.value;
  if (busy()) return;
  if (waitingRun && waitingConfig !== null && sameRun(config, waitingConfig)) {
    await restore(waitingRun, csv, readBudget(config) ?? undefined);
    return;
  }
  if (app.checkpoint && app.source?.csv === csv && config !== app.source.config && sameRun(config, app.source.config)) {
    await replan(app.checkpoint, csv);
    return;
  }
  if (!(await mayForget())) return;
  clearError();
  try {
    const loaded = await working(() => ask("load", { config, csv: csv.bytes, file: csv.name }));
    app.source = { config, csv };
    app.checkpoint = null;
    adopt(loaded);
  } catch (error) {
    notLoaded("config", failureOf(error));
    say("The config could not be planned.");
  }
}

/**
 * The run that is there, within another budget: the same run, so that nothing is asked and nothing forgotten.
 * @param {{ step: number, run: ArrayBuffer }} checkpoint
 * @param {NamedBytes} csv
 */
async function replan(checkpoint, csv) {
  const config = editor.value;
  clearError();
  try {
    const memory = readBudget(config) ?? undefined;
    const loaded = await working(() => ask("restore", { run: new Uint8Array(checkpoint.run), csv: csv.bytes, file: csv.name, memory }));
    app.source = { config, csv };
    adopt(loaded, true);
  } catch (error) {
    notLoaded("config", failureOf(error));
  }
}

/**
 * @param {NamedBytes} run
 * @param {NamedBytes} csv
 * @param {string} [memory] a budget in place of the run's own
 */
async function restore(run, csv, memory) {
  if (!(await mayForget())) return;
  clearError();
  try {
    const loaded = await working(() => ask("restore", { run: run.bytes, csv: csv.bytes, file: csv.name, memory }));
    waitingRun = null;
    app.csv = csv;
    app.checkpoint = { step: loaded.step, run: run.bytes.buffer };
    setConfig(loaded.config, false);
    app.source = { config: editor.value, csv };
    adopt(loaded);
  } catch (error) {
    const failure = failureOf(error);
    if (failure.config) setConfig(failure.config, false);
    waitingConfig = failure.config ? editor.value : null;
    notLoaded(failure.config ? "config" : "top", failure);
    return;
  }
  if (isFinished()) await score();
}

/**
 * What was loaded before is still there, unless the engine broke over this.
 * @param {"config" | "top"} slot
 * @param {import('./protocol').Failure} failure
 */
function notLoaded(slot, failure) {
  app.suspect ||= isFatal(failure);
  if (app.suspect && training.record.step > 0) {
    failed(failure);
    return;
  }
  const budget = failure.key === "training.memory" && slot === "config";
  if (budget) refuseBudget();
  if (budget && failure.outlook) showOutlook(failure.outlook, null);
  showError(budget ? "memory" : slot, failure);
}

/**
 * A load succeeded: what was before is forgotten, unless it is the same run within another budget.
 * @param {Loaded} loaded
 * @param {boolean} [same]
 */
function adopt(loaded, same = false) {
  const scored = same && app.phase === "done";
  app.loaded = loaded;
  app.stale = false;
  show(box("recover"), false);
  if (!same) {
    app.outcome = outcomeOf(loaded);
    app.savedStep = loaded.step;
    clearNotices();
    box("download-said").textContent = "";
  }
  if (!scored) {
    forecasts.close();
    show(box("scores"), false);
  }
  training.reset(loaded.plan.steps, loaded.record, loaded.step);
  showPlan(loaded);
  showBudget(editor.value);
  showChosen();
  setPhase(loaded.step === 0 ? "planned" : scored || loaded.finished ? "done" : "paused");
  training.refresh();
  say(`Planned: ${count(loaded.plan.bytes)} bytes on the device, ${count(loaded.plan.steps)} steps.`);
}

/**
 * @param {string} text
 * @param {boolean} byUser
 */
function setConfig(text, byUser) {
  editor.value = text;
  own = byUser;
  fillNotes(box("starter-notes"), []);
  show(box("setup"), true);
  showChosen();
  compare();
}

/** What is in the editor may no longer be what was planned. */
function compare() {
  const { source, csv } = app;
  app.stale = source !== null && (editor.value !== source.config || csv !== source.csv);
  showBudget(editor.value);
  refresh();
}

/** @returns {Promise<boolean>} */
async function mayReplaceConfig() {
  const answer = await question("Replace your config?", "The example comes with a config of its own. Yours would be gone from this page.", [
    { value: "replace", label: "Replace it", primary: true },
    { value: "", label: "Keep mine" },
  ]);
  return answer === "replace";
}

function showChosen() {
  const line = box("chosen");
  const { csv } = app;
  const data = csv ? `Data: ${csv.name}, ${binary(csv.bytes.length)}.` : "";
  const next = csv ? "" : waitingRun || editor.value ? " Now choose the CSV that goes with it." : "";
  line.replaceChildren(waitingRun ? `Run file: ${waitingRun.name}. ` : "", data || (editor.value && !waitingRun ? "A config, no data yet." : ""), next);
  if (waitingRun) line.append(" ", forgetButton());
  show(line, line.textContent !== "");
}

function forgetButton() {
  const forget = make("button", { type: "button", class: "quiet" }, "Forget the run file");
  forget.addEventListener("click", () => {
    waitingRun = null;
    showChosen();
    document.getElementById("open-run")?.focus();
  });
  return forget;
}

/** The field and the rows beside the plan: the config's text is changed, and planned if there are data. */
budgetHooks.chosen = (budget) => {
  if (budget === readBudget(editor.value)) return;
  editor.value = writeBudget(editor.value, budget);
  compare();
  if (app.csv) void plan();
};

editor.addEventListener("input", () => {
  own = true;
  compare();
});
editor.addEventListener("keydown", (e) => {
  if (e.key !== "Enter" || !(e.ctrlKey || e.metaKey)) return;
  e.preventDefault();
  void plan();
});
button("plan-button").addEventListener("click", () => void plan());
button("starter").addEventListener("click", async () => {
  if (own && !(await mayReplaceConfig())) return;
  await writeStarter();
});
button("use-example").addEventListener("click", () => void takeExample());
