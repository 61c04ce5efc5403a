//! The arena over a step, as data: the bytes and phases of each tensor, and the live bytes in each phase. `inspect::memory` draws it.
//! Requires no device and no files.

use super::arena::ALIGNMENT;
use super::lifetime::lifetimes;
use super::recompute::AGAIN;
use super::{BufferRole, Plan, Recording, Region};
use crate::graph::{Direction, Program, Section, TensorId};
use serde::Serialize;
use std::collections::HashSet;

/// The arena over one step of a recording.
#[derive(Clone, Debug, Serialize)]
pub struct ArenaMap {
    /// Kind of program: "train" or "score".
    pub program: &'static str,
    /// Maximum number of windows in a batch.
    pub batch: usize,
    /// Maximum number of windows in a micro-batch.
    pub micro_batch: usize,
    /// Number of times that the body runs for a whole batch.
    pub micro_batches: usize,
    /// Pages in order. All recordings of a plan share the pages, so this recording may leave some of them empty.
    pub pages: Vec<Page>,
    /// Lower bound of the arena size in bytes, from the planner.
    pub lower_bound: u64,
    /// The peak of the live bytes.
    pub high_water: HighWater,
    /// Phases in order: prologue, body (once), epilogue.
    pub phases: Vec<MapPhase>,
    /// One box per tensor, followed by one box per scratch region.
    pub boxes: Vec<MapBox>,
}

/// A page of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Size of the buffer in bytes.
    pub bytes: u64,
    /// End of the last byte that this recording uses.
    pub used_bytes: u64,
}

/// The peak of the live bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HighWater {
    /// Live bytes, with the size of each tensor rounded up to the arena alignment.
    pub bytes: u64,
    /// First phase with this number of live bytes.
    pub phase: usize,
}

/// One op in one direction.
#[derive(Clone, Debug, Serialize)]
pub struct MapPhase {
    /// Label, for example `encoder.0.ff1 backward`.
    pub label: String,
    /// Name of the op.
    pub op: &'static str,
    /// Section.
    pub section: Section,
    /// Direction.
    pub direction: Direction,
    /// Predicted seconds of one run, including the fixed cost of its dispatches.
    pub seconds: f64,
    /// Live bytes in this phase, with the size of each tensor rounded up to the arena alignment.
    pub alive_bytes: u64,
}

/// The purpose of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoxKind {
    /// Written by the forward pass and read by the backward pass.
    Saved,
    /// Written and read only by the forward pass.
    Activation,
    /// Recomputed for the backward pass.
    Recomputed,
    /// Gradient of a tensor.
    Gradient,
    /// Scratch of one phase.
    Scratch,
    /// Written in the epilogue: norms, sums.
    Other,
}

impl BoxKind {
    /// All kinds, in the order of the legend.
    pub const ALL: [Self; 6] = [Self::Saved, Self::Activation, Self::Recomputed, Self::Gradient, Self::Scratch, Self::Other];

    /// Name in texts and legends.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Saved => "saved for backward",
            Self::Activation => "activation",
            Self::Recomputed => "recomputed",
            Self::Gradient => "gradient",
            Self::Scratch => "scratch",
            Self::Other => "other",
        }
    }
}

/// A tensor, or a scratch region of a phase.
#[derive(Clone, Debug, Serialize)]
pub struct MapBox {
    /// Name of the tensor; for scratch, the label of its phase and a number.
    pub name: String,
    /// Purpose.
    pub kind: BoxKind,
    /// Page index.
    pub page: usize,
    /// Byte offset in the page.
    pub offset: u64,
    /// Size in bytes, for all windows of a micro-batch.
    pub bytes: u64,
    /// Bytes per window; 0 if the tensor exists once per step.
    pub window_bytes: u64,
    /// First phase in which it is live.
    pub first: usize,
    /// Last phase in which it is live.
    pub last: usize,
}

impl MapBox {
    /// Size in bytes, rounded up to the arena alignment.
    #[must_use]
    pub fn aligned_bytes(&self) -> u64 {
        self.bytes.next_multiple_of(ALIGNMENT)
    }

    /// Whether it is live in a phase.
    #[must_use]
    pub fn alive(&self, phase: usize) -> bool {
        self.first <= phase && phase <= self.last
    }
}

/// The tensors that backward phases read and write.
struct Kinds<'a> {
    program: &'a Program,
    read_back: HashSet<TensorId>,
    gradients: HashSet<TensorId>,
}

impl<'a> Kinds<'a> {
    fn new(program: &'a Program) -> Self {
        let backward = || program.phases.iter().filter(|p| p.direction == Direction::Backward);
        Self {
            program,
            read_back: backward().flat_map(|p| program.reads(p)).collect(),
            gradients: backward().flat_map(|p| program.writes(p)).collect(),
        }
    }

    fn of(&self, tensor: TensorId, first: usize) -> BoxKind {
        if self.program.graph.tensors[tensor].name.ends_with(AGAIN) {
            BoxKind::Recomputed
        } else if self.gradients.contains(&tensor) {
            BoxKind::Gradient
        } else if self.program.phases[first].section == Section::Epilogue {
            BoxKind::Other
        } else if self.read_back.contains(&tensor) {
            BoxKind::Saved
        } else {
            BoxKind::Activation
        }
    }
}

fn boxes(recording: &Recording) -> Vec<MapBox> {
    let program = &recording.program;
    let kinds = Kinds::new(program);
    let one = |name: String, kind, region: Region, (first, last)| {
        let BufferRole::Arena(page) = region.role else { return None };
        let Region { offset, bytes, window_bytes, .. } = region;
        Some(MapBox { name, kind, page, offset, bytes, window_bytes, first, last })
    };
    let tensors = lifetimes(program).into_iter().filter_map(|l| {
        let name = program.graph.tensors[l.tensor].name.clone();
        one(name, kinds.of(l.tensor, l.first), recording.regions[l.tensor]?, (l.first, l.last))
    });
    let scratch = recording.scratch.iter().enumerate().flat_map(|(phase, pieces)| {
        let named = move |(k, &region): (usize, &Region)| {
            one(format!("{}, scratch {k}", recording.phases[phase].label), BoxKind::Scratch, region, (phase, phase))
        };
        pieces.iter().enumerate().filter_map(named)
    });
    tensors.chain(scratch).collect()
}

impl ArenaMap {
    /// The map of one recording of a plan, given by its index.
    ///
    /// # Panics
    /// Panics if the plan has no such recording.
    #[must_use]
    pub fn new(plan: &Plan, recording: usize) -> Self {
        let recording = &plan.recordings[recording];
        let boxes = boxes(recording);
        let pages = plan.buffers.iter().filter_map(|b| {
            let BufferRole::Arena(page) = b.role else { return None };
            let used = boxes.iter().filter(|t| t.page == page).map(|t| t.offset + t.aligned_bytes()).max();
            Some(Page { bytes: b.bytes, used_bytes: used.unwrap_or(0) })
        });
        let phases: Vec<MapPhase> = (recording.phases.iter().enumerate())
            .map(|(i, p)| MapPhase {
                label: p.label.clone(),
                op: p.op,
                section: p.section,
                direction: p.direction,
                seconds: recording.dispatches[p.dispatches.clone()].iter().map(|d| d.seconds + recording.dispatch_seconds).sum(),
                alive_bytes: boxes.iter().filter(|b| b.alive(i)).map(MapBox::aligned_bytes).sum(),
            })
            .collect();
        let mut high_water = HighWater::default();
        for (phase, p) in phases.iter().enumerate() {
            if p.alive_bytes > high_water.bytes {
                high_water = HighWater { bytes: p.alive_bytes, phase };
            }
        }
        Self {
            program: recording.program.name,
            batch: recording.batch,
            micro_batch: recording.micro_batch,
            micro_batches: recording.batch.div_ceil(recording.micro_batch),
            pages: pages.collect(),
            lower_bound: recording.arena_bound,
            high_water,
            phases,
            boxes,
        }
    }

    /// Total size of all pages in bytes.
    #[must_use]
    pub fn arena_bytes(&self) -> u64 {
        self.pages.iter().map(|p| p.bytes).sum()
    }

    /// Boxes that are live in a phase, the largest first.
    #[must_use]
    pub fn alive(&self, phase: usize) -> Vec<&MapBox> {
        let mut alive: Vec<&MapBox> = self.boxes.iter().filter(|b| b.alive(phase)).collect();
        alive.sort_by_key(|b| std::cmp::Reverse(b.bytes));
        alive
    }
}
