// The plan of a config, before anything is created on the device.

import { box, facts, fillNotes, fillTable, make, show, table } from "./dom.js";
import { showOutlook } from "./budget.js";
import { binary, count, counted, milliseconds, roughly, stamp } from "./format.js";

/** @typedef {import('./protocol').Loaded} Loaded */
/** @typedef {import('./protocol').Plan} Plan */
/** @typedef {{ name: string, bytes: number, buffers: number }} Group */

const COLOURS = 6;

/** @param {Loaded} loaded */
export function showPlan(loaded) {
  const { plan } = loaded;
  const bytes = box("plan-bytes");
  bytes.textContent = count(plan.bytes);
  bytes.dataset.bytes = String(plan.bytes);
  box("plan-mib").textContent = `= ${binary(plan.bytes)}, exactly`;
  showMemory(plan);
  showOutlook(loaded.outlook, plan);
  facts(box("plan-facts"), planFacts(plan));
  box("data-summary").textContent = describeData(loaded.data);
  fillNotes(box("data-notes"), loaded.data.notes);
  box("train-hint").textContent = `predicted: ${roughly(plan.steps * plan.predicted_ms)} for ${counted(plan.steps, "step")}`;
  show(box("plan-memory"), true);
  show(box("plan"), true);
}

/**
 * @param {Plan} plan
 * @returns {[string, string][]}
 */
function planFacts(plan) {
  const { training, validation, test } = plan.windows;
  const cut = plan.micro_batch < plan.batch ? ` in micro-batches of ${count(plan.micro_batch)}` : "";
  const start = plan.start_steps ? `${count(plan.start_steps)} of the linear start, which are shorter, then ` : "";
  /** @type {[string, string][]} */
  const needs = plan.limits ? [["Needs", `buffers of up to ${binary(plan.limits.buffer_bytes)}, more than WebGPU guarantees`]] : [];
  return [
    ["Windows", `${count(training)} training, ${count(validation)} validation, ${count(test)} test`],
    ["Parameters", count(plan.parameters)],
    ["Steps", `${start}${count(plan.steps)}, each of ${counted(plan.batch, "window")}${cut}`],
    ["Recomputed", plan.computed_again > 0 ? `${counted(plan.computed_again, "op")} in the backward pass, to save memory` : "none"],
    ["Dispatches", `${count(plan.dispatches)} per step`],
    ["Predicted time", `${milliseconds(plan.predicted_ms)} per step`],
    ["Device class", plan.class],
    ...needs,
  ];
}

/**
 * @param {Loaded["data"]} data
 * @returns {string}
 */
function describeData(data) {
  const every = data.frequency ? `, every ${data.frequency}` : "";
  const drivers = [...data.covariates, ...data.channels];
  const also = drivers.length > 0 ? ` and ${counted(drivers.length, "driver")}` : "";
  const pieces = data.segments > 1 ? ` in ${count(data.segments)} segments` : "";
  const missing = data.missing_cells > 0 ? counted(data.missing_cells, "missing value") : "no missing values";
  return (
    `${data.file}: ${counted(data.rows, "row")}${every}${pieces}, from ${stamp(data.first)} to ${stamp(data.last)}; ${missing}. ` +
    `${counted(data.targets.length, "target")}${also}; ${counted(data.history, "step")} of history, ${counted(data.horizon, "step")} of forecast.`
  );
}

/** @param {Plan} plan */
function showMemory(plan) {
  const groups = group(plan.buffers);
  const shown = groups.length > COLOURS ? [...groups.slice(0, COLOURS - 1), rest(groups.slice(COLOURS - 1))] : groups;
  const bar = box("memory-bar");
  bar.setAttribute("aria-label", `Memory by use: ${shown.map((g) => `${g.name} ${binary(g.bytes)}`).join(", ")}`);
  bar.replaceChildren(
    ...shown.map((g, k) => {
      const part = make("span", { class: `b${k + 1}`, title: `${g.name}: ${count(g.bytes)} bytes` });
      part.style.flexGrow = String(g.bytes);
      return part;
    }),
  );
  box("memory-legend").replaceChildren(
    ...shown.map((g, k) => make("span", {}, make("span", { class: `swatch b${k + 1}` }), `${g.name} ${binary(g.bytes)}`)),
  );
  fillTable(
    table("buffers"),
    ["Buffer", "Bytes"],
    plan.buffers.map((b) => [b.name, count(b.bytes)]),
  );
}

/**
 * Groups buffers by role, the largest first: "arena 0" and "arena 1" are the arena.
 * @param {Plan["buffers"]} buffers
 * @returns {Group[]}
 */
function group(buffers) {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const { name, bytes } of buffers) {
    const role = name.replace(/[\s\-_#(:]*\d+\)?$/, "") || name;
    const known = groups.get(role) ?? { name: role, bytes: 0, buffers: 0 };
    groups.set(role, { name: role, bytes: known.bytes + bytes, buffers: known.buffers + 1 });
  }
  return [...groups.values()].sort((a, b) => b.bytes - a.bytes);
}

/**
 * @param {Group[]} groups
 * @returns {Group}
 */
function rest(groups) {
  const sum = (/** @type {"bytes" | "buffers"} */ key) => groups.reduce((total, g) => total + g[key], 0);
  return { name: "others", bytes: sum("bytes"), buffers: sum("buffers") };
}
