// The second generation on the page: the linear start has its own count, validation its own loss, and the learned drivers are shown.

import { expect, test } from "@playwright/test";
import { at, open, plainConfig, plan, reach, secondConfig, step } from "./helpers.js";
import { overhear } from "./overheard.js";

test("linear start, calibration and drivers", async ({ page }) => {
  const heard = await overhear(page);
  await open(page);
  await plan(page, secondConfig());
  await at(page, "train").click();
  await reach(page, "done");
  expect(await step(page)).toBe(4);
  await expect(page.locator("#step-of")).toHaveText("of 4");
  await expect(page.locator("#loss-units")).toContainText(/mean negative log-likelihood \(left axis\); validation: mean CRPS \(right axis\)/);
  await expect(page.locator("#calibrated")).toContainText(/^Calibrated on the validation windows: the central 80 % interval covered \d/);
  await expect(at(page, "loss-chart").locator("canvas")).toBeVisible();
  // The losses of the linear start are not in the chart: its table has the steps of the whole model alone.
  await page.locator("#loss-details summary").click();
  await expect(page.locator("#loss-table tbody th")).toHaveText(["0", "1", "2", "3", "4"]);

  const { drivers } = (await heard()).answers;
  const [found] = drivers;
  await expect(at(page, "driver-target").locator("option")).toHaveText(["a1", "a2", "a3"]);
  await expect(at(page, "driver-map").locator("tbody tr")).toHaveCount(3);
  await expect(at(page, "driver-map").locator("tbody tr").first().locator("td")).toHaveCount(5);
  await at(page, "driver-map").locator("tbody tr").nth(1).click();
  await expect(at(page, "driver-target")).toHaveValue("1");
  const own = found.edges.filter((/** @type {any} */ e) => e.target === "a2");
  expect(own.length).toBeGreaterThan(0);
  await expect(at(page, "driver-table").locator("tbody th")).toHaveText(own.map((/** @type {any} */ e) => e.source));
  expect(own.every((/** @type {any} */ e, /** @type {number} */ k) => k === 0 || e.strength <= own[k - 1].strength)).toBe(true);

  await page.getByText("Compare with a known graph").click();
  const edges = (/** @type {string} */ text) => ({ name: "edges.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
  await at(page, "true-graph").setInputFiles([edges("source,target,weight\nheat,a1,1\nwind,a3,1\n")]);
  await expect(at(page, "recovery")).toHaveText(/^Average precision [\d.]+ \(a random order reaches .*the file has 2 edges among 6 pairs/);
  await at(page, "true-graph").setInputFiles([edges("no edges at all\n")]);
  await expect(at(page, "recovery")).toBeHidden();
  await expect(at(page, "error")).toBeVisible();

  // A config whose validation has the loss of training: one axis, and the drivers of the other run are gone.
  await Promise.all([page.waitForEvent("download"), at(page, "download").click()]); // so that the page does not ask
  await plan(page, plainConfig({ max_steps: 4, validate_every: 2 }));
  await expect(page.locator("#drivers")).toBeHidden();
  await at(page, "train").click();
  await reach(page, "done");
  await expect(page.locator("#loss-units")).toHaveText("Mean negative log-likelihood, in standardised units");
  await expect(at(page, "loss-chart").locator("canvas")).toHaveCount(1);
  await expect(at(page, "loss-chart").locator("canvas")).toBeVisible();
  await expect(page.locator("#drivers")).toBeHidden();
});
