//! An experiment: a config with its data. It is the entry point for the command line, the browser page and library users.
//!
//! ```text
//! Experiment::open(config)      reads data, scaler and graph
//!   .plan(backend)              Planned: bytes and predicted time; nothing is created yet
//!   .begin(stored)              Training: compiled; can be run, paused, and evaluated in between
//!   .run(listener).finish()     Trained: evaluates, forecasts, inspects
//!
//! Run::open(path)               a stored run: config, scaler, graph, weights
//!   .open_data(file)            the Experiment of the run
//!   .plan(backend).resume()     the resumed Training, or
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
use crate::data::{DataError, Dataset, Part, PartWindows, Scaler, SeenWindows, WindowCounts, WindowIndex};
use crate::evaluate::ScoredData;
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
pub use inspector::{GraphReport, HubReport, Inspector, Truth};
pub use opened::Run;
pub use planned::Planned;
#[cfg(feature = "native")]
pub use run::Folder;
pub use run::{
    Archive, ArchiveError, Files, NUMERICS_REVISION, RUN_VERSION, RunRecord, RunStore, StoredError, StoredRun, Weights, ZipError, file_stem,
};
pub use summary::{BufferSummary, Summary};
pub use trained::{LoadOptions, Trained};
pub use training::Training;

/// A config with its data. Cloning is cheap.
#[derive(Clone)]
pub struct Experiment {
    config: Arc<Config>,
    dataset: Arc<Dataset>,
    scaler: Arc<Scaler>,
    graph: Arc<KnownGraph>,
    /// Notes from reading the data and the graph, one sentence each.
    notes: Vec<String>,
    /// Kernel shapes and costs that replace those of the adapter.
    class: Option<AdapterClass>,
    /// Absolute path of the data file; none if the data are not from a file.
    file: Option<PathBuf>,
    /// The stored run, if there is one.
    run: Option<(StoredRun, RunRecord)>,
}

impl Experiment {
    /// Reads data (CSV, plain or gzip-compressed) and, if `[graph]` names a file, the bytes of this file. The paths in the config are
    /// ignored.
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
        Ok(Self { file: error::place(&file), ..experiment })
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

    /// Replaces the kernel shapes and costs of the adapter, if a class is given. A resumed run keeps its own.
    #[must_use]
    pub fn of_class(self, class: Option<AdapterClass>) -> Self {
        Self { class, ..self }
    }

    /// The resolved config.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The data.
    #[must_use]
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Means and standard deviations.
    #[must_use]
    pub fn scaler(&self) -> &Arc<Scaler> {
        &self.scaler
    }

    /// Notes from reading the data and the graph, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Sizes of the model.
    #[must_use]
    pub fn shape(&self) -> ModelShape {
        ModelShape::of(&self.config, &self.dataset, &self.graph)
    }

    /// The data on which a model of this experiment is scored.
    pub(crate) fn scored(&self) -> ScoredData<'_> {
        ScoredData { dataset: &self.dataset, scaler: &self.scaler, config: &self.config }
    }

    /// The number of windows in each part. If there are no test windows, also the reason; training does not need test windows.
    ///
    /// # Errors
    /// Fails if there are no training windows, or if early stopping is set but there are no validation windows.
    pub fn windows(&self) -> Result<(WindowCounts, Option<DataError>), ExperimentError> {
        let (windows, refused) = self.dataset.count_windows()?;
        TrainError::check(&self.config.training, windows.training, windows.validation)?;
        Ok((windows, refused))
    }

    /// The windows of an index, in order.
    pub(crate) fn source(&self, index: WindowIndex) -> PartWindows {
        PartWindows::new(self.dataset.clone(), self.scaler.clone(), index)
    }

    /// The training windows in order, for benchmarks.
    ///
    /// # Errors
    /// Fails if there are none.
    pub fn training_windows(&self) -> Result<PartWindows, ExperimentError> {
        Ok(self.source(self.dataset.training_windows()?))
    }

    /// The kernel shapes and costs for planning on a backend. A run uses its own if the backend supports them.
    fn class_on(&self, backend: &Backend) -> Option<AdapterClass> {
        match &self.run {
            Some((_, record)) => record.class_on(backend),
            None => self.class.clone(),
        }
    }

    /// The setup of a training session.
    #[must_use]
    pub fn setup(&self, backend: &Backend) -> Setup {
        Setup::training(self.shape(), self.config.training.clone())
            .judged_by(self.config.validation.metric)
            .of_class(self.class_on(backend))
    }

    /// The fastest plan within `training.memory`. Nothing is created on the device.
    ///
    /// # Errors
    /// Fails if there are no training windows, or no plan fits.
    pub fn plan(&self, backend: Backend) -> Result<Planned, ExperimentError> {
        let setup = self.setup(&backend);
        let plan = Arc::new(setup.plan(&backend)?);
        Ok(Planned { summary: Summary::new(&plan, self)?, experiment: self.clone(), backend, setup, plan })
    }

    /// The plans within other memory budgets, and a summary of the plan within the budget of the config. It needs no device.
    ///
    /// # Errors
    /// Fails if there are no training windows, or single windows do not fit the limits.
    pub fn outlook(&self, options: &PlanOptions) -> Result<(Outlook, Result<Summary, PlanError>), ExperimentError> {
        let setup = Setup::training(self.shape(), self.config.training.clone()).judged_by(self.config.validation.metric);
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

    /// The progress of the run of this experiment; none before its first checkpoint.
    ///
    /// # Errors
    /// Fails if the checkpoint is damaged.
    pub fn progress(&self) -> Result<Option<Progress>, ExperimentError> {
        let Some((stored, _)) = &self.run else { return Ok(None) };
        let places = parameter_places(&self.shape()).map_err(SessionError::from)?;
        Ok(stored.checkpoint(&places)?.map(|(_, progress)| progress))
    }

    /// Whether a run of this experiment with this progress is finished: all steps are done, or it stopped early, and the spread is calibrated
    /// if it should be.
    ///
    /// # Errors
    /// Fails if there are no training windows.
    pub fn is_finished(&self, progress: &Progress) -> Result<bool, ExperimentError> {
        let (windows, _) = self.windows()?;
        let training = &self.config.training;
        let calibrates = self.config.model.use_calibration && windows.validation > 0;
        Ok(progress.is_finished(training, training.total_steps(windows.training)) && (progress.calibrated || !calibrates))
    }

    /// How many windows of a part have horizon rows that the run of this experiment has seen. Without a run, or for a run of an earlier
    /// version, there are none.
    ///
    /// # Errors
    /// Fails if the part contains no window.
    pub fn seen_windows(&self, part: Part) -> Result<SeenWindows, ExperimentError> {
        let Some(facts) = self.run.as_ref().and_then(|(_, record)| record.facts.as_ref()) else { return Ok(SeenWindows::default()) };
        Ok(self.dataset.seen_windows(facts, self.dataset.evaluation_windows(part)?.iter()))
    }

    /// Checks that the training rows are those on which the scaler was fitted. For a run, these are the rows on which it was trained.
    ///
    /// # Errors
    /// Fails if they are not.
    pub fn check_rows(&self) -> Result<(), ExperimentError> {
        let file = || self.file.clone().or_else(|| Some(self.run.as_ref()?.1.data.clone()));
        if self.scaler.is_fit_of(&self.dataset) { Ok(()) } else { Err(ExperimentError::OtherRows(file().unwrap_or_default())) }
    }

    /// Writes the location of the data into `run.json` if it has changed since the run was stored.
    ///
    /// # Errors
    /// Fails if the record cannot be written.
    pub fn record_data_file(&mut self) -> Result<(), ExperimentError> {
        if let (Some((stored, record)), Some(file)) = (&mut self.run, &self.file)
            && record.data != *file
        {
            record.data = file.clone();
            stored.write_record(record)?;
        }
        Ok(())
    }

    /// The files of the run of this experiment.
    #[must_use]
    pub fn stored(&self) -> Option<&StoredRun> {
        self.run.as_ref().map(|(stored, _)| stored)
    }

    /// Copies all files of the run, and returns the experiment with the copied files.
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

    /// Names of all series, covariates first.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        self.dataset.series_names().map(str::to_owned).collect()
    }
}
