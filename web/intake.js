// Files in other formats than CSV: Parquet, Arrow, NumPy, zstd. A wasm module of its own converts them to CSV. It is loaded only for such a
// file, in a worker of its own, which ends after the conversion so that its memory is freed.

import { EngineError } from "./engine.js";

/** @typedef {import('./files.js').NamedBytes} NamedBytes */
/** @typedef {{ csv: ArrayBuffer } | { failure: import('./protocol').Failure }} Converted */

/** The first bytes of the formats. */
const MAGIC = [
  [0x50, 0x41, 0x52, 0x31], // Parquet: PAR1
  [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31], // Arrow file: ARROW1
  [0xff, 0xff, 0xff, 0xff], // Arrow stream
  [0x46, 0x45, 0x41, 0x31], // old Feather: FEA1, which the module refuses with advice
  [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59], // NPY: \x93NUMPY
  [0x28, 0xb5, 0x2f, 0xfd], // zstd
];

/**
 * Whether a file must be converted. The name of the file does not matter. NPZ is a zip file, as is a run file, but holds arrays.
 * @param {Uint8Array} bytes
 */
export function needsConversion(bytes) {
  if (MAGIC.some((magic) => magic.every((byte, at) => bytes[at] === byte))) return true;
  const zip = [0x50, 0x4b, 0x03, 0x04].every((byte, at) => bytes[at] === byte);
  const length = (bytes[26] ?? 0) + 256 * (bytes[27] ?? 0);
  return zip && new TextDecoder().decode(bytes.subarray(30, 30 + length)).endsWith(".npy");
}

/**
 * Converts a file to CSV. The bytes of the file are moved to the worker. The result has the name of the file.
 * @param {NamedBytes} file
 * @returns {Promise<NamedBytes>}
 */
export function toCsv({ name, bytes }) {
  const worker = new Worker(new URL("./intake-worker.js", import.meta.url), { type: "module" });
  /** @type {Promise<NamedBytes>} */
  const result = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      const converted = /** @type {Converted} */ (data);
      if ("failure" in converted) reject(new EngineError(converted.failure));
      else resolve({ name, bytes: new Uint8Array(converted.csv) });
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const hint = "Use a smaller file, or the command-line program `pgat`.";
      reject(new EngineError({ kind: "data", message: `${name}: the conversion stopped: ${event.message || "no reason is known"}`, hint }));
    };
  });
  worker.postMessage({ name, bytes }, [bytes.buffer]);
  return result.finally(() => worker.terminate());
}
