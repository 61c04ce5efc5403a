//! `pgat shaders`.

use super::{Ending, console};
use anyhow::Context as _;
use std::path::PathBuf;

/// Write every WGSL text that can reach a device
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder for the texts and their constants
    dir: PathBuf,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<Ending> {
    let count = pgat::engine::shaders::write_all(&options.dir).with_context(|| options.dir.display().to_string())?;
    console::result(&format!("{count} texts in {}\n", options.dir.display()))?;
    Ok(Ending::Done)
}
