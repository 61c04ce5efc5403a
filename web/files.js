// Files that come in: picked, dropped on the page, or the example's.

import { box, input, show } from "./dom.js";

/** @typedef {{ name: string, bytes: Uint8Array<ArrayBuffer> }} NamedBytes */
/** @typedef {{ csv?: NamedBytes, config?: string, run?: NamedBytes }} Brought */

/**
 * By name alone: a config ends in .toml, a table in .csv, .txt, .tsv or .gz, and what is neither is a run.
 * @param {string} name
 * @returns {"config" | "csv" | "run"}
 */
export function kindOf(name) {
  const low = name.toLowerCase();
  if (low.endsWith(".toml")) return "config";
  return /\.(csv|txt|tsv)(\.gz)?$/.test(low) || (low.endsWith(".gz") && !/\.pgat|\.run|\.tar/.test(low)) ? "csv" : "run";
}

/**
 * @param {Iterable<File>} files
 * @returns {Promise<Brought>}
 */
export async function readFiles(files) {
  /** @type {Brought} */
  const brought = {};
  for (const file of files) {
    const kind = kindOf(file.name);
    if (kind === "config") brought.config = await file.text();
    else brought[kind] = { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
  }
  return brought;
}

/** @returns {Promise<Brought>} */
export async function fetchExample() {
  const [csv, config] = await Promise.all([fetchOwn("example/weather.csv.gz"), fetchOwn("example/config.toml")]);
  // Some servers say Content-Encoding: gzip for .gz, and the browser unpacks it; the engine reads both.
  return { csv: { name: "weather.csv.gz", bytes: new Uint8Array(await csv.arrayBuffer()) }, config: await config.text() };
}

/** @param {string} path */
async function fetchOwn(path) {
  const answer = await fetch(new URL(path, document.baseURI)).catch(() => null);
  if (!answer?.ok) throw new Error(`The example could not be fetched: ${path} ${answer ? `(status ${answer.status})` : "(no answer from the server)"}.`);
  return answer;
}

/**
 * Calls `take` for every way in.
 * @param {(brought: Promise<Brought>) => void} take
 */
export function listenForFiles(take) {
  for (const id of ["files", "open-run"]) {
    const field = input(id);
    field.addEventListener("change", () => {
      const files = [...(field.files ?? [])];
      field.value = ""; // so that the same file, mended, can be picked again
      if (files.length > 0) take(readFiles(files));
    });
  }
  listenForDrops((files) => take(readFiles(files)));
}

/** @param {(files: File[]) => void} take */
function listenForDrops(take) {
  const cover = box("drop");
  let depth = 0; // enter and leave also come for every child
  const holds = (/** @type {DragEvent} */ e) => e.dataTransfer?.types.includes("Files") ?? false;
  const close = () => {
    depth = 0;
    show(cover, false);
  };
  addEventListener("dragenter", (e) => {
    if (!holds(e)) return;
    e.preventDefault();
    depth += 1;
    show(cover, true);
  });
  addEventListener("dragover", (e) => holds(e) && e.preventDefault());
  addEventListener("dragleave", (e) => {
    if (holds(e) && --depth <= 0) close();
  });
  addEventListener("drop", (e) => {
    if (!holds(e)) return;
    e.preventDefault();
    close();
    const files = [...(e.dataTransfer?.files ?? [])];
    if (files.length > 0) take(files);
  });
}
