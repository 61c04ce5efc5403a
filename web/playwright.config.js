// `cargo xtask web test` builds and serves the page, and sets these variables. To run one test against `cargo xtask web serve`:
//   CHROMIUM=chromium PGAT_BIN=../target/debug/pgat npx playwright test tests/path.spec.js

import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests",
  outputDir: process.env.PGAT_RESULTS ?? "../target/web-results",
  reporter: "list",
  // A software adapter uses all cores, so that tests run one at a time with long timeouts.
  workers: 1,
  timeout: 180_000,
  expect: { timeout: 60_000 },
  forbidOnly: true,
  use: {
    baseURL: process.env.PGAT_URL ?? "http://127.0.0.1:8080/",
    viewport: { width: 1280, height: 900 },
    colorScheme: "light",
    reducedMotion: "reduce",
    actionTimeout: 30_000,
    launchOptions: {
      executablePath: process.env.CHROMIUM,
      args: [
        "--enable-unsafe-webgpu", // WebGPU on Linux, and on SwiftShader without a GPU
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
