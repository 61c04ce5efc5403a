//! Why an experiment cannot go on.

use super::{ArchiveError, StoredError};
use crate::config::ConfigError;
use crate::data::DataError;
use crate::evaluate::EvaluateError;
use crate::forecast::TableError;
use crate::gpu::GpuError;
use crate::inspect::InspectError;
use crate::series_graph::SeriesGraphError;
use crate::session::SessionError;
use crate::train::TrainError;
use std::path::PathBuf;

/// An experiment cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// The config.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The data.
    #[error("{0}")]
    Data(#[from] DataError),
    /// The data in a file.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: DataError,
    },
    /// The graph of the series.
    #[error("{place}: {source}")]
    Graph {
        /// The graph's file, or the section of the config that describes it.
        place: String,
        /// What is wrong with it.
        source: SeriesGraphError,
    },
    /// The model, the plan or the device.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// Training.
    #[error("{0}")]
    Train(#[from] TrainError),
    /// Scoring or forecasting.
    #[error("{0}")]
    Evaluate(#[from] EvaluateError),
    /// Looking inside.
    #[error("{0}")]
    Inspect(#[from] InspectError),
    /// The run's files.
    #[error("{0}")]
    Stored(#[from] StoredError),
    /// The data of a run that is to go on are not those that it was trained on.
    #[error("{0}: the training rows have changed since the run was started (mean and deviation differ from scaler.json)")]
    OtherRows(PathBuf),
    /// The run would go on to other bits.
    #[error("{0}: bits may differ")]
    Break(String),
    /// The run has no weights.
    #[error("{0}: the run has no weights yet")]
    Untrained(PathBuf),
}

impl From<GpuError> for ExperimentError {
    fn from(e: GpuError) -> Self {
        SessionError::from(e).into()
    }
}

impl From<TableError> for ExperimentError {
    fn from(e: TableError) -> Self {
        EvaluateError::from(e).into()
    }
}

impl From<ArchiveError> for ExperimentError {
    fn from(e: ArchiveError) -> Self {
        StoredError::from(e).into()
    }
}

/// Of a file that it is about, unless the error names it already.
#[cfg(feature = "native")]
pub(super) fn in_file(file: &std::path::Path) -> impl FnOnce(DataError) -> ExperimentError {
    let file = file.to_owned();
    move |source| match source {
        DataError::Open { .. } => source.into(),
        source => ExperimentError::File { file, source },
    }
}

/// Of the file that the data were read from, where it is about the data.
#[cfg(feature = "native")]
pub(super) fn of_file(file: &std::path::Path) -> impl FnOnce(ExperimentError) -> ExperimentError {
    let in_file = in_file(file);
    move |e| match e {
        ExperimentError::Data(source) => in_file(source),
        e => e,
    }
}
