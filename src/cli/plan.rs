//! `pgat plan`, and what `train` says before it starts.

use super::console::{bytes, milliseconds, table, thousands};
use super::context::{self, Context};
use super::{Ending, console, open};
use pgat::config::Config;
use pgat::data::{Dataset, WindowCounts};
use pgat::executor::Backend;
use pgat::model::ModelShape;
use pgat::plan::{BufferSummary, Summary};
use pgat::series_graph::KnownGraph;
use pgat::session::{Purpose, plan};
use std::path::PathBuf;

/// Show what training would take; needs no adapter
///
/// Windows, parameters, memory by buffer, dispatches and predicted time of a step.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Config file
    config: PathBuf,
    /// Class of adapters to plan for, or a file that `pgat tune` wrote [default: portable-cpu]
    #[arg(long, value_name = "NAME|FILE")]
    class: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Counts the windows of the parts. A test part without windows is told, not refused: training needs none.
pub(crate) fn count_windows(dataset: &Dataset) -> anyhow::Result<WindowCounts> {
    let (windows, warning) = dataset.count_windows()?;
    if let Some(e) = warning {
        console::warn(&format!("there will be nothing to evaluate: {e}"));
    }
    Ok(windows)
}

/// A plan in some lines for people.
pub(crate) fn text(summary: &Summary, shape: &ModelShape, backend: Option<&Backend>) -> String {
    let w = &shape.window;
    let count = |n: usize, one: &str, many: &str| format!("{} {}", thousands(n as u64), if n == 1 { one } else { many });
    let micro = if summary.micro_batch < summary.batch { format!(" in micro-batches of {}", summary.micro_batch) } else { String::new() };
    let mut rows = vec![
        (
            "series",
            format!(
                "{}, {}, {}; {} rows of history, {} of horizon",
                count(w.num_targets, "target", "targets"),
                count(w.num_covariates, "covariate", "covariates"),
                count(w.num_channels, "channel", "channels"),
                w.history,
                w.horizon
            ),
        ),
        (
            "windows",
            format!(
                "{} training, {} validation, {} test",
                thousands(summary.windows.training as u64),
                thousands(summary.windows.validation as u64),
                thousands(summary.windows.test as u64)
            ),
        ),
        ("model", format!("{} parameters", thousands(summary.parameters as u64))),
        ("memory", format!("{} on the device ({} bytes): {}", bytes(summary.bytes), thousands(summary.bytes), buffers_text(summary))),
        (
            "a step",
            format!(
                "{} windows{micro}, {}, about {} predicted",
                summary.batch,
                count(summary.dispatches, "dispatch", "dispatches"),
                milliseconds(summary.predicted_ms)
            ),
        ),
        ("steps", thousands(summary.steps)),
    ];
    let adapter = backend.map(context::describe);
    if !adapter.as_ref().is_some_and(|a| a.contains(&summary.class)) {
        rows.push(("class", summary.class.clone()));
    }
    rows.extend(adapter.map(|a| ("adapter", a)));
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(k, v)| vec![k.to_owned(), v]).collect();
    table(&rows, &[0, 1])
}

/// Buffers from the largest down; those below a percent together.
fn buffers_text(summary: &Summary) -> String {
    let mut sums: Vec<BufferSummary> = vec![];
    for b in &summary.buffers {
        // Pages of the arena and slots of the staging ring are numbered.
        let kind = b.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
        match sums.iter_mut().find(|s| s.name == kind) {
            Some(sum) => sum.bytes += b.bytes,
            None => sums.push(BufferSummary { name: kind.to_owned(), bytes: b.bytes }),
        }
    }
    sums.sort_by_key(|b| std::cmp::Reverse(b.bytes));
    let (large, small): (Vec<BufferSummary>, Vec<BufferSummary>) = sums.into_iter().partition(|b| b.bytes >= summary.bytes / 100);
    let mut parts: Vec<String> = large.iter().map(|b| format!("{} {}", b.name, bytes(b.bytes))).collect();
    if !small.is_empty() {
        parts.push(format!("{} others {}", small.len(), bytes(small.iter().map(|b| b.bytes).sum())));
    }
    parts.join(", ")
}

/// What it would take to train a config here.
pub(crate) fn summary(
    config: &Config,
    dataset: &Dataset,
    graph: &KnownGraph,
    backend: &Backend,
    class: Option<&str>,
) -> anyhow::Result<(Summary, ModelShape)> {
    let shape = ModelShape::of(config, dataset, graph);
    let windows = count_windows(dataset)?;
    let class = class.map(context::class).transpose()?;
    let plan = plan(&shape, &config.training, Purpose::Train, backend, class.as_ref())?;
    Ok((Summary::new(&plan, windows, config.training.total_steps(windows.training)), shape))
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let config = open::config(&options.config)?;
    let dataset = open::dataset(&config, config.data.path.as_ref())?;
    let (graph, notes) = open::graph(&config, &dataset)?;
    open::notes(context, &dataset, &notes);
    let (summary, shape) = summary(&config, &dataset, &graph, &Backend::Reference, options.class.as_deref())?;
    if options.json {
        console::json(&summary)?;
    } else {
        console::result(&text(&summary, &shape, None))?;
    }
    Ok(Ending::Done)
}
