//! `pgat train`.

use super::Ending;
use super::budget::MemoryBudget;
use super::console::{self, duration, milliseconds, shell, thousands};
use super::context::{self, Context};
use super::error::Hint as _;
use super::progress::{Progress, metric_name};
use super::{open, plan, resume};
use anyhow::{Context as _, bail};
use pgat::engine::executor::Backend;
use pgat::engine::train::{Control, Outcome, TrainError};
use pgat::experiment::{Experiment, ExperimentError, Planned, StoredError, StoredRun, Training};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Train a model from a config file, or resume a run
///
/// Ctrl-C stores a checkpoint after the current step and exits with status 130; a second Ctrl-C exits at once. A run that was interrupted
/// or killed can be resumed with --resume and ends with the same weights as an uninterrupted run. The path of the run folder is printed
/// to stdout.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Config file
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    config: Option<PathBuf>,
    /// Maximum number of optimiser steps [default: `training.max_steps` of the config]
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    max_steps: Option<u64>,
    /// Seed of all random numbers [default: `training.seed` of the config]
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    seed: Option<u64>,
    /// Run folder to create [default: runs/NAME; runs/NAME-2 and so on if it exists]
    ///
    /// With --resume, it applies only to a run file. A run folder is always continued in place.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Kernel shapes and costs: an adapter class, or a file written by `pgat tune` or `pgat bench` [default: the class of the adapter]
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "resume")]
    class: Option<String>,
    /// Run to resume: a run folder, or a run file saved by the browser page (it is unpacked into a new folder)
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    pub(super) memory: MemoryBudget,
    /// With --resume: training data file, if it has moved [default: the file that the run was trained on]
    #[arg(long, value_name = "FILE", requires = "resume")]
    pub(super) data: Option<PathBuf>,
    /// With --resume: fail if the results may not be bit-identical (another adapter class or another numerics revision of pgat)
    #[arg(long, requires = "resume")]
    pub(super) strict: bool,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    match (&options.config, &options.resume) {
        (_, Some(run)) => resume::run(context, run, options),
        (Some(config), None) => start(context, options, config),
        (None, None) => bail!("give a config file, or --resume RUN"),
    }
}

fn start(context: &Context, options: &Options, path: &Path) -> anyhow::Result<Ending> {
    let mut config = open::config(path)?;
    config.training.max_steps = options.max_steps.or(config.training.max_steps);
    config.training.seed = options.seed.unwrap_or(config.training.seed);
    options.memory.apply(&mut config.training);
    config.validate()?;
    if let Some(out) = options.out.as_ref().filter(|out| out.join("run.json").exists()) {
        return Err(StoredError::Exists(out.clone()).into());
    }
    let class = options.class.as_deref().map(context::class).transpose()?;
    let experiment = Experiment::open(config)?.of_class(class);
    open::notes(context, &experiment);
    plan::warn_of_windows(&experiment)?;
    let planned = experiment.plan(context.open()?)?;
    let stored = folder(options.out.as_deref(), &experiment.config().name)?;
    say_plan(context, &planned);
    context.say("starting; on a GPU, the first steps take longer because the kernels are compiled");
    train(context, pollster::block_on(planned.begin(stored))?)
}

/// The folder of a new run: the given one, or the first free one of runs/NAME, runs/NAME-2, ..
pub(super) fn folder(asked: Option<&Path>, name: &str) -> Result<StoredRun, StoredError> {
    match asked {
        Some(path) => StoredRun::create_folder(path),
        None => StoredRun::create_free_folder(Path::new("runs"), name),
    }
}

pub(super) fn say_plan(context: &Context, planned: &Planned) {
    context.say(plan::text(planned.summary(), &planned.setup().shape, Some(planned.backend())).trim_end());
}

/// Set by the first Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

fn catch_signals() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        console::line("\nstopping after the current step with a checkpoint; press Ctrl-C again to exit at once");
    })
    .context("the signal handler cannot be installed")
}

pub(super) fn train(context: &Context, mut training: Training) -> anyhow::Result<Ending> {
    catch_signals()?;
    let (first, started) = (training.progress().step, Instant::now());
    let mut progress =
        Progress::new(training.total_steps(), first, context.quiet).of_metric(training.experiment().config().validation.metric);
    let outcome = pollster::block_on(training.run(&mut |event| {
        progress.event(event);
        if STOP.load(Ordering::SeqCst) { Control::Stop } else { Control::Continue }
    }));
    progress.finish();
    let go_on = || format!("pgat train --resume {}", shell(training.stored().path()));
    let outcome = match outcome {
        Err(e @ ExperimentError::Train(TrainError::Session(_) | TrainError::KeepsFailing { .. })) if training.stored().has_checkpoint() => {
            return Err(e).hint(|| format!("resume the run from its last checkpoint: {}", go_on()));
        }
        other => other?,
    };
    if outcome == Outcome::Stopped {
        let step = thousands(training.progress().step);
        context.say(&format!("stopped at step {step}; a checkpoint was stored. Resume with: {}", go_on()));
        return Ok(Ending::Interrupted);
    }
    say_end(context, &training, outcome, training.progress().step - first, started.elapsed().as_secs_f64());
    done(context, training.stored())
}

/// Prints the outcome of training: steps and seconds of this call, best loss, memory.
fn say_end(context: &Context, training: &Training, outcome: Outcome, steps: u64, seconds: f64) {
    let each = milliseconds(1000.0 * seconds / steps.max(1) as f64);
    let early = if outcome == Outcome::EarlyStop { "; stopped early: the validation loss no longer improved" } else { "" };
    context.say(&format!("{} steps in {} ({each} per step, including validation){early}", thousands(steps), duration(seconds)));
    let progress = training.progress();
    if let Some(loss) = progress.best_loss {
        let metric = metric_name(training.experiment().config().validation.metric);
        if progress.whole && progress.best_step == 0 {
            context.say(&format!(
                "best validation {metric} {loss:.4}, of the linear start: the trunk did not improve it, so the weights of step 0 are kept"
            ));
        } else {
            context.say(&format!("best validation {metric} {loss:.4}, after step {}", thousands(progress.best_step)));
        }
    }
    let session = training.session();
    let reserved = match session.backend() {
        Backend::Gpu(gpu) => gpu.reserved_bytes(),
        Backend::Reference => None,
    };
    let reserved = reserved.map_or(String::new(), |r| format!(" (wgpu's allocator reserves {} bytes in blocks)", thousands(r)));
    let (created, planned) = (thousands(session.executor().created_bytes()), thousands(session.plan().bytes()));
    context.say(&format!("buffers: {created} bytes created, {planned} bytes planned{reserved}"));
}

/// Prints the next commands, and the path of the run as the result.
pub(super) fn done(context: &Context, stored: &StoredRun) -> anyhow::Result<Ending> {
    let run = shell(stored.path());
    context.say(&format!("next: pgat evaluate {run}\n      pgat forecast {run} --data FILE --plot forecast.svg"));
    console::result(&format!("{}\n", stored.path().display()))?;
    Ok(Ending::Done)
}
