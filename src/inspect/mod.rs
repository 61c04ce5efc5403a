//! Looking inside a trained model: the edges that it learned, what attends to what in a window, the lags of autocorrelation, and what each
//! part of the model is worth. Needs no files.
//!
//! | file | subject |
//! |---|---|
//! | [`graph`] | edges of the learned graph, what reaches which target, gates |
//! | [`truth`] | how well scores find the edges of a known graph |
//! | [`attention`] | axial attention of one window |
//! | [`lags`] | lags that autocorrelation attention takes in one window |
//! | [`features`] | loss with each part of the model switched off |
//! | [`memory`] | the arena over a step as SVG |
//! | [`plot`] | heat maps, node-link pictures and bars as SVG |

pub mod attention;
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

/// There is nothing to look at, or looking failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The device or the plan.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// The data.
    #[error("{0}")]
    Data(#[from] DataError),
    /// The part or the window.
    #[error("{0}")]
    Evaluate(#[from] EvaluateError),
    /// The part of the model is switched off.
    #[error("the model has no {what}: its config says model.{key} = false")]
    Off {
        /// What was asked for.
        what: &'static str,
        /// The switch.
        key: &'static str,
    },
    /// The weights lack a tensor.
    #[error("the weights have no tensor {0} of the size that the model wants")]
    Weights(&'static str),
    /// Nothing to find, or nothing to tell it from.
    #[error("{edges} of the {pairs} pairs of driver and target are edges of the true graph: an average precision says nothing of that")]
    Truth {
        /// True edges among the pairs.
        edges: usize,
        /// Pairs of driver and target.
        pairs: usize,
    },
}

/// Names of all nodes in the model's order: covariates, targets, then hubs that it learned for itself.
#[must_use]
pub fn node_names<'a>(series: impl Iterator<Item = &'a str>, hubs: usize) -> Vec<String> {
    series.map(str::to_owned).chain((0..hubs).map(|i| format!("hub_{i}"))).collect()
}

/// A window of a part that is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookedAt {
    /// "validation" or "test".
    pub part: String,
    /// Number of the window in its part, from 0, as `pgat evaluate` counts them.
    pub window: usize,
    /// Stamp of the last row of its history.
    pub origin: String,
}

/// The window with that number in a part, as a source of that window alone.
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

/// At most `most` numbers below `len`, evenly spread over them, ascending.
#[must_use]
pub fn spread(len: usize, most: usize) -> Vec<usize> {
    let n = most.min(len);
    (0..n).map(|i| i * len / n).collect()
}

/// A field of a CSV line: in quotes where it holds a comma, a quote or a line break.
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
