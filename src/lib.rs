//! `pgat` trains and runs a probabilistic graph-attention forecaster for many time series at once, on any GPU: WGSL compute shaders over
//! buffers that are planned beforehand, within a memory budget that the user names. A forecast is a mixture of distributions.
//!
//! Everything begins with an [`Experiment`]: a [`Config`] and its data. [`Experiment::plan`] tells what training takes, [`Planned::train`]
//! trains, and [`Trained`] scores, forecasts and looks inside. A run that is kept is opened again as a [`Run`]. Functions that use a device are
//! `async`, since a browser cannot block; natively `pollster::block_on` runs them.
//!
//! | module | what |
//! |---|---|
//! | [`experiment`] | a config, its data, and what is made of them: plan, train, resume, score, forecast, inspect |
//! | [`config`] | the TOML file of an experiment, and every key in it |
//! | [`data`], [`calendar`], [`series_graph`] | tables to windows; time stamps; the known graph of the series |
//! | [`forecast`], [`evaluate`], [`inspect`] | distributions, metrics, tables, plots; scores beside baselines; what a model has learned |
//! | [`starter`], [`advise`], [`synth`], `migrate` | a first config for a table; what to change where memory is short; synthetic data; configs of the original system |
//! | [`engine`] | ops, graphs, plans, devices, training loop: **unstable**, any version may change it |
//!
//! | feature | default | what it adds | crates that it needs |
//! |---|---|---|---|
//! | `cli` | yes | the program `pgat`; switches on the two below | clap, indicatif, ctrlc, anyhow, tracing-subscriber |
//! | `native` | by `cli` | adapters of the system (Vulkan, Metal, DX12), files, threads | pollster, tempfile |
//! | `migrate` | by `cli` | configs of the original research system | saphyr |
//! | `web` | no | the engine in a Web Worker, for `wasm32-unknown-unknown` | wasm-bindgen |
//!
//! A program that uses the library takes `default-features = false, features = ["native"]`.
//!
//! Shape letters, used everywhere: B windows, L history steps, H horizon steps, S = L + H, p steps a patch, T = S / p tokens, C calendar
//! features, F channels of a series, Nc covariate series, Nt target series, Nr transition nodes, Nx = Nc + Nt, N = Nx + Nr, D width,
//! h heads, K mixture components.

// A browser's objects belong to one thread; natively the same code shares them between threads.
#![cfg_attr(target_arch = "wasm32", expect(clippy::arc_with_non_send_sync, reason = "shared with the native build"))]

pub mod advise;
pub mod bytes;
pub mod calendar;
pub mod config;
pub mod data;
pub mod engine;
pub mod evaluate;
pub mod experiment;
pub mod forecast;
pub mod inspect;
#[cfg(feature = "migrate")]
pub mod migrate;
pub mod series_graph;
pub mod starter;
mod svg;
pub mod synth;
#[cfg(target_arch = "wasm32")]
mod web;

// Inside the crate the engine's modules are named without it.
pub(crate) use engine::{
    clock, compare, executor, gpu, graph, health, host, lru, model, numbers, ops, plan, random, reference, selftest, session, step, train,
    verify,
};

pub use config::Config;
pub use data::Part;
pub use engine::executor::Backend;
pub use engine::train::{Control, Event, Outcome};
pub use evaluate::{Evaluation, Forecast, ForecastOptions, WindowForecast};
pub use experiment::{
    Experiment, ExperimentError as Error, Inspector, LoadOptions, Planned, Run, StoredRun, Summary, Trained, Training, Weights,
};

/// The README's example runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
