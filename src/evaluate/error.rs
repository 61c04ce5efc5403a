//! Errors of scoring and forecasting.

use crate::data::{DataError, Part};
use crate::forecast::baselines::BaselineError;
use crate::forecast::metrics::ScoreError;
use crate::forecast::{MixtureError, TableError, TransformError};
use crate::session::SessionError;

/// Errors of scoring and forecasting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// An error of the device or the plan.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// An error of the data.
    #[error("{0}")]
    Data(#[from] DataError),
    /// The scale or the bounds of a target are not valid.
    #[error("target \"{series}\": {source}")]
    Transform {
        /// The target.
        series: String,
        /// The error of the transform.
        source: TransformError,
    },
    /// The levels or the deviations are not valid.
    #[error("{0}")]
    Score(#[from] ScoreError),
    /// There is no baseline to compare with.
    #[error("{0}")]
    Baseline(#[from] BaselineError),
    /// The model's output is not a distribution: its weights are damaged or the training diverged.
    #[error("the forecast of \"{series}\" for {time} is not a valid distribution: {source}")]
    Mixture {
        /// The target.
        series: String,
        /// Timestamp of the step.
        time: String,
        /// The error of the mixture.
        source: MixtureError,
    },
    /// An error of the table.
    #[error("{0}")]
    Table(#[from] TableError),
    /// The split has no such part.
    #[error("there is no {0} part to score: [split] gives it no rows")]
    NoPart(Part),
    /// No value of a target is observed where the forecasts would be scored.
    #[error("no target has a value in {place}: nothing can be scored; {advice}")]
    NothingObserved {
        /// The rows without a value.
        place: String,
        /// How to correct it.
        advice: &'static str,
    },
    /// The part has no window with this number.
    #[error("the {part} part has {windows} windows, numbered from 0: there is no window {window}")]
    NoWindow {
        /// The part.
        part: Part,
        /// The requested window.
        window: usize,
        /// Number of windows in the part.
        windows: usize,
    },
}
