//! `pgat` trains and runs a probabilistic graph-attention forecaster for many time series at once, on any GPU. It consists of WGSL compute
//! shaders over buffers that are planned before training, within a memory budget that the user sets. A forecast is a mixture of
//! distributions.
//!
//! The entry point is an [`Experiment`]: a [`Config`] and its data. [`Experiment::plan`] reports the memory and time that training needs,
//! [`Planned::train`] trains, and [`Trained`] evaluates, forecasts and inspects the model. A stored run is opened as a [`Run`]. Functions
//! that use a device are `async`, since a browser cannot block; natively, run them with `pollster::block_on`.
//!
//! | module | contents |
//! |---|---|
//! | [`experiment`] | a config with its data: plan, train, resume, evaluate, forecast, inspect |
//! | [`config`] | the TOML file of an experiment, with every key |
//! | [`data`], [`calendar`], [`series_graph`] | CSV tables to windows; timestamps; the fixed graph of the series |
//! | [`forecast`], [`evaluate`], [`inspect`] | distributions, metrics, tables, plots; scores of model and baselines; learned structure |
//! | [`starter`], [`check`] | a first config for a table; what to know about data before training |
//! | [`advise`] | config changes that reduce memory |
//! | [`synth`], `migrate` | synthetic data; conversion of configs of the original system |
//! | [`engine`] | ops, graphs, plans, devices, training loop: **unstable**, may change in any version |
//!
//! | feature | default | adds | required crates |
//! |---|---|---|---|
//! | `cli` | yes | the program `pgat`; enables `native` and `migrate` | clap, indicatif, ctrlc, anyhow, tracing-subscriber |
//! | `native` | by `cli` | native adapters (Vulkan, Metal, DX12), files, threads; enables `formats` and `twins` | pollster, tempfile |
//! | `twins` | by `native` | the f64 reference implementations of the ops, their test cases, the backend that runs them | |
//! | `formats` | by `native` | tables as Parquet, Arrow, NPZ and NPY files, and zstd | parquet, arrow-*, codecs in Rust |
//! | `migrate` | by `cli` | configs of the original research system | saphyr |
//! | `web` | no | the engine in a Web Worker, for `wasm32-unknown-unknown` | wasm-bindgen |
//! | `web-selftest` | no | the self-test in a Web Worker; enables `twins` | wasm-bindgen |
//! | `web-intake` | no | conversion of other formats to CSV in a browser; enables `formats` | wasm-bindgen |
//!
//! A program that uses the library sets `default-features = false, features = ["native"]`.
//!
//! Shape letters, used everywhere: B windows, L history steps, H horizon steps, S = L + H, p steps per patch, T = S / p tokens, C calendar
//! features, F channels per series, Nc covariate series, Nt target series, Nr transition nodes, Nx = Nc + Nt, N = Nx + Nr, D width,
//! h heads, K mixture components.

// In a browser, objects belong to one thread. In the native build, the same code shares them between threads.
#![cfg_attr(
    all(target_arch = "wasm32", any(feature = "web", feature = "web-selftest")),
    expect(clippy::arc_with_non_send_sync, reason = "shared with the native build")
)]

pub mod advise;
pub mod bytes;
pub mod calendar;
pub mod check;
pub mod config;
pub mod data;
pub mod engine;
pub mod evaluate;
pub mod experiment;
pub mod forecast;
pub mod inspect;
#[cfg(all(target_arch = "wasm32", feature = "web-intake"))]
mod intake;
#[cfg(feature = "migrate")]
pub mod migrate;
mod names;
pub mod series_graph;
pub mod starter;
mod svg;
pub mod synth;
#[cfg(all(target_arch = "wasm32", any(feature = "web", feature = "web-selftest")))]
mod web;

// Inside the crate, paths to engine modules omit `engine`.
pub(crate) use engine::{clock, executor, gpu, graph, health, host, lru, model, numbers, ops, order, plan, random, session, step, train};
#[cfg(feature = "twins")]
pub(crate) use engine::{compare, reference, selftest, verify};

pub use config::Config;
pub use data::Part;
pub use engine::executor::Backend;
pub use engine::train::{Control, Event, Outcome};
pub use evaluate::{Evaluation, Forecast, ForecastOptions, WindowForecast};
pub use experiment::{
    Experiment, ExperimentError as Error, Inspector, LoadOptions, Planned, Run, StoredRun, Summary, Trained, Training, Weights,
};

/// Runs the example in the README as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
