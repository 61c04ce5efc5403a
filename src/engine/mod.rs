//! The engine: ops, graphs, plans, devices, the training loop. **Unstable**: any version of the crate may change its contents.
//!
//! The layers, lowest first: [`ops`] (the computations), [`graph`] (models as graphs of ops, gradients), [`plan`] (buffers, offsets and
//! dispatches), [`gpu`] and [`mod@reference`] (the backends that run a plan), [`executor`] (one interface to both), [`model`] (the
//! forecaster as a graph), [`session`] (a model on a backend), [`train`] (the training loop). ARCHITECTURE.md in the repository describes
//! all modules.

#[cfg(feature = "native")]
pub mod bench;
pub mod clock;
#[cfg(feature = "twins")]
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
pub(crate) mod order;
pub mod plan;
pub mod random;
#[cfg(feature = "twins")]
pub mod reference;
#[cfg(feature = "twins")]
pub mod selftest;
pub mod session;
#[cfg(feature = "twins")]
pub mod shaders;
pub mod step;
pub mod train;
#[cfg(feature = "native")]
pub mod tune;
#[cfg(feature = "twins")]
pub mod verify;
