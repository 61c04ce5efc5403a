//! The graph of operations, and autodiff over it.
//!
//! A [`Graph`] is built by applying ops to tensors. [`Program`] orders it into phases (one op, forward or backward) in three sections:
//! *prologue* (what depends on parameters alone), *body* (repeated for each micro-batch), *epilogue* (backward of the prologue, clipping,
//! optimiser). Nothing here knows about memory or devices.

use crate::ops::def::to_u32;
use crate::ops::grad_health;
use crate::ops::{Attrs, Backward, OpDef, OpError, Operand, Scope, Shape, op};
use std::collections::HashMap;
use std::sync::Arc;

/// Index of a tensor in its graph.
pub type TensorId = usize;

/// A whole buffer of the optimiser, parameters laid out one after the other.
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
    /// Counters of the optimiser ([8]).
    State,
}

/// Where a tensor lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Uploaded for each micro-batch; where it exists once a step, before the first.
    Input,
    /// Uploaded once.
    Constant,
    /// In the parameters' buffer.
    Parameter,
    /// In the parameters' buffer, behind all trained ones: kept with them, without gradient.
    Stored,
    /// Gradient of that parameter (a tensor id), at its parameter's offset.
    Gradient(TensorId),
    /// Zeroed at the start of a step, added to by the body.
    Accumulator,
    /// A whole flat buffer.
    Flat(Flat),
    /// In the arena, where lifetimes decide.
    Arena,
}

/// A tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Path, as in weight files and GPU labels.
    pub name: String,
    /// Shape of one window (of the whole, per step).
    pub operand: Operand,
    /// Where it lives.
    pub place: Place,
}

/// An op applied.
#[derive(Clone)]
pub struct Node {
    /// What is computed.
    pub op: &'static OpDef,
    /// Path, for labels.
    pub label: String,
    /// The op's numbers.
    pub attrs: Attrs,
    /// Inputs.
    pub inputs: Vec<TensorId>,
    /// Outputs.
    pub outputs: Vec<TensorId>,
    /// What forward keeps for backward.
    pub saved: Vec<TensorId>,
    /// How many of the last outputs have no gradient.
    pub discrete: usize,
    /// Per window if any input is.
    pub scope: Scope,
    /// Key of its random numbers: its number in the graph as the model built it, so that computing it again draws the same.
    pub key: u32,
}

/// Something is wrong with how a graph is put together.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// An op refused its inputs.
    #[error("{label}: {source}")]
    Op {
        /// Path of the node.
        label: String,
        /// What the op says.
        source: OpError,
    },
    /// A gradient is asked for through an op that has none.
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
    /// An output of a node with several outputs has no gradient although another has one.
    #[error("{label}: output {tensor} reaches no loss, but another output does")]
    MissingGradient {
        /// Path of the node.
        label: String,
        /// The output.
        tensor: String,
    },
    /// One tensor stands twice among a node's inputs: two roles of one dispatch would overlap.
    #[error("{label}: {tensor} stands twice among the inputs")]
    RepeatedInput {
        /// Path of the node.
        label: String,
        /// The input.
        tensor: String,
    },
}

/// A stored tensor that follows a mean over the batch: after a step that counts, `stored += rate (mean - stored)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moving {
    /// What is updated ([`Place::Stored`]).
    pub stored: TensorId,
    /// Mean over the windows of the whole batch.
    pub mean: TensorId,
    /// Share of the mean.
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
    /// The same before rounding, where it is known: the twins read these.
    pub exact: HashMap<TensorId, Arc<[f64]>>,
    /// What a training step updates beside the parameters.
    pub moving: Vec<Moving>,
}

/// Elements between the starts of two parameters: multiples of 256 bytes, so that each can be bound.
pub const PARAMETER_ALIGNMENT: usize = 64;

/// Elements that a parameter of `n` elements takes in the flat buffers.
#[must_use]
pub fn padded(n: usize) -> usize {
    n.div_ceil(PARAMETER_ALIGNMENT) * PARAMETER_ALIGNMENT
}

impl Graph {
    /// Adds a tensor.
    pub fn tensor(&mut self, name: impl Into<String>, shape: &[usize], scope: Scope, place: Place) -> TensorId {
        self.tensors.push(Tensor { name: name.into(), operand: Operand { shape: shape.to_vec(), scope }, place });
        self.tensors.len() - 1
    }

    /// Data of each window.
    pub fn input(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.tensor(name, shape, Scope::Window, Place::Input)
    }

    /// Data of a whole step, made by the host.
    pub fn step_input(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.tensor(name, shape, Scope::Step, Place::Input)
    }

    /// A tensor kept with the parameters, without gradient.
    pub fn stored(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.tensor(name, shape, Scope::Step, Place::Stored)
    }

    /// Data given once.
    ///
    /// # Panics
    /// Panics if `values` does not fill `shape`.
    pub fn constant(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> TensorId {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "constant {name}");
        let id = self.tensor(name, shape, Scope::Step, Place::Constant);
        self.constants.insert(id, values.into());
        id
    }

    /// Data given once, made in f64.
    ///
    /// # Panics
    /// Panics if `values` does not fill `shape`.
    pub fn exact_constant(&mut self, name: &str, shape: &[usize], values: Vec<f64>) -> TensorId {
        #[expect(clippy::cast_possible_truncation, reason = "devices compute in f32")]
        let id = self.constant(name, shape, values.iter().map(|v| *v as f32).collect());
        self.exact.insert(id, values.into());
        id
    }

    /// A trained tensor.
    pub fn parameter(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.tensor(name, shape, Scope::Step, Place::Parameter)
    }

    /// Applies an op.
    ///
    /// # Errors
    /// Fails if the op refuses the shapes or an input stands there twice.
    pub fn apply(&mut self, name: &str, label: &str, attrs: Attrs, inputs: &[TensorId]) -> Result<Vec<TensorId>, GraphError> {
        let op = op(name);
        for (i, t) in inputs.iter().enumerate() {
            if inputs[..i].contains(t) {
                return Err(GraphError::RepeatedInput { label: label.into(), tensor: self.tensors[*t].name.clone() });
            }
        }
        let operands = self.operands(inputs);
        let inferred = (op.infer)(&operands, &attrs).map_err(|source| GraphError::Op { label: label.into(), source })?;
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
    /// As [`Graph::apply`].
    pub fn apply1(&mut self, name: &str, label: &str, attrs: Attrs, inputs: &[TensorId]) -> Result<TensorId, GraphError> {
        Ok(self.apply(name, label, attrs, inputs)?[0])
    }

    /// Shapes and scopes of tensors.
    #[must_use]
    pub fn operands(&self, ids: &[TensorId]) -> Vec<Operand> {
        ids.iter().map(|&i| self.tensors[i].operand.clone()).collect()
    }

    /// Parameters in order of declaration, each with its first element in the flat buffers.
    #[must_use]
    pub fn parameters(&self) -> Vec<(TensorId, usize)> {
        self.flat(Place::Parameter, 0)
    }

    /// Stored tensors in order of declaration, each with its first element in the parameters' buffer.
    #[must_use]
    pub fn stored_tensors(&self) -> Vec<(TensorId, usize)> {
        self.flat(Place::Stored, self.flat_len())
    }

    /// Tensors of a place, one after the other from `at` on.
    fn flat(&self, place: Place, mut at: usize) -> Vec<(TensorId, usize)> {
        let ids = self.tensors.iter().enumerate().filter(|(_, t)| t.place == place);
        ids.map(|(i, t)| {
            let start = at;
            at += padded(t.operand.len());
            (i, start)
        })
        .collect()
    }

    /// Elements of a flat buffer of all parameters.
    #[must_use]
    pub fn flat_len(&self) -> usize {
        self.end(&self.parameters(), 0)
    }

    /// Elements of the parameters' buffer: parameters and what is stored with them.
    #[must_use]
    pub fn parameters_len(&self) -> usize {
        self.end(&self.stored_tensors(), self.flat_len())
    }

    fn end(&self, tensors: &[(TensorId, usize)], least: usize) -> usize {
        tensors.last().map_or(least, |&(i, at)| at + padded(self.tensors[i].operand.len()))
    }

    /// The tensor of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<TensorId> {
        self.tensors.iter().position(|t| t.name == name)
    }
}

/// Forward or backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Outputs from inputs.
    Forward,
    /// Gradients of inputs from gradients of outputs.
    Backward,
}

impl Direction {
    /// In labels and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

/// Which part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Once, before the micro-batches.
    Prologue,
    /// For each micro-batch.
    Body,
    /// Once, after them.
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
    /// Gradients of the inputs that want one.
    pub d_inputs: Vec<Option<TensorId>>,
    /// Which of them are added to.
    pub accumulate: Vec<bool>,
}

/// A graph in order of execution.
#[derive(Clone)]
pub struct Program {
    /// What training, evaluation or forecasting this is, for labels and reports.
    pub name: &'static str,
    /// Tensors and nodes.
    pub graph: Graph,
    /// Phases in order: prologue, body, epilogue.
    pub phases: Vec<PhaseSpec>,
    /// Tensors whose values are read after a micro-batch, or which tests look at: they are never overwritten within a step.
    pub pinned: Vec<TensorId>,
    /// Gradients of tensors (parameters and whatever autodiff reached).
    pub gradients: HashMap<TensorId, TensorId>,
}

/// Numbers of AdamW and clipping.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct OptimiserSettings {
    /// Decay rates of the moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay, on every parameter.
    pub weight_decay: f64,
    /// Greatest global norm of the gradient; 0 for none.
    pub clip_norm: f64,
    /// Whether the gradient of each parameter tensor is looked at: a tensor `optimiser.health`, read when the host wants it.
    pub health: bool,
}

impl Default for OptimiserSettings {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.01, clip_norm: 1.0, health: true }
    }
}

impl Program {
    /// Forward only.
    #[must_use]
    pub fn forward(name: &'static str, graph: Graph, pinned: Vec<TensorId>) -> Self {
        let mut program = Self { name, graph, phases: vec![], pinned, gradients: HashMap::new() };
        program.forward_phases();
        program
    }

    /// Forward, backward from `seeds` (a tensor and its given gradient), and nothing else.
    ///
    /// # Errors
    /// Fails if a gradient is needed through an op that has none.
    pub fn with_gradients(
        name: &'static str,
        graph: Graph,
        seeds: &[(TensorId, TensorId)],
        wanted: &[TensorId],
        pinned: Vec<TensorId>,
    ) -> Result<Self, GraphError> {
        let mut program = Self::forward(name, graph, pinned);
        program.backward_phases(seeds, wanted)?;
        Ok(program)
    }

    /// A training step: forward, backward from the sum of `losses` (per step, [1]), clipping, AdamW on every parameter. The first loss is
    /// reported.
    ///
    /// # Errors
    /// Fails if a gradient is needed through an op that has none.
    ///
    /// # Panics
    /// Panics without a loss.
    pub fn training(mut graph: Graph, losses: &[TensorId], settings: &OptimiserSettings) -> Result<Self, GraphError> {
        let one = graph.constant("loss.seed", &[1], vec![1.0]);
        let seeds: Vec<_> = losses.iter().map(|&l| (l, one)).collect();
        Self::training_from(graph, &seeds, losses[0], settings)
    }

    /// A training step from given gradients; `loss` (per step, [1]) is tested for finiteness and reported.
    ///
    /// # Errors
    /// Fails if a gradient is needed through an op that has none.
    pub fn training_from(
        graph: Graph,
        seeds: &[(TensorId, TensorId)],
        loss: TensorId,
        settings: &OptimiserSettings,
    ) -> Result<Self, GraphError> {
        let wanted: Vec<_> = graph.parameters().iter().map(|p| p.0).collect();
        let mut program = Self::with_gradients("train", graph, seeds, &wanted, vec![])?;
        program.optimiser(loss, settings)?;
        Ok(program)
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

    fn backward_phases(&mut self, seeds: &[(TensorId, TensorId)], wanted: &[TensorId]) -> Result<(), GraphError> {
        let mut needs = vec![false; self.graph.tensors.len()];
        for &w in wanted {
            needs[w] = true;
        }
        for node in &self.graph.nodes {
            if node.inputs.iter().any(|&i| needs[i]) {
                for &o in &node.outputs[..node.outputs.len() - node.discrete] {
                    needs[o] = true;
                }
            }
        }
        self.gradients = seeds.iter().copied().collect();
        let mut places = self.places(&needs);
        let order: Vec<usize> = (0..self.graph.nodes.len()).rev().collect();
        for scope in [Scope::Window, Scope::Step] {
            for &node in order.iter().filter(|&&n| self.graph.nodes[n].scope == scope).collect::<Vec<_>>() {
                self.backward_phase(node, &needs, &mut places)?;
            }
            if scope == Scope::Window {
                self.sum_places(&places)?;
            }
        }
        Ok(())
    }

    /// For each per-step tensor that several nodes of the body use: an accumulator for each place, to be summed in the epilogue in graph
    /// order, so that no order of micro-batches can mix them.
    fn places(&mut self, needs: &[bool]) -> HashMap<TensorId, Vec<TensorId>> {
        let mut uses: HashMap<TensorId, usize> = HashMap::new();
        for node in self.graph.nodes.iter().filter(|n| n.scope == Scope::Window) {
            for &i in &node.inputs {
                if needs[i] && self.graph.tensors[i].operand.scope == Scope::Step {
                    *uses.entry(i).or_default() += 1;
                }
            }
        }
        uses.retain(|_, n| *n > 1);
        uses.into_keys().map(|i| (i, vec![])).collect()
    }

    fn backward_phase(&mut self, node: usize, needs: &[bool], places: &mut HashMap<TensorId, Vec<TensorId>>) -> Result<(), GraphError> {
        let n = &self.graph.nodes[node];
        let (label, op, scope, inputs) = (n.label.clone(), n.op, n.scope, n.inputs.clone());
        if !n.outputs.iter().any(|o| self.gradients.contains_key(o)) || !inputs.iter().any(|&i| needs[i]) {
            return Ok(());
        }
        let mut d_outputs = vec![];
        for &o in &n.outputs[..n.outputs.len() - n.discrete] {
            let d = self.gradients.get(&o).copied();
            d_outputs
                .push(d.ok_or_else(|| GraphError::MissingGradient { label: label.clone(), tensor: self.graph.tensors[o].name.clone() })?);
        }
        if let Backward::NotDifferentiable(reason) = op.backward {
            let tensor = inputs.iter().find(|&&i| needs[i]).map_or(String::new(), |&i| self.graph.tensors[i].name.clone());
            return Err(GraphError::NotDifferentiable { label, op: op.name, reason, tensor });
        }
        let (mut d_inputs, mut accumulate) = (vec![], vec![]);
        for &i in &inputs {
            let (d, adds) = if needs[i] { self.gradient_of(i, scope, places) } else { (None, false) };
            d_inputs.push(d);
            accumulate.push(adds);
        }
        let section = if scope == Scope::Step { Section::Epilogue } else { Section::Body };
        self.phases.push(PhaseSpec { node, direction: Direction::Backward, section, d_outputs, d_inputs, accumulate });
        Ok(())
    }

    /// The tensor that takes a gradient of input `i` from a node of `scope`, and whether it is added to.
    fn gradient_of(&mut self, i: TensorId, scope: Scope, places: &mut HashMap<TensorId, Vec<TensorId>>) -> (Option<TensorId>, bool) {
        let t = self.graph.tensors[i].clone();
        if t.operand.scope == Scope::Step {
            if scope == Scope::Window
                && let Some(list) = places.get_mut(&i)
            {
                let name = format!("grad.{}@{}", t.name, list.len());
                // A parameter's sum is its gradient, padding included; any other tensor's keeps its shape.
                let shape = if t.place == Place::Parameter { vec![padded(t.operand.len())] } else { t.operand.shape.clone() };
                let id = self.graph.tensor(name, &shape, Scope::Step, Place::Accumulator);
                list.push(id);
                return (Some(id), true);
            }
            let id = self.step_gradient(i);
            return (Some(id), true);
        }
        if let Some(&d) = self.gradients.get(&i) {
            return (Some(d), true);
        }
        let d = self.graph.tensor(format!("grad.{}", t.name), &t.operand.shape, Scope::Window, Place::Arena);
        self.gradients.insert(i, d);
        (Some(d), false)
    }

    /// Gradient of a per-step tensor: always zeroed at the start of a step and added to.
    fn step_gradient(&mut self, i: TensorId) -> TensorId {
        if let Some(&d) = self.gradients.get(&i) {
            return d;
        }
        let t = self.graph.tensors[i].clone();
        let place = if t.place == Place::Parameter { Place::Gradient(i) } else { Place::Accumulator };
        let d = self.graph.tensor(format!("grad.{}", t.name), &t.operand.shape, Scope::Step, place);
        self.gradients.insert(i, d);
        d
    }

    /// Sums the accumulators of tensors used in several places, in graph order (the backward pass met them in reverse).
    fn sum_places(&mut self, places: &HashMap<TensorId, Vec<TensorId>>) -> Result<(), GraphError> {
        let mut tensors: Vec<_> = places.iter().filter(|(_, p)| !p.is_empty()).collect();
        tensors.sort();
        for (&i, list) in tensors {
            let parameter = self.graph.tensors[i].place == Place::Parameter;
            let mut sum = list[list.len() - 1];
            for (k, &place) in list.iter().rev().enumerate().skip(1) {
                let label = format!("grad.{}.sum{k}", self.graph.tensors[i].name);
                sum = self.graph.apply1("add", &label, Attrs::default(), &[sum, place])?;
                self.push_epilogue();
            }
            // The last sum lands in the gradient itself, padding included; a prologue's backward may add to it.
            self.graph.tensors[sum].place = if parameter { Place::Gradient(i) } else { Place::Accumulator };
            self.gradients.insert(i, sum);
        }
        Ok(())
    }

    /// Appends the last node's forward to the epilogue.
    fn push_epilogue(&mut self) {
        self.phases.push(PhaseSpec {
            node: self.graph.nodes.len() - 1,
            direction: Direction::Forward,
            section: Section::Epilogue,
            d_outputs: vec![],
            d_inputs: vec![],
            accumulate: vec![],
        });
    }

    fn optimiser(&mut self, loss: TensorId, s: &OptimiserSettings) -> Result<(), GraphError> {
        let p = self.graph.flat_len();
        let flat = |g: &mut Graph, name: &str, n: usize, role| g.tensor(name, &[n], Scope::Step, Place::Flat(role));
        let g = &mut self.graph;
        let gradients = flat(g, "optimiser.gradients", p, Flat::Gradients);
        let parameters = flat(g, "optimiser.parameters", p, Flat::Parameters);
        let moment1 = flat(g, "optimiser.moment1", p, Flat::Moment1);
        let moment2 = flat(g, "optimiser.moment2", p, Flat::Moment2);
        let state = flat(g, "optimiser.state", STATE_LEN, Flat::State);
        let attrs = Attrs::new(&[("clip_norm", s.clip_norm)]);
        let norm = g.apply1("grad_norm", "optimiser.norm", attrs, &[gradients, loss])?;
        self.push_epilogue();
        let attrs = Attrs::new(&[("beta1", s.betas[0]), ("beta2", s.betas[1]), ("epsilon", s.epsilon), ("weight_decay", s.weight_decay)]);
        let inputs = [parameters, moment1, moment2, gradients, norm, state];
        self.graph.apply("adamw", "optimiser.adamw", attrs, &inputs)?;
        self.push_epilogue();
        for Moving { stored, mean, rate } in self.graph.moving.clone() {
            let label = format!("optimiser.{}", self.graph.tensors[stored].name);
            self.graph.apply("moving_mean", &label, Attrs::new(&[("rate", rate)]), &[stored, mean, norm])?;
            self.push_epilogue();
        }
        self.pinned.push(norm);
        // Last of all: node numbers are keys of random numbers, and the others' must not depend on it.
        if s.health {
            self.health(gradients)?;
        }
        Ok(())
    }

    /// Norm, zeros and what is not finite of each parameter's gradient, before the clip.
    fn health(&mut self, gradients: TensorId) -> Result<(), GraphError> {
        let g = &mut self.graph;
        let places: Vec<_> = g.parameters().into_iter().map(|(t, start)| (start, g.tensors[t].operand.len())).collect();
        let [chunks, tensors] = grad_health::tables(&places);
        if chunks.is_empty() {
            return Ok(());
        }
        let chunks = g.constant("optimiser.chunks", &[chunks.len() / 2, 2], chunks);
        let tensors = g.constant("optimiser.tensors", &[tensors.len() / 2, 2], tensors);
        let health = g.apply1("grad_health", HEALTH, Attrs::default(), &[gradients, chunks, tensors])?;
        self.push_epilogue();
        self.pinned.push(health);
        Ok(())
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

/// Name of the tensor with what `grad_health` finds, a row for each parameter in order of declaration.
pub const HEALTH: &str = "optimiser.health";

/// Elements of the optimiser's state: steps taken, 1 - beta1^t, 1 - beta2^t, bad steps in a row, bad steps in all, three unused.
pub const STATE_LEN: usize = 8;
