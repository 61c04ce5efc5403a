//! A recording: a plain list of dispatches with their bindings, in the order of the phases. A step replays it.

use super::layout::Region;
use super::transfer::{staging_offsets, step_entries, upload_windows};
use super::{BufferRole, BufferSpec};
use crate::graph::{Direction, Place, Program, Section, TensorId};
use crate::ops::def::{Cost, Grid, to_u32};
use std::sync::Arc;

/// A compute pipeline to create.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// WGSL text.
    pub source: Arc<str>,
    /// Entry point.
    pub entry: &'static str,
    /// Override constants.
    pub overrides: Vec<(&'static str, f64)>,
    /// Storage bindings in ascending order: index, and whether it is declared read_write.
    pub bindings: Vec<(u32, bool)>,
    /// Size of `Params` in bytes.
    pub params_bytes: u64,
}

/// A range of a buffer that is bound to a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundRange {
    /// Binding index in the WGSL text.
    pub binding: u32,
    /// Buffer.
    pub role: BufferRole,
    /// Byte offset in the buffer, a multiple of 256.
    pub offset: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Whether it is declared read_write.
    pub writable: bool,
    /// Whether the kernel writes to it.
    pub writes: bool,
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Index of its kernel.
    pub kernel: usize,
    /// Its storage bindings.
    pub ranges: Vec<BoundRange>,
    /// Byte offset of its `Params` in the uniform buffer.
    pub params_offset: u64,
    /// Workgroups, as a function of the number of windows present.
    pub grid: DispatchGrid,
    /// First window within the micro-batch.
    pub window0: usize,
    /// Maximum number of windows.
    pub windows: usize,
    /// Predicted seconds with the maximum number of windows.
    pub seconds: f64,
}

/// Workgroups of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DispatchGrid {
    /// Grid rule of the kernel.
    pub rule: Grid,
    /// First workgroup (or block) along x.
    pub first: usize,
    /// Maximum number of workgroups along x.
    pub most: usize,
    /// For a kernel within a block loop: blocks per window. The dispatch runs only if block `first` exists.
    pub loop_blocks: Option<usize>,
}

impl Dispatch {
    /// Workgroups if the micro-batch has `present` windows; `None` if there is nothing to do.
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
    /// Label, for example `encoder.0.ff1 backward`.
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
    /// Whether it recomputes tensors of the forward pass.
    pub again: bool,
}

/// A program with its layout and its dispatches.
pub struct Recording {
    /// The program.
    pub program: Program,
    /// Maximum number of windows in a batch.
    pub batch: usize,
    /// Maximum number of windows in a micro-batch.
    pub micro_batch: usize,
    /// Region of each tensor.
    pub regions: Vec<Option<Region>>,
    /// Scratch regions of each phase.
    pub scratch: Vec<Vec<Region>>,
    /// Pipelines.
    pub kernels: Vec<Kernel>,
    /// Dispatches in order.
    pub dispatches: Vec<Dispatch>,
    /// Phases in order.
    pub phases: Vec<RecordedPhase>,
    /// Contents of the uniform buffer, starting at `uniforms_base`.
    pub uniforms: Vec<u8>,
    /// Byte offset of `uniforms` in the uniform buffer.
    pub uniforms_base: u64,
    /// Sizes of the buffers that it needs.
    pub buffers: Vec<BufferSpec>,
    /// Peak of the live arena bytes: no placement needs fewer bytes.
    pub arena_bound: u64,
    /// Maximum predicted time of a submit, in seconds.
    pub submit_seconds: f64,
    /// Fixed cost of a dispatch, in seconds.
    pub dispatch_seconds: f64,
}

impl Recording {
    /// Predicted seconds of a step on a whole batch.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        // The last micro-batch may be partial: its work is proportional to its windows, but its dispatches have the full fixed cost.
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

    /// Number of ops that the backward pass recomputes.
    #[must_use]
    pub fn computed_again(&self) -> usize {
        self.phases.iter().filter(|p| p.again).count()
    }

    /// Number of dispatches of a step on a whole batch.
    #[must_use]
    pub fn dispatch_count(&self) -> usize {
        let repeat = self.batch.div_ceil(self.micro_batch);
        let each = |p: &RecordedPhase| p.dispatches.len() * if p.section == Section::Body { repeat } else { 1 };
        self.phases.iter().map(each).sum()
    }

    /// Inputs, in the order of their declaration.
    #[must_use]
    pub fn inputs(&self) -> Vec<TensorId> {
        let tensors = self.program.graph.tensors.iter().enumerate();
        tensors.filter(|(_, t)| t.place == Place::Input).map(|(i, _)| i).collect()
    }

    /// Byte offset of each input in a staging buffer, after the entries of `Step`. An input per window has room for
    /// [`Recording::upload_windows`] windows.
    #[must_use]
    pub fn staging_offsets(&self) -> Vec<u64> {
        staging_offsets(&self.program, step_entries(self.batch, self.micro_batch), self.upload_windows()).0
    }

    /// Windows per upload: as many whole micro-batches as fit into a staging buffer of minimum size, but at least one.
    #[must_use]
    pub fn upload_windows(&self) -> usize {
        upload_windows(&self.program, self.batch, self.micro_batch)
    }
}
