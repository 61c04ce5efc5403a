// The messages of the engine have the types that ../protocol.d.ts declares. The TypeScript compiler checks real messages.

import { expect, test } from "@playwright/test";
import { ask, open, plainConfig, refused, runFile, secondConfig, tinyCsv } from "./helpers.js";
import { judge, literal, overhear, program } from "./overheard.js";

/** @typedef {import('@playwright/test').Page} Page */
/** @typedef {import('../protocol').Control["control"]} ControlName */

/** Trains, with a control message after a step. @param {Page} page @param {ControlName} name @param {number} step */
function train(page, name, step) {
  const work = async (/** @type {readonly [string, number]} */ [name, step]) => {
    const { engine } = /** @type {any} */ (window).pgat;
    await engine.ask("train", {}, (/** @type {any} */ e) => e.event === "tick" && e.step === step && engine.control(name));
  };
  return page.evaluate(work, /** @type {const} */ ([name, step]));
}

test("messages of every kind are of their types, and the judge says no", async ({ page }) => {
  const heard = await overhear(page);
  await open(page);
  const data = { csv: tinyCsv(), file: "tiny.csv" };
  const config = plainConfig({ max_steps: 12, checkpoint_every: 4, validate_every: 6, health_every: 3 });
  const within = (/** @type {string} */ memory) => config.replace("[training]", `[training]\nmemory = "${memory}"`);
  // A tensor of one window is larger than WebGPU's default limit for bindings, 128 MiB.
  const large = within("unlimited").replace("history = 8", "history = 120").replace("patch_len = 2", "patch_len = 1").replace("d_ff = 24", "d_ff = 65536");

  await refused(page, "evaluate", { part: "test" });
  await ask(page, "starter", data);
  await refused(page, "starter", { ...data, csv: "" });
  await ask(page, "array-keys", { config });
  await ask(page, "load", { ...data, config: large });
  await ask(page, "load", { ...data, config });
  await refused(page, "load", { ...data, config: within("64KiB") });
  await refused(page, "load", { ...data, config: config.replace("d_model = 16", "d_model = 15") });
  await refused(page, "load", { ...data, config: config.replace("[model]", "[model") });
  await train(page, "pause", 2);
  await train(page, "destroy-device", 7);
  await ask(page, "evaluate", { part: "test" });
  await ask(page, "forecast", { part: "test", window: 0, levels: [0.1, 0.5, 0.9] });
  const run = [...(await runFile(page))];
  await ask(page, "restore", { ...data, run });
  await refused(page, "restore", { ...data, run, memory: "64KiB" });
  await refused(page, "restore", { ...data, run: run.slice(0, 1000) });
  await ask(page, "drivers", {}); // a model without them
  await ask(page, "load", { ...data, config: secondConfig() });
  await ask(page, "train");
  const truth = [...Buffer.from("source,target,weight\nwind,a2,1\n")];
  await ask(page, "drivers", { truth });
  await refused(page, "drivers", { truth: truth.slice(0, 10) });
  await ask(page, "load", { ...data, config: plainConfig({ learning_rate: "1e30", max_bad_steps: 1 }) });
  await refused(page, "train");

  const all = await heard();
  const seen = all.failures.map(({ kind, key, outlook, config }) => [kind, key, outlook?.fits, typeof config]);
  expect(seen).toEqual([
    ["busy", null, undefined, "object"],
    ["data", null, undefined, "object"],
    ["memory", "training.memory", false, "object"],
    ["config", "model.d_model", undefined, "object"],
    ["config", null, undefined, "object"],
    ["memory", "training.memory", false, "string"],
    ["run-file", null, undefined, "object"],
    ["config", null, undefined, "object"],
    ["not-finite", null, undefined, "object"],
  ]);
  const { load, restore, train: trained } = all.answers;
  expect(load.map(({ plan }) => ["limits" in plan, "budget" in plan])).toEqual([[true, false], [false, true], [false, true], [false, true]]);
  expect([trained.map((t) => t.outcome), restore[0].finished, restore[0].record.length > 12]).toEqual([["stopped", "finished", "finished"], true, true]);
  expect(all.answers.drivers.map((d) => [d.targets.length, d.drivers.length, d.recovery?.pairs])).toEqual([[0, 0, undefined], [3, 5, 6]]);
  expect([all.events.tick.filter((e) => e.phase === "start").length, all.events.calibrated.length]).toEqual([6, 1]);
  expect(all.events.step.map((e) => e.loss)).toContain(null);

  const kinds = { answers: 'Exclude<Kind, "self-test">', events: 'Exclude<EngineEvent["event"], "case">' };
  expect(await judge(program(all, kinds))).toEqual([]);

  /** Each entry changes one field. @type {[type: string, message: any, change: (message: any) => void, why: RegExp][]} */
  const wrong = [
    ["Loaded", load[1], (l) => (l.plan.buffers[0].spare = 1), /'"spare"' does not exist in type/],
    ["Loaded", load[1], (l) => delete l.outlook.levers.reuse, /'reuse' is missing/],
    ["Loaded", load[1], (l) => (l.plan.host.state = "1"), /'string' is not assignable to type 'number'/],
    ["Loaded", restore[0], (l) => (l.record[0].spare = 1), /'"spare"' does not exist in type/],
    ["Evaluation", all.answers.evaluate[0], (e) => (e.skill.reference = null), /'null' is not assignable to type 'string'/],
    ["EngineEvent", all.events.tick[0], (e) => (e.loss = 1), /'"loss"' does not exist in type/],
    ["Failure", all.failures[2], (f) => (f.kind = "odd"), /'"odd"' is not assignable/],
    ["Failure", all.failures[2], (f) => (f.outlook.budget = undefined), /undefined/],
  ];
  const changed = wrong.map(([type, message, change], k) => {
    const copy = structuredClone(message);
    change(copy);
    return `export const wrong${k}: ${type} = ${literal(copy)};`;
  });
  const found = await judge(changed.join("\n"));
  expect(found.map(({ line }) => line)).toEqual(wrong.map((_, k) => k + 1));
  wrong.forEach(([, , , why], k) => expect(found[k].why).toMatch(why));
  const { run: answered, ...fewer } = all.answers;
  expect(answered).toHaveLength(1);
  const more = { ...all.answers, walk: [] };
  expect(await judge(program({ ...all, answers: fewer }, kinds))).toEqual([{ line: 1, why: expect.stringMatching(/'run' is missing/) }]);
  expect(await judge(program({ ...all, answers: more }, kinds))).toEqual([{ line: expect.anything(), why: expect.stringMatching(/'"walk"' does not exist in type/) }]);
});
