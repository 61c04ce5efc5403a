//! Section 5 of docs/model.md: the spatio-temporal layer.

use super::graph::ModelGraph;
use super::init::Init;
use super::{Builder, ModelError};
use crate::graph::TensorId;
use crate::ops::Attrs;
use crate::ops::branches::TAPS;

const GELU: u8 = 2;

pub(super) fn build(b: &mut Builder, name: &str, x: TensorId, graph: &ModelGraph) -> Result<TensorId, ModelError> {
    let s = b.shape.settings.clone();
    let (d, heads) = (b.width(), s.n_heads);
    let time = if s.use_convolution { convolution(b, name, x)? } else { x };
    let space = if s.use_hops { hops(b, name, x, graph)? } else { x };
    let time = b.norm(&format!("{name}.norm_time"), time, None)?;
    let space = b.norm(&format!("{name}.norm_space"), space, None)?;
    let query = b.linear(&format!("{name}.query"), time, d, true, 0, 0.0)?;
    let key_value = b.linear(&format!("{name}.key_value"), space, 2 * d, true, 0, 0.0)?;
    let attrs = Attrs::new(&[("heads", heads as f64), ("time_heads", (heads / 2) as f64)]);
    let attended = b.graph.apply1("attention", &format!("{name}.attention"), attrs, &[query, key_value])?;
    let attention = b.linear(&format!("{name}.attention_out"), attended, d, true, 0, 0.0)?;
    let change = if s.use_fusion { fusion(b, name, x, [time, space], attention)? } else { attention };
    let y = b.norm(&format!("{name}.norm_fusion"), x, Some(change))?;
    let hidden = b.linear(&format!("{name}.ff1"), y, s.d_ff, true, 0, 0.0)?;
    let out = b.linear(&format!("{name}.ff2"), hidden, d, true, GELU, 0.0)?;
    b.norm(&format!("{name}.norm_out"), y, Some(out))
}

/// Attributes of `branches`: taps of each, and the mean over them.
fn branches(taps: &[usize], sources: bool) -> Attrs {
    let count = taps.len() as f64;
    let mut attrs = vec![("branches", count), ("sources", f64::from(u8::from(sources))), ("scale", 1.0 / count)];
    attrs.extend(TAPS.iter().zip(taps).map(|(name, taps)| (*name, *taps as f64)));
    Attrs(attrs)
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
    let stacked = b.graph.apply1("stack_weights", &format!("{name}.convs.stacked"), Attrs::default(), &weights)?;
    Ok(b.graph.apply1("branches", &format!("{name}.convs"), branches(&kernels, false), &[x, stacked])?)
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
    let stacked = b.graph.apply1("stack_weights", &format!("{name}.hops.stacked"), Attrs::default(), &weights)?;
    let inputs: Vec<_> = [x, stacked].into_iter().chain(inputs).collect();
    Ok(b.graph.apply1("branches", &format!("{name}.hops"), branches(&vec![1; hops], true), &inputs)?)
}

/// What the gates let through of interaction and attention.
fn fusion(b: &mut Builder, name: &str, x: TensorId, [time, space]: [TensorId; 2], attention: TensorId) -> Result<TensorId, ModelError> {
    let heads = b.shape.settings.n_heads;
    let width = b.width() / heads;
    let weight = b.parameter(&format!("{name}.interaction"), &[heads, width, width], Init::Normal(1.0 / (width as f64).sqrt()));
    let plain = Attrs::default;
    let interaction = b.graph.apply1("interaction", &format!("{name}.interacted"), plain(), &[time, space, weight])?;
    let g1 = b.concat_linear(&format!("{name}.gate_interaction"), interaction, x)?;
    let g2 = b.concat_linear(&format!("{name}.gate_attention"), attention, x)?;
    let mixed = b.graph.apply1("gate_mix", &format!("{name}.mixed"), plain(), &[g1, interaction, g2, attention])?;
    let g3 = b.concat_linear(&format!("{name}.gate_fusion"), mixed, x)?;
    Ok(b.graph.apply1("gate_change", &format!("{name}.change"), plain(), &[g3, mixed, x])?)
}
