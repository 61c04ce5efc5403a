// Training, pausing, scoring, and recovery after a lost device or a dead worker.

import { box, button, show } from "./dom.js";
import { count } from "./format.js";
import { failureOf, isFatal } from "./engine.js";
import { app, busy, drivers, engine, forecasts, hooks, isFinished, losses, openEngine, outcomeOf, refresh, setPhase, training, working } from "./state.js";
import { clearError, say, showError, showNotice } from "./notices.js";
import { showCommands } from "./keep.js";
import { showScores } from "./scores.js";

/** @typedef {import('./protocol').EngineEvent} EngineEvent */
/** @typedef {import('./protocol').Failure} Failure */
/** @typedef {import('./protocol').Part} Part */

/** Whether scoring follows the next pause, because "Stop and score" was pressed. */
let scoreNext = false;
/** Time of the last event from the engine. */
let heard = 0;
const SILENCE_MS = 60_000;

/** @param {boolean} fresh whether kernels are compiled before the first step */
async function train(fresh) {
  if (busy() || !app.loaded) return;
  clearError();
  scoreNext = false;
  heard = performance.now();
  const watch = setInterval(lookAfter, 1000);
  setPhase(fresh ? "compiling" : "training");
  training.runClock(true);
  say("Training has started.");
  try {
    const trained = await engine.ask("train", {}, onEvent);
    app.outcome = trained.outcome;
    training.record.step = trained.step;
    training.showCreated(trained.created_bytes, app.loaded.plan.bytes);
  } catch (error) {
    failed(failureOf(error));
    return;
  } finally {
    clearInterval(watch);
    show(button("give-up"), false);
    app.pausing = false;
    training.runClock(false);
  }
  showCommands();
  if (app.outcome !== "stopped" || scoreNext) await score();
  else paused();
}

function paused() {
  setPhase("paused");
  say(`Paused at step ${count(training.record.step)}.`);
}

/** Detects a driver that hangs and sends no events. The user can then end the worker; the page has the checkpoint. */
function lookAfter() {
  training.refresh();
  const silent = performance.now() - heard;
  const offer = app.phase === "training" && silent > SILENCE_MS;
  if (offer) box("phase-text").textContent = `The engine has not answered for ${count(silent / 1000)} seconds`;
  show(button("give-up"), offer);
}

/** @param {EngineEvent} event */
function onEvent(event) {
  heard = performance.now();
  if (event.event === "compiling") setPhase("compiling");
  else if (event.event === "checkpoint") app.checkpoint = event;
  else if (app.phase === "compiling" && event.event !== "restarted") setPhase("training");
  if (event.event === "step") losses.push({ step: event.step, loss: event.loss });
  if (event.event === "restarted") restarted(event.step, event.reason);
  if (event.event !== "compiling" && event.event !== "checkpoint") training.take(event);
}

/**
 * @param {number} step
 * @param {string} reason
 */
function restarted(step, reason) {
  const why = reason ? ` (${reason.replace(/\.$/, "")})` : "";
  showNotice("training", `The GPU device was lost${why}. Training continued from step ${count(step)} on a new device. The result is the same as without the loss.`);
}

/** @param {boolean} thenScore */
function pause(thenScore) {
  scoreNext ||= thenScore;
  if (!app.pausing) engine.control("pause");
  app.pausing = true;
  refresh();
}

/** Scores the test part, or the validation part if there is no test part, and shows its forecasts. */
export async function score() {
  const { loaded } = app;
  if (!loaded) return;
  const { windows } = loaded.plan;
  /** @type {Part} */
  const part = windows.test > 0 ? "test" : "validation";
  showCommands();
  if (windows[part] === 0) {
    setPhase("done");
    showNotice("training", "There is no test or validation part to score: with [split] of the config, both parts are shorter than a window.");
    return;
  }
  setPhase("scoring");
  training.setProgress(0, 1);
  try {
    const evaluation = await engine.ask("evaluate", { part }, (e) => e.event === "scored" && scoring(part, e.done, e.total));
    showScores(evaluation, training.record.bestPoint?.step ?? training.record.step);
    setPhase("done");
    say(evaluation.verdict ?? "Scored.");
    await forecasts.open(part, evaluation.windows);
    await drivers.open();
  } catch (error) {
    scoringFailed(failureOf(error));
  } finally {
    training.refresh();
  }
}

/**
 * @param {Part} part
 * @param {number} done
 * @param {number} total
 */
function scoring(part, done, total) {
  training.setProgress(done, total);
  box("phase-text").textContent = `Scoring the ${part} part: ${count(done)} of ${count(total)} forecasts`;
}

/** @param {Failure} failure */
function scoringFailed(failure) {
  if (isFatal(failure)) {
    failed(failure);
    return;
  }
  setPhase(isFinished() ? "done" : "paused");
  showError("training", failure);
}

/** @param {Failure} failure */
export function failed(failure) {
  if (failure.kind === "busy") {
    setPhase(training.record.step > 0 ? "paused" : "planned");
    showError("training", failure);
    return;
  }
  app.suspect = app.suspect || isFatal(failure);
  const { checkpoint } = app;
  const offered = checkpoint !== null || isFatal(failure);
  if (checkpoint) {
    const step = count(checkpoint.step);
    box("recover-text").textContent = `This page has the checkpoint of step ${step}. Continuing from it gives the same result as a training without this error.`;
    button("go-on").textContent = `Continue from step ${step}`;
    button("rescue").textContent = `Download the run at step ${step}`;
  } else {
    box("recover-text").textContent = "There is no checkpoint yet. Training must start from the beginning.";
    button("go-on").textContent = "Start again";
  }
  show(button("rescue"), checkpoint !== null);
  show(box("recover"), offered);
  setPhase("failed");
  showError("training", failure);
}

/** Continues the training with a new worker, from the checkpoint and the CSV file of the page. */
async function goOn() {
  const { checkpoint, source } = app;
  if (!source || busy()) return;
  clearError();
  try {
    const loaded = await working(async () => {
      engine.restart();
      await openEngine();
      const csv = { csv: source.csv.bytes, file: source.csv.name };
      return checkpoint
        ? engine.ask("restore", { run: new Uint8Array(checkpoint.run), ...csv, memory: app.loaded?.memory ?? "" })
        : engine.ask("load", { config: source.config, ...csv });
    });
    app.loaded = loaded;
    app.outcome = outcomeOf(loaded);
    training.reset(loaded.plan.steps, loaded.losses, loaded.record, loaded.step);
  } catch (error) {
    failed(failureOf(error));
    return;
  }
  show(box("recover"), false);
  if (isFinished()) await score();
  else await train(true);
}

hooks.fatal = failed;
/** Handles the death of a worker without pending requests. */
engine.onDeath = (failure) => {
  if (app.phase === "paused" || app.phase === "done") failed(failure);
};

button("train").addEventListener("click", () => {
  void train(true);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  box("training").scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
});
button("continue").addEventListener("click", () => void train(false));
button("pause").addEventListener("click", () => pause(false));
button("stop").addEventListener("click", () => (app.phase === "paused" ? void score() : pause(true)));
button("give-up").addEventListener("click", () => engine.kill("it did not answer"));
button("go-on").addEventListener("click", () => void goOn());
