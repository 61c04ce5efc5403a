//! A plan in numbers: what is shown before training starts, and `plan.json` of a run.

use super::{Experiment, ExperimentError};
use crate::bytes::Budget;
use crate::data::WindowCounts;
use crate::graph::{Graph, Place, Tensor};
use crate::host::{HostMemory, HostNeeds, state_bytes};
use crate::ops::Scope;
use crate::plan::{DeviceLimits, Plan};
use serde::Serialize;

/// A plan in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Windows of the parts.
    pub windows: WindowCounts,
    /// Optimiser steps of the whole run.
    pub steps: u64,
    /// Numbers that are learned.
    pub parameters: usize,
    /// Windows of an optimiser step.
    pub batch: usize,
    /// Windows on the device at once.
    pub micro_batch: usize,
    /// Dispatches of a training step.
    pub dispatches: usize,
    /// Predicted time of a training step.
    pub predicted_ms: f64,
    /// Class of adapters that it was made for.
    pub class: String,
    /// Ops of a training step that are computed again in the backward pass.
    pub computed_again: usize,
    /// Windows of a pass of scoring.
    pub scoring_batch: usize,
    /// Most bytes of the arena alive at once in training; its pages take little more.
    pub arena_bound: u64,
    /// Limits of the device that it needs, where WebGPU's defaults are too small for single windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<DeviceLimits>,
    /// Bytes allowed; nothing where they are unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// All buffers together.
    pub bytes: u64,
    /// Each buffer.
    pub buffers: Vec<BufferSummary>,
    /// What the run takes of the host's memory at most, beside the program itself.
    pub host: HostMemory,
}

/// A buffer by name.
#[derive(Clone, Debug, Serialize)]
pub struct BufferSummary {
    /// What it holds; pages of the arena and slots of the staging ring are numbered.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

impl Summary {
    /// Of a plan whose first recording trains an experiment's model.
    ///
    /// # Errors
    /// Fails if there is nothing to train on.
    pub(super) fn new(plan: &Plan, experiment: &Experiment) -> Result<Self, ExperimentError> {
        let (windows, _) = experiment.windows()?;
        let settings = &experiment.config().training;
        let training = &plan.recordings[0];
        let graph = &training.program.graph;
        let parameters = graph.parameters().iter().map(|p| graph.tensors[p.0].operand.len()).sum();
        let (batch, scoring_batch) = (training.batch, plan.recordings.last().map_or(0, |r| r.batch));
        let defaults = DeviceLimits { storage_buffers: plan.limits.storage_buffers, ..DeviceLimits::default() };
        let budget = settings.budget()?;
        Ok(Self {
            windows,
            steps: settings.total_steps(windows.training),
            parameters,
            batch,
            micro_batch: training.micro_batch,
            dispatches: training.dispatch_count(),
            predicted_ms: 1000.0 * training.seconds(),
            class: plan.class.name.clone(),
            computed_again: training.computed_again(),
            scoring_batch,
            arena_bound: training.arena_bound,
            limits: (plan.limits != defaults).then_some(plan.limits),
            budget: (budget != Budget::Unlimited).then_some(budget.bytes()),
            bytes: plan.bytes(),
            buffers: plan.buffers.iter().map(|b| BufferSummary { name: b.role.to_string(), bytes: b.bytes }).collect(),
            host: host(graph, experiment, batch.max(scoring_batch)),
        })
    }
}

/// What the host needs for training, with so many windows in a batch.
fn host(graph: &Graph, experiment: &Experiment, batch: usize) -> HostMemory {
    let once = |t: &&Tensor| t.place == Place::Input && t.operand.scope == Scope::Step;
    let noise = graph.tensors.iter().filter(once).map(|t| t.operand.len()).sum();
    let state = state_bytes(graph.parameters_len(), graph.flat_len());
    HostMemory::of(&HostNeeds::of(experiment.dataset(), batch, noise, state))
}
