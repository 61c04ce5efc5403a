// The chart of one forecast of one series: history, median, three bands, and true values.

import uPlot from "./vendor/uPlot.js";
import { axis, chartIn, colour } from "./charts.js";

/** @typedef {import('./protocol').Forecast} Forecast */
/** @typedef {(number | null)[]} Column */
/** @typedef {{ stamps: string[], split: number, history: Column, truth: Column, quantiles: Column[], levels: number[] }} Fan */

/** Quantile levels of the page. The bands are the pairs 5-95, 10-90 and 25-75 %. */
export const LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];
const BANDS = /** @type {const} */ ([
  [0, 6, "c-band90"],
  [1, 5, "c-band80"],
  [2, 4, "c-band50"],
]);

/**
 * Chart columns for one series over history and horizon.
 * @param {Forecast} f
 * @param {number} series
 * @returns {Fan}
 */
export function fanOf(f, series) {
  const [nt, nq, past, ahead] = [f.series.length, f.levels.length, f.history.stamps.length, f.stamps.length];
  const before = Array.from({ length: past }, () => null);
  const after = Array.from({ length: ahead }, () => null);
  const column = (/** @type {Column} */ values, /** @type {number} */ n, stride = nt, at = series) =>
    Array.from({ length: n }, (_, h) => values[h * stride + at] ?? null);
  return {
    stamps: [...f.history.stamps, ...f.stamps],
    split: past,
    history: [...column(f.history.values, past), ...after],
    truth: [...before, ...column(f.truth, ahead)],
    quantiles: f.levels.map((_, q) => [...before, ...column(f.quantiles, ahead, nt * nq, series * nq + q)]),
    levels: f.levels,
  };
}

/**
 * Seconds of a timestamp, interpreted as UTC, so that the axis is not affected by clock changes; null if it is not a time.
 * @param {string} stamp
 */
function seconds(stamp) {
  const m = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?/.exec(stamp);
  if (!m) return null;
  const [year = 0, month = 1, day = 1, h = 0, min = 0, s = 0] = m.slice(1).map((x) => Number(x ?? 0));
  return Date.UTC(year, month - 1, day, h, min, s) / 1000;
}

/** @type {(string | number | null)[][]} Time labels with 24 hours and names of months. */
const TIMES = [
  [31_536_000, "{YYYY}", null, null, null, null, null, null, 1],
  [2_419_200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86_400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

/**
 * @param {HTMLElement} host
 * @param {(index: number | null) => void} onPoint gets the row under the pointer
 */
export function fanChart(host, onPoint) {
  let split = 0;
  let timed = true;
  /** @type {uPlot | null} */
  let chart = null;

  /** @returns {Omit<uPlot.Options, "width" | "height">} */
  const options = () => ({
    tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "UTC"),
    padding: [8, 12, 0, 0],
    scales: { x: { time: timed } },
    axes: [axis(timed ? { values: /** @type {any} */ (TIMES), size: 42 } : { size: 32 }), axis({ size: 58 })],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    hooks: { drawAxes: [(u) => drawOrigin(u, split)], setCursor: [(u) => onPoint(u.cursor.left === undefined || u.cursor.left < 0 ? null : (u.cursor.idx ?? null))] },
    bands: BANDS.map(([low, high, name]) => ({ series: [high + 1, low + 1], fill: colour(name) })),
    series: [
      {},
      ...LEVELS.map((level) => ({
        label: String(level),
        stroke: level === 0.5 ? colour("c-median") : "transparent",
        width: level === 0.5 ? 2.5 : 0,
        points: { show: false },
      })),
      { label: "history", stroke: colour("c-history"), width: 1.75, points: { show: false } },
      { label: "true values", stroke: colour("c-truth"), width: 2, dash: [6, 3], points: { show: true, size: 4, fill: colour("c-truth") } },
    ],
  });

  return {
    /** @param {Fan} fan */
    draw(fan) {
      split = fan.split;
      const times = fan.stamps.map(seconds);
      const real = times.every((t, k) => t !== null && (k === 0 || t > (times[k - 1] ?? t)));
      const xs = real ? times.map((t) => t ?? 0) : fan.stamps.map((_, k) => k - fan.split + 1);
      const data = /** @type {uPlot.AlignedData} */ ([xs, ...fan.quantiles, fan.history, fan.truth]);
      if (chart && timed === real) {
        chart.setData(data);
        return;
      }
      timed = real;
      chart?.destroy();
      host.replaceChildren();
      chart = chartIn(host, options(), data);
    },
  };
}

/**
 * Draws a line between the last known row and the first forecast row.
 * @param {uPlot} u
 * @param {number} split
 */
function drawOrigin(u, split) {
  const xs = u.data[0];
  const [a, b] = [xs[split - 1], xs[split]];
  if (a === undefined || b === undefined) return;
  const x = Math.round(u.valToPos((a + b) / 2, "x", true));
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = colour("c-axis")();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}
