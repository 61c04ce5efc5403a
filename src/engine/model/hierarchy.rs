//! Section 6 of docs/model.md: attention among pooled tokens, with one branch per scale, gated and added to every token.

use super::init::Init;
use super::{Builder, ModelError};
use crate::graph::TensorId;
use crate::ops::attention::Attention;
use crate::ops::cluster_gate::ClusterGate;
use crate::ops::cluster_mean::ClusterMean;
use crate::ops::split::Split;
use crate::order;

pub(super) fn build(b: &mut Builder, x: TensorId, activations: &mut Vec<(String, TensorId)>) -> Result<TensorId, ModelError> {
    let mut sum = None;
    for (i, r) in b.shape.settings.hierarchy.clone().into_iter().enumerate() {
        let total = scale(b, i, r, x, sum)?;
        activations.push((format!("scales.{i}"), total));
        sum = Some(total);
    }
    let y = b.norm_of_sum("scale_norm", x, sum, 0.0)?;
    activations.push(("scale_norm".into(), y));
    Ok(y)
}

/// The branch of scale i, which pools r steps, added to the sum of the previous branches.
fn scale(b: &mut Builder, i: usize, r: usize, x: TensorId, sum: Option<TensorId>) -> Result<TensorId, ModelError> {
    let (name, d, heads) = (format!("scales.{i}"), b.width(), b.shape.settings.n_heads);
    let clusters = clusters(b, &name, i);
    let inputs: Vec<_> = [x].into_iter().chain(clusters).collect();
    let pooled = b.graph.apply1(ClusterMean { group_steps: r }, &format!("{name}.pooled"), &inputs)?;
    let tokens = b.norm(&format!("{name}.norm"), pooled, None)?;
    let qkv = b.linear(&format!("{name}.qkv"), tokens, 3 * d)?;
    let parts = b.graph.apply(Split { first: d }, &format!("{name}.heads"), &[qkv])?;
    // All pooled tokens form one line, and every head attends along it.
    let attended = b.graph.apply1(Attention { heads, time_heads: 0 }, &format!("{name}.attention"), &parts)?;
    let y = b.linear(&format!("{name}.out"), attended, d)?;
    // The gate of [x, y] is a sum of two maps. The map of y is computed on the few pooled tokens.
    let weight = b.parameter(&format!("{name}.gate.weight"), &[d, 2 * d], Init::fan_in(2 * d));
    let bias = b.parameter(&format!("{name}.gate.bias"), &[d], Init::fan_in(2 * d));
    let gate = b.linear_part(&format!("{name}.gate"), x, weight, 0, None)?;
    let pooled_gate = b.linear_part(&format!("{name}.gate.pooled"), y, weight, d, Some(bias))?;
    let inputs: Vec<_> = [gate, pooled_gate, y].into_iter().chain(clusters).chain(sum).collect();
    Ok(b.graph.apply1(ClusterGate { group_steps: r, base: sum.is_some() }, &name, &inputs)?)
}

/// Cluster of each node at scale i, and the nodes of each cluster, as constants.
fn clusters(b: &mut Builder, name: &str, i: usize) -> [TensorId; 3] {
    let of_node = &b.shape.features.clusters[i];
    let groups = of_node.iter().max().map_or(1, |m| *m as usize + 1);
    let mut members: Vec<usize> = (0..of_node.len()).collect();
    order::sort_by_key(&mut members, |&n| of_node[n]);
    let starts = (0..=groups).map(|g| of_node.iter().filter(|&&c| (c as usize) < g).count() as f32).collect();
    let (cluster, members) = (of_node.iter().map(|c| *c as f32).collect(), members.iter().map(|n| *n as f32).collect::<Vec<f32>>());
    let n = members.len();
    [
        b.graph.constant(&format!("{name}.cluster"), &[n], cluster),
        b.graph.constant(&format!("{name}.cluster_starts"), &[groups + 1], starts),
        b.graph.constant(&format!("{name}.cluster_members"), &[n], members),
    ]
}
