// The common parts of all charts (theme colours, sizes, redraws), and the loss chart.

import uPlot from "./vendor/uPlot.js";

/** @typedef {import('./record.js').TrainingRecord} TrainingRecord */

/** @type {Set<uPlot>} */
const charts = new Set();
/** @type {Map<string, string>} */
let colours = new Map();

/**
 * A colour of the style sheet by name. It is a function, since uPlot reads colours at each redraw.
 * @param {string} name
 */
export const colour = (name) => () => {
  let value = colours.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    colours.set(name, value);
  }
  return value;
};

new MutationObserver(() => {
  colours = new Map();
  for (const chart of charts) chart.redraw(false, true);
}).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });

/**
 * @param {Partial<uPlot.Axis>} extra
 * @returns {uPlot.Axis}
 */
export function axis(extra) {
  return {
    stroke: colour("c-axis"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: colour("c-grid"), width: 1 },
    ticks: { stroke: colour("c-grid"), width: 1, size: 5 },
    ...extra,
  };
}

/**
 * Draws a hidden chart, so that fonts and number formats are loaded before training starts. Their first use takes a browser up to 0.4 s.
 * Call it while the page is idle.
 */
export function warmUp() {
  const host = document.createElement("div");
  const options = { width: 120, height: 120, legend: { show: false }, scales: { x: { time: false } }, axes: [axis({}), axis({})], series: [{}, {}] };
  new uPlot(options, [[0, 1], [0.25, 1e5]], host).destroy();
}

/**
 * A chart with the size of its box. It follows later changes of the size.
 * @param {HTMLElement} host
 * @param {Omit<uPlot.Options, "width" | "height">} options
 * @param {uPlot.AlignedData} data
 * @returns {uPlot}
 */
export function chartIn(host, options, data) {
  const size = () => ({ width: Math.max(host.clientWidth, 120), height: Math.max(host.clientHeight, 120) });
  const chart = new uPlot({ ...options, ...size(), legend: { show: false } }, data, host);
  charts.add(chart);
  const resized = new ResizeObserver(() => {
    const { width, height } = size();
    if (host.clientWidth > 0 && (width !== chart.width || height !== chart.height)) chart.setSize({ width, height });
  });
  resized.observe(host);
  chart.hooks.destroy = [
    () => {
      charts.delete(chart);
      resized.disconnect();
    },
  ];
  return chart;
}

/**
 * The value range of an axis of the loss chart. The first losses of a run can be a hundred times the later ones. The range then ends above
 * the 98th percentile.
 * @param {(number | null)[]} losses
 * @returns {{ range: [number, number], above: number }}
 */
function lossFrame(losses) {
  const all = losses.filter((x) => x !== null).sort((a, b) => a - b);
  if (all.length === 0) return { range: [0, 1], above: 0 };
  const at = (/** @type {number} */ share) => all[Math.min(all.length - 1, Math.floor(share * all.length))] ?? 0;
  const [low, usual, high] = [at(0), at(0.98), at(1)];
  const span = Math.max(usual - low, 1e-3);
  const top = all.length > 50 && high > usual + span ? usual + 0.15 * span : high + 0.06 * Math.max(high - low, 1e-3);
  return { range: [low - 0.06 * span, top], above: all.filter((x) => x > top).length };
}

/**
 * @param {HTMLElement} host
 * @param {(index: number | null) => void} onPoint gets the row under the pointer
 * @param {boolean} two whether the validation losses have an axis of their own
 */
export function lossChart(host, onPoint, two) {
  /** @type {[number, number]} */
  let frame = [0, 1];
  /** The range of the axis of the validation losses. @type {[number, number]} */
  let right = [0, 1];
  let total = 1;
  let few = true; // few points: a line alone would hardly be visible
  const chart = chartIn(
    host,
    {
      scales: { x: { time: false, range: () => [0, total] }, y: { range: () => frame }, v: { range: () => right } },
      axes: [axis({ label: "step", labelSize: 18, labelFont: "12px system-ui, sans-serif", size: 32 }), axis({ size: 52 }), ...(two ? [axis({ scale: "v", side: 1, size: 52, grid: { show: false } })] : [])],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      hooks: { setCursor: [(u) => onPoint(u.cursor.left === undefined || u.cursor.left < 0 ? null : (u.cursor.idx ?? null))] },
      series: [
        {},
        { label: "training", stroke: colour("c-train"), width: 1, spanGaps: true, points: { show: () => few, size: 5, fill: colour("c-train") } },
        { label: "validation", scale: "v", stroke: colour("c-val"), width: 2, spanGaps: true, points: { show: true, size: 7, fill: colour("c-val") } },
        { label: "best", scale: "v", stroke: colour("c-best"), paths: () => null, points: { show: (u, k) => drawDiamond(u, k) } },
      ],
    },
    [[], [], [], []],
  );
  return {
    /**
     * @param {TrainingRecord} record
     * @returns {number} number of points above the range
     */
    draw(record) {
      const own = two ? lossFrame(record.validation) : null;
      const { range, above } = lossFrame(two ? record.training : [...record.training, ...record.validation]);
      frame = range;
      right = own?.range ?? range;
      few = record.steps.length < 60;
      total = Math.max(record.total, record.step, 1);
      chart.setData([record.steps, record.training, record.validation, record.best]);
      return above + (own?.above ?? 0);
    },
    destroy() {
      chart.destroy();
    },
  };
}

/**
 * Marks the best validation loss with its own shape, so that it does not depend on colour alone.
 * @param {uPlot} u
 * @param {number} series
 * @returns {false} uPlot draws no points itself
 */
function drawDiamond(u, series) {
  const [xs, ys] = [u.data[0], u.data[series] ?? []];
  const at = ys.findLastIndex((y) => y !== null && y !== undefined);
  const y = ys[at];
  if (at < 0 || y === null || y === undefined) return false;
  const [px, py] = [u.valToPos(xs[at] ?? 0, "x", true), u.valToPos(y, "v", true)];
  const r = 7 * devicePixelRatio;
  const { ctx } = u;
  ctx.save();
  ctx.lineWidth = 2.5 * devicePixelRatio;
  ctx.strokeStyle = colour("c-best")();
  ctx.beginPath();
  ctx.moveTo(px, py - r);
  ctx.lineTo(px + r, py);
  ctx.lineTo(px, py + r);
  ctx.lineTo(px - r, py);
  ctx.closePath();
  ctx.stroke();
  ctx.restore();
  return false;
}
