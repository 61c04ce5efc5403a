//! The graph of operations, and autodiff over it.
//!
//! A [`Graph`] is built by applying ops to tensors. [`Program`] orders it into phases (one op, forward or backward) in three sections:
//! *prologue* (everything that depends only on parameters), *body* (repeated for each micro-batch), *epilogue* (backward pass of the
//! prologue, clipping, optimiser). This module knows neither memory nor devices.

mod autodiff;
mod optimiser;
mod program;

use crate::ops::def::{padded, to_u32};
use crate::ops::{Attrs, Call, OpDef, OpError, Operand, Operation, Scope};
use std::collections::HashMap;
use std::sync::Arc;

pub use optimiser::{Averaging, HEALTH, OptimiserSettings, RateGroup, STATE_LEN};
pub use program::{Direction, PhaseSpec, Program, Section};

/// Index of a tensor in its graph.
pub type TensorId = usize;

/// A flat buffer of the optimiser. All but the state hold one value per element of the parameters, one parameter after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flat {
    /// All parameters.
    Parameters,
    /// Their gradients.
    Gradients,
    /// First moments.
    Moment1,
    /// Second moments.
    Moment2,
    /// State of the optimiser (`[8]`).
    State,
    /// Moving mean of the parameters, with the stored tensors behind them.
    Average,
}

/// Where a tensor is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Uploaded for each micro-batch; a per-step tensor is uploaded before the first one.
    Input,
    /// Uploaded once.
    Constant,
    /// In the parameter buffer.
    Parameter,
    /// In the parameter buffer, behind all trained parameters: saved with them, without gradient.
    Stored,
    /// Gradient of that parameter (a tensor id), at the offset of the parameter.
    Gradient(TensorId),
    /// Zeroed at the start of a step; the body adds to it.
    Accumulator,
    /// A flat buffer.
    Flat(Flat),
    /// In the arena, at an offset that depends on its lifetime.
    Arena,
}

/// A tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Path, as in weight files and GPU labels.
    pub name: String,
    /// Shape of one window (of the whole tensor, if it is per step).
    pub operand: Operand,
    /// Where it is stored.
    pub place: Place,
}

/// An applied op.
#[derive(Clone)]
pub struct Node {
    /// The op.
    pub op: &'static OpDef,
    /// Path, for labels.
    pub label: String,
    /// The attributes of the op.
    pub attrs: Attrs,
    /// Inputs.
    pub inputs: Vec<TensorId>,
    /// Outputs.
    pub outputs: Vec<TensorId>,
    /// Tensors that the forward pass saves for the backward pass.
    pub saved: Vec<TensorId>,
    /// Number of outputs at the end that have no gradient.
    pub discrete: usize,
    /// Per window if any input is.
    pub scope: Scope,
    /// Key of its random numbers: its number in the graph as the model built it, so that a recomputed node draws the same numbers.
    pub key: u32,
}

impl Node {
    /// The op with its attributes, if the node applies an op of this type.
    #[must_use]
    pub fn operation<O: Operation>(&self) -> Option<O> {
        (self.op.name == O::OP.name).then(|| O::of(&self.attrs))
    }
}

/// The graph is not valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// An op does not accept its attributes or its inputs.
    #[error("{label}: {source}")]
    Op {
        /// Path of the node.
        label: String,
        /// The error of the op.
        source: OpError,
    },
    /// A gradient must pass through an op without gradient.
    #[error("{label}: {op} has no gradient ({reason}), but its input {tensor} needs one")]
    NotDifferentiable {
        /// Path of the node.
        label: String,
        /// The op.
        op: &'static str,
        /// Why.
        reason: &'static str,
        /// The input.
        tensor: String,
    },
    /// An output of a node with several outputs has no gradient although another output has one.
    #[error("{label}: no loss depends on output {tensor}, but a loss depends on another output of the node")]
    MissingGradient {
        /// Path of the node.
        label: String,
        /// The output.
        tensor: String,
    },
    /// A tensor occurs twice among the inputs of a node, so that two roles of one dispatch would overlap.
    #[error("{label}: {tensor} occurs twice among the inputs")]
    RepeatedInput {
        /// Path of the node.
        label: String,
        /// The input.
        tensor: String,
    },
}

/// A stored tensor that follows a mean over the batch: after a good step, `stored += rate (mean - stored)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moving {
    /// The tensor that is updated ([`Place::Stored`]).
    pub stored: TensorId,
    /// Mean over the windows of the whole batch.
    pub mean: TensorId,
    /// Weight of the mean.
    pub rate: f64,
}

/// Tensors and nodes.
#[derive(Clone, Default)]
pub struct Graph {
    /// All tensors.
    pub tensors: Vec<Tensor>,
    /// All nodes, in order of application.
    pub nodes: Vec<Node>,
    /// Values of constants.
    pub constants: HashMap<TensorId, Arc<[f32]>>,
    /// Values of constants before rounding, where they are known. The f64 reference uses these.
    pub exact: HashMap<TensorId, Arc<[f64]>>,
    /// Tensors that a training step updates beside the parameters.
    pub moving: Vec<Moving>,
    /// Parameters `[R, targets, series]` whose groups over R a training step shrinks.
    pub shrinking: Vec<TensorId>,
}

impl Graph {
    /// Adds a tensor.
    pub fn tensor(&mut self, name: impl Into<String>, shape: &[usize], scope: Scope, place: Place) -> TensorId {
        self.tensors.push(Tensor { name: name.into(), operand: Operand { shape: shape.to_vec(), scope }, place });
        self.tensors.len() - 1
    }

    /// An input with data of each window.
    pub fn input(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.tensor(name, shape, Scope::Window, Place::Input)
    }

    /// An input with data of a whole step, which the host computes.
    pub fn step_input(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.tensor(name, shape, Scope::Step, Place::Input)
    }

    /// A tensor that is saved with the parameters and has no gradient.
    pub fn stored(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.tensor(name, shape, Scope::Step, Place::Stored)
    }

    /// A constant.
    ///
    /// # Panics
    /// Panics if the number of `values` does not match `shape`.
    pub fn constant(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> TensorId {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "constant {name}");
        let id = self.tensor(name, shape, Scope::Step, Place::Constant);
        self.constants.insert(id, values.into());
        id
    }

    /// A constant that was computed in f64.
    ///
    /// # Panics
    /// Panics if the number of `values` does not match `shape`.
    pub fn exact_constant(&mut self, name: &str, shape: &[usize], values: Vec<f64>) -> TensorId {
        #[expect(clippy::cast_possible_truncation, reason = "devices compute in f32")]
        let id = self.constant(name, shape, values.iter().map(|v| *v as f32).collect());
        self.exact.insert(id, values.into());
        id
    }

    /// A trained parameter.
    pub fn parameter(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.tensor(name, shape, Scope::Step, Place::Parameter)
    }

    /// Applies an op; `label` is the node's path.
    ///
    /// # Errors
    /// Fails if the op does not accept the attributes or the shapes, or if a tensor occurs twice among the inputs.
    pub fn apply(&mut self, call: impl Into<Call>, label: &str, inputs: &[TensorId]) -> Result<Vec<TensorId>, GraphError> {
        self.apply_call(call.into(), label, inputs)
    }

    /// The part of [`Graph::apply`] that is the same for all types of calls, so that it is compiled once.
    fn apply_call(&mut self, Call { op, attrs }: Call, label: &str, inputs: &[TensorId]) -> Result<Vec<TensorId>, GraphError> {
        for (i, t) in inputs.iter().enumerate() {
            if inputs[..i].contains(t) {
                return Err(GraphError::RepeatedInput { label: label.into(), tensor: self.tensors[*t].name.clone() });
            }
        }
        let operands = self.operands(inputs);
        let inferred = op.infer(&operands, &attrs).map_err(|source| GraphError::Op { label: label.into(), source })?;
        let scope = if operands.iter().any(|o| o.scope == Scope::Window) { Scope::Window } else { Scope::Step };
        let (out_scope, place) = if inferred.reduces_windows { (Scope::Step, Place::Accumulator) } else { (scope, Place::Arena) };
        let single = inferred.outputs.len() == 1;
        let outputs = inferred
            .outputs
            .iter()
            .enumerate()
            .map(|(i, s)| self.tensor(if single { label.to_owned() } else { format!("{label}.{i}") }, s, out_scope, place))
            .collect::<Vec<_>>();
        let saved = inferred.saved.iter().map(|(n, s)| self.tensor(format!("{label}.{n}"), s, scope, Place::Arena)).collect();
        self.nodes.push(Node {
            op,
            label: label.into(),
            attrs,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            saved,
            discrete: inferred.discrete,
            scope,
            key: to_u32(self.nodes.len()),
        });
        Ok(outputs)
    }

    /// Applies an op with one output.
    ///
    /// # Errors
    /// The same as [`Graph::apply`].
    pub fn apply1(&mut self, call: impl Into<Call>, label: &str, inputs: &[TensorId]) -> Result<TensorId, GraphError> {
        Ok(self.apply(call, label, inputs)?[0])
    }

    /// Shapes and scopes of tensors.
    #[must_use]
    pub fn operands(&self, ids: &[TensorId]) -> Vec<Operand> {
        ids.iter().map(|&i| self.tensors[i].operand.clone()).collect()
    }

    /// Parameters in the order of their declaration, each with the index of its first element in the flat buffers.
    #[must_use]
    pub fn parameters(&self) -> Vec<(TensorId, usize)> {
        self.flat(Place::Parameter, 0)
    }

    /// Stored tensors in the order of their declaration, each with the index of its first element in the parameter buffer.
    #[must_use]
    pub fn stored_tensors(&self) -> Vec<(TensorId, usize)> {
        self.flat(Place::Stored, self.flat_len())
    }

    /// The tensors of a place, one after the other from `at` on.
    fn flat(&self, place: Place, mut at: usize) -> Vec<(TensorId, usize)> {
        let ids = self.tensors.iter().enumerate().filter(|(_, t)| t.place == place);
        ids.map(|(i, t)| {
            let start = at;
            at += padded(t.operand.len());
            (i, start)
        })
        .collect()
    }

    /// Number of elements of a flat buffer.
    #[must_use]
    pub fn flat_len(&self) -> usize {
        self.end(&self.parameters(), 0)
    }

    /// Number of elements of the parameter buffer: parameters and stored tensors.
    #[must_use]
    pub fn parameters_len(&self) -> usize {
        self.end(&self.stored_tensors(), self.flat_len())
    }

    fn end(&self, tensors: &[(TensorId, usize)], least: usize) -> usize {
        tensors.last().map_or(least, |&(i, at)| at + padded(self.tensors[i].operand.len()))
    }

    /// Removes every node on which none of `roots` depends. All tensors stay, so that the flat buffers keep their layout, and the remaining
    /// nodes keep their keys.
    pub fn keep_only(&mut self, roots: &[TensorId]) {
        let mut needed = vec![false; self.tensors.len()];
        roots.iter().for_each(|&t| needed[t] = true);
        let mut keep = vec![false; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().rev() {
            keep[i] = node.outputs.iter().any(|&o| needed[o]);
            if keep[i] {
                node.inputs.iter().for_each(|&t| needed[t] = true);
            }
        }
        let mut kept = keep.into_iter();
        self.nodes.retain(|_| kept.next().unwrap_or(true));
        let made: Vec<TensorId> = self.nodes.iter().flat_map(|n| n.outputs.clone()).collect();
        self.moving.retain(|m| made.contains(&m.mean));
    }

    /// The tensor of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<TensorId> {
        self.tensors.iter().position(|t| t.name == name)
    }
}
