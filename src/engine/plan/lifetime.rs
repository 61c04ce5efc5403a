//! Lifetimes of the arena tensors, in phases.

use crate::graph::{Place, Program, Section, TensorId};

/// First and last phase in which a tensor is live, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The tensor.
    pub tensor: TensorId,
    /// The first phase that writes it.
    pub first: usize,
    /// The last phase that reads it.
    pub last: usize,
}

/// Lifetimes of the arena tensors. A tensor that the prologue writes and the body reads is live until the end of the body, because the body
/// repeats. A pinned tensor is live until the end of the step.
#[must_use]
pub fn lifetimes(program: &Program) -> Vec<Lifetime> {
    let n = program.graph.tensors.len();
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; n];
    let body_end = program.phases.iter().rposition(|p| p.section == Section::Body).unwrap_or(0);
    for (i, phase) in program.phases.iter().enumerate() {
        for t in program.reads(phase).into_iter().chain(program.writes(phase)) {
            let span = spans[t].get_or_insert((i, i));
            span.1 = i;
            let from_before = program.phases[span.0].section == Section::Prologue;
            if phase.section == Section::Body && from_before {
                span.1 = body_end;
            }
        }
    }
    for &t in &program.pinned {
        if let Some(span) = spans[t].as_mut() {
            span.1 = program.phases.len() - 1;
        }
    }
    let arena = |t: &TensorId| program.graph.tensors[*t].place == Place::Arena;
    (0..n).filter(arena).filter_map(|t| spans[t].map(|(first, last)| Lifetime { tensor: t, first, last })).collect()
}

impl Lifetime {
    /// Whether two lifetimes share a phase.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}
