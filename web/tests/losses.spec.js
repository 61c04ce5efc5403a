// The page computes the same losses as the native program, and bit-identical results for every micro-batch size.

import { expect, test } from "@playwright/test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { apart, open, pgat, tinyConfig, tinyFolder, trial, weights } from "./helpers.js";

/** Losses of the native program. @param {string} config */
async function nativeLosses(config) {
  const path = tinyFolder(config);
  const run = join(dirname(path), "run");
  await pgat("--quiet", "train", path, "--out", run);
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  return lines.filter((e) => e.event === "step").map((e) => /** @type {number} */ (e.loss));
}

test("twenty losses are those of the native program, and bits do not depend on the cut", async ({ page }) => {
  const [native, whole] = await Promise.all([nativeLosses(tinyConfig()), open(page).then(() => trial(page, tinyConfig()))]);
  expect(native).toHaveLength(20);
  expect(whole.trained).toMatchObject({ outcome: "finished", step: 20, total: 20 });
  expect(whole.losses).toHaveLength(20);
  const worst = Math.max(...whole.losses.map((loss, k) => apart(loss, native[k])));
  console.log(`   losses ${native[0].toFixed(4)} to ${native[19].toFixed(4)}; largest relative difference of tab and native ${worst.toExponential(1)}`);
  whole.losses.forEach((loss, k) => expect(apart(loss, native[k]), `step ${k + 1}: tab ${loss}, native ${native[k]}`).toBeLessThan(1e-4));
  expect(apart(native[0], native[19]), "the loss moved").toBeGreaterThan(0.02);
  expect(new Set(native).size, "no two losses are the same").toBe(20);

  expect(whole.trained.created_bytes).toBe(whole.loaded.plan.bytes);
  expect(whole.loaded.plan.buffers.reduce((sum, b) => sum + b.bytes, 0)).toBe(whole.loaded.plan.bytes);

  const again = await trial(page, tinyConfig());
  expect(again.losses).toEqual(whole.losses);
  expect(weights(again.run)).toBe(weights(whole.run));

  const cut = await trial(page, tinyConfig({ micro_batch: 1 }));
  expect([whole.loaded.plan.micro_batch, cut.loaded.plan.micro_batch]).toEqual([8, 1]);
  expect(cut.loaded.plan.bytes).toBeLessThan(whole.loaded.plan.bytes);
  expect(cut.trained.created_bytes).toBe(cut.loaded.plan.bytes);
  expect(weights(cut.run)).toBe(weights(whole.run));

  const other = await trial(page, tinyConfig({ seed: 8, max_steps: 2 }));
  expect(other.losses[0], "another seed is another training").not.toBe(whole.losses[0]);
  expect(weights(other.run)).not.toBe(weights(whole.run));
});
