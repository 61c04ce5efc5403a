//! Errors for the page: kind, message and hint.

use crate::gpu::GpuError;
use crate::plan::Outlook;
use serde::Serialize;
use wasm_bindgen::JsValue;

/// An error for the page.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// The key of the config that causes the error, if there is one.
    pub(super) key: Option<&'static str>,
    /// Plans that fit, if the memory budget is too small.
    pub(super) outlook: Option<Box<Outlook>>,
    /// The config of a run file whose memory budget is too small. The file can be opened with another budget.
    pub(super) config: Option<String>,
}

impl Failure {
    pub(super) fn new(kind: &'static str, message: impl ToString, hint: Option<&str>) -> Self {
        Self { kind, message: message.to_string(), hint: hint.map(str::to_owned), key: None, outlook: None, config: None }
    }

    /// An internal error.
    pub(super) fn bug(message: String) -> Self {
        Self::new("bug", format!("internal error: {message}"), Some("please report it together with the config"))
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let text = serde_json::to_string(&failure).unwrap_or_else(|e| e.to_string());
        js_sys::JSON::parse(&text).unwrap_or_else(|_| text.into())
    }
}

pub(super) const LOST: &str = "the state of the last checkpoint is not lost: continue from it, or download the run";
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
