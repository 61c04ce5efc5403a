//! Computes the live bytes and the seconds of a step without offsets or dispatches, for any micro-batch and any set of recomputed nodes.
//! This takes microseconds, where [`super::record`] takes tens of milliseconds, so a search can evaluate thousands of choices.

use super::PlanOptions;
use super::arena::ALIGNMENT;
use super::recompute::{Links, Turn};
use super::record::phase_seconds;
use crate::graph::{Direction, Node, Place, Program, Section, TensorId};
use crate::ops::def::to_u32;
use crate::ops::{Phase, Scope};

/// Size in bytes as a function of the number of windows.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    fixed: u64,
    window: u64,
}

impl Extent {
    fn of(elements: usize, scope: Scope) -> Self {
        let bytes = 4 * elements as u64;
        if scope == Scope::Step { Self { fixed: bytes, window: 0 } } else { Self { fixed: 0, window: bytes } }
    }

    /// Size in the arena, with guard bytes and alignment.
    fn placed(self, windows: usize, guard: u64) -> u64 {
        (self.fixed + self.window * windows as u64 + guard).next_multiple_of(ALIGNMENT)
    }
}

struct PhaseEntry {
    section: Section,
    /// Whether the phase may read recomputed tensors.
    waits: bool,
    /// Arena tensors that the phase reads or writes, in the numbering of the ledger.
    touches: Vec<u32>,
    scratch: Vec<Extent>,
}

/// Sizes and times for one micro-batch size.
pub struct At {
    /// Windows per micro-batch.
    pub micro: usize,
    repeat: f64,
    tensors: Vec<u64>,
    scratch: Vec<u64>,
    seconds: Vec<f64>,
}

/// A program with the tables that [`Ledger::profile`] needs.
pub struct Ledger<'a> {
    program: &'a Program,
    kernels: &'a [Phase],
    options: &'a PlanOptions,
    links: Links,
    phases: Vec<PhaseEntry>,
    /// For each arena tensor, in the numbering of `touches`: its size, and its id in the graph.
    extents: Vec<Extent>,
    ids: Vec<TensorId>,
    pinned: Vec<bool>,
    /// For each node: its forward phase, the arena tensors that it reads, and the arena tensors that it writes.
    forward: Vec<usize>,
    reads: Vec<Vec<u32>>,
    makes: Vec<Vec<u32>>,
}

/// Memory and time of one choice of micro-batch size and recomputed nodes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Live arena bytes in each turn.
    pub alive: Vec<u64>,
    /// Predicted seconds of a step on a whole batch.
    pub seconds: f64,
}

impl Profile {
    /// Peak of the live bytes: no placement needs fewer bytes.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.alive.iter().copied().max().unwrap_or(0)
    }

    /// Bytes above `target`, summed over the turns.
    #[must_use]
    pub fn excess(&self, target: u64) -> u64 {
        self.alive.iter().map(|a| a.saturating_sub(target)).sum()
    }
}

impl<'a> Ledger<'a> {
    /// Builds the ledger of a program. `kernels` holds the kernels of each phase.
    #[must_use]
    pub fn new(program: &'a Program, kernels: &'a [Phase], options: &'a PlanOptions) -> Self {
        let graph = &program.graph;
        let ids: Vec<TensorId> = (0..graph.tensors.len()).filter(|&t| graph.tensors[t].place == Place::Arena).collect();
        let mut numbers = vec![None; graph.tensors.len()];
        ids.iter().enumerate().for_each(|(n, &t)| numbers[t] = Some(to_u32(n)));
        let in_arena = |ts: &[TensorId]| ts.iter().filter_map(|&t| numbers[t]).collect::<Vec<u32>>();
        let mut forward = vec![usize::MAX; graph.nodes.len()];
        let mut phases = vec![];
        for (i, spec) in program.phases.iter().enumerate() {
            if spec.direction == Direction::Forward {
                forward[spec.node] = i;
            }
            let touched = [program.reads(spec), program.writes(spec)].concat();
            let scratch = kernels[i].scratch.iter().map(|&(n, scope)| Extent::of(n, scope)).collect();
            let waits = spec.section == Section::Body && spec.direction == Direction::Backward;
            phases.push(PhaseEntry { section: spec.section, waits, touches: in_arena(&touched), scratch });
        }
        let makes = |n: &Node| in_arena(&[n.outputs.as_slice(), &n.saved].concat());
        Self {
            links: Links::new(program),
            phases,
            extents: ids.iter().map(|&t| Extent::of(graph.tensors[t].operand.len(), graph.tensors[t].operand.scope)).collect(),
            pinned: ids.iter().map(|t| program.pinned.contains(t)).collect(),
            forward,
            reads: graph.nodes.iter().map(|n| in_arena(&n.inputs)).collect(),
            makes: graph.nodes.iter().map(makes).collect(),
            ids,
            program,
            kernels,
            options,
        }
    }

    /// Nodes whose recomputation can save memory.
    #[must_use]
    pub fn candidates(&self) -> Vec<usize> {
        self.links.candidates()
    }

    /// Number of nodes in the graph.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.forward.len()
    }

    /// Sizes and times for micro-batches of `micro` windows.
    #[must_use]
    pub fn at(&self, micro: usize) -> At {
        let guard = 2 * self.options.guard_bytes;
        let batch = if self.options.whole { micro } else { self.options.batch.max(1) };
        let scratch = |p: &PhaseEntry| p.scratch.iter().map(|e| e.placed(micro, guard)).sum();
        // The last micro-batch may be partial: its work is proportional to its windows, but its dispatches have the full fixed cost.
        let share = batch as f64 / micro as f64 / batch.div_ceil(micro) as f64;
        let seconds = |(spec, phase): (_, _)| phase_seconds(self.program, spec, phase, micro, share, &self.options.class);
        At {
            micro,
            repeat: batch.div_ceil(micro) as f64,
            tensors: self.extents.iter().map(|e| e.placed(micro, guard)).collect(),
            scratch: self.phases.iter().map(scratch).collect(),
            seconds: self.program.phases.iter().zip(self.kernels).map(seconds).collect(),
        }
    }

    /// Live bytes and seconds if the nodes flagged in `again` (one flag per node) are recomputed.
    #[must_use]
    pub fn profile(&self, at: &At, again: &[bool]) -> Profile {
        let turns = self.links.turns(again);
        let n = self.ids.len();
        // First and last turn of each tensor, followed by those of its recomputed copy.
        let mut spans = vec![(u32::MAX, 0_u32); 2 * n];
        let (mut body_end, mut body_start) = (0, u32::MAX);
        let mut seconds = 0.0;
        let second = |t: u32| self.links.again(again, self.ids[t as usize]).map_or(t as usize, |_| n + t as usize);
        let mut touch = |t: usize, turn: u32| {
            spans[t].0 = spans[t].0.min(turn);
            spans[t].1 = turn;
        };
        for (i, turn) in turns.iter().enumerate() {
            let i = to_u32(i);
            match *turn {
                Turn::Phase(p) => {
                    let entry = &self.phases[p];
                    let body = entry.section == Section::Body;
                    if body {
                        body_end = i;
                        body_start = body_start.min(i);
                    }
                    seconds += at.seconds[p] * if body { at.repeat } else { 1.0 };
                    for &t in &entry.touches {
                        touch(if entry.waits { second(t) } else { t as usize }, i);
                    }
                }
                Turn::Again(node) => {
                    seconds += at.seconds[self.forward[node]] * at.repeat;
                    self.reads[node].iter().for_each(|&t| touch(second(t), i));
                    self.makes[node].iter().for_each(|&t| touch(n + t as usize, i));
                }
            }
        }
        let mut change = vec![0_i64; turns.len() + 1];
        for (t, &(first, last)) in spans.iter().enumerate().filter(|s| s.1.0 != u32::MAX) {
            // The body repeats, so a tensor written before the body is live until the end of the body.
            let last = if first < body_start && last >= body_start { last.max(body_end) } else { last };
            let last = if t < n && self.pinned[t] { to_u32(turns.len() - 1) } else { last };
            let bytes = at.tensors[t % n].cast_signed();
            change[first as usize] += bytes;
            change[last as usize + 1] -= bytes;
        }
        let mut now = 0_i64;
        let mut alive = Vec::with_capacity(turns.len());
        for (turn, change) in turns.iter().zip(change) {
            now += change;
            let phase = match *turn {
                Turn::Phase(p) => p,
                Turn::Again(node) => self.forward[node],
            };
            alive.push(now.cast_unsigned() + at.scratch[phase]);
        }
        Profile { alive, seconds }
    }
}
