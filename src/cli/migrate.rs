//! `pgat migrate`.

use super::context::Context;
use super::error::Hint as _;
use super::{Ending, console, open};
use anyhow::{Context as _, anyhow};
use pgat::migrate::{DataFile, migrate};
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

/// Convert a config of the original system (YAML) to a pgat config (TOML)
///
/// Prints to stderr how each key was converted. The driver columns are read from the header of the data file: the file given with --data,
/// or the file named in the old config, relative to the config or to the current folder.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Config file of the original system
    #[arg(value_name = "CONFIG")]
    old: PathBuf,
    /// Data file [default: the file named in the old config]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Write the new config to this TOML file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let text = std::fs::read_to_string(&options.old).with_context(|| format!("{} cannot be read", options.old.display()))?;
    let name = options.old.file_stem().map_or_else(|| "run".into(), |s| s.to_string_lossy().into_owned());
    if let Some(out) = options.out.as_ref().filter(|out| out.exists()) {
        return Err(anyhow!("{} already exists", out.display())).hint(|| "give another --out, or remove the file first".into());
    }
    let place = || options.old.display().to_string();
    // The first conversion, without the data file, determines the path of the file.
    let first = migrate(&text, &name, &DataFile::default()).with_context(place)?;
    let found = options.data.clone().or_else(|| found(&first.toml, &options.old));
    let migrated = match found {
        Some(path) => {
            let file = look(&path, options.out.as_deref())?;
            context.say(&format!("data file: {}", path.display()));
            migrate(&text, &name, &file).with_context(place)?
        }
        None => first,
    };
    for account in &migrated.accounts {
        context.say(&account.to_string());
    }
    match &options.out {
        Some(out) => {
            open::write(out, migrated.toml.as_bytes())?;
            context.say(&format!("next: pgat plan {}", console::shell(out)));
        }
        None => console::result(&migrated.toml)?,
    }
    Ok(Ending::Done)
}

/// The data file of a migrated config, relative to the old config or to the current folder.
fn found(toml: &str, old: &Path) -> Option<PathBuf> {
    let config = pgat::config::Config::from_toml(toml).ok()?;
    let places = [config.data_path(old), PathBuf::from(&config.data.path)];
    places.into_iter().find(|path| path.is_file())
}

/// Header and number of rows of a data file, and its path relative to the new config.
fn look(path: &Path, out: Option<&Path>) -> anyhow::Result<DataFile> {
    let cannot = || format!("{} cannot be read", path.display());
    let mut reader = BufReader::new(std::fs::File::open(path).with_context(cannot)?);
    let packed = reader.fill_buf().with_context(cannot)?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> = if packed { Box::new(flate2::bufread::MultiGzDecoder::new(reader)) } else { Box::new(reader) };
    let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let header = table.headers().with_context(cannot)?;
    let header = header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    let mut rows = 0;
    for record in table.byte_records() {
        record.with_context(cannot)?;
        rows += 1;
    }
    let absolute = std::path::absolute(path).with_context(cannot)?;
    let folder = std::path::absolute(out.and_then(Path::parent).unwrap_or(Path::new("")))
        .unwrap_or_else(|_| std::env::current_dir().unwrap_or_default());
    let seen = absolute.strip_prefix(&folder).unwrap_or(&absolute).display().to_string();
    Ok(DataFile { path: Some(seen), header: Some(header), rows: Some(rows) })
}
