// Checks messages of the engine against ../protocol.d.ts: messages are converted to TypeScript literals, which the TypeScript compiler checks.
// A literal must not have fields that its type does not declare, at any depth.

import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { folder } from "./helpers.js";

/** @typedef {import('@playwright/test').Page} Page */
/** @typedef {import('../protocol').Failure} Failure */
/** Answers by kind of request, events by kind. @typedef {{ answers: Record<string, any[]>, events: Record<string, any[]>, failures: Failure[] }} Heard */

const PROTOCOL = fileURLToPath(new URL("../protocol", import.meta.url)).replaceAll("\\", "/");
const COMPILER = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
const OPTIONS = {
  target: "es2023",
  lib: ["es2023"],
  types: [],
  module: "es2022",
  moduleResolution: "bundler",
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
};

/** Records the messages of the workers of all pages that are opened later. @param {Page} page @returns {Promise<() => Promise<Heard>>} */
export async function overhear(page) {
  await page.addInitScript(() => {
    /** @type {Heard} */
    const heard = { answers: {}, events: {}, failures: [] };
    /** @type {Map<number, string>} */
    const asked = new Map();
    class Overheard extends Worker {
      /** @param {string | URL} url @param {WorkerOptions} options */
      constructor(url, options) {
        super(url, options);
        this.addEventListener("message", ({ data }) => {
          if ("happened" in data) (heard.events[data.happened.event] ??= []).push(data.happened);
          else if ("failure" in data) heard.failures.push(data.failure);
          else (heard.answers[asked.get(data.id) ?? ""] ??= []).push(data.answer);
        });
      }
      /** @param {any} message */
      postMessage(message) {
        if ("kind" in message) asked.set(message.id, message.kind);
        super.postMessage(message);
      }
    }
    Object.assign(window, { Worker: Overheard, heard });
  });
  const told = () => {
    const plain = (/** @type {string} */ _, /** @type {unknown} */ value) => (value instanceof ArrayBuffer ? { new: "ArrayBuffer" } : value);
    return JSON.stringify(/** @type {any} */ (window).heard, plain);
  };
  return async () => JSON.parse(await page.evaluate(told));
}

/** A value as a TypeScript literal. @param {unknown} value @returns {string} */
export function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if ("new" in value) return `new ${value.new}(0)`;
  return `{ ${Object.entries(value).map(([key, field]) => `${JSON.stringify(key)}: ${literal(field)}`).join(", ")} }`;
}

/** A list with one message per line. @param {unknown[]} all */
const list = (all) => `[\n${all.map((one) => `${literal(one)},\n`).join("")}]`;
/** @param {Record<string, unknown[]>} kinds */
const table = (kinds) => `{\n${Object.entries(kinds).map(([kind, all]) => `${JSON.stringify(kind)}: ${list(all)},\n`).join("")}}`;

/**
 * A program that compiles if each message has its type, and exactly these kinds of answers and events occur.
 * @param {Heard} heard
 * @param {{ answers: string, events: string }} kinds types
 */
export const program = ({ answers, events, failures }, kinds) => `\
export const answers: { [K in ${kinds.answers}]: Requests[K]["answer"][] } = ${table(answers)};
export const events: { [K in ${kinds.events}]: Extract<EngineEvent, { event: K }>[] } = ${table(events)};
export const failures: Failure[] = ${list(failures)};
`;

/**
 * Compiles lines that can use every type of the protocol, and returns the errors: number of the line and reason.
 * @param {string} source
 * @returns {Promise<{ line: number, why: string }[]>}
 */
export async function judge(source) {
  const where = folder();
  writeFileSync(join(where, "heard.ts"), `import type { EngineEvent, Evaluation, Failure, Kind, Loaded, Requests } from ${JSON.stringify(PROTOCOL)};\n${source}`);
  writeFileSync(join(where, "tsconfig.json"), JSON.stringify({ compilerOptions: OPTIONS, files: ["heard.ts"] }));
  /** @type {string} */
  const said = await new Promise((resolve, reject) => {
    execFile(process.execPath, [COMPILER, "--pretty", "false"], { cwd: where, maxBuffer: 1 << 26 }, (error, out, err) => {
      if (error && out === "") reject(new Error(`tsc failed (${error.code}): ${err}`));
      else resolve(out);
    });
  });
  rmSync(where, { recursive: true });
  // Continuation lines of an error are indented.
  return said.split(/\n(?=\S)/).filter(Boolean).map((why) => ({ line: Number(/^heard\.ts\((\d+),/.exec(why)?.[1] ?? 0) - 1, why }));
}
