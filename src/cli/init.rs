//! `pgat init`.

use super::context::Context;
use super::{Ending, console};
use anyhow::Context as _;
use pgat::data::DataError;
use pgat::starter::starter;
use std::io::Write as _;
use std::path::PathBuf;

/// Write a first config for a CSV file
///
/// Guessed from the header and the first rows: time column, series, lengths, a small model. What was guessed is said on stderr; read the
/// config, edit it, then give it to `pgat plan` and `pgat train`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// CSV file, plain or gzip'd: one row a time step, one column a series
    csv: PathBuf,
    /// Write the config there instead of to stdout; `data.path` is then relative to its folder
    #[arg(long, value_name = "TOML")]
    out: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let path = &options.csv;
    let file = std::fs::File::open(path).map_err(|source| DataError::Open { path: path.clone(), source })?;
    // A path that holds from wherever the config is put; beside its data it is the bare name.
    let folder = |p: &PathBuf| std::path::absolute(p).ok().and_then(|p| p.parent().map(std::path::Path::to_owned));
    let beside = options.out.as_ref().map_or_else(|| std::env::current_dir().ok(), folder) == folder(path);
    let name = match path.file_name().filter(|_| beside) {
        Some(name) => name.to_string_lossy().into_owned(),
        None => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
    };
    let made = starter(file, &name).with_context(|| path.display().to_string())?;
    for note in &made.notes {
        context.say(&format!("note: {note}"));
    }
    match &options.out {
        None => console::result(&made.config)?,
        Some(out) => {
            let create = std::fs::File::create_new(out);
            let mut created = create.with_context(|| format!("{} cannot be written, or exists already", out.display()))?;
            created.write_all(made.config.as_bytes()).with_context(|| out.display().to_string())?;
            context.say(&format!("config: {}", out.display()));
        }
    }
    Ok(Ending::Done)
}
