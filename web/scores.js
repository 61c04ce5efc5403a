// Scores of the model and of the naive forecasts.

import { box, fillTable, make, show, table } from "./dom.js";
import { count, levelName, number, percent, stamp } from "./format.js";

/** @typedef {import('./protocol').Evaluation} Evaluation */
/** @typedef {import('./protocol').Measures} Measures */
/** @typedef {{ label: string, values: (number | null)[], target: number | null, write: (x: number | null) => string }} Row */

/**
 * @param {Evaluation} evaluation
 * @param {number} step the step of the weights
 */
export function showScores(evaluation, step) {
  const model = evaluation.forecasters[0];
  box("verdict").textContent = evaluation.verdict?.replaceAll(" %", "\u00a0%") ?? "There is no forecast to compare the model with.";
  const first = `${evaluation.part === "test" ? "Test" : "Validation"} part: ${count(evaluation.windows)} forecasts`;
  box("scores-of").textContent =
    `${first}, from ${stamp(evaluation.first_origin)} to ${stamp(evaluation.last_origin)}; ${count(model?.overall.count ?? 0)} values, in the units of the data. ` +
    `The weights are those of step ${count(step)}, which has the lowest validation loss. ` +
    "Lower is better; a coverage should be close to its nominal value. A star marks the best value of a row.";
  fillRows(table("metrics"), "Score", evaluation, rows(evaluation));
  fillRows(table("per-series"), "Series", evaluation, seriesRows(evaluation));
  show(box("scores"), true);
}

/**
 * @param {Evaluation} e
 * @returns {Row[]}
 */
function rows(e) {
  /** @type {(label: string, pick: (m: Measures) => number | null | undefined) => Row} */
  const row = (label, pick) => ({ label, values: e.forecasters.map((f) => pick(f.overall) ?? null), target: null, write: (x) => number(x) });
  const scores = [
    row("CRPS", (m) => m.crps),
    row("MAE", (m) => m.mae),
    row("MSE", (m) => m.mse),
    row("NLL", (m) => m.nll),
    row("Mean pinball", (m) => m.mean_pinball),
  ];
  const coverage = e.intervals.map((interval, k) => ({
    ...row(`Coverage of ${levelName(interval)}`, (m) => m.coverage[k]),
    target: interval,
    write: percent,
  }));
  return [...scores, ...coverage];
}

/**
 * @param {Evaluation} e
 * @returns {Row[]}
 */
function seriesRows(e) {
  return e.series.map((label, s) => ({
    label,
    values: e.forecasters.map((f) => f.per_series[s]?.crps ?? null),
    target: null,
    write: (x) => number(x),
  }));
}

/**
 * @param {HTMLTableElement} target
 * @param {string} what
 * @param {Evaluation} e
 * @param {Row[]} list
 */
function fillRows(target, what, e, list) {
  const heads = e.forecasters.map((f, k) => (k === 0 ? "Model" : capital(f.label)));
  fillTable(
    target,
    [what, ...heads],
    list.map((row) => [row.label, ...cells(row)]),
  );
}

/** @param {Row} row */
function cells(row) {
  const distance = row.values.map((x) => (x === null ? Infinity : row.target === null ? x : Math.abs(x - row.target)));
  const lowest = Math.min(...distance);
  const compared = distance.filter((d) => d < Infinity).length > 1;
  return row.values.map((x, k) => {
    const best = compared && distance[k] === lowest;
    const cell = make("td", best ? { class: "best" } : {}, row.write(x));
    if (best) cell.append(make("span", { class: "sr" }, " (best)"));
    return cell;
  });
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
