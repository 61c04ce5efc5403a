// The memory budget: a field that shows and edits training.memory of the config, and a table of other budgets.

import { box, input, make, show, table } from "./dom.js";
import { binary, count, counted, milliseconds } from "./format.js";
import { readBudget } from "./config-text.js";

/** @typedef {import('./protocol').Outlook} Outlook */
/** @typedef {import('./protocol').Offer} Offer */
/** @typedef {import('./protocol').Plan} Plan */

/** The planner uses the smaller of two plans if their predicted times differ by at most this factor. */
const TIE = 1.01;

const field = input("budget");

/** The handler for a budget that the user enters or selects; setup.js sets it. */
export const budgetHooks = { chosen: (/** @type {string} */ budget) => void budget };

/** Shows the budget of the config. @param {string} config */
export function showBudget(config) {
  const budget = readBudget(config);
  field.readOnly = budget === null;
  field.value = budget ?? "";
  field.placeholder = budget === null ? "see the config" : "1GiB";
  field.removeAttribute("aria-invalid");
}

/** Marks the field as invalid after an error of the engine. The error is shown below the field. */
export function refuseBudget() {
  field.setAttribute("aria-invalid", "true");
}

/** The smallest budget in KiB that this plan fits. @param {number} bytes */
const budgetOf = (bytes) => `${Math.ceil(bytes / 1024)}KiB`;

/** @param {number} n */
const ops = (n) => (n === 0 ? "none" : counted(n, "op"));

/**
 * @param {Outlook} outlook
 * @param {Plan | null} plan the plan in use, if one fits
 */
export function showOutlook(outlook, plan) {
  const { smallest } = outlook;
  const offers = worthTaking(outlook.curve, plan);
  const fastest = Math.min(...outlook.curve.map((o) => o.seconds));
  const slower = (/** @type {Offer} */ o) => Math.round(100 * (o.seconds / fastest - 1));
  const cost = slower(smallest) > 0 ? `a step then takes ${slower(smallest)}\u00a0% longer than in the fastest plan` : "its plan is also the fastest one";
  box("outlook-text").textContent =
    `The smallest possible budget is ${budgetOf(smallest.bytes)} (${count(smallest.bytes)} bytes): ${cost}. ` +
    `Whole batches would take ${binary(outlook.levers.none)} without memory reuse, and ${binary(outlook.levers.reuse)} with it.`;
  const head = ["Memory", "Time per step", "Slower by", "Micro-batch", "Recomputed"].map((text) => make("th", { scope: "col" }, text));
  const rows = offers.map((o) => {
    const taken = plan !== null && o.bytes === plan.bytes;
    const cells = [milliseconds(1000 * o.seconds), `${slower(o)} %`, counted(o.micro_batch, "window"), ops(o.computed_again)];
    const first = taken ? [binary(o.bytes), " ", make("span", { class: "taken" }, "in use")] : [picker(o.bytes)];
    const row = make("tr", {}, make("th", { scope: "row" }, ...first), ...cells.map((c) => make("td", {}, c)));
    if (taken) row.setAttribute("aria-current", "true");
    row.dataset.bytes = String(o.bytes);
    return row;
  });
  table("curve").replaceChildren(make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  show(box("outlook"), true);
  const current = table("curve").querySelector("tr[aria-current]");
  if (current instanceof HTMLElement) box("curve-scroll").scrollTop = current.offsetTop - box("curve-scroll").clientHeight / 2;
}

/** A button that sets the budget to that of a row. @param {number} bytes */
function picker(bytes) {
  const budget = budgetOf(bytes);
  const pick = make("button", { type: "button", class: "quiet", title: `Plan within ${budget}` }, binary(bytes));
  pick.dataset.budget = budget;
  return pick;
}

/**
 * The curve without plans that no budget would use, and with the plan in use.
 * @param {Offer[]} curve
 * @param {Plan | null} plan
 */
function worthTaking(curve, plan) {
  const all = [...curve];
  if (plan && !all.some((o) => o.bytes === plan.bytes)) {
    const { bytes, micro_batch, computed_again, arena_bound } = plan;
    all.push({ bytes, seconds: plan.predicted_ms / 1000, micro_batch, computed_again, arena_bytes: arena_bound, arena_bound });
  }
  const pointless = (/** @type {Offer} */ o) => all.some((other) => other.bytes < o.bytes && other.seconds <= TIE * o.seconds);
  return all.filter((o) => o.bytes === plan?.bytes || !pointless(o)).sort((a, b) => a.bytes - b.bytes);
}

/** @param {boolean} on */
export function enableBudget(on) {
  field.disabled = !on;
  for (const pick of table("curve").querySelectorAll("button")) pick.disabled = !on;
}

field.addEventListener("change", () => !field.readOnly && budgetHooks.chosen(field.value.trim()));
table("curve").addEventListener("click", (e) => {
  const row = e.target instanceof Element && e.target.closest("tbody tr");
  const pick = row && row.querySelector("button");
  if (pick && !pick.disabled && !field.readOnly) budgetHooks.chosen(pick.dataset.budget ?? "");
});
