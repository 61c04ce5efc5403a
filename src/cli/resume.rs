//! `pgat train --resume`.

use super::console::{self, thousands};
use super::context::{BackendKind, Context};
use super::train::{Options, done, folder, say_plan, train};
use super::{Ending, open, plan};
use anyhow::bail;
use pgat::engine::executor::Backend;
use pgat::experiment::{Experiment, ExperimentError, Run, RunRecord};
use std::path::{Path, PathBuf};

/// The backend of a resumed run: the run's own, unless an option selects another.
fn backend_of(context: &Context, record: &RunRecord) -> anyhow::Result<Backend> {
    if context.backend.is_none() && record.adapter.is_none() && context.device.is_none() {
        context.say("note: the run was started with --backend reference and continues on it");
        return Ok(Backend::Reference);
    }
    context.open_as(context.backend.unwrap_or(BackendKind::Gpu))
}

/// Unpacks a run file into a new folder. A run folder is used in place.
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

/// Checks that the data are the run's own before anything is unpacked or written.
pub(super) fn run(context: &Context, path: &Path, options: &Options) -> anyhow::Result<Ending> {
    let mut run = Run::open(path)?;
    if path.is_dir() && options.out.is_some() {
        bail!("--out applies only to a new run or a run file; the run folder {} is continued in place: drop --out", path.display());
    }
    run.stored.lock()?;
    options.memory.apply(&mut run.config.training);
    let record = run.record.clone();
    let experiment = open::run_data(run, options.data.as_deref())?;
    experiment.check_rows()?;
    plan::warn_of_windows(&experiment)?;
    let backend = backend_of(context, &record)?;
    let broken = record.break_on(&backend);
    if let Some(broken) = broken.as_ref().filter(|_| options.strict) {
        return Err(ExperimentError::Break(broken.clone()).into());
    }
    let mut experiment = unpacked(context, options, experiment)?;
    experiment.record_data_file()?;
    let progress = experiment.progress()?.unwrap_or_default();
    let step = progress.step;
    let planned = experiment.plan(backend)?;
    if experiment.is_finished(&progress)? {
        let steps = planned.summary().steps;
        let early = if step < steps { "; it stopped early" } else { "" };
        context.say(&format!("the run is finished: {} steps of {}{early}", thousands(step), thousands(steps)));
        return done(context, experiment.weights()?);
    }
    if let Some(broken) = broken {
        console::warn(&format!("{broken}: the results may not be bit-identical from step {} on", thousands(step)));
    }
    say_plan(context, &planned);
    context.say(&format!("resuming from step {}", thousands(step)));
    train(context, pollster::block_on(planned.resume())?)
}
