//! Inspection of a trained model: its learned edges, the attention in a window, the lags of autocorrelation, and the contribution of each
//! part of the model. Requires no files.
//!
//! | file | subject |
//! |---|---|
//! | [`graph`] | edges of the learned graph, scores of drivers for targets, gates |
//! | [`truth`] | average precision of scores against a known graph |
//! | [`attention`] | axial attention of one window |
//! | [`lags`] | lags that autocorrelation attention selects in one window |
//! | [`features`] | loss with each part of the model switched off |
//! | [`memory`] | the arena over a step as SVG |
//! | [`plot`] | heat maps, node-link diagrams and bar charts as SVG |

pub mod attention;
pub mod drivers;
pub mod features;
pub mod graph;
pub mod lags;
pub mod memory;
pub mod plot;
pub mod truth;

use crate::data::{DataError, Dataset, Part, PartWindows, Scaler};
use crate::evaluate::{EvaluateError, window_of};
use crate::session::SessionError;
use serde::Serialize;
use std::sync::Arc;

/// Errors of an inspection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// An error of the device or the plan.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// An error of the data.
    #[error("{0}")]
    Data(#[from] DataError),
    /// The part or the window does not exist.
    #[error("{0}")]
    Evaluate(#[from] EvaluateError),
    /// The part of the model is switched off.
    #[error("the model has no {what}: its config sets model.{key} = false")]
    Off {
        /// The requested part of the model.
        what: &'static str,
        /// The key of its switch.
        key: &'static str,
    },
    /// The weights lack a tensor of this name and size.
    #[error("the weights have no tensor {0} of the size that the model needs")]
    Weights(&'static str),
    /// None or all of the pairs are edges, so the average precision is meaningless.
    #[error(
        "{edges} of the {pairs} pairs of driver and target are edges of the true graph: the average precision needs edges and non-edges"
    )]
    Truth {
        /// True edges among the pairs.
        edges: usize,
        /// Pairs of driver and target.
        pairs: usize,
    },
}

/// Names of all nodes in the order of the model: covariates, targets, then learned hubs.
#[must_use]
pub fn node_names<'a>(series: impl Iterator<Item = &'a str>, hubs: usize) -> Vec<String> {
    series.map(str::to_owned).chain((0..hubs).map(|i| format!("hub_{i}"))).collect()
}

/// The inspected window of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookedAt {
    /// "validation" or "test".
    pub part: String,
    /// Number of the window in its part, counted from 0 as in `pgat evaluate`.
    pub window: usize,
    /// Timestamp of the last row of its history.
    pub origin: String,
}

/// The window with this number in a part, as a source of this single window.
///
/// # Errors
/// Fails if the part has no such window.
pub fn one_window(
    dataset: &Arc<Dataset>,
    scaler: &Arc<Scaler>,
    part: Part,
    window: usize,
) -> Result<(LookedAt, PartWindows), InspectError> {
    let (id, _) = window_of(dataset, part, window)?;
    let origin = dataset.format_stamp(id.segment, id.row as usize + dataset.shape().history - 1);
    let source = PartWindows::one(dataset.clone(), scaler.clone(), id);
    Ok((LookedAt { part: part.to_string(), window, origin }, source))
}

/// At most `most` evenly spaced numbers below `len`, ascending.
#[must_use]
pub fn spread(len: usize, most: usize) -> Vec<usize> {
    let n = most.min(len);
    (0..n).map(|i| i * len / n).collect()
}

/// A CSV field; quoted if it contains a comma, a quote or a line break.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_spread_evenly() {
        assert_eq!(spread(10, 4), [0, 2, 5, 7]);
        assert_eq!(spread(3, 100), [0, 1, 2]);
        assert_eq!(spread(0, 5), [] as [usize; 0]);
    }

    #[test]
    fn names_with_commas_are_quoted() {
        assert_eq!([field("wave_1"), field("a,b"), field("say \"x\"")], ["wave_1", "\"a,b\"", "\"say \"\"x\"\"\""]);
    }
}
