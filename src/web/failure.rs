//! Errors for the page: kind, message and hint.

use crate::bytes::size_text;
use crate::config::{Config, ConfigError};
use crate::data::DataError;
use crate::evaluate::EvaluateError;
use crate::experiment::{ArchiveError, StoredError};
use crate::forecast::TableError;
use crate::gpu::GpuError;
use crate::inspect::InspectError;
use crate::plan::{Outlook, PlanError};
use crate::selftest::SelfTestError;
use crate::series_graph::SeriesGraphError;
use crate::session::SessionError;
use crate::train::TrainError;
use serde::Serialize;
use wasm_bindgen::JsValue;

/// An error for the page.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    kind: &'static str,
    message: String,
    hint: Option<String>,
    /// The key of the config that causes the error, if there is one.
    key: Option<&'static str>,
    /// Plans that fit, if the memory budget is too small.
    outlook: Option<Box<Outlook>>,
    /// The config of a run file whose memory budget is too small. The file can be opened with another budget.
    config: Option<String>,
}

/// The key of the memory budget.
const MEMORY: &str = "training.memory";

impl Failure {
    fn new(kind: &'static str, message: impl ToString, hint: Option<&str>) -> Self {
        Self { kind, message: message.to_string(), hint: hint.map(str::to_owned), key: None, outlook: None, config: None }
    }

    /// Adds the plans that fit, if the memory budget is too small.
    pub(super) fn with(self, outlook: Outlook) -> Self {
        Self { outlook: Some(Box::new(outlook)), ..self }
    }

    /// Adds the config of the run file, if its memory budget is too small.
    pub(super) fn of_run(self, config: &Config) -> Self {
        let config = self.outlook.as_ref().and_then(|_| config.to_toml().ok());
        Self { config, ..self }
    }

    /// An internal error.
    pub(super) fn bug(message: String) -> Self {
        Self::new("bug", format!("internal error: {message}"), Some("please report it together with the config"))
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

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let text = serde_json::to_string(&failure).unwrap_or_else(|e| e.to_string());
        js_sys::JSON::parse(&text).unwrap_or_else(|_| text.into())
    }
}

const LOST: &str = "the state of the last checkpoint is not lost: continue from it, or download the run";
const SMALLER: &str = "set a smaller memory budget (training.memory), or reduce window.history or model.d_model in the config";

impl From<GpuError> for Failure {
    fn from(e: GpuError) -> Self {
        match &e {
            GpuError::NoAdapter => Self::new(
                "no-adapter",
                "this browser provides no WebGPU adapter",
                Some(
                    "turn on hardware acceleration in the browser settings, or use a current Chrome, Edge or Safari; the command-line \
                     program `pgat` needs no browser",
                ),
            ),
            GpuError::NoSuchAdapter { .. } => Self::new("no-adapter", &e, None),
            GpuError::Device { .. } => Self::new("no-adapter", &e, Some("close other tabs that use the GPU, and reload this page")),
            GpuError::OutOfMemory { .. } => Self::new("memory", &e, Some(SMALLER)),
            GpuError::Lost(_) => Self::new("device-lost", &e, Some(LOST)),
            GpuError::Kernel { .. } | GpuError::Validation(_) | GpuError::Unplanned { .. } => Self::bug(e.to_string()),
        }
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

impl From<SelfTestError> for Failure {
    fn from(e: SelfTestError) -> Self {
        match e {
            SelfTestError::Gpu(e) => e.into(),
            e => Self::new("bug", format!("a kernel failed on this device: {e}"), Some("please report it with the name of the device")),
        }
    }
}
