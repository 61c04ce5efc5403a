// Converts one file to CSV and sends the text back. The page ends this worker afterwards.
// @ts-check
import init, { convert } from "./pgat_intake.js";

/** @param {unknown} error @returns {import("./protocol").Failure} */
function failure(error) {
  if (typeof error === "string") {
    const hint = error.includes("data.array.") ? "A config with [data.array] can be chosen together with the file." : null;
    return { kind: "data", message: error, hint };
  }
  const panic = /** @type {{ pgatPanic?: string }} */ (/** @type {unknown} */ (self)).pgatPanic;
  const message = panic ?? (error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  return { kind: "data", message: `the conversion failed: ${message}`, hint: "The file may be too large for this tab: use the command-line program `pgat`." };
}

self.onmessage = async ({ data: { name, bytes, keys } }) => {
  try {
    await init();
    const csv = /** @type {Uint8Array<ArrayBuffer>} */ (convert(bytes, name, keys));
    self.postMessage({ csv: csv.buffer }, { transfer: [csv.buffer] });
  } catch (error) {
    self.postMessage({ failure: failure(error) });
  }
};
