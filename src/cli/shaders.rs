//! `pgat shaders`.

use super::{Ending, console};
use anyhow::Context as _;
use std::path::PathBuf;

/// Write all WGSL sources that a device can receive
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder for the sources and their constants
    dir: PathBuf,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<Ending> {
    let count = pgat::engine::shaders::write_all(&options.dir).with_context(|| options.dir.display().to_string())?;
    console::result(&format!("{count} WGSL sources in {}\n", options.dir.display()))?;
    Ok(Ending::Done)
}
