//! Configs, data files and runs that the user names.

use super::console::shell;
use super::context::{self, Context};
use super::error::Hint as _;
use anyhow::Context as _;
use pgat::config::{Config, ConfigError};
use pgat::data::Part;
use pgat::experiment::{Experiment, ExperimentError, LoadOptions, Run, Trained, Weights};
use std::path::{Path, PathBuf};

/// Reads a config; its paths become absolute, its name present.
pub(crate) fn config(path: &Path) -> anyhow::Result<Config> {
    Config::open(path).map_err(|e| match e {
        ConfigError::Read { .. } => e.into(),
        _ => anyhow::Error::new(e).context(path.display().to_string()),
    })
}

/// What reading the data found, on stderr.
pub(crate) fn notes(context: &Context, experiment: &Experiment) {
    for note in experiment.notes() {
        context.say(&format!("note: {note}"));
    }
}

/// A part of the data that a model is judged on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PartName {
    #[value(alias = "validation")]
    Val,
    Test,
}

impl PartName {
    pub(crate) fn part(self) -> Part {
        match self {
            Self::Val => Part::Validation,
            Self::Test => Part::Test,
        }
    }
}

/// Which weights of a run a command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct WeightsChoice {
    /// Use the last weights instead of those with the lowest validation loss
    #[arg(long)]
    last: bool,
}

impl WeightsChoice {
    pub(crate) fn weights(self) -> Weights {
        if self.last { Weights::Last } else { Weights::Best }
    }
}

/// Which data a command reads in place of a run's own.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OtherData {
    /// Read FILE instead of the data that the run was trained on; [split] of the run's config applies to it
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
}

/// A run on its own data, or on the file that has taken their place.
pub(crate) fn run_data(run: Run, data: Option<&Path>) -> anyhow::Result<Experiment> {
    let there = data.unwrap_or(&run.record.data).exists();
    let moved = moved(&run.record.data, data.is_some());
    let opened = run.open_data(data);
    if there { Ok(opened?) } else { opened.hint(|| moved) }
}

/// What to do where the data are not where they were.
fn moved(file: &Path, told: bool) -> String {
    match (told, file.is_absolute()) {
        (true, _) => "check the path that --data gives".into(),
        (false, true) => "the run was trained on this file: put it back, or give its new place with --data".into(),
        (false, false) => format!("the run was trained in a browser, on a file named {}: say where it is with --data", file.display()),
    }
}

/// The model with the weights of a run, on the backend that was asked for.
pub(crate) fn trained(context: &Context, experiment: &Experiment, options: &LoadOptions) -> anyhow::Result<Trained> {
    let path = experiment.weights()?.path().to_owned();
    let trained = pollster::block_on(experiment.load(context.open()?, options))?;
    context.say(&format!("weights: {}", path.join(trained.weights_file()).display()));
    context.say(&format!("adapter: {}", context::describe(trained.session().backend())));
    Ok(trained)
}

/// What to do about an error of an experiment, where a flag of a command does it.
pub(super) fn hint(error: &ExperimentError) -> Option<String> {
    match error {
        ExperimentError::Untrained(run) => Some(format!("train it: pgat train --resume {}", shell(run))),
        ExperimentError::OtherRows(_) => Some("put the old file back, or start a new run".into()),
        ExperimentError::Break(_) => Some("drop --strict to go on all the same".into()),
        _ => None,
    }
}

/// Writes a file that the user named.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}
