//! The possible plans of a model, in numbers: whether a budget suffices, the smallest plan, and time as a function of memory.

use super::planner::Levers;
use super::{Offer, Plan, PlanError, Planner};
use crate::bytes::Budget;
use crate::graph::{Place, TensorId};
use crate::order;
use serde::Serialize;

/// The possible plans of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Outlook {
    /// Allowed bytes; `None` if unlimited.
    pub budget: Option<u64>,
    /// Whether a plan fits into the budget.
    pub fits: bool,
    /// The smallest plan.
    pub smallest: Offer,
    /// Plans from the smallest to the fastest.
    pub curve: Vec<Offer>,
    /// Bytes with each memory optimisation that comes before recomputation.
    pub levers: Levers,
    /// The largest tensors of the plan that fits, or of the smallest plan if none fits.
    pub largest: Vec<LargeTensor>,
}

/// A large tensor of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LargeTensor {
    /// Its name.
    pub name: String,
    /// Size in bytes for a micro-batch.
    pub bytes: u64,
    /// Number of tensors of this size.
    pub alike: usize,
}

/// Number of tensors in the list.
const LISTED: usize = 8;

impl Outlook {
    /// The outlook of a planner, together with the plan within the budget or the reason why there is none.
    ///
    /// # Errors
    /// Fails if not even a single window fits the device limits.
    pub fn new(planner: &mut Planner, budget: Budget) -> Result<(Self, Result<Plan, PlanError>), PlanError> {
        let smallest = planner.smallest()?;
        let curve = planner.curve()?;
        let levers = planner.levers()?;
        let made = planner.plan(budget);
        let largest = match &made {
            Ok(plan) => largest(plan),
            Err(_) => largest(&planner.plan(Budget::Bytes(smallest.bytes))?),
        };
        let budget = (budget != Budget::Unlimited).then_some(budget.bytes());
        Ok((Self { budget, fits: made.is_ok(), smallest, curve, levers, largest }, made))
    }
}

/// The largest tensors of the first recording of a plan, one per size.
fn largest(plan: &Plan) -> Vec<LargeTensor> {
    let recording = &plan.recordings[0];
    let tensors = &recording.program.graph.tensors;
    let flat = |t: TensorId| matches!(tensors[t].place, Place::Flat(_));
    let regions = recording.regions.iter().enumerate().filter(|(t, _)| !flat(*t));
    let mut all: Vec<(u64, TensorId)> = regions.filter_map(|(t, r)| r.map(|r| (r.bytes, t))).collect();
    order::sort_by_key(&mut all, |&(bytes, t)| (std::cmp::Reverse(bytes), t));
    let groups = all.chunk_by(|a, b| a.0 == b.0).take(LISTED);
    groups.map(|g| LargeTensor { name: tensors[g[0].1].name.clone(), bytes: g[0].0, alike: g.len() }).collect()
}
