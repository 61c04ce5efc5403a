// The run file: download, commands to use it, and the question before it would be lost.

import { box, button, make, saveFile } from "./dom.js";
import { count } from "./format.js";
import { failureOf } from "./engine.js";
import { app, engine, training, unlessLost, unsaved, working } from "./state.js";
import { question, showError } from "./notices.js";

/** Name of the run file if the engine is not available; the same as in the engine. */
const fallbackName = () => `${(app.loaded?.name || "run").replace(/[^\p{L}\p{N}._-]/gu, "-")}.pgat.zip`;
/** @type {string | null} */
let fileName = null;

/** @returns {Promise<boolean>} whether the browser received the file */
export async function download() {
  if (app.phase === "failed") return rescue();
  const { step } = training.record;
  try {
    const answer = await working(() => unlessLost(engine.ask("run", {})));
    if (!answer) return false;
    saveFile(answer.run, answer.file);
    saved(step, answer.file);
    return true;
  } catch (error) {
    showError("keep", failureOf(error));
    return false;
  }
}

/** Downloads the last checkpoint, which the page stores. It works without the engine. */
export function rescue() {
  const { checkpoint } = app;
  if (!checkpoint) return false;
  const file = fallbackName();
  saveFile(checkpoint.run, file);
  saved(checkpoint.step, file);
  return true;
}

/**
 * @param {number} step
 * @param {string} file
 */
function saved(step, file) {
  app.savedStep = step;
  fileName = file;
  box("download-said").textContent = `${file}, as of step ${count(step)}`;
  showCommands();
}

/**
 * Asks the user before a run that was not downloaded is replaced.
 * @returns {Promise<boolean>} whether the run can be replaced
 */
export async function mayForget() {
  if (!unsaved()) return true;
  const step = app.phase === "failed" ? (app.checkpoint?.step ?? 0) : training.record.step;
  const answer = await question("Discard the trained run?", `The run on this page (step ${count(step)}) was not downloaded. A new plan replaces it.`, [
    { value: "download", label: "Download it, then continue", primary: true },
    { value: "discard", label: "Discard it" },
    { value: "", label: "Cancel" },
  ]);
  return answer === "download" ? download() : answer === "discard";
}

/** @param {string} name @returns {string} the name quoted for a shell */
const quoted = (name) => (/^[\w./-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

export function showCommands() {
  const run = quoted(fileName ?? fallbackName());
  const data = quoted(app.source?.csv.name ?? "data.csv");
  const lines = [
    `pgat evaluate ${run} --data ${data}`,
    `pgat forecast ${run} --data ${data} --plot forecast.svg`,
    `pgat train --resume ${run} --data ${data}`,
  ];
  box("commands").replaceChildren(...lines.map((line) => make("li", {}, make("code", {}, line), copyButton(line))));
}

/** @param {string} line */
function copyButton(line) {
  const copy = make("button", { type: "button", class: "quiet", "aria-label": `Copy: ${line}` }, "Copy");
  copy.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(line).then(() => true, () => false);
    copy.textContent = done ? "Copied" : "Not allowed";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  return copy;
}

button("download").addEventListener("click", () => void download());
button("rescue").addEventListener("click", () => void rescue());
addEventListener("beforeunload", (e) => {
  if (unsaved()) e.preventDefault();
});
