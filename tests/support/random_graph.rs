//! Random programs: chains with branches of the ops that models consist of, on per-window and per-step tensors, with parameters that are
//! used in one or several places.

use pgat::engine::graph::{Graph, OptimiserSettings, Place, Program, TensorId};
use pgat::engine::ops::add::Add;
use pgat::engine::ops::attention::Attention;
use pgat::engine::ops::batch_mean::BatchMean;
use pgat::engine::ops::embed_sum::EmbedSum;
use pgat::engine::ops::gate_change::GateChange;
use pgat::engine::ops::gate_mix::GateMix;
use pgat::engine::ops::layer_norm::LayerNorm;
use pgat::engine::ops::linear::{Activation, Linear};
use pgat::engine::ops::mixture_decode::MixtureDecode;
use pgat::engine::ops::mixture_nll::MixtureNll;
use pgat::engine::ops::select::Select;
use pgat::engine::ops::token_base::TokenBase;
use pgat::engine::ops::{Call, Fill, Operand, Scope};
use pgat::engine::plan::recompute::{Links, computing_again};
use pgat::engine::plan::{Plan, PlanError, PlanOptions};
use pgat::engine::selftest::Draw;
use pgat::engine::step::StepInput;
use proptest::prelude::*;
use std::collections::HashSet;

/// The choices that define a program. Every value is valid.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) steps: usize,
    pub(crate) nodes: usize,
    /// Width in groups of four.
    pub(crate) quads: usize,
    /// Ops: kind and three choices of operands or sizes.
    pub(crate) ops: Vec<[u8; 4]>,
    /// Whether it ends in a loss and an optimiser. Otherwise every leaf has a given gradient.
    pub(crate) trains: bool,
}

/// Recipes of up to `ops` ops.
pub(crate) fn recipes(ops: usize) -> impl Strategy<Value = Recipe> {
    let kinds = prop::collection::vec(any::<[u8; 4]>(), 1..ops);
    (1..6_usize, 1..6_usize, 1..3_usize, kinds, any::<bool>()).prop_map(|(steps, nodes, quads, ops, trains)| Recipe {
        steps,
        nodes,
        quads,
        ops,
        trains,
    })
}

/// A program and its results.
pub(crate) struct Built {
    pub(crate) program: Program,
    /// Per-window tensors without a consumer: pinned.
    pub(crate) leaves: Vec<TensorId>,
}

struct Builder {
    graph: Graph,
    draw: Draw,
    /// Tensors that ops may use as inputs.
    pool: Vec<TensorId>,
    /// Weights that later ops may share.
    weights: Vec<TensorId>,
    /// Tensors that depend on a parameter.
    trained: HashSet<TensorId>,
}

impl Builder {
    fn shape(&self, t: TensorId) -> Vec<usize> {
        self.graph.tensors[t].operand.shape.clone()
    }

    fn scope(&self, t: TensorId) -> Scope {
        self.graph.tensors[t].operand.scope
    }

    fn parameter(&mut self, shape: &[usize]) -> TensorId {
        let name = format!("p{}", self.graph.tensors.len());
        self.graph.parameter(&name, shape)
    }

    /// A weight of that shape: an existing one if `share`.
    fn weight(&mut self, shape: &[usize], share: bool) -> TensorId {
        let known = self.weights.iter().copied().find(|&w| share && self.graph.tensors[w].operand.shape == shape);
        known.unwrap_or_else(|| {
            let w = self.parameter(shape);
            self.weights.push(w);
            w
        })
    }

    /// Up to `n` different tensors with the shape and scope of `t`, `t` first.
    fn like(&self, t: TensorId, n: usize) -> Vec<TensorId> {
        let same = |&&o: &&TensorId| o != t && self.shape(o) == self.shape(t) && self.scope(o) == self.scope(t);
        std::iter::once(t).chain(self.pool.iter().rev().filter(same).copied()).take(n).collect()
    }

    fn apply(&mut self, call: impl Into<Call>, inputs: &[TensorId]) -> TensorId {
        let call = call.into();
        let label = format!("n{}.{}", self.graph.nodes.len(), call.op.name);
        let y = self.graph.apply1(call, &label, inputs).unwrap_or_else(|e| panic!("the recipe is valid: {e}"));
        if inputs.iter().any(|i| self.trained.contains(i) || self.graph.tensors[*i].place == Place::Parameter) {
            self.trained.insert(y);
        }
        // A wide tensor is used only by the op it was created for, so that widths stay small.
        if self.graph.tensors[y].operand.last() <= 16 {
            self.pool.push(y);
        }
        y
    }

    fn linear(&mut self, x: TensorId, columns: usize, choice: u8) -> TensorId {
        let inner = self.graph.tensors[x].operand.last();
        let mut inputs = vec![x, self.weight(&[columns, inner], choice & 1 == 1)];
        let bias = choice & 2 != 0;
        if bias {
            inputs.push(self.parameter(&[columns]));
        }
        let residual = if choice & 4 != 0 && columns == inner { self.like(x, 2).get(1).copied() } else { None };
        inputs.extend(residual);
        let activation = [Activation::Identity, Activation::Relu, Activation::Gelu][usize::from(choice >> 3 & 3).min(2)];
        let dropout = if choice & 32 != 0 { 0.25 } else { 0.0 };
        self.apply(Linear { bias, residual: residual.is_some(), activation, dropout, column0: None }, &inputs)
    }

    /// If the input depends on no parameter, adds a linear op instead, because `layer_norm` always writes the gradient of its input.
    fn layer_norm(&mut self, x: TensorId, choice: u8) -> TensorId {
        if !self.trained.contains(&x) {
            let d = self.graph.tensors[x].operand.last();
            return self.linear(x, d, choice);
        }
        let d = self.graph.tensors[x].operand.last();
        let mut inputs = vec![x, self.parameter(&[d]), self.parameter(&[d])];
        let residual = if choice & 1 == 1 { self.like(x, 9).into_iter().skip(1).find(|t| self.trained.contains(t)) } else { None };
        inputs.extend(residual);
        let dropout = if residual.is_some() && choice & 2 != 0 { 0.1 } else { 0.0 };
        self.apply(LayerNorm { residual: residual.is_some(), dropout }, &inputs)
    }

    fn attention(&mut self, q: TensorId, choice: u8) -> TensorId {
        let d = self.graph.tensors[q].operand.last();
        let kv = self.linear(q, 2 * d, choice & 0b11);
        let heads = if choice & 4 != 0 { 2 } else { 4 };
        let time_heads = usize::from(choice >> 3) % (heads + 1);
        self.apply(Attention { heads, time_heads }, &[q, kv])
    }

    fn select(&mut self, x: TensorId, choice: u8) -> TensorId {
        let shape = self.shape(x);
        let part = |n: usize, c: usize| {
            let first = c % n;
            (first, 1 + (c / 4) % (n - first))
        };
        let ((step0, steps), (node0, nodes)) = (part(shape[0], usize::from(choice)), part(shape[1], usize::from(choice >> 2)));
        self.apply(Select { step0, steps, node0, nodes }, &[x])
    }

    fn token_base(&mut self, [t, n, d]: [usize; 3], choice: u8) -> TensorId {
        let values = self.draw.fill(Fill::Normal(0.5), t * d);
        let temporal = self.graph.constant(&format!("c{}", self.graph.tensors.len()), &[t, d], values);
        let mut inputs = vec![self.parameter(&[n, d]), self.parameter(&[3, d]), temporal];
        let adaptive = choice & 1 == 1;
        if adaptive {
            inputs.push(self.parameter(&[t, n, d]));
        }
        self.apply(TokenBase { covariates: 0, targets: usize::from(n > 1), adaptive, graph: false }, &inputs)
    }

    fn op(&mut self, [kind, first, second, third]: [u8; 4], extents: [usize; 3]) {
        let x = self.pool[usize::from(first) % self.pool.len()];
        let d = self.graph.tensors[x].operand.last();
        match kind % 10 {
            0 | 1 => {
                self.linear(x, d, second);
            }
            2 => {
                let wide = self.linear(x, 4 * (1 + usize::from(second % 4)), third);
                self.linear(wide, d, second);
            }
            3 => {
                self.layer_norm(x, second);
            }
            4 if self.scope(x) == Scope::Window && d.is_multiple_of(4) => {
                self.attention(x, second);
            }
            5 => {
                self.select(x, second);
            }
            6 => {
                self.token_base(extents, second);
            }
            7 => {
                // Adds a per-step tensor to every window.
                let of = |scope, b: &Self| b.pool.iter().rev().copied().find(|&t| b.scope(t) == scope && b.shape(t) == extents);
                match (of(Scope::Step, self), of(Scope::Window, self)) {
                    (Some(base), Some(series)) => self.apply(EmbedSum { calendar: false }, &[base, series]),
                    _ => self.layer_norm(x, second),
                };
            }
            _ => {
                let same = self.like(x, 2 + usize::from(second % 3));
                match same.len() {
                    4 => self.apply(GateMix, &same),
                    3 => self.apply(GateChange, &same),
                    2 => self.apply(Add, &same),
                    _ => self.layer_norm(x, second),
                };
            }
        }
    }

    fn leaves(&self, scope: Scope) -> Vec<TensorId> {
        let used = |t: &TensorId| self.graph.nodes.iter().any(|n| n.inputs.contains(t));
        let made = self.graph.nodes.iter().flat_map(|n| n.outputs.clone());
        made.filter(|t| !used(t) && self.scope(*t) == scope).collect()
    }

    /// Adds a mixture on every per-window leaf, with the mean of their likelihoods as the loss.
    fn loss(&mut self) -> TensorId {
        let x = self.leaves(Scope::Window)[0];
        let shape = self.shape(x);
        let head = self.linear(x, 6, 2);
        let stats = self.graph.input("stats", &[shape[1], 2]);
        let decode = MixtureDecode { patch: 1, components: 2, highway: false, values: false };
        let mixture = self.apply(decode, &[head, stats]);
        let target = self.graph.input("target", &[shape[0], shape[1]]);
        let observed = self.graph.input("observed", &[shape[0], shape[1]]);
        let nll = self.apply(MixtureNll, &[mixture, target, observed]);
        self.apply(BatchMean, &[nll])
    }
}

impl Recipe {
    pub(crate) fn build(&self) -> Built {
        let extents = [self.steps, self.nodes, 4 * self.quads];
        let mut b = Builder { graph: Graph::default(), draw: Draw::new(9), pool: vec![], weights: vec![], trained: HashSet::new() };
        // Only one input: the sum of several would cut the batch before any single tensor exceeds a binding.
        let x = b.graph.input("x", &extents);
        b.pool.push(x);
        b.token_base(extents, 1);
        b.linear(x, extents[2], 3);
        for op in &self.ops {
            b.op(*op, extents);
        }
        if self.trains {
            let loss = b.loss();
            let leaves = b.leaves(Scope::Window);
            let mut program = Program::training(b.graph, &[loss], &OptimiserSettings::default()).expect("the recipe has gradients");
            program.pinned.extend(&leaves);
            return Built { program, leaves };
        }
        let leaves = b.leaves(Scope::Window);
        let mut seeds = vec![];
        for (k, &leaf) in leaves.iter().enumerate() {
            let shape = b.shape(leaf);
            seeds.push((leaf, b.graph.input(&format!("cotangent.{k}"), &shape)));
        }
        let wanted: Vec<_> = b.graph.parameters().into_iter().map(|p| p.0).collect();
        let program = Program::with_gradients("random", b.graph, &seeds, &wanted, leaves.clone()).expect("the recipe has gradients");
        Built { program, leaves }
    }

    /// The plan of the program in which the nodes at the set bits of `mask` are recomputed, and the number of these nodes.
    #[allow(dead_code, reason = "each test file uses a part of it")]
    pub(crate) fn plan_again(&self, options: PlanOptions, mask: u64) -> Result<(Plan, Vec<TensorId>, usize), PlanError> {
        let built = self.build();
        let nodes = Links::new(&built.program).candidates();
        let chosen: Vec<usize> = nodes.into_iter().enumerate().filter(|(i, _)| mask >> (i % 64) & 1 == 1).map(|(_, n)| n).collect();
        let program = computing_again(built.program, &chosen);
        Ok((Plan::new(vec![(program, options)])?, built.leaves, chosen.len()))
    }

    /// The program's plan.
    pub(crate) fn plan(&self, options: PlanOptions) -> Result<(Plan, Vec<TensorId>), PlanError> {
        let built = self.build();
        Ok((Plan::new(vec![(built.program, options)])?, built.leaves))
    }
}

/// Data for every input of the plan's recording.
pub(crate) fn inputs(plan: &Plan, windows: usize, seed: u64) -> Vec<Vec<f32>> {
    let recording = &plan.recordings[0];
    let mut draw = Draw::new(seed << 32);
    let mut one = |operand: &Operand, name: &str| {
        let fill = match name {
            "stats" => Fill::Uniform(0.5, 1.5),
            "observed" => Fill::Mask(0.8),
            _ => Fill::Normal(1.0),
        };
        draw.fill(fill, operand.len() * windows)
    };
    let tensors = recording.inputs().into_iter().map(|t| &recording.program.graph.tensors[t]);
    tensors.map(|t| one(&t.operand, &t.name)).collect()
}

/// A step over those data.
pub(crate) fn step(windows: usize, inputs: &[Vec<f32>]) -> StepInput<'_> {
    StepInput { windows, first_window: 3, keys: [7, 11], learning_rate: 0.01, shrink: 0.0, inverse_count: 0.125, inputs }
}
