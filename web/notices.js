// Messages of the page: errors next to their cause, notices, questions, and announcements for screen readers.

import { box, button, get, make, show } from "./dom.js";

/** @typedef {import('./protocol').Failure} Failure */
/** @typedef {"top" | "config" | "memory" | "training" | "forecasts" | "drivers" | "keep"} Slot */

/** @type {Partial<Record<Failure["kind"], string>>} Hints if the engine gives none. */
const HINTS = {
  memory: "Reduce the model or the batch size ([model] and [training] in the config), or change the memory budget, and plan again.",
  "device-lost": "Close other pages and programs that use the GPU, then continue from the last checkpoint.",
  "not-finite": "Reduce learning_rate in [training], and check the data for extreme values.",
  busy: "Wait until the current operation has ended, or pause it.",
  bug: "This is an error of the page. Please report it with the text above.",
};

/**
 * Shows an error next to its cause. It replaces the previous error.
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
 * Announces a text to screen readers. Use it rarely.
 * @param {string} text
 */
export function say(text) {
  box("live").textContent = text;
}

/**
 * Asks a question in a dialog. Escape gives null.
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
