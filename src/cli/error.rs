//! Errors on stderr: the chain of causes on one line, followed by hints.

use super::console;
use pgat::bytes::size_text;
use pgat::data::DataError;
use pgat::engine::gpu::GpuError;
use pgat::engine::plan::PlanError;
use pgat::experiment::{ExperimentError, StoredError};
use std::error::Error;
use std::fmt;

/// An error with a hint.
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

/// Adds a hint to an error.
pub(crate) trait Hint<T> {
    fn hint(self, text: impl FnOnce() -> String) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Hint<T> for Result<T, E> {
    fn hint(self, text: impl FnOnce() -> String) -> anyhow::Result<T> {
        self.map_err(|e| Hinted { error: e.into(), hint: text() }.into())
    }
}

/// The causes on one line, the outermost first. A cause that the preceding text already contains is omitted.
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

/// The hint for an error of an experiment that an option or a command can solve.
fn of_experiment(error: &ExperimentError) -> Option<String> {
    match error {
        ExperimentError::Untrained(run) => Some(format!("train the run: pgat train --resume {}", console::shell(run))),
        ExperimentError::OtherRows(_) => Some("restore the original file, or start a new run".into()),
        ExperimentError::Break(_) => Some("drop --strict to continue anyway".into()),
        _ => None,
    }
}

/// The hint for a run that cannot be used.
fn of_run(error: &StoredError) -> Option<String> {
    match error {
        StoredError::NotARun(_) | StoredError::Gone(_) => {
            Some("give a run folder made by `pgat train`, or a run file saved by the browser page".into())
        }
        StoredError::Exists(path) => Some(format!("give another --out, or resume the run: pgat train --resume {}", console::shell(path))),
        StoredError::Remains { .. } => Some("give another --out, or empty the folder".into()),
        _ => None,
    }
}

fn hints(error: &anyhow::Error) -> Vec<String> {
    let mut all = vec![];
    for cause in error.chain() {
        // A `Hinted` inside another one hides the type of its error, so that both are examined.
        let mut inner = cause;
        while let Some(hinted) = inner.downcast_ref::<Hinted>() {
            all.push(hinted.hint.clone());
            inner = hinted.error.as_ref();
        }
        all.extend(inner.downcast_ref::<ExperimentError>().and_then(of_experiment));
        all.extend(inner.downcast_ref::<StoredError>().and_then(of_run));
        if let Some(PlanError::Budget { smallest, .. }) = inner.downcast_ref::<PlanError>() {
            let size = size_text(*smallest);
            all.push(format!("give --memory {size} or more; `pgat plan` shows how to reduce the memory of a model before training"));
        }
        let general = match inner.downcast_ref::<GpuError>() {
            Some(GpuError::NoAdapter) => "to run without an adapter, slowly and in f64 on the CPU, use --backend reference",
            Some(GpuError::OutOfMemory { .. }) => "set a smaller budget with --memory; it affects only the run time, never the result",
            Some(GpuError::NoSuchAdapter { .. }) => "give a part of the name, backend or driver; `pgat doctor` lists the adapters",
            Some(GpuError::Kernel { .. }) => "run `pgat doctor --self-test` to test every kernel on this adapter",
            Some(GpuError::Device { .. }) => "choose another adapter with --device; `pgat doctor` lists the adapters",
            Some(GpuError::Lost(_)) => {
                "the system log may contain a driver message; if a watchdog reset it, lower training.submit_bound_ms"
            }
            _ => continue,
        };
        all.push(general.into());
    }
    match error.chain().find_map(|e| e.downcast_ref::<DataError>()) {
        Some(DataError::Forecast { .. } | DataError::MissingFuture { .. }) => {
            all.push("the forecast starts after the last row of the file in which any target has a value".into());
        }
        Some(DataError::NoTimeColumn { .. }) => {
            all.push("give --time COLUMN and --time-format FORMAT, or --no-time to use the rows as steps".into());
        }
        Some(DataError::AmbiguousDates { first, second, .. }) => {
            all.push(format!("give --time-format \"{first}\" or --time-format \"{second}\""));
        }
        _ => {}
    }
    all.dedup();
    all
}

/// Prints an error and its hints.
pub(crate) fn print(error: &anyhow::Error) {
    console::line(&format!("{} {}", console::bold_red("error:"), one_line(error)));
    for hint in hints(error) {
        console::line(&format!("{} {hint}", console::bold("hint:")));
    }
}
