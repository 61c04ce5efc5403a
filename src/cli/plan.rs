//! `pgat plan`, and what `train` says before it starts.

use super::console::{bytes, milliseconds, table, thousands};
use super::context::{self, Context};
use super::{Ending, console, open};
use pgat::config::Config;
use pgat::data::{Dataset, Part};
use pgat::executor::Backend;
use pgat::model::ModelShape;
use pgat::plan::{BufferRole, Plan};
use pgat::session::{Purpose, plan};
use serde::Serialize;
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

/// Windows of the parts.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Windows {
    pub(crate) training: usize,
    pub(crate) validation: usize,
    pub(crate) test: usize,
}

impl Windows {
    /// Counts them. A test part without windows is told, not refused: training needs none.
    pub(crate) fn count(dataset: &Dataset) -> anyhow::Result<Self> {
        let test = dataset.evaluation_windows(Part::Test).map_or_else(
            |e| {
                console::warn(&format!("there will be nothing to evaluate: {e}"));
                0
            },
            |w| w.len(),
        );
        let (training, validation) = (dataset.training_windows()?.len(), dataset.evaluation_windows(Part::Validation)?.len());
        Ok(Self { training, validation, test })
    }
}

/// A plan in numbers: `plan.json` of a run folder.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// Windows of the parts.
    windows: Windows,
    /// Optimiser steps of the whole run.
    steps: u64,
    /// Numbers that are learned.
    parameters: usize,
    /// Windows of an optimiser step.
    batch: usize,
    /// Windows on the device at once.
    micro_batch: usize,
    /// Dispatches of a training step.
    dispatches: usize,
    /// Predicted time of a training step.
    predicted_ms: f64,
    /// Class of adapters that it was made for.
    class: String,
    /// All buffers together.
    bytes: u64,
    /// Each buffer.
    buffers: Vec<Buffer>,
}

#[derive(Clone, Debug, Serialize)]
struct Buffer {
    name: String,
    bytes: u64,
}

fn name(role: BufferRole) -> String {
    match role {
        BufferRole::Parameters => "parameters".into(),
        BufferRole::Gradients => "gradients".into(),
        BufferRole::Moment1 => "moments 1".into(),
        BufferRole::Moment2 => "moments 2".into(),
        BufferRole::State => "optimiser state".into(),
        BufferRole::Constants => "constants".into(),
        BufferRole::Inputs => "inputs".into(),
        BufferRole::Arena(page) => format!("arena {page}"),
        BufferRole::DispatchUniforms => "dispatch uniforms".into(),
        BufferRole::StepUniforms => "step uniforms".into(),
        BufferRole::Staging(slot) => format!("staging {slot}"),
        BufferRole::ReadBack => "read-back".into(),
    }
}

impl Summary {
    pub(crate) fn new(plan: &Plan, windows: Windows, steps: u64) -> Self {
        let training = &plan.recordings[0];
        let graph = &training.program.graph;
        let parameters = graph.parameters().iter().map(|p| graph.tensors[p.0].operand.len()).sum();
        Self {
            windows,
            steps,
            parameters,
            batch: training.batch,
            micro_batch: training.micro_batch,
            dispatches: training.dispatch_count(),
            predicted_ms: 1000.0 * training.seconds(),
            class: plan.class.name.clone(),
            bytes: plan.bytes(),
            buffers: plan.buffers.iter().map(|b| Buffer { name: name(b.role), bytes: b.bytes }).collect(),
        }
    }

    /// Some lines for people.
    pub(crate) fn text(&self, shape: &ModelShape, backend: Option<&Backend>) -> String {
        let w = &shape.window;
        let count = |n: usize, one: &str, many: &str| format!("{} {}", thousands(n as u64), if n == 1 { one } else { many });
        let micro = if self.micro_batch < self.batch { format!(" in micro-batches of {}", self.micro_batch) } else { String::new() };
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
                    thousands(self.windows.training as u64),
                    thousands(self.windows.validation as u64),
                    thousands(self.windows.test as u64)
                ),
            ),
            ("model", format!("{} parameters", thousands(self.parameters as u64))),
            ("memory", format!("{} on the device ({} bytes): {}", bytes(self.bytes), thousands(self.bytes), self.buffers_text())),
            (
                "a step",
                format!(
                    "{} windows{micro}, {}, about {} predicted",
                    self.batch,
                    count(self.dispatches, "dispatch", "dispatches"),
                    milliseconds(self.predicted_ms)
                ),
            ),
            ("steps", thousands(self.steps)),
        ];
        let adapter = backend.map(context::describe);
        if !adapter.as_ref().is_some_and(|a| a.contains(&self.class)) {
            rows.push(("class", self.class.clone()));
        }
        rows.extend(adapter.map(|a| ("adapter", a)));
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(k, v)| vec![k.to_owned(), v]).collect();
        table(&rows, &[0, 1])
    }

    /// Buffers from the largest down; those below a percent together.
    fn buffers_text(&self) -> String {
        let mut sums: Vec<Buffer> = vec![];
        for b in &self.buffers {
            // Pages of the arena and slots of the staging ring are numbered.
            let kind = b.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
            match sums.iter_mut().find(|s| s.name == kind) {
                Some(sum) => sum.bytes += b.bytes,
                None => sums.push(Buffer { name: kind.to_owned(), bytes: b.bytes }),
            }
        }
        sums.sort_by_key(|b| std::cmp::Reverse(b.bytes));
        let (large, small): (Vec<Buffer>, Vec<Buffer>) = sums.into_iter().partition(|b| b.bytes >= self.bytes / 100);
        let mut parts: Vec<String> = large.iter().map(|b| format!("{} {}", b.name, bytes(b.bytes))).collect();
        if !small.is_empty() {
            parts.push(format!("{} others {}", small.len(), bytes(small.iter().map(|b| b.bytes).sum())));
        }
        parts.join(", ")
    }
}

/// What it would take to train a config here.
pub(crate) fn summary(config: &Config, dataset: &Dataset, backend: &Backend, class: Option<&str>) -> anyhow::Result<(Summary, ModelShape)> {
    let shape = open::shape(config, dataset);
    let windows = Windows::count(dataset)?;
    let class = class.map(context::class).transpose()?;
    let plan = plan(&shape, &config.training, Purpose::Train, backend, class.as_ref())?;
    Ok((Summary::new(&plan, windows, config.training.total_steps(windows.training)), shape))
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let config = open::config(&options.config)?;
    let dataset = open::dataset(&config, config.data.path.as_ref())?;
    open::notes(context, &dataset, &[]);
    let (summary, shape) = summary(&config, &dataset, &Backend::Reference, options.class.as_deref())?;
    if options.json {
        console::json(&summary)?;
    } else {
        console::result(&summary.text(&shape, None))?;
    }
    Ok(Ending::Done)
}
