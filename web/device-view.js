// The description of the device, and the self-test.

import { box, facts, get, show } from "./dom.js";
import { count, number, sentence } from "./format.js";
import { failureOf } from "./engine.js";
import { testDevice } from "./selftest.js";

/** @typedef {import('./protocol').Adapter} Adapter */
/** @typedef {import('./protocol').Failure} Failure */

/** @type {Record<Adapter["kind"], string>} */
const KINDS = { discrete: "discrete GPU", integrated: "integrated GPU", virtual: "virtual GPU", cpu: "software", other: "other GPU" };

/** @param {Adapter} adapter */
export function showAdapter(adapter) {
  const line = box("adapter");
  const slow = adapter.kind === "cpu";
  const name = adapter.name || "an unnamed adapter";
  line.textContent = slow ? `${name}: a software adapter, correct but slow` : name;
  line.classList.toggle("slow", slow);
  line.dataset.kind = adapter.kind;
  const driver = [adapter.driver, adapter.driver_info].filter(Boolean).join(", ");
  facts(box("device-facts"), [
    ["Adapter", `${name} (${KINDS[adapter.kind] ?? adapter.kind})`],
    ["API", adapter.backend],
    ["Driver", driver || "not reported by the browser"],
    ["Class", `${adapter.class}. Devices of the same class give bit-identical results.`],
  ]);
}

/** @param {Failure} failure */
export function showNoGpu(failure) {
  box("adapter").textContent = "No GPU";
  box("no-gpu-why").textContent = [failure.message, failure.hint ?? ""].filter(Boolean).map(sentence).join(" ");
  show(box("no-gpu"), true);
}

/** @returns {Promise<void>} */
export async function runSelfTest() {
  const [bar, result] = [get("self-test-progress", HTMLProgressElement), box("self-test-result")];
  result.textContent = "";
  result.dataset.passed = "";
  bar.value = 0;
  show(bar, true);
  try {
    const answer = await testDevice((e) => {
      if (e.event !== "case") return;
      bar.max = Math.max(e.total, 1);
      bar.value = e.done;
    });
    result.dataset.passed = "true";
    result.textContent =
      `Passed: ${count(answer.cases)} cases agree with double precision, and the whole model with PyTorch. ` +
      `The largest error is ${number(100 * answer.worst, 3)} % of its tolerance (${answer.worst_case}).`;
  } catch (error) {
    const failure = failureOf(error);
    result.dataset.passed = "false";
    result.textContent = `Failed: ${sentence(failure.message)} ${failure.hint ?? "Results of this device are not reliable. Please report this with the lines above."}`;
  } finally {
    show(bar, false);
  }
}
