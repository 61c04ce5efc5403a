//! What a recording is: a plain list of dispatches with their bindings, in the order of the phases. A step replays it.

use super::layout::Region;
use super::transfer::{staging_offsets, step_entries, upload_windows};
use super::{BufferRole, BufferSpec};
use crate::graph::{Direction, Place, Program, Section, TensorId};
use crate::ops::def::{Cost, Grid, to_u32};
use std::sync::Arc;

/// A compute pipeline to be made.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// WGSL text.
    pub source: Arc<str>,
    /// Entry point.
    pub entry: &'static str,
    /// Constants.
    pub overrides: Vec<(&'static str, f64)>,
    /// Storage bindings: index and whether declared read_write, ascending.
    pub bindings: Vec<(u32, bool)>,
    /// Bytes of `Params`.
    pub params_bytes: u64,
}

/// A range of a buffer at a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundRange {
    /// Index in the WGSL text.
    pub binding: u32,
    /// Buffer.
    pub role: BufferRole,
    /// First byte, a multiple of 256.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Declared read_write.
    pub writable: bool,
    /// Whether the kernel writes it.
    pub writes: bool,
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Index of its kernel.
    pub kernel: usize,
    /// Its storage bindings.
    pub ranges: Vec<BoundRange>,
    /// Offset of its `Params` in the uniform buffer.
    pub params_offset: u64,
    /// Workgroups, as a function of the windows present.
    pub grid: DispatchGrid,
    /// First window, within the micro-batch.
    pub window0: usize,
    /// Most windows.
    pub windows: usize,
    /// Predicted seconds with all of them.
    pub seconds: f64,
}

/// Workgroups of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DispatchGrid {
    /// The kernel's own rule.
    pub rule: Grid,
    /// First workgroup (or block) along x.
    pub first: usize,
    /// Most workgroups along x.
    pub most: usize,
    /// For a kernel within a block loop: blocks of a window; it runs only if block `first` exists.
    pub loop_blocks: Option<usize>,
}

impl Dispatch {
    /// Workgroups when the micro-batch has `present` windows; `None`: nothing to do.
    #[must_use]
    pub fn groups(&self, present: usize) -> Option<[u32; 2]> {
        let windows = present.checked_sub(self.window0)?.min(self.windows);
        let g = self.grid;
        if windows == 0 || g.loop_blocks.is_some_and(|blocks| g.first >= windows * blocks) {
            return None;
        }
        let (total, across) = match g.rule {
            Grid::Windows { per_window, per_group, across } => ((windows * per_window).div_ceil(per_group), across),
            Grid::Blocks { per_window, across, .. } => (windows * per_window, across),
            Grid::Fixed { groups, in_blocks } => (if in_blocks { groups + g.first } else { groups }, 1),
        };
        let x = total.checked_sub(g.first)?.min(g.most);
        (x > 0).then(|| [to_u32(x), to_u32(across)])
    }
}

/// Dispatches of one phase.
#[derive(Clone, Debug)]
pub struct RecordedPhase {
    /// `encoder.0.ff1 backward`, say.
    pub label: String,
    /// Name of the op.
    pub op: &'static str,
    /// Direction.
    pub direction: Direction,
    /// Section.
    pub section: Section,
    /// Its dispatches.
    pub dispatches: std::ops::Range<usize>,
    /// Work per window.
    pub cost: Cost,
    /// Whether it computes again what forward did not keep.
    pub again: bool,
}

/// A program, laid out and recorded.
pub struct Recording {
    /// The program.
    pub program: Program,
    /// Windows of a whole batch, at most.
    pub batch: usize,
    /// Windows of a micro-batch, at most.
    pub micro_batch: usize,
    /// Where tensors lie.
    pub regions: Vec<Option<Region>>,
    /// Where each phase's scratch lies.
    pub scratch: Vec<Vec<Region>>,
    /// Pipelines.
    pub kernels: Vec<Kernel>,
    /// Dispatches in order.
    pub dispatches: Vec<Dispatch>,
    /// Phases in order.
    pub phases: Vec<RecordedPhase>,
    /// Contents of the uniform buffer, from `uniforms_base` on.
    pub uniforms: Vec<u8>,
    /// Where they go.
    pub uniforms_base: u64,
    /// Buffers that it needs.
    pub buffers: Vec<BufferSpec>,
    /// Most bytes of the arena alive at once: no placement needs less.
    pub arena_bound: u64,
    /// Longest predicted submit, in seconds.
    pub submit_seconds: f64,
    /// Fixed cost of a dispatch, in seconds.
    pub dispatch_seconds: f64,
}

impl Recording {
    /// Predicted seconds of a step on a whole batch.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        // The last micro-batch may be short: its work counts by windows, its dispatches in full.
        let full = self.batch as f64 / self.micro_batch as f64;
        let repeat = self.batch.div_ceil(self.micro_batch) as f64;
        let each = |p: &RecordedPhase| {
            let dispatches = &self.dispatches[p.dispatches.clone()];
            let work: f64 = dispatches.iter().map(|d| d.seconds).sum();
            let fixed = dispatches.len() as f64 * self.dispatch_seconds;
            if p.section == Section::Body { work * full + fixed * repeat } else { work + fixed }
        };
        self.phases.iter().map(each).sum()
    }

    /// Ops that are computed again in the backward pass.
    #[must_use]
    pub fn computed_again(&self) -> usize {
        self.phases.iter().filter(|p| p.again).count()
    }

    /// Dispatches of a step on a whole batch.
    #[must_use]
    pub fn dispatch_count(&self) -> usize {
        let repeat = self.batch.div_ceil(self.micro_batch);
        let each = |p: &RecordedPhase| p.dispatches.len() * if p.section == Section::Body { repeat } else { 1 };
        self.phases.iter().map(each).sum()
    }

    /// Inputs, in order of declaration.
    #[must_use]
    pub fn inputs(&self) -> Vec<TensorId> {
        let tensors = self.program.graph.tensors.iter().enumerate();
        tensors.filter(|(_, t)| t.place == Place::Input).map(|(i, _)| i).collect()
    }

    /// Offsets in a staging buffer of each input, after the entries of `Step`; those per window take [`Recording::upload_windows`].
    #[must_use]
    pub fn staging_offsets(&self) -> Vec<u64> {
        staging_offsets(&self.program, step_entries(self.batch, self.micro_batch), self.upload_windows()).0
    }

    /// Windows of an upload: whole micro-batches, as many as a staging buffer of the least size holds, and one at least.
    #[must_use]
    pub fn upload_windows(&self) -> usize {
        upload_windows(&self.program, self.batch, self.micro_batch)
    }
}
