//! `pgat train`.

use super::Ending;
use super::budget::MemoryBudget;
use super::console::{self, duration, milliseconds, shell, thousands};
use super::context::{self, BackendKind, Context};
use super::error::Hint as _;
use super::progress::Progress;
use super::{open, plan};
use anyhow::{Context as _, bail};
use pgat::engine::executor::Backend;
use pgat::engine::train::{Control, Outcome, TrainError};
use pgat::experiment::{Experiment, ExperimentError, Planned, Run, RunRecord, StoredError, StoredRun, Training};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Train a model as a config file says, or go on with a run
///
/// Ctrl-C stores a checkpoint at the next step and ends with status 130; a second one quits at once. A run that was stopped, killed or
/// cut off goes on with --resume to the same weights as one that was not. The run's folder is printed on stdout.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Config file
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    config: Option<PathBuf>,
    /// Train for N optimiser steps
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    max_steps: Option<u64>,
    /// Seed of everything random
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    seed: Option<u64>,
    /// Folder for the run [default: runs/NAME, or runs/NAME-2 and so on where that is taken]
    ///
    /// With --resume only for a run file: a folder goes on where it is.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Kernel shapes: a file that `pgat tune` wrote, or the name of a class of adapters
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    class: Option<String>,
    /// Go on with the run in this folder, or in a file that the browser page saved (which is unpacked into a folder first)
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    memory: MemoryBudget,
    /// With --resume: where the training data are now
    #[arg(long, value_name = "FILE", requires = "resume")]
    data: Option<PathBuf>,
    /// With --resume: refuse an adapter of another class, or a pgat of another revision of the arithmetic, where bits may differ
    #[arg(long, requires = "resume")]
    strict: bool,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    match (&options.config, &options.resume) {
        (_, Some(run)) => resume(context, run, options),
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
    context.say("compiling the kernels; the first steps take longer than the rest");
    train(context, pollster::block_on(planned.begin(stored))?)
}

/// The folder of a new run: the one that is asked for, or the first free one of runs/NAME, runs/NAME-2, ..
fn folder(asked: Option<&Path>, name: &str) -> Result<StoredRun, StoredError> {
    match asked {
        Some(path) => StoredRun::create_folder(path),
        None => StoredRun::create_free_folder(Path::new("runs"), name),
    }
}

fn say_plan(context: &Context, planned: &Planned) {
    context.say(plan::text(planned.summary(), &planned.setup().shape, Some(planned.backend())).trim_end());
}

/// The backend of a run that goes on: where it was, unless told otherwise.
fn backend_of(context: &Context, record: &RunRecord) -> anyhow::Result<Backend> {
    if context.backend.is_none() && record.adapter.is_none() && context.device.is_none() {
        context.say("note: the run was started with --backend reference, and goes on there");
        return Ok(Backend::Reference);
    }
    context.open_as(context.backend.unwrap_or(BackendKind::Gpu))
}

/// A run file goes on in a folder into which it is unpacked, a folder where it is.
fn unpacked(context: &Context, options: &Options, experiment: Experiment) -> anyhow::Result<Experiment> {
    let path = experiment.stored().map_or_else(PathBuf::new, |stored| stored.path().to_owned());
    if path.is_dir() {
        return Ok(experiment);
    }
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = folder(options.out.as_deref(), stem.strip_suffix(".pgat").unwrap_or(&stem))?;
    context.say(&format!("unpacking {} into {}", path.display(), folder.path().display()));
    Ok(experiment.copied_to(folder)?)
}

/// Nothing is unpacked or written before the data are known to be the run's own.
fn resume(context: &Context, path: &Path, options: &Options) -> anyhow::Result<Ending> {
    let mut run = Run::open(path)?;
    if path.is_dir() && options.out.is_some() {
        bail!("--out goes with a new run or a run file: the run in {} goes on where it is", path.display());
    }
    run.stored.lock()?;
    options.memory.apply(&mut run.config.training);
    let record = run.record.clone();
    let experiment = open::run_data(run, options.data.as_deref())?;
    experiment.check_rows()?;
    plan::warn_of_windows(&experiment)?;
    let experiment = unpacked(context, options, experiment)?;
    let step = experiment.progress()?.map_or(0, |progress| progress.step);
    let backend = backend_of(context, &record)?;
    let broken = record.break_on(&backend);
    if let Some(broken) = broken.as_ref().filter(|_| options.strict) {
        return Err(ExperimentError::Break(broken.clone()).into());
    }
    let planned = experiment.plan(backend)?;
    if experiment.is_finished()? {
        let steps = planned.summary().steps;
        let early = if step < steps { "; it stopped early" } else { "" };
        context.say(&format!("the run is finished: {} steps of {}{early}", thousands(step), thousands(steps)));
        return done(context, experiment.weights()?);
    }
    if let Some(broken) = broken {
        console::warn(&format!("{broken}: from step {step} on, bits may differ"));
    }
    say_plan(context, &planned);
    context.say(&format!("going on from step {}", thousands(step)));
    train(context, pollster::block_on(planned.resume())?)
}

/// Set by the first Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

fn catch_signals() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        console::line("\nstopping at the next step, with a checkpoint; once more to quit at once");
    })
    .context("signals cannot be caught")
}

fn train(context: &Context, mut training: Training) -> anyhow::Result<Ending> {
    catch_signals()?;
    let (first, started) = (training.progress().step, Instant::now());
    let mut progress = Progress::new(training.total_steps(), first, context.quiet);
    let outcome = pollster::block_on(training.run(&mut |event| {
        progress.event(event);
        if STOP.load(Ordering::SeqCst) { Control::Stop } else { Control::Continue }
    }));
    progress.finish();
    let go_on = || format!("pgat train --resume {}", shell(training.stored().path()));
    let outcome = match outcome {
        Err(e @ ExperimentError::Train(TrainError::Session(_) | TrainError::KeepsFailing { .. })) if training.stored().has_weights() => {
            return Err(e).hint(|| format!("the run goes on from its last checkpoint with {}", go_on()));
        }
        other => other?,
    };
    if outcome == Outcome::Stopped {
        let step = thousands(training.progress().step);
        context.say(&format!("stopped at step {step}; the checkpoint is stored. Go on with: {}", go_on()));
        return Ok(Ending::Interrupted);
    }
    say_end(context, &training, outcome, training.progress().step - first, started.elapsed().as_secs_f64());
    done(context, training.stored())
}

/// What training came to, after so many steps in so many seconds.
fn say_end(context: &Context, training: &Training, outcome: Outcome, steps: u64, seconds: f64) {
    let each = milliseconds(1000.0 * seconds / steps.max(1) as f64);
    let early = if outcome == Outcome::EarlyStop { "; stopped early: the validation loss no longer fell" } else { "" };
    context.say(&format!("{} steps in {} ({each} a step, validation included){early}", thousands(steps), duration(seconds)));
    let progress = training.progress();
    if let Some(loss) = progress.best_loss {
        context.say(&format!("best validation loss {loss:.4}, after step {}", thousands(progress.best_step)));
    }
    let session = training.session();
    let reserved = match session.backend() {
        Backend::Gpu(gpu) => gpu.reserved_bytes(),
        Backend::Reference => None,
    };
    let reserved = reserved.map_or(String::new(), |r| format!(" (the driver's allocator holds {} in blocks)", thousands(r)));
    let (created, planned) = (thousands(session.executor().created_bytes()), thousands(session.plan().bytes()));
    context.say(&format!("device memory: {created} bytes created = {planned} bytes planned{reserved}"));
}

/// What one does with a run; its path is the result.
fn done(context: &Context, stored: &StoredRun) -> anyhow::Result<Ending> {
    let run = shell(stored.path());
    context.say(&format!("next: pgat evaluate {run}\n      pgat forecast {run} --data FILE --plot forecast.svg"));
    console::result(&format!("{}\n", stored.path().display()))?;
    Ok(Ending::Done)
}
