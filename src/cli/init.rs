//! `pgat init`.

use super::context::Context;
use super::error::Hint as _;
use super::{Ending, console};
use anyhow::Context as _;
use pgat::data::DataError;
use pgat::starter::starter;
use std::io::Write as _;
use std::path::PathBuf;

/// Write a first config for a CSV file
///
/// The time column, the series, the window lengths and a small model are derived from the header and the first rows, and printed to
/// stderr. Check and edit the config, then use it with `pgat plan` and `pgat train`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Data file: CSV, plain or gzip-compressed, with one row per time step and one column per series
    #[arg(value_name = "FILE")]
    csv: PathBuf,
    /// Write the config to this TOML file instead of stdout; `data.path` is then relative to its folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let path = &options.csv;
    let file = std::fs::File::open(path).map_err(|source| DataError::Open { path: path.clone(), source })?;
    // The path is absolute, so that the config can be stored in any folder. In the folder of the data, it is only the file name.
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
            let created = create.with_context(|| format!("{} already exists or cannot be created", out.display()));
            let mut created = created.hint(|| "give another --out, or remove the file first".into())?;
            created.write_all(made.config.as_bytes()).with_context(|| out.display().to_string())?;
            context.say(&format!("config: {}", out.display()));
        }
    }
    Ok(Ending::Done)
}
