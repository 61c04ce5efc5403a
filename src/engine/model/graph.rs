//! Section 4 of docs/model.md: the graph for propagation. It has a fixed prior, a learned two-stage graph, an adaptive graph, and gates per
//! window.

use super::init::Init;
use super::{Builder, Dense, Mode, ModelError};
use crate::graph::{Moving, TensorId};
use crate::ops::adaptive_matrix::AdaptiveMatrix;
use crate::ops::edge_matrix::EdgeMatrix;
use crate::ops::gate_softmax::GateSoftmax;
use crate::ops::graph_penalty::GraphPenalty;
use crate::ops::linear::Activation::Relu;
use crate::ops::node_mean::NodeMean;
use crate::ops::propagate::Propagate;
use crate::ops::row_mean::RowMean;

/// Edges of one stage, per step: the outputs of `edges`. Only `prob` has a gradient; the others are whole numbers, stored as floats.
#[derive(Clone, Copy, Debug)]
pub struct Edges {
    /// Renormalised probabilities `[R, k]`.
    pub prob: TensorId,
    /// Sender of each edge `[R, k]`.
    pub index: TensorId,
    /// Index of the first edge of each sender in `entries`, `[S + 1]`.
    pub starts: TensorId,
    /// Edges `receiver * k + slot`, ordered by sender, then receiver, `[R k]`.
    pub entries: TensorId,
}

/// The graph of a model.
#[derive(Clone, Debug)]
pub struct ModelGraph {
    /// The fixed prior `[N, N4]`; N4 is N rounded up to a multiple of 4.
    pub prior: TensorId,
    /// The learned graph `[N, N4]`.
    pub dynamic: Option<TensorId>,
    /// The adaptive graph `[N, N4]`.
    pub adaptive: Option<TensorId>,
    /// Gates `[1, 3]` per window, or `[3]` if all windows have the same gates.
    pub gates: TensorId,
    /// The stages series -> transitions and transitions -> targets.
    pub edges: [Edges; 2],
    /// Penalty `[1]` that the learned graph adds to the loss.
    pub penalty: Option<TensorId>,
    /// Per-step inputs: noise on the logits of each stage.
    pub noise: Vec<TensorId>,
}

impl ModelGraph {
    /// `sum_k gate_k A_k x`.
    pub(super) fn propagate(&self, b: &mut Builder, name: &str, x: TensorId) -> Result<TensorId, ModelError> {
        let inputs: Vec<_> = [x, self.gates, self.prior].into_iter().chain(self.dynamic).chain(self.adaptive).collect();
        let propagate = Propagate { dynamic: self.dynamic.is_some(), adaptive: self.adaptive.is_some() };
        Ok(b.graph.apply1(propagate, name, &inputs)?)
    }
}

/// Builds the graph from the output of the embedding.
pub(super) fn build(b: &mut Builder, x: TensorId, mode: Mode) -> Result<ModelGraph, ModelError> {
    let s = b.shape.settings.clone();
    let prior = prior(b);
    let (edges, noise, penalty) = if s.use_dynamic_graph { learned(b)? } else { (uniform(b), vec![], None) };
    let dynamic = if s.use_dynamic_graph { Some(edge_matrix(b, &edges)?) } else { None };
    let adaptive = if s.use_adaptive_graph { Some(adaptive(b, x, mode)?) } else { None };
    let gates = gates(b, x)?;
    Ok(ModelGraph { prior, dynamic, adaptive, gates, edges, penalty, noise })
}

/// The prior; its rows are padded with zeros.
fn prior(b: &mut Builder) -> TensorId {
    let (n, values) = (b.shape.nodes(), &b.shape.features.prior);
    let width = n.next_multiple_of(4);
    let padded = (0..n * width).map(|e| if e % width < n { values[e / width * n + e % width] } else { 0.0 }).collect();
    b.graph.constant("graph.prior", &[n, width], padded)
}

/// Number of receivers and senders of each stage.
fn stages(b: &Builder) -> [(usize, usize); 2] {
    let (w, hubs) = (b.shape.window, b.shape.settings.num_transitions);
    [(hubs, w.num_series()), (w.num_targets, hubs)]
}

type Learned = ([Edges; 2], Vec<TensorId>, Option<TensorId>);

fn learned(b: &mut Builder) -> Result<Learned, ModelError> {
    let most = b.shape.settings.top_k_edges;
    let temperature = b.parameter("graph.log_temperature", &[], Init::Constant(0.0));
    let (mut tables, mut noise, mut edges) = (vec![], vec![], vec![]);
    for (stage, name) in ["graph.series_to_transition", "graph.transition_to_target"].into_iter().enumerate() {
        let (receivers, senders) = stages(b)[stage];
        let logits = b.parameter(name, &[receivers, senders], Init::Normal(0.1));
        let random = b.graph.step_input(&format!("graph.noise.{stage}"), &[receivers, senders]);
        let likeliest = crate::ops::edges::Edges { k: most.min(senders) };
        let made = b.graph.apply(likeliest, &format!("graph.edges.{stage}"), &[logits, random, temperature])?;
        edges.push(Edges { prob: made[0], index: made[1], starts: made[2], entries: made[3] });
        tables.push(logits);
        noise.push(random);
    }
    let penalised = b.shape.settings.use_logit_penalty;
    let penalty = if penalised { Some(b.graph.apply1(GraphPenalty, "graph.penalty", &tables)?) } else { None };
    Ok(([edges[0], edges[1]], noise, penalty))
}

/// Edges of a model without learned graph: every receiver has all senders, with equal probability.
fn uniform(b: &mut Builder) -> [Edges; 2] {
    let stages = stages(b);
    [0, 1].map(|stage| {
        let (r, s) = stages[stage];
        let mut constant = |name: &str, shape: &[usize], values| b.graph.constant(&format!("graph.edges.{stage}.{name}"), shape, values);
        Edges {
            prob: constant("prob", &[r, s], vec![1.0 / s as f32; r * s]),
            index: constant("index", &[r, s], (0..r * s).map(|e| (e % s) as f32).collect()),
            starts: constant("starts", &[s + 1], (0..=s).map(|j| (j * r) as f32).collect()),
            entries: constant("entries", &[r * s], (0..r * s).map(|e| (e % r * s + e / r) as f32).collect()),
        }
    })
}

fn edge_matrix(b: &mut Builder, edges: &[Edges; 2]) -> Result<TensorId, ModelError> {
    let w = b.shape.window;
    let matrix = EdgeMatrix { covariates: w.num_covariates, targets: w.num_targets };
    let inputs = [edges[0].prob, edges[0].index, edges[1].prob, edges[1].index];
    Ok(b.graph.apply1(matrix, "graph.dynamic", &inputs)?)
}

/// The adaptive graph. After each training step, which uses `memory` unchanged, `memory` moves towards the mean of the embedding's output.
fn adaptive(b: &mut Builder, x: TensorId, mode: Mode) -> Result<TensorId, ModelError> {
    let (n, d, rank, rate) = (b.shape.nodes(), b.width(), b.shape.settings.adaptive_rank, b.shape.settings.memory_rate);
    let vectors = Init::Normal(0.1);
    let inputs = [
        b.parameter("graph.sender", &[n, rank], vectors),
        b.parameter("graph.receiver", &[n, rank], vectors),
        b.parameter("graph.sender_memory.weight", &[rank, d], Init::fan_in(d)),
        b.parameter("graph.receiver_memory.weight", &[rank, d], Init::fan_in(d)),
        b.graph.stored("graph.memory", &[n, d]),
    ];
    if mode == Mode::Train {
        let mean = b.graph.apply1(NodeMean, "graph.mean", &[x])?;
        b.graph.moving.push(Moving { stored: inputs[4], mean, rate });
    }
    Ok(b.graph.apply1(AdaptiveMatrix, "graph.adaptive", &inputs)?)
}

fn gates(b: &mut Builder, x: TensorId) -> Result<TensorId, ModelError> {
    let s = b.shape.settings.clone();
    if !s.use_graph_gate {
        let there = [true, s.use_dynamic_graph, s.use_adaptive_graph].map(f32::from);
        let total: f32 = there.iter().sum();
        return Ok(b.graph.constant("graph.gates", &[3], there.iter().map(|p| p / total).collect()));
    }
    let d = b.width();
    let mean = b.graph.apply1(RowMean { lines: 1 }, "graph.token_mean", &[x])?;
    let hidden = b.linear("graph.gate1", mean, d)?;
    let logits = b.linear("graph.gate2", hidden, Dense::to(3).after(Relu))?;
    let softmax = GateSoftmax { dynamic: s.use_dynamic_graph, adaptive: s.use_adaptive_graph };
    Ok(b.graph.apply1(softmax, "graph.gates", &[logits])?)
}
