//! Turns a [`Program`] into a [`Plan`]: the bytes of every tensor, and the dispatches in their order. All functions here depend only on
//! sizes and limits, so a plan can be made, printed and checked on a machine without a GPU.

pub mod arena;
mod buffer;
pub mod check;
pub mod chunk;
pub mod class;
mod error;
pub mod layout;
pub mod ledger;
pub mod lifetime;
pub mod map;
mod options;
pub mod outlook;
pub mod planner;
pub mod recompute;
pub mod record;
pub mod recording;
pub mod search;
pub mod text;
pub mod transfer;

use crate::graph::Program;
pub use buffer::{BufferRole, BufferSpec};
pub use class::{AdapterClass, AdapterFacts};
pub use error::{PlanError, RuleBroken};
pub use layout::Region;
pub use options::{DeviceLimits, PlanOptions};
pub use outlook::{LargeTensor, Outlook};
pub use planner::{Offer, Planner};
pub use recording::{BoundRange, Dispatch, Recording};

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
        let class = programs.first().map_or_else(AdapterClass::portable_cpu, |p| p.1.class.clone());
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
