// Entry point. The page is a state machine: state.js stores its phase, setup.js creates a plan, training.js trains and scores, keep.js
// saves the run file. The engine runs in a worker behind engine.js; protocol.d.ts defines the messages between page and worker.

import { warmUp } from "./charts.js";
import { button, box, show } from "./dom.js";
import { app, engine, losses, openEngine, setPhase, working } from "./state.js";
import { failureOf } from "./engine.js";
import { listenForFiles } from "./files.js";
import { runSelfTest, showNoGpu } from "./device-view.js";
import { showError } from "./notices.js";
import { take } from "./setup.js";
import "./training.js";
import "./keep.js";

/** @typedef {import('./protocol').Failure} Failure */

async function start() {
  show(box("no-gpu"), false);
  setPhase("starting");
  try {
    if (!("gpu" in navigator)) throw new Error("This browser does not provide WebGPU on this page.");
    await openEngine();
    if (app.phase === "starting") setPhase("empty");
    // A timeout, because not every browser supports idle callbacks.
    setTimeout(warmUp, 50);
  } catch (error) {
    notStarted("gpu" in navigator ? failureOf(error) : { ...failureOf(error), kind: "no-webgpu" });
  }
}

/** @param {Failure} failure */
function notStarted(failure) {
  if (failure.kind === "no-webgpu" || failure.kind === "no-adapter") {
    showNoGpu(failure);
    setPhase("no-gpu");
    return;
  }
  box("adapter").textContent = "The engine did not start";
  setPhase("failed");
  showError("top", failure);
}

/** The button for the theme. The default is the theme of the system. */
function themeButton() {
  const toggle = button("theme");
  const root = document.documentElement;
  const reflect = () => {
    const other = root.dataset.theme === "dark" ? "light" : "dark";
    toggle.textContent = other === "dark" ? "Dark" : "Light";
    toggle.setAttribute("aria-label", `Switch to the ${other} theme`);
  };
  toggle.addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("pgat-theme", root.dataset.theme);
    } catch {
      // Storage is not allowed: the choice is lost when the page is closed.
    }
  });
  new MutationObserver(reflect).observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  reflect();
}

button("retry").addEventListener("click", () => {
  engine.restart();
  void start();
});
button("self-test").addEventListener("click", () => void working(() => runSelfTest()));
listenForFiles(take);
themeButton();
Object.assign(window, { pgat: { engine, losses } });
void start();
