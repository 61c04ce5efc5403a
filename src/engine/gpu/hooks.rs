//! Device functions for tests (feature `test-hooks`). [`Gpu::destroy`] is also part of browser builds, because the tests of the web page
//! simulate a device loss.

#[cfg(feature = "test-hooks")]
use super::Refusal;
#[cfg(feature = "test-hooks")]
use super::device::AdapterRecord;
use super::device::Gpu;
#[cfg(feature = "test-hooks")]
use crate::lru::{CacheStatistics, Lru};
#[cfg(feature = "test-hooks")]
use crate::plan::AdapterClass;
use std::sync::PoisonError;

impl Gpu {
    /// Destroys the device, as a driver reset would.
    pub fn destroy(&self) {
        self.device.destroy();
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.get_or_insert_with(|| "destroyed".into());
    }
}

#[cfg(feature = "test-hooks")]
impl Gpu {
    /// A device that does nothing.
    #[must_use]
    pub fn noop() -> Self {
        let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        let record = AdapterRecord {
            name: "noop".into(),
            backend: "noop".into(),
            kind: "other".into(),
            driver: String::new(),
            driver_info: String::new(),
            class: "portable-cpu".into(),
        };
        Self::assemble(device, queue, record, AdapterClass::portable_cpu())
    }

    /// A device that was opened elsewhere with its own limits. Its plans obey WebGPU's default limits nevertheless.
    #[must_use]
    pub fn from_parts(device: wgpu::Device, queue: wgpu::Queue, adapter: AdapterRecord, class: AdapterClass) -> Self {
        Self::assemble(device, queue, adapter, class)
    }

    /// Makes the device reject buffers from now on.
    pub fn refuse(&self, refusal: Refusal) {
        self.ledger.refuse(refusal);
    }

    /// The same device with a new, empty pipeline cache of another size limit.
    #[must_use]
    pub fn with_pipeline_bytes(mut self, bound: usize) -> Self {
        self.pipelines = std::sync::Mutex::new(Lru::new(bound));
        self
    }

    /// Statistics of the pipeline cache since the device was opened or since the last [`Gpu::clear_pipelines`].
    #[must_use]
    pub fn pipeline_statistics(&self) -> CacheStatistics {
        self.lock_pipelines().statistics()
    }

    /// Clears the pipeline cache and its statistics. Pipelines in use stay with their users.
    pub fn clear_pipelines(&self) {
        self.lock_pipelines().clear();
    }
}
