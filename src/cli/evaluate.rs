//! `pgat evaluate`.

use super::budget::MemoryBudget;
use super::context::Context;
use super::error::Hint as _;
use super::progress::Progress;
use super::{Ending, console, open};
use anyhow::Context as _;
use pgat::calendar::{Moment, TimeFormat, parse_moment};
use pgat::data::{Part, SeenWindows};
use pgat::evaluate::{Evaluation, check_observed};
use pgat::experiment::{LoadOptions, Run};
use std::path::PathBuf;

/// Evaluate a run and compare it with naive forecasts
///
/// Prints scores in the units of the data: negative log-likelihood, CRPS, pinball loss, absolute and squared errors, and the coverage of
/// the central 50, 80 and 90 % intervals. The same windows are scored for the naive forecast (last value) and the seasonal naive forecast
/// (same position in the last season). If the history of the targets is hidden, the training climatology is scored instead.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run folder made by `pgat train`, or run file saved by the browser page
    run: PathBuf,
    /// Part of the data to evaluate
    #[arg(long, value_enum, default_value_t = open::PartName::Test)]
    part: open::PartName,
    /// Evaluate all rows from this timestamp on, instead of a part
    #[arg(long, value_name = "STAMP", conflicts_with = "part")]
    from: Option<String>,
    #[command(flatten)]
    data: open::OtherData,
    #[command(flatten)]
    weights: open::WeightsChoice,
    #[command(flatten)]
    memory: MemoryBudget,
    /// Also print the CRPS of each series
    #[arg(long)]
    per_series: bool,
    /// Also print the CRPS of each step of the horizon
    #[arg(long)]
    per_step: bool,
    /// Print the result as JSON, including the scores of each series and step
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let mut run = Run::open(&options.run)?;
    options.memory.apply(&mut run.config.training);
    let from = options.from.as_deref().map(|text| moment(text, run.config.data.time_format.as_deref())).transpose()?;
    let data = options.data.data.as_deref();
    let experiment = open::run_data(run, data)?;
    if let (None, Err(changed)) = (data, experiment.check_rows()) {
        console::warn(&changed.to_string());
    }
    let part = from.map_or_else(|| options.part.part(), Part::From);
    let seen = experiment.seen_windows(part)?;
    // A part without windows or values is an error before an adapter is opened.
    let windows = experiment.dataset().evaluation_windows(part)?.len();
    check_observed(experiment.dataset(), part).with_context(|| options.run.display().to_string())?;
    let mut trained = open::trained(context, &experiment, &LoadOptions { weights: options.weights.weights(), ..LoadOptions::default() })?;
    let mut progress = Progress::new(windows as u64, 0, context.quiet);
    let all = trained.evaluate_with(part, |done, _| progress.at(done as u64, "windows scored".into()));
    let evaluation = pollster::block_on(all).with_context(|| options.run.display().to_string());
    progress.finish();
    let evaluation = evaluation?;
    if let Some(warning) = seen_text(seen, part, evaluation.windows) {
        console::warn(&warning);
    }
    if options.json {
        console::json(&Scored { evaluation: &evaluation, seen })?;
    } else {
        console::result(&text(&evaluation, options))?;
    }
    Ok(Ending::Done)
}

/// The timestamp of --from: in the form of the data, or in one with one meaning.
fn moment(text: &str, format: Option<&str>) -> anyhow::Result<Moment> {
    let format = format.map(TimeFormat::parse).transpose().map_err(|e| anyhow::anyhow!("data.time_format: {e}"))?;
    if let Some(moment) = format.as_ref().and_then(|format| format.read(text).ok()) {
        return Ok(moment);
    }
    let read = parse_moment(text).map_err(|_| anyhow::anyhow!("--from: \"{text}\" is no timestamp"));
    let form = format.map_or_else(String::new, |format| format!("{format} (data.time_format) or "));
    read.hint(|| format!("use the form {form}YYYY-MM-DD HH:MM, such as 2016-07-31 13:00"))
}

/// Scores as JSON.
#[derive(serde::Serialize)]
struct Scored<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    /// Windows with rows that the run has seen.
    seen: SeenWindows,
}

/// A warning if the scores are of rows that the run has seen.
fn seen_text(seen: SeenWindows, part: Part, windows: usize) -> Option<String> {
    let of = |count: usize, what: &str| {
        let (count, all) = (console::thousands(count as u64), console::thousands(windows as u64));
        format!("{count} of {all} forecasts are of rows {what}: these are no test scores")
    };
    match seen {
        SeenWindows { trained: 0, chosen: 0 } => None,
        SeenWindows { trained: 0, .. } if part == Part::Validation => None,
        SeenWindows { trained: 0, chosen } => Some(of(chosen, "on which the weights of the run were chosen")),
        SeenWindows { trained, .. } => Some(of(trained, "that the run was trained on")),
    }
}

fn text(e: &Evaluation, options: &Options) -> String {
    let windows = console::thousands(e.windows as u64);
    let mut text = format!("{windows} forecasts of the {} part, origins {} to {}\n\n", e.part, e.first_origin, e.last_origin);
    text += &e.report.to_text();
    if let Some(nll) = e.standardised_nll {
        text += &format!("NLL of the model in standardised units: {nll:.4}\n");
    }
    if options.per_series {
        text += &format!("\n{}", e.report.series_text());
    }
    if options.per_step {
        text += &format!("\n{}", e.report.step_text());
    }
    if let Some(verdict) = e.verdict() {
        text += &format!("\n{verdict}\n");
    }
    text
}
