// From files to a plan: the combination of config and CSV, and the requests to the engine. The previous run is kept until a new load
// succeeds.

import { box, button, fillNotes, get, input, make, show } from "./dom.js";
import { budgetHooks, refuseBudget, showBudget, showOutlook } from "./budget.js";
import { readBudget, sameRun, writeBudget } from "./config-text.js";
import { binary, count } from "./format.js";
import { failureOf, isFatal } from "./engine.js";
import { app, ask, busy, drivers, forecasts, isFinished, outcomeOf, refresh, setPhase, training, working } from "./state.js";
import { clearError, clearNotices, question, say, showError } from "./notices.js";
import { fetchExample } from "./files.js";
import { needsConversion, toCsv, withKeys } from "./intake.js";
import { mayForget } from "./keep.js";
import { failed, score } from "./training.js";
import { showPlan } from "./plan-view.js";

/** @typedef {import('./protocol').Loaded} Loaded */
/** @typedef {import('./files.js').Brought} Brought */
/** @typedef {import('./files.js').NamedBytes} NamedBytes */

const editor = get("config", HTMLTextAreaElement);
/** Whether the config is from the user (a file or an edit). A config that the page wrote can be replaced without a question. */
let own = false;
/** @type {NamedBytes | null} A run file that waits for its CSV file. */
let waitingRun = null;
/** @type {string | null} Its config, if its memory budget is too small. It can be opened with another budget. */
let waitingConfig = null;

/** @param {Promise<Brought>} promise */
export async function take(promise) {
  if (busy() || app.phase === "no-gpu") {
    void promise.catch(() => {});
    const wait = app.phase === "scoring" || app.working ? "Wait until the current operation has ended" : "Pause or stop the training";
    const hint = app.phase === "no-gpu" ? "See the requirements below." : `${wait}, then choose the files again.`;
    showError("top", { kind: "busy", message: "Files cannot be opened at the moment.", hint });
    return;
  }
  clearError();
  try {
    // A conversion takes a while.
    await sort(await working(() => promise.then(converted)));
  } catch (error) {
    const failure = failureOf(error);
    showError("top", failure.kind === "data" ? failure : { kind: "data", message: failure.message, hint: "Choose the file again." });
  }
}

/** The keys of a config or of a run file that name the columns of arrays. @param {{ config: string } | { run: Uint8Array }} from */
const keysOf = (from) => async () => (await ask("array-keys", from)).keys;

/** The files with the table as CSV. Arrays get the names of the config that will be used for them. @param {Brought} brought @returns {Promise<Brought>} */
async function converted(brought) {
  const { csv, config, run } = brought;
  if (!csv || !needsConversion(csv.bytes)) return brought;
  const stored = run?.bytes ?? (config === undefined ? waitingRun?.bytes : undefined);
  const from = stored ? { run: stored } : { config: config ?? (own ? editor.value : "") };
  return { ...brought, csv: await toCsv(csv, keysOf(from)) };
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
    showError("top", { kind: "data", message: failureOf(error).message, hint: "Check the connection and try again, or use your own CSV file." });
    return;
  }
  await plan();
}

/** Shows the chosen files, and runs the next possible step. @param {Brought} brought */
async function sort({ csv, config, run }) {
  if (run) waitingRun = run;
  if (run) waitingConfig = null;
  if (config !== undefined) {
    waitingRun = run ?? null;
    setConfig(config, true);
  }
  if (csv) app.csv = csv;
  showChosen();
  // Until a load of these files succeeds, the plan is outdated. Train must not use the previous file.
  compare();
  const table = csv ?? app.csv;
  if (waitingRun && table) return restore(waitingRun, table);
  if (waitingRun || !table) return undefined;
  if (config === undefined && !own) return writeStarter();
  return plan();
}

/** Gets a first config for the CSV file from the engine, and plans it. */
export async function writeStarter() {
  const { csv: before } = app;
  if (!before) return;
  clearError();
  try {
    const csv = (app.csv = await working(() => withKeys(before, keysOf({ config: "" }))));
    const answer = await working(() => ask("starter", { csv: csv.bytes, file: csv.name, noTime: input("no-time").checked }));
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
  if (!app.csv) {
    showError("config", { kind: "data", message: "There are no data yet.", hint: "Choose a CSV file above; the config describes its columns." });
    return;
  }
  const config = editor.value;
  if (busy()) return;
  if (app.csv.arrays) {
    const before = app.csv;
    try {
      app.csv = await working(() => withKeys(before, keysOf({ config })));
    } catch (error) {
      notLoaded("config", failureOf(error));
      return;
    }
  }
  const { csv } = app;
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
 * Plans the current run within another budget. It is the same run, so that no question is needed and nothing is discarded.
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
 * @param {NamedBytes} table
 * @param {string} [memory] a budget that replaces that of the run
 */
async function restore(run, table, memory) {
  if (!(await mayForget())) return;
  clearError();
  try {
    const csv = await working(() => withKeys(table, keysOf({ run: run.bytes })));
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
 * Handles a failed load. The previous run is kept, unless the engine failed.
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
 * Handles a successful load. The previous run is discarded, unless it is the same run within another budget.
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
    drivers.close();
    show(box("scores"), false);
  }
  training.reset(loaded.plan.steps, loaded.losses, loaded.record, loaded.step);
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

/** Checks whether the plan is outdated: the config or the data may have changed. */
function compare() {
  const { source, csv } = app;
  app.stale = source !== null && (editor.value !== source.config || csv !== source.csv);
  showBudget(editor.value);
  refresh();
}

/** @returns {Promise<boolean>} */
async function mayReplaceConfig() {
  const answer = await question("Replace your config?", "A new config replaces your config on this page.", [
    { value: "replace", label: "Replace it", primary: true },
    { value: "", label: "Keep my config" },
  ]);
  return answer === "replace";
}

function showChosen() {
  const line = box("chosen");
  const { csv } = app;
  const data = csv ? `Data: ${csv.name}, ${binary(csv.bytes.length)}.` : "";
  const next = csv ? "" : waitingRun || editor.value ? " Now choose the CSV file for it." : "";
  line.replaceChildren(waitingRun ? `Run file: ${waitingRun.name}. ` : "", data || (editor.value && !waitingRun ? "Config, no data yet." : ""), next);
  if (waitingRun) line.append(" ", forgetButton());
  show(line, line.textContent !== "");
}

function forgetButton() {
  const forget = make("button", { type: "button", class: "quiet" }, "Remove the run file");
  forget.addEventListener("click", () => {
    waitingRun = null;
    showChosen();
    document.getElementById("open-run")?.focus();
  });
  return forget;
}

/** A budget from the field or the table: it is written to the config, which is planned if there are data. */
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
