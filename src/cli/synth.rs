//! `pgat synth`.

use super::console::{self, shell};
use super::context::Context;
use super::error::Hint as _;
use super::{Ending, open};
use anyhow::{Context as _, anyhow};
use pgat::calendar::{Frequency, Stamp, parse_stamp};
use pgat::synth::{SynthSettings, Synthetic, original_frequency};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Generate synthetic data: waves that drive targets, the true graph and a first config
///
/// Uses the formula of the original system: nonlinear functions of sums of waves, with noise. In addition to the table NAME.csv, it writes
/// the true graph of waves and targets to NAME_edges.csv and a config to NAME.toml. The path of the config is printed to stdout.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the table to this CSV file; a name that ends in .gz selects gzip compression
    #[arg(long, value_name = "FILE", default_value = "data/synthetic_multi_wave.csv")]
    out: PathBuf,
    /// Number of rows
    #[arg(long, value_name = "N", default_value_t = 4096)]
    rows: usize,
    /// Number of waves that drive the targets
    #[arg(long, value_name = "N", default_value_t = 7)]
    waves: usize,
    /// Number of targets
    #[arg(long, value_name = "N", default_value_t = 3)]
    targets: usize,
    /// Time step between rows, such as H, D or 15min
    #[arg(long, value_name = "STEP", default_value = "H", value_parser = original_frequency)]
    freq: Frequency,
    /// Timestamp of the first row: a date, or date and time
    #[arg(long, value_name = "DATE", default_value = "2020-01-01", value_parser = parse_stamp)]
    start: Stamp,
    /// Seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Maximum lag in rows: each wave acts on each target with a random lag from 1 to N; 0 means no lag, as in the original
    #[arg(long, value_name = "N", default_value_t = 0)]
    lags: usize,
    /// Fraction of the wave-target pairs without effect, 0 to 1
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    sparsity: f64,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let made = Synthetic::new(SynthSettings {
        rows: options.rows,
        waves: options.waves,
        targets: options.targets,
        frequency: options.freq,
        start: options.start,
        seed: options.seed,
        lags: options.lags,
        sparsity: options.sparsity,
    })?;
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let table = name(&options.out).with_context(|| format!("--out {} is not a file name", options.out.display()))?;
    let stem = table.strip_suffix(".gz").unwrap_or(&table);
    let stem = stem.strip_suffix(".csv").unwrap_or(stem).to_owned();
    let edges = format!("{stem}_edges.csv");
    let (edges_path, config_path) = (options.out.with_file_name(&edges), options.out.with_file_name(format!("{stem}.toml")));
    let there = [&options.out, &edges_path, &config_path].into_iter().find(|path| path.exists());
    if let Some(path) = there.filter(|_| !options.force) {
        return Err(anyhow!("{} already exists", path.display())).hint(|| "give another --out, or overwrite the file with --force".into());
    }
    if let Some(folder) = options.out.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be created", folder.display()))?;
    }
    let mut bytes = made.csv().into_bytes();
    if table.ends_with(".gz") {
        let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
        packed.write_all(&bytes)?;
        bytes = packed.finish()?;
    }
    open::write(&options.out, &bytes)?;
    open::write(&edges_path, made.edges_csv().as_bytes())?;
    open::write(&config_path, made.config(&stem, &table, &edges).as_bytes())?;
    context.say(&format!("data: {}", options.out.display()));
    context.say(&format!("true graph: {}", edges_path.display()));
    context.say(&format!("next: pgat train {}", shell(&config_path)));
    console::result(&format!("{}\n", config_path.display()))?;
    Ok(Ending::Done)
}
