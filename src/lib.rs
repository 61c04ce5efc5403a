//! `pgat` trains and runs a probabilistic graph-attention forecaster for many time series at once, on any GPU.
//!
//! Shape letters, used everywhere: B windows, L history steps, H horizon steps, S = L + H, p steps a patch, T = S / p tokens, C calendar
//! features, F channels of a series, Nc covariate series, Nt target series, Nr transition nodes, Nx = Nc + Nt, N = Nx + Nr, D width,
//! h heads, K mixture components.

// A browser's objects belong to one thread; natively the same code shares them between threads.
#![cfg_attr(target_arch = "wasm32", expect(clippy::arc_with_non_send_sync, reason = "shared with the native build"))]

pub mod advise;
#[cfg(feature = "native")]
pub mod bench;
pub mod bytes;
pub mod calendar;
pub mod compare;
pub mod config;
pub mod data;
pub mod evaluate;
pub mod executor;
pub mod experiment;
pub mod forecast;
pub mod gpu;
pub mod graph;
pub mod health;
pub mod host;
pub mod inspect;
pub mod lru;
#[cfg(feature = "native")]
pub mod migrate;
pub mod model;
mod numbers;
pub mod ops;
pub mod plan;
pub mod random;
pub mod reference;
pub mod selftest;
pub mod series_graph;
pub mod session;
pub mod shaders;
pub mod starter;
pub mod step;
mod svg;
pub mod synth;
pub mod train;
#[cfg(feature = "native")]
pub mod tune;
pub mod verify;
#[cfg(target_arch = "wasm32")]
mod web;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
