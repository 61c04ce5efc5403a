//! From a [`Program`] to a [`Plan`]: which bytes every tensor takes, and which dispatches run in which order. Pure functions of sizes and
//! limits: a plan is made, printed and checked on a machine with no GPU.

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

/// What a buffer is for. One buffer each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BufferRole {
    /// Parameters, one after the other.
    Parameters,
    /// Their gradients, then accumulators; zeroed at the start of a step.
    Gradients,
    /// First moments.
    Moment1,
    /// Second moments.
    Moment2,
    /// Counters of the optimiser.
    State,
    /// Data uploaded once.
    Constants,
    /// Data of one micro-batch.
    Inputs,
    /// Page of the arena.
    Arena(usize),
    /// Uniform `Params` of every dispatch.
    DispatchUniforms,
    /// Uniform `Step`, one entry a micro-batch and one for prologue and epilogue.
    StepUniforms,
    /// Mapped for uploads; two, used in turn.
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
    /// Whether kernels bind it as storage.
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
    /// What for.
    pub role: BufferRole,
    /// Its size.
    pub bytes: u64,
}

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

/// A plan cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A tensor of one window, or a fixed scratch, is larger than the device's buffers or bindings.
    #[error(
        "{tensor} takes {bytes} bytes even in the smallest micro-batch, and this device allows {limit}: use fewer nodes, a shorter history or a smaller width"
    )]
    TooLarge {
        /// The tensor.
        tensor: String,
        /// Its bytes.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// All parameters together are larger than a buffer or binding.
    #[error("the parameters take {bytes} bytes, and this device allows buffers of {limit}: use a smaller width or fewer layers")]
    Parameters {
        /// Their bytes.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The smallest plan takes more than is allowed.
    #[error(
        "the smallest plan takes {} bytes on the device, and {} are allowed{}",
        grouped(*smallest),
        grouped(*allowed),
        if *said { "" } else { " where no budget is given" }
    )]
    Budget {
        /// Bytes allowed.
        allowed: u64,
        /// Bytes of the smallest plan.
        smallest: u64,
        /// Whether the user named the budget.
        said: bool,
    },
    /// There is nothing to plan: a bug of this crate.
    #[error("internal error: no program has a plan")]
    Nothing,
    /// The recording breaks a rule of WebGPU: a bug of this crate.
    #[error("internal error: the plan breaks a rule: {0}")]
    Rule(#[from] check::RuleBroken),
}

/// Programs that share one set of buffers (training and evaluation, say), ready to run.
pub struct Plan {
    /// A recording for each program.
    pub recordings: Vec<Recording>,
    /// Every buffer that will be created, and nothing else.
    pub buffers: Vec<BufferSpec>,
    /// What it was made for.
    pub class: AdapterClass,
    /// Limits that it obeys.
    pub limits: DeviceLimits,
}

impl Plan {
    /// Plans programs over the same parameters. The first one that trains brings the optimiser's buffers.
    ///
    /// # Errors
    /// Fails where the device's limits are too small.
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

    /// Buffers that hold what each recording needs; constants and uniforms of a later one lie behind those of the ones before.
    fn buffers_of(recordings: &[Recording]) -> Vec<BufferSpec> {
        let mut sizes = std::collections::BTreeMap::<BufferRole, u64>::new();
        for b in recordings.iter().flat_map(|r| &r.buffers) {
            let size = sizes.entry(b.role).or_default();
            *size = (*size).max(b.bytes);
        }
        sizes.into_iter().filter(|b| b.1 > 0).map(|(role, bytes)| BufferSpec { role, bytes }).collect()
    }

    /// Bytes of the arena's pages.
    #[must_use]
    pub fn arena_bytes(&self) -> u64 {
        self.buffers.iter().filter(|b| matches!(b.role, BufferRole::Arena(_))).map(|b| b.bytes).sum()
    }

    /// Bytes of all buffers: what the device will be asked for.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().map(|b| b.bytes).sum()
    }

    /// Bytes of one buffer.
    #[must_use]
    pub fn buffer_bytes(&self, role: BufferRole) -> u64 {
        self.buffers.iter().find(|b| b.role == role).map_or(0, |b| b.bytes)
    }
}
