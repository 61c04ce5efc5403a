//! Axial attention of one window (section 5 of docs/model.md). The engine streams over keys and does not store the weights. This module
//! computes them in f64 from the engine's queries, keys and values, and compares the resulting output with the engine's output.

use super::{InspectError, LookedAt, field};
use crate::data::WindowSource;
use crate::model::ModelShape;
use crate::session::Session;
use serde::Serialize;

/// The axis along which a head attends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// The steps of one node.
    Steps,
    /// The nodes of one step.
    Nodes,
}

/// The attention weights of a head.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Head {
    /// Layer, counted from 0.
    pub layer: usize,
    /// Head within its layer, counted from 0.
    pub head: usize,
    /// Axis along which it attends.
    pub axis: Axis,
    /// `[M, M]`, row = the attending position; each row sums to 1. M steps, averaged over nodes; or M nodes, averaged over steps.
    pub weights: Vec<f64>,
}

/// Attention of one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attention {
    /// The window.
    #[serde(flatten)]
    pub window: LookedAt,
    /// Names of the nodes.
    pub nodes: Vec<String>,
    /// Names of the steps: the rows of the window in each token, counted from 1, starting with the history.
    pub steps: Vec<String>,
    /// Heads of all layers.
    pub heads: Vec<Head>,
    /// Largest difference between the attention output computed from these weights and the engine's output.
    pub deviation: f64,
}

/// Names of the tensors that [`look`] reads.
#[must_use]
pub fn tensors(shape: &ModelShape) -> Vec<String> {
    let of_layer = |i| ["query", "key_value", "attention"].map(|part| format!("layers.{i}.{part}"));
    (0..shape.settings.n_layers).flat_map(of_layer).collect()
}

/// Attention of the first window of a source, which `window` describes; `nodes` are the names of all nodes.
///
/// # Errors
/// Fails if the device is lost.
pub async fn look(
    session: &mut Session,
    source: &dyn WindowSource,
    window: LookedAt,
    nodes: Vec<String>,
) -> Result<Attention, InspectError> {
    let (shape, patch) = (session.shape().clone(), session.shape().settings.patch_len);
    let sizes = Sizes { steps: shape.tokens(), nodes: shape.nodes(), width: shape.settings.d_model, heads: shape.settings.n_heads };
    let steps = (0..sizes.steps).map(|t| if patch == 1 { format!("{}", t + 1) } else { format!("{}-{}", t * patch + 1, (t + 1) * patch) });
    let (mut heads, mut deviation) = (vec![], 0.0_f64);
    session
        .look(source, &[0], |_, tensors| {
            for (layer, parts) in tensors.chunks(3).enumerate() {
                let (mine, output) = attend(&sizes, layer, parts[0], parts[1]);
                heads.extend(mine);
                deviation = output.iter().zip(parts[2]).fold(deviation, |most, (a, b)| most.max((a - b).abs()));
            }
        })
        .await?;
    Ok(Attention { window, nodes, steps: steps.collect(), heads, deviation })
}

/// Sizes T, N, D and h.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    steps: usize,
    nodes: usize,
    width: usize,
    heads: usize,
}

/// Weights of the heads of a layer, averaged over the other axis, and the output `[T, N, D]`. Inputs are the queries `[T, N, D]`, and the
/// keys and values `[T, N, 2 D]`. Computes softmax(q k^T / sqrt(D/h)) v. The first half of the heads attends along steps, the other half
/// across nodes.
fn attend(s: &Sizes, layer: usize, query: &[f64], key_value: &[f64]) -> (Vec<Head>, Vec<f64>) {
    let (d, width) = (s.width, s.width / s.heads);
    let mut output = vec![0.0; s.steps * s.nodes * d];
    let mut heads = vec![];
    for head in 0..s.heads {
        let axis = if head < s.heads / 2 { Axis::Steps } else { Axis::Nodes };
        let (length, lines) = if axis == Axis::Steps { (s.steps, s.nodes) } else { (s.nodes, s.steps) };
        let token = |line: usize, position: usize| match axis {
            Axis::Steps => position * s.nodes + line,
            Axis::Nodes => line * s.nodes + position,
        };
        let mut weights = vec![0.0; length * length];
        for line in 0..lines {
            for i in 0..length {
                let at = token(line, i) * d + head * width;
                let key = |j: usize| &key_value[token(line, j) * 2 * d + head * width..][..width];
                let score = |j: usize| dot(&query[at..at + width], key(j)) / (width as f64).sqrt();
                let scores: Vec<f64> = (0..length).map(score).collect();
                let most = scores.iter().copied().fold(f64::MIN, f64::max);
                let total: f64 = scores.iter().map(|x| (x - most).exp()).sum();
                for (j, x) in scores.iter().enumerate() {
                    let p = (x - most).exp() / total;
                    weights[i * length + j] += p / lines as f64;
                    let value = &key_value[token(line, j) * 2 * d + d + head * width..][..width];
                    output[at..at + width].iter_mut().zip(value).for_each(|(y, v)| *y += p * v);
                }
            }
        }
        heads.push(Head { layer, head, axis, weights });
    }
    (heads, output)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Attention {
    /// Names along a head's axis.
    #[must_use]
    pub fn names(&self, axis: Axis) -> &[String] {
        match axis {
            Axis::Steps => &self.steps,
            Axis::Nodes => &self.nodes,
        }
    }

    /// The weights as CSV: layer, head, axis, attending position, attended position, weight.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from("layer,head,axis,from,to,weight\n");
        for h in &self.heads {
            let (names, axis) = (self.names(h.axis), if h.axis == Axis::Steps { "steps" } else { "nodes" });
            for (i, weight) in h.weights.iter().enumerate() {
                let (from, to) = (field(&names[i / names.len()]), field(&names[i % names.len()]));
                text += &format!("{},{},{axis},{from},{to},{weight:.6}\n", h.layer, h.head);
            }
        }
        text
    }
}
