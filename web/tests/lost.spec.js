// Lost devices and dead workers: training resumes, and the result is bit-identical.

import { chromium, expect, test } from "@playwright/test";
import { readFileSync } from "node:fs";
import { ask, at, control, open, plan, reach, reachStep, runFile, step, tinyConfig, trial, unzip, weights } from "./helpers.js";

const LONG = tinyConfig({ max_steps: 60, checkpoint_every: 10, validate_every: 30 });

/** @type {string | undefined} */
let known;
/** Weights of this training without a failure. They are the same in all tests and browsers. @param {import('@playwright/test').Page} page */
const undisturbed = async (page) => (known ??= weights((await trial(page, LONG)).run));

test("a device that is lost, while training and after it", async ({ page }) => {
  await open(page);
  const calm = await undisturbed(page);

  await plan(page, LONG);
  await at(page, "train").click();
  await reachStep(page, 15);
  await control(page, "destroy-device");
  await expect(at(page, "notice")).toBeVisible();
  await expect(at(page, "notice")).toContainText(/lost/i);
  await reach(page, "done");
  expect(await step(page)).toBe(60);
  expect(weights(await runFile(page))).toBe(calm);

  const before = await ask(page, "evaluate", { part: "test" });
  await control(page, "destroy-device");
  const after = await ask(page, "evaluate", { part: "test" });
  expect(after.forecasters[0].overall).toEqual(before.forecasters[0].overall);
  await control(page, "destroy-device");
  const fan = at(page, "fan-chart");
  const said = await fan.getAttribute("aria-label");
  await at(page, "window").fill("3");
  await expect(fan).not.toHaveAttribute("aria-label", said ?? "");
  expect(weights(await runFile(page))).toBe(calm);
});

test("a worker that dies while training", async ({ page }) => {
  await open(page);
  const calm = await undisturbed(page);

  await plan(page, LONG);
  await at(page, "train").click();
  await reachStep(page, 15);
  const [worker] = page.workers();
  await worker.evaluate(() => void setTimeout(() => { throw new Error("killed by the test"); }));
  await page.waitForFunction(() => document.documentElement.dataset.state === "failed");
  await expect(at(page, "error")).toContainText("killed by the test");
  const [saved] = await Promise.all([page.waitForEvent("download"), at(page, "rescue").click()]);
  expect([...unzip(readFileSync(await saved.path())).keys()]).toContain("checkpoint.safetensors");

  const steps = () => page.evaluate(() => /** @type {any} */ (window).pgat.losses.map((/** @type {any} */ l) => l.step));
  const before = (await steps()).length;
  await at(page, "go-on").click();
  await page.waitForFunction(() => document.documentElement.dataset.state !== "failed");
  await reach(page, "done");
  expect((await steps())[before], "it went on from a checkpoint, not from the start").toBeGreaterThan(10);
  expect(await step(page)).toBe(60);
  expect(weights(await runFile(page))).toBe(calm);
});

test("a GPU process that crashes while training", async ({ launchOptions, baseURL }, { project }) => {
  // A separate browser, because Chromium restricts GPU access of a site after some crashes.
  const browser = await chromium.launch({ ...launchOptions, headless: project.use.headless ?? true });
  try {
    const page = await browser.newPage({ baseURL });
    await open(page);
    const calm = await undisturbed(page);
    await plan(page, LONG);
    await at(page, "train").click();
    await reachStep(page, 15);
    const session = await browser.newBrowserCDPSession();
    await session.send("Browser.crashGpuProcess");
    await expect(at(page, "notice")).toContainText(/lost/i);
    await reach(page, "done");
    expect(await step(page)).toBe(60);
    expect(weights(await runFile(page))).toBe(calm);
  } finally {
    await browser.close();
  }
});
