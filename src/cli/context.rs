//! The global options: where to compute, and how much to print.

use super::console;
use anyhow::{Context as _, bail};
use pgat::engine::executor::Backend;
use pgat::engine::plan::AdapterClass;
use std::path::Path;

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BackendKind {
    /// A GPU, or a driver that emulates one on the CPU
    Gpu,
    /// The f64 reference implementation on the CPU: slow, precise, needs no adapter
    Reference,
}

/// The global options.
pub(crate) struct Context {
    pub(crate) device: Option<String>,
    pub(crate) backend: Option<BackendKind>,
    pub(crate) quiet: bool,
}

impl Context {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.backend == Some(BackendKind::Reference) && self.device.is_some() {
            bail!("--device selects an adapter, but --backend reference uses none; drop one of the two options");
        }
        Ok(())
    }

    /// Opens the backend that `--backend` selects; the default is the device.
    pub(crate) fn open(&self) -> anyhow::Result<Backend> {
        self.open_as(self.backend.unwrap_or(BackendKind::Gpu))
    }

    pub(crate) fn open_as(&self, kind: BackendKind) -> anyhow::Result<Backend> {
        match kind {
            BackendKind::Reference => Ok(Backend::Reference),
            BackendKind::Gpu => Ok(pollster::block_on(Backend::open(self.device.as_deref()))?),
        }
    }

    /// Writes a line to stderr, unless `--quiet` is set.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            console::line(text);
        }
    }
}

/// A description of the adapter.
pub(crate) fn describe(backend: &Backend) -> String {
    match backend {
        Backend::Gpu(gpu) => gpu.adapter.to_string(),
        Backend::Reference => "none: f64 reference implementation on the CPU (--backend reference)".into(),
    }
}

/// An adapter class by name, or from a file written by `pgat tune` or `pgat bench --out`.
pub(crate) fn class(text: &str) -> anyhow::Result<AdapterClass> {
    let known = pgat::engine::shaders::classes();
    if let Some(class) = known.iter().find(|c| c.name == text) {
        return Ok(class.clone());
    }
    let names = known.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    let bytes = std::fs::read(Path::new(text))
        .with_context(|| format!("--class {text} is neither an adapter class ({names}) nor a readable file"))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{text} does not contain an adapter class as `pgat tune --out` writes it"))
}
