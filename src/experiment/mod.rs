//! An experiment: a config, its data, and what is made of them. Command line, page and library users all begin here.
//!
//! ```text
//! Experiment::open(config)      data, scaler and graph are read
//!   .plan(backend)              Planned: bytes, predicted time; nothing was created yet
//!   .begin(stored)              Training: compiled, can be run, paused, scored in between
//!   .run(listener).finish()     Trained: scores, forecasts, looks inside
//!
//! Run::open(path)               a run that is kept: config, scaler, graph, weights
//!   .open_data(file)            Experiment of that run
//!   .plan(backend).resume()     Training that goes on, or
//!   .load(backend, options)     Trained
//! ```

mod error;
mod inspector;
mod opened;
mod planned;
mod run;
mod summary;
mod trained;
mod training;

use crate::config::Config;
use crate::data::{DataError, Dataset, PartWindows, Scaler, WindowCounts, WindowIndex};
use crate::executor::Backend;
use crate::model::{ModelShape, parameter_places};
use crate::plan::{AdapterClass, Outlook, PlanError, PlanOptions};
use crate::series_graph::{KnownGraph, SeriesGraph, SeriesGraphError};
use crate::session::{SessionError, Setup};
use crate::train::{Progress, TrainError};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

pub use error::ExperimentError;
pub use inspector::{GraphReport, Inspector};
pub use opened::Run;
pub use planned::Planned;
#[cfg(feature = "native")]
pub use run::Folder;
pub use run::{
    Archive, ArchiveError, Files, NUMERICS_REVISION, RUN_VERSION, RunRecord, RunStore, StoredError, StoredRun, Weights, file_stem,
};
pub use summary::{BufferSummary, Summary};
pub use trained::{LoadOptions, Trained};
pub use training::Training;

/// A config and its data; cheap to clone.
#[derive(Clone)]
pub struct Experiment {
    config: Arc<Config>,
    dataset: Arc<Dataset>,
    scaler: Arc<Scaler>,
    graph: Arc<KnownGraph>,
    /// What reading found, one sentence each.
    notes: Vec<String>,
    /// Kernel shapes and costs in place of the adapter's own.
    class: Option<AdapterClass>,
    /// Where the data were read, absolute; nothing where they came from elsewhere.
    file: Option<PathBuf>,
    /// Of a run that is kept.
    run: Option<(StoredRun, RunRecord)>,
}

impl Experiment {
    /// Reads data (CSV, plain or gzip'd) and, where `[graph]` names a file, the bytes of that file. The config's paths are not looked at.
    ///
    /// # Errors
    /// Fails if the data, the graph or the split cannot be used.
    pub fn read(config: Config, data: impl Read, graph: Option<&[u8]>) -> Result<Self, ExperimentError> {
        let dataset = Dataset::read(&config, data)?;
        let graph = SeriesGraph::build(&config.graph, &dataset, graph);
        Self::new(config, dataset, graph)
    }

    /// Reads the files that the config names.
    ///
    /// # Errors
    /// As [`Experiment::read`], and if a file cannot be read.
    #[cfg(feature = "native")]
    pub fn open(config: Config) -> Result<Self, ExperimentError> {
        let file = PathBuf::from(&config.data.path);
        let dataset = Dataset::open(&config, &file).map_err(error::in_file(&file))?;
        let graph = SeriesGraph::open(&config.graph, &dataset);
        let experiment = Self::new(config, dataset, graph).map_err(error::of_file(&file))?;
        Ok(Self { file: std::path::absolute(&file).ok(), ..experiment })
    }

    fn new(config: Config, dataset: Dataset, graph: Result<(SeriesGraph, Vec<String>), SeriesGraphError>) -> Result<Self, ExperimentError> {
        let (scaler, mut notes) = Scaler::fit(&dataset)?;
        let place = config.graph.path().unwrap_or("[graph]").to_owned();
        let in_place = |source| ExperimentError::Graph { place: place.clone(), source };
        let (graph, more) = graph.map_err(in_place)?;
        let graph = KnownGraph::of(graph, &config.model).map_err(in_place)?;
        notes.extend(more);
        notes.extend(config.model.idle());
        let notes = [dataset.report().notes.clone(), notes].concat();
        Ok(Self {
            config: Arc::new(config),
            dataset: Arc::new(dataset),
            scaler: Arc::new(scaler),
            graph: Arc::new(graph),
            notes,
            class: None,
            file: None,
            run: None,
        })
    }

    /// With these kernel shapes and costs instead of the adapter's own, if any are given. A run that goes on keeps its own.
    #[must_use]
    pub fn of_class(self, class: Option<AdapterClass>) -> Self {
        Self { class, ..self }
    }

    /// The config as resolved.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The data.
    #[must_use]
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Means and deviations.
    #[must_use]
    pub fn scaler(&self) -> &Arc<Scaler> {
        &self.scaler
    }

    /// What reading data and graph found, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Sizes of the model.
    #[must_use]
    pub fn shape(&self) -> ModelShape {
        ModelShape::of(&self.config, &self.dataset, &self.graph)
    }

    /// Windows of the parts; and why there will be nothing to evaluate, if so: training needs no test part.
    ///
    /// # Errors
    /// Fails if there is nothing to train on, or nothing to validate on although training is to stop early.
    pub fn windows(&self) -> Result<(WindowCounts, Option<DataError>), ExperimentError> {
        let (windows, refused) = self.dataset.count_windows()?;
        TrainError::check(&self.config.training, windows.training, windows.validation)?;
        Ok((windows, refused))
    }

    /// The windows of a part, in order.
    pub(crate) fn source(&self, index: WindowIndex) -> PartWindows {
        PartWindows::new(self.dataset.clone(), self.scaler.clone(), index)
    }

    /// Training windows, in order: for benchmarks.
    ///
    /// # Errors
    /// Fails if there are none.
    pub fn training_windows(&self) -> Result<PartWindows, ExperimentError> {
        Ok(self.source(self.dataset.training_windows()?))
    }

    /// The kernel shapes and costs to plan with on a backend: of a run its own where the backend can run them.
    fn class_on(&self, backend: &Backend) -> Option<AdapterClass> {
        match &self.run {
            Some((_, record)) => record.class_on(backend),
            None => self.class.clone(),
        }
    }

    /// What a session that trains is made of.
    #[must_use]
    pub fn setup(&self, backend: &Backend) -> Setup {
        Setup::training(self.shape(), self.config.training.clone()).of_class(self.class_on(backend))
    }

    /// The fastest plan within `training.memory`. Nothing is created on the device.
    ///
    /// # Errors
    /// Fails if there is nothing to train on, or no plan fits.
    pub fn plan(&self, backend: Backend) -> Result<Planned, ExperimentError> {
        let setup = self.setup(&backend);
        let plan = Arc::new(setup.plan(&backend)?);
        Ok(Planned { summary: Summary::new(&plan, self)?, experiment: self.clone(), backend, setup, plan })
    }

    /// What other budgets would cost, and the plan within the config's own in numbers. Needs no device.
    ///
    /// # Errors
    /// Fails if there is nothing to train on, or single windows do not fit the limits.
    pub fn outlook(&self, options: &PlanOptions) -> Result<(Outlook, Result<Summary, PlanError>), ExperimentError> {
        let setup = Setup::training(self.shape(), self.config.training.clone());
        let mut planner = setup.planner(options)?;
        let (outlook, made) = Outlook::new(&mut planner, self.config.training.budget()?).map_err(SessionError::from)?;
        let summary = made.map(|plan| Summary::new(&plan, self));
        Ok((
            outlook,
            match summary {
                Ok(summary) => Ok(summary?),
                Err(e) => Err(e),
            },
        ))
    }

    /// How far the run is that this experiment belongs to; nothing before its first checkpoint.
    ///
    /// # Errors
    /// Fails if the checkpoint is damaged.
    pub fn progress(&self) -> Result<Option<Progress>, ExperimentError> {
        let Some((stored, _)) = &self.run else { return Ok(None) };
        let places = parameter_places(&self.shape()).map_err(SessionError::from)?;
        Ok(stored.checkpoint(&places)?.map(|(_, progress)| progress))
    }

    /// Whether the run that this experiment belongs to is finished: all steps are done, or it stopped early.
    ///
    /// # Errors
    /// Fails if the checkpoint is damaged, or there is nothing to train on.
    pub fn is_finished(&self) -> Result<bool, ExperimentError> {
        let Some(progress) = self.progress()? else { return Ok(false) };
        let (windows, _) = self.windows()?;
        let training = &self.config.training;
        Ok(progress.is_finished(training, training.total_steps(windows.training)))
    }

    /// Whether the training rows are those that the scaler was fitted on: for a run, those that it was trained on.
    ///
    /// # Errors
    /// Fails if they are not.
    pub fn check_rows(&self) -> Result<(), ExperimentError> {
        let file = || self.file.clone().or_else(|| Some(self.run.as_ref()?.1.data.clone()));
        if self.scaler.is_fit_of(&self.dataset) { Ok(()) } else { Err(ExperimentError::OtherRows(file().unwrap_or_default())) }
    }

    /// The files of the run that this experiment belongs to.
    #[must_use]
    pub fn stored(&self) -> Option<&StoredRun> {
        self.run.as_ref().map(|(stored, _)| stored)
    }

    /// The same in other files, into which all of the run's are copied.
    ///
    /// # Errors
    /// Fails if they cannot be written.
    pub fn copied_to(mut self, files: StoredRun) -> Result<Self, ExperimentError> {
        if let Some((stored, _)) = &mut self.run {
            stored.copy(&files)?;
            *stored = files;
        }
        Ok(self)
    }

    /// Names of the series, covariates first.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        self.dataset.series_names().map(str::to_owned).collect()
    }
}
