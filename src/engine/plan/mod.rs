//! From a [`Program`] to a [`Plan`]: which bytes every tensor takes, and which dispatches run in which order. Pure functions of sizes and
//! limits: a plan is made, printed and checked on a machine with no GPU.

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
