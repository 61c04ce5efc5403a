//! Configs, data files and runs given on the command line.

use super::context::{self, Context};
use super::error::Hint as _;
use anyhow::Context as _;
use pgat::config::{Config, ConfigError};
use pgat::data::Part;
use pgat::experiment::{Experiment, LoadOptions, Run, Trained, Weights};
use std::path::{Path, PathBuf};

/// Reads a config. Its paths become absolute; an empty name is filled in.
pub(crate) fn config(path: &Path) -> anyhow::Result<Config> {
    Config::open(path).map_err(|e| match e {
        ConfigError::Read { .. } => e.into(),
        _ => anyhow::Error::new(e).context(path.display().to_string()),
    })
}

/// Prints the notes from reading the data to stderr.
pub(crate) fn notes(context: &Context, experiment: &Experiment) {
    for note in experiment.notes() {
        context.say(&format!("note: {note}"));
    }
}

/// A part of the data on which a model is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PartName {
    #[value(alias = "validation")]
    Val,
    Test,
    /// All rows of the file
    All,
}

impl PartName {
    pub(crate) fn part(self) -> Part {
        match self {
            Self::Val => Part::Validation,
            Self::Test => Part::Test,
            Self::All => Part::All,
        }
    }
}

/// The weights of a run that a command uses.
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

/// Data that a command reads instead of the run's own data.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OtherData {
    /// Data file to read; `[split]` of the run's config applies to it [default: the file that the run was trained on]
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
}

/// Opens a run with its own data, or with the file given by `--data`.
pub(crate) fn run_data(run: Run, data: Option<&Path>) -> anyhow::Result<Experiment> {
    if data.is_none() && run.record.data.as_os_str() == "-" {
        let unknown = Err(anyhow::anyhow!("the run was trained on standard input, which is gone"));
        return unknown.hint(|| "give the data with --data FILE, or with --data - for standard input".into());
    }
    // The error names the file. A hint is needed only where the path comes from the run instead of the command line.
    let found = data.is_some() || run.record.data.exists();
    let moved = moved(&run.record.data);
    let opened = run.open_data(data);
    if found { Ok(opened?) } else { opened.hint(|| moved) }
}

/// The hint for a run whose data file is missing.
fn moved(file: &Path) -> String {
    if file.is_absolute() {
        "the run was trained on this file: restore it, or give its new location with --data".into()
    } else {
        format!("the run was trained in a browser on a file named {}: give its location with --data", file.display())
    }
}

/// Loads the model with the weights of a run on the selected backend.
pub(crate) fn trained(context: &Context, experiment: &Experiment, options: &LoadOptions) -> anyhow::Result<Trained> {
    let path = experiment.weights()?.path().to_owned();
    let trained = pollster::block_on(experiment.load(context.open()?, options))?;
    context.say(&format!("weights: {}", path.join(trained.weights_file()).display()));
    context.say(&format!("adapter: {}", context::describe(trained.session().backend())));
    Ok(trained)
}

/// Writes a file given on the command line.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}
