//! Section 7 of docs/model.md: attention from senders to receivers along edges, with weights that depend on the window.

use super::graph::Edges;
use super::init::Init;
use super::{Builder, ModelError};
use crate::graph::TensorId;
use crate::ops::Attrs;

const RELU: u8 = 1;

/// One stage: the receivers after it.
pub(super) fn build(b: &mut Builder, name: &str, senders: TensorId, receivers: TensorId, edges: &Edges) -> Result<TensorId, ModelError> {
    let (d, heads, dynamic) = (b.width(), b.shape.settings.n_heads, b.shape.settings.use_dynamic_edge_weights);
    let at = |part: &str| format!("{name}.{part}");
    let lists = [edges.index, edges.starts, edges.entries];
    let query = b.linear(&at("query"), receivers, d, true, 0, 0.0)?;
    let key_value = b.linear(&at("key_value"), senders, 2 * d, true, 0, 0.0)?;
    let of_sender = b.linear(&at("bias_sender"), senders, heads, false, 0, 0.0)?;
    let of_receiver = b.linear(&at("bias_receiver"), receivers, heads, true, 0, 0.0)?;
    // Where the weight is 1, the logarithm of the probability is one more bias.
    let attrs = Attrs::new(&[("log_prob", f64::from(u8::from(!dynamic)))]);
    let inputs: Vec<_> = [of_sender, of_receiver].into_iter().chain(lists).chain((!dynamic).then_some(edges.prob)).collect();
    let bias = b.graph.apply1("edge_sum", &at("bias"), attrs, &inputs)?;
    let mut inputs: Vec<_> = [query, key_value, bias].into_iter().chain(lists).collect();
    if dynamic {
        inputs.push(edge_terms(b, name, senders, receivers, edges)?);
        inputs.push(b.parameter(&at("feature_weight"), &[], Init::Constant(1.0)));
    }
    let attrs = Attrs::new(&[("heads", heads as f64), ("dynamic", f64::from(u8::from(dynamic)))]);
    let attended = b.graph.apply1("edge_attention", &at("attention"), attrs, &inputs)?;
    let out = b.linear(&at("out"), attended, d, true, 0, 0.0)?;
    let residual = b.parameter(&at("residual_weight"), &[], Init::Constant(1.0));
    let update = b.parameter(&at("update_weight"), &[], Init::Constant(1.0));
    let attrs = Attrs::new(&[("dropout", b.dropout)]);
    let sum = b.graph.apply1("scaled_sum", &at("sum"), attrs, &[receivers, out, residual, update])?;
    b.norm(&at("norm"), sum, None)
}

/// From the window's mean features: what an edge's weight holds in every step; and the logarithm of its probability.
fn edge_terms(b: &mut Builder, name: &str, senders: TensorId, receivers: TensorId, edges: &Edges) -> Result<TensorId, ModelError> {
    let (d, heads) = (b.width(), b.shape.settings.n_heads);
    let at = |part: &str| format!("{name}.{part}");
    let mean_sender = b.graph.apply1("step_mean", &at("mean_sender"), Attrs::default(), &[senders])?;
    let mean_receiver = b.graph.apply1("step_mean", &at("mean_receiver"), Attrs::default(), &[receivers])?;
    let of_sender = b.linear(&at("edge_sender"), mean_sender, d, false, 0, 0.0)?;
    let of_receiver = b.linear(&at("edge_receiver"), mean_receiver, d, true, 0, 0.0)?;
    let inputs = [of_sender, of_receiver, edges.index, edges.starts, edges.entries];
    let hidden = b.graph.apply1("edge_sum", &at("edge_hidden"), Attrs::new(&[("log_prob", 0.0)]), &inputs)?;
    let structure = b.linear(&at("edge_out"), hidden, heads, true, RELU, 0.0)?;
    let weight = b.parameter(&at("structural_weight"), &[], Init::Constant(1.0));
    Ok(b.graph.apply1("edge_terms", &at("edge_terms"), Attrs::default(), &[structure, edges.prob, weight])?)
}
