//! A plan in numbers: what is shown before training starts, and `plan.json` of a run.

use crate::bytes::Budget;
use crate::data::{Dataset, WindowCounts};
use crate::graph::{Place, Tensor};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostMemory>,
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
    /// Of a plan whose first recording trains.
    #[must_use]
    pub fn new(plan: &Plan, windows: WindowCounts, steps: u64) -> Self {
        let training = &plan.recordings[0];
        let graph = &training.program.graph;
        let parameters = graph.parameters().iter().map(|p| graph.tensors[p.0].operand.len()).sum();
        Self {
            windows,
            steps,
            parameters,
            batch: training.batch,
            micro_batch: training.micro_batch,
            dispatches: training.dispatch_count(),
            predicted_ms: 1000.0 * training.seconds(),
            class: plan.class.name.clone(),
            computed_again: training.computed_again(),
            scoring_batch: plan.recordings.last().map_or(0, |r| r.batch),
            arena_bound: training.arena_bound,
            limits: (plan.limits != DeviceLimits { storage_buffers: plan.limits.storage_buffers, ..DeviceLimits::default() })
                .then_some(plan.limits),
            bytes: plan.bytes(),
            buffers: plan.buffers.iter().map(|b| BufferSummary { name: b.role.to_string(), bytes: b.bytes }).collect(),
            host: None,
            budget: None,
        }
    }

    /// With the budget that the plan was made within.
    #[must_use]
    pub fn within(self, budget: Budget) -> Self {
        Self { budget: (budget != Budget::Unlimited).then_some(budget.bytes()), ..self }
    }

    /// With what the host needs for training on that dataset.
    #[must_use]
    pub fn on_host(self, plan: &Plan, dataset: &Dataset) -> Self {
        let graph = &plan.recordings[0].program.graph;
        let once = |t: &&Tensor| t.place == Place::Input && t.operand.scope == Scope::Step;
        let noise = graph.tensors.iter().filter(once).map(|t| t.operand.len()).sum();
        let state = state_bytes(graph.parameters_len(), graph.flat_len());
        let needs = HostNeeds::of(dataset, self.batch.max(self.scoring_batch), noise, state);
        Self { host: Some(HostMemory::of(&needs)), ..self }
    }
}
