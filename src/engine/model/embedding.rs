//! Sections 1 to 3 of docs/model.md: instance norm, tokens from series and masks, and the encoding of the series graph.

use super::init::Init;
use super::{Builder, Dense, ModelError};
use crate::graph::TensorId;
use crate::ops::add::Add;
use crate::ops::attention::Attention;
use crate::ops::blend::Blend;
use crate::ops::embed_sum::EmbedSum;
use crate::ops::graph_features::GraphFeatures;
use crate::ops::instance_norm::InstanceNorm;
use crate::ops::one_hot::OneHot;
use crate::ops::patch_mean::PatchMean;
use crate::ops::row_mean::RowMean;
use crate::ops::sinusoids::Sinusoids;
use crate::ops::split::Split;
use crate::ops::token_base::TokenBase;
use crate::series_graph::GraphConstants;

/// The results of the embedding.
pub(super) struct Embedded {
    /// Inputs in order.
    pub(super) inputs: Vec<TensorId>,
    /// Tokens `[T, N, D]`.
    pub(super) tokens: TensorId,
    /// Normalised histories of the targets `[Nt, L]`.
    pub(super) history: TensorId,
    /// Shift and scale `[Nt, 2]`.
    pub(super) stats: TensorId,
}

pub(super) fn build(b: &mut Builder) -> Result<Embedded, ModelError> {
    let (w, s) = (b.shape.window, b.shape.settings.clone());
    let (tokens, nodes, d) = (b.shape.tokens(), b.shape.nodes(), b.width());
    let shape = [w.steps(), w.num_series(), w.num_channels];
    let values = b.graph.input("values", &shape);
    let observed = b.graph.input("observed", &shape);
    let mut inputs = vec![values, observed];
    let norm = InstanceNorm {
        history: w.history,
        covariates: w.num_covariates,
        patch: s.patch_len,
        epsilon: s.norm_epsilon,
        active: s.use_instance_norm,
        last: s.use_last_norm,
    };
    let normal = b.graph.apply(norm, "instance_norm", &[values, observed])?;
    let mut series = b.linear("embedding.value", normal[0], d)?;
    let mut calendar = None;
    if w.num_calendar > 0 {
        let rows = b.graph.input("calendar", &[w.steps(), w.num_calendar]);
        inputs.push(rows);
        let mean = b.graph.apply1(PatchMean { patch: s.patch_len }, "calendar_mean", &[rows])?;
        calendar = Some(b.linear("embedding.calendar", mean, Dense::to(d).without_bias())?);
    }
    let side = b.shape.side.clone();
    if !side.common.is_empty() {
        let codes = b.graph.input("common", &[w.steps(), side.common.len()]);
        inputs.push(codes);
        calendar = categories(b, "embedding.common", codes, &side.common, calendar)?;
    }
    if !side.own.is_empty() {
        let codes = b.graph.input("own", &[w.steps(), w.num_series(), side.own.len()]);
        inputs.push(codes);
        series = categories(b, "embedding.own", codes, &side.own, Some(series))?.unwrap_or(series);
    }
    let base = token_base(b, tokens, nodes)?;
    let parts: Vec<_> = [base, series].into_iter().chain(calendar).collect();
    let sum = b.graph.apply1(EmbedSum { calendar: calendar.is_some() }, "embedding.sum", &parts)?;
    let tokens = b.norm("embedding.norm", sum, None)?;
    Ok(Embedded { inputs, tokens, history: normal[1], stats: normal[2] })
}

/// Adds to `sum` for each step the vector of its category, which depends on the place of the step in its patch.
fn categories(
    b: &mut Builder,
    name: &str,
    codes: TensorId,
    sizes: &[usize],
    mut sum: Option<TensorId>,
) -> Result<Option<TensorId>, ModelError> {
    let (d, patch) = (b.width(), b.shape.settings.patch_len);
    for (column, &size) in sizes.iter().enumerate() {
        let name = format!("{name}.{column}");
        let places = b.graph.apply1(OneHot { patch, column, size }, &format!("{name}.places"), &[codes])?;
        sum = Some(b.linear_onto(&name, places, d, Init::Normal(0.02), sum)?);
    }
    Ok(sum)
}

/// `[T, N, D]`, per step: the sum of node, kind, temporal and adaptive vectors.
fn token_base(b: &mut Builder, tokens: usize, nodes: usize) -> Result<TensorId, ModelError> {
    let d = b.width();
    let (w, s) = (b.shape.window, b.shape.settings.clone());
    let small = Init::Normal(0.02);
    let node = b.parameter("embedding.node", &[nodes, d], small);
    let kind = b.parameter("embedding.kind", &[3, d], small);
    let temporal = if s.use_temporal_encoding { sinusoids(tokens, d) } else { vec![0.0; tokens * d] };
    let mut temporal = b.graph.exact_constant("embedding.temporal", &[tokens, d], temporal);
    if s.use_temporal_encoding && s.use_adaptive_temporal {
        temporal = adaptive_temporal(b, tokens, temporal)?;
    }
    let mut inputs = vec![node, kind, temporal];
    if s.use_adaptive_embedding {
        inputs.push(b.parameter("embedding.adaptive", &[tokens, nodes, d], small));
    }
    let graph = graph_encoding(b)?;
    inputs.extend(graph);
    let base =
        TokenBase { covariates: w.num_covariates, targets: w.num_targets, adaptive: s.use_adaptive_embedding, graph: graph.is_some() };
    Ok(b.graph.apply1(base, "embedding.base", &inputs)?)
}

/// A learned blend of the fixed sinusoids `[T, D]` and sinusoids at learned speeds, which one attention head mixes along the steps.
fn adaptive_temporal(b: &mut Builder, tokens: usize, fixed: TensorId) -> Result<TensorId, ModelError> {
    let (d, scales, name) = (b.width(), b.shape.settings.num_scales, "embedding.temporal");
    let speed = b.parameter(&format!("{name}.speed"), &[scales], Init::Halving);
    let blend = b.parameter(&format!("{name}.blend"), &[2], Init::List(&[0.7, 0.3]));
    let angles = b.graph.exact_constant(&format!("{name}.angles"), &[tokens, d / 2], angles(tokens, d));
    let waves = b.graph.apply1(Sinusoids, &format!("{name}.waves"), &[speed, angles])?;
    let qkv = b.linear(&format!("{name}.qkv"), waves, 3 * d)?;
    let parts = b.graph.apply(Split { first: d }, &format!("{name}.parts"), &[qkv])?;
    let mixed = b.graph.apply1(Attention { heads: 1, time_heads: 1 }, &format!("{name}.attention"), &parts)?;
    let mean = b.graph.apply1(RowMean { lines: tokens }, &format!("{name}.mean"), &[mixed])?;
    let adaptive = b.linear(&format!("{name}.out"), mean, d)?;
    Ok(b.graph.apply1(Blend, &format!("{name}.blended"), &[blend, fixed, adaptive])?)
}

/// t 10000^(-2i/D), for each pair of channels.
fn angle(t: usize, i: usize, d: usize) -> f64 {
    t as f64 * (-(2.0 * i as f64) * 1e4_f64.ln() / d as f64).exp()
}

fn angles(tokens: usize, d: usize) -> Vec<f64> {
    (0..tokens).flat_map(|t| (0..d / 2).map(move |i| angle(t, i, d))).collect()
}

/// `[N, D]`, per step: the encoding of each node's position in the series graph, and of its static inputs; `None` without any.
fn graph_encoding(b: &mut Builder) -> Result<Option<TensorId>, ModelError> {
    let (nodes, d, s) = (b.shape.nodes(), b.width(), b.shape.settings.clone());
    let features = b.shape.features.clone();
    let mut parts = vec![];
    if s.use_graph_encoding {
        let lengths = [("centrality", 4), ("spectral", s.num_spectral), ("random_walk", s.num_random_walk)];
        let rows = graph_rows(&features, s.num_spectral, s.num_random_walk);
        let mut inputs = vec![b.graph.constant("embedding.graph.features", &[nodes, rows.len() / nodes], rows)];
        let q = d / 4;
        inputs.push(b.parameter("embedding.graph.distance.weight", &[s.max_hop_distance, q], Init::Normal(1.0)));
        for (name, length) in lengths {
            inputs.push(b.parameter(&format!("embedding.graph.{name}.weight"), &[q, length], Init::fan_in(length)));
            inputs.push(b.parameter(&format!("embedding.graph.{name}.bias"), &[q], Init::fan_in(length)));
        }
        let quarters = b.graph.apply1(GraphFeatures, "embedding.graph.quarters", &inputs)?;
        parts.push(b.linear("embedding.graph.out", quarters, d)?);
    }
    if s.use_structural_encoding {
        let maps = b.graph.constant("embedding.graph.eigenmaps", &[nodes, s.num_eigenvectors], features.eigenmaps.clone());
        parts.push(b.linear("embedding.graph.structural", maps, d)?);
    }
    let statics = b.shape.statics();
    if !statics.is_empty() {
        let rows = b.graph.constant("embedding.static.features", &[nodes, statics.len() / nodes], statics);
        parts.push(b.linear("embedding.static", rows, Dense::to(d).without_bias())?);
    }
    let mut sum = parts.first().copied();
    for (name, part) in ["embedding.graph", "embedding.known"].iter().zip(parts.iter().skip(1)) {
        sum = Some(b.graph.apply1(Add, name, &[sum.unwrap_or(*part), *part])?);
    }
    Ok(sum)
}

/// The features of each node side by side, in the order of the op's input.
fn graph_rows(f: &GraphConstants, spectral: usize, walk: usize) -> Vec<f32> {
    let mut rows = vec![];
    for (n, hop) in f.hop_distance.iter().enumerate() {
        rows.push(*hop as f32);
        rows.extend(&f.centrality[4 * n..4 * (n + 1)]);
        rows.extend(&f.spectral[spectral * n..spectral * (n + 1)]);
        rows.extend(&f.random_walk[walk * n..walk * (n + 1)]);
    }
    rows
}

/// sin and cos of t 10000^(-2i/D), computed in f64 on the host because WGSL allows large errors of sin.
fn sinusoids(tokens: usize, d: usize) -> Vec<f64> {
    let pair = move |t: usize, i: usize| [angle(t, i, d).sin(), angle(t, i, d).cos()];
    (0..tokens).flat_map(|t| (0..d / 2).flat_map(move |i| pair(t, i))).collect()
}
