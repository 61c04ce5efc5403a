// Common helpers of the tests: a small data set, the page and its engine, the native program, run files.

import { expect } from "@playwright/test";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, inflateRawSync } from "node:zlib";

/** @typedef {import('@playwright/test').Page} Page */
/** @typedef {import('../protocol').EngineEvent} EngineEvent */
/** @typedef {import('../protocol').Loaded} Loaded */
/** @typedef {import('../protocol').Trained} Trained */
/** @typedef {import('../protocol').Evaluation} Evaluation */
/** @typedef {{ loaded: Loaded, trained: Trained, losses: number[], run: Buffer }} Trial */

// --- data

/** Hourly data: three targets with a daily cycle, two covariates, one driver per target, some missing cells. */
export function tinyCsv(rows = 320) {
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const lines = ["time,a1,a2,a3,heat,wind,d1,d2,d3"];
  const start = Date.UTC(2024, 0, 1);
  for (let row = 0; row < rows; row++) {
    const stamp = new Date(start + 3_600_000 * row).toISOString().slice(0, 16).replace("T", " ");
    const angle = (2 * Math.PI * row) / 24;
    const drivers = [1, 2, 3].map((k) => Math.cos(angle * k) + random());
    const targets = drivers.map((d, k) => 10 * k + Math.sin(angle + k) + 0.5 * d + 0.3 * random());
    const cells = [...targets, Math.sin(angle / 7) + random(), random(), ...drivers].map((v) => v.toFixed(4));
    if (row % 41 === 7) cells[row % 3] = "";
    lines.push([stamp, ...cells].join(","));
  }
  return `${lines.join("\n")}\n`;
}

/**
 * The shape of the golden file of the reference: 8 + 4 rows in patches of 2, three targets, two covariates, two hubs, width 16.
 * @param {Record<string, string | number>} [training] keys of [training] to set
 */
export function tinyConfig(training = {}) {
  const settings = { seed: 7, batch_size: 8, max_steps: 20, log_every: 1, checkpoint_every: 10, validate_every: 10, learning_rate: "5e-3", ...training };
  return `format_version = 1
name = "tiny"
[data]
path = "tiny.csv"
time = "time"
targets = ["a{i}"]
covariates = [{ column = "heat", known_future = true }, { column = "wind" }]
channels = [{ name = "driver", column = "d{i}", known_future = true }]
[window]
history = 8
horizon = 4
[evaluation]
season = 24
[model]
patch_len = 2
num_transitions = 2
d_model = 16
n_heads = 4
n_layers = 2
d_ff = 24
mdn_components = 3
dropout = 0.2
[training]
${Object.entries(settings).map(([key, value]) => `${key} = ${value}`).join("\n")}
`;
}

/** Parts of the model that can be switched off. */
const PARTS = [
  ...["instance_norm", "temporal_encoding", "adaptive_temporal", "adaptive_embedding", "structural_encoding", "graph_encoding"],
  ...["dynamic_graph", "adaptive_graph", "graph_gate", "convolution", "hops", "fusion", "graph_attention", "dynamic_edge_weights"],
  ...["hierarchy", "autocorr", "highway"],
];

/**
 * The same config without these parts and with one layer. It compiles few kernels, for tests that do not depend on the results.
 * @param {Record<string, string | number>} [training]
 */
export const plainConfig = (training) =>
  tinyConfig(training)
    .replace("n_layers = 2", "n_layers = 1")
    .replace("dropout = 0.2", ["dropout = 0.2", ...PARTS.map((part) => `use_${part} = false`)].join("\n"));

/** A small model of the second generation: the linear start, drivers, calibration, and another loss for validation than for training. */
export const secondConfig = () =>
  plainConfig({ max_steps: 4, validate_every: 2, checkpoint_every: 2 })
    .replace("format_version = 1", "format_version = 2")
    .replace("use_highway = false", "use_highway = true")
    .concat("[training.start]\nsteps = 6\n");

/** The data and the config as files for an input element. */
export function tinyFiles(config = tinyConfig(), csv = tinyCsv()) {
  const file = (/** @type {string} */ name, /** @type {string} */ text) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) });
  return [file("tiny.csv", csv), file("tiny.toml", config)];
}

// --- the page

/** @param {Page} page @param {string} id */
export const at = (page, id) => page.getByTestId(id);

/** Opens the page and waits until it has a device. @param {Page} page */
export async function open(page) {
  await page.goto("./");
  await reach(page, "empty");
}

/**
 * Waits for a state. Fails immediately if the page reports an error state.
 * @param {Page} page
 * @param {...string} states
 */
export async function reach(page, ...states) {
  const one = (/** @type {string[]} */ all) => all.find((state) => state === document.documentElement.dataset.state);
  const found = await page.waitForFunction(one, [...states, "failed"], { timeout: 150_000 });
  const state = String(await found.jsonValue());
  if (!states.includes(state)) throw new Error(`state ${state}: ${await errorText(page)}`);
  return state;
}

/** @param {Page} page */
async function errorText(page) {
  const error = at(page, "error");
  return (await error.isVisible()) ? error.innerText() : "no error is shown";
}

/** Loads data and config, and waits for the plan. @param {Page} page @param {string} config */
export async function plan(page, config = tinyConfig()) {
  await at(page, "files").setInputFiles(tinyFiles(config));
  await expect(at(page, "config")).toHaveValue(config);
  await reach(page, "planned");
}

/** The completed steps shown on the page. @param {Page} page */
export const step = async (page) => Number(await at(page, "step").getAttribute("data-step"));

/** @param {Page} page @param {number} least */
export async function reachStep(page, least) {
  const done = (/** @type {number} */ n) => Number(document.querySelector("[data-testid=step]")?.getAttribute("data-step")) >= n;
  await page.waitForFunction(done, least, { timeout: 150_000, polling: 20 });
}

/**
 * Sends a request to the engine of the page. Failures are thrown with their kind and message.
 * @template {import('../protocol').Kind} K
 * @param {Page} page
 * @param {K} kind
 * @param {Record<string, unknown>} [fields] texts are encoded as bytes
 * @returns {Promise<import('../protocol').Requests[K]["answer"]>}
 */
export async function ask(page, kind, fields = {}) {
  const { answer, failure } = await outcome(page, kind, fields);
  if (failure) throw new Error(`${failure.kind}: ${failure.message}`);
  return answer;
}

/**
 * Sends a request to the engine of the page that must fail.
 * @param {Page} page
 * @param {import('../protocol').Kind} kind
 * @param {Record<string, unknown>} [fields]
 */
export async function refused(page, kind, fields = {}) {
  const { failure } = await outcome(page, kind, fields);
  if (!failure) throw new Error(`${kind} was not refused`);
  return failure;
}

/**
 * @param {Page} page
 * @param {string} kind
 * @param {Record<string, unknown>} fields
 * @returns {Promise<{ answer?: any, failure?: import('../protocol').Failure }>}
 */
function outcome(page, kind, fields) {
  const ask = async (/** @type {[string, Record<string, unknown>]} */ [kind, fields]) => {
    const { engine } = /** @type {any} */ (window).pgat;
    if (typeof fields.csv === "string") fields.csv = new TextEncoder().encode(fields.csv);
    return engine.ask(kind, fields).then(
      (/** @type {any} */ answer) => ({ answer }),
      (/** @type {any} */ error) => ({ failure: error.failure ?? { kind: "bug", message: error.message } }),
    );
  };
  return page.evaluate(ask, /** @type {[string, Record<string, unknown>]} */ ([kind, fields]));
}

/** The current run as a run file. @param {Page} page */
export async function runFile(page) {
  const text = await page.evaluate(async () => {
    const { run } = await /** @type {any} */ (window).pgat.engine.ask("run", {});
    /** @type {Promise<string>} */
    const url = new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result));
      reader.readAsDataURL(new Blob([run]));
    });
    return url;
  });
  return Buffer.from(text.slice(text.indexOf(",") + 1), "base64");
}

/** Loads and trains directly with the engine of the page. @param {Page} page @param {string} config @returns {Promise<Trial>} */
export async function trial(page, config, csv = tinyCsv()) {
  const loaded = await ask(page, "load", { config, csv, file: "tiny.csv" });
  const { trained, losses } = await page.evaluate(async () => {
    /** @type {number[]} */
    const losses = [];
    const listen = (/** @type {EngineEvent} */ e) => e.event === "step" && (losses[e.step - 1] = e.loss ?? NaN);
    const trained = await /** @type {any} */ (window).pgat.engine.ask("train", {}, listen);
    return { trained, losses };
  });
  return { loaded, trained, losses, run: await runFile(page) };
}

/** Sends a control message to the engine. @param {Page} page @param {string} name */
export const control = (page, name) => page.evaluate((n) => /** @type {any} */ (window).pgat.engine.control(n), name);

/** Saves a picture of the whole page in `target/web-screenshots`. @param {Page} page @param {string} name */
export async function picture(page, name) {
  const folder = process.env.PGAT_SCREENSHOTS ?? "../target/web-screenshots";
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, animations: "disabled" });
}

/** Collects events that must not happen: errors on the console, uncaught errors, requests to other servers. @param {Page} page */
export function watch(page) {
  /** @type {string[]} */
  const wrong = [];
  page.on("console", (m) => m.type() === "error" && wrong.push(`console: ${m.text()}`));
  page.on("pageerror", (e) => wrong.push(`uncaught: ${e.message}`));
  page.on("request", (r) => {
    const url = new URL(r.url());
    if (!["data:", "blob:"].includes(url.protocol) && url.origin !== new URL(page.url()).origin && page.url() !== "about:blank") wrong.push(`request: ${url}`);
  });
  return wrong;
}

// --- the native program

/** An empty folder. */
export const folder = () => mkdtempSync(join(tmpdir(), "pgat-web-"));

/**
 * Runs the native program and returns its stdout.
 * @param {...string} args
 * @returns {Promise<string>}
 */
export function pgat(...args) {
  const program = process.env.PGAT_BIN ?? "../target/debug/pgat";
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 1 << 26 }, (error, out, err) => {
      if (error) reject(new Error(`pgat ${args.join(" ")} failed (${error.code}):\n${out}\n${err}`));
      else resolve(out);
    });
  });
}

/** Writes data and config to an empty folder and returns the path of the config. @param {string} config */
export function tinyFolder(config) {
  const where = folder();
  for (const { name, buffer } of tinyFiles(config)) writeFileSync(join(where, name), buffer);
  return join(where, "tiny.toml");
}

// --- run files

/** The files in a ZIP archive. @param {Buffer} zip @returns {Map<string, Buffer>} */
export function unzip(zip) {
  const end = zip.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (end < 0) throw new Error(`no zip file: ${zip.length} bytes`);
  const files = new Map();
  let entry = zip.readUInt32LE(end + 16);
  for (let n = zip.readUInt16LE(end + 10); n > 0; n--) {
    const method = zip.readUInt16LE(entry + 10);
    const packed = zip.readUInt32LE(entry + 20);
    const [name, extra, comment] = [28, 30, 32].map((o) => zip.readUInt16LE(entry + o));
    const local = zip.readUInt32LE(entry + 42);
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const bytes = zip.subarray(from, from + packed);
    files.set(zip.toString("utf8", entry + 46, entry + 46 + name), method === 0 ? bytes : inflateRawSync(bytes));
    entry += 46 + name + extra + comment;
  }
  return files;
}

/** A ZIP archive of files without compression. @param {Map<string, Buffer>} files */
export function zip(files) {
  const [local, central] = [/** @type {Buffer[]} */ ([]), /** @type {Buffer[]} */ ([])];
  let offset = 0;
  for (const [name, bytes] of files) {
    const about = Buffer.alloc(26); // version, flags, method, time, date, checksum, sizes, lengths of name and extra
    about.writeUInt16LE(20, 0);
    about.writeUInt16LE(0x21, 8);
    about.writeUInt32LE(crc32(bytes), 10);
    about.writeUInt32LE(bytes.length, 14);
    about.writeUInt32LE(bytes.length, 18);
    about.writeUInt16LE(name.length, 22);
    const rest = Buffer.alloc(14); // comment, disk, attributes, offset
    rest.writeUInt32LE(offset, 10);
    local.push(Buffer.from("PK\x03\x04", "latin1"), about, Buffer.from(name), bytes);
    central.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), about, rest, Buffer.from(name));
    offset += 30 + name.length + bytes.length;
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(files.size, 8);
  end.writeUInt16LE(files.size, 10);
  end.writeUInt32LE(Buffer.concat(central).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, ...central, end]);
}

/**
 * A hash of the weights of a run, including names and shapes of the tensors.
 * @param {Buffer} run
 */
export function weights(run, file = "weights.safetensors") {
  const bytes = unzip(run).get(file);
  if (!bytes) throw new Error(`the run holds no ${file}, but ${[...unzip(run).keys()].join(", ")}`);
  const head = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: _, ...tensors } = JSON.parse(bytes.toString("utf8", 8, head));
  expect(Object.keys(tensors).length).toBeGreaterThan(10);
  const hash = createHash("sha256");
  for (const name of Object.keys(tensors).sort()) {
    const { data_offsets: range, ...about } = tensors[name];
    hash.update(JSON.stringify([name, about])).update(bytes.subarray(head + range[0], head + range[1]));
  }
  return hash.digest("hex");
}

/** @param {number} a @param {number} b */
export const apart = (a, b) => Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1e-12);
