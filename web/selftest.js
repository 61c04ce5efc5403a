// The self-test. It is a wasm module of its own, because few users need it. It is loaded on request, in a worker of its own with a device of
// its own, which ends after the test so that its memory is freed.

import { EngineError } from "./engine.js";

/** @typedef {import('./protocol').Reply} Reply */
/** @typedef {import('./protocol').EngineEvent} EngineEvent */
/** @typedef {import('./protocol').Requests["self-test"]["answer"]} Tested */

/**
 * Tests the device of this browser.
 * @param {(event: EngineEvent) => void} onEvent
 * @returns {Promise<Tested>}
 */
export function testDevice(onEvent) {
  const worker = new Worker(new URL("./selftest-worker.js", import.meta.url), { type: "module" });
  /** @type {Promise<Tested>} */
  const result = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      const reply = /** @type {Reply} */ (data);
      if ("happened" in reply) onEvent(reply.happened);
      else if ("failure" in reply) reject(new EngineError(reply.failure));
      else resolve(/** @type {Tested} */ (reply.answer));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const message = `the self-test could not be loaded${event.message ? `: ${event.message}` : ""}`;
      reject(new EngineError({ kind: "data", message, hint: "Check the connection and try again." }));
    };
  });
  // The requests to the engine have other numbers.
  worker.postMessage({ id: 0, kind: "self-test" });
  return result.finally(() => worker.terminate());
}
