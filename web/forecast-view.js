// Selection and display of one forecast. At most one request is pending; the last selection is shown.

import { box, button, fillTable, get, input, make, show, table, write } from "./dom.js";
import { count, digitsOf, levelName, number, stamp } from "./format.js";
import { fanChart, fanOf, LEVELS } from "./fan-chart.js";
import { clearError, showError } from "./notices.js";
import { failureOf } from "./engine.js";

/** @typedef {import('./protocol').Forecast} Forecast */
/** @typedef {import('./protocol').Part} Part */
/** @typedef {import('./fan-chart.js').Fan} Fan */

const DEBOUNCE_MS = 80;

export class ForecastView {
  /** @type {(part: Part, window: number, levels: number[]) => Promise<Forecast | null>} */
  #ask;
  /** @type {ReturnType<typeof fanChart>} */
  #chart;
  /** @type {Part} */
  #part = "test";
  /** @type {Forecast | null} */
  #shown = null;
  /** @type {Fan | null} */
  #fan = null;
  /** Significant digits of the values of the chosen series. */
  #digits = 4;
  #wanted = 0;
  #asking = false;
  /** Incremented when weights or part change, so that outdated forecasts are not shown. */
  #round = 0;
  #timer = 0;

  /** @param {(part: Part, window: number, levels: number[]) => Promise<Forecast | null>} ask */
  constructor(ask) {
    this.#ask = ask;
    this.#chart = fanChart(box("fan-chart"), (index) => this.#readOut(index));
    const [slider, typed] = [input("window"), input("window-number")];
    slider.addEventListener("input", () => this.#want(Number(slider.value)));
    typed.addEventListener("change", () => this.#want(Number(typed.value) - 1));
    button("window-prev").addEventListener("click", () => this.#want(this.#wanted - 1));
    button("window-next").addEventListener("click", () => this.#want(this.#wanted + 1));
    get("series", HTMLSelectElement).addEventListener("change", () => this.#draw());
    get("fan-details", HTMLDetailsElement).addEventListener("toggle", () => this.#fillTable());
  }

  /**
   * Shows the forecasts of a part with the current weights.
   * @param {Part} part
   * @param {number} windows number of windows in the plan; the answer contains the exact number
   */
  async open(part, windows) {
    this.#round += 1;
    this.#part = part;
    this.#shown = null;
    this.#setCount(windows);
    this.#wanted = Math.min(this.#wanted, Math.max(windows - 1, 0));
    show(box("forecasts"), true);
    await this.#fetch();
  }

  close() {
    this.#round += 1;
    this.#shown = null;
    this.#wanted = 0;
    show(box("forecasts"), false);
  }

  /** @param {boolean} on */
  enable(on) {
    get("fan-controls", HTMLFieldSetElement).disabled = !on;
  }

  /** @param {number} windows */
  #setCount(windows) {
    input("window").max = String(Math.max(windows - 1, 0));
    input("window-number").max = String(Math.max(windows, 1));
    box("window-of").textContent = `of ${count(windows)} in the ${this.#part} part`;
  }

  /** @param {number} window */
  #want(window) {
    const last = Number(input("window").max);
    this.#wanted = Math.min(Math.max(Math.round(window) || 0, 0), last);
    this.#showWanted();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fetch(), DEBOUNCE_MS);
  }

  #showWanted() {
    input("window").value = String(this.#wanted);
    input("window-number").value = String(this.#wanted + 1);
    button("window-prev").disabled = this.#wanted <= 0;
    button("window-next").disabled = this.#wanted >= Number(input("window").max);
  }

  async #fetch() {
    if (this.#asking) return;
    this.#asking = true;
    try {
      let round;
      do {
        round = this.#round;
        const forecast = await this.#ask(this.#part, this.#wanted, LEVELS);
        if (!forecast) return;
        if (round === this.#round) this.#take(forecast);
      } while (round === this.#round && this.#shown?.window !== this.#wanted);
    } catch (error) {
      showError("forecasts", failureOf(error));
    } finally {
      this.#asking = false;
    }
  }

  /** @param {Forecast} forecast */
  #take(forecast) {
    const first = this.#shown === null;
    this.#shown = forecast;
    if (first) {
      this.#setCount(forecast.windows);
      this.#fillSeries(forecast.series);
      this.#showWanted();
      clearError();
    }
    this.#draw();
  }

  /** @param {string[]} names */
  #fillSeries(names) {
    const select = get("series", HTMLSelectElement);
    const chosen = Math.max(0, names.indexOf(select.selectedOptions[0]?.textContent ?? ""));
    select.replaceChildren(...names.map((name, k) => make("option", { value: String(k) }, name)));
    select.selectedIndex = Math.min(chosen, names.length - 1);
  }

  #draw() {
    const f = this.#shown;
    if (!f) return;
    const at = get("series", HTMLSelectElement).selectedIndex;
    const fan = fanOf(f, at);
    this.#fan = fan;
    this.#chart.draw(fan);
    const name = f.series[at] ?? "";
    const last = f.stamps.length - 1;
    this.#digits = digitsOf([...fan.history.slice(0, fan.split), ...fan.quantiles.flatMap((q) => q.slice(fan.split))]);
    const value = (/** @type {number} */ q, h = last) => number(fan.quantiles[q]?.[fan.split + h], this.#digits);
    box("fan-chart").setAttribute(
      "aria-label",
      `Forecast of ${name} made at ${stamp(f.origin)} for ${count(f.stamps.length)} steps: the median goes from ${value(3, 0)} to ${value(3)}; ` +
        `at the last step the 80 % band is ${value(1)} to ${value(5)}`,
    );
    box("fan-caption").textContent = `${name}: history up to ${stamp(f.origin)}, and the forecast of the next ${count(f.stamps.length)} steps.`;
    this.#readOut(null);
    this.#fillTable();
  }

  /** @param {number | null} index */
  #readOut(index) {
    const [fan, out] = [this.#fan, box("fan-readout")];
    if (!fan || index === null) {
      write(out, "");
      return;
    }
    const at = (/** @type {number} */ q) => number(fan.quantiles[q]?.[index], this.#digits);
    const time = stamp(fan.stamps[index] ?? "");
    const ahead = `median ${at(3)} · 50 % ${at(2)} to ${at(4)} · 90 % ${at(0)} to ${at(6)} · true value ${number(fan.truth[index], this.#digits)}`;
    write(out, `${time} · ${index < fan.split ? `history ${number(fan.history[index], this.#digits)}` : ahead}`);
  }

  #fillTable() {
    const fan = this.#fan;
    if (!fan || !get("fan-details", HTMLDetailsElement).open) return;
    const rows = fan.stamps.map((time, k) => [
      stamp(time),
      number(k < fan.split ? fan.history[k] : fan.truth[k], this.#digits),
      ...fan.quantiles.map((q) => (k < fan.split ? "" : number(q[k], this.#digits))),
    ]);
    fillTable(table("fan-table"), ["Time", "Observed", ...fan.levels.map(levelName)], rows);
  }
}
