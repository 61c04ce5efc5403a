// A run that stopped early is finished: on the page that trained it, on a page that opens its run file, and after its worker died.

import { expect, test } from "@playwright/test";
import { at, open, plainConfig, plan, reach, runFile, step, tinyFiles, unzip } from "./helpers.js";
import { overhear } from "./overheard.js";

/** @typedef {import('@playwright/test').Page} Page */

// The model does not learn: the first validation is the best, and the second one gives no improvement.
const STUCK = plainConfig({ validate_every: 5, patience: 1, learning_rate: "1e-30", max_steps: 40 }).replace("[model]", "[model]\nmemory_rate = 0.0");

/** @param {Page} page */
async function isAtItsEnd(page) {
  expect(await step(page)).toBe(10);
  await expect(page.locator("#step-of")).toHaveText("of 40");
  await expect(page.locator("#phase-text")).toHaveText(/^Stopped early at step 10\b/);
  await expect(page.locator("#remaining")).toHaveText("0:00");
  for (const id of ["continue", "pause", "stop"]) await expect(at(page, id)).toBeHidden();
  await expect(at(page, "train")).toBeDisabled();
  await expect(at(page, "metrics")).toContainText(/CRPS/);
  await expect(page.locator("#scores-of")).toContainText(/step 5\b/);
  await expect(at(page, "fan-chart").locator("canvas")).toBeVisible();
}

test("a run that stopped early", async ({ page }) => {
  const heard = await overhear(page);
  await open(page);
  await plan(page, STUCK);
  await at(page, "train").click();
  await reach(page, "done");
  await isAtItsEnd(page);
  expect((await heard()).answers.train).toEqual([expect.objectContaining({ outcome: "early-stop", step: 10, total: 40, best_step: 5 })]);
  const run = await runFile(page);
  const events = String(unzip(run).get("metrics.jsonl")).trim().split("\n").map((line) => JSON.parse(line));
  expect(events.filter((e) => e.event === "validation").map((e) => [e.step, e.best])).toEqual([[5, true], [10, false]]);
  const [saved] = await Promise.all([page.waitForEvent("download"), at(page, "download").click()]);

  await open(page);
  await at(page, "open-run").setInputFiles([{ name: saved.suggestedFilename(), mimeType: "application/zip", buffer: run }, tinyFiles()[0]]);
  await reach(page, "scoring");
  await reach(page, "done");
  await isAtItsEnd(page);

  const [worker] = page.workers();
  await worker.evaluate(() => void setTimeout(() => { throw new Error("killed by the test"); }));
  await page.waitForFunction(() => document.documentElement.dataset.state === "failed");
  await at(page, "go-on").click();
  await page.waitForFunction(() => document.documentElement.dataset.state !== "failed");
  await reach(page, "done");
  await isAtItsEnd(page);
  expect((await heard()).answers.train, "nothing was trained on this page").toBeUndefined();
});
