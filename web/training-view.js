// The display of the training: numbers, progress and losses. It is updated at most ten times per second.

import { box, fillTable, get, show, table, write } from "./dom.js";
import { clock, count, milliseconds, number, percent } from "./format.js";
import { lossChart } from "./charts.js";
import { TrainingRecord } from "./record.js";
import { say } from "./notices.js";

/** @typedef {import('./protocol').EngineEvent} EngineEvent */

const EVERY_MS = 100;

export class TrainingView {
  record = new TrainingRecord();
  /** @type {ReturnType<typeof lossChart> | null} */
  #chart = null;
  #waiting = false;
  #drawn = 0;
  /** Milliseconds of the last update. A long record is drawn less often, so that drawing takes at most a tenth of the time. */
  #cost = 0;
  #newPoints = true;
  /** Whether training and validation have different losses. */
  #two = false;
  #elapsed = 0;
  /** @type {number | null} */
  #since = null;
  /** Milliseconds per step, smoothed over the reports. */
  #pace = NaN;
  #said = 0;
  /** Returns whether no steps remain. */
  #finished;

  /** @param {() => boolean} finished */
  constructor(finished) {
    this.#finished = finished;
    get("loss-details", HTMLDetailsElement).addEventListener("toggle", () => this.#fillTable());
  }

  /**
   * Resets the view, with the record of an opened run or an empty record.
   * @param {number} total
   * @param {import('./protocol').Loaded["losses"]} losses
   * @param {EngineEvent[]} [record]
   * @param {number} [step]
   */
  reset(total, losses, record = [], step = 0) {
    const { training, validation } = losses;
    const same = training === validation;
    if (this.#two === same) {
      this.#chart?.destroy();
      this.#chart = null;
    }
    this.#two = !same;
    const both = same ? `Mean ${training}` : `Training loss: mean ${training} (left axis); validation: mean ${validation} (right axis)`;
    write(box("loss-units"), `${both}, in standardised units`);
    this.record = new TrainingRecord();
    for (const event of record) this.record.add(event);
    this.record.total = total;
    this.record.step = step;
    this.#elapsed = 0;
    this.#since = null;
    this.#pace = this.record.last?.ms ?? NaN;
    this.#newPoints = true;
    this.#said = performance.now();
    box("created").textContent = "";
    this.refresh();
  }

  /** @param {boolean} running */
  runClock(running) {
    if (running && this.#since === null) this.#since = performance.now();
    if (!running && this.#since !== null) {
      this.#elapsed += performance.now() - this.#since;
      this.#since = null;
    }
    this.#writeNumbers(); // immediately, so that the step of a pause is shown
    this.refresh();
  }

  /** @param {EngineEvent} event */
  take(event) {
    this.record.add(event);
    if (event.event === "step") this.#pace = Number.isFinite(this.#pace) ? 0.7 * this.#pace + 0.3 * event.ms : event.ms;
    if (event.event !== "tick") this.#newPoints = true;
    this.refresh();
  }

  /** Schedules the next update. */
  refresh() {
    if (this.#waiting) return;
    this.#waiting = true;
    const wait = Math.max(0, this.#drawn + Math.max(EVERY_MS, 10 * this.#cost) - performance.now());
    setTimeout(() => requestAnimationFrame(() => this.#draw()), wait);
  }

  #draw() {
    this.#waiting = false;
    const start = performance.now();
    this.#writeNumbers();
    if (this.#newPoints) this.#drawLosses();
    this.#drawn = performance.now();
    this.#cost = this.#drawn - start;
  }

  #writeNumbers() {
    const { start, last, bestPoint, calibrated } = this.record;
    const { step, total } = start ?? this.record;
    const elapsed = this.#elapsed + (this.#since === null ? 0 : performance.now() - this.#since);
    const counter = box("step");
    write(counter, count(step));
    counter.dataset.step = String(this.record.step);
    write(box("step-of"), start ? `of ${count(total)} of the linear start` : `of ${count(total)}`);
    write(box("ms-per-step"), milliseconds(last?.ms ?? NaN));
    write(box("elapsed"), clock(elapsed));
    write(box("remaining"), this.#finished() ? clock(0) : clock((total - step) * this.#pace));
    write(box("loss-now"), number(last?.loss));
    write(box("best"), bestPoint ? number(bestPoint.loss) : "–");
    box("best").title = bestPoint ? `at step ${count(bestPoint.step)}` : "";
    write(box("grad-norm"), number(last?.grad_norm, 3));
    write(box("learning-rate"), number(last?.learning_rate, 3));
    show(box("calibrated"), calibrated !== null);
    if (calibrated) {
      const { before, after } = calibrated;
      write(box("calibrated"), `Calibrated on the validation windows: the central 80 % interval covered ${percent(before)} of their values, now ${percent(after)}.`);
    }
    this.setProgress(step, total);
    const title = this.#since === null ? "pgat in a tab" : `${Math.floor((100 * step) / Math.max(total, 1))} % · pgat`;
    if (document.title !== title) document.title = title;
    this.#speak(elapsed);
  }

  /** @param {number} elapsed */
  #speak(elapsed) {
    const { start, last } = this.record;
    const { step, total } = start ?? this.record;
    const now = performance.now();
    if (this.#since === null || elapsed < 1 || now - this.#said < 30_000) return;
    this.#said = now;
    say(`${start ? "Linear start, step" : "Step"} ${count(step)} of ${count(total)}, loss ${number(last?.loss, 3)}.`);
  }

  #drawLosses() {
    const host = box("loss-chart");
    if (host.clientWidth === 0) return; // hidden: it is drawn when it is shown
    this.#newPoints = false;
    this.#chart ??= lossChart(host, (k) => this.#readOut(k), this.#two);
    const above = this.#chart.draw(this.record);
    const { step, last, bestPoint } = this.record;
    const best = bestPoint ? `, best validation loss ${number(bestPoint.loss)} at step ${count(bestPoint.step)}` : "";
    const label = last ? `Loss by step: training loss ${number(last.loss)} at step ${count(step)}${best}` : "Loss by step: nothing yet";
    host.setAttribute("aria-label", label);
    write(box("loss-clipped"), above > 0 ? `${count(above)} points are above the visible range.` : "");
    this.#fillTable();
  }

  /** @param {number | null} at */
  #readOut(at) {
    const { steps, training, validation } = this.record;
    const scored = at === null || validation[at] === null ? "" : ` · validation ${number(validation[at])}`;
    write(box("loss-readout"), at === null || steps[at] === undefined ? "" : `step ${count(steps[at])} · training ${number(training[at])}${scored}`);
  }

  /** Fills the table with at most a few hundred rows: all validations, and evenly spaced steps. */
  #fillTable() {
    if (!get("loss-details", HTMLDetailsElement).open) return;
    const { steps, training, validation, best } = this.record;
    const every = Math.ceil(steps.length / 200);
    const rows = steps
      .map((step, k) => ({ step, k }))
      .filter(({ k }) => k % every === 0 || validation[k] !== null)
      .map(({ step, k }) => [count(step), number(training[k]), number(validation[k]) + (best[k] === null ? "" : " (best)")]);
    fillTable(table("loss-table"), ["Step", "Training", "Validation"], rows, every > 1 ? `Every ${count(every)}th report` : undefined);
  }

  /**
   * @param {number} done
   * @param {number} total
   */
  setProgress(done, total) {
    const bar = get("progress", HTMLProgressElement);
    bar.max = Math.max(total, 1);
    bar.value = done;
  }

  /**
   * Compares the created bytes with the planned bytes.
   * @param {number} created
   * @param {number} planned
   */
  showCreated(created, planned) {
    box("created").textContent =
      created === planned
        ? `Created on the device: ${count(created)} bytes, exactly as planned.`
        : `Created on the device: ${count(created)} bytes, but ${count(planned)} bytes were planned. This is an error: please report it.`;
  }
}
