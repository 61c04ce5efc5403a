//! Errors on stderr: the chain of causes on one line, then what to do.

use super::console;
use pgat::data::DataError;
use pgat::gpu::GpuError;
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

fn hints(error: &anyhow::Error) -> Vec<String> {
    let mut all = vec![];
    for cause in error.chain() {
        // A `Hinted` behind another hides its error's type, so both are looked at.
        let mut inner = cause;
        while let Some(hinted) = inner.downcast_ref::<Hinted>() {
            all.push(hinted.hint.clone());
            inner = hinted.error.as_ref();
        }
        let general = match inner.downcast_ref::<GpuError>() {
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
