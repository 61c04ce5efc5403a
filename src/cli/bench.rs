//! `pgat bench`.

use super::console::{milliseconds, table};
use super::context::{self, Context};
use super::{Ending, console, open};
use anyhow::bail;
use pgat::config::Config;
use pgat::data::{PartWindows, Scaler};
use pgat::executor::{Backend, Executor};
use pgat::graph::{Direction, Section};
use pgat::session::{Purpose, Session};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Measure the adapter and its kernels, or the training step of a config
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure the training step of this config instead of the adapter and the kernels
    config: Option<PathBuf>,
    /// Kernel shapes: a file that `pgat tune` wrote, or the name of a class of adapters
    #[arg(long, value_name = "FILE", requires = "config")]
    class: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// The training step of a config.
#[derive(Serialize)]
struct StepReport {
    adapter: String,
    class: String,
    /// Windows of a step.
    batch: usize,
    micro_batch: usize,
    dispatches: usize,
    /// Steps measured.
    steps: usize,
    /// Wall clock of a step.
    median_ms: f64,
    least_ms: f64,
    greatest_ms: f64,
    predicted_ms: f64,
    /// From the start of compilation to the end of the first step.
    first_step_ms: f64,
    ops: Vec<OpTime>,
}

/// Time of an op in a step. Each phase is submitted and awaited on its own, so that the sum is not quite the time of a step.
#[derive(Serialize)]
struct OpTime {
    op: String,
    direction: &'static str,
    dispatches: usize,
    ms: f64,
    share: f64,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let Backend::Gpu(gpu) = context.open()? else {
        bail!("`bench` measures an adapter, and --backend reference uses none");
    };
    let Some(path) = &options.config else { bail!("give a config: ceilings and kernels are measured in a later version") };
    let report = step(&gpu_backend(&gpu), context, path, options.class.as_deref())?;
    if options.json {
        console::json(&report)?;
    } else {
        console::result(&text(&report))?;
    }
    Ok(Ending::Done)
}

fn gpu_backend(gpu: &Arc<pgat::gpu::Gpu>) -> Backend {
    Backend::Gpu(gpu.clone())
}

/// Least and most steps measured, and milliseconds after which no more are begun.
const STEPS: (usize, usize) = (5, 50);
const ENOUGH_MS: f64 = 5000.0;
/// Passes over the phases; each op's time is the median.
const PASSES: usize = 5;

fn step(backend: &Backend, context: &Context, path: &Path, class: Option<&str>) -> anyhow::Result<StepReport> {
    let config: Config = open::config(path)?;
    let dataset = open::dataset(&config, config.data.path.as_ref())?;
    let scaler = Arc::new(Scaler::fit(&dataset)?.0);
    let class = class.map(context::class).transpose()?;
    let source = PartWindows::new(dataset.clone(), scaler, dataset.training_windows()?);
    let settings = config.training.clone();
    let indices: Vec<usize> = (0..settings.batch_size.min(source.index.len())).collect();
    context.say(&format!("adapter: {}", context::describe(backend)));
    let started = Instant::now();
    let elapsed = |from: Instant| 1000.0 * from.elapsed().as_secs_f64();
    let session = Session::new(open::shape(&config, &dataset), settings.clone(), Purpose::Train, backend.clone(), class.as_ref());
    let mut session = pollster::block_on(session)?;
    let one = |session: &mut Session, step: u64| {
        pollster::block_on(async {
            session.train_step(&source, &indices, 0, step, 0.1 * settings.learning_rate).await?;
            session.report().await
        })
    };
    one(&mut session, 0)?;
    let first_step_ms = elapsed(started);
    one(&mut session, 1)?;
    let (measuring, mut times) = (Instant::now(), vec![]);
    while times.len() < STEPS.0 || (times.len() < STEPS.1 && elapsed(measuring) < ENOUGH_MS) {
        let from = Instant::now();
        one(&mut session, 2 + times.len() as u64)?;
        times.push(elapsed(from));
    }
    times.sort_by(f64::total_cmp);
    let plan = session.plan().clone();
    let recording = &plan.recordings[0];
    Ok(StepReport {
        adapter: context::describe(backend),
        class: plan.class.name.clone(),
        batch: indices.len(),
        micro_batch: recording.micro_batch,
        dispatches: recording.dispatch_count(),
        steps: times.len(),
        median_ms: times[times.len() / 2],
        least_ms: times[0],
        greatest_ms: times[times.len() - 1],
        predicted_ms: 1000.0 * recording.seconds(),
        first_step_ms,
        ops: split(&session, indices.len())?,
    })
}

/// The step's time by op and direction, the longest first.
#[expect(clippy::cast_precision_loss, reason = "a count")]
fn split(session: &Session, windows: usize) -> anyhow::Result<Vec<OpTime>> {
    let Executor::Gpu(run) = session.executor() else { bail!("the twins have no phases to time") };
    let recording = &session.plan().recordings[0];
    let present = windows.min(recording.micro_batch);
    let passes = (0..PASSES).map(|_| run.time_phases(0, present)).collect::<Result<Vec<_>, _>>()?;
    let mut all = BTreeMap::<(&str, &'static str), (usize, f64)>::new();
    for (i, phase) in recording.phases.iter().enumerate() {
        let mut times: Vec<f64> = passes.iter().map(|p| p[i]).collect();
        times.sort_by(f64::total_cmp);
        let repeat = if phase.section == Section::Body { windows.div_ceil(recording.micro_batch) } else { 1 };
        let direction = if phase.direction == Direction::Forward { "forward" } else { "backward" };
        let entry = all.entry((phase.op, direction)).or_default();
        entry.0 += repeat * phase.dispatches.len();
        entry.1 += repeat as f64 * 1000.0 * times[PASSES / 2];
    }
    let sum: f64 = all.values().map(|v| v.1).sum();
    let one = |((op, direction), (dispatches, ms)): ((&str, &'static str), (usize, f64))| OpTime {
        op: op.to_owned(),
        direction,
        dispatches,
        ms,
        share: ms / sum,
    };
    let mut ops: Vec<OpTime> = all.into_iter().map(one).collect();
    ops.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Ok(ops)
}

fn text(r: &StepReport) -> String {
    let mut text = format!(
        "step of {} windows (micro-batches of {}), {} dispatches, class {}\n\
         median {} a step over {} steps ({} to {}), {} predicted, the first {} with compilation\n\n",
        r.batch,
        r.micro_batch,
        r.dispatches,
        r.class,
        milliseconds(r.median_ms),
        r.steps,
        milliseconds(r.least_ms),
        milliseconds(r.greatest_ms),
        milliseconds(r.predicted_ms),
        milliseconds(r.first_step_ms)
    );
    let header = ["op", "", "dispatches", "time", "share"].map(str::to_owned).to_vec();
    let row = |o: &OpTime| {
        vec![o.op.clone(), o.direction.into(), o.dispatches.to_string(), milliseconds(o.ms), format!("{:.1} %", 100.0 * o.share)]
    };
    let rows: Vec<_> = std::iter::once(header).chain(r.ops.iter().map(row)).collect();
    text += &table(&rows, &[0, 1]);
    let sum: f64 = r.ops.iter().map(|o| o.ms).sum();
    text + &format!("sum {}; here each phase is submitted and awaited on its own\n", milliseconds(sum))
}
