//! Errors of experiments.

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

/// An error of an experiment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// The config is not valid.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The data cannot be used.
    #[error("{0}")]
    Data(#[from] DataError),
    /// The data in a file cannot be used.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: DataError,
    },
    /// The series graph cannot be used.
    #[error("{place}: {source}")]
    Graph {
        /// The graph file, or the section of the config.
        place: String,
        /// What is wrong with it.
        source: SeriesGraphError,
    },
    /// The model, the plan or the device failed.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// Training failed.
    #[error("{0}")]
    Train(#[from] TrainError),
    /// Evaluation or forecasting failed.
    #[error("{0}")]
    Evaluate(#[from] EvaluateError),
    /// Inspection failed.
    #[error("{0}")]
    Inspect(#[from] InspectError),
    /// The files of the run cannot be used.
    #[error("{0}")]
    Stored(#[from] StoredError),
    /// The training rows differ from those on which the run was trained.
    #[error("{0}: the training rows have changed since the run was started (mean and standard deviation differ from scaler.json)")]
    OtherRows(PathBuf),
    /// The resumed run may not give bit-identical results.
    #[error("{0}: the results may not be bit-identical")]
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

/// The absolute path of a data file; none for standard input.
#[cfg(feature = "native")]
pub(super) fn place(file: &std::path::Path) -> Option<PathBuf> {
    if file.as_os_str() == "-" { None } else { std::path::absolute(file).ok() }
}

/// Adds the file to an error, unless the error already names it.
#[cfg(feature = "native")]
pub(super) fn in_file(file: &std::path::Path) -> impl FnOnce(DataError) -> ExperimentError {
    let file = if file.as_os_str() == "-" { "standard input".into() } else { file.to_owned() };
    move |source| match source {
        DataError::Open { .. } => source.into(),
        source => ExperimentError::File { file, source },
    }
}

/// Adds the data file to an error about the data.
#[cfg(feature = "native")]
pub(super) fn of_file(file: &std::path::Path) -> impl FnOnce(ExperimentError) -> ExperimentError {
    let in_file = in_file(file);
    move |e| match e {
        ExperimentError::Data(source) => in_file(source),
        e => e,
    }
}
