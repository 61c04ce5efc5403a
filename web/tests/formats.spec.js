// Other formats than CSV: a wasm module of its own converts them. It is loaded only for a file that needs it.

import { expect, test } from "@playwright/test";
import { readFileSync } from "node:fs";
import { at, open, plainConfig, reach, watch } from "./helpers.js";
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
