//! `pgat train`.

use super::Ending;
use super::budget::MemoryBudget;
use super::console::{self, duration, milliseconds, shell, thousands};
use super::context::{self, BackendKind, Context};
use super::error::Hint as _;
use super::open::{self, Lock, Run};
use super::plan::{self, count_windows, summary};
use super::progress::Progress;
use anyhow::{Context as _, bail};
use pgat::config::Config;
use pgat::data::{Dataset, Part, PartWindows, Scaler, WindowSource};
use pgat::executor::Backend;
use pgat::experiment::Summary;
use pgat::session::{Purpose, Session};
use pgat::train::stored::{RunRecord, StoredError, StoredRun, file_stem};
use pgat::train::{Control, Outcome, Progress as Progressed, TrainError, Trainer};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
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

/// Training data of a run.
struct Data {
    dataset: Arc<Dataset>,
    scaler: Arc<Scaler>,
}

impl Data {
    fn trainer(&self, session: Session, config: &Config, device: Option<String>) -> anyhow::Result<Trainer> {
        let windows = |index| -> Arc<dyn WindowSource> { Arc::new(PartWindows::new(self.dataset.clone(), self.scaler.clone(), index)) };
        let train = windows(self.dataset.training_windows()?);
        let validation = windows(self.dataset.evaluation_windows(Part::Validation)?);
        Ok(Trainer::new(session, config.training.clone(), train, Some(validation), device, clock)?)
    }
}

/// Milliseconds since the start.
fn clock() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    1000.0 * START.elapsed().as_secs_f64()
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
    let dataset = open::dataset(&config, config.data.path.as_ref())?;
    let (scaler, mut notes) = Scaler::fit(&dataset).with_context(|| config.data.path.clone())?;
    let (graph, more) = open::graph(&config, &dataset)?;
    notes.extend(more);
    open::notes(context, &dataset, &notes);
    let backend = context.open()?;
    let (summary, shape) = summary(&config, &dataset, &graph, &backend, options.class.as_deref())?;
    let class = options.class.as_deref().map(context::class).transpose()?;
    let (folder, lock) = folder(options.out.as_deref(), &config.name)?;
    context.say(plan::text(&summary, &shape, Some(&backend)).trim_end());
    let data = Data { dataset, scaler: Arc::new(scaler) };
    context.say("compiling the kernels; the first steps take longer than the rest");
    let session = Session::new(shape, config.training.clone(), Purpose::Train, backend, class.as_ref());
    let session = pollster::block_on(session)?;
    let record = RunRecord::new(&config, &data.dataset, &session);
    folder.write_start(&config, &data.scaler, &graph, &summary, &record)?;
    let trainer = data.trainer(session, &config, context.device.clone())?;
    train(context, &folder, &record, trainer, lock)
}

/// The folder of a new run, locked: the one that is asked for, or the first free one of runs/NAME, runs/NAME-2, ..
fn folder(asked: Option<&Path>, name: &str) -> anyhow::Result<(StoredRun, Lock)> {
    if let Some(path) = asked {
        let folder = StoredRun::create_folder(path)?;
        refuse_remains(path)?;
        let lock = Lock::take(path)?;
        let lock = lock.with_context(|| format!("{}: another pgat is training here", path.display()))?;
        return Ok((folder, lock));
    }
    let safe = file_stem(name);
    for number in 1_u32.. {
        let path = Path::new("runs").join(if number == 1 { safe.clone() } else { format!("{safe}-{number}") });
        // A folder with anything in it is somebody's; the lock alone is that of a run about to begin.
        let taken = std::fs::read_dir(&path).is_ok_and(|mut all| all.any(|f| f.is_ok_and(|f| f.file_name() != "lock")));
        if taken || path.is_file() {
            continue;
        }
        let folder = StoredRun::create_folder(&path)?;
        if let Some(lock) = Lock::take(&path)? {
            return Ok((folder, lock));
        }
    }
    bail!("runs/{safe}: no number is free")
}

/// Refuses a folder in which weights of another run lie about.
fn refuse_remains(path: &Path) -> anyhow::Result<()> {
    let remains = ["checkpoint.safetensors", "weights.safetensors", "best.safetensors"];
    if let Some(file) = remains.iter().find(|f| path.join(f).exists()) {
        bail!("{} holds {file} of a run whose run.json is gone: give another --out, or clear the folder", path.display());
    }
    Ok(())
}

/// The backend of a run that goes on: where it was, unless told otherwise.
fn backend_of(context: &Context, record: &RunRecord) -> anyhow::Result<Backend> {
    let own = if record.adapter.is_none() { BackendKind::Reference } else { BackendKind::Gpu };
    if context.backend.is_none() && own == BackendKind::Reference && context.device.is_none() {
        context.say("note: the run was started with --backend reference, and goes on there");
        return Ok(Backend::Reference);
    }
    context.open()
}

/// Unpacks a run file into a folder, where it goes on.
fn unpack(context: &Context, options: &Options, run: &mut Run) -> anyhow::Result<Lock> {
    let stem = run.stored.path().file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let (folder, lock) = folder(options.out.as_deref(), stem.strip_suffix(".pgat").unwrap_or(&stem))?;
    run.stored.copy(&folder)?;
    context.say(&format!("unpacked {} into {}", run.stored.path().display(), folder.path().display()));
    run.stored = folder;
    Ok(lock)
}

/// A run that is to go on, with its data: nothing is unpacked or written before these are known to be the run's own.
fn reopen(context: &Context, options: &Options, path: &Path) -> anyhow::Result<(Run, Arc<Dataset>, Lock)> {
    let mut run = Run::open(path)?;
    let packed = path.is_file();
    if !packed && options.out.is_some() {
        bail!("--out goes with a new run or a run file: the run in {} goes on where it is", path.display());
    }
    let lock = if packed { None } else { Lock::take(path)? };
    if !packed && lock.is_none() {
        bail!("{}: another pgat is training here", path.display());
    }
    let dataset = run.dataset(options.data.as_deref())?;
    let file = options.data.as_ref().unwrap_or(&run.record.data);
    if !run.scaler.is_fit_of(&dataset) {
        return Err(anyhow::anyhow!(
            "{}: the training rows have changed since the run was started (mean and deviation differ from scaler.json)",
            file.display()
        ))
        .hint(|| "put the old file back, or start a new run".into());
    }
    let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
    let lock = match lock {
        Some(lock) => lock,
        None => unpack(context, options, &mut run)?,
    };
    if file != run.record.data {
        run.record.data = file;
        run.stored.write_record(&run.record)?;
    }
    Ok((run, dataset, lock))
}

fn resume(context: &Context, path: &Path, options: &Options) -> anyhow::Result<Ending> {
    let (mut run, dataset, lock) = reopen(context, options, path)?;
    let strict = options.strict;
    let windows = count_windows(&dataset, run.config.training.batch_size)?;
    let path = &run.stored.path().to_owned();
    let backend = backend_of(context, &run.record)?;
    let broken = run.record.break_on(&backend);
    if let (Some(broken), true) = (&broken, strict) {
        bail!("{broken}: bits may differ (refused by --strict)");
    }
    let class = run.record.class_on(&backend);
    let shape = run.shape(&dataset)?;
    options.memory.apply(&mut run.config.training);
    let session = Session::new(shape.clone(), run.config.training.clone(), Purpose::Train, backend, class.as_ref());
    let session = pollster::block_on(session)?;
    let stored = run.stored.checkpoint(session.parameters())?;
    let steps = run.config.training.total_steps(windows.training);
    if let Some((_, progress)) = stored.as_ref().filter(|(_, p)| finished(p, &run.config, steps)) {
        context.say(&format!("the run is finished: {} steps of {}", thousands(progress.step), thousands(steps)));
        next(context, path);
        console::result(&format!("{}\n", path.display()))?;
        return Ok(Ending::Done);
    }
    let step = stored.as_ref().map_or(0, |(_, p)| p.step);
    if let Some(broken) = broken {
        console::warn(&format!("{broken}: from step {step} on, bits may differ"));
        run.record.go_on(step, &session);
        run.stored.write_record(&run.record)?;
    }
    let summary = Summary::new(session.plan(), windows, steps).on_host(session.plan(), &dataset).within(run.config.training.budget()?);
    context.say(plan::text(&summary, &shape, Some(session.backend())).trim_end());
    context.say(&format!("going on from step {}", thousands(step)));
    run.stored.rewind(step)?;
    let data = Data { dataset, scaler: run.scaler.clone() };
    let mut trainer = data.trainer(session, &run.config, context.device.clone())?;
    if let Some((state, progress)) = stored {
        pollster::block_on(trainer.resume(state, progress))?;
    }
    train(context, &run.stored, &run.record, trainer, lock)
}

/// Whether a run came to its end: all steps done, or stopped early.
fn finished(progress: &Progressed, config: &Config, steps: u64) -> bool {
    progress.step >= steps || config.training.patience.is_some_and(|p| progress.stale > p)
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

fn train(context: &Context, folder: &StoredRun, record: &RunRecord, mut trainer: Trainer, _lock: Lock) -> anyhow::Result<Ending> {
    let path = folder.path();
    catch_signals()?;
    let mut store = folder.store(trainer.session().parameters().to_vec(), &record.series);
    let (first, started) = (trainer.progress().step, Instant::now());
    let mut progress = Progress::new(trainer.total_steps(), first, context.quiet);
    let outcome = pollster::block_on(trainer.run(&mut store, &mut |event| {
        progress.event(event);
        if STOP.load(Ordering::SeqCst) { Control::Stop } else { Control::Continue }
    }));
    progress.finish();
    let go_on = || format!("pgat train --resume {}", shell(path));
    let outcome = match outcome {
        Err(e @ (TrainError::Session(_) | TrainError::KeepsFailing { .. })) if path.join("checkpoint.safetensors").exists() => {
            return Err(e).hint(|| format!("the run goes on from its last checkpoint with {}", go_on()));
        }
        other => other?,
    };
    let done = trainer.progress().clone();
    if outcome == Outcome::Stopped {
        context.say(&format!("stopped at step {}; the checkpoint is stored. Go on with: {}", thousands(done.step), go_on()));
        return Ok(Ending::Interrupted);
    }
    let seconds = started.elapsed().as_secs_f64();
    let each = milliseconds(1000.0 * seconds / (done.step - first).max(1) as f64);
    let early = if outcome == Outcome::EarlyStop { "; stopped early: the validation loss no longer fell" } else { "" };
    context.say(&format!("{} steps in {} ({each} a step, validation included){early}", thousands(done.step - first), duration(seconds)));
    if let Some(loss) = done.best_loss {
        context.say(&format!("best validation loss {loss:.4}, after step {}", thousands(done.best_step)));
    }
    let (created, planned) = (trainer.session().executor().created_bytes(), trainer.session().plan().bytes());
    if created != planned {
        bail!("internal error: {created} bytes of buffers were created, and {planned} were planned");
    }
    let reserved = match trainer.session().backend() {
        Backend::Gpu(gpu) => gpu.reserved_bytes(),
        Backend::Reference => None,
    };
    let reserved = reserved.map_or(String::new(), |r| format!(" (the driver's allocator holds {} in blocks)", thousands(r)));
    context.say(&format!("device memory: {} bytes created = {} bytes planned{reserved}", thousands(created), thousands(planned)));
    next(context, path);
    console::result(&format!("{}\n", path.display()))?;
    Ok(Ending::Done)
}

/// What one does with a run.
fn next(context: &Context, path: &Path) {
    let run = shell(path);
    context.say(&format!("next: pgat evaluate {run}\n      pgat forecast {run} --data FILE --plot forecast.svg"));
}
