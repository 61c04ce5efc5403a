// DOM helpers. Text is always inserted as text, never as HTML, because column names are untrusted input.

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function get(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`#${id} is missing from the page`);
  return element;
}

/** @param {string} id */
export const box = (id) => get(id, HTMLElement);
/** @param {string} id */
export const button = (id) => get(id, HTMLButtonElement);
/** @param {string} id */
export const input = (id) => get(id, HTMLInputElement);
/** @param {string} id */
export const table = (id) => get(id, HTMLTableElement);

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Writes a text only if it changed, because each write causes a layout.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {HTMLElement} element
 * @param {boolean} on
 */
export function show(element, on) {
  element.hidden = !on;
}

/**
 * Fills a definition list with pairs of text.
 * @param {HTMLElement} list
 * @param {[string, string][]} pairs
 */
export function facts(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]));
}

/**
 * Fills a table whose first column contains row headers. Cells can be elements or text.
 * @param {HTMLTableElement} target
 * @param {string[]} head
 * @param {(string | HTMLTableCellElement)[][]} rows
 * @param {string} [caption]
 */
export function fillTable(target, head, rows, caption) {
  const header = make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map(([first, ...rest]) =>
    make("tr", {}, make("th", { scope: "row" }, first ?? ""), ...rest.map((c) => (typeof c === "string" ? make("td", {}, c) : c))),
  );
  const parts = [make("thead", {}, header), make("tbody", {}, ...body)];
  target.replaceChildren(...(caption ? [make("caption", {}, caption)] : []), ...parts);
}

/**
 * @param {HTMLElement} list
 * @param {string[]} sentences
 */
export function fillNotes(list, sentences) {
  list.replaceChildren(...sentences.map((s) => make("li", {}, s)));
  show(list, sentences.length > 0);
}

/**
 * Downloads bytes as a file.
 * @param {ArrayBuffer} bytes
 * @param {string} name
 */
export function saveFile(bytes, name) {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
