//! Adapters and devices: enumeration, selection, device loss.

use super::buffers::Ledger;
use crate::lru::Lru;
use crate::plan::{AdapterClass, AdapterFacts, DeviceLimits};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Errors of adapters and devices.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// There is no adapter.
    #[error(
        "no GPU adapter was found: pgat needs a Vulkan, Metal or DX12 driver. A CPU driver suffices; on Debian or Ubuntu: \
         `apt-get install mesa-vulkan-drivers libvulkan1`"
    )]
    NoAdapter,
    /// No adapter matches the requested name.
    #[error("no adapter matches \"{wanted}\"; available: {found}")]
    NoSuchAdapter {
        /// The requested name.
        wanted: String,
        /// The available adapters.
        found: String,
    },
    /// The adapter provided no device.
    #[error("adapter {adapter} provided no device: {reason}")]
    Device {
        /// The adapter.
        adapter: String,
        /// The message of wgpu.
        reason: String,
    },
    /// The device could not allocate a buffer. The buffers created before it are freed.
    #[error(
        "the device could not allocate the buffer {buffer} of {bytes} bytes ({reason}), although the plan of {planned} bytes is within the \
         budget; {created} bytes were already allocated: set a smaller memory budget, below the free memory of the device"
    )]
    OutOfMemory {
        /// Purpose of the buffer.
        buffer: String,
        /// Its size in bytes.
        bytes: u64,
        /// Size of the whole plan in bytes.
        planned: u64,
        /// Bytes created before it.
        created: u64,
        /// The message of wgpu.
        reason: String,
    },
    /// The size of a buffer differs from the plan: a bug of this crate.
    #[error("internal error: {planned} bytes were planned for the buffer {buffer}, but {created} bytes were created")]
    Unplanned {
        /// Purpose of the buffer.
        buffer: String,
        /// Bytes in the plan.
        planned: u64,
        /// Bytes on the device.
        created: u64,
    },
    /// The device rejected a kernel: a bug of this crate or of the driver.
    #[error("the device rejected the kernel {entry}: {reason}")]
    Kernel {
        /// Entry point.
        entry: String,
        /// The message of wgpu.
        reason: String,
    },
    /// The device was lost.
    #[error("the GPU device was lost: {0}")]
    Lost(String),
    /// The device rejected a command: a bug of this crate.
    #[error("the device rejected a command: {0}")]
    Validation(String),
}

/// Facts about an adapter that run folders and reports record.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AdapterRecord {
    /// Name.
    pub name: String,
    /// "vulkan", "metal", "dx12", "webgpu" or "noop".
    pub backend: String,
    /// "discrete", "integrated", "virtual", "cpu" or "other".
    pub kind: String,
    /// Name of the driver.
    pub driver: String,
    /// Version text of the driver.
    pub driver_info: String,
    /// Name of the adapter class. Results are bit-identical within a class.
    pub class: String,
}

impl std::fmt::Display for AdapterRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {}, {} {}; class {})", self.name, self.backend, self.kind, self.driver, self.driver_info, self.class)
    }
}

/// An available adapter.
pub struct Found {
    /// The adapter.
    pub adapter: wgpu::Adapter,
    /// Facts from wgpu; in a browser, where wgpu provides few, from the browser.
    pub info: wgpu::AdapterInfo,
}

impl Found {
    fn kind(&self) -> &'static str {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "cpu",
            wgpu::DeviceType::Other => "other",
        }
    }

    /// Subgroup size, if it is fixed and the feature is available, otherwise 0.
    fn subgroup(&self) -> usize {
        let fixed = self.info.subgroup_min_size == self.info.subgroup_max_size;
        let offered = self.adapter.features().contains(wgpu::Features::SUBGROUP);
        if offered && fixed { self.info.subgroup_min_size as usize } else { 0 }
    }

    /// The class of the adapter.
    #[must_use]
    pub fn class(&self) -> AdapterClass {
        AdapterClass::of(&AdapterFacts {
            backend: &self.info.backend.to_string(),
            driver: &self.info.driver,
            driver_info: &self.info.driver_info,
            cpu: self.info.device_type == wgpu::DeviceType::Cpu,
            subgroup: self.subgroup(),
        })
    }

    /// The record of the adapter.
    #[must_use]
    pub fn record(&self) -> AdapterRecord {
        AdapterRecord {
            name: if self.info.name.is_empty() { "unnamed".into() } else { self.info.name.clone() },
            backend: self.info.backend.to_string(),
            kind: self.kind().into(),
            driver: self.info.driver.clone(),
            driver_info: self.info.driver_info.clone(),
            class: self.class().name,
        }
    }
}

/// All usable adapters, best first: discrete, integrated, virtual, other, CPU.
#[cfg(not(target_arch = "wasm32"))]
pub async fn adapters() -> Vec<Found> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let instance = wgpu::Instance::new(descriptor);
    let found = instance.enumerate_adapters(wgpu::Backends::all()).await;
    let mut found: Vec<Found> = found.into_iter().map(|adapter| Found { info: adapter.get_info(), adapter }).collect();
    let rank = |f: &Found| match f.kind() {
        "discrete" => 0,
        "integrated" => 1,
        "virtual" => 2,
        "other" => 3,
        _ => 4,
    };
    found.sort_by_key(rank);
    found
}

/// The browser's adapter.
#[cfg(target_arch = "wasm32")]
pub async fn adapters() -> Vec<Found> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let options = wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
    let Ok(adapter) = instance.request_adapter(&options).await else { return vec![] };
    let info = super::browser::describe(adapter.get_info()).await;
    vec![Found { adapter, info }]
}

/// Lets a browser deliver pending messages (for example a stop request). Without it, a loop of submits blocks all messages to its worker.
#[cfg(target_arch = "wasm32")]
pub(super) async fn breathe() {
    super::browser::turn().await;
}

/// Native builds have no event loop to serve.
#[cfg(not(target_arch = "wasm32"))]
pub(super) async fn breathe() {}

/// Maximum size of a binding in bytes, even if the device allows more.
const MOST_BINDING: u64 = 2 << 30;

/// An open device.
pub struct Gpu {
    /// The device.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// The adapter of the device.
    pub adapter: AdapterRecord,
    /// Kernel shapes and predicted costs.
    pub class: AdapterClass,
    /// Limits that plans obey if possible: WebGPU's defaults.
    pub limits: DeviceLimits,
    /// Limits that the device provides beyond the defaults, for models in which a tensor of one window exceeds the defaults.
    pub granted: DeviceLimits,
    /// The name that selected the adapter.
    wanted: Option<String>,
    pub(super) lost: Arc<Mutex<Option<String>>>,
    failed: Arc<Mutex<Option<String>>>,
    pub(super) pipelines: Mutex<Lru<String, CachedPipeline>>,
    pub(super) ledger: Arc<Ledger>,
}

/// A pipeline and its layout. A device creates them once per combination of text, entry point and constants.
pub(super) type CachedPipeline = (wgpu::ComputePipeline, wgpu::BindGroupLayout);

impl Gpu {
    /// Size limit of the pipeline cache, measured in bytes of WGSL text. The size of compiled pipelines is unknown.
    pub const PIPELINE_BYTES: usize = 16 << 20;

    /// Opens the best adapter, or the best one whose name, backend or driver contains `wanted`.
    ///
    /// # Errors
    /// Fails if there is no adapter, if none matches, or if it provides no device.
    pub async fn open(wanted: Option<&str>) -> Result<Self, GpuError> {
        let found = adapters().await;
        if found.is_empty() {
            return Err(GpuError::NoAdapter);
        }
        let text = |f: &Found| f.record().to_string();
        let matches = |f: &&Found| wanted.is_none_or(|w| text(f).to_ascii_lowercase().contains(&w.to_ascii_lowercase()));
        let Some(adapter) = found.iter().find(matches) else {
            let found = found.iter().map(text).collect::<Vec<_>>().join("; ");
            return Err(GpuError::NoSuchAdapter { wanted: wanted.unwrap_or_default().into(), found });
        };
        Ok(Self { wanted: wanted.map(str::to_owned), ..Self::of(adapter).await? })
    }

    /// Opens a new device to replace a lost one, on the adapter that the same selection finds now.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub async fn reopen(&self) -> Result<Self, GpuError> {
        Self::open(self.wanted.as_deref()).await
    }

    /// Opens a device of an adapter, with WebGPU's default limits except for buffer and binding sizes, which are the adapter's maxima.
    ///
    /// # Errors
    /// Fails if the adapter provides no device.
    pub async fn of(found: &Found) -> Result<Self, GpuError> {
        let record = found.record();
        let features = if found.subgroup() > 0 { wgpu::Features::SUBGROUP } else { wgpu::Features::empty() };
        let (most, default) = (found.adapter.limits(), wgpu::Limits::default());
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("pgat"),
            required_features: features,
            required_limits: wgpu::Limits {
                max_buffer_size: most.max_buffer_size.max(default.max_buffer_size),
                max_storage_buffer_binding_size: most.max_storage_buffer_binding_size.max(default.max_storage_buffer_binding_size),
                ..default
            },
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = found
            .adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| GpuError::Device { adapter: record.to_string(), reason: e.to_string() })?;
        Ok(Self::assemble(device, queue, record, found.class()))
    }

    pub(super) fn assemble(device: wgpu::Device, queue: wgpu::Queue, adapter: AdapterRecord, class: AdapterClass) -> Self {
        let lost = Arc::new(Mutex::new(None));
        let failed = Arc::new(Mutex::new(None));
        let (on_lost, on_failed) = (lost.clone(), failed.clone());
        device.set_device_lost_callback(move |reason, message| {
            *on_lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{reason:?}: {message}"));
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            on_failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
        }));
        let limits = device.limits();
        // Kernels index the elements of a binding with 32 bits, and products of indices need headroom.
        let granted = DeviceLimits {
            binding_bytes: limits.max_storage_buffer_binding_size.min(MOST_BINDING),
            buffer_bytes: limits.max_buffer_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage as usize,
        };
        let limits = DeviceLimits {
            binding_bytes: granted.binding_bytes.min(DeviceLimits::default().binding_bytes),
            buffer_bytes: granted.buffer_bytes.min(DeviceLimits::default().buffer_bytes),
            ..granted
        };
        let (pipelines, ledger) = (Mutex::new(Lru::new(Self::PIPELINE_BYTES)), Arc::default());
        Self { device, queue, adapter, class, limits, granted, wanted: None, lost, failed, pipelines, ledger }
    }

    /// Checks that the device was not lost and rejected no command.
    ///
    /// # Errors
    /// Returns the first of these errors.
    pub fn healthy(&self) -> Result<(), GpuError> {
        if let Some(reason) = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(GpuError::Lost(reason));
        }
        if let Some(message) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(GpuError::Validation(message));
        }
        Ok(())
    }

    /// A pipeline from the cache.
    pub(super) fn cached(&self, key: &str) -> Option<CachedPipeline> {
        self.lock_pipelines().get(|k| k == key)
    }

    /// Caches a pipeline for later plans, as long as there is room. Its users keep it even after eviction.
    pub(super) fn keep(&self, key: String, pipeline: CachedPipeline) {
        let bytes = key.len() + size_of::<(String, CachedPipeline)>();
        self.lock_pipelines().keep(key, pipeline, bytes);
    }

    pub(super) fn lock_pipelines(&self) -> MutexGuard<'_, Lru<String, CachedPipeline>> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until a submission is complete. In a browser it returns at once; callers await the callbacks instead.
    ///
    /// # Errors
    /// Fails if the device was lost.
    pub(super) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), GpuError> {
        let poll = wgpu::PollType::Wait { submission_index: submission, timeout: None };
        let polled = self.device.poll(poll);
        self.healthy()?;
        polled.map(|_| ()).map_err(|e| GpuError::Lost(e.to_string()))
    }

    /// Bytes that wgpu's allocator reserves for all buffers, if available. Larger than the sum of the buffers, because the allocator rounds
    /// up to blocks.
    #[must_use]
    pub fn reserved_bytes(&self) -> Option<u64> {
        self.device.generate_allocator_report().map(|r| r.total_reserved_bytes)
    }
}
