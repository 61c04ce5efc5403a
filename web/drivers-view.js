// The learned graph: the strongest drivers of a series, and the strengths of all pairs as a map.

import { box, fillTable, get, input, make, show, table } from "./dom.js";
import { count, counted, number, percent } from "./format.js";
import { clearError, showError } from "./notices.js";
import { failureOf } from "./engine.js";

/** @typedef {import('./protocol').Drivers} Drivers */
/** @typedef {import('./protocol').DriverEdge} DriverEdge */

/** Most rows and columns of the map: more cells cannot be told apart. */
const MOST = 48;

export class DriversView {
  /** @type {(truth?: Uint8Array) => Promise<Drivers | null>} */
  #ask;
  /** @type {Drivers | null} */
  #shown = null;
  #enabled = true;

  /** @param {(truth?: Uint8Array) => Promise<Drivers | null>} ask answers with null if the engine was lost */
  constructor(ask) {
    this.#ask = ask;
    get("driver-target", HTMLSelectElement).addEventListener("change", () => this.#showTarget());
    input("true-graph").addEventListener("change", () => void this.#compare());
  }

  /** Hides the graph of another run. */
  close() {
    this.#shown = null;
    show(box("drivers"), false);
  }

  /** @param {boolean} on */
  enable(on) {
    this.#enabled = on;
    input("true-graph").disabled = !on;
  }

  /** Shows the graph of the current weights, if the model has one. */
  async open() {
    const found = await this.#ask();
    if (!found || found.targets.length === 0) {
      this.close();
      return;
    }
    this.#shown = found;
    const select = get("driver-target", HTMLSelectElement);
    const before = select.value;
    select.replaceChildren(...found.targets.map((name, k) => make("option", { value: String(k) }, name)));
    if ([...select.options].some((option) => option.value === before)) select.value = before;
    show(box("recovery"), false);
    input("true-graph").value = "";
    drawMap(found, (target) => {
      select.value = String(target);
      this.#showTarget();
    });
    this.#showTarget();
    show(box("drivers"), true);
  }

  #showTarget() {
    if (!this.#shown) return;
    const { targets, edges } = this.#shown;
    const name = targets[Number(get("driver-target", HTMLSelectElement).value)] ?? "";
    const own = edges.filter((edge) => edge.target === name);
    fillTable(table("driver-table"), ["Driver", "Strength", "Largest effect"], own.map(row));
    box("driver-none").textContent = own.length > 0 ? "" : `No other series drives ${name}: its forecast comes from its own history.`;
    show(box("driver-scroll"), own.length > 0);
    for (const line of document.querySelectorAll("#driver-map tr")) line.classList.toggle("chosen", line.getAttribute("data-name") === name);
  }

  async #compare() {
    const [file] = input("true-graph").files ?? [];
    if (!file || !this.#enabled) return;
    clearError();
    try {
      const found = await this.#ask(new Uint8Array(await file.arrayBuffer()));
      const r = found?.recovery;
      if (!r) return;
      const by = `${counted(r.edges, "edge")} among ${count(r.pairs)} pairs of driver and target`;
      box("recovery").textContent =
        `Average precision ${number(r.average_precision, 3)} (a random order reaches ${number(r.chance, 2)}), ` +
        `area under the ROC curve ${number(r.auroc, 3)}; the file has ${by}.`;
      show(box("recovery"), true);
    } catch (error) {
      show(box("recovery"), false);
      showError("drivers", failureOf(error));
    }
  }
}

/** @param {DriverEdge} edge @returns {(string | HTMLTableCellElement)[]} */
function row(edge) {
  const bar = make("meter", { min: "0", max: "1", value: edge.strength.toFixed(4), "aria-hidden": "true" });
  return [edge.source, make("td", { class: "strength" }, bar, percent(edge.strength)), effect(edge)];
}

/** @param {DriverEdge} edge @returns {string} "up by 0.42, 3 steps later" */
function effect({ effect, lag }) {
  const size = `${effect < 0 ? "down" : "up"} by ${number(Math.abs(effect), 2)}`;
  if (lag > 0) return `${size}, ${counted(lag, "step")} later`;
  return lag === 0 ? `${size}, at the same step` : `${size}, ${counted(-lag, "step")} before`;
}

/**
 * A table with a square for each pair. A row is a button for its target.
 * @param {Drivers} found
 * @param {(target: number) => void} choose
 */
function drawMap({ targets, drivers, strengths }, choose) {
  const fits = targets.length <= MOST && drivers.length <= MOST;
  show(box("driver-figure"), fits);
  if (!fits) return;
  const head = make("tr", {}, make("td"), ...drivers.map((name) => make("th", { scope: "col" }, make("span", {}, name))));
  const rows = targets.map((name, j) => {
    const cells = drivers.map((driver, i) => {
      const value = strengths[j * drivers.length + i] ?? 0;
      const cell = make("td", { title: `${driver} drives ${name}: ${percent(value)}` }, make("span", { class: "sr" }, percent(value)));
      cell.style.setProperty("--strength", value.toFixed(3));
      return cell;
    });
    const line = make("tr", { "data-name": name }, make("th", { scope: "row" }, name), ...cells);
    line.addEventListener("click", () => choose(j));
    return line;
  });
  table("driver-map").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
}
