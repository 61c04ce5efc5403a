//! One run in a tab: its data, its files in memory, and a trainer once it is compiled.

use super::failure::Failure;
use super::messages::{DataView, Loaded};
use super::{clock, span};
use crate::config::Config;
use crate::data::{Dataset, Part, PartWindows, Scaler, WindowCounts, WindowSource};
use crate::evaluate::EvaluateError;
use crate::executor::Backend;
use crate::experiment::Summary;
use crate::gpu::{Gpu, GpuError};
use crate::model::{ModelShape, parameter_places};
use crate::plan::{AdapterClass, Outlook};
use crate::series_graph::{KnownGraph, SeriesGraph};
use crate::session::{Purpose, Session, SessionError, plan_options, planner};
use crate::train::stored::{RunRecord, RunStore, StoredRun, file_stem};
use crate::train::{Archive, Trainer};
use std::sync::Arc;

/// Data of a run, and what is known of them.
#[derive(Clone)]
pub(super) struct Data {
    pub(super) config: Arc<Config>,
    pub(super) dataset: Arc<Dataset>,
    pub(super) scaler: Arc<Scaler>,
    pub(super) graph: Arc<KnownGraph>,
}

/// A trainer, and whether the device holds other numbers than its last stored state.
pub(super) struct Training {
    pub(super) inner: Trainer,
    pub(super) stale: bool,
}

pub(super) struct Work {
    pub(super) data: Data,
    pub(super) archive: Arc<Archive>,
    pub(super) trainer: Option<Training>,
    stored: StoredRun,
    /// Of a run that was opened; a new one gets its record when it is compiled.
    record: Option<RunRecord>,
    summary: Summary,
}

/// How often a lost device is replaced within one request.
const MOST_LOSSES: usize = 3;

impl Work {
    /// A new run.
    pub(super) fn begin(config: &str, csv: &[u8], file: &str, backend: &Backend) -> Result<(Self, Loaded), Failure> {
        let mut config = Config::from_toml(config)?;
        file.clone_into(&mut config.data.path);
        if config.name.is_empty() {
            config.name = file.split('.').next().unwrap_or("run").into();
        }
        let dataset = Dataset::read(&config, csv)?;
        let (scaler, mut notes) = Scaler::fit(&dataset)?;
        let (graph, more) = SeriesGraph::build(&config.graph, &dataset, None)?;
        let graph = KnownGraph::of(graph, &config.model)?;
        notes.extend(more);
        notes.extend(config.model.idle());
        let archive = Arc::new(Archive::new(format!("{}.zip", file_stem(&config.name))));
        let stored = StoredRun::create(archive.clone())?;
        let data = Data { config: Arc::new(config), dataset: Arc::new(dataset), scaler: Arc::new(scaler), graph: Arc::new(graph) };
        Self::planned(data, archive, stored, None, backend, notes, (0, vec![]))
    }

    /// A run that a file holds, within another budget if one is given: as `pgat train --resume --memory` does, the run's own config stays.
    pub(super) fn reopen(run: &[u8], csv: &[u8], file: &str, memory: Option<String>, backend: &Backend) -> Result<(Self, Loaded), Failure> {
        let archive = Arc::new(Archive::unpack("the run file", run)?);
        let (stored, mut record) = StoredRun::load(archive.clone())?;
        let mut config = stored.config()?;
        if let Some(memory) = memory {
            config.training.memory = Some(memory).filter(|m| !m.is_empty());
        }
        let scaler = stored.scaler()?;
        let dataset = Dataset::read(&config, csv)?;
        scaler.check(&dataset)?;
        if !scaler.is_fit_of(&dataset) {
            return Err(Failure::other_data(file));
        }
        let graph = stored.graph(&config, &dataset)?;
        let places = parameter_places(&ModelShape::of(&config, &dataset, &graph)).map_err(SessionError::from)?;
        let step = stored.checkpoint(&places)?.map_or(0, |(state, _)| state.step);
        stored.rewind(step)?;
        let lines = stored.record_lines()?;
        let lines = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let broken = record.break_on(backend);
        let notes = broken.map(|broken| format!("{broken}: from step {step} on, bits may differ")).into_iter().collect();
        record.data = file.into();
        let data = Data { config: Arc::new(config), dataset: Arc::new(dataset), scaler: Arc::new(scaler), graph: Arc::new(graph) };
        let config = data.config.clone();
        Self::planned(data, archive, stored, Some(record), backend, notes, (step, lines)).map_err(|failure| failure.of_run(&config))
    }

    fn planned(
        data: Data,
        archive: Arc<Archive>,
        stored: StoredRun,
        record: Option<RunRecord>,
        backend: &Backend,
        notes: Vec<String>,
        (step, lines): (u64, Vec<serde_json::Value>),
    ) -> Result<(Self, Loaded), Failure> {
        let (config, dataset) = (&data.config, &data.dataset);
        let (windows, refused) = dataset.count_windows()?;
        let class = record.as_ref().and_then(|r| r.class_on(backend));
        let (summary, outlook) = within_budget(&data, windows, backend, class.as_ref())?;
        let report = dataset.report();
        let mut all = report.notes.clone();
        all.extend(notes);
        all.extend(refused.map(|e| format!("there will be nothing to evaluate: {e}")));
        let [first, last] = span(dataset);
        let loaded = Loaded {
            name: config.name.clone(),
            config: config.to_toml()?,
            memory: config.training.memory.clone(),
            data: DataView {
                file: config.data.path.clone(),
                rows: report.rows,
                segments: report.segments,
                frequency: report.frequency.map(|f| f.to_string()),
                missing_cells: report.missing_cells,
                notes: all,
                targets: dataset.target_names().to_vec(),
                covariates: dataset.covariate_names().to_vec(),
                channels: dataset.channel_names().to_vec(),
                history: config.window.history,
                horizon: config.window.horizon,
                first,
                last,
            },
            plan: summary.clone(),
            outlook,
            step,
            record: lines,
        };
        Ok((Self { data, archive, trainer: None, stored, record, summary }, loaded))
    }

    /// Makes everything on the device, and takes up the stored state of a run that was opened.
    pub(super) async fn compile(&mut self, backend: Backend) -> Result<(), Failure> {
        let Data { config, dataset, scaler, graph } = self.data.clone();
        let class = self.record.as_ref().and_then(|r| r.class_on(&backend));
        let shape = ModelShape::of(&config, &dataset, &graph);
        let session = Session::new(shape, config.training.clone(), Purpose::Train, backend, class.as_ref()).await?;
        let stored = self.stored.checkpoint(session.parameters())?;
        match &mut self.record {
            Some(record) => {
                let step = stored.as_ref().map_or(0, |(state, _)| state.step);
                record.go_on(step, &session);
                self.stored.write_record(record)?;
            }
            None => {
                let record = RunRecord::new(&config, &dataset, &session);
                self.stored.write_start(&config, &scaler, &graph, &self.summary, &record)?;
                self.record = Some(record);
            }
        }
        let windows = |index| -> Arc<dyn WindowSource> { Arc::new(PartWindows::new(dataset.clone(), scaler.clone(), index)) };
        let train = windows(dataset.training_windows()?);
        let validation = windows(dataset.evaluation_windows(Part::Validation)?);
        let mut trainer = Trainer::new(session, config.training.clone(), train, Some(validation), None, clock)?;
        if let Some((state, progress)) = stored {
            trainer.resume(state, progress).await?;
        }
        self.trainer = Some(Training { inner: trainer, stale: false });
        Ok(())
    }

    /// The device that the run is on, once it is compiled.
    pub(super) fn gpu(&self) -> Option<Arc<Gpu>> {
        match self.trainer.as_ref()?.inner.session().backend() {
            Backend::Gpu(gpu) => Some(gpu.clone()),
            Backend::Reference => None,
        }
    }

    /// Whether it holds weights.
    pub(super) fn is_trained(&self) -> bool {
        self.stored.has_weights()
    }

    /// A name for the run's file.
    pub(super) fn file_name(&self) -> String {
        format!("{}.pgat.zip", file_stem(&self.data.config.name))
    }

    pub(super) fn store(&self) -> RunStore {
        let places = self.trainer.as_ref().map(|t| t.inner.session().parameters().to_vec()).unwrap_or_default();
        let series: Vec<String> = self.data.dataset.series_names().map(str::to_owned).collect();
        self.stored.store(places, &series)
    }

    pub(super) fn trainer(&mut self) -> Result<&mut Training, Failure> {
        self.trainer.as_mut().ok_or_else(Failure::nothing_loaded)
    }

    /// Calls `f` with the best weights so far on the device; again on a new device if that is lost meanwhile. Training finds its own
    /// state again by [`Trainer::rewind`].
    pub(super) async fn with_best<T>(&mut self, mut f: impl AsyncFnMut(&mut Session) -> Result<T, EvaluateError>) -> Result<T, Failure> {
        if !self.is_trained() {
            return Err(Failure::untrained());
        }
        let stored = self.stored.clone();
        let training = self.trainer()?;
        let (best, _) = stored.weights(training.inner.session().parameters(), false)?;
        training.stale = true;
        for _ in 0..MOST_LOSSES {
            let session = training.inner.session_mut();
            let made = match session.load_parameters(&best).await {
                Ok(()) => f(session).await,
                Err(e) => Err(e.into()),
            };
            match made {
                Err(EvaluateError::Session(SessionError::Gpu(GpuError::Lost(_)))) => training.inner.recover().await?,
                other => return Ok(other?),
            }
        }
        Err(GpuError::Lost("again and again while scoring".into()).into())
    }
}

/// The plan within the run's budget, and what other budgets would cost.
fn within_budget(
    data: &Data,
    windows: WindowCounts,
    backend: &Backend,
    class: Option<&AdapterClass>,
) -> Result<(Summary, Outlook), Failure> {
    let shape = ModelShape::of(&data.config, &data.dataset, &data.graph);
    let training = &data.config.training;
    let budget = training.budget()?;
    let mut planner = planner(&shape, training, Purpose::Train, &plan_options(backend, training, class))?;
    let (outlook, made) = Outlook::new(&mut planner, budget)?;
    match made {
        Ok(plan) => Ok((Summary::new(&plan, windows, training.total_steps(windows.training)), outlook)),
        Err(e) => Err(Failure::from(e).with(outlook)),
    }
}
