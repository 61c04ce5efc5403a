// The page itself: themes, a narrow screen, keyboard use, no requests to other servers, no errors on the console.

import { expect, test } from "@playwright/test";
import { at, open, picture, plainConfig, plan, reach, tinyFiles, watch } from "./helpers.js";

const config = plainConfig({ max_steps: 10 });

test("themes and a narrow screen", async ({ page }) => {
  const wrong = watch(page);
  await open(page);
  await plan(page, config);
  await at(page, "train").click();
  await reach(page, "done");
  await expect(at(page, "fan-chart").locator("canvas")).toBeVisible();

  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const [light, white] = [await theme(), await paper()];
  await picture(page, "09-light");
  await at(page, "theme").click();
  expect(await theme()).not.toBe(light);
  expect(await paper()).not.toBe(white);
  await picture(page, "10-dark");

  await page.setViewportSize({ width: 390, height: 844 });
  await picture(page, "11-narrow");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(wide, "nothing is wider than the screen").toBeLessThanOrEqual(390);
  expect(wrong).toEqual([]);
});

test("the keyboard alone", async ({ page }) => {
  await open(page);
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-testid"));
  /** Presses Tab until a control has the focus. @param {string} id */
  const tabTo = async (id) => {
    for (let presses = 0; presses < 60; presses++) {
      if ((await focused()) === id) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`Tab does not reach ${id}`);
  };
  // The file chooser event is requested before the key press, so that the browser does not open its own dialog.
  const opened = page.waitForEvent("filechooser");
  await tabTo("files");
  await page.keyboard.press("Space");
  const chooser = await opened;
  await chooser.setFiles(tinyFiles(config));
  await reach(page, "planned");
  await tabTo("config");
  await page.keyboard.press("Control+Enter");
  await expect(at(page, "train")).toBeEnabled();
  await tabTo("train");
  const outline = await page.evaluate(() => document.activeElement && getComputedStyle(document.activeElement).outlineStyle);
  expect(outline, "the focus can be seen").not.toBe("none");
  await page.keyboard.press("Enter");
  await reach(page, "training", "scoring", "done");
  await reach(page, "done");
});
