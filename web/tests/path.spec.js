// The main user path: example, config, plan, training with a pause, scores, forecasts, and a run file for the native program.

import { expect, test } from "@playwright/test";
import { join } from "node:path";
import { apart, at, folder, open, pgat, picture, reach, reachStep, step, unzip, watch } from "./helpers.js";
import { readFileSync } from "node:fs";

const DATA = "../examples/weather/weather.csv.gz";

/** @typedef {{ start: number, ms: number }} Span */

/** Records within the page when its main thread was blocked and when the first step was shown. */
function meter() {
  const times = { tasks: /** @type {Span[]} */ ([]), gaps: /** @type {Span[]} */ ([]), first: 0, states: /** @type {Record<string, number>} */ ({}) };
  const { tasks, gaps } = times;
  Object.assign(window, { times });
  new PerformanceObserver((list) => list.getEntries().forEach((e) => tasks.push({ start: e.startTime, ms: e.duration }))).observe({ type: "longtask", buffered: true });
  const state = () => void (times.states[document.documentElement.dataset.state ?? ""] ??= performance.now());
  new MutationObserver(state).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-state"] });
  let last = performance.now();
  const frame = (/** @type {number} */ now) => {
    gaps.push({ start: last, ms: now - last });
    last = now;
    if (!times.first && Number(document.querySelector("[data-testid=step]")?.getAttribute("data-step")) > 0) times.first = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** A config with these keys of [training], and a short linear start. @param {string} config @param {Record<string, number>} keys */
function edited(config, keys) {
  const kept = config.split("\n").filter((line) => !Object.keys(keys).some((key) => line.startsWith(`${key} =`)));
  const lines = Object.entries(keys).map(([key, value]) => `${key} = ${value}`);
  return kept
    .join("\n")
    .replace("[training]\n", `[training]\n${lines.join("\n")}\n`)
    .replace(/^\[training\.start\].*$/m, "[training.start]\nsteps = 40");
}

test("from the example to a file that the native program takes", async ({ page }) => {
  test.setTimeout(420_000);
  const wrong = watch(page);
  await page.addInitScript(meter);
  const now = () => page.evaluate(() => performance.now());
  await open(page);
  await expect(at(page, "adapter")).not.toBeEmpty();
  await expect(at(page, "train")).toBeHidden();
  await picture(page, "01-start");

  await at(page, "use-example").click();
  await reach(page, "planned");
  await expect(at(page, "config")).toHaveValue(/name = "weather"/);
  const config = edited(await at(page, "config").inputValue(), { max_steps: 20, checkpoint_every: 10, validate_every: 10, log_every: 1 });
  await at(page, "config").fill(config);
  await expect(at(page, "train"), "an edited config is planned before it is trained").toBeDisabled();
  await at(page, "plan-button").click();
  await expect(at(page, "train")).toBeEnabled();
  const bytes = Number(await at(page, "plan-bytes").getAttribute("data-bytes"));
  expect(bytes).toBeGreaterThan(1_000_000);
  expect((await at(page, "plan-bytes").innerText()).replace(/\D/g, "")).toBe(String(bytes));
  await expect(page.locator("body")).toContainText(/20 steps/);
  await picture(page, "02-plan");

  const clicked = await now();
  await at(page, "train").click();
  await reachStep(page, 3);
  await picture(page, "03-training");
  await reachStep(page, 6);
  await at(page, "pause").click();
  await reach(page, "paused");
  const paused = await step(page);
  expect(paused).toBeGreaterThan(5);
  expect(paused).toBeLessThan(20);
  await expect(at(page, "loss-chart").locator("canvas")).toBeVisible();
  await picture(page, "04-paused");
  expect(await step(page)).toBe(paused);
  await at(page, "continue").click();
  await reach(page, "done");
  const perStep = await at(page, "ms-per-step").innerText();
  expect(await step(page)).toBe(20);
  await expect(at(page, "loss-chart")).toHaveAttribute("aria-label", /step 20/);
  await expect(page.locator("body")).toContainText(new RegExp(`Created on the device: ${bytes.toLocaleString("en").replaceAll(",", ".")} bytes, exactly as planned`));

  /** @type {{ tasks: Span[], gaps: Span[], first: number, states: Record<string, number> }} */
  const { tasks, gaps, first: firstStep, states } = await page.evaluate(() => /** @type {any} */ (window).times);
  const longest = (/** @type {Span[]} */ all, /** @type {number} */ from, /** @type {number} */ to) =>
    Math.max(0, ...all.filter((t) => t.start > from && t.start < to).map((t) => t.ms));
  const task = longest(tasks, clicked, states.scoring);
  const seconds = (/** @type {number} */ from, /** @type {number} */ to) => `${((to - from) / 1000).toFixed(1)} s`;
  console.log(`   first step ${seconds(0, firstStep)} after navigation, ${seconds(clicked, firstStep)} after the click`);
  console.log(`   ${perStep} a step; training ${seconds(clicked, states.scoring)} with the pause, scoring ${seconds(states.scoring, states.done)}`);
  console.log(`   longest task of the page while training ${task.toFixed(0)} ms (goal 50), while scoring ${longest(tasks, states.scoring, states.done).toFixed(0)} ms`);
  console.log(`   longest gap between frames while training ${longest(gaps, clicked, states.scoring).toFixed(0)} ms`);
  expect(task).toBeLessThan(200);

  await expect(at(page, "verdict")).not.toBeEmpty();
  const metrics = at(page, "metrics");
  await expect(metrics).toContainText(/seasonal naive/i);
  const row = await metrics.getByRole("row", { name: /^CRPS/ }).first().locator("td").allInnerTexts();
  const crps = Number.parseFloat(row[0]);
  expect(crps).toBeGreaterThan(0);
  await picture(page, "05-scores");

  const fan = at(page, "fan-chart");
  await expect(fan.locator("canvas")).toBeVisible();
  await expect(at(page, "series").locator("option")).toHaveCount(12);
  const said = async () => (await fan.getAttribute("aria-label")) ?? "";
  const first = await said();
  await at(page, "series").selectOption({ label: "JFK_wind" });
  await expect.poll(said).toContain("JFK_wind");
  const second = await said();
  await at(page, "window").fill("100");
  await expect.poll(said).not.toBe(second);
  expect(new Set([first, second, await said()]).size).toBe(3);
  await picture(page, "06-forecast");

  await expect(at(page, "driver-map").locator("tbody tr")).toHaveCount(12);
  await at(page, "driver-target").scrollIntoViewIfNeeded();
  await picture(page, "15-drivers");

  const [saved] = await Promise.all([page.waitForEvent("download"), at(page, "download").click()]);
  const where = folder();
  const file = join(where, saved.suggestedFilename());
  await saved.saveAs(file);
  console.log(`   ${saved.suggestedFilename()}: ${[...unzip(readFileSync(file))].map(([name, b]) => `${name} ${b.length}`).join(", ")}`);
  expect(wrong).toEqual([]);

  const evaluation = JSON.parse(await pgat("--quiet", "evaluate", file, "--data", DATA, "--json"));
  const native = evaluation.forecasters[0].overall.crps;
  console.log(`   CRPS of the page ${row[0]}, of the native program ${native}`);
  expect(apart(crps, native)).toBeLessThan(1e-3);
  const forecast = (await pgat("--quiet", "forecast", file, "--data", DATA)).trim().split("\n");
  expect(forecast.length).toBe(1 + 24 * 12);
  const resumed = join(where, "resumed");
  await pgat("train", "--resume", file, "--data", DATA, "--out", resumed);
  expect(readFileSync(join(resumed, "metrics.jsonl"), "utf8")).toContain('"step":20');
});
