//! The summary of a plan: shown before training starts, and stored as `plan.json` of a run.

use super::{Experiment, ExperimentError};
use crate::bytes::Budget;
use crate::config::is_default;
use crate::data::WindowCounts;
use crate::graph::{Graph, Place, Tensor};
use crate::host::{HostMemory, HostNeeds, state_bytes};
use crate::ops::Scope;
use crate::plan::{DeviceLimits, Plan};
use serde::Serialize;

/// The summary of a plan.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Number of windows in each part.
    pub windows: WindowCounts,
    /// Optimiser steps of the whole run.
    pub steps: u64,
    /// Steps of the linear start, which come before and are shorter.
    #[serde(skip_serializing_if = "is_default")]
    pub start_steps: u64,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// Windows per optimiser step.
    pub batch: usize,
    /// Windows per micro-batch, that is, on the device at once.
    pub micro_batch: usize,
    /// Dispatches per training step.
    pub dispatches: usize,
    /// Predicted time of a training step.
    pub predicted_ms: f64,
    /// Adapter class of the plan.
    pub class: String,
    /// Ops that are recomputed in the backward pass of a training step.
    pub computed_again: usize,
    /// Windows per scoring pass.
    pub scoring_batch: usize,
    /// Maximum live bytes of the arena in training, which is the lower bound of its size. Its pages take little more.
    pub arena_bound: u64,
    /// Device limits of the plan, if they differ from WebGPU's defaults. The device must support them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<DeviceLimits>,
    /// Memory budget in bytes; none if it is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// Bytes of all buffers.
    pub bytes: u64,
    /// The buffers.
    pub buffers: Vec<BufferSummary>,
    /// Upper bound of the host memory of the run, in addition to the program itself.
    pub host: HostMemory,
}

/// Name and size of a buffer.
#[derive(Clone, Debug, Serialize)]
pub struct BufferSummary {
    /// Its content. Pages of the arena and slots of the staging ring are numbered.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Summary {
    /// The summary of a plan whose first recording trains the model of an experiment.
    ///
    /// # Errors
    /// Fails if there are no training windows.
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
            start_steps: settings.start.steps,
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

/// Host memory for training with `batch` windows per batch.
fn host(graph: &Graph, experiment: &Experiment, batch: usize) -> HostMemory {
    let once = |t: &&Tensor| t.place == Place::Input && t.operand.scope == Scope::Step;
    let noise = graph.tensors.iter().filter(once).map(|t| t.operand.len()).sum();
    let state = state_bytes(graph.parameters_len(), graph.flat_len(), experiment.config.training.average > 0.0);
    HostMemory::of(&HostNeeds::of(experiment.dataset(), batch, noise, state))
}
