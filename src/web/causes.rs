//! Errors of the engine for the page.

use super::failure::{Failure, LOST};
use crate::bytes::size_text;
use crate::config::{Config, ConfigError};
use crate::data::DataError;
use crate::evaluate::EvaluateError;
use crate::experiment::{ArchiveError, StoredError};
use crate::forecast::TableError;
use crate::inspect::InspectError;
use crate::plan::{Outlook, PlanError};
use crate::series_graph::SeriesGraphError;
use crate::session::SessionError;
use crate::train::TrainError;

/// The key of the memory budget.
const MEMORY: &str = "training.memory";

impl Failure {
    /// Adds the plans that fit, if the memory budget is too small.
    pub(super) fn with(self, outlook: Outlook) -> Self {
        Self { outlook: Some(Box::new(outlook)), ..self }
    }

    /// Adds the config of the run file, if its memory budget is too small.
    pub(super) fn of_run(self, config: &Config) -> Self {
        let config = self.outlook.as_ref().and_then(|_| config.to_toml().ok());
        Self { config, ..self }
    }

    /// A request needs a plan, but no data are loaded.
    pub(super) fn nothing_loaded() -> Self {
        Self::new("busy", "no data are loaded", Some("choose the example or a CSV file first"))
    }

    /// The data differ from those of the run file.
    pub(super) fn other_data(file: &str) -> Self {
        Self::new(
            "data",
            format!("{file}: the training rows differ from those on which the run was trained (mean and standard deviation differ)"),
            Some("choose the file on which the run was trained, or train a new run on this file"),
        )
    }

    /// A request needs weights, but the run has none.
    pub(super) fn untrained() -> Self {
        Self::new("run-file", "the run has no weights yet", Some("train it first"))
    }
}

impl From<SessionError> for Failure {
    fn from(e: SessionError) -> Self {
        match e {
            SessionError::Gpu(e) => e.into(),
            SessionError::Plan(e) => e.into(),
            SessionError::Config(e) => e.into(),
            SessionError::Weights { .. } => Self::new("run-file", e, None),
            SessionError::Model(_) | SessionError::Graph(_) | SessionError::NoTensor(_) => Self::bug(e.to_string()),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(e: PlanError) -> Self {
        match e {
            PlanError::Budget { smallest, .. } => {
                let hint = format!(
                    "raise the memory budget to {} or more, or reduce the model: fewer targets, a shorter window.history or a smaller \
                     model.d_model",
                    size_text(smallest)
                );
                Self { key: Some(MEMORY), ..Self::new("memory", &e, Some(&hint)) }
            }
            e => Self::new("memory", e, None),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(e: TrainError) -> Self {
        match e {
            TrainError::Session(e) => e.into(),
            TrainError::KeepsFailing { .. } => Self::new("device-lost", e, Some(LOST)),
            TrainError::NotFinite { .. } => Self::new("not-finite", e, None),
            TrainError::Empty => Self::new("data", e, Some("use more training rows, or reduce window.history and window.horizon")),
            TrainError::NothingToValidate => Self { key: Some("training.patience"), ..Self::new("config", e, None) },
            TrainError::Store(_) => Self::bug(e.to_string()),
        }
    }
}

impl From<InspectError> for Failure {
    fn from(e: InspectError) -> Self {
        match e {
            InspectError::Session(e) => e.into(),
            InspectError::Data(e) => e.into(),
            InspectError::Evaluate(e) => e.into(),
            InspectError::Truth { .. } => Self::new("data", e, Some("choose the edge list of these series")),
            InspectError::Off { .. } | InspectError::Weights(_) => Self::bug(e.to_string()),
        }
    }
}

impl From<SeriesGraphError> for Failure {
    fn from(e: SeriesGraphError) -> Self {
        let hint = match &e {
            SeriesGraphError::NoBytes(_) => Some(
                "this page cannot read graph files: remove graph.edges or graph.matrix, compute the graph from the data with \
                 graph.nearest, or train with the command-line program `pgat`",
            ),
            _ => None,
        };
        Self::new("config", e, hint)
    }
}

impl From<ConfigError> for Failure {
    fn from(e: ConfigError) -> Self {
        let key = if let ConfigError::Invalid { key, .. } = &e { Some(*key) } else { None };
        Self { key, ..Self::new("config", e, None) }
    }
}

impl From<DataError> for Failure {
    fn from(e: DataError) -> Self {
        match e {
            DataError::Config(e) => e.into(),
            e @ DataError::NoTimeColumn { .. } => {
                Self::new("data", e, Some("tick \"Rows are steps\" below, or write data.time and data.time_format by hand"))
            }
            e => Self::new("data", e, None),
        }
    }
}

impl From<EvaluateError> for Failure {
    fn from(e: EvaluateError) -> Self {
        match e {
            EvaluateError::Session(e) => e.into(),
            EvaluateError::Data(e) => e.into(),
            EvaluateError::NoPart(_)
            | EvaluateError::NoWindow { .. }
            | EvaluateError::NothingObserved { .. }
            | EvaluateError::Table(TableError::NotFinite { .. }) => Self::new("data", e, None),
            EvaluateError::Transform { .. } => Self::new("config", e, None),
            EvaluateError::Mixture { .. } => Self::new("not-finite", e, None),
            EvaluateError::Score(_) | EvaluateError::Baseline(_) | EvaluateError::Table(_) => Self::bug(e.to_string()),
        }
    }
}

impl From<StoredError> for Failure {
    fn from(e: StoredError) -> Self {
        Self::new("run-file", e, None)
    }
}

impl From<ArchiveError> for Failure {
    fn from(e: ArchiveError) -> Self {
        Self::new("run-file", e, None)
    }
}
