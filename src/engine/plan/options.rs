//! Options of a plan: batch, device limits, kernel shapes of an adapter class.

use super::class::AdapterClass;

/// Device limits that a plan must obey. The default holds the limits that every WebGPU device provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeviceLimits {
    /// Maximum size of a binding, in bytes.
    #[serde(alias = "maxStorageBufferBindingSize")]
    pub binding_bytes: u64,
    /// Maximum size of a buffer, in bytes.
    #[serde(alias = "maxBufferSize")]
    pub buffer_bytes: u64,
    /// Maximum number of storage buffers per kernel.
    #[serde(alias = "maxStorageBuffersPerShaderStage")]
    pub storage_buffers: usize,
}

impl DeviceLimits {
    /// Checks whether any plan is possible within these limits.
    ///
    /// # Errors
    /// Names the limit that is too small.
    pub fn check(&self) -> Result<(), String> {
        if self.storage_buffers < 8 {
            return Err(format!("{} storage buffers per kernel are too few: kernels bind up to 8", self.storage_buffers));
        }
        if self.binding_bytes < 1 << 16 || self.buffer_bytes < 1 << 16 {
            return Err("bindings and buffers must allow at least 64 KiB".into());
        }
        Ok(())
    }
}

impl Default for DeviceLimits {
    fn default() -> Self {
        Self { binding_bytes: 128 << 20, buffer_bytes: 256 << 20, storage_buffers: 8 }
    }
}

/// Options of a plan.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Maximum number of windows in a batch.
    pub batch: usize,
    /// Windows per micro-batch; `None`: as many as the limits allow.
    pub micro_batch: Option<usize>,
    /// Whether a batch is always one micro-batch, because outputs are read after each batch. The batch then shrinks with the micro-batch.
    pub whole: bool,
    /// Device limits.
    pub limits: DeviceLimits,
    /// Fallback limits, used if single windows exceed `limits`.
    pub granted: DeviceLimits,
    /// Kernel shapes and predicted costs.
    pub class: AdapterClass,
    /// Maximum predicted time of a submit, in seconds.
    pub submit_seconds: f64,
    /// Whether tensors with disjoint lifetimes may share bytes. Switching this off helps to tell planner bugs from kernel bugs.
    pub reuse: bool,
    /// Guard bytes on both sides of every arena tensor. Tests check that no kernel writes to them.
    pub guard_bytes: u64,
}

impl PlanOptions {
    /// Options for a batch size and an adapter class, with default limits.
    #[must_use]
    pub fn new(batch: usize, class: AdapterClass) -> Self {
        Self {
            batch,
            micro_batch: None,
            whole: false,
            limits: DeviceLimits::default(),
            granted: DeviceLimits::default(),
            class,
            submit_seconds: 0.5,
            reuse: true,
            guard_bytes: 0,
        }
    }
}
