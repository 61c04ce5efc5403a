// Invalid input: the error gives location and advice, and the previous plan and run are kept.

import { expect, test } from "@playwright/test";
import { ask, at, open, picture, plainConfig, plan, reach, refused, runFile, tinyCsv, tinyFiles, weights } from "./helpers.js";

/** @typedef {import('@playwright/test').Page} Page */

/** Line 12 of the file is row 10. @param {(cells: string[]) => string[]} change */
function broken(change) {
  const lines = tinyCsv().split("\n");
  lines[11] = change(lines[11].split(",")).join(",");
  return lines.join("\n");
}

const good = plainConfig({ max_steps: 4 });
const impatient = good.replace("[training]", "[training]\npatience = 1").replace("[evaluation]", "[split]\ntrain = 0.8\ntest = 0.2\n[evaluation]");
/** @type {[what: string, csv: string | Buffer, config: string, words: RegExp[]][]} */
const CASES = [
  ["text in a number's place", broken(([time, , ...rest]) => [time, "none", ...rest]), good, [/line 12/, /a1/, /"none"/, /missing/]],
  ["a stamp that occurs twice", broken(([, ...rest]) => ["2024-01-01 09:00", ...rest]), good, [/line 12/, /line 11/, /keep one/]],
  ["an empty file", "", good, [/empty/, /header/]],
  ["no text at all", Buffer.from(Array.from({ length: 4000 }, (_, k) => (k * 7919) % 256)), good, [/line 1|UTF-8|read/]],
  ["a key that is not known", tinyCsv(), good.replace("dropout", "drop_out"), [/line \d+/, /drop_out/, /did you mean `dropout`/]],
  ["no TOML", tinyCsv(), good.replace("[model]", "[model"), [/line \d+/]],
  ["a column that is not there", tinyCsv(), good.replace('"heat"', '"heet"'), [/heet/, /heat/]],
  ["more memory than is allowed", tinyCsv(), good.replace("[training]", '[training]\nmemory = "64KiB"'), [/bytes|KiB/, /smaller|fewer|larger|raise/i]],
  ["patience with nothing to validate on", tinyCsv(), impatient, [/training\.patience/, /validation part/, /\[split\]/, /remove training\.patience/]],
];

test("bad files and configs", async ({ page }) => {
  await open(page);
  await plan(page, good);
  await at(page, "train").click();
  await reach(page, "done");
  const trained = weights(await runFile(page));
  const bytes = await at(page, "plan-bytes").getAttribute("data-bytes");
  const [saved] = await Promise.all([page.waitForEvent("download"), at(page, "download").click()]); // otherwise the page asks a question
  await saved.delete();

  for (const [what, csv, config, words] of CASES) {
    await test.step(what, async () => {
      const [table, toml] = tinyFiles(config);
      await at(page, "files").setInputFiles([{ ...table, buffer: Buffer.from(csv) }, toml]);
      const error = at(page, "error");
      await expect(error).toBeVisible();
      for (const word of words) await expect(error, what).toContainText(word);
      await expect(error, "no words of the machine").not.toContainText(/undefined|\[object|panicked|unreachable/);
      if (what.startsWith("text")) await picture(page, "07-bad-csv");
      // The plan and the run are kept.
      expect(await at(page, "plan-bytes").getAttribute("data-bytes")).toBe(bytes);
      await expect(at(page, "metrics")).toBeVisible();
      // The error is cleared, so that the next one is new.
      await error.evaluate((e) => e.replaceChildren());
    });
  }
  expect(await refused(page, "load", { config: impatient, csv: tinyCsv(), file: "tiny.csv" })).toMatchObject({ kind: "config", key: "training.patience" });
  expect(weights(await runFile(page)), "the run is as it was").toBe(trained);
  expect((await ask(page, "evaluate", { part: "test" })).forecasters[0].overall.crps).toBeGreaterThan(0);
  expect(await at(page, "train").isVisible()).toBe(true);
});

test("a file that was refused leaves nothing to train by mistake", async ({ page }) => {
  await open(page);
  await plan(page, good);
  await expect(at(page, "train")).toBeEnabled();
  const [table] = tinyFiles(good);
  await at(page, "files").setInputFiles({ ...table, name: "other.csv", buffer: Buffer.from("a,b\n1,2\n") });
  await expect(at(page, "error")).toContainText("no column");
  await expect(at(page, "train"), "the plan is of the file before").toBeDisabled();
  await expect(page.locator("#plan-stale")).toBeVisible();
  await at(page, "files").setInputFiles(table);
  await expect(at(page, "train")).toBeEnabled();
});

test("a run file that is none, and one of other data", async ({ page }) => {
  await open(page);
  await plan(page, good);
  await at(page, "train").click();
  await reach(page, "done");
  const run = await runFile(page);
  const [saved] = await Promise.all([page.waitForEvent("download"), at(page, "download").click()]);
  const name = saved.suggestedFilename();
  const error = at(page, "error");
  const [csv] = tinyFiles();
  const bring = (/** @type {Buffer} */ bytes, table = csv) => at(page, "open-run").setInputFiles([{ name, mimeType: "application/zip", buffer: bytes }, table]);

  await bring(run.subarray(0, run.length / 2));
  await expect(error).toContainText(/damaged|not a run file/);
  await bring(run, { ...csv, buffer: Buffer.from(tinyCsv().replaceAll("a1", "b1")) });
  await expect(error).toContainText(/the file has no column/);
  await bring(run);
  await reach(page, "scoring");
  await reach(page, "done");
  await expect(error).toBeHidden();
  expect(weights(await runFile(page))).toBe(weights(run));
});

/** Runs a line before the scripts of the page and at the start of its worker. @param {Page} page @param {string} line */
async function everywhere(page, line) {
  await page.addInitScript(line);
  await page.route("**/worker.js", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: `${line};\n${await answer.text()}` });
  });
}

test("a browser without WebGPU", async ({ page }) => {
  await everywhere(page, "delete Object.getPrototypeOf(navigator).gpu");
  await page.goto("./");
  await reach(page, "no-gpu");
  await expect(page.locator("#no-gpu")).toBeVisible();
  await expect(page.locator("#no-gpu")).toContainText(/WebGPU/);
  await expect(page.locator("#no-gpu")).toContainText(/https/);
  await expect(at(page, "use-example")).toBeDisabled();
  await picture(page, "08-no-webgpu");
});

test("a browser without an adapter", async ({ page }) => {
  await everywhere(page, "navigator.gpu.requestAdapter = async () => null");
  await page.goto("./");
  await reach(page, "no-gpu");
  await expect(page.locator("#no-gpu")).toContainText(/adapter|GPU/);
  await expect(page.locator("#no-gpu")).toContainText(/acceleration/);
});
