//! The only module that uses wgpu: adapters, buffers, pipelines, bind groups, submits and read-backs.

#[cfg(target_arch = "wasm32")]
mod browser;
mod buffers;
pub mod device;
#[cfg(any(feature = "test-hooks", target_arch = "wasm32"))]
mod hooks;
#[cfg(feature = "native")]
pub mod probe;
pub mod run;
mod transfer;

pub use buffers::BufferCounts;
#[cfg(feature = "test-hooks")]
pub use buffers::Refusal;
pub use device::{AdapterRecord, Gpu, GpuError};
pub use run::GpuRun;
