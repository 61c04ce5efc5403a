// What the page and the engine's worker say to each other. The Rust side of every type is named beside it.
//
// The page sends a `Request` with an id; the worker answers with a `Reply` of the same id, and sends `EngineEvent`s in between. Requests
// are carried out one after the other; `pause` is not queued: it takes effect at the next step.

/** What is recorded of an adapter: `gpu::AdapterRecord`. */
export interface Adapter {
  name: string;
  backend: string;
  /** "cpu" is a software adapter: right, but slow. */
  kind: "discrete" | "integrated" | "virtual" | "cpu" | "other";
  driver: string;
  driver_info: string;
  /** Same class, same bits. */
  class: string;
}

/** A plan in numbers: `experiment::Summary`. */
export interface Plan {
  windows: { training: number; validation: number; test: number };
  /** Optimiser steps of the whole run. */
  steps: number;
  /** Numbers that are learned. */
  parameters: number;
  /** Windows of an optimiser step. */
  batch: number;
  /** Windows on the device at once. */
  micro_batch: number;
  /** Dispatches of a training step. */
  dispatches: number;
  /** Predicted time of a training step. */
  predicted_ms: number;
  class: string;
  /** Ops of a training step that are computed again in the backward pass, to save memory. */
  computed_again: number;
  /** Windows of a pass of scoring. */
  scoring_batch: number;
  /** Most bytes of the arena alive at once in training. */
  arena_bound: number;
  /** Limits of the device that it needs, where WebGPU's defaults are too small for single windows. */
  limits?: { binding_bytes: number; buffer_bytes: number; storage_buffers: number };
  /** Bytes allowed; left out where they are unlimited. */
  budget?: number;
  /** All buffers that will be created on the device, and nothing beside them. */
  bytes: number;
  buffers: { name: string; bytes: number }[];
  /** What the run takes of the host's memory at most, beside the program itself: `host::HostMemory`. */
  host: { data: number; batch: number; state: number; caches: number; allowance: number };
}

/** A plan that could be made: `plan::Offer`. */
export interface Offer {
  /** All buffers. */
  bytes: number;
  /** Predicted time of a training step. */
  seconds: number;
  micro_batch: number;
  computed_again: number;
  arena_bytes: number;
  arena_bound: number;
}

/** What other budgets would cost: `plan::Outlook`. */
export interface Outlook {
  /** Bytes allowed; null where they are unlimited. */
  budget: number | null;
  fits: boolean;
  /** Every budget from its bytes on works. */
  smallest: Offer;
  /** From the smallest to the fastest. */
  curve: Offer[];
  /** Bytes where nothing is computed again: whole batches without and with sharing of bytes, then single windows: `plan::Levers`. */
  levers: { none: number; reuse: number; micro_batch: number; micro_batches: number };
  largest: { name: string; bytes: number; alike: number }[];
}

/** A config and its data, ready to be trained: `web::Loaded`. */
export interface Loaded {
  /** The config's name. */
  name: string;
  /** The config as resolved, TOML. */
  config: string;
  /** The budget that it was planned for, `training.memory`; null is the default, 1 GiB. */
  memory: string | null;
  data: {
    file: string;
    rows: number;
    segments: number;
    /** "1 h", say; null without a time column. */
    frequency: string | null;
    missing_cells: number;
    /** What was found in the file and how it was treated, one sentence each. */
    notes: string[];
    targets: string[];
    covariates: string[];
    channels: string[];
    history: number;
    horizon: number;
    /** Stamps of the first and last row. */
    first: string;
    last: string;
  };
  plan: Plan;
  outlook: Outlook;
  /** Steps done already: 0, or those of a run that was opened. */
  step: number;
  /** Whether that run is at its end: all steps are done, or it stopped early. */
  finished: boolean;
  /** The record of a run that was opened. */
  record: EngineEvent[];
}

/** How a call of `train` ended: `web::Trained`. */
export interface Trained {
  /** "stopped": by `pause`; `train` goes on. */
  outcome: "finished" | "early-stop" | "stopped";
  step: number;
  total: number;
  /** Bytes of the buffers that were created on the device: equal to `Plan.bytes`. */
  created_bytes: number;
  best_loss: number | null;
  best_step: number;
}

/** Mean scores: `forecast::Measures`. Null where a measure does not apply. */
export interface Measures {
  count: number;
  nll: number | null;
  crps: number | null;
  mae: number | null;
  mse: number | null;
  mean_pinball: number | null;
  pinball: number[];
  /** Share of values inside the central intervals, in the order of `Evaluation.intervals`. */
  coverage: number[];
  standardised_mae: number | null;
  standardised_mse: number | null;
}

/** Scores of the model beside its baselines: `evaluate::Evaluation`. */
export interface Evaluation {
  part: string;
  windows: number;
  first_origin: string;
  last_origin: string;
  standardised_nll: number | null;
  series: string[];
  levels: number[];
  /** Central intervals of `coverage`: 0.5, 0.8, 0.9. */
  intervals: number[];
  /** The model first, then naive and seasonal naive (or the climatology). */
  forecasters: { label: string; overall: Measures; per_series: Measures[]; per_step: Measures[] }[];
  /** 1 - score / reference's score; null where nothing was compared. */
  skill: {
    reference: string;
    crps: number | null;
    mean_pinball: number | null;
    mae: number | null;
    mse: number | null;
    mean_crps_over_series: number | null;
  } | null;
  /** In words: whether and by how much the model beats its reference. */
  verdict: string | null;
}

/** One forecast in original units: `web::ForecastView`. Unobserved values are null. */
export interface Forecast {
  part: Part;
  /** Index of the window in its part, and how many there are. */
  window: number;
  windows: number;
  /** Stamp of the last row of the history. */
  origin: string;
  /** [H] */
  stamps: string[];
  /** [Nt] */
  series: string[];
  /** Ascending, [Q]. */
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

export type Part = "validation" | "test";

/** What went wrong, and what to do: `web::Failure`. */
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
  /** Key of the config that it is about, as `training.memory`. */
  key?: string | null;
  /** What would fit, where `training.memory` is too little for any plan. */
  outlook?: Outlook | null;
  /** The config of a run file for which that is so. */
  config?: string | null;
}

/** What happens between a request and its reply: `train::Event` and `web::WebEvent`. */
export type EngineEvent =
  /** A step was submitted. */
  | { event: "tick"; step: number; total: number }
  /** A step was read back; loss in standardised units (this and the norm are null where not finite), `ms` a step since the last report. */
  | { event: "step"; step: number; loss: number | null; grad_norm: number | null; learning_rate: number; bad: number; ms: number }
  /** The gradient of a step, by groups of parameters, before the clip. */
  | { event: "gradients"; step: number; gradients: Record<string, { norm: number; zeros: number; non_finite: number }> }
  /** The validation part was scored; null is a loss that is not finite. */
  | { event: "validation"; step: number; loss: number | null; best: boolean }
  /** The whole run up to here as a file: what survives a worker that dies. */
  | { event: "checkpoint"; step: number; run: ArrayBuffer }
  /** The device was lost; training goes on from `step` on a new one, to the same numbers. */
  | { event: "restarted"; step: number; reason: string }
  /** Kernels are being compiled. */
  | { event: "compiling" }
  /** Windows of an evaluation. */
  | { event: "scored"; done: number; total: number }
  /** A case of the self-test passed; `times` is its largest error as a share of the tolerance. */
  | { event: "case"; op: string; name: string; done: number; total: number; times: number };

export interface Requests {
  /** Opens a device. Comes first. */
  open: { ask: {}; answer: Adapter };
  /** A config for a CSV file, guessed from its header and first rows. */
  starter: { ask: { csv: Uint8Array; file: string }; answer: { config: string; notes: string[] } };
  /** Reads config and data, plans the model; nothing is created on the device. Forgets the run before. */
  load: { ask: { config: string; csv: Uint8Array; file: string }; answer: Loaded };
  /** Opens a run file with its data, to go on or to forecast; within `memory` instead of the run's own budget, "" for the default. */
  restore: { ask: { run: Uint8Array; csv: Uint8Array; file: string; memory?: string }; answer: Loaded };
  /** Trains to the end or to the next `pause`. */
  train: { ask: {}; answer: Trained };
  /** Scores with the weights of the lowest validation loss. */
  evaluate: { ask: { part: Part }; answer: Evaluation };
  forecast: { ask: { part: Part; window: number; levels: number[] }; answer: Forecast };
  /** The run as one file, which `pgat evaluate`, `forecast` and `train --resume` take. */
  run: { ask: {}; answer: { run: ArrayBuffer; file: string } };
  /** Every kernel on this device against f64, and the whole model against PyTorch, which counts as one case. */
  "self-test": { ask: {}; answer: { cases: number; worst: number; worst_case: string } };
}

export type Kind = keyof Requests;
export type Request = { [K in Kind]: { id: number; kind: K } & Requests[K]["ask"] }[Kind];
/** Not queued: `pause` stops training at the next step, with a checkpoint; `destroy-device` is for tests. */
export type Control = { control: "pause" | "destroy-device" };
export type Reply =
  | { id: number; answer: Requests[Kind]["answer"] }
  | { id: number; failure: Failure }
  | { id: number; happened: EngineEvent };
