// The self-test compares every kernel on the device of the browser with f64, and the whole model with PyTorch. It has as many cases as the
// native self-test. Its wasm module is loaded only on request.

import { expect, test } from "@playwright/test";
import { at, open, pgat } from "./helpers.js";
import { judge, overhear, program } from "./overheard.js";

test("the self-test passes, with every case", async ({ page }) => {
  test.setTimeout(300_000);
  const heard = await overhear(page);
  /** @type {string[]} */
  const loaded = [];
  page.on("request", (request) => loaded.push(request.url().replace(/.*\//, "")));
  const tab = async () => {
    await open(page);
    expect(loaded).toContain("pgat_bg.wasm");
    expect(loaded.filter((file) => /selftest-worker|pgat_selftest|safetensors/.test(file)), "nobody asked for the self-test").toEqual([]);
    await at(page, "self-test").click();
    await expect(at(page, "self-test-result")).toHaveText(/passed|failed/i, { timeout: 240_000 });
  };
  const [text] = await Promise.all([pgat("--quiet", "doctor", "--self-test", "--json"), tab()]);
  /** @type {{ op: string, cases: number, failures: string[] }[]} */
  const ops = JSON.parse(text).self_test;
  expect(ops.flatMap((op) => op.failures)).toEqual([]);
  const cases = ops.reduce((sum, op) => sum + op.cases, 0);
  expect(cases).toBeGreaterThan(30);
  expect(ops.filter((op) => op.op === "model").map((op) => op.cases)).toEqual([1]);

  const result = at(page, "self-test-result");
  await expect(result).toHaveAttribute("data-passed", "true");
  await expect(result).toContainText(new RegExp(`\\b${cases} cases`));
  await expect(result).toContainText("the whole model with PyTorch");
  expect(loaded).toContain("pgat_selftest_bg.wasm");
  expect(await judge(program(await heard(), { answers: '"open" | "self-test"', events: '"case"' }))).toEqual([]);
});

test("a self-test that cannot be loaded is not a fault of the device", async ({ page }) => {
  await open(page);
  const result = at(page, "self-test-result");
  for (const file of ["pgat_selftest.js", "pgat_selftest_bg.wasm", "model.safetensors"]) {
    await page.route(`**/${file}`, (route) => route.abort());
    await at(page, "self-test").click();
    await expect(result).toHaveText(/^Failed: .*could not be loaded.*Check the connection and try again\.$/);
    await expect(result, file).not.toContainText(/device are not reliable|undefined|\[object/);
    await page.unroute(`**/${file}`);
    await result.evaluate((e) => e.replaceChildren());
  }
});
