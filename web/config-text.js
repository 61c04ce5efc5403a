// The one key of the config that the page edits itself, training.memory. The rest of the text stays as its author wrote it.

const TABLE = /^\s*\[\[?\s*([\w.\-"' ]+?)\s*\]\]?\s*(?:#.*)?$/;
const KEY = /^(\s*(?:memory|"memory")\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s#]*)(.*)$/;
/** `training.memory = ..` or `training = { .. }` at the top: legal, seldom, and left to the editor. */
const ELSEWHERE = /^\s*"?training"?\s*[.=]/;

/**
 * @param {string} text
 * @returns {{ lines: string[], header: number, key: number, elsewhere: boolean }} line numbers, -1 where there is none
 */
function find(text) {
  const lines = text.split("\n");
  const found = { lines, header: -1, key: -1, elsewhere: false };
  let table = "";
  lines.forEach((line, k) => {
    const opened = TABLE.exec(line);
    if (opened) {
      table = opened[1] ?? "";
      if (table === "training") found.header = k;
    } else if (table === "training" && KEY.test(line)) found.key = k;
    else if (table === "" && ELSEWHERE.test(line)) found.elsewhere = true;
  });
  return found;
}

/**
 * The budget that a config asks for, "" where it asks for none.
 * @param {string} text
 * @returns {string | null} null where it cannot be read, and not be written either
 */
export function readBudget(text) {
  const { lines, key, elsewhere } = find(text);
  if (elsewhere) return null;
  const value = KEY.exec(lines[key] ?? "")?.[2] ?? "";
  return /^["']/.test(value) ? value.slice(1, -1) : value;
}

/**
 * The config with another budget; "" takes the key away.
 * @param {string} text
 * @param {string} budget
 * @returns {string}
 */
export function writeBudget(text, budget) {
  const { lines, header, key, elsewhere } = find(text);
  if (elsewhere) return text;
  const value = JSON.stringify(budget); // a basic string of TOML as well
  if (key >= 0 && budget === "") lines.splice(key, 1);
  else if (key >= 0) lines[key] = (lines[key] ?? "").replace(KEY, (_, before, _old, after) => `${before}${value}${after}`);
  else if (budget !== "" && header >= 0) lines.splice(header + 1, 0, `memory = ${value}`);
  else if (budget !== "") return `${text.replace(/\n*$/, "\n")}\n[training]\nmemory = ${value}\n`;
  return lines.join("\n");
}

/**
 * Whether two configs ask for the same run: no bit of it depends on the budget.
 * @param {string} a
 * @param {string} b
 */
export function sameRun(a, b) {
  // Taken away and put in, so that the key stands in the same place in both.
  const [first, second] = [a, b].map((text) => writeBudget(writeBudget(text, ""), "1GiB"));
  return first === second;
}
