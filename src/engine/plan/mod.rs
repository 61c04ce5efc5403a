//! Turns a [`Program`] into a [`Plan`]: the bytes of every tensor, and the dispatches in their order. All functions here depend only on
//! sizes and limits, so a plan can be made, printed and checked on a machine without a GPU.

pub mod arena;
pub mod check;
pub mod chunk;
pub mod class;
pub mod layout;
pub mod ledger;
pub mod lifetime;
pub mod map;
pub mod outlook;
pub mod planner;
pub mod recompute;
pub mod record;
pub mod recording;
pub mod search;
pub mod text;
pub mod transfer;

use crate::bytes::grouped;
use crate::graph::{Flat, Program};
pub use class::{AdapterClass, AdapterFacts};
pub use layout::Region;
pub use outlook::{LargeTensor, Outlook};
pub use planner::{Offer, Planner};
pub use recording::{BoundRange, Dispatch, Recording};

/// The purpose of a buffer. There is one buffer per role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BufferRole {
    /// Parameters, stored contiguously.
    Parameters,
    /// Gradients, followed by accumulators; zeroed at the start of a step.
    Gradients,
    /// First moments of the optimiser.
    Moment1,
    /// Second moments of the optimiser.
    Moment2,
    /// Counters of the optimiser.
    State,
    /// Data that is uploaded once.
    Constants,
    /// Data of one micro-batch.
    Inputs,
    /// A page of the arena.
    Arena(usize),
    /// Uniform `Params` of every dispatch.
    DispatchUniforms,
    /// Uniform `Step`: one entry for prologue and epilogue, and one per micro-batch.
    StepUniforms,
    /// Mapped for uploads; two buffers, used alternately.
    Staging(usize),
    /// Mapped for read-backs.
    ReadBack,
}

impl std::fmt::Display for BufferRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Arena(page) => return write!(f, "arena {page}"),
            Self::Staging(slot) => return write!(f, "staging {slot}"),
            Self::Parameters => "parameters",
            Self::Gradients => "gradients",
            Self::Moment1 => "moments 1",
            Self::Moment2 => "moments 2",
            Self::State => "optimiser state",
            Self::Constants => "constants",
            Self::Inputs => "inputs",
            Self::DispatchUniforms => "dispatch uniforms",
            Self::StepUniforms => "step uniforms",
            Self::ReadBack => "read-back",
        })
    }
}

impl BufferRole {
    /// Whether kernels bind it as a storage buffer.
    #[must_use]
    pub fn is_storage(self) -> bool {
        !matches!(self, Self::DispatchUniforms | Self::StepUniforms | Self::Staging(_) | Self::ReadBack)
    }
}

impl From<Flat> for BufferRole {
    fn from(flat: Flat) -> Self {
        match flat {
            Flat::Parameters => Self::Parameters,
            Flat::Gradients => Self::Gradients,
            Flat::Moment1 => Self::Moment1,
            Flat::Moment2 => Self::Moment2,
            Flat::State => Self::State,
        }
    }
}

/// A buffer of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BufferSpec {
    /// Purpose.
    pub role: BufferRole,
    /// Size in bytes.
    pub bytes: u64,
}

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

/// The reason why no plan can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A tensor of one window, or a scratch of fixed size, is larger than the buffers or bindings of the device.
    #[error(
        "{tensor} needs {bytes} bytes even with the smallest micro-batch, but this device allows {limit}: use fewer nodes, a shorter \
         history or a smaller width"
    )]
    TooLarge {
        /// Name of the tensor.
        tensor: String,
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The parameters together are larger than a buffer or binding.
    #[error("the parameters need {bytes} bytes, but this device allows buffers of {limit}: use a smaller width or fewer layers")]
    Parameters {
        /// Size of the parameters in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The smallest plan exceeds the budget.
    #[error(
        "the smallest plan takes {} bytes on the device, but only {} are allowed{}",
        grouped(*smallest),
        grouped(*allowed),
        if *said { "" } else { " if no budget is given" }
    )]
    Budget {
        /// Allowed bytes.
        allowed: u64,
        /// Bytes of the smallest plan.
        smallest: u64,
        /// Whether the user gave the budget.
        said: bool,
    },
    /// There is no candidate: a bug of this crate.
    #[error("internal error: the planner found no plan")]
    Nothing,
    /// The recording breaks a rule of WebGPU: a bug of this crate.
    #[error("internal error: the plan breaks a rule of WebGPU: {0}")]
    Rule(#[from] check::RuleBroken),
}

/// Programs that share one set of buffers (for example training and evaluation), ready to run.
pub struct Plan {
    /// One recording per program.
    pub recordings: Vec<Recording>,
    /// All buffers that the backend creates.
    pub buffers: Vec<BufferSpec>,
    /// The adapter class that the plan is made for.
    pub class: AdapterClass,
    /// The limits that the plan obeys.
    pub limits: DeviceLimits,
}

impl Plan {
    /// Plans programs that share their parameters. The optimiser's buffers come from the first program that trains.
    ///
    /// # Errors
    /// Fails if the device limits are too small.
    pub fn new(programs: Vec<(Program, PlanOptions)>) -> Result<Self, PlanError> {
        let class = programs.first().map_or_else(|| AdapterClass::portable(true), |p| p.1.class.clone());
        let limits = programs.first().map_or_else(DeviceLimits::default, |p| p.1.limits);
        let mut recordings: Vec<Recording> = vec![];
        for (program, options) in programs {
            let buffers = Self::buffers_of(&recordings);
            let base = |role| buffers.iter().find(|b| b.role == role).map_or(0, |b| b.bytes);
            recordings.push(record::record(program, &options, base(BufferRole::Constants), base(BufferRole::DispatchUniforms))?);
        }
        Ok(Self { buffers: Self::buffers_of(&recordings), recordings, class, limits })
    }

    /// Buffers large enough for every recording. Constants and uniforms of a later recording follow those of the earlier ones.
    fn buffers_of(recordings: &[Recording]) -> Vec<BufferSpec> {
        let mut sizes = std::collections::BTreeMap::<BufferRole, u64>::new();
        for b in recordings.iter().flat_map(|r| &r.buffers) {
            let size = sizes.entry(b.role).or_default();
            *size = (*size).max(b.bytes);
        }
        sizes.into_iter().filter(|b| b.1 > 0).map(|(role, bytes)| BufferSpec { role, bytes }).collect()
    }

    /// Total size of the arena pages in bytes.
    #[must_use]
    pub fn arena_bytes(&self) -> u64 {
        self.buffers.iter().filter(|b| matches!(b.role, BufferRole::Arena(_))).map(|b| b.bytes).sum()
    }

    /// Total size of all buffers in bytes: the device memory that the backend allocates.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().map(|b| b.bytes).sum()
    }

    /// Size of one buffer in bytes.
    #[must_use]
    pub fn buffer_bytes(&self, role: BufferRole) -> u64 {
        self.buffers.iter().find(|b| b.role == role).map_or(0, |b| b.bytes)
    }
}
