//! Errors as the page gets them: what kind, what went wrong, and what to do.

use crate::bytes::size_text;
use crate::config::{Config, ConfigError};
use crate::data::DataError;
use crate::evaluate::EvaluateError;
use crate::experiment::{ArchiveError, StoredError};
use crate::gpu::GpuError;
use crate::plan::{Outlook, PlanError};
use crate::selftest::SelfTestError;
use crate::series_graph::SeriesGraphError;
use crate::session::SessionError;
use crate::train::TrainError;
use serde::Serialize;
use wasm_bindgen::JsValue;

/// What went wrong.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    kind: &'static str,
    message: String,
    hint: Option<String>,
    /// Key of the config that it is about, where it is about one.
    key: Option<&'static str>,
    /// What would fit, where a budget is too small.
    outlook: Option<Box<Outlook>>,
    /// Config of a run file for which that is so: another budget opens it.
    config: Option<String>,
}

/// Key of the memory budget.
const MEMORY: &str = "training.memory";

impl Failure {
    fn new(kind: &'static str, message: impl ToString, hint: Option<&str>) -> Self {
        Self { kind, message: message.to_string(), hint: hint.map(str::to_owned), key: None, outlook: None, config: None }
    }

    /// A budget is too small for any plan, and these would fit.
    pub(super) fn with(self, outlook: Outlook) -> Self {
        Self { outlook: Some(Box::new(outlook)), ..self }
    }

    /// It is about a run file of this config.
    pub(super) fn of_run(self, config: &Config) -> Self {
        let config = self.outlook.as_ref().and_then(|_| config.to_toml().ok());
        Self { config, ..self }
    }

    /// Something that must not happen.
    pub(super) fn bug(message: String) -> Self {
        Self::new("bug", format!("internal error: {message}"), Some("please report it, with the config that led to it"))
    }

    /// A request that needs a plan came before one.
    pub(super) fn nothing_loaded() -> Self {
        Self::new("busy", "no data is loaded", Some("choose the example or a CSV file first"))
    }

    /// A run file was given with other data than its own.
    pub(super) fn other_data(file: &str) -> Self {
        Self::new(
            "data",
            format!("{file}: the training rows are not those that the run was trained on (mean and deviation differ)"),
            Some("give the file that the run was trained on, or train a new run on this one"),
        )
    }

    /// A request that needs weights came before there are any.
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

const LOST: &str = "nothing that was trained up to the last checkpoint is lost: go on from it, or download the run";
const SMALLER: &str = "set a smaller memory budget (training.memory), or a smaller window.history or model.d_model in the config";

impl From<GpuError> for Failure {
    fn from(e: GpuError) -> Self {
        match &e {
            GpuError::NoAdapter => Self::new(
                "no-adapter",
                "this browser gives no WebGPU adapter",
                Some(
                    "turn on hardware acceleration in its settings, or try a current Chrome, Edge or Safari; `pgat` on the command line \
                     needs no browser",
                ),
            ),
            GpuError::NoSuchAdapter { .. } => Self::new("no-adapter", &e, None),
            GpuError::Device { .. } => Self::new("no-adapter", &e, Some("close other tabs that use the GPU, and load this page again")),
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
                    "raise the memory budget to {} or more, or make the model smaller: fewer targets, a shorter window.history, a smaller \
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
            TrainError::Empty => Self::new("data", e, Some("give more rows to training, or shorten history and horizon")),
            TrainError::NothingToValidate => Self { key: Some("training.patience"), ..Self::new("config", e, None) },
            TrainError::Store(_) => Self::bug(e.to_string()),
        }
    }
}

impl From<SeriesGraphError> for Failure {
    fn from(e: SeriesGraphError) -> Self {
        let hint = match &e {
            SeriesGraphError::NoBytes(_) => Some(
                "this page takes no graph file: drop graph.edges or graph.matrix, build the graph from the data with graph.nearest, \
                 or train with `pgat` on the command line",
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
            e => Self::new("data", e, None),
        }
    }
}

impl From<EvaluateError> for Failure {
    fn from(e: EvaluateError) -> Self {
        match e {
            EvaluateError::Session(e) => e.into(),
            EvaluateError::Data(e) => e.into(),
            EvaluateError::NoPart(_) | EvaluateError::NoWindow { .. } => Self::new("data", e, None),
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
            e => Self::new("bug", format!("a kernel fails on this device: {e}"), Some("please report it with the name of the device")),
        }
    }
}
