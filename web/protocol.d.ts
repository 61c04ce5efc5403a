// The messages between the page and the workers of the engine and of the self-test. Each comment names the Rust type.
//
// The page sends a `Request` with an id. The worker answers with a `Reply` with the same id, and sends `EngineEvent`s in between. Requests
// are processed in order. `pause` is not queued; it takes effect after the current step.

/** Properties of an adapter: `gpu::AdapterRecord`. */
export interface Adapter {
  name: string;
  backend: string;
  /** "cpu" is a software adapter: correct, but slow. */
  kind: "discrete" | "integrated" | "virtual" | "cpu" | "other";
  driver: string;
  driver_info: string;
  /** Adapters of the same class give bit-identical results. */
  class: string;
}

/** The summary of a plan: `experiment::Summary`. */
export interface Plan {
  windows: { training: number; validation: number; test: number };
  /** Optimiser steps of the whole model. */
  steps: number;
  /** Steps of the linear start before them; none if absent. */
  start_steps?: number;
  /** Number of trainable parameters. */
  parameters: number;
  /** Windows per optimiser step. */
  batch: number;
  /** Windows per micro-batch, that is, on the device at once. */
  micro_batch: number;
  /** Dispatches per training step. */
  dispatches: number;
  /** Predicted time of a training step. */
  predicted_ms: number;
  class: string;
  /** Ops that are recomputed in the backward pass of a training step, to save memory. */
  computed_again: number;
  /** Windows per scoring pass. */
  scoring_batch: number;
  /** Maximum live bytes of the arena in training, which is the lower bound of its size. */
  arena_bound: number;
  /** Device limits of the plan, if they differ from WebGPU's defaults. */
  limits?: { binding_bytes: number; buffer_bytes: number; storage_buffers: number };
  /** Memory budget in bytes; omitted if it is unlimited. */
  budget?: number;
  /** Bytes of all buffers, which are the only allocations on the device. */
  bytes: number;
  buffers: { name: string; bytes: number }[];
  /** Upper bound of the host memory of the run, in addition to the program itself: `host::HostMemory`. */
  host: { data: number; batch: number; state: number; caches: number; allowance: number };
}

/** A possible plan: `plan::Offer`. */
export interface Offer {
  /** Bytes of all buffers. */
  bytes: number;
  /** Predicted time of a training step. */
  seconds: number;
  micro_batch: number;
  computed_again: number;
  arena_bytes: number;
  arena_bound: number;
}

/** The plans within other memory budgets: `plan::Outlook`. */
export interface Outlook {
  /** Memory budget in bytes; null if it is unlimited. */
  budget: number | null;
  fits: boolean;
  /** The smallest plan. Every budget of at least its bytes works. */
  smallest: Offer;
  /** Plans from the smallest to the fastest. */
  curve: Offer[];
  /** Bytes without recomputation: whole batches without and with memory reuse, then the smallest micro-batches: `plan::Levers`. */
  levers: { none: number; reuse: number; micro_batch: number; micro_batches: number };
  largest: { name: string; bytes: number; alike: number }[];
}

/** A config with its data, ready for training: `web::Loaded`. */
export interface Loaded {
  /** The name of the config. */
  name: string;
  /** The resolved config as TOML. */
  config: string;
  /** The memory budget of the plan, `training.memory`; null is the default, 1 GiB. */
  memory: string | null;
  data: {
    file: string;
    rows: number;
    segments: number;
    /** For instance "1h"; null without a time column. */
    frequency: string | null;
    missing_cells: number;
    /** Findings in the file and how they were treated, one sentence each. */
    notes: string[];
    targets: string[];
    covariates: string[];
    channels: string[];
    history: number;
    horizon: number;
    /** Timestamps of the first and last row. */
    first: string;
    last: string;
  };
  plan: Plan;
  outlook: Outlook;
  /** What the losses of training and validation measure, such as "negative log-likelihood" and "CRPS". */
  losses: { training: string; validation: string };
  /** Completed steps: 0, or those of an opened run. */
  step: number;
  /** Whether the opened run is finished: all steps are done, or it stopped early. */
  finished: boolean;
  /** The record of an opened run. */
  record: EngineEvent[];
}

/** The result of a call of `train`: `web::Trained`. */
export interface Trained {
  /** "stopped" means by `pause`; `train` continues. */
  outcome: "finished" | "early-stop" | "stopped";
  step: number;
  total: number;
  /** Bytes of the created buffers, equal to `Plan.bytes`. */
  created_bytes: number;
  best_loss: number | null;
  best_step: number;
}

/** Mean scores: `forecast::Measures`. A measure that does not apply is null. */
export interface Measures {
  count: number;
  nll: number | null;
  crps: number | null;
  mae: number | null;
  mse: number | null;
  mean_pinball: number | null;
  pinball: number[];
  /** Fraction of the values within the central intervals, in the order of `Evaluation.intervals`. */
  coverage: number[];
  standardised_mae: number | null;
  standardised_mse: number | null;
}

/** Scores of the model and its baselines: `evaluate::Evaluation`. */
export interface Evaluation {
  part: string;
  windows: number;
  first_origin: string;
  last_origin: string;
  standardised_nll: number | null;
  series: string[];
  /** Training deviation of each series. */
  deviation: number[];
  levels: number[];
  /** Central intervals of `coverage`: 0.5, 0.8, 0.9. */
  intervals: number[];
  /** The model first, then naive and seasonal naive (or the climatology). */
  forecasters: { label: string; overall: Measures; per_series: Measures[]; per_step: Measures[] }[];
  /** 1 - score / score of the reference; null without a comparison. */
  skill: {
    reference: string;
    crps: number | null;
    mean_pinball: number | null;
    mae: number | null;
    mse: number | null;
    mean_crps_over_series: number | null;
    /** Series that the mean leaves out because the reference is perfect. */
    perfect_references: number;
    scaled_crps: number | null;
  } | null;
  /** The verdict as text: whether and by how much the model is better than its reference. */
  verdict: string | null;
}

/** One forecast in original units: `web::ForecastView`. Unobserved values are null. */
export interface Forecast {
  part: Part;
  /** Index of the window in its part, and the number of windows. */
  window: number;
  windows: number;
  /** Timestamp of the last row of the history. */
  origin: string;
  /** [H] */
  stamps: string[];
  /** [Nt] */
  series: string[];
  /** [Q], ascending. */
  levels: number[];
  /** [H, Nt] */
  mean: number[];
  std: number[];
  /** [H, Nt, Q] */
  quantiles: number[];
  /** stamps [L], values [L, Nt] */
  history: { stamps: string[]; values: (number | null)[] };
  /** [H, Nt] */
  truth: (number | null)[];
}

/** An edge of the learned graph: `inspect::drivers::DriverEdge`. */
export interface DriverEdge {
  source: string;
  target: string;
  /** Share of the strongest edge of the model. */
  strength: number;
  /** Steps from the value of the source to the first forecast step; 0 or less for a value that is known in the horizon. */
  lag: number;
  /** Change of the first forecast step per unit of the value, both standardised. */
  effect: number;
}

/** The learned graph: `web::DriversView`. Without a driver highway all lists are empty. */
export interface Drivers {
  /** [Nt] */
  targets: string[];
  /** [Nx] */
  drivers: string[];
  /** [Nt, Nx], shares of the strongest edge. */
  strengths: number[];
  /** The strongest edges of each target, in the order of the targets. */
  edges: DriverEdge[];
  /** Comparison with a true graph, if one was given. */
  recovery: { average_precision: number; auroc: number; density: number; edges: number; pairs: number; chance: number; p_value: number } | null;
}

export type Part = "validation" | "test";

/** An error with a hint: `web::Failure`. */
export interface Failure {
  kind:
    | "no-webgpu"
    | "no-adapter"
    | "config"
    | "data"
    | "memory"
    | "device-lost"
    | "not-finite"
    | "run-file"
    | "busy"
    | "bug";
  message: string;
  hint: string | null;
  /** The key of the config that causes the error, such as `training.memory`. */
  key?: string | null;
  /** Plans that fit, if `training.memory` is too small for any plan. */
  outlook?: Outlook | null;
  /** The config of a run file whose memory budget is too small. */
  config?: string | null;
}

/** Events between a request and its reply: `train::Event` and `web::WebEvent`. */
export type EngineEvent =
  /** A step was submitted. With phase "start" it is one of the linear start, which has its own count. */
  | { event: "tick"; phase?: "start"; step: number; total: number }
  /** A step was read back. The loss is in standardised units; loss and norm are null if not finite. `ms` is the time per step since the last
   * report. */
  | { event: "step"; phase?: "start"; step: number; loss: number | null; grad_norm: number | null; learning_rate: number; bad: number; ms: number }
  /** The gradient of a step by parameter group, before clipping. */
  | { event: "gradients"; step: number; gradients: Record<string, { norm: number; zeros: number; non_finite: number }> }
  /** The validation part was scored. A loss that is not finite is null. */
  | { event: "validation"; step: number; loss: number | null; best: boolean }
  /** The spread was calibrated on the validation windows: shares of values inside the central 80 % interval, before and after. */
  | { event: "calibrated"; step: number; before: number; after: number }
  /** The run up to this step as a run file, which is kept if the worker dies. */
  | { event: "checkpoint"; step: number; run: ArrayBuffer }
  /** The device was lost. Training continues from `step` on a new device, with the same results. */
  | { event: "restarted"; step: number; reason: string }
  /** Kernels are being compiled. */
  | { event: "compiling" }
  /** Progress of an evaluation, in windows. */
  | { event: "scored"; done: number; total: number }
  /** A case of the self-test passed. `times` is its largest error as a fraction of the tolerance. */
  | { event: "case"; op: string; name: string; done: number; total: number; times: number };

export interface Requests {
  /** Opens a device. It must be the first request. */
  open: { ask: {}; answer: Adapter };
  /** A first config for a CSV file, derived from its header and first rows. */
  starter: { ask: { csv: Uint8Array; file: string; noTime?: boolean }; answer: { config: string; notes: string[] } };
  /** The keys of a config, or of the config in a run file, that decide how an array becomes a table. The same keys give the same table. */
  "array-keys": { ask: { config: string } | { run: Uint8Array }; answer: { keys: string } };
  /** Reads config and data, and plans the model. Nothing is created on the device. The previous run is discarded. */
  load: { ask: { config: string; csv: Uint8Array; file: string }; answer: Loaded };
  /** Opens a run file with its data, to resume it or to forecast, within the budget `memory` instead of its own; "" is the default. */
  restore: { ask: { run: Uint8Array; csv: Uint8Array; file: string; memory?: string }; answer: Loaded };
  /** Trains to the end or to the next `pause`. */
  train: { ask: {}; answer: Trained };
  /** Evaluates the weights with the lowest validation loss. */
  evaluate: { ask: { part: Part }; answer: Evaluation };
  forecast: { ask: { part: Part; window: number; levels: number[] }; answer: Forecast };
  /** The learned graph of the weights with the lowest validation loss; compared with the edges of `truth`, the bytes of an edge list. */
  drivers: { ask: { truth?: Uint8Array }; answer: Drivers };
  /** The run as a run file for `pgat evaluate`, `pgat forecast` and `pgat train --resume`. */
  run: { ask: {}; answer: { run: ArrayBuffer; file: string } };
  /** Compares every kernel on this device with f64, and the whole model with PyTorch, which counts as one case. The only request to the
   * worker of the self-test, which has no other. */
  "self-test": { ask: {}; answer: { cases: number; worst: number; worst_case: string } };
}

export type Kind = keyof Requests;
export type EngineKind = Exclude<Kind, "self-test">;
export type Request = { [K in EngineKind]: { id: number; kind: K } & Requests[K]["ask"] }[EngineKind];
/** Not queued. `pause` stops training after the current step with a checkpoint; `destroy-device` is for tests. */
export type Control = { control: "pause" | "destroy-device" };
export type Reply =
  | { id: number; answer: Requests[Kind]["answer"] }
  | { id: number; failure: Failure }
  | { id: number; happened: EngineEvent };
