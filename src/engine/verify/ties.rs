//! Choices that f32 may make differently from f64 (section 11.8 of docs/model.md). The edges of a receiver and the lags of a series are
//! those with the largest scores. If the scores of the last selected and the first rejected candidate differ by less than [`TIE`], rounding
//! decides. The f64 reference detects ties.

use super::golden::step_input;
use super::{Golden, VerifyError};
use crate::executor::{Backend, Executor};
use crate::graph::{Graph, Program, TensorId};
use crate::model::{Mode, build};
use crate::ops::autocorrelation::Autocorrelation;
use crate::ops::driver_edges::{DriverEdges, strengths};
use crate::ops::edges::Edges;
use crate::order;
use crate::plan::{BufferRole, Plan, Recording};
use std::sync::Arc;

/// Two scores are tied if their gap is smaller than this. The limit is absolute, because scores are logits of a softmax (with noise,
/// divided by the temperature) and correlations: a gap changes probabilities by the same amount for every magnitude of the scores.
pub const TIE: f64 = 1e-4;

/// A receiver or series whose choice depends on rounding.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Tie {
    /// The choice: `graph.edges.0`, `graph.edges.1`, `driver_attention.edges`, or `act.autocorr` for lags.
    pub tensor: String,
    /// Step of a trajectory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// Window, if every window has its own choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Receiver of the edges, or target of the lags.
    pub row: usize,
    /// Gap between the last selected and the first rejected score.
    pub gap: f64,
}

const LAGS: &str = "act.autocorr";

impl std::fmt::Display for Tie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.tensor)?;
        if let Some(step) = self.step {
            write!(f, ", step {step}")?;
        }
        match self.window {
            Some(window) => write!(f, ", window {window}, target {}", self.row)?,
            None => write!(f, ", receiver {}", self.row)?,
        }
        write!(f, ": the choice depends on a gap of {:.1e}", self.gap)
    }
}

impl Tie {
    /// Whether that tensor of a golden file counts as dependent on the choice: all tensors behind it in the order of the blocks, and both
    /// losses.
    pub(super) fn voids(&self, name: &str) -> bool {
        if self.tensor == LAGS {
            return [LAGS, "act.decoder.", "out.", "loss.", "grad."].iter().any(|p| name.starts_with(p));
        }
        name != "act.embedding"
    }
}

/// Gap between the last selected and the first rejected score; `None` if no candidate is rejected.
fn gap(mut scores: Vec<f64>, kept: usize) -> Option<f64> {
    order::sort_by(&mut scores, |a, b| b.total_cmp(a));
    scores.get(kept).map(|left_out| scores[kept - 1] - left_out)
}

/// The choices of a model.
pub(super) struct Choices {
    /// For each stage: label, (logits, noise, temperature), number of edges.
    stages: Vec<(String, [TensorId; 3], usize)>,
    /// Drivers: label, edges of the highway, number of drivers of a target.
    drivers: Option<(String, TensorId, usize)>,
    /// Queries, keys and values, and the number of lags.
    lags: Option<(TensorId, usize)>,
}

impl Choices {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut found = Self { stages: vec![], drivers: None, lags: None };
        for node in &graph.nodes {
            if let (Some(Edges { k }), &[logits, noise, temperature]) = (node.operation(), &node.inputs[..]) {
                found.stages.push((node.label.clone(), [logits, noise, temperature], k));
            }
            if let (Some(DriverEdges { k }), &[edges]) = (node.operation(), &node.inputs[..]) {
                found.drivers = Some((node.label.clone(), edges, k));
            }
            if let (Some(Autocorrelation { lags }), &[qkv]) = (node.operation(), &node.inputs[..]) {
                found.lags = Some((qkv, lags));
            }
        }
        found
    }

    /// Tensors that must not be overwritten before the end of a step.
    pub(super) fn pinned(&self) -> Vec<TensorId> {
        self.lags.iter().map(|l| l.0).collect()
    }

    /// Ties among edges, from the inputs of a step and the parameters before it.
    pub(super) fn edges(&self, recording: &Recording, parameters: &[f32], inputs: &[Vec<f32>], step: Option<usize>) -> Vec<Tie> {
        let (graph, order) = (&recording.program.graph, recording.inputs());
        let flat = graph.parameters();
        let parameter = |t: TensorId| {
            let at = flat.iter().find(|p| p.0 == t).map_or(0, |p| p.1);
            &parameters[at..at + graph.tensors[t].operand.len()]
        };
        let mut found = vec![];
        for (label, [logits, noise, temperature], kept) in &self.stages {
            let senders = graph.tensors[*logits].operand.last();
            let Some(noise) = order.iter().position(|t| t == noise).map(|i| &inputs[i]) else { continue };
            let tau = f64::from(parameter(*temperature)[0]).exp().clamp(0.1, 10.0);
            let scores: Vec<f64> = parameter(*logits).iter().zip(noise).map(|(l, n)| (f64::from(*l) + f64::from(*n)) / tau).collect();
            for (row, scores) in scores.chunks(senders).enumerate() {
                if let Some(gap) = gap(scores.to_vec(), *kept).filter(|g| *g < TIE) {
                    found.push(Tie { tensor: label.clone(), step, window: None, row, gap });
                }
            }
        }
        if let Some((label, edges, kept)) = &self.drivers {
            let values: Vec<f64> = parameter(*edges).iter().map(|v| f64::from(*v)).collect();
            let strength = strengths(&values, &graph.tensors[*edges].operand.shape);
            for (row, scores) in strength.chunks(graph.tensors[*edges].operand.last()).enumerate() {
                // Equal strengths, such as those of edges at 0, are ordered by index in every precision.
                if let Some(gap) = gap(scores.to_vec(), *kept).filter(|g| *g > 0.0 && *g < TIE) {
                    found.push(Tie { tensor: label.clone(), step, window: None, row, gap });
                }
            }
        }
        found
    }

    /// Ties among lags, after a step.
    pub(super) async fn lags(
        &self,
        graph: &Graph,
        executor: &Executor,
        windows: usize,
        step: Option<usize>,
    ) -> Result<Vec<Tie>, VerifyError> {
        let Some((t, kept)) = self.lags else { return Ok(vec![]) };
        let qkv = executor.read(0, &[t], windows).await?.remove(0);
        let &[steps, nodes, wide] = &graph.tensors[t].operand.shape[..] else { return Ok(vec![]) };
        let mut found = vec![];
        for (window, qkv) in qkv.chunks(steps * nodes * wide).enumerate() {
            for row in 0..nodes {
                let scores = (0..steps).map(|lag| correlation(qkv, [steps, nodes, wide / 3], row, lag)).collect();
                if let Some(gap) = gap(scores, kept).filter(|g| *g < TIE) {
                    found.push(Tie { tensor: LAGS.into(), step, window: Some(window), row, gap });
                }
            }
        }
        Ok(found)
    }
}

/// `mean over channels of sum_t q[t + lag] k[t]` of a node.
fn correlation(qkv: &[f64], [steps, nodes, d]: [usize; 3], node: usize, lag: usize) -> f64 {
    let rows = |step: usize, part: usize| &qkv[(((step % steps) * nodes + node) * 3 + part) * d..][..d];
    let sum: f64 = (0..steps).flat_map(|t| rows(t + lag, 0).iter().zip(rows(t, 1))).map(|(q, k)| q * k).sum();
    sum / d as f64
}

/// Ties in a file of one step.
pub(super) async fn of_step(golden: &Golden, windows: usize) -> Result<Vec<Tie>, VerifyError> {
    let graph = build(&golden.shape, Mode::Forecast)?.graph;
    let (choices, parameters) = (Choices::of(&graph), golden.parameters(&graph, "param.")?);
    let program = Program::forward("ties", graph, choices.pinned());
    let plan = Arc::new(Plan::new(vec![(program, Backend::Reference.plan_options(windows))])?);
    let recording = &plan.recordings[0];
    let inputs = golden.inputs(recording, windows, None)?;
    let mut ties = choices.edges(recording, &parameters, &inputs, None);
    let mut executor = Executor::new(&Backend::Reference, plan.clone()).await?;
    executor.write(BufferRole::Parameters, &parameters).await?;
    executor.step(0, &step_input(windows, 0.0, &inputs)).await?;
    ties.extend(choices.lags(&recording.program.graph, &executor, windows, None).await?);
    Ok(ties)
}

#[cfg(test)]
mod tests {
    use super::gap;

    #[test]
    fn a_gap_is_between_the_last_kept_and_the_first_left_out() {
        assert_eq!(gap(vec![1.0, 4.0, 4.0, 2.0], 2), Some(2.0), "equal scores that are both selected are not a tie");
        assert_eq!(gap(vec![4.0, 1.0, 4.0, 4.0], 2), Some(0.0));
        assert_eq!(gap(vec![1.0, 1.0], 2), None, "no candidate is rejected");
    }
}
