//! A run in a browser tab: its data, its files in memory, and the compiled training.

use super::failure::Failure;
use super::messages::Loaded;
use crate::config::Config;
use crate::executor::Backend;
use crate::experiment::{Archive, Experiment, ExperimentError, Run, StoredRun, Summary, Training, file_stem};
use crate::gpu::Gpu;
use crate::plan::Outlook;
use std::sync::Arc;

pub(super) struct Work {
    pub(super) experiment: Experiment,
    pub(super) archive: Arc<Archive>,
    pub(super) training: Option<Training>,
}

impl Work {
    /// A new run.
    pub(super) fn begin(config: &str, csv: &[u8], file: &str, backend: &Backend) -> Result<(Self, Loaded), Failure> {
        let mut config = Config::from_toml(config)?;
        file.clone_into(&mut config.data.path);
        if config.name.is_empty() {
            config.name = file.split('.').next().unwrap_or("run").into();
        }
        let archive = Arc::new(Archive::new(format!("{}.zip", file_stem(&config.name))));
        let experiment = Experiment::read(config, csv, None)?;
        let (plan, outlook) = within_budget(&experiment, backend)?;
        let loaded = Loaded::new(&experiment, plan, outlook)?;
        Ok((Self { experiment, archive, training: None }, loaded))
    }

    /// A run from a run file, within another budget if one is given. As with `pgat train --resume --memory`, the stored config of the run
    /// does not change.
    pub(super) fn reopen(run: &[u8], csv: &[u8], file: &str, memory: Option<String>, backend: &Backend) -> Result<(Self, Loaded), Failure> {
        let (mut run, archive) = Run::unpack("the run file", run)?;
        if let Some(memory) = memory {
            run.config.training.memory = Some(memory).filter(|m| !m.is_empty());
        }
        let broken = run.record.break_on(backend);
        let stored = run.stored.clone();
        let experiment = run.named(file).read(csv)?;
        experiment.check_rows()?;
        let progress = experiment.progress()?.unwrap_or_default();
        let step = progress.step;
        stored.rewind(&progress)?;
        let (plan, outlook) = within_budget(&experiment, backend).map_err(|failure| failure.of_run(experiment.config()))?;
        let mut loaded = Loaded::new(&experiment, plan, outlook)?;
        loaded.data.notes.extend(broken.map(|broken| format!("{broken}: the results may not be bit-identical from step {step} on")));
        loaded.step = step;
        loaded.finished = experiment.is_finished(&progress)?;
        loaded.record = stored.record_lines()?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok((Self { experiment, archive, training: None }, loaded))
    }

    /// Creates all buffers and kernels on the device, and loads the stored state of an opened run.
    pub(super) async fn compile(&mut self, backend: Backend) -> Result<(), Failure> {
        let planned = self.experiment.plan(backend)?;
        self.training = Some(match self.experiment.stored() {
            Some(_) => planned.resume().await?,
            None => planned.begin(StoredRun::create(self.archive.clone())?).await?,
        });
        Ok(())
    }

    /// The device of the compiled run.
    pub(super) fn gpu(&self) -> Option<Arc<Gpu>> {
        match self.training.as_ref()?.session().backend() {
            Backend::Gpu(gpu) => Some(gpu.clone()),
            #[cfg(feature = "twins")]
            Backend::Reference => None,
        }
    }

    /// A name for the run file.
    pub(super) fn file_name(&self) -> String {
        format!("{}.pgat.zip", file_stem(&self.experiment.config().name))
    }

    /// The run as a run file.
    pub(super) fn pack(&self) -> Result<Vec<u8>, Failure> {
        let trained = self.training.as_ref().is_some_and(|t| t.stored().has_weights()) || self.experiment.weights().is_ok();
        if trained { Ok(self.archive.pack()) } else { Err(Failure::untrained()) }
    }

    pub(super) fn training(&mut self) -> Result<&mut Training, Failure> {
        self.training.as_mut().ok_or_else(Failure::nothing_loaded)
    }
}

/// The plan within the memory budget of the run, and the plans within other budgets.
fn within_budget(experiment: &Experiment, backend: &Backend) -> Result<(Summary, Outlook), Failure> {
    let (outlook, made) = experiment.outlook(&experiment.setup(backend).options(backend))?;
    match made {
        Ok(summary) => Ok((summary, outlook)),
        Err(e) => Err(Failure::from(e).with(outlook)),
    }
}

impl From<ExperimentError> for Failure {
    fn from(e: ExperimentError) -> Self {
        match e {
            ExperimentError::Config(e) => e.into(),
            ExperimentError::Data(e) | ExperimentError::File { source: e, .. } => e.into(),
            ExperimentError::Graph { source, .. } => source.into(),
            ExperimentError::Session(e) => e.into(),
            ExperimentError::Train(e) => e.into(),
            ExperimentError::Evaluate(e) => e.into(),
            ExperimentError::Stored(e) => e.into(),
            ExperimentError::OtherRows(file) => Self::other_data(&file.display().to_string()),
            ExperimentError::Untrained(_) => Self::untrained(),
            ExperimentError::Inspect(e) => e.into(),
            ExperimentError::Break(_) => Self::bug(e.to_string()),
        }
    }
}
