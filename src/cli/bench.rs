//! `pgat bench`.

use super::bench_budgets as budgets;
use super::budget::MemoryBudget;
use super::console::{milliseconds, table, thousands};
use super::context::{self, Context};
use super::setting::Setting;
use super::{Ending, console, open};
use anyhow::bail;
use pgat::config::Config;
use pgat::engine::bench::{self, PartTime};
use pgat::engine::executor::{Backend, Executor};
use pgat::engine::plan::AdapterClass;
use pgat::engine::session::{Session, Setup};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Measure the speed of the adapter and its kernels, or of a training step of a config
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Config file; measures its training step instead of the adapter and the kernels
    config: Option<PathBuf>,
    /// Kernel shapes and costs: an adapter class, or a file written by `pgat tune` or `pgat bench` [default: the class of the adapter]
    #[arg(long, value_name = "NAME|FILE")]
    class: Option<String>,
    #[command(flatten)]
    memory: MemoryBudget,
    /// Measure the config within each of these memory budgets: comma-separated sizes, `smallest` or `unlimited`
    #[arg(long, value_name = "SIZES", requires = "config", value_delimiter = ',', conflicts_with_all = ["memory", "out"])]
    budgets: Vec<String>,
    /// Number of measured steps per budget, after one step that compiles
    #[arg(long, value_name = "N", default_value_t = 3, requires = "budgets", value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Write the adapter class with the costs of each op as measured on this config to FILE, for use with `--class FILE`
    #[arg(long, value_name = "FILE", requires = "config")]
    out: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The measurements of a training step of a config.
#[derive(Serialize)]
struct StepReport {
    adapter: String,
    class: String,
    /// Windows per step.
    batch: usize,
    micro_batch: usize,
    /// Bytes of all buffers in the plan.
    bytes: u64,
    dispatches: usize,
    /// Number of measured steps.
    steps: usize,
    /// Wall-clock time of a step.
    median_ms: f64,
    least_ms: f64,
    greatest_ms: f64,
    predicted_ms: f64,
    /// From the start of compilation to the end of the first step.
    first_step_ms: f64,
    /// 10^9 floating-point operations per step.
    gflop: f64,
    gflops: f64,
    /// Time by op, for one micro-batch.
    parts: Vec<PartTime>,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let backend = context.open()?;
    let Backend::Gpu(gpu) = &backend else {
        bail!("`pgat bench` measures an adapter, but --backend reference uses none; drop --backend reference");
    };
    context.say(&format!("adapter: {}", context::describe(&backend)));
    let class = options.class.as_deref().map(context::class).transpose()?;
    if let Some(path) = &options.config {
        let mut config = open::config(path)?;
        options.memory.apply(&mut config.training);
        if !options.budgets.is_empty() {
            let measured = budgets::measure(context, &backend, &config, class.as_ref(), &options.budgets, options.steps)?;
            if options.json {
                console::json(&measured)?
            } else {
                console::result(&budgets::text(&measured))?
            }
            return Ok(Ending::Done);
        }
        let (report, class) = step(&backend, &config, class.as_ref())?;
        if let Some(out) = &options.out {
            open::write(out, format!("{}\n", serde_json::to_string_pretty(&class)?).as_bytes())?;
            context.say(&format!("adapter class with measured costs: {} (for use with --class)", out.display()));
        }
        if options.json {
            console::json(&report)?
        } else {
            console::result(&text(&report))?
        }
        return Ok(Ending::Done);
    }
    let class = class.unwrap_or_else(|| gpu.class.clone());
    let report = pollster::block_on(bench::run(gpu, &class, &mut |what| context.say(&format!("measuring: {what}"))))?;
    if options.json {
        console::json(&report)?
    } else {
        console::result(&report.to_text())?
    }
    Ok(Ending::Done)
}

/// Minimum and maximum number of measured steps.
const STEPS: (usize, usize) = (5, 50);
/// Milliseconds after which no further step is measured, once the minimum number is reached.
const ENOUGH_MS: f64 = 5000.0;
/// Passes over the phases. The time of an op is the minimum over the passes.
const PASSES: usize = 5;

fn step(backend: &Backend, config: &Config, class: Option<&AdapterClass>) -> anyhow::Result<(StepReport, AdapterClass)> {
    let Setting { shape, source, indices } = Setting::of(config)?;
    let settings = config.training.clone();
    let started = Instant::now();
    let elapsed = |from: Instant| 1000.0 * from.elapsed().as_secs_f64();
    let session = Session::new(Setup::training(shape, settings.clone()).of_class(class.cloned()), backend.clone());
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
    let Executor::Gpu(run) = session.executor() else { bail!("the reference backend has no phases to measure") };
    let (median_ms, gflop) = (times[times.len() / 2], bench::step_flops(run, 0) / 1e9);
    let parts = bench::step_split(run, 0, indices.len().min(recording.micro_batch), PASSES)?;
    let measured = bench::measured_class(&plan, &parts, indices.len().min(recording.micro_batch));
    let report = StepReport {
        adapter: context::describe(backend),
        class: plan.class.name.clone(),
        batch: indices.len(),
        micro_batch: recording.micro_batch,
        dispatches: recording.dispatch_count(),
        steps: times.len(),
        median_ms,
        least_ms: times[0],
        greatest_ms: times[times.len() - 1],
        predicted_ms: 1000.0 * recording.seconds(),
        first_step_ms,
        gflop,
        gflops: 1000.0 * gflop / median_ms,
        bytes: plan.bytes(),
        parts,
    };
    Ok((report, measured))
}

fn text(r: &StepReport) -> String {
    let mut text = format!(
        "step of {} windows (micro-batches of {}), {} bytes, {} dispatches, class {}\n\
         time per step: median {} over {} steps (min {}, max {}), predicted {}, first step {} with compilation\n\
         {:.2} GFLOP per step, {:.1} GFLOP/s\n\n",
        thousands(r.batch as u64),
        thousands(r.micro_batch as u64),
        thousands(r.bytes),
        thousands(r.dispatches as u64),
        r.class,
        milliseconds(r.median_ms),
        r.steps,
        milliseconds(r.least_ms),
        milliseconds(r.greatest_ms),
        milliseconds(r.predicted_ms),
        milliseconds(r.first_step_ms),
        r.gflop,
        r.gflops
    );
    let header = ["op", "", "dispatches", "time", "share"].map(str::to_owned).to_vec();
    let row = |p: &PartTime| {
        vec![
            p.op.clone(),
            p.direction.word().into(),
            thousands(p.dispatches as u64),
            milliseconds(p.ms),
            format!("{:.1} %", 100.0 * p.share),
        ]
    };
    let rows: Vec<_> = std::iter::once(header).chain(r.parts.iter().map(row)).collect();
    text += &table(&rows, &[0, 1]);
    let sum: f64 = r.parts.iter().map(|p| p.ms).sum();
    text + &format!("total {} for one micro-batch; in this table, each phase is submitted and awaited separately\n", milliseconds(sum))
}
