// The record of a training: losses by step, in the columns of the chart.

/** @typedef {import('./protocol').EngineEvent} EngineEvent */
/** @typedef {Extract<EngineEvent, { event: "step" }>} StepEvent */

export class TrainingRecord {
  /** @type {number[]} */
  steps = [];
  /** @type {(number | null)[]} Null if the loss is not finite, or not known at a step. */
  training = [];
  /** @type {(number | null)[]} */
  validation = [];
  /** @type {(number | null)[]} Null except at the best validation. */
  best = [];
  /** @type {{ step: number, loss: number } | null} */
  bestPoint = null;
  /** @type {StepEvent | null} The last step that was read back. */
  last = null;
  /** Number of submitted steps, and total number of steps. */
  step = 0;
  total = 0;
  /** @type {{ step: number, total: number } | null} The linear start, while it runs. It has its own count, and its losses are not drawn. */
  start = null;
  /** @type {{ before: number, after: number } | null} Shares of validation values inside the central 80 % interval. */
  calibrated = null;

  /** @param {EngineEvent} event */
  add(event) {
    if ((event.event === "tick" || event.event === "step") && event.phase === "start") {
      if (event.event === "tick") this.start = { step: event.step, total: event.total };
      else this.last = event;
      return;
    }
    if (event.event === "tick") {
      this.start = null;
      this.step = event.step;
      this.total = event.total;
    } else if (event.event === "step") {
      this.last = event;
      this.training[this.#at(event.step)] = event.loss;
      this.step = Math.max(this.step, event.step);
    } else if (event.event === "validation") {
      this.#validated(event.step, event.loss, event.best);
    } else if (event.event === "calibrated") {
      this.calibrated = { before: event.before, after: event.after };
    } else if (event.event === "restarted") {
      this.#cut(event.step);
    }
  }

  /**
   * @param {number} step
   * @param {number | null} loss
   * @param {boolean} best
   */
  #validated(step, loss, best) {
    const at = this.#at(step);
    this.validation[at] = loss;
    if (best) this.#mark(at);
  }

  /** @param {number} at */
  #mark(at) {
    const [step, loss] = [this.steps[at], this.validation[at]];
    if (step === undefined || loss === null || loss === undefined) return;
    if (this.bestPoint) this.best[this.#at(this.bestPoint.step)] = null;
    this.best[at] = loss;
    this.bestPoint = { step, loss };
  }

  /**
   * Removes the steps after `step`, which are repeated after a device loss.
   * @param {number} step
   */
  #cut(step) {
    let keep = this.steps.length;
    while (keep > 0 && (this.steps[keep - 1] ?? 0) > step) keep -= 1;
    for (const column of [this.steps, this.training, this.validation, this.best]) column.length = keep;
    this.step = step;
    if (!this.bestPoint || this.bestPoint.step <= step) return;
    this.bestPoint = null;
    const seen = this.validation.map((loss, k) => ({ loss, k })).filter((v) => v.loss !== null);
    const lowest = seen.reduce((a, b) => ((a.loss ?? 0) <= (b.loss ?? 0) ? a : b), seen[0] ?? { loss: null, k: -1 });
    if (lowest.k >= 0) this.#mark(lowest.k);
  }

  /**
   * The row of a step, which is created if it does not exist. Steps arrive almost in order, so the search starts at the end.
   * @param {number} step
   */
  #at(step) {
    let at = this.steps.length;
    while (at > 0 && (this.steps[at - 1] ?? 0) > step) at -= 1;
    if (at > 0 && this.steps[at - 1] === step) return at - 1;
    this.steps.splice(at, 0, step);
    for (const column of [this.training, this.validation, this.best]) column.splice(at, 0, null);
    return at;
  }
}
