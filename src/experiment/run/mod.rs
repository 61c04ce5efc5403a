//! A stored run: named files in a folder or in one file (see [`Archive`]). In a folder, each file is written under a temporary name and
//! then renamed, so that a run that is killed can be resumed with bit-identical results.
//!
//! | file | contents |
//! |---|---|
//! | `run.json` | format version, adapter and its class, seed, data file, versions |
//! | `config.toml` | the resolved config |
//! | `scaler.json` | mean and standard deviation of each series |
//! | `graph.safetensors` | the series graph and its features |
//! | `plan.json` | the plan: bytes by buffer, dispatches, predicted time |
//! | `checkpoint.safetensors` | parameters, moments, counters; read by `--resume` |
//! | `weights.safetensors` | parameters of the last checkpoint, with the names of the PyTorch reference |
//! | `best.safetensors` | parameters with the lowest validation loss |
//! | `metrics.jsonl` | one line per event: steps, gradients by parameter group, validations, restarts |
//! | `lock` | in a folder: held by the training process; the file of a killed process is reused |

mod archive;
mod error;
mod files;
#[cfg(feature = "native")]
mod lock;
mod record;
mod store;
mod zip;

use super::Experiment;
use crate::config::Config;
use crate::data::{Dataset, Scaler};
use crate::model::ParameterPlace;
use crate::series_graph::{KnownGraph, SeriesGraph};
use crate::session::State;
use crate::train::Progress;
use crate::train::weights::{Notes, read_shared_weights, read_state, read_weights};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

pub use self::zip::ZipError;
pub use archive::{Archive, ArchiveError};
pub use error::StoredError;
pub use files::Files;
#[cfg(feature = "native")]
pub use files::Folder;
pub use record::{NUMERICS_REVISION, RUN_VERSION, RunRecord};
pub use store::RunStore;

/// Files of a run. The record is last.
const FILES: [&str; 10] = ["config.toml", "scaler.json", GRAPH, "plan.json", METRICS, WEIGHTS, AVERAGE, BEST, CHECKPOINT, RECORD];
const RECORD: &str = "run.json";
const GRAPH: &str = "graph.safetensors";
const METRICS: &str = "metrics.jsonl";
const WEIGHTS: &str = "weights.safetensors";
const AVERAGE: &str = "average.safetensors";
const BEST: &str = "best.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";
#[cfg(feature = "native")]
const LOCK: &str = "lock";

/// The weights of a run to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// The weights with the lowest validation score, calibrated if the model is; without validation the moving mean, or the last weights if
    /// there is no mean.
    #[default]
    Best,
    /// The weights of the last checkpoint.
    Last,
}

/// Converts the name of a config to a valid file or folder name.
#[must_use]
pub fn file_stem(name: &str) -> String {
    let safe: String = name.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    if safe.trim_matches(['.', '-']).is_empty() { "run".into() } else { safe }
}

/// A stored run.
#[derive(Clone)]
pub struct StoredRun {
    files: Arc<dyn Files + Send + Sync>,
    /// The lock of a folder in which this process trains. It is held until the last clone is dropped.
    #[cfg(feature = "native")]
    lock: Option<Arc<lock::Lock>>,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoredError {
    let path = path.to_owned();
    move |source| StoredError::Io { path, source }
}

impl StoredRun {
    fn of(files: Arc<dyn Files + Send + Sync>) -> Self {
        Self {
            files,
            #[cfg(feature = "native")]
            lock: None,
        }
    }

    /// A new run in memory. Messages use `label` as its name.
    #[must_use]
    pub fn in_memory(label: &str) -> Self {
        Self::of(Arc::new(Archive::new(label)))
    }

    /// A new run in an empty set of files.
    ///
    /// # Errors
    /// Fails if the set already contains a run.
    pub fn create(files: Arc<dyn Files + Send + Sync>) -> Result<Self, StoredError> {
        if files.exists(RECORD) {
            return Err(StoredError::Exists(files.label().to_owned()));
        }
        Ok(Self::of(files))
    }

    /// Loads an existing run.
    ///
    /// # Errors
    /// Fails if it is not a run, or is newer than this crate.
    pub fn load(files: Arc<dyn Files + Send + Sync>) -> Result<(Self, RunRecord), StoredError> {
        if !files.exists(RECORD) {
            return Err(StoredError::NotARun(files.label().to_owned()));
        }
        let run = Self::of(files);
        let text = run.read(RECORD)?;
        let damaged = |e: serde_json::Error| StoredError::Damaged { path: run.path().join(RECORD), reason: e.to_string() };
        let version: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
        let found = version.get("format_version").and_then(serde_json::Value::as_u64).and_then(|v| u32::try_from(v).ok());
        if let Some(found) = found.filter(|v| *v > RUN_VERSION) {
            return Err(StoredError::Newer { path: run.path().to_owned(), found });
        }
        let record = serde_json::from_slice(&text).map_err(damaged)?;
        Ok((run, record))
    }

    /// Creates a folder for a new run and locks it for this process.
    ///
    /// # Errors
    /// Fails if the folder already contains a run or parts of one, another process trains in it, or it cannot be written.
    #[cfg(feature = "native")]
    pub fn create_folder(path: &Path) -> Result<Self, StoredError> {
        let mut run = Self::create(Arc::new(Folder::new(path)))?;
        std::fs::create_dir_all(path).map_err(io(path))?;
        if let Some(file) = [CHECKPOINT, WEIGHTS, BEST].into_iter().find(|f| run.files.exists(f)) {
            return Err(StoredError::Remains { path: path.to_owned(), file });
        }
        run.lock()?;
        Ok(run)
    }

    /// Creates a folder for a new run: the first free one of `parent/name`, `parent/name-2`, and so on. Characters that are not safe in
    /// folder names are replaced.
    ///
    /// # Errors
    /// As [`StoredRun::create_folder`].
    #[cfg(feature = "native")]
    pub fn create_free_folder(parent: &Path, name: &str) -> Result<Self, StoredError> {
        let safe = file_stem(name);
        let path = |number: u32| parent.join(if number == 1 { safe.clone() } else { format!("{safe}-{number}") });
        for path in (1..u32::MAX).map(path) {
            // A folder that is not empty is in use. A folder that contains only a lock file belongs to a run that is about to start.
            let taken = std::fs::read_dir(&path).is_ok_and(|mut all| all.any(|f| f.is_ok_and(|f| f.file_name() != LOCK)));
            if taken || path.is_file() {
                continue;
            }
            match Self::create_folder(&path) {
                Err(StoredError::Busy(_)) => {}
                made => return made,
            }
        }
        Err(StoredError::Exists(path(u32::MAX)))
    }

    /// Locks the folder of the run for this process until the last clone is dropped. A run in memory needs no lock.
    ///
    /// # Errors
    /// Fails if another process trains in the folder.
    #[cfg(feature = "native")]
    pub fn lock(&mut self) -> Result<(), StoredError> {
        if self.path().is_dir() {
            self.lock = Some(Arc::new(lock::Lock::take(self.path())?));
        }
        Ok(())
    }

    /// Opens a run folder or a run file.
    ///
    /// # Errors
    /// Fails if it is not a run, is damaged, or is newer than this crate.
    #[cfg(feature = "native")]
    pub fn open(path: &Path) -> Result<(Self, RunRecord), StoredError> {
        if !path.exists() {
            return Err(StoredError::Gone(path.to_owned()));
        }
        if path.is_file() {
            let bytes = std::fs::read(path).map_err(io(path))?;
            return Self::load(Arc::new(Archive::unpack(path, &bytes)?));
        }
        Self::load(Arc::new(Folder::new(path)))
    }

    /// Copies all files of a run. The record is copied last, so that an incomplete copy is not a run.
    ///
    /// # Errors
    /// Fails if a file cannot be read or written.
    pub fn copy(&self, to: &Self) -> Result<(), StoredError> {
        for name in FILES.iter().filter(|name| self.files.exists(name)) {
            to.write(name, &self.read(name)?)?;
        }
        Ok(())
    }

    /// The folder, or the name of the run file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.files.label()
    }

    /// The lines of `metrics.jsonl` so far.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn record_lines(&self) -> Result<String, StoredError> {
        Ok(String::from_utf8_lossy(&self.read(METRICS)?).into_owned())
    }

    /// Whether there is a checkpoint from which training can be resumed.
    #[must_use]
    pub fn has_checkpoint(&self) -> bool {
        self.files.exists(CHECKPOINT)
    }

    /// Whether a validation has stored best weights.
    #[must_use]
    pub fn has_best(&self) -> bool {
        self.files.exists(BEST)
    }

    /// Whether the run has weights.
    #[must_use]
    pub fn has_weights(&self) -> bool {
        self.files.exists(WEIGHTS) || self.files.exists(BEST)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, StoredError> {
        self.files.read(name).map_err(io(&self.path().join(name)))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoredError> {
        self.files.write(name, bytes).map_err(io(&self.path().join(name)))
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), StoredError> {
        self.files.append(name, bytes).map_err(io(&self.path().join(name)))
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StoredError> {
        let text = serde_json::to_vec_pretty(value);
        let text = text.map_err(|e| StoredError::Damaged { path: self.path().join(name), reason: e.to_string() })?;
        self.write(name, &text)
    }

    /// Writes all files that stay constant during a run. `run.json` is written last, so that an incomplete folder is not a run.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn write_start(&self, experiment: &Experiment, plan: &impl Serialize, record: &RunRecord) -> Result<(), StoredError> {
        let Experiment { config, scaler, graph, .. } = experiment;
        let text = config.to_toml();
        let text = text.map_err(|e| StoredError::Damaged { path: self.path().join("config.toml"), reason: e.to_string() })?;
        self.write("config.toml", text.as_bytes())?;
        self.write_json("scaler.json", scaler.as_ref())?;
        let path = || self.path().join(GRAPH);
        let bytes = graph.to_bytes().map_err(|e| StoredError::Damaged { path: path(), reason: e.to_string() })?;
        self.write(GRAPH, &bytes)?;
        self.write_json("plan.json", plan)?;
        self.write(METRICS, b"")?;
        self.write_record(record)
    }

    /// Rewrites `run.json`.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write_record(&self, record: &RunRecord) -> Result<(), StoredError> {
        self.write_json(RECORD, &RunRecord { format_version: RUN_VERSION, ..record.clone() })
    }

    /// The resolved config.
    ///
    /// # Errors
    /// Fails if it is damaged.
    pub fn config(&self) -> Result<Config, StoredError> {
        let text = String::from_utf8_lossy(&self.read("config.toml")?).into_owned();
        Config::from_toml(&text).map_err(|source| StoredError::Config { path: self.path().join("config.toml"), source })
    }

    /// The scaler.
    ///
    /// # Errors
    /// Fails if it is damaged.
    pub fn scaler(&self) -> Result<Scaler, StoredError> {
        let text = self.read("scaler.json")?;
        serde_json::from_slice(&text).map_err(|e| StoredError::Damaged { path: self.path().join("scaler.json"), reason: e.to_string() })
    }

    /// The series graph as it was when the run was started. Runs of versions without graphs have no graph file; they have a graph without
    /// edges.
    ///
    /// # Errors
    /// Fails if the file is damaged or missing, or has other series or sizes.
    pub fn graph(&self, config: &Config, dataset: &Dataset) -> Result<KnownGraph, StoredError> {
        let damaged = |reason: String| StoredError::Damaged { path: self.path().join(GRAPH), reason };
        if !self.files.exists(GRAPH) && config.graph.is_default() {
            let names = dataset.series_names().map(str::to_owned).collect();
            return KnownGraph::of(SeriesGraph::without_edges(names), &config.model).map_err(|e| damaged(e.to_string()));
        }
        let known = KnownGraph::from_bytes(&self.read(GRAPH)?).map_err(|e| damaged(e.to_string()))?;
        if !known.graph.names().iter().map(String::as_str).eq(dataset.series_names()) {
            let names = known.graph.names().iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(StoredError::OtherSeries { path: self.path().join(GRAPH), names });
        }
        if known.features.sizes != (&config.model).into() {
            return Err(damaged("the sizes of its features differ from config.toml".into()));
        }
        Ok(known)
    }

    /// State and progress of the last checkpoint, if there is one.
    ///
    /// # Errors
    /// Fails if it is damaged or belongs to another model.
    pub fn checkpoint(&self, places: &[ParameterPlace]) -> Result<Option<(State, Progress)>, StoredError> {
        let path = self.path().join(CHECKPOINT);
        if !self.files.exists(CHECKPOINT) {
            return Ok(None);
        }
        let (state, notes) =
            read_state(&self.read(CHECKPOINT)?, places).map_err(|source| StoredError::Weights { path: path.clone(), source })?;
        let progress = notes.get("progress").map_or("", String::as_str);
        let progress = serde_json::from_str(progress).map_err(|e| StoredError::Damaged { path, reason: e.to_string() })?;
        Ok(Some((state, progress)))
    }

    /// The parameters of the run.
    ///
    /// # Errors
    /// Fails if there are no weights yet, or they are damaged.
    pub fn weights(&self, places: &[ParameterPlace], weights: Weights) -> Result<Vec<f32>, StoredError> {
        let name = self.weights_file(weights);
        let path = self.path().join(name);
        let (parameters, _) = read_weights(&self.read(name)?, places).map_err(|source| StoredError::Weights { path, source })?;
        Ok(parameters)
    }

    /// As [`StoredRun::weights`], for a model with a part of the run's model switched off. The weights of this part are ignored.
    ///
    /// # Errors
    /// Fails if there are no weights yet, they are damaged, or they lack a tensor of the model.
    pub fn shared_weights(&self, places: &[ParameterPlace], weights: Weights) -> Result<Vec<f32>, StoredError> {
        let name = self.weights_file(weights);
        let path = self.path().join(name);
        read_shared_weights(&self.read(name)?, places).map_err(|source| StoredError::Weights { path, source })
    }

    /// The name of the file with these weights.
    #[must_use]
    pub fn weights_file(&self, weights: Weights) -> &'static str {
        match weights {
            Weights::Best if self.has_best() => BEST,
            Weights::Best if self.files.exists(AVERAGE) => AVERAGE,
            _ => WEIGHTS,
        }
    }

    /// The store for the trainer.
    #[must_use]
    pub fn store(&self, places: Vec<ParameterPlace>, series: &[String]) -> RunStore {
        let series = serde_json::to_string(series).unwrap_or_default();
        RunStore { run: self.clone(), places, notes: Notes::from([("series".into(), series)]) }
    }

    /// Removes the events after that progress from `metrics.jsonl`.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written.
    pub fn rewind(&self, progress: &Progress) -> Result<(), StoredError> {
        if !self.files.exists(METRICS) {
            return self.write(METRICS, b"");
        }
        let text = self.read(METRICS)?;
        let keep = |line: &&str| {
            let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
            let of_start = value.as_ref().is_some_and(|v| v.get("phase").is_some_and(|p| p == "start"));
            let most = if of_start { Some(progress.start) } else { (progress.whole || progress.start == 0).then_some(progress.step) };
            value.and_then(|v| v.get("step").and_then(serde_json::Value::as_u64)).zip(most).is_some_and(|(s, most)| s <= most)
        };
        let kept: String = String::from_utf8_lossy(&text).lines().filter(keep).map(|l| format!("{l}\n")).collect();
        self.write(METRICS, kept.as_bytes())
    }
}
