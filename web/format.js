// Formatting of numbers and texts.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** @param {number} n @returns {string} "27,262,976" */
export const count = (n) => whole.format(n);

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 * @returns {string} "1 window", "3 windows"
 */
export const counted = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** @param {number} bytes @returns {string} "26.0 MiB" */
export function binary(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let k = 0;
  while (bytes >= 1024 && k < units.length - 1) {
    bytes /= 1024;
    k += 1;
  }
  return `${k === 0 ? count(bytes) : bytes.toFixed(bytes < 10 ? 2 : 1)} ${units[k]}`;
}

/** @param {number} ms @returns {string} "41 ms", "1.3 s" */
export function milliseconds(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

/** @param {number} ms @returns {string} "0:42", "1:02:03" */
export function clock(ms) {
  if (!Number.isFinite(ms)) return "–";
  const s = Math.round(ms / 1000);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/** @param {number} ms @returns {string} "under a second", "40 seconds", "5 minutes" */
export function roughly(ms) {
  const s = ms / 1000;
  if (s < 1) return "under a second";
  if (s < 90) return `about ${counted(Math.round(s), "second")}`;
  if (s < 5400) return `about ${counted(Math.round(s / 60), "minute")}`;
  return `about ${(s / 3600).toFixed(1)} hours`;
}

const minus = (/** @type {string} */ s) => s.replace("-", "−");

/**
 * @param {number | null | undefined} x
 * @param {number} [digits] significant ones
 * @returns {string}
 */
export function number(x, digits = 4) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-3 || (size >= 1e6 && digits <= 7))) return minus(x.toExponential(Math.max(0, digits - 2)));
  const places = size === 0 ? 1 : Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return minus(x.toFixed(Math.min(places, 6)));
}

/**
 * @param {(number | null | undefined)[]} values
 * @param {number} [digits] significant ones of the differences between the values
 * @returns {number} significant digits that tell the values apart: more than four at 6.78e9 ± 25
 */
export function digitsOf(values, digits = 4) {
  const finite = values.filter((x) => x !== null && x !== undefined && Number.isFinite(x)).map(Number);
  const least = finite.reduce((a, b) => Math.min(a, b), Infinity);
  const greatest = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  const ratio = Math.max(Math.abs(least), Math.abs(greatest)) / (greatest - least);
  return Number.isFinite(ratio) && ratio > 1 ? Math.min(15, digits + Math.floor(Math.log10(ratio))) : digits;
}

/** @param {string} text a time @returns {string} the time without seconds if they are 0 */
export const stamp = (text) => text.replace(/^(\d{4}-\d\d-\d\d[ T]\d\d:\d\d):00(Z|[+-]\d\d:\d\d)?$/, "$1$2");

/** @param {string} text @returns {string} the text with a full stop if it has no end mark */
export const sentence = (text) => (/[.!?…]$/.test(text) ? text : `${text}.`);

/** @param {number | null | undefined} x a fraction @returns {string} "79.6 %" */
export const percent = (x) => (x === null || x === undefined || !Number.isFinite(x) ? "–" : `${(100 * x).toFixed(1)} %`);

/** @param {number} level 0.1 @returns {string} "10 %" */
export const levelName = (level) => `${Number((100 * level).toFixed(2))} %`;
