//! Configs, data files and runs on disk.

use super::console::{self, shell};
use super::context::{self, Context};
use super::error::Hint as _;
use anyhow::Context as _;
use pgat::config::{Config, ConfigError};
use pgat::data::{DataError, Dataset, Scaler};
use pgat::executor::Backend;
use pgat::model::ModelShape;
use pgat::plan::AdapterClass;
use pgat::session::{Purpose, Session};
use pgat::train::folder::{RunFolder, RunRecord};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads a config; its data path and name become absolute and present.
pub(crate) fn config(path: &Path) -> anyhow::Result<Config> {
    let mut config = Config::open(path).map_err(|e| match e {
        ConfigError::Read { .. } => e.into(),
        _ => anyhow::Error::new(e).context(path.display().to_string()),
    })?;
    let data = config.data_path(path);
    config.data.path = std::path::absolute(&data).unwrap_or(data).display().to_string();
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

/// What reading the data found, on stderr.
pub(crate) fn notes(context: &Context, dataset: &Dataset, more: &[String]) {
    for note in dataset.report().notes.iter().chain(more) {
        context.say(&format!("note: {note}"));
    }
}

/// Sizes of a config's model on its data.
pub(crate) fn shape(config: &Config, dataset: &Dataset) -> ModelShape {
    ModelShape::new(*dataset.shape(), config.model.clone())
}

/// A run that was opened to be used.
pub(crate) struct Run {
    pub(crate) folder: RunFolder,
    pub(crate) record: RunRecord,
    pub(crate) config: Config,
    pub(crate) scaler: Arc<Scaler>,
}

impl Run {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let (folder, record) = RunFolder::open(path)?;
        let config = folder.config()?;
        let scaler = Arc::new(folder.scaler()?);
        Ok(Self { folder, record, config, scaler })
    }

    /// The run's own data.
    pub(crate) fn dataset(&self) -> anyhow::Result<Arc<Dataset>> {
        let path = &self.record.data;
        let read = dataset(&self.config, path);
        let moved = || "the run was trained on this file: put it back, or give its new place to `pgat evaluate` with --data".into();
        let dataset = if path.exists() { read } else { read.hint(moved) }?;
        self.scaler.check(&dataset).with_context(|| path.display().to_string())?;
        Ok(dataset)
    }

    /// Whether the scaler that the data give today is the run's own.
    pub(crate) fn data_unchanged(&self, dataset: &Dataset) -> bool {
        Scaler::fit(dataset).is_ok_and(|(scaler, _)| scaler == *self.scaler)
    }

    /// The table of kernel shapes to use on a backend: the run's own where the backend can run it.
    pub(crate) fn class(&self, backend: &Backend) -> Option<AdapterClass> {
        let lanes = |class: &AdapterClass| class.variants.rows.lanes.max(class.variants.weights.lanes);
        let own = &self.record.class;
        let fits = match backend {
            Backend::Gpu(gpu) => lanes(own) == 0 || lanes(own) == lanes(&gpu.class),
            Backend::Reference => true,
        };
        fits.then(|| own.clone())
    }

    /// A session that scores with the run's weights, `batch` windows at a time.
    pub(crate) fn scorer(&self, context: &Context, dataset: &Dataset, last: bool, batch: Option<usize>) -> anyhow::Result<Session> {
        let path = self.folder.path();
        if !path.join("weights.safetensors").exists() && !path.join("best.safetensors").exists() {
            return Err(anyhow::anyhow!("{}: the run has no weights yet", path.display()))
                .hint(|| format!("train it: pgat train --resume {}", shell(path)));
        }
        let mut settings = self.config.training.clone();
        if let Some(batch) = batch {
            settings.batch_size = batch;
            settings.micro_batch = None;
        }
        let backend = context.open()?;
        let class = self.class(&backend);
        let session = Session::new(shape(&self.config, dataset), settings, Purpose::Score, backend, class.as_ref());
        let mut session = pollster::block_on(session)?;
        let (parameters, file) = self.folder.weights(session.parameters(), last)?;
        pollster::block_on(session.load_parameters(&parameters))?;
        context.say(&format!("weights: {}", path.join(file).display()));
        context.say(&format!("adapter: {}", context::describe(session.backend())));
        Ok(session)
    }
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
