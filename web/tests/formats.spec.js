// Other formats than CSV: a wasm module of its own converts them. It is loaded only for a file that needs it.

import { expect, test } from "@playwright/test";
import { readFileSync } from "node:fs";
import { at, open, plainConfig, reach, runFile, tinyCsv, watch } from "./helpers.js";
import { overhear } from "./overheard.js";

/** @typedef {import('@playwright/test').Page} Page */

const golden = (/** @type {string} */ name) => readFileSync(`../tests/golden/formats/${name}`);
const toml = { name: "tiny.toml", mimeType: "text/plain", buffer: Buffer.from(plainConfig()) };

/** Records requests of the module, and of its worker. @param {Page} page */
function intakeRequests(page) {
  /** @type {string[]} */
  const seen = [];
  page.on("request", (request) => request.url().includes("intake") && !request.url().endsWith("/intake.js") && seen.push(request.url()));
  return seen;
}

/** Drops files on the page. @param {Page} page @param {{ name: string, buffer: Buffer }[]} files */
async function drop(page, files) {
  const contents = files.map(({ name, buffer }) => ({ name, base64: buffer.toString("base64") }));
  const transfer = await page.evaluateHandle((all) => {
    const transfer = new DataTransfer();
    for (const { name, base64 } of all) transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
    return transfer;
  }, contents);
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}

test("Parquet and zstd give the data of the CSV", async ({ page }) => {
  const wrong = watch(page);
  const requests = intakeRequests(page);
  const heard = await overhear(page);
  await open(page);
  /** @type {any[]} */
  const found = [];
  // The names tell nothing about the formats: the content does.
  for (const [name, shown] of [["tiny.csv", "tiny.csv"], ["tiny.parquet", "tiny.parquet"], ["tiny.csv.zst", "tiny.csv"], ["tiny.parquet", "run.zip"]]) {
    await drop(page, [{ name: shown, buffer: golden(name) }, toml]);
    await expect.poll(async () => (await heard()).answers.load?.length ?? 0).toBe(found.length + 1);
    await reach(page, "planned");
    const { file, ...data } = (await heard()).answers.load.at(-1).data;
    expect(file).toBe(shown);
    found.push({ data, notes: await page.locator("#data-notes").innerText() });
    if (name === "tiny.csv") expect(requests, "a CSV needs no conversion").toEqual([]);
    else expect(found.at(-1), name).toEqual(found[0]);
    await expect(at(page, "error")).toBeHidden();
  }
  expect(found[0].data).toMatchObject({ rows: 320, frequency: "1h", targets: ["a1", "a2", "a3"], missing_cells: 24 });
  expect(requests.some((url) => url.endsWith("pgat_intake_bg.wasm"))).toBe(true);
  expect(wrong).toEqual([]);
});

test("files that cannot be converted", async ({ page }) => {
  await open(page);
  const error = at(page, "error");
  const cases = /** @type {[string, Buffer, RegExp][]} */ ([
    ["several.npz", golden("several.npz"), /several\.npz.*several arrays: data \[4, 3, 2\], flow \[4, 3\]/],
    ["half.parquet", golden("tiny.parquet").subarray(0, 3000), /half\.parquet.*Parquet file is damaged.*its end is missing/],
    ["old.feather", Buffer.from("FEA1...."), /Feather version 1/],
  ]);
  for (const [name, buffer, words] of cases) {
    await drop(page, [{ name, buffer }]);
    await expect(error).toContainText(words);
    await expect(error, "no words of the machine").not.toContainText(/undefined|\[object|panicked|unreachable/);
    await error.evaluate((e) => e.replaceChildren());
  }
});

/** The targets of the tiny data as an array of NumPy, [rows, 3]. */
function tinyArray() {
  const rows = tinyCsv().trim().split("\n").slice(1).map((line) => line.split(",").slice(1, 4));
  const head = `{'descr': '<f8', 'fortran_order': False, 'shape': (${rows.length}, 3), }`.padEnd(117) + "\n";
  const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, head.length, 0]);
  const numbers = rows.flat().map((cell) => (cell === "" ? Number.NaN : Number(cell)));
  return Buffer.concat([start, Buffer.from(head), Buffer.from(new Float64Array(numbers).buffer)]);
}

/** A config for this array. @param {string[]} series */
const arrayConfig = (series) => {
  const data = `[data]\npath = "x"\ntime = "time"\nfrequency = "1h"\ntargets = ["*"]\n[data.array]\nseries = ${JSON.stringify(series)}\nstart = "2024-01-01 00:00"\n`;
  return plainConfig({ max_steps: 2, checkpoint_every: 2, validate_every: 2 }).replace(/\[data\][^]*?(?=\[window\])/, data);
};

test("the config names the columns of an array, also when it changes and in a run file", async ({ page }) => {
  const wrong = watch(page);
  const heard = await overhear(page);
  const array = { name: "tiny.npy", buffer: tinyArray() };
  const config = (/** @type {string[]} */ ...series) => ({ name: "tiny.toml", buffer: Buffer.from(arrayConfig(series)) });
  const answers = async (/** @type {string} */ kind) => (await heard()).answers[kind] ?? [];
  const targets = async (/** @type {string} */ kind) => (await answers(kind)).map((/** @type {any} */ { data }) => [data.targets, data.rows, data.frequency]);
  await open(page);
  await drop(page, [array, config("north", "south", "west")]);
  await expect.poll(() => targets("load")).toEqual([[["north", "south", "west"], 320, "1h"]]);
  await reach(page, "planned");

  await at(page, "config").fill(arrayConfig(["n", "s", "w"]));
  await at(page, "plan-button").click();
  await expect.poll(() => targets("load")).toEqual([expect.anything(), [["n", "s", "w"], 320, "1h"]]);
  await reach(page, "planned");
  await at(page, "config").fill(arrayConfig(["n", "s"]));
  await at(page, "plan-button").click();
  await expect(at(page, "error")).toContainText(/tiny\.npy: .*data\.array\.series has 2 names, but the array of shape \[320, 3\] needs 3/);

  await at(page, "config").fill(arrayConfig(["n", "s", "w"]));
  await at(page, "plan-button").click();
  await expect.poll(async () => (await answers("load")).length).toBe(3);
  await at(page, "train").click();
  await reach(page, "done");
  const run = await runFile(page);
  await open(page);
  await drop(page, [array, { name: "tiny.pgat.zip", buffer: Buffer.from(run) }]);
  await reach(page, "done");
  expect(await targets("restore")).toEqual([[["n", "s", "w"], 320, "1h"]]);
  expect(wrong).toEqual([]);
});
