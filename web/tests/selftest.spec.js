// Every kernel on the browser's device against f64, as many cases as natively.

import { expect, test } from "@playwright/test";
import { at, open, pgat } from "./helpers.js";

test("the self-test passes, with every case", async ({ page }) => {
  test.setTimeout(300_000);
  const native = JSON.parse(await pgat("--quiet", "doctor", "--self-test", "--json"));
  /** @type {{ cases: number, failures: string[] }[]} */
  const ops = native.self_test;
  expect(ops.flatMap((op) => op.failures)).toEqual([]);
  const cases = ops.reduce((sum, op) => sum + op.cases, 0);
  expect(cases).toBeGreaterThan(30);

  await open(page);
  await at(page, "self-test").click();
  const result = at(page, "self-test-result");
  await expect(result).toHaveText(/passed|failed/i, { timeout: 240_000 });
  await expect(result).toHaveAttribute("data-passed", "true");
  await expect(result).toContainText(new RegExp(`\\b${cases} cases`));
});
