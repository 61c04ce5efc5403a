//! The learned graph of a model (section 4 of docs/model.md), read from its weights, and its gates.

use super::{InspectError, field, node_names};
use crate::config::ModelSettings;
use crate::data::WindowSource;
use crate::model::{ModelShape, ParameterPlace};
use crate::session::Session;
use serde::Serialize;

/// Limits of the temperature exp(`log_temperature`).
const TEMPERATURE: (f64, f64) = (0.1, 10.0);
/// Names of the logit tensors of the two stages.
const LOGITS: [&str; 2] = ["graph.series_to_transition", "graph.transition_to_target"];

/// An edge that the model uses.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Edge {
    /// 1: from series to hubs; 2: from hubs to targets.
    pub stage: usize,
    /// Sender.
    pub source: String,
    /// Receiver.
    pub target: String,
    /// Probability among the edges that the receiver keeps; they sum to 1.
    pub probability: f64,
}

/// A stage of the learned graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Names of the receivers, one per row.
    pub receivers: Vec<String>,
    /// Names of the senders, one per column.
    pub senders: Vec<String>,
    /// `[R, S]`: softmax over senders of logits / temperature, without noise and before the top-k selection.
    pub probabilities: Vec<f64>,
    /// Number of senders that each receiver keeps.
    pub kept: usize,
}

/// The learned graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearnedGraph {
    /// Temperature of both stages.
    pub temperature: f64,
    /// Series to hubs, hubs to targets.
    pub stages: [Stage; 2],
    /// Number of covariates; these are the first senders of the first stage.
    pub covariates: usize,
}

/// Scores of drivers for targets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// Names of the targets, one per row.
    pub targets: Vec<String>,
    /// Names of the covariates, one per column.
    pub drivers: Vec<String>,
    /// `[targets, drivers]`.
    pub values: Vec<f64>,
}

impl LearnedGraph {
    /// Reads the graph from the weights. `series` holds the names of the covariates, followed by those of the targets.
    ///
    /// # Errors
    /// Fails if the model has no learned graph.
    pub fn of(shape: &ModelShape, series: &[String], places: &[ParameterPlace], parameters: &[f32]) -> Result<Self, InspectError> {
        let s = &shape.settings;
        if !s.use_dynamic_graph {
            return Err(InspectError::Off { what: "learned edges", key: "use_dynamic_graph" });
        }
        let read = |name: &'static str, expected: usize| {
            let place = places.iter().find(|p| p.name == name).map(|p| p.start);
            let values = place.and_then(|start| parameters.get(start..start + expected));
            values.map(|v| v.iter().map(|x| f64::from(*x)).collect::<Vec<_>>()).ok_or(InspectError::Weights(name))
        };
        let temperature = read("graph.log_temperature", 1)?[0].exp().clamp(TEMPERATURE.0, TEMPERATURE.1);
        let names = node_names(series.iter().map(String::as_str), s.num_transitions);
        let (hubs, covariates) = (&names[shape.window.num_series()..], shape.window.num_covariates);
        let stage = |name: &'static str, receivers: &[String], senders: &[String]| {
            let logits = read(name, receivers.len() * senders.len())?;
            Ok::<_, InspectError>(Stage {
                receivers: receivers.to_vec(),
                senders: senders.to_vec(),
                probabilities: logits.chunks(senders.len()).flat_map(|row| softmax(row, temperature)).collect(),
                kept: s.top_k_edges.min(senders.len()),
            })
        };
        let series = &names[..shape.window.num_series()];
        let stages = [stage(LOGITS[0], hubs, series)?, stage(LOGITS[1], &series[covariates..], hubs)?];
        Ok(Self { temperature, stages, covariates })
    }

    /// The edges that the model uses: the most probable senders of each receiver, with their probabilities normalised to sum to 1.
    #[must_use]
    pub fn edges(&self) -> Vec<Edge> {
        let mut all = vec![];
        for (stage, number) in self.stages.iter().zip(1..) {
            for (target, row) in stage.receivers.iter().zip(stage.probabilities.chunks(stage.senders.len())) {
                let mut order: Vec<usize> = (0..row.len()).collect();
                order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
                order.truncate(stage.kept);
                let total: f64 = order.iter().map(|&j| row[j]).sum();
                all.extend(order.into_iter().map(|j| Edge {
                    stage: number,
                    source: stage.senders[j].clone(),
                    target: target.clone(),
                    probability: row[j] / total,
                }));
            }
        }
        all
    }

    /// P2 P1, restricted to the columns of the covariates: the probability that a walk from a target back over a hub ends at a driver.
    #[must_use]
    pub fn scores(&self) -> Scores {
        let [first, second] = &self.stages;
        let (series, hubs) = (first.senders.len(), second.senders.len());
        let one = |row: &[f64], driver: usize| -> f64 { (0..hubs).map(|h| row[h] * first.probabilities[h * series + driver]).sum() };
        let values = second.probabilities.chunks(hubs).flat_map(|row| (0..self.covariates).map(|d| one(row, d)).collect::<Vec<_>>());
        Scores { targets: second.receivers.clone(), drivers: first.senders[..self.covariates].to_vec(), values: values.collect() }
    }
}

impl Scores {
    /// All pairs (target, driver) whose driver is wanted.
    #[must_use]
    pub fn pairs(&self, wanted: impl Fn(&str) -> bool) -> Vec<(usize, usize)> {
        let all = (0..self.targets.len()).flat_map(|t| (0..self.drivers.len()).map(move |d| (t, d)));
        all.filter(|&(_, d)| wanted(&self.drivers[d])).collect()
    }

    /// The scores as CSV: source, target, score, the highest first.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut order: Vec<usize> = (0..self.values.len()).collect();
        order.sort_by(|&a, &b| self.values[b].total_cmp(&self.values[a]));
        let n = self.drivers.len();
        let line = |i: usize| format!("{},{},{:.6}\n", field(&self.drivers[i % n]), field(&self.targets[i / n]), self.values[i]);
        order.into_iter().fold("source,target,score\n".into(), |text, i| text + &line(i))
    }
}

/// Edges as CSV: stage, source, target, probability.
#[must_use]
pub fn edges_csv(edges: &[Edge]) -> String {
    let line = |e: &Edge| format!("{},{},{},{:.6}\n", e.stage, field(&e.source), field(&e.target), e.probability);
    edges.iter().fold("stage,source,target,probability\n".into(), |text, e| text + &line(e))
}

/// A graph `[N, N]`, row = receiver, as CSV: source, target, weight.
#[must_use]
pub fn matrix_csv(nodes: &[String], matrix: &[f64]) -> String {
    let n = nodes.len();
    let line = |(e, w): (usize, &f64)| format!("{},{},{w:.6}\n", field(&nodes[e % n]), field(&nodes[e / n]));
    matrix.iter().enumerate().fold("source,target,weight\n".into(), |text, e| text + &line(e))
}

fn softmax(row: &[f64], temperature: f64) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::MIN, f64::max);
    let parts: Vec<f64> = row.iter().map(|v| ((v - most) / temperature).exp()).collect();
    let total: f64 = parts.iter().sum();
    parts.into_iter().map(|p| p / total).collect()
}

/// Names of the columns of the gates.
pub const GATES: [&str; 3] = ["prior", "dynamic", "adaptive"];

/// Gates: the weights of the graph proposals, in windows of a part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gates {
    /// Numbers of the windows in the part.
    pub windows: Vec<usize>,
    /// Weights of prior, dynamic and adaptive graph in each window.
    pub values: Vec<[f64; 3]>,
    /// Means over the windows.
    pub mean: [f64; 3],
}

/// Checks that a model has learned edges.
///
/// # Errors
/// Fails if it has none.
pub fn check(settings: &ModelSettings) -> Result<(), InspectError> {
    match settings.use_dynamic_graph || settings.use_driver_highway {
        true => Ok(()),
        false => Err(InspectError::Off { what: "learned edges", key: "use_driver_highway" }),
    }
}

/// Names of the tensors that [`look`] reads: gates, and the adaptive graph if the model has one.
#[must_use]
pub fn tensors(shape: &ModelShape) -> Vec<String> {
    let mut names = vec!["graph.gates".to_owned()];
    if shape.settings.use_adaptive_graph {
        names.push("graph.adaptive".into());
    }
    names
}

/// Gates in these windows, and the adaptive graph `[N, N]`, row = receiver, if the model has one.
///
/// # Errors
/// Fails if the device is lost.
pub async fn look(session: &mut Session, source: &dyn WindowSource, windows: &[usize]) -> Result<(Gates, Option<Vec<f64>>), InspectError> {
    let n = session.shape().nodes();
    let (mut values, mut adaptive) = (vec![], None);
    session
        .look(source, windows, |_, tensors| {
            values.push([0, 1, 2].map(|i| tensors[0][i]));
            // Rows are padded to a multiple of four.
            adaptive = tensors.get(1).map(|padded| padded.chunks(n.next_multiple_of(4)).flat_map(|row| row[..n].to_vec()).collect());
        })
        .await?;
    let mean = [0, 1, 2].map(|i| values.iter().map(|v: &[f64; 3]| v[i]).sum::<f64>() / values.len().max(1) as f64);
    Ok((Gates { windows: windows.to_vec(), values, mean }, adaptive))
}

impl Gates {
    /// The gates as CSV: window, prior, dynamic, adaptive.
    #[must_use]
    pub fn csv(&self) -> String {
        let lines = self.windows.iter().zip(&self.values);
        lines.fold(format!("window,{}\n", GATES.join(",")), |text, (w, [a, b, c])| text + &format!("{w},{a:.6},{b:.6},{c:.6}\n"))
    }
}
