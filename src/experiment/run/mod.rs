//! A run as it is kept: named files in a folder (each written beside its place and renamed into it, so that a run killed at any moment
//! leaves a folder that goes on to the same bits) or in one file (see [`Archive`]).
//!
//! | file | what |
//! |---|---|
//! | `run.json` | format version, adapter and its class, seed, data file, versions |
//! | `config.toml` | the config as resolved |
//! | `scaler.json` | mean and deviation of each series |
//! | `graph.safetensors` | the series graph and what the model knows of it |
//! | `plan.json` | the plan: bytes by buffer, dispatches, predicted time |
//! | `checkpoint.safetensors` | parameters, moments, counters: what `--resume` reads |
//! | `weights.safetensors` | parameters of the last checkpoint, names of the reference |
//! | `best.safetensors` | parameters of the lowest validation loss |
//! | `metrics.jsonl` | one line an event: steps, gradients by groups of parameters, validations, restarts |
//! | `lock` | in a folder: held by the process that trains; a lock left by a killed one is taken over |

mod archive;
mod error;
mod files;
#[cfg(feature = "native")]
mod lock;
mod record;
mod store;

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

pub use archive::{Archive, ArchiveError};
pub use error::StoredError;
pub use files::Files;
#[cfg(feature = "native")]
pub use files::Folder;
pub use record::{NUMERICS_REVISION, RUN_VERSION, RunRecord};
pub use store::RunStore;

/// Files of a run, the record last.
const FILES: [&str; 9] = ["config.toml", "scaler.json", GRAPH, "plan.json", METRICS, WEIGHTS, BEST, CHECKPOINT, RECORD];
const RECORD: &str = "run.json";
const GRAPH: &str = "graph.safetensors";
const METRICS: &str = "metrics.jsonl";
const WEIGHTS: &str = "weights.safetensors";
const BEST: &str = "best.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";
#[cfg(feature = "native")]
const LOCK: &str = "lock";

/// Which weights of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// Those with the lowest validation loss; the last ones where nothing was validated.
    #[default]
    Best,
    /// Those of the last checkpoint.
    Last,
}

/// A config's name as that of a file or folder.
#[must_use]
pub fn file_stem(name: &str) -> String {
    let safe: String = name.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    if safe.trim_matches(['.', '-']).is_empty() { "run".into() } else { safe }
}

/// A run that is kept somewhere.
#[derive(Clone)]
pub struct StoredRun {
    files: Arc<dyn Files + Send + Sync>,
    /// Of a folder in which this process trains: held until the last clone is dropped.
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

    /// A new run that is kept in memory alone. `label` is what messages call it.
    #[must_use]
    pub fn in_memory(label: &str) -> Self {
        Self::of(Arc::new(Archive::new(label)))
    }

    /// A new run in an empty set of files.
    ///
    /// # Errors
    /// Fails if it holds a run already.
    pub fn create(files: Arc<dyn Files + Send + Sync>) -> Result<Self, StoredError> {
        if files.exists(RECORD) {
            return Err(StoredError::Exists(files.label().to_owned()));
        }
        Ok(Self::of(files))
    }

    /// A run that is there.
    ///
    /// # Errors
    /// Fails if it is none, or newer than this crate.
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

    /// Makes a folder for a new run and holds it for this process.
    ///
    /// # Errors
    /// Fails if it holds a run already or parts of one, another process trains there, or it cannot be written.
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

    /// Makes a folder for a new run: the first that is free of `parent/name`, `parent/name-2`, ..; characters that no folder should have are
    /// replaced.
    ///
    /// # Errors
    /// As [`StoredRun::create_folder`].
    #[cfg(feature = "native")]
    pub fn create_free_folder(parent: &Path, name: &str) -> Result<Self, StoredError> {
        let safe = file_stem(name);
        let path = |number: u32| parent.join(if number == 1 { safe.clone() } else { format!("{safe}-{number}") });
        for path in (1..u32::MAX).map(path) {
            // A folder with anything in it is somebody's; the lock alone is that of a run about to begin.
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

    /// Holds the run's folder for this process until the last clone of this is dropped; a run in memory needs no lock.
    ///
    /// # Errors
    /// Fails if another process trains there.
    #[cfg(feature = "native")]
    pub fn lock(&mut self) -> Result<(), StoredError> {
        if self.path().is_dir() {
            self.lock = Some(Arc::new(lock::Lock::take(self.path())?));
        }
        Ok(())
    }

    /// Opens a run folder, or a run file.
    ///
    /// # Errors
    /// Fails if it is no run, damaged, or newer than this crate.
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

    /// Copies every file of a run, the record last, which makes the copy a run.
    ///
    /// # Errors
    /// Fails if the disk does.
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

    /// Lines of the record so far, as they were written.
    ///
    /// # Errors
    /// Fails if the disk does.
    pub fn record_lines(&self) -> Result<String, StoredError> {
        Ok(String::from_utf8_lossy(&self.read(METRICS)?).into_owned())
    }

    /// Whether it holds weights yet.
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

    /// Writes everything that stays the same over a run; `run.json` last, which makes the folder a run.
    ///
    /// # Errors
    /// Fails if the disk does.
    pub fn write_start(
        &self,
        config: &Config,
        scaler: &Scaler,
        graph: &KnownGraph,
        plan: &impl Serialize,
        record: &RunRecord,
    ) -> Result<(), StoredError> {
        let text = config.to_toml();
        let text = text.map_err(|e| StoredError::Damaged { path: self.path().join("config.toml"), reason: e.to_string() })?;
        self.write("config.toml", text.as_bytes())?;
        self.write_json("scaler.json", scaler)?;
        let path = || self.path().join(GRAPH);
        let bytes = graph.to_bytes().map_err(|e| StoredError::Damaged { path: path(), reason: e.to_string() })?;
        self.write(GRAPH, &bytes)?;
        self.write_json("plan.json", plan)?;
        self.write(METRICS, b"")?;
        self.write_record(record)
    }

    /// Writes `run.json` anew.
    ///
    /// # Errors
    /// Fails if the disk does.
    pub fn write_record(&self, record: &RunRecord) -> Result<(), StoredError> {
        self.write_json(RECORD, &RunRecord { format_version: RUN_VERSION, ..record.clone() })
    }

    /// The config as resolved.
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

    /// The graph of the series, as it was when the run was started. Runs of versions without graphs, whose models know none, have no such
    /// file: theirs is the graph without edges of the config.
    ///
    /// # Errors
    /// Fails if it is damaged, gone, or of other series or sizes.
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
            return Err(damaged("its features have other sizes than config.toml says".into()));
        }
        Ok(known)
    }

    /// State and progress of the last checkpoint, if there is one.
    ///
    /// # Errors
    /// Fails if it is damaged or of another model.
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

    /// Parameters to forecast with.
    ///
    /// # Errors
    /// Fails if there are none yet, or they are damaged.
    pub fn weights(&self, places: &[ParameterPlace], weights: Weights) -> Result<Vec<f32>, StoredError> {
        let name = self.weights_file(weights);
        let path = self.path().join(name);
        let (parameters, _) = read_weights(&self.read(name)?, places).map_err(|source| StoredError::Weights { path, source })?;
        Ok(parameters)
    }

    /// As [`StoredRun::weights`], for a model with some part of the run's switched off: weights of that part are left out.
    ///
    /// # Errors
    /// Fails if there are none yet, they are damaged, or they lack a tensor of that model.
    pub fn shared_weights(&self, places: &[ParameterPlace], weights: Weights) -> Result<Vec<f32>, StoredError> {
        let name = self.weights_file(weights);
        let path = self.path().join(name);
        read_shared_weights(&self.read(name)?, places).map_err(|source| StoredError::Weights { path, source })
    }

    /// The name of the file that holds these weights.
    #[must_use]
    pub fn weights_file(&self, weights: Weights) -> &'static str {
        if weights == Weights::Best && self.files.exists(BEST) { BEST } else { WEIGHTS }
    }

    /// A store for the trainer.
    #[must_use]
    pub fn store(&self, places: Vec<ParameterPlace>, series: &[String]) -> RunStore {
        let series = serde_json::to_string(series).unwrap_or_default();
        RunStore { run: self.clone(), places, notes: Notes::from([("series".into(), series)]) }
    }

    /// Cuts the record back to a step.
    ///
    /// # Errors
    /// Fails if the disk does.
    pub fn rewind(&self, step: u64) -> Result<(), StoredError> {
        let text = self.read(METRICS)?;
        let keep = |line: &&str| {
            let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
            value.and_then(|v| v.get("step").and_then(serde_json::Value::as_u64)).is_some_and(|s| s <= step)
        };
        let kept: String = String::from_utf8_lossy(&text).lines().filter(keep).map(|l| format!("{l}\n")).collect();
        self.write(METRICS, kept.as_bytes())
    }
}
