//! The engine: ops, graphs, plans, devices, the training loop. **Unstable**: any version of the crate may change what is in here.
//!
//! From below: [`ops`] (what is computed), [`graph`] (models as graphs of ops, gradients), [`plan`] (which bytes and dispatches), [`gpu`]
//! and [`mod@reference`] (where a plan runs), [`executor`] (one face for both), [`model`] (the forecaster as a graph), [`session`] (a model on
//! a backend), [`train`] (the loop). ARCHITECTURE.md of the repository is the map.

#[cfg(feature = "native")]
pub mod bench;
pub mod clock;
pub mod compare;
pub mod executor;
pub mod gpu;
pub mod graph;
pub mod health;
pub mod host;
pub mod lru;
pub mod model;
pub(crate) mod numbers;
pub mod ops;
pub mod plan;
pub mod random;
pub mod reference;
pub mod selftest;
pub mod session;
pub mod shaders;
pub mod step;
pub mod train;
#[cfg(feature = "native")]
pub mod tune;
pub mod verify;
