// The memory budget: it is set on the page, created bytes are exactly as planned, and the result is bit-identical for every budget.

import { expect, test } from "@playwright/test";
import { readBudget, sameRun, writeBudget } from "../config-text.js";
import { at, open, picture, plan, reach, reachStep, runFile, step, tinyConfig, tinyFiles, trial, unzip, watch, weights, zip } from "./helpers.js";

/** @typedef {import('@playwright/test').Page} Page */

/** The whole model with a long history and few parameters, so that plans differ. @param {Record<string, string | number>} [training] */
const longConfig = (training = {}) =>
  tinyConfig({ batch_size: 4, ...training })
    .replace("history = 8", "history = 96")
    .replace("d_model = 16", "d_model = 8")
    .replace("n_heads = 4", "n_heads = 2")
    .replace("n_layers = 2", "n_layers = 1");

test("three budgets: created is planned, and the weights after 20 steps are the same bits", async ({ page }) => {
  await open(page);
  const config = longConfig();
  expect(config).toContain("dropout = 0.2");
  const roomy = await trial(page, config);
  const { smallest, curve } = roomy.loaded.outlook;
  const between = curve.reduce((most, o) => (o.computed_again > most.computed_again ? o : most));
  const tight = await trial(page, writeBudget(config, String(smallest.bytes)));
  const again = await trial(page, writeBudget(config, String(between.bytes)));
  for (const { loaded, trained } of [roomy, tight, again]) {
    const { bytes, buffers, micro_batch, computed_again } = loaded.plan;
    console.log(`   ${bytes} bytes created as planned, micro-batches of ${micro_batch}, ${computed_again} ops recomputed`);
    expect(trained).toMatchObject({ outcome: "finished", step: 20, created_bytes: bytes });
    expect(buffers.reduce((sum, b) => sum + b.bytes, 0)).toBe(bytes);
  }
  const [a, b, c] = [roomy, tight, again].map((t) => t.loaded.plan);
  expect(roomy.loaded).toMatchObject({ memory: null, outlook: { fits: true, budget: 2 ** 30 } });
  expect(tight.loaded).toMatchObject({ memory: String(smallest.bytes), outlook: { fits: true, budget: smallest.bytes } });
  expect(b.bytes).toBe(smallest.bytes);
  expect(b.bytes, "the plans differ").toBeLessThan(0.85 * a.bytes);
  expect(c.bytes).toBeLessThanOrEqual(between.bytes);
  expect([a.micro_batch, b.micro_batch]).toEqual([4, 1]);
  expect(c.computed_again).toBeGreaterThan(a.computed_again + 10);
  for (const other of [tight, again]) {
    expect(other.losses).toEqual(roomy.losses);
    expect(weights(other.run)).toBe(weights(roomy.run));
  }
});

/** The bytes of the plan on the page. @param {Page} page */
const bytes = async (page) => Number(await at(page, "plan-bytes").getAttribute("data-bytes"));

/** Enters a budget and waits until the page has planned it or shows an error. @param {Page} page @param {string} budget */
async function choose(page, budget) {
  await at(page, "budget").fill(budget);
  await at(page, "budget").press("Enter");
  await expect(at(page, "budget")).toBeEnabled();
}

test("the field: plans, refusals, and the config's text", async ({ page }) => {
  const wrong = watch(page);
  await open(page);
  await plan(page, longConfig());
  const [field, text, train, error] = ["budget", "config", "train", "error"].map((id) => at(page, id));
  const rows = at(page, "curve").locator("tbody tr");
  const taken = async () => Number(await at(page, "curve").locator("tr[aria-current]").getAttribute("data-bytes"));
  await expect(field).toHaveValue("");
  const most = await bytes(page);
  const least = Number(await rows.first().getAttribute("data-bytes"));
  expect(least).toBeLessThan(0.85 * most);
  expect(await taken()).toBe(most);

  const enough = `${Math.ceil(least / 1024)}KiB`;
  await choose(page, enough);
  await expect(train).toBeEnabled();
  expect([await bytes(page), await taken()]).toEqual([least, least]);
  await expect(text).toHaveValue(longConfig().replace("[training]", `[training]\nmemory = "${enough}"`));
  await picture(page, "12-budget");

  const offered = Number(await rows.last().getAttribute("data-bytes"));
  await rows.last().click();
  await expect.poll(() => bytes(page)).toBeGreaterThan(least);
  expect(await bytes(page)).toBeLessThanOrEqual(offered);
  expect(await taken()).toBe(await bytes(page));
  await expect(field).toHaveValue(`${Math.ceil(offered / 1024)}KiB`);

  await choose(page, "12 parsecs");
  await expect(error).toContainText('"12 parsecs" is not a valid size');
  await expect(page.locator("#slot-memory").getByTestId("error"), "it stands beside the field").toBeVisible();
  await expect(field).toHaveAttribute("aria-invalid", "true");
  await expect(train).toBeDisabled();

  await choose(page, "64KiB");
  await expect(error).toContainText(`${least.toLocaleString("en")} bytes`);
  await expect(error).toContainText(enough);
  await expect(error, "no words of the command line").not.toContainText("--memory");
  await expect(field).toHaveAttribute("aria-invalid", "true");
  await expect(train).toBeDisabled();
  await expect(at(page, "outlook")).toContainText(enough);
  await expect(at(page, "curve").locator("tr[aria-current]")).toHaveCount(0);
  await at(page, "theme").click();
  await picture(page, "13-budget-refused");
  await page.setViewportSize({ width: 390, height: 844 });
  await picture(page, "14-budget-narrow");
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);

  // A row of the table sets a valid budget. An edit of the config text updates the field.
  await rows.first().getByRole("button").click();
  await expect(train).toBeEnabled();
  await expect(error).toBeHidden();
  expect(await bytes(page)).toBe(least);
  await text.fill(longConfig().replace("[training]", '[training]\nmemory = "unlimited" # all of it'));
  await expect(field).toHaveValue("unlimited");
  await expect(train).toBeDisabled();
  await choose(page, "");
  await expect(text).toHaveValue(longConfig());
  await expect(train).toBeEnabled();
  expect(await bytes(page)).toBe(most);
  expect(wrong).toEqual([]);
});

test("a run goes on within another budget, to the same bits", async ({ page }) => {
  const long = longConfig({ max_steps: 30, checkpoint_every: 10, validate_every: 15 });
  await open(page);
  const calm = weights((await trial(page, long)).run);
  await plan(page, long);
  const least = Number(await at(page, "curve").locator("tbody tr").first().getAttribute("data-bytes"));
  await at(page, "train").click();
  await reachStep(page, 5);
  await at(page, "pause").click();
  await reach(page, "paused");
  const paused = await step(page);
  expect(paused).toBeLessThan(30);

  await choose(page, "64KiB");
  await expect(at(page, "error")).toContainText(`${least.toLocaleString("en")} bytes`);
  await at(page, "curve").locator("tbody tr").first().click();
  await expect.poll(() => bytes(page)).toBe(least);
  await expect(page.locator("dialog"), "it is the same run: nothing to ask").toBeHidden();
  await reach(page, "paused");
  expect(await step(page)).toBe(paused);
  await at(page, "continue").click();
  await reach(page, "done");
  expect(await step(page)).toBe(30);
  await expect(page.locator("#created")).toContainText(`${least.toLocaleString("en")} bytes, exactly as planned`);
  const run = await runFile(page);
  expect(weights(run)).toBe(calm);
  expect(unzip(run).get("config.toml")?.toString(), "the run's own config stays, as natively").not.toMatch(/^memory =/m);

  // An opened run file has its own budget. The scores remain while another budget is planned.
  const [saved] = await Promise.all([page.waitForEvent("download"), at(page, "download").click()]);
  await at(page, "open-run").setInputFiles([{ name: saved.suggestedFilename(), mimeType: "application/zip", buffer: run }, tinyFiles()[0]]);
  await expect(at(page, "budget")).toHaveValue("");
  await reach(page, "scoring");
  await reach(page, "done");
  expect(await bytes(page)).toBeGreaterThan(least);
  await choose(page, `${least}`);
  await expect.poll(() => bytes(page)).toBe(least);
  await reach(page, "done");
  await expect(at(page, "metrics")).toBeVisible();
  expect(weights(await runFile(page))).toBe(calm);

  // A run file whose own budget is too small waits for another budget.
  const files = unzip(run);
  files.set("config.toml", Buffer.from(writeBudget(String(files.get("config.toml")), "64KiB")));
  await at(page, "open-run").setInputFiles([{ name: "tight.zip", mimeType: "application/zip", buffer: zip(files) }, tinyFiles()[0]]);
  await expect(page.locator("#slot-memory").getByTestId("error")).toContainText("65,536 are allowed");
  await expect(at(page, "budget")).toHaveValue("64KiB");
  await expect(page.locator("#chosen")).toContainText("tight.zip");
  await choose(page, "unlimited");
  await reach(page, "done");
  await expect(page.locator("#chosen")).not.toContainText("tight.zip");
  expect(weights(await runFile(page))).toBe(calm);
});

test("the key in the config's text", () => {
  const config = 'name = "x" # [training]\n[model]\nmemory_size = 3\n[ training ] # how\nseed = 1\nmemory = \'2GiB\' # enough\n[window]\nmemory = 4\n';
  expect(readBudget(config)).toBe("2GiB");
  expect(writeBudget(config, "64MiB")).toBe(config.replace("'2GiB'", '"64MiB"'));
  expect(writeBudget(config, "")).toBe(config.replace(/memory = '2GiB'.*\n/, ""));
  expect(readBudget(writeBudget(config, 'a "quoted" \\ one'))).toContain("quoted");
  expect(readBudget("[training]\nseed = 1\n")).toBe("");
  expect(writeBudget("[training]\nseed = 1\n", "1GiB")).toBe('[training]\nmemory = "1GiB"\nseed = 1\n');
  expect(writeBudget("[window]\nhistory = 8", "1GiB")).toBe('[window]\nhistory = 8\n\n[training]\nmemory = "1GiB"\n');
  for (const odd of ['training.memory = "1GiB"\n', "training = { seed = 1 }\n[model]\n"]) {
    expect(readBudget(odd)).toBeNull();
    expect(writeBudget(odd, "2GiB")).toBe(odd);
  }
  expect(sameRun(config, writeBudget(config, ""))).toBe(true);
  expect(sameRun("[model]\n", writeBudget("[model]\n", "1MiB"))).toBe(true);
  expect(sameRun(config, config.replace("seed = 1", "seed = 2"))).toBe(false);
});
