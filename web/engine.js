// A promise interface to the worker of the engine. If the worker dies (out of memory, a panic, a crash of the GPU process), all pending
// requests fail with a message, and `restart` creates a new worker.

/** @typedef {import('./protocol').EngineKind} Kind */
/** @typedef {import('./protocol').Requests} Requests */
/** @typedef {import('./protocol').Failure} Failure */
/** @typedef {import('./protocol').EngineEvent} EngineEvent */
/** @typedef {import('./protocol').Reply} Reply */
/** @typedef {import('./protocol').Control["control"]} ControlName */
/** @typedef {{ resolve: (answer: any) => void, reject: (why: EngineError) => void, onEvent: (event: EngineEvent) => void }} Pending */

/** A failed request, with the failure from the engine. */
export class EngineError extends Error {
  /** @param {Failure} failure */
  constructor(failure) {
    super(failure.message);
    this.name = "EngineError";
    this.failure = failure;
  }
}

export class Engine {
  /** @type {Worker | null} */
  #worker = null;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #next = 1;
  /** Whether the worker is running. */
  alive = false;
  /** Called when a worker dies without pending requests. @type {(failure: Failure) => void} */
  onDeath = () => {};

  constructor() {
    this.restart();
  }

  /** Ends the current worker, if there is one, and starts a new one. The new worker must be opened with `open`. */
  restart() {
    this.#fail({ kind: "bug", message: "The engine was restarted.", hint: null });
    this.#worker?.terminate();
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onmessage = (message) => this.#receive(message.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(worker, event.message || "the program could not be loaded");
    };
    worker.onmessageerror = () => this.#died(worker, "a message could not be read");
    this.#worker = worker;
    this.alive = true;
  }

  /**
   * @template {Kind} K
   * @param {K} kind
   * @param {Requests[K]["ask"]} fields
   * @param {(event: EngineEvent) => void} [onEvent]
   * @returns {Promise<Requests[K]["answer"]>}
   */
  ask(kind, fields, onEvent = () => {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (!this.alive || !this.#worker) {
        reject(new EngineError({ kind: "bug", message: "The engine is not running.", hint: "Reload the page." }));
        return;
      }
      this.#pending.set(id, { resolve, reject, onEvent });
      this.#worker.postMessage({ ...fields, id, kind });
    });
  }

  /** @param {ControlName} name */
  control(name) {
    this.#worker?.postMessage({ control: name });
  }

  /** Ends the worker. Its pending requests fail. @param {string} why */
  kill(why) {
    if (this.#worker) this.#died(this.#worker, why);
  }

  /** @param {Reply} reply */
  #receive(reply) {
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    if ("happened" in reply) {
      pending.onEvent(reply.happened);
      return;
    }
    this.#pending.delete(reply.id);
    if ("failure" in reply) pending.reject(new EngineError(reply.failure));
    else pending.resolve(reply.answer);
  }

  /**
   * @param {Worker} worker
   * @param {string} why
   */
  #died(worker, why) {
    if (worker !== this.#worker) return;
    worker.terminate();
    this.alive = false;
    const failure = { kind: /** @type {const} */ ("bug"), message: `The engine stopped: ${why}.`, hint: null };
    if (this.#pending.size === 0) this.onDeath(failure);
    this.#fail(failure);
  }

  /** @param {Failure} failure */
  #fail(failure) {
    const open = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of open) pending.reject(new EngineError(failure));
  }
}

/** Whether the worker or its device is no longer usable. @param {Failure} failure */
export const isFatal = (failure) => failure.kind === "device-lost" || failure.kind === "bug";

/**
 * @param {unknown} error
 * @returns {Failure}
 */
export function failureOf(error) {
  if (error instanceof EngineError) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  return { kind: "bug", message, hint: null };
}
