//! Configs, data files and runs on disk.

use super::console::{self, shell};
use super::context::{self, Context};
use super::error::Hint as _;
use anyhow::Context as _;
use pgat::config::{Config, ConfigError};
use pgat::data::{DataError, Dataset, Part, Scaler};
use pgat::model::ModelShape;
use pgat::series_graph::{KnownGraph, SeriesGraph};
use pgat::session::{Purpose, Session};
use pgat::train::stored::{RunRecord, StoredError, StoredRun};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads a config; its paths become absolute, its name present.
pub(crate) fn config(path: &Path) -> anyhow::Result<Config> {
    let mut config = Config::open(path).map_err(|e| match e {
        ConfigError::Read { .. } => e.into(),
        _ => anyhow::Error::new(e).context(path.display().to_string()),
    })?;
    let data = config.data_path(path);
    config.data.path = std::path::absolute(&data).unwrap_or(data).display().to_string();
    let graph = config.graph_path(path).map(|graph| std::path::absolute(&graph).unwrap_or(graph).display().to_string());
    if let (Some(place), Some(graph)) = (config.graph.path_mut(), graph) {
        *place = graph;
    }
    if config.name.is_empty() {
        config.name = path.file_stem().map_or_else(|| "run".into(), |s| s.to_string_lossy().into_owned());
    }
    Ok(config)
}

/// Reads a data file.
pub(crate) fn dataset(config: &Config, path: &Path) -> anyhow::Result<Arc<Dataset>> {
    let read = Dataset::open(config, path).map_err(|e| match e {
        DataError::Open { .. } => e.into(),
        _ => anyhow::Error::new(e).context(path.display().to_string()),
    });
    Ok(Arc::new(read?))
}

/// The graph of the series that a config describes, with what reading it found.
pub(crate) fn graph(config: &Config, dataset: &Dataset) -> anyhow::Result<(KnownGraph, Vec<String>)> {
    let place = || config.graph.path().unwrap_or("[graph]").to_owned();
    let (graph, mut notes) = SeriesGraph::open(&config.graph, dataset).with_context(place)?;
    notes.extend(config.model.idle());
    Ok((KnownGraph::of(graph, &config.model).with_context(place)?, notes))
}

/// What reading the data found, on stderr.
pub(crate) fn notes(context: &Context, dataset: &Dataset, more: &[String]) {
    for note in dataset.report().notes.iter().chain(more) {
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

/// A run that was opened to be used.
pub(crate) struct Run {
    pub(crate) stored: StoredRun,
    pub(crate) record: RunRecord,
    pub(crate) config: Config,
    pub(crate) scaler: Arc<Scaler>,
}

impl Run {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let (stored, record) = StoredRun::open(path)?;
        let config = stored.config()?;
        let scaler = Arc::new(stored.scaler()?);
        Ok(Self { stored, record, config, scaler })
    }

    /// The run's own data, or the file that `data` says has taken its place.
    pub(crate) fn dataset(&self, data: Option<&Path>) -> anyhow::Result<Arc<Dataset>> {
        let path = data.unwrap_or(&self.record.data);
        let read = dataset(&self.config, path);
        let dataset = if path.exists() { read } else { read.hint(|| self.moved(data.is_some())) }?;
        self.scaler.check(&dataset).with_context(|| path.display().to_string())?;
        Ok(dataset)
    }

    /// What to do where the data are not where they were.
    fn moved(&self, told: bool) -> String {
        let file = self.record.data.display();
        match (told, self.record.data.is_absolute()) {
            (true, _) => "check the path that --data gives".into(),
            (false, true) => "the run was trained on this file: put it back, or give its new place with --data".into(),
            (false, false) => format!("the run was trained in a browser, on a file named {file}: say where it is with --data"),
        }
    }

    /// A session that scores with the run's weights, `batch` windows at a time.
    pub(crate) fn scorer(&self, context: &Context, dataset: &Dataset, last: bool, batch: Option<usize>) -> anyhow::Result<Session> {
        self.scorer_of(context, self.shape(dataset)?, last, batch)
    }

    /// The run's model on a dataset of its series.
    pub(crate) fn shape(&self, dataset: &Dataset) -> anyhow::Result<ModelShape> {
        Ok(ModelShape::of(&self.config, dataset, &self.stored.graph(&self.config, dataset)?))
    }

    /// As [`Run::scorer`], of that model, which takes its weights from the run by their names.
    pub(crate) fn scorer_of(&self, context: &Context, shape: ModelShape, last: bool, batch: Option<usize>) -> anyhow::Result<Session> {
        self.opened(context, shape, last, batch, &[])
    }

    /// As [`Run::scorer`], and tensors of these names can be looked at.
    pub(crate) fn keeper(
        &self,
        context: &Context,
        shape: ModelShape,
        last: bool,
        batch: usize,
        kept: &[String],
    ) -> anyhow::Result<Session> {
        self.opened(context, shape, last, Some(batch), kept)
    }

    fn opened(&self, context: &Context, shape: ModelShape, last: bool, batch: Option<usize>, kept: &[String]) -> anyhow::Result<Session> {
        let path = self.stored.path();
        if !self.stored.has_weights() {
            return Err(anyhow::anyhow!("{}: the run has no weights yet", path.display()))
                .hint(|| format!("train it: pgat train --resume {}", shell(path)));
        }
        let mut session = self.bare(context, shape, batch, kept)?;
        let (parameters, file) = self.stored.weights(session.parameters(), last)?;
        pollster::block_on(session.load_parameters(&parameters))?;
        context.say(&format!("weights: {}", path.join(file).display()));
        context.say(&format!("adapter: {}", context::describe(session.backend())));
        Ok(session)
    }

    /// A session that scores, without the run's weights.
    fn bare(&self, context: &Context, shape: ModelShape, batch: Option<usize>, kept: &[String]) -> anyhow::Result<Session> {
        let mut settings = self.config.training.clone();
        if let Some(batch) = batch {
            settings.batch_size = batch;
            settings.micro_batch = None;
        }
        let backend = context.open()?;
        let class = self.record.class_on(&backend);
        Ok(pollster::block_on(Session::keeping(shape, settings, Purpose::Score, backend, class.as_ref(), kept))?)
    }

    /// A session that scores with a part of the run's model switched off, whose weights are left out.
    pub(crate) fn without_a_part(&self, context: &Context, shape: ModelShape, last: bool, batch: usize) -> Result<Session, Without> {
        let mut session = self.bare(context, shape, Some(batch), &[]).map_err(Without::Other)?;
        let parameters = self.stored.shared_weights(session.parameters(), last).map_err(Without::Weights)?;
        pollster::block_on(session.load_parameters(&parameters)).map_err(|e| Without::Other(e.into()))?;
        Ok(session)
    }
}

/// Why a model with a part switched off cannot be scored.
pub(crate) enum Without {
    /// It asks for weights that the run does not have.
    Weights(StoredError),
    /// Anything else.
    Other(anyhow::Error),
}

/// Writes a file that the user named.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

/// Holds a run folder for one trainer; the lock goes with the process, however it ends.
pub(crate) struct Lock {
    path: PathBuf,
    _file: std::fs::File,
}

impl Lock {
    /// Locks a folder; nothing if another process has it.
    pub(crate) fn take(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join("lock");
        let file = std::fs::OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path, _file: file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(e)) => {
                // A file system without locks: two trainers at once are then the user's affair.
                console::warn(&format!("{} cannot be locked ({e})", path.display()));
                Ok(Some(Self { path, _file: file }))
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a lock's holder removes its file, before the lock goes.
        let _ = std::fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            // Leaves no empty folder behind where nothing was begun.
            let _ = std::fs::remove_dir(folder);
        }
    }
}
