//! Errors on stderr: the chain of causes on one line, then what to do.

use super::{console, open};
use pgat::bytes::size_text;
use pgat::data::DataError;
use pgat::engine::gpu::GpuError;
use pgat::engine::plan::PlanError;
use pgat::experiment::{ExperimentError, StoredError};
use std::error::Error;
use std::fmt;

/// An error with advice.
#[derive(Debug)]
struct Hinted {
    error: anyhow::Error,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)
    }
}

impl Error for Hinted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Adds advice to an error.
pub(crate) trait Hint<T> {
    fn hint(self, text: impl FnOnce() -> String) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Hint<T> for Result<T, E> {
    fn hint(self, text: impl FnOnce() -> String) -> anyhow::Result<T> {
        self.map_err(|e| Hinted { error: e.into(), hint: text() }.into())
    }
}

/// The causes from the outermost in, on one line; a cause that the text before already tells is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(|cause| cause.to_string().replace('\n', " ")) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// What to do about a run that cannot be used.
fn of_run(error: &StoredError) -> Option<String> {
    match error {
        StoredError::NotARun(_) | StoredError::Gone(_) => {
            Some("give a folder that `pgat train` made, or a file that the browser page saved".into())
        }
        StoredError::Exists(path) => Some(format!("give another --out, or go on with `pgat train --resume {}`", console::shell(path))),
        StoredError::Remains { .. } => Some("give another --out, or clear the folder".into()),
        _ => None,
    }
}

fn hints(error: &anyhow::Error) -> Vec<String> {
    let mut all = vec![];
    for cause in error.chain() {
        // A `Hinted` behind another hides its error's type, so both are looked at.
        let mut inner = cause;
        while let Some(hinted) = inner.downcast_ref::<Hinted>() {
            all.push(hinted.hint.clone());
            inner = hinted.error.as_ref();
        }
        all.extend(inner.downcast_ref::<ExperimentError>().and_then(open::hint));
        all.extend(inner.downcast_ref::<StoredError>().and_then(of_run));
        if let Some(PlanError::Budget { smallest, .. }) = inner.downcast_ref::<PlanError>() {
            let size = size_text(*smallest);
            all.push(format!("give --memory {size} or more (what makes a model smaller before it is trained: `pgat plan`)"));
        }
        let general = match inner.downcast_ref::<GpuError>() {
            Some(GpuError::NoAdapter) => "to run without any adapter, slowly and in f64, say --backend reference",
            Some(GpuError::OutOfMemory { .. }) => "a smaller budget is given with --memory; it changes the time alone, never the result",
            Some(GpuError::NoSuchAdapter { .. }) => "--device takes a part of a name, backend or driver; `pgat doctor` lists them",
            Some(GpuError::Kernel { .. }) => "`pgat doctor --self-test` tries every kernel on this adapter",
            Some(GpuError::Device { .. }) => "another adapter can be chosen with --device; `pgat doctor` lists them",
            Some(GpuError::Lost(_)) => "the driver may say more in the system's log; lower training.submit_bound_ms if it was a watchdog",
            _ => continue,
        };
        all.push(general.into());
    }
    if let Some(DataError::Forecast { .. } | DataError::MissingFuture { .. }) = error.chain().find_map(|e| e.downcast_ref::<DataError>()) {
        all.push("the forecast starts after the last row of the file in which any target has a value".into());
    }
    all.dedup();
    all
}

/// Says what went wrong.
pub(crate) fn print(error: &anyhow::Error) {
    console::line(&format!("{} {}", console::bold_red("error:"), one_line(error)));
    for hint in hints(error) {
        console::line(&format!("{} {hint}", console::bold("hint:")));
    }
}
