//! `pgat init`.

use super::context::Context;
use super::error::Hint as _;
use super::{Ending, console};
use anyhow::Context as _;
use pgat::data::DataError;
use pgat::starter::{self, starter};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

/// Write a first config for a table
///
/// The format, the time column, the series, their drivers and the window lengths are derived from all cells, and the size of the model from
/// the predicted time of training on this adapter. Comments in the config say what each value was derived from. Check and edit it, then use
/// it with `pgat plan` and `pgat train`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Data file, or - for standard input: one row per time step and one column per series, or a long table with one row per series and
    /// time step
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The time column
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// Form of the timestamps, such as "%d.%m.%Y %H:%M" or "epoch s"
    #[arg(long, value_name = "FORMAT")]
    time_format: Option<String>,
    /// Zone of the timestamps, such as Europe/Berlin: local times if they have no offset
    #[arg(long, value_name = "ZONE", conflicts_with = "no_time")]
    timezone: Option<String>,
    /// Use the rows as steps of equal length, without timestamps
    #[arg(long, conflicts_with_all = ["time", "time_format"])]
    no_time: bool,
    /// Write the config to this TOML file instead of stdout; `data.path` is then relative to its folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A result about a file. Its error has a hint if it may be due to summer time.
fn in_file<T>(made: Result<T, DataError>, file: &str) -> anyhow::Result<T> {
    let summer = match &made {
        Err(DataError::DuplicateStamp { stamp, .. }) => !stamp.ends_with(" 00:00:00"),
        Err(DataError::Irregular { zone, .. }) => *zone,
        _ => false,
    };
    let named = match made {
        Err(e @ DataError::Open { .. }) => Err(e.into()),
        made => made.with_context(|| file.to_owned()),
    };
    if summer { named.hint(|| "give --timezone ZONE, such as Europe/Berlin, if the clocks change there".into()) } else { named }
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let path = &options.file;
    let hints = starter::Options {
        no_time: options.no_time,
        time: options.time.clone(),
        time_format: options.time_format.clone(),
        timezone: options.timezone.clone(),
    };
    // Without an adapter, the times of the reference are as good as none.
    let backend = context.open().ok();
    let mut predict = |shape: &_, model: &_, training: &_| backend.as_ref().and_then(|b| starter::predicted(b, shape, model, training));
    let made = if path.as_os_str() == "-" {
        let mut bytes = vec![];
        std::io::stdin().lock().read_to_end(&mut bytes).context("standard input")?;
        in_file(starter(&bytes[..], "-", &hints, &mut predict), "standard input")?
    } else {
        // The path is absolute, so that the config can be stored in any folder. In the folder of the data, it is only the file name.
        let folder = |p: &PathBuf| std::path::absolute(p).ok().and_then(|p| p.parent().map(std::path::Path::to_owned));
        let beside = options.out.as_ref().map_or_else(|| std::env::current_dir().ok(), folder) == folder(path);
        let name = match path.file_name().filter(|_| beside) {
            Some(name) => name.to_string_lossy().into_owned(),
            None => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
        };
        in_file(starter(path.as_path(), &name, &hints, &mut predict), &path.display().to_string())?
    };
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
