//! Section 5 of docs/model.md: the spatio-temporal layer.

use super::graph::ModelGraph;
use super::init::Init;
use super::{Builder, Dense, ModelError};
use crate::graph::TensorId;
use crate::ops::attention::Attention;
use crate::ops::branches::Branches;
use crate::ops::gate_change::GateChange;
use crate::ops::gate_mix::GateMix;
use crate::ops::interaction::Interaction;
use crate::ops::linear::Activation::Gelu;
use crate::ops::stack_weights::StackWeights;

pub(super) fn build(b: &mut Builder, name: &str, x: TensorId, graph: &ModelGraph) -> Result<TensorId, ModelError> {
    let s = b.shape.settings.clone();
    let (d, heads) = (b.width(), s.n_heads);
    let time = if s.use_convolution { convolution(b, name, x)? } else { x };
    let space = if s.use_hops { hops(b, name, x, graph)? } else { x };
    let time = b.norm(&format!("{name}.norm_time"), time, None)?;
    let space = b.norm(&format!("{name}.norm_space"), space, None)?;
    let query = b.linear(&format!("{name}.query"), time, d)?;
    let key_value = b.linear(&format!("{name}.key_value"), space, 2 * d)?;
    let attended = b.graph.apply1(Attention { heads, time_heads: heads / 2 }, &format!("{name}.attention"), &[query, key_value])?;
    let attention = b.linear(&format!("{name}.attention_out"), attended, d)?;
    let change = if s.use_fusion { fusion(b, name, x, [time, space], attention)? } else { attention };
    let y = b.norm(&format!("{name}.norm_fusion"), x, Some(change))?;
    let hidden = b.linear(&format!("{name}.ff1"), y, s.d_ff)?;
    let out = b.linear(&format!("{name}.ff2"), hidden, Dense::to(d).after(Gelu))?;
    b.norm(&format!("{name}.norm_out"), y, Some(out))
}

/// x + mean over kernels of relu(conv(x)) along steps.
fn convolution(b: &mut Builder, name: &str, x: TensorId) -> Result<TensorId, ModelError> {
    let (d, kernels) = (b.width(), b.shape.settings.conv_kernels.clone());
    let mut weights = vec![];
    for (j, &taps) in kernels.iter().enumerate() {
        let init = Init::fan_in(d * taps);
        weights.push(b.parameter(&format!("{name}.convs.{j}.weight"), &[d, d, taps], init));
        weights.push(b.parameter(&format!("{name}.convs.{j}.bias"), &[d], init));
    }
    let stacked = b.graph.apply1(StackWeights, &format!("{name}.convs.stacked"), &weights)?;
    Ok(b.graph.apply1(Branches { taps: kernels, sources: false }, &format!("{name}.convs"), &[x, stacked])?)
}

/// x + mean over i of relu(W_i propagate^i(x)).
fn hops(b: &mut Builder, name: &str, x: TensorId, graph: &ModelGraph) -> Result<TensorId, ModelError> {
    let (d, hops) = (b.width(), b.shape.settings.hops);
    let (mut weights, mut inputs, mut moved) = (vec![], vec![], x);
    for i in 0..hops {
        weights.push(b.parameter(&format!("{name}.hops.{i}.weight"), &[d, d], Init::fan_in(d)));
        weights.push(b.parameter(&format!("{name}.hops.{i}.bias"), &[d], Init::fan_in(d)));
        moved = graph.propagate(b, &format!("{name}.moved.{i}"), moved)?;
        inputs.push(moved);
    }
    let stacked = b.graph.apply1(StackWeights, &format!("{name}.hops.stacked"), &weights)?;
    let inputs: Vec<_> = [x, stacked].into_iter().chain(inputs).collect();
    Ok(b.graph.apply1(Branches { taps: vec![1; hops], sources: true }, &format!("{name}.hops"), &inputs)?)
}

/// The gated sum of interaction and attention.
fn fusion(b: &mut Builder, name: &str, x: TensorId, [time, space]: [TensorId; 2], attention: TensorId) -> Result<TensorId, ModelError> {
    let heads = b.shape.settings.n_heads;
    let width = b.width() / heads;
    let weight = b.parameter(&format!("{name}.interaction"), &[heads, width, width], Init::Normal(1.0 / (width as f64).sqrt()));
    let interaction = b.graph.apply1(Interaction, &format!("{name}.interacted"), &[time, space, weight])?;
    let g1 = b.concat_linear(&format!("{name}.gate_interaction"), interaction, x)?;
    let g2 = b.concat_linear(&format!("{name}.gate_attention"), attention, x)?;
    let mixed = b.graph.apply1(GateMix, &format!("{name}.mixed"), &[g1, interaction, g2, attention])?;
    let g3 = b.concat_linear(&format!("{name}.gate_fusion"), mixed, x)?;
    Ok(b.graph.apply1(GateChange, &format!("{name}.change"), &[g3, mixed, x])?)
}
