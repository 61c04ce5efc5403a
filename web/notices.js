// What the page says aside from its numbers: errors beside what they are about, notices, questions, and the voice of a screen reader.

import { box, button, get, make, show } from "./dom.js";

/** @typedef {import('./protocol').Failure} Failure */
/** @typedef {"top" | "config" | "memory" | "training" | "forecasts" | "keep"} Slot */

/** @type {Partial<Record<Failure["kind"], string>>} What to do where the engine gives no hint. */
const HINTS = {
  memory: "Make the model or the batch smaller ([model] and [training] in the config), or the memory budget another, and plan it again.",
  "device-lost": "Close other pages and programs that use the GPU, then go on from the last checkpoint.",
  "not-finite": "Lower learning_rate in [training], and look for extreme values in the data.",
  busy: "Wait until what is running has ended, or pause it.",
  bug: "This is a fault of the page, not yours. Please report it with the text above.",
};

/**
 * Shows one error beside what it is about; the one before goes away.
 * @param {Slot} slot
 * @param {Failure} failure
 */
export function showError(slot, failure) {
  const panel = box("error");
  const hint = failure.hint ?? HINTS[failure.kind];
  box(`slot-${slot}`).append(panel);
  panel.replaceChildren(make("p", {}, make("strong", {}, failure.message)));
  if (hint) panel.append(make("p", {}, hint));
  panel.dataset.kind = failure.kind;
  show(panel, true);
  panel.scrollIntoView({ block: "nearest" });
}

export function clearError() {
  const panel = box("error");
  panel.replaceChildren();
  show(panel, false);
}

/**
 * @param {Slot} slot
 * @param {string} text
 */
export function showNotice(slot, text) {
  box(`slot-${slot}`).append(box("notice"));
  const list = box("notice-list");
  list.append(make("li", {}, text));
  while (list.children.length > 4) list.firstElementChild?.remove();
  show(box("notice"), true);
}

export function clearNotices() {
  box("notice-list").replaceChildren();
  show(box("notice"), false);
}

button("notice-close").addEventListener("click", () => {
  clearNotices();
  box("main").focus();
});

/**
 * Says something to a screen reader; seldom.
 * @param {string} text
 */
export function say(text) {
  box("live").textContent = text;
}

/**
 * Asks with a dialog. Escape answers null.
 * @param {string} title
 * @param {string} text
 * @param {{ value: string, label: string, primary?: boolean }[]} choices
 * @returns {Promise<string | null>}
 */
export function question(title, text, choices) {
  const dialog = get("ask", HTMLDialogElement);
  box("ask-title").textContent = title;
  box("ask-text").textContent = text;
  const buttons = choices.map((c) => make("button", { value: c.value, class: c.primary ? "primary" : "" }, c.label));
  box("ask-buttons").replaceChildren(...buttons);
  dialog.returnValue = "";
  dialog.showModal();
  buttons[0]?.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue || null), { once: true });
  });
}
