//! Finds the fastest plan within a budget, over all micro-batch sizes and all sets of recomputed ops that the search proposes. The search
//! works on a ledger of bytes and seconds. The final decision uses complete plans with exact buffer sizes.

use super::ledger::Ledger;
use super::recompute::computing_again;
use super::record::{kernels_of, record, sizes};
use super::search::{Choice, choices, choices_of};
use super::{BufferRole, BufferSpec, DeviceLimits, Plan, PlanError, PlanOptions, Recording};
use crate::bytes::Budget;
use crate::graph::Program;
use crate::ops::Phase;
use crate::order;
use std::collections::BTreeMap;

/// Predicted times within this relative difference count as equal, and the smaller plan wins, because predictions are not more accurate.
pub const TIE: f64 = 0.01;

/// A possible plan, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Offer {
    /// Total size of all buffers in bytes.
    pub bytes: u64,
    /// Predicted seconds of a step.
    pub seconds: f64,
    /// Windows per micro-batch.
    pub micro_batch: usize,
    /// Number of ops that the backward pass recomputes.
    pub computed_again: usize,
    /// Total size of the arena pages in bytes.
    pub arena_bytes: u64,
    /// Peak of the live arena bytes.
    pub arena_bound: u64,
}

impl Offer {
    /// The numbers of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let first = &plan.recordings[0];
        Self {
            bytes: plan.bytes(),
            seconds: first.seconds(),
            micro_batch: first.micro_batch,
            computed_again: first.computed_again(),
            arena_bytes: plan.arena_bytes(),
            arena_bound: first.arena_bound,
        }
    }
}

/// A program with its options and kernels.
struct Job {
    program: Program,
    options: PlanOptions,
    kernels: Vec<Phase>,
}

/// A choice, and its offer once it has been evaluated.
struct Candidate {
    choice: Choice,
    /// Lower bound of the plan's size: all buffers except the uniforms of the dispatches, with the arena at its lower bound.
    least_bytes: u64,
    offer: Option<Result<Offer, ()>>,
}

/// Windows of a pass, and the sizes of the buffers that it needs.
type Pass = (usize, BTreeMap<BufferRole, u64>);

/// Plans programs that share one set of buffers. The first program (training, or scoring alone) determines the plan; the others fit into
/// its buffers.
pub struct Planner {
    jobs: Vec<Job>,
    candidates: Vec<Candidate>,
    /// For each program after the first: buffer sizes for each pass size, the largest first.
    followers: Vec<Vec<Pass>>,
}

/// Up to this number of nodes that can be recomputed, the search runs for each micro-batch size separately.
const SEARCHED_EACH: usize = 250;

/// Micro-batch sizes to consider: the batch divided into 1, 2, 3, 4, 6, 8, 12, 16, ... parts, and single windows.
fn micro_sizes(batch: usize) -> Vec<usize> {
    let parts = std::iter::successors(Some(1_usize), |p| p.checked_mul(2)).flat_map(|p| [p, p + p / 2]).take_while(|p| *p <= batch);
    let mut all: Vec<usize> = parts.map(|p| batch.div_ceil(p)).chain([1]).collect();
    order::sort_by_key(&mut all, |&size| size);
    all.dedup();
    all.reverse();
    all
}

impl Planner {
    /// Runs the search. Requires no device.
    ///
    /// # Errors
    /// Fails if the device limits are too small for single windows.
    ///
    /// # Panics
    /// Panics if `programs` is empty.
    pub fn new(programs: Vec<(Program, PlanOptions)>) -> Result<Self, PlanError> {
        let beyond = |o: &PlanOptions| o.granted.binding_bytes > o.limits.binding_bytes || o.granted.buffer_bytes > o.limits.buffer_bytes;
        if !programs.iter().any(|p| beyond(&p.1)) {
            return Self::within_limits(programs);
        }
        let granted = programs.iter().map(|(p, o)| (p.clone(), PlanOptions { limits: o.granted, ..o.clone() })).collect();
        match Self::within_limits(programs).and_then(|mut planner| planner.smallest().map(|_| planner)) {
            Err(PlanError::TooLarge { .. } | PlanError::Parameters { .. }) => Self::within_limits(granted),
            other => other,
        }
    }

    fn within_limits(programs: Vec<(Program, PlanOptions)>) -> Result<Self, PlanError> {
        let jobs: Vec<Job> =
            programs.into_iter().map(|(program, options)| Job { kernels: kernels_of(&program, &options), program, options }).collect();
        let first = &jobs[0];
        let batch = first.options.batch.max(1);
        let micros = first.options.micro_batch.map_or_else(|| micro_sizes(batch), |m| vec![m.clamp(1, batch)]);
        let ledger = Ledger::new(&first.program, &first.kernels, &first.options);
        let mut candidates: Vec<Candidate> = vec![];
        let (mut refused, mut known): (_, Option<Vec<Choice>>) = (None, None);
        for micro in micros {
            // Recomputation cannot help if a single tensor is too large for a page or a binding.
            let fixed = match sizes(&first.program, &first.kernels, micro, &first.options) {
                Ok(sizes) => sizes.iter().filter(|b| !matches!(b.0, BufferRole::Arena(_))).map(|b| b.1).sum::<u64>(),
                Err(e) => {
                    refused = Some(e);
                    continue;
                }
            };
            // In a large model, the sets found for one micro-batch size are used for all sizes.
            let found = match &known {
                Some(sets) => choices_of(&ledger, micro, sets),
                None => choices(&ledger, micro),
            };
            if known.is_none() && ledger.candidates().len() > SEARCHED_EACH {
                known = Some(found.clone());
            }
            candidates.extend(found.into_iter().map(|choice| Candidate { least_bytes: choice.peak + fixed, choice, offer: None }));
        }
        if candidates.is_empty() {
            return Err(refused.unwrap_or(PlanError::Nothing));
        }
        order::sort_by(&mut candidates, |a, b| a.choice.seconds.total_cmp(&b.choice.seconds).then(a.least_bytes.cmp(&b.least_bytes)));
        // Drop every candidate that is neither faster nor smaller than another one.
        let mut least = u64::MAX;
        candidates.retain(|c| {
            c.least_bytes < least && {
                least = c.least_bytes;
                true
            }
        });
        let followers = jobs[1..].iter().map(follower).collect::<Result<_, _>>()?;
        Ok(Self { jobs, candidates, followers })
    }

    /// Builds the complete plan of a candidate. Later programs get the largest passes that fit into the arena of the first program, as long
    /// as the total size stays within `allowed`. If not even single windows fit, they get the smallest pass.
    fn build(&self, candidate: usize, allowed: u64) -> Result<Plan, PlanError> {
        let choice = &self.candidates[candidate].choice;
        let first = &self.jobs[0];
        let program = computing_again(first.program.clone(), &choice.again);
        let mut recordings = vec![record(program, &PlanOptions { micro_batch: Some(choice.micro), ..first.options.clone() }, 0, 0)?];
        for (job, passes) in self.jobs[1..].iter().zip(&self.followers) {
            let taken = Plan::buffers_of(&recordings);
            let size = |role| taken.iter().find(|b: &&BufferSpec| b.role == role).map_or(0, |b| b.bytes);
            let with = |windows: usize| {
                let options = PlanOptions { micro_batch: Some(windows), ..job.options.clone() };
                record(job.program.clone(), &options, size(BufferRole::Constants), size(BufferRole::DispatchUniforms))
            };
            let least = passes.last().map_or(1, |p| p.0);
            let in_arena = |role: &BufferRole| matches!(role, BufferRole::Arena(_));
            let arena = |p: &Pass| p.1.iter().filter(|b| in_arena(b.0)).all(|(role, bytes)| *bytes <= size(*role));
            let all = |p: &Pass| p.1.iter().map(|(role, bytes)| bytes.saturating_sub(size(*role))).sum::<u64>();
            let bytes: u64 = taken.iter().map(|b| b.bytes).sum();
            let fits = |p: &&Pass| arena(p) && bytes + all(p) <= allowed;
            let mut recording = with(passes.iter().find(fits).map_or(least, |p| p.0))?;
            // `sizes` leaves out the uniforms of the dispatches, which may exceed the budget.
            let more: u64 = recording.buffers.iter().map(|b| b.bytes.saturating_sub(size(b.role))).sum();
            if recording.micro_batch > least && bytes + more > allowed {
                recording = with(least)?;
            }
            recordings.push(recording);
        }
        Ok(Plan::of(recordings, &first.options))
    }

    fn offer(&mut self, candidate: usize) -> Option<Offer> {
        if self.candidates[candidate].offer.is_none() {
            let offer = self.build(candidate, 0).map(|plan| Offer::of(&plan)).map_err(|_| ());
            self.candidates[candidate].offer = Some(offer);
        }
        self.candidates[candidate].offer.and_then(Result::ok)
    }

    /// The smallest plan. Every budget of at least its bytes is feasible.
    ///
    /// # Errors
    /// Fails if no candidate obeys the device limits.
    pub fn smallest(&mut self) -> Result<Offer, PlanError> {
        Ok(self.smallest_candidate()?.1)
    }

    fn smallest_candidate(&mut self) -> Result<(usize, Offer), PlanError> {
        // Candidates are sorted: later ones are slower and smaller, except for fragmentation and uniforms.
        let mut best: Option<(usize, Offer)> = None;
        for i in (0..self.candidates.len()).rev() {
            let least_bytes = self.candidates[i].least_bytes;
            if best.is_some_and(|(b, _)| least_bytes > self.candidates[b].least_bytes + self.candidates[b].least_bytes / 10) {
                break;
            }
            if let Some(offer) = self.offer(i)
                && best.is_none_or(|b| offer.bytes < b.1.bytes)
            {
                best = Some((i, offer));
            }
        }
        match best {
            Some(best) => Ok(best),
            None => Err(self.build(self.candidates.len() - 1, 0).err().unwrap_or(PlanError::Nothing)),
        }
    }

    /// The candidate for a budget: the smallest one of those whose time is within [`TIE`] of the fastest.
    fn fastest(&mut self, budget: Budget) -> Result<usize, PlanError> {
        let allowed = budget.bytes();
        let fits = |planner: &mut Self, i: usize| {
            planner.candidates[i].least_bytes <= allowed && planner.offer(i).is_some_and(|o| o.bytes <= allowed)
        };
        let Some(fastest) = (0..self.candidates.len()).find(|&i| fits(self, i)) else {
            let (i, smallest) = self.smallest_candidate()?;
            if smallest.bytes <= allowed {
                return Ok(i);
            }
            return Err(PlanError::Budget { allowed, smallest: smallest.bytes, said: budget != Budget::Default });
        };
        let bound = self.candidates[fastest].choice.seconds * (1.0 + TIE);
        let tied: Vec<usize> = (fastest + 1..self.candidates.len()).take_while(|&i| self.candidates[i].choice.seconds <= bound).collect();
        Ok(tied.into_iter().rev().find(|&i| fits(self, i)).unwrap_or(fastest))
    }

    /// The fastest plan within a budget.
    ///
    /// # Errors
    /// Fails if the smallest plan exceeds the budget.
    pub fn plan(&mut self, budget: Budget) -> Result<Plan, PlanError> {
        let candidate = self.fastest(budget)?;
        self.build(candidate, budget.bytes())
    }

    /// The numbers of the plan for a budget, with the smallest passes for the later programs.
    ///
    /// # Errors
    /// As [`Planner::plan`].
    pub fn offer_within(&mut self, budget: Budget) -> Result<Offer, PlanError> {
        let candidate = self.fastest(budget)?;
        self.offer(candidate).ok_or(PlanError::Nothing)
    }

    /// Plans from the smallest to the fastest. Each is faster and at least 10 % larger than the previous one.
    ///
    /// # Errors
    /// As [`Planner::smallest`].
    pub fn curve(&mut self) -> Result<Vec<Offer>, PlanError> {
        let (smallest, first) = self.smallest_candidate()?;
        let fastest = self.fastest(Budget::Unlimited)?;
        let mut curve = vec![first];
        for i in (fastest..smallest).rev() {
            let last = curve[curve.len() - 1];
            if i > fastest && self.candidates[i].least_bytes * 10 < last.bytes * 11 {
                continue;
            }
            if let Some(offer) = self.offer(i)
                && offer.bytes > last.bytes
                && offer.seconds < last.seconds
            {
                curve.push(offer);
            }
        }
        Ok(curve)
    }

    /// For each candidate: the ledger's prediction (peak of the live arena bytes, seconds of a step) and the numbers of its plan. Tests
    /// compare the two.
    pub fn predictions(&mut self) -> Vec<(u64, f64, Offer)> {
        let all = 0..self.candidates.len();
        all.filter_map(|i| self.offer(i).map(|o| (self.candidates[i].choice.peak, self.candidates[i].choice.seconds, o))).collect()
    }

    /// Size of the first program with each memory optimisation, without recomputation and without a page limit.
    ///
    /// # Errors
    /// Fails if the parameters are too large.
    pub fn levers(&self) -> Result<Levers, PlanError> {
        let first = &self.jobs[0];
        let limits = DeviceLimits { buffer_bytes: u64::MAX, binding_bytes: u64::MAX, ..first.options.limits };
        let bytes = |micro: usize, reuse: bool| -> Result<u64, PlanError> {
            let options = PlanOptions { reuse, limits, micro_batch: Some(micro), ..first.options.clone() };
            Ok(record(first.program.clone(), &options, 0, 0)?.buffers.iter().map(|b| b.bytes).sum())
        };
        let batch = first.options.batch.max(1);
        let micro_batch = first.options.micro_batch.unwrap_or(1).clamp(1, batch);
        Ok(Levers { none: bytes(batch, false)?, reuse: bytes(batch, true)?, micro_batch, micro_batches: bytes(micro_batch, true)? })
    }
}

/// Total size of all buffers in bytes, with one memory optimisation added after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Levers {
    /// Whole batches; tensors share no bytes.
    pub none: u64,
    /// Whole batches; tensors with disjoint lifetimes share bytes.
    pub reuse: u64,
    /// Windows of the smallest micro-batch: 1, unless the user fixed the size.
    pub micro_batch: usize,
    /// Shared bytes and micro-batches of this size.
    pub micro_batches: u64,
}

/// Buffer sizes of a program for each pass size, the largest first. Sizes that do not fit into a page are left out.
fn follower(job: &Job) -> Result<Vec<Pass>, PlanError> {
    let batch = job.options.batch.max(1);
    let micros = job.options.micro_batch.map_or_else(|| micro_sizes(batch), |m| vec![m.clamp(1, batch)]);
    let mut all = vec![];
    let mut refused = None;
    for micro in micros {
        match sizes(&job.program, &job.kernels, micro, &job.options) {
            Ok(sizes) => all.push((micro, sizes)),
            Err(e) => refused = Some(e),
        }
    }
    if all.is_empty() { Err(refused.unwrap_or(PlanError::Nothing)) } else { Ok(all) }
}

impl Plan {
    /// A plan of recordings that share buffers.
    fn of(recordings: Vec<Recording>, options: &PlanOptions) -> Self {
        Self { buffers: Self::buffers_of(&recordings), recordings, class: options.class.clone(), limits: options.limits }
    }
}
