//! `pgat forecast`.

use super::budget::MemoryBudget;
use super::context::Context;
use super::error::Hint as _;
use super::{Ending, console, open};
use anyhow::Context as _;
use pgat::config::{LevelSet, Levels};
use pgat::evaluate::{Forecast, ForecastOptions};
use pgat::experiment::{LoadOptions, Run};
use pgat::forecast::ForecastTable;
use pgat::forecast::plot::{FanChartOptions, fan_chart};
use std::path::{Path, PathBuf};

/// Forecast the steps after the last observation in a file
///
/// The forecast starts after the last row of the data file in which any target has a value. Later rows provide the values of known-future
/// columns. The result is a CSV table with one row per step and series: mean, standard deviation and quantiles.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run folder made by `pgat train`, or run file saved by the browser page
    run: PathBuf,
    /// Data file with the columns of the training data, in any format that `pgat init` reads, or - for standard input
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Write the table to this CSV file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a fan chart to this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Quantile levels: comma-separated numbers such as 0.1,0.5,0.9, `ventiles` or `percentiles` [default: `evaluation.levels` of the
    /// config]
    #[arg(long, value_parser = levels)]
    levels: Option<Levels>,
    /// Number of samples per value, for --samples-out [default: 100]
    #[arg(long, value_name = "N", requires = "samples_out")]
    samples: Option<usize>,
    /// Draw samples and write them to this CSV file
    #[arg(long, value_name = "FILE")]
    samples_out: Option<PathBuf>,
    #[command(flatten)]
    weights: open::WeightsChoice,
    #[command(flatten)]
    memory: MemoryBudget,
}

/// Number of samples if only --samples-out is given.
const SAMPLES: usize = 100;
/// Levels for the bands and the median of the chart.
const CHART: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];

fn levels(text: &str) -> Result<Levels, String> {
    match text {
        "ventiles" => return Ok(Levels::Named(LevelSet::Ventiles)),
        "percentiles" => return Ok(Levels::Named(LevelSet::Percentiles)),
        _ => {}
    }
    let list: Result<Vec<f64>, _> = text.split(',').map(|t| t.trim().parse()).collect();
    let mut list = list.map_err(|_| "give comma-separated numbers such as 0.1,0.5,0.9, or ventiles, or percentiles".to_owned())?;
    if list.iter().any(|&p| !(p > 0.0 && p < 1.0)) {
        return Err("each level must be greater than 0 and less than 1".into());
    }
    list.sort_by(f64::total_cmp);
    list.dedup();
    Ok(Levels::List(list))
}

/// Merges two lists in ascending order.
fn joined(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut all = a.to_vec();
    all.extend(b.iter().filter(|p| !a.iter().any(|q| (*p - q).abs() < 1e-9)));
    all.sort_by(f64::total_cmp);
    all
}

/// The table with only the given levels.
fn restricted(table: &ForecastTable, levels: &[f64]) -> ForecastTable {
    let kept: Vec<usize> = table.levels.iter().enumerate().filter(|(_, p)| levels.contains(p)).map(|(q, _)| q).collect();
    let cells = table.quantiles.chunks(table.levels.len().max(1));
    let quantiles = cells.flat_map(|cell| kept.iter().map(|&q| cell[q])).collect();
    ForecastTable { levels: kept.iter().map(|&q| table.levels[q]).collect(), quantiles, ..table.clone() }
}

/// Whether two paths are one file: also by another name, or by a link.
fn is_same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (std::fs::metadata(a), std::fs::metadata(b)) {
        use std::os::unix::fs::MetadataExt as _;
        return (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    place(a) == place(b)
}

/// Whether a path is a run, or an existing file in its folder.
fn is_of_run(path: &Path, run: &Path) -> bool {
    let inside = |entry: std::fs::DirEntry| {
        let at = entry.path();
        is_same(path, &at) || (at.is_dir() && is_of_run(path, &at))
    };
    is_same(path, run) || (path.exists() && std::fs::read_dir(run).is_ok_and(|entries| entries.flatten().any(inside)))
}

/// Refuses outputs that would replace the data, another output, or a file of the run.
fn check_outputs(options: &Options, run: &Run) -> anyhow::Result<()> {
    let outputs = [("--out", &options.out), ("--plot", &options.plot), ("--samples-out", &options.samples_out)];
    let given: Vec<(&str, &Path)> = outputs.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?))).collect();
    for (k, (flag, path)) in given.iter().enumerate() {
        let taken = if is_same(path, &options.data) {
            Some("it is the file of --data")
        } else if is_same(path, &run.record.data) {
            Some("it is the file that the run was trained on")
        } else if run.config.data.join.iter().any(|joined| is_same(path, Path::new(joined))) {
            Some("it is a file of data.join of the run")
        } else if is_of_run(path, &options.run) {
            Some("it is a file of the run")
        } else if given[..k].iter().any(|(_, other)| is_same(other, path)) {
            Some("another output has the same name")
        } else {
            None
        };
        if let Some(taken) = taken {
            let refused = Err(anyhow::anyhow!("{flag} {} would be replaced: {taken}", path.display()));
            return refused.hint(|| "give another file name".into());
        }
    }
    Ok(())
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let mut run = Run::open(&options.run)?;
    check_outputs(options, &run)?;
    options.memory.apply(&mut run.config.training);
    let seed = run.record.seed;
    let experiment = run.open_data(Some(&options.data))?;
    open::notes(context, &experiment);
    // A file from which no forecast can be made is an error before an adapter is opened.
    let window = experiment.dataset().forecast_window().with_context(|| options.data.display().to_string())?;
    for note in experiment.dataset().silent_targets(&window) {
        context.say(&format!("note: {note}"));
    }
    let levels = options.levels.as_ref().unwrap_or(&experiment.config().evaluation.levels).values();
    let samples = if options.samples_out.is_some() { options.samples.unwrap_or(SAMPLES) } else { 0 };
    let all = if options.plot.is_some() { joined(&levels, &CHART) } else { levels.clone() };
    let one = LoadOptions { weights: options.weights.weights(), batch: Some(1), ..LoadOptions::default() };
    let mut trained = open::trained(context, &experiment, &one)?;
    let wanted = ForecastOptions { levels: all, samples, seed };
    let Forecast { origin, table } = pollster::block_on(trained.forecast(&wanted)).with_context(|| options.run.display().to_string())?;
    let span = format!("{} to {}", table.stamps.first().map_or("", |s| s), table.stamps.last().map_or("", |s| s));
    context.say(&format!("forecast of {span}, last observation at {origin}"));
    if let Some(path) = &options.plot {
        let title = format!("{}: forecast of {span}", experiment.config().name);
        let svg = fan_chart(&table, &FanChartOptions { title, ..FanChartOptions::default() })?;
        open::write(path, svg.as_bytes())?;
        context.say(&format!("chart: {}", path.display()));
    }
    if let Some(path) = &options.samples_out {
        let mut csv = vec![];
        table.write_samples_csv(&mut csv)?;
        open::write(path, &csv)?;
        context.say(&format!("samples: {}", path.display()));
    }
    let mut csv = vec![];
    restricted(&table, &levels).write_csv(&mut csv)?;
    match &options.out {
        Some(path) => {
            open::write(path, &csv)?;
            context.say(&format!("table: {}", path.display()));
        }
        None => console::result(std::str::from_utf8(&csv)?)?,
    }
    Ok(Ending::Done)
}
