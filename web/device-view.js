// The device in words, and the check of every kernel on it.

import { box, facts, get, show } from "./dom.js";
import { count, number, sentence } from "./format.js";
import { failureOf } from "./engine.js";

/** @typedef {import('./protocol').Adapter} Adapter */
/** @typedef {import('./protocol').Failure} Failure */
/** @typedef {import('./engine.js').Engine} Engine */

/** @type {Record<Adapter["kind"], string>} */
const KINDS = { discrete: "a GPU of its own", integrated: "integrated graphics", virtual: "a virtual GPU", cpu: "software", other: "a GPU" };

/** @param {Adapter} adapter */
export function showAdapter(adapter) {
  const line = box("adapter");
  const slow = adapter.kind === "cpu";
  const name = adapter.name || "an unnamed adapter";
  line.textContent = slow ? `${name}: a software adapter, right but slow` : name;
  line.classList.toggle("slow", slow);
  line.dataset.kind = adapter.kind;
  const driver = [adapter.driver, adapter.driver_info].filter(Boolean).join(", ");
  facts(box("device-facts"), [
    ["Adapter", `${name} (${KINDS[adapter.kind] ?? adapter.kind})`],
    ["Through", adapter.backend],
    ["Driver", driver || "not told by the browser"],
    ["Class", `${adapter.class}. Devices of one class give the same bits.`],
  ]);
}

/** @param {Failure} failure */
export function showNoGpu(failure) {
  box("adapter").textContent = "No GPU";
  box("no-gpu-why").textContent = [failure.message, failure.hint ?? ""].filter(Boolean).map(sentence).join(" ");
  show(box("no-gpu"), true);
}

/**
 * @param {Engine["ask"]} ask
 * @returns {Promise<void>}
 */
export async function runSelfTest(ask) {
  const [bar, result] = [get("self-test-progress", HTMLProgressElement), box("self-test-result")];
  result.textContent = "";
  result.dataset.passed = "";
  bar.value = 0;
  show(bar, true);
  try {
    const answer = await ask("self-test", {}, (e) => {
      if (e.event !== "case") return;
      bar.max = Math.max(e.total, 1);
      bar.value = e.done;
    });
    result.dataset.passed = "true";
    result.textContent =
      `Passed: ${count(answer.cases)} cases agree with double precision, and the whole model with PyTorch. ` +
      `The largest error took up ${number(100 * answer.worst, 3)} % of what is allowed (${answer.worst_case}).`;
  } catch (error) {
    const failure = failureOf(error);
    result.dataset.passed = "false";
    result.textContent = `Failed: ${sentence(failure.message)} ${failure.hint ?? "Do not trust a training on this device; please report this with the lines above."}`;
  } finally {
    show(bar, false);
  }
}
