//! What every command knows: where to compute, and how much to say.

use super::console;
use anyhow::{Context as _, bail};
use pgat::engine::executor::Backend;
use pgat::engine::plan::AdapterClass;
use std::path::Path;

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BackendKind {
    /// On a GPU, or a driver that plays one on the CPU
    Gpu,
    /// On the f64 twins: slow and exact, needs no adapter
    Reference,
}

/// Options of every command.
pub(crate) struct Context {
    pub(crate) device: Option<String>,
    pub(crate) backend: Option<BackendKind>,
    pub(crate) quiet: bool,
}

impl Context {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.backend == Some(BackendKind::Reference) && self.device.is_some() {
            bail!("--device chooses an adapter, and --backend reference uses none: drop one of them");
        }
        Ok(())
    }

    /// Opens the backend that was asked for: the device unless the twins were.
    pub(crate) fn open(&self) -> anyhow::Result<Backend> {
        self.open_as(self.backend.unwrap_or(BackendKind::Gpu))
    }

    pub(crate) fn open_as(&self, kind: BackendKind) -> anyhow::Result<Backend> {
        match kind {
            BackendKind::Reference => Ok(Backend::Reference),
            BackendKind::Gpu => Ok(pollster::block_on(Backend::open(self.device.as_deref()))?),
        }
    }

    /// Says something on stderr, unless told not to.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            console::line(text);
        }
    }
}

/// The adapter in words.
pub(crate) fn describe(backend: &Backend) -> String {
    match backend {
        Backend::Gpu(gpu) => gpu.adapter.to_string(),
        Backend::Reference => "none: the f64 twins (--backend reference)".into(),
    }
}

/// A class by name, or from a file that `pgat tune` wrote.
pub(crate) fn class(text: &str) -> anyhow::Result<AdapterClass> {
    let known = pgat::engine::shaders::classes();
    if let Some(class) = known.iter().find(|c| c.name == text) {
        return Ok(class.clone());
    }
    let names = known.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    let bytes = std::fs::read(Path::new(text))
        .with_context(|| format!("--class {text} is neither a class ({names}) nor a file that can be read"))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{text} is no class of adapters as `pgat tune --out` writes them"))
}
