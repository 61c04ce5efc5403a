// Input files: selected, dropped on the page, or from the example.

import { box, input, show } from "./dom.js";
import { needsConversion } from "./intake.js";

/** A table that was converted from arrays has the bytes of that file too. */
/** @typedef {{ name: string, bytes: Uint8Array<ArrayBuffer>, arrays?: { bytes: Uint8Array<ArrayBuffer>, keys: string } }} NamedBytes */
/** @typedef {{ csv?: NamedBytes, config?: string, run?: NamedBytes }} Brought */

/**
 * The kind of a file that is not converted, from its name: .toml is a config; .csv, .txt, .tsv or .gz is a table; everything else is a run
 * file.
 * @param {string} name
 * @returns {"config" | "csv" | "run"}
 */
export function kindOf(name) {
  const low = name.toLowerCase();
  if (low.endsWith(".toml")) return "config";
  return /\.(csv|txt|tsv)(\.gz)?$/.test(low) || (low.endsWith(".gz") && !/\.pgat|\.run|\.tar/.test(low)) ? "csv" : "run";
}

/**
 * Reads files. A table in another format than CSV is not converted yet.
 * @param {Iterable<File>} files
 * @returns {Promise<Brought>}
 */
export async function readFiles(files) {
  /** @type {Brought} */
  const brought = {};
  for (const file of files) {
    const kind = kindOf(file.name);
    if (kind === "config") {
      brought.config = await file.text();
      continue;
    }
    const named = { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
    brought[needsConversion(named.bytes) ? "csv" : kind] = named;
  }
  return brought;
}

/** @returns {Promise<Brought>} */
export async function fetchExample() {
  const [csv, config] = await Promise.all([fetchOwn("example/weather.csv.gz"), fetchOwn("example/config.toml")]);
  // Some servers send .gz files with Content-Encoding: gzip, so that the browser decompresses them. The engine reads both forms.
  return { csv: { name: "weather.csv.gz", bytes: new Uint8Array(await csv.arrayBuffer()) }, config: await config.text() };
}

/** @param {string} path */
async function fetchOwn(path) {
  const answer = await fetch(new URL(path, document.baseURI)).catch(() => null);
  if (!answer?.ok) throw new Error(`The example file ${path} could not be loaded ${answer ? `(status ${answer.status})` : "(no answer from the server)"}.`);
  return answer;
}

/**
 * Calls `take` for each way of input.
 * @param {(brought: Promise<Brought>) => void} take
 */
export function listenForFiles(take) {
  for (const id of ["files", "open-run"]) {
    const field = input(id);
    field.addEventListener("change", () => {
      const files = [...(field.files ?? [])];
      field.value = ""; // so that the same file can be selected again after a correction
      if (files.length > 0) take(readFiles(files));
    });
  }
  listenForDrops((files) => take(readFiles(files)));
}

/** @param {(files: File[]) => void} take */
function listenForDrops(take) {
  const cover = box("drop");
  let depth = 0; // enter and leave events also occur for every child element
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
