// Tests the device of this browser and sends the result back. The page ends this worker afterwards.
// @ts-check
import init, { selfTest } from "./pgat_selftest.js";

/** @typedef {import("./protocol").Failure} Failure */

/** @param {string} file @returns {Failure} */
const notLoaded = (file) => ({ kind: "data", message: `${file} could not be loaded`, hint: "Check the connection and try again." });

/** @param {unknown} error @returns {Failure} */
function failure(error) {
  if (typeof error === "object" && error !== null && "kind" in error && "message" in error) return /** @type {Failure} */ (error);
  const panic = /** @type {{ pgatPanic?: string }} */ (/** @type {unknown} */ (self)).pgatPanic;
  const message = panic ?? (error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  return { kind: "bug", message: `internal error: ${message}`, hint: "Please report it with the name of the device." };
}

/** The results of PyTorch for the test of the whole model. */
async function golden() {
  const reply = await fetch(new URL("./golden/model.safetensors", import.meta.url)).catch(() => null);
  if (reply?.ok) return new Uint8Array(await reply.arrayBuffer());
  throw notLoaded("golden/model.safetensors");
}

self.onmessage = async ({ data: { id } }) => {
  try {
    const results = await golden();
    await init().catch(() => Promise.reject(notLoaded("pgat_selftest_bg.wasm")));
    const listener = (/** @type {string} */ event) => self.postMessage({ id, happened: JSON.parse(event) });
    self.postMessage({ id, answer: JSON.parse(await selfTest(listener, results)) });
  } catch (error) {
    self.postMessage({ id, failure: failure(error) });
  }
};
