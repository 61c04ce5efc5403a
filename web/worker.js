// The worker side of the messages in protocol.d.ts. Requests are processed in order; `pause` takes effect immediately.
// @ts-check
import init, { Engine } from "./pgat.js";

/** @typedef {import("./protocol").Failure} Failure */
/** @typedef {import("./protocol").Request} Request */

/** @type {Engine | undefined} */
let engine;
/** The id of the current request. Events are sent with this id. */
let current = 0;
let pausing = false;
/** The device of the current request, since the engine is busy during a request. @type {import("./pgat.js").Device | undefined} */
let device;
/** @type {Promise<void>} */
let queue = Promise.resolve();

/** @type {(message: object, transfer?: Transferable[]) => void} */
const send = (message, transfer = []) => self.postMessage(message, { transfer });

/**
 * Sends an event of the engine to the page. Returns whether the engine must pause.
 * @param {string} text
 * @param {Uint8Array<ArrayBuffer>} [run]
 */
function happened(text, run) {
  const event = JSON.parse(text);
  if (run) event.run = run.buffer;
  send({ id: current, happened: event }, run ? [run.buffer] : []);
  return pausing;
}

/** @param {unknown} error @returns {Failure} */
function failure(error) {
  if (typeof error === "object" && error !== null && "kind" in error && "message" in error) return /** @type {Failure} */ (error);
  // A panic of the engine, or an error of the browser: the module is not usable any more.
  const panic = /** @type {{ pgatPanic?: string }} */ (/** @type {unknown} */ (self)).pgatPanic;
  const message = panic ?? (error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  return { kind: "bug", message: `internal error: ${message}`, hint: "please report it together with the config" };
}

/** @returns {Promise<Engine>} */
async function open() {
  if (!("gpu" in navigator)) {
    const hint = "use a current Chrome, Edge, Safari or Firefox, over https or on localhost";
    throw { kind: "no-webgpu", message: "this browser does not provide WebGPU", hint };
  }
  await init();
  return Engine.open(happened);
}

/** @param {Request} request @returns {Promise<[object, Transferable[]?]>} */
async function answer(request) {
  engine ??= await open();
  device = engine.device();
  switch (request.kind) {
    case "open":
      return [JSON.parse(engine.adapter())];
    case "starter":
      return [JSON.parse(engine.starter(request.csv, request.file, request.noTime ?? false))];
    case "array-keys": {
      const [config, run] = "config" in request ? [request.config] : [undefined, request.run];
      return [{ keys: engine.arrayKeys(config, run) }];
    }
    case "load":
      return [JSON.parse(engine.load(request.config, request.csv, request.file))];
    case "restore":
      return [JSON.parse(engine.restore(request.run, request.csv, request.file, request.memory))];
    case "train":
      pausing = false;
      return [JSON.parse(await engine.train())];
    case "evaluate":
      return [JSON.parse(await engine.evaluate(request.part))];
    case "forecast":
      return [JSON.parse(await engine.forecast(request.part, request.window, new Float64Array(request.levels)))];
    case "drivers":
      return [JSON.parse(await engine.drivers(request.truth))];
    case "run": {
      const run = /** @type {Uint8Array<ArrayBuffer>} */ (engine.run());
      return [{ run: run.buffer, file: engine.runName() }, [run.buffer]];
    }
  }
}

/** @param {Request} request */
async function carryOut(request) {
  current = request.id;
  try {
    const [value, transfer] = await answer(request);
    send({ id: request.id, answer: value }, transfer);
  } catch (error) {
    send({ id: request.id, failure: failure(error) });
  }
}

self.onmessage = ({ data }) => {
  if (data.control === "pause") pausing = true;
  else if (data.control === "destroy-device") device?.destroy();
  else queue = queue.then(() => carryOut(data));
};
