//! Section 7 of docs/model.md: attention from senders to receivers along edges, with weights that depend on the window.

use super::graph::Edges;
use super::init::Init;
use super::{Builder, Dense, ModelError};
use crate::graph::TensorId;
use crate::ops::edge_attention::EdgeAttention;
use crate::ops::edge_sum::EdgeSum;
use crate::ops::edge_terms::EdgeTerms;
use crate::ops::linear::Activation::Relu;
use crate::ops::scaled_sum::ScaledSum;
use crate::ops::step_mean::StepMean;

/// One stage; returns the updated receivers.
pub(super) fn build(b: &mut Builder, name: &str, senders: TensorId, receivers: TensorId, edges: &Edges) -> Result<TensorId, ModelError> {
    let (d, heads, dynamic) = (b.width(), b.shape.settings.n_heads, b.shape.settings.use_dynamic_edge_weights);
    let at = |part: &str| format!("{name}.{part}");
    let lists = [edges.index, edges.starts, edges.entries];
    let query = b.linear(&at("query"), receivers, d)?;
    let key_value = b.linear(&at("key_value"), senders, 2 * d)?;
    let of_sender = b.linear(&at("bias_sender"), senders, Dense::to(heads).without_bias())?;
    let of_receiver = b.linear(&at("bias_receiver"), receivers, heads)?;
    // With edge weights of 1, the logarithm of the probability is one more bias.
    let inputs: Vec<_> = [of_sender, of_receiver].into_iter().chain(lists).chain((!dynamic).then_some(edges.prob)).collect();
    let bias = b.graph.apply1(EdgeSum { log_prob: !dynamic }, &at("bias"), &inputs)?;
    let mut inputs: Vec<_> = [query, key_value, bias].into_iter().chain(lists).collect();
    if dynamic {
        inputs.push(edge_terms(b, name, senders, receivers, edges)?);
        inputs.push(b.parameter(&at("feature_weight"), &[], Init::Constant(1.0)));
    }
    let attended = b.graph.apply1(EdgeAttention { heads, dynamic }, &at("attention"), &inputs)?;
    let out = b.linear(&at("out"), attended, d)?;
    let residual = b.parameter(&at("residual_weight"), &[], Init::Constant(1.0));
    let update = b.parameter(&at("update_weight"), &[], Init::Constant(1.0));
    let sum = b.graph.apply1(ScaledSum { dropout: b.dropout }, &at("sum"), &[receivers, out, residual, update])?;
    b.norm(&at("norm"), sum, None)
}

/// From the mean features of the window: the part of the edge weight that is the same in every step, and the logarithm of the edge
/// probability.
fn edge_terms(b: &mut Builder, name: &str, senders: TensorId, receivers: TensorId, edges: &Edges) -> Result<TensorId, ModelError> {
    let (d, heads) = (b.width(), b.shape.settings.n_heads);
    let at = |part: &str| format!("{name}.{part}");
    let mean_sender = b.graph.apply1(StepMean, &at("mean_sender"), &[senders])?;
    let mean_receiver = b.graph.apply1(StepMean, &at("mean_receiver"), &[receivers])?;
    let of_sender = b.linear(&at("edge_sender"), mean_sender, Dense::to(d).without_bias())?;
    let of_receiver = b.linear(&at("edge_receiver"), mean_receiver, d)?;
    let inputs = [of_sender, of_receiver, edges.index, edges.starts, edges.entries];
    let hidden = b.graph.apply1(EdgeSum { log_prob: false }, &at("edge_hidden"), &inputs)?;
    let structure = b.linear(&at("edge_out"), hidden, Dense::to(heads).after(Relu))?;
    let weight = b.parameter(&at("structural_weight"), &[], Init::Constant(1.0));
    Ok(b.graph.apply1(EdgeTerms, &at("edge_terms"), &[structure, edges.prob, weight])?)
}
