//! What a plan is made for: a batch, limits of a device, kernels of an adapter.

use super::class::AdapterClass;

/// Limits of a device that plans must obey; the default is what WebGPU grants everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeviceLimits {
    /// Largest binding.
    #[serde(alias = "maxStorageBufferBindingSize")]
    pub binding_bytes: u64,
    /// Largest buffer.
    #[serde(alias = "maxBufferSize")]
    pub buffer_bytes: u64,
    /// Storage buffers of one kernel.
    #[serde(alias = "maxStorageBuffersPerShaderStage")]
    pub storage_buffers: usize,
}

impl DeviceLimits {
    /// Whether any plan could be made within them.
    ///
    /// # Errors
    /// Says which limit is too small.
    pub fn check(&self) -> Result<(), String> {
        if self.storage_buffers < 8 {
            return Err(format!("{} storage buffers a kernel are too few: kernels bind up to 8", self.storage_buffers));
        }
        if self.binding_bytes < 1 << 16 || self.buffer_bytes < 1 << 16 {
            return Err("bindings and buffers of less than 64 KiB are too small for any model".into());
        }
        Ok(())
    }
}

impl Default for DeviceLimits {
    fn default() -> Self {
        Self { binding_bytes: 128 << 20, buffer_bytes: 256 << 20, storage_buffers: 8 }
    }
}

/// What a plan is made for.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Most windows of a batch.
    pub batch: usize,
    /// Windows of a micro-batch; `None`: as many as the limits allow.
    pub micro_batch: Option<usize>,
    /// Whether a batch is one micro-batch, since outputs are read after each: then the batch is cut with it.
    pub whole: bool,
    /// Limits.
    pub limits: DeviceLimits,
    /// Limits that the planner falls back to, and says so, where single windows exceed those.
    pub granted: DeviceLimits,
    /// Kernel shapes and predicted costs.
    pub class: AdapterClass,
    /// Longest predicted time of a submit, in seconds.
    pub submit_seconds: f64,
    /// Whether tensors may share bytes when their lifetimes do not meet. Off: planner bugs can be told from kernel bugs.
    pub reuse: bool,
    /// Bytes left untouched on both sides of every tensor in the arena (tests look whether they stay so).
    pub guard_bytes: u64,
}

impl PlanOptions {
    /// For a batch, with default limits.
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
