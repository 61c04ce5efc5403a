//! The only place that knows wgpu: adapters, buffers, pipelines, bind groups, submits and read-backs.

#[cfg(target_arch = "wasm32")]
mod browser;
mod buffers;
pub mod device;
#[cfg(feature = "native")]
pub mod probe;
pub mod run;
mod transfer;

pub use buffers::{BufferCounts, Refusal};
pub use device::{AdapterRecord, Gpu, GpuError};
pub use run::GpuRun;
