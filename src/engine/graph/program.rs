//! A graph in the order of execution: phases (one op, forward or backward) in three sections.

use super::{Graph, TensorId};
use crate::ops::{Scope, Shape};
use std::collections::HashMap;

/// Forward or backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Computes outputs from inputs.
    Forward,
    /// Computes gradients of inputs from gradients of outputs.
    Backward,
}

impl Direction {
    /// The word in labels and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

/// A part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Once, before the micro-batches.
    Prologue,
    /// Once per micro-batch.
    Body,
    /// Once, after the micro-batches.
    Epilogue,
}

/// One op in one direction.
#[derive(Clone, Debug)]
pub struct PhaseSpec {
    /// The node.
    pub node: usize,
    /// Direction.
    pub direction: Direction,
    /// Section.
    pub section: Section,
    /// Gradients of the outputs.
    pub d_outputs: Vec<TensorId>,
    /// Gradients of the inputs that need one.
    pub d_inputs: Vec<Option<TensorId>>,
    /// Whether the phase adds to each of them.
    pub accumulate: Vec<bool>,
}

/// A graph in the order of execution.
#[derive(Clone)]
pub struct Program {
    /// Purpose of the program (training, evaluation or forecasting), for labels and reports.
    pub name: &'static str,
    /// Tensors and nodes.
    pub graph: Graph,
    /// Phases in order: prologue, body, epilogue.
    pub phases: Vec<PhaseSpec>,
    /// Tensors that are read after a micro-batch or by tests. Nothing overwrites them within a step.
    pub pinned: Vec<TensorId>,
    /// The gradient of each tensor that autodiff reached, parameters among them.
    pub gradients: HashMap<TensorId, TensorId>,
    /// Whether parameters and stored tensors are read from their moving mean.
    pub averaged: bool,
}

impl Program {
    /// A program without backward pass.
    #[must_use]
    pub fn forward(name: &'static str, graph: Graph, pinned: Vec<TensorId>) -> Self {
        let mut program = Self { name, graph, phases: vec![], pinned, gradients: HashMap::new(), averaged: false };
        program.forward_phases();
        program
    }

    /// The program with the parameters of another buffer: their moving mean, or the parameters themselves.
    #[must_use]
    pub fn reading_average(self, averaged: bool) -> Self {
        Self { averaged, ..self }
    }

    fn forward_phases(&mut self) {
        let order = |scope| {
            let section = if scope == Scope::Step { Section::Prologue } else { Section::Body };
            self.graph.nodes.iter().enumerate().filter(move |(_, n)| n.scope == scope).map(move |(i, _)| (i, section))
        };
        let phases = order(Scope::Step).chain(order(Scope::Window)).map(|(node, section)| PhaseSpec {
            node,
            direction: Direction::Forward,
            section,
            d_outputs: vec![],
            d_inputs: vec![],
            accumulate: vec![],
        });
        self.phases = phases.collect();
    }

    /// Appends the forward phase of the last node to the epilogue.
    pub(super) fn push_epilogue(&mut self) {
        self.phases.push(PhaseSpec {
            node: self.graph.nodes.len() - 1,
            direction: Direction::Forward,
            section: Section::Epilogue,
            d_outputs: vec![],
            d_inputs: vec![],
            accumulate: vec![],
        });
    }

    /// Tensors that a phase reads.
    #[must_use]
    pub fn reads(&self, phase: &PhaseSpec) -> Vec<TensorId> {
        let n = &self.graph.nodes[phase.node];
        match phase.direction {
            Direction::Forward => n.inputs.clone(),
            Direction::Backward => {
                let mut r: Vec<_> = n.op.keeps_inputs.iter().filter_map(|&i| n.inputs.get(i).copied()).collect();
                r.extend(n.op.keeps_outputs.iter().map(|&i| n.outputs[i]));
                r.extend(&n.saved);
                r.extend(&phase.d_outputs);
                r.extend(phase.d_inputs.iter().zip(&phase.accumulate).filter(|(_, a)| **a).filter_map(|(d, _)| *d));
                r
            }
        }
    }

    /// Tensors that a phase writes.
    #[must_use]
    pub fn writes(&self, phase: &PhaseSpec) -> Vec<TensorId> {
        let n = &self.graph.nodes[phase.node];
        match phase.direction {
            Direction::Forward => {
                let mut w = n.outputs.clone();
                w.extend(&n.saved);
                w.extend(n.op.updates.iter().map(|&i| n.inputs[i]));
                w
            }
            Direction::Backward => phase.d_inputs.iter().flatten().copied().collect(),
        }
    }

    /// Shape of a tensor.
    #[must_use]
    pub fn shape(&self, id: TensorId) -> &Shape {
        &self.graph.tensors[id].operand.shape
    }
}
