//! `pgat forecast`.

use super::budget::MemoryBudget;
use super::context::Context;
use super::{Ending, console, open};
use anyhow::Context as _;
use pgat::config::{LevelSet, Levels};
use pgat::evaluate::{Forecast, ForecastOptions};
use pgat::experiment::{LoadOptions, Run};
use pgat::forecast::ForecastTable;
use pgat::forecast::plot::{FanChartOptions, fan_chart};
use std::path::PathBuf;

/// Forecast the steps after the last observation in a file
///
/// The forecast starts after the last row of FILE in which any target has a value. Later rows supply the columns that are known in the
/// future. Written as CSV: a row for each step and series, with mean, standard deviation and quantiles.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder that `pgat train` made, or a file that the browser page saved
    run: PathBuf,
    /// CSV file, plain or gzip'd, with the columns of the training data
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Write the table there instead of to stdout
    #[arg(long, value_name = "CSV")]
    out: Option<PathBuf>,
    /// Draw a fan chart
    #[arg(long, value_name = "SVG")]
    plot: Option<PathBuf>,
    /// Quantile levels such as 0.1,0.5,0.9, or `ventiles` or `percentiles` [default: those of the config]
    #[arg(long, value_parser = levels)]
    levels: Option<Levels>,
    /// Draw N samples of each value
    #[arg(long, value_name = "N", requires = "samples_out")]
    samples: Option<usize>,
    /// Write the samples there
    #[arg(long, value_name = "CSV")]
    samples_out: Option<PathBuf>,
    #[command(flatten)]
    weights: open::WeightsChoice,
    #[command(flatten)]
    memory: MemoryBudget,
}

/// Samples where only their file is named.
const SAMPLES: usize = 100;
/// Levels that the chart's bands and median need.
const CHART: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];

fn levels(text: &str) -> Result<Levels, String> {
    match text {
        "ventiles" => return Ok(Levels::Named(LevelSet::Ventiles)),
        "percentiles" => return Ok(Levels::Named(LevelSet::Percentiles)),
        _ => {}
    }
    let list: Result<Vec<f64>, _> = text.split(',').map(|t| t.trim().parse()).collect();
    let mut list = list.map_err(|_| "write numbers with commas between, as in 0.1,0.5,0.9, or ventiles or percentiles".to_owned())?;
    if list.iter().any(|&p| !(p > 0.0 && p < 1.0)) {
        return Err("every level must be above 0 and below 1".into());
    }
    list.sort_by(f64::total_cmp);
    list.dedup();
    Ok(Levels::List(list))
}

/// Both lists in one, ascending.
fn joined(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut all = a.to_vec();
    all.extend(b.iter().filter(|p| !a.iter().any(|q| (*p - q).abs() < 1e-9)));
    all.sort_by(f64::total_cmp);
    all
}

/// The table with fewer levels.
fn restricted(table: &ForecastTable, levels: &[f64]) -> ForecastTable {
    let kept: Vec<usize> = table.levels.iter().enumerate().filter(|(_, p)| levels.contains(p)).map(|(q, _)| q).collect();
    let cells = table.quantiles.chunks(table.levels.len().max(1));
    let quantiles = cells.flat_map(|cell| kept.iter().map(|&q| cell[q])).collect();
    ForecastTable { levels: kept.iter().map(|&q| table.levels[q]).collect(), quantiles, ..table.clone() }
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let mut run = Run::open(&options.run)?;
    options.memory.apply(&mut run.config.training);
    let seed = run.record.seed;
    let experiment = run.open_data(Some(&options.data))?;
    open::notes(context, &experiment);
    // Refused before an adapter is opened: a file that no forecast can be made from.
    experiment.dataset().forecast_window().with_context(|| options.data.display().to_string())?;
    let levels = options.levels.as_ref().unwrap_or(&experiment.config().evaluation.levels).values();
    let samples = if options.samples_out.is_some() { options.samples.unwrap_or(SAMPLES) } else { 0 };
    let all = if options.plot.is_some() { joined(&levels, &CHART) } else { levels.clone() };
    let one = LoadOptions { weights: options.weights.weights(), batch: Some(1), ..LoadOptions::default() };
    let mut trained = open::trained(context, &experiment, &one)?;
    let wanted = ForecastOptions { levels: all, samples, seed };
    let Forecast { origin, table } = pollster::block_on(trained.forecast(&wanted)).with_context(|| options.run.display().to_string())?;
    let span = format!("{} to {}", table.stamps.first().map_or("", |s| s), table.stamps.last().map_or("", |s| s));
    context.say(&format!("forecast of {span}, from {origin}"));
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
