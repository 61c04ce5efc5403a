//! Why there are no scores and no forecast.

use crate::data::{DataError, Part};
use crate::forecast::baselines::BaselineError;
use crate::forecast::metrics::ScoreError;
use crate::forecast::{MixtureError, TableError, TransformError};
use crate::session::SessionError;

/// A model cannot be scored, or a forecast cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The device or the plan.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// The data.
    #[error("{0}")]
    Data(#[from] DataError),
    /// Scale or bounds of a target.
    #[error("target \"{series}\": {source}")]
    Transform {
        /// The target.
        series: String,
        /// What is wrong.
        source: TransformError,
    },
    /// Levels or deviations.
    #[error("{0}")]
    Score(#[from] ScoreError),
    /// There is nothing to compare with.
    #[error("{0}")]
    Baseline(#[from] BaselineError),
    /// The model's numbers are no distribution: its weights are damaged or the training diverged.
    #[error("the forecast of \"{series}\" for {time} is no distribution: {source}")]
    Mixture {
        /// The target.
        series: String,
        /// Stamp of the step.
        time: String,
        /// What is wrong.
        source: MixtureError,
    },
    /// The table.
    #[error("{0}")]
    Table(#[from] TableError),
    /// The split has no such part.
    #[error("there is no {0} part to score: [split] gives it no rows")]
    NoPart(Part),
    /// A window that a part does not have.
    #[error("the {part} part has {windows} windows, numbered from 0: there is no window {window}")]
    NoWindow {
        /// The part.
        part: Part,
        /// What was asked for.
        window: usize,
        /// How many there are.
        windows: usize,
    },
}
