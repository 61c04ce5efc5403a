//! The arena over a step, as data: which tensor takes which bytes in which phases, and how many bytes are alive in each. `inspect::memory`
//! draws it. Needs no device and no files.

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
    /// What the program is: "train" or "score".
    pub program: &'static str,
    /// Windows of a batch, at most.
    pub batch: usize,
    /// Windows of a micro-batch, at most.
    pub micro_batch: usize,
    /// How often the body runs on a whole batch.
    pub micro_batches: usize,
    /// Pages in order. The recordings of a plan share them, so this one may leave some empty.
    pub pages: Vec<Page>,
    /// Fewest bytes that any placement needs, as the planner found it.
    pub lower_bound: u64,
    /// When the most bytes are alive.
    pub high_water: HighWater,
    /// Phases in order: prologue, body (once), epilogue.
    pub phases: Vec<MapPhase>,
    /// A box a tensor, then one a piece of scratch.
    pub boxes: Vec<MapBox>,
}

/// A page of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Bytes of its buffer.
    pub bytes: u64,
    /// End of what this recording puts there.
    pub used_bytes: u64,
}

/// The most bytes alive at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HighWater {
    /// Bytes, each tensor's rounded up to the arena's alignment.
    pub bytes: u64,
    /// First phase in which so many are alive.
    pub phase: usize,
}

/// One op in one direction.
#[derive(Clone, Debug, Serialize)]
pub struct MapPhase {
    /// `encoder.0.ff1 backward`, say.
    pub label: String,
    /// Name of the op.
    pub op: &'static str,
    /// Section.
    pub section: Section,
    /// Direction.
    pub direction: Direction,
    /// Predicted seconds of one run, the fixed costs of its dispatches included.
    pub seconds: f64,
    /// Bytes alive in it, each tensor's rounded up to the arena's alignment.
    pub alive_bytes: u64,
}

/// What the bytes of a box are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoxKind {
    /// Made by the forward pass and kept for the backward pass.
    Saved,
    /// Made by the forward pass, for the forward pass alone.
    Activation,
    /// Made again, for the backward pass.
    Recomputed,
    /// Gradient of a tensor.
    Gradient,
    /// A phase's own.
    Scratch,
    /// Made in the epilogue: norms, sums.
    Other,
}

impl BoxKind {
    /// All, in the order of legends.
    pub const ALL: [Self; 6] = [Self::Saved, Self::Activation, Self::Recomputed, Self::Gradient, Self::Scratch, Self::Other];

    /// In words.
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

/// A tensor, or a piece of a phase's scratch.
#[derive(Clone, Debug, Serialize)]
pub struct MapBox {
    /// The tensor's name; of scratch, its phase and number.
    pub name: String,
    /// What for.
    pub kind: BoxKind,
    /// Page.
    pub page: usize,
    /// First byte in the page.
    pub offset: u64,
    /// Bytes, all windows of a micro-batch together.
    pub bytes: u64,
    /// Bytes of one window; 0 where it exists once a step.
    pub window_bytes: u64,
    /// First phase in which it is alive.
    pub first: usize,
    /// Last phase in which it is alive.
    pub last: usize,
}

impl MapBox {
    /// Bytes with what is lost to alignment.
    #[must_use]
    pub fn aligned_bytes(&self) -> u64 {
        self.bytes.next_multiple_of(ALIGNMENT)
    }

    /// Whether it is alive in a phase.
    #[must_use]
    pub fn alive(&self, phase: usize) -> bool {
        self.first <= phase && phase <= self.last
    }
}

/// What backward phases read and write.
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
    /// Of the recording with that number.
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

    /// Bytes of all pages.
    #[must_use]
    pub fn arena_bytes(&self) -> u64 {
        self.pages.iter().map(|p| p.bytes).sum()
    }

    /// Boxes alive in a phase, the largest first.
    #[must_use]
    pub fn alive(&self, phase: usize) -> Vec<&MapBox> {
        let mut alive: Vec<&MapBox> = self.boxes.iter().filter(|b| b.alive(phase)).collect();
        alive.sort_by_key(|b| std::cmp::Reverse(b.bytes));
        alive
    }
}
