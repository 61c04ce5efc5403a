// Files in other formats than CSV: Parquet, Arrow, NumPy, zstd. A wasm module of its own converts them to CSV. It is loaded only for such a
// file, in a worker of its own, which ends after the conversion so that its memory is freed.

import { EngineError } from "./engine.js";

/** @typedef {import('./files.js').NamedBytes} NamedBytes */
/** @typedef {{ csv: ArrayBuffer } | { failure: import('./protocol').Failure }} Converted */

const ZIP = [0x50, 0x4b, 0x03, 0x04];
const NPY = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
/** The first bytes of the formats. */
const MAGIC = [
  [0x50, 0x41, 0x52, 0x31], // Parquet: PAR1
  [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31], // Arrow file: ARROW1
  [0xff, 0xff, 0xff, 0xff], // Arrow stream
  [0x46, 0x45, 0x41, 0x31], // old Feather: FEA1, which the module refuses with advice
  NPY,
  [0x28, 0xb5, 0x2f, 0xfd], // zstd
];

/** @param {Uint8Array} bytes @param {number[]} magic */
const begins = (bytes, magic) => magic.every((byte, at) => bytes[at] === byte);

/**
 * Whether a file must be converted. The name of the file does not matter. NPZ is a zip file, as is a run file, but holds arrays.
 * @param {Uint8Array} bytes
 */
export function needsConversion(bytes) {
  if (MAGIC.some((magic) => begins(bytes, magic))) return true;
  const length = (bytes[26] ?? 0) + 256 * (bytes[27] ?? 0);
  return begins(bytes, ZIP) && new TextDecoder().decode(bytes.subarray(30, 30 + length)).endsWith(".npy");
}

/** Whether a file holds arrays. They have no names of their own: `data.array` of the config names their columns. @param {Uint8Array} bytes */
const holdsArrays = (bytes) => begins(bytes, ZIP) || begins(bytes, NPY);

/**
 * Converts a file to CSV. The result has the name of the file. The bytes of a file without arrays are moved to the worker.
 * @param {NamedBytes} file
 * @param {() => Promise<string>} keysOf the keys of the config for arrays
 * @returns {Promise<NamedBytes>}
 */
export async function toCsv({ name, bytes }, keysOf) {
  if (!holdsArrays(bytes)) return { name, bytes: await convert({ name, bytes, keys: "{}" }, [bytes.buffer]) };
  const keys = await keysOf();
  return { name, bytes: await convert({ name, bytes, keys }, []), arrays: { bytes, keys } };
}

/**
 * The table of a file with arrays for other keys: the same object if they make the same table.
 * @param {NamedBytes} csv
 * @param {() => Promise<string>} keysOf
 * @returns {Promise<NamedBytes>}
 */
export async function withKeys(csv, keysOf) {
  const { name, arrays } = csv;
  const keys = arrays && (await keysOf());
  if (!arrays || keys === undefined || keys === arrays.keys) return csv;
  return { name, bytes: await convert({ name, bytes: arrays.bytes, keys }, []), arrays: { bytes: arrays.bytes, keys } };
}

/**
 * @param {{ name: string, bytes: Uint8Array, keys: string }} request
 * @param {Transferable[]} moved
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
function convert(request, moved) {
  const worker = new Worker(new URL("./intake-worker.js", import.meta.url), { type: "module" });
  /** @type {Promise<Uint8Array<ArrayBuffer>>} */
  const result = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      const converted = /** @type {Converted} */ (data);
      if ("failure" in converted) reject(new EngineError(converted.failure));
      else resolve(new Uint8Array(converted.csv));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const hint = "Use a smaller file, or the command-line program `pgat`.";
      const message = `${request.name}: the conversion stopped: ${event.message || "no reason is known"}`;
      reject(new EngineError({ kind: "data", message, hint }));
    };
  });
  worker.postMessage(request, moved);
  return result.finally(() => worker.terminate());
}
