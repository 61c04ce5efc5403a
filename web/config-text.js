// Reads and edits training.memory, the only key of the config that the page changes. The rest of the text stays unchanged.

const TABLE = /^\s*\[\[?\s*([\w.\-"' ]+?)\s*\]\]?\s*(?:#.*)?$/;
const KEY = /^(\s*(?:memory|"memory")\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s#]*)(.*)$/;
/** `training.memory = ..` or `training = { .. }` at the top level: valid but rare forms, which only the user edits. */
const ELSEWHERE = /^\s*"?training"?\s*[.=]/;

/**
 * @param {string} text
 * @returns {{ lines: string[], header: number, key: number, elsewhere: boolean }} line numbers, -1 if not found
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
 * The budget of a config; "" if it has none.
 * @param {string} text
 * @returns {string | null} null if the page cannot read and write the key
 */
export function readBudget(text) {
  const { lines, key, elsewhere } = find(text);
  if (elsewhere) return null;
  const value = KEY.exec(lines[key] ?? "")?.[2] ?? "";
  return /^["']/.test(value) ? value.slice(1, -1) : value;
}

/**
 * The config with another budget; "" removes the key.
 * @param {string} text
 * @param {string} budget
 * @returns {string}
 */
export function writeBudget(text, budget) {
  const { lines, header, key, elsewhere } = find(text);
  if (elsewhere) return text;
  const value = JSON.stringify(budget); // also a valid basic string in TOML
  if (key >= 0 && budget === "") lines.splice(key, 1);
  else if (key >= 0) lines[key] = (lines[key] ?? "").replace(KEY, (_, before, _old, after) => `${before}${value}${after}`);
  else if (budget !== "" && header >= 0) lines.splice(header + 1, 0, `memory = ${value}`);
  else if (budget !== "") return `${text.replace(/\n*$/, "\n")}\n[training]\nmemory = ${value}\n`;
  return lines.join("\n");
}

/**
 * Whether two configs describe the same run, that is, differ only in the budget.
 * @param {string} a
 * @param {string} b
 */
export function sameRun(a, b) {
  // The key is removed and inserted again, so that it is in the same position in both.
  const [first, second] = [a, b].map((text) => writeBudget(writeBudget(text, ""), "1GiB"));
  return first === second;
}
