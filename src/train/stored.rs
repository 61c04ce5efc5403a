//! A run as it is kept: named files in a folder (each written beside its place and renamed into it, so that a run killed at any moment
//! leaves a folder that goes on to the same bits) or in one file (see [`Archive`](super::Archive)).
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

#[cfg(feature = "native")]
use super::archive::Archive;
use super::archive::ArchiveError;
use super::files::Files;
use super::run::{Event, Progress, Store};
use super::weights::{Notes, WeightsError, read_shared_weights, read_state, read_weights, write_state, write_weights};
use crate::config::Config;
use crate::data::{Dataset, Scaler};
use crate::executor::Backend;
use crate::gpu::AdapterRecord;
use crate::model::ParameterPlace;
use crate::plan::AdapterClass;
use crate::series_graph::{KnownGraph, SeriesGraph};
use crate::session::{Session, State};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of a run, the record last.
const FILES: [&str; 9] = ["config.toml", "scaler.json", GRAPH, "plan.json", METRICS, WEIGHTS, BEST, CHECKPOINT, RECORD];
const RECORD: &str = "run.json";
const GRAPH: &str = "graph.safetensors";
const METRICS: &str = "metrics.jsonl";
const WEIGHTS: &str = "weights.safetensors";
const BEST: &str = "best.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";

/// Format version of runs that this crate writes, and the newest it reads.
pub const RUN_VERSION: u32 = 2;

/// Revision of the arithmetic: the order of every sum, the key of every random number. Whoever changes one of them, so that a run trains to
/// other bits than before, raises it (`tests/digests.rs` fails until then). A run of another revision can go on, but a break is recorded.
pub const NUMERICS_REVISION: u32 = 1;

/// A run cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not a run.
    #[error("{0} is not a run: it has no run.json. Give a folder that `pgat train` made, or a file that the browser page saved")]
    NotARun(PathBuf),
    /// Nothing is there.
    #[error("{0}: there is nothing here. Give a folder that `pgat train` made, or a file that the browser page saved")]
    Gone(PathBuf),
    /// There is a run in the place of a new one.
    #[error("{0} already holds a run: give another --out, or go on with `pgat train --resume {0}`")]
    Exists(PathBuf),
    /// Written by a newer version.
    #[error("{path} has format version {found}; this pgat reads up to {RUN_VERSION}: update pgat")]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Version found.
        found: u32,
    },
    /// A file is damaged.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        reason: String,
    },
    /// The data have other series than the run.
    #[error(
        "the data have other series, or in another order, than the run was trained on ({names}): give columns of these names, in this order"
    )]
    OtherSeries {
        /// The file that says so.
        path: PathBuf,
        /// The run's series.
        names: String,
    },
    /// The config in the folder cannot be used: edited, or newer.
    #[error("{path}: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: crate::config::ConfigError,
    },
    /// It is one file, and damaged.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A weight file is of another model, or damaged.
    #[error("{path}: {source}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WeightsError,
    },
}

/// A config's name as that of a file or folder.
#[must_use]
pub fn file_stem(name: &str) -> String {
    let safe: String = name.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    if safe.trim_matches(['.', '-']).is_empty() { "run".into() } else { safe }
}

/// What a run is, beside its config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of the folder's format.
    pub format_version: u32,
    /// Version of the crate that made it.
    pub pgat: String,
    /// Where the data were read, absolute; of a run that a browser made, the file's bare name.
    pub data: PathBuf,
    /// Seed.
    pub seed: u64,
    /// Names of the series, covariates first: node vectors belong to them.
    pub series: Vec<String>,
    /// The adapter; nothing for the twins.
    pub adapter: Option<AdapterRecord>,
    /// Kernel shapes and predicted costs: the table by which every later part of the run is computed.
    pub class: AdapterClass,
    /// Revision of the arithmetic ([`NUMERICS_REVISION`]) by which the run was trained last.
    #[serde(default = "first_revision")]
    pub numerics_revision: u32,
    /// Steps at which the run went on on an adapter of another class or with another revision of the arithmetic, and which: bits may differ
    /// from there on.
    #[serde(default)]
    pub breaks: Vec<(u64, String)>,
}

/// Runs that state no revision are older than the second.
fn first_revision() -> u32 {
    1
}

impl RunRecord {
    /// Of a run that begins.
    #[must_use]
    pub fn new(config: &Config, dataset: &Dataset, session: &Session) -> Self {
        Self {
            format_version: RUN_VERSION,
            pgat: env!("CARGO_PKG_VERSION").into(),
            data: config.data.path.clone().into(),
            seed: config.training.seed,
            series: dataset.series_names().map(str::to_owned).collect(),
            adapter: session.backend().adapter().cloned(),
            class: session.plan().class.clone(),
            numerics_revision: NUMERICS_REVISION,
            breaks: vec![],
        }
    }

    /// The table of kernel shapes to use on a backend: the run's own where the backend can run it.
    #[must_use]
    pub fn class_on(&self, backend: &Backend) -> Option<AdapterClass> {
        let lanes = |class: &AdapterClass| class.variants.rows.lanes.max(class.variants.weights.lanes);
        let fits = match backend {
            Backend::Gpu(gpu) => lanes(&self.class) == 0 || lanes(&self.class) == lanes(&gpu.class),
            Backend::Reference => true,
        };
        fits.then(|| self.class.clone())
    }

    /// Class of the adapter that the run was on last.
    #[must_use]
    pub fn adapter_class(&self) -> &str {
        self.adapter.as_ref().map_or(Backend::REFERENCE, |a| &a.class)
    }

    /// Why the bits may differ if the run goes on on a backend, in words; nothing where they do not.
    #[must_use]
    pub fn break_on(&self, backend: &Backend) -> Option<String> {
        let (was, now) = (self.adapter_class(), backend.class_name());
        let class = (was != now).then(|| format!("the run was made on an adapter of class {was}, and this one is of class {now}"));
        let (was, now) = (self.numerics_revision, NUMERICS_REVISION);
        let revision =
            (was != now).then(|| format!("the run was made by revision {was} of the arithmetic, and this pgat computes by revision {now}"));
        let both: Vec<_> = class.into_iter().chain(revision).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// Notes that the run goes on with that session from a step on.
    pub fn go_on(&mut self, step: u64, session: &Session) {
        let class = session.backend().class_name();
        if class != self.adapter_class() {
            self.breaks.push((step, class.to_owned()));
            self.adapter = session.backend().adapter().cloned();
            self.class = session.plan().class.clone();
        }
        if self.numerics_revision != NUMERICS_REVISION {
            self.breaks.push((step, format!("numerics revision {NUMERICS_REVISION}")));
            self.numerics_revision = NUMERICS_REVISION;
        }
    }
}

/// A run that is kept somewhere.
#[derive(Clone)]
pub struct StoredRun {
    files: Arc<dyn Files + Send + Sync>,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoredError {
    let path = path.to_owned();
    move |source| StoredError::Io { path, source }
}

impl StoredRun {
    /// A new run in an empty set of files.
    ///
    /// # Errors
    /// Fails if it holds a run already.
    pub fn create(files: Arc<dyn Files + Send + Sync>) -> Result<Self, StoredError> {
        if files.exists(RECORD) {
            return Err(StoredError::Exists(files.label().to_owned()));
        }
        Ok(Self { files })
    }

    /// A run that is there.
    ///
    /// # Errors
    /// Fails if it is none, or newer than this crate.
    pub fn load(files: Arc<dyn Files + Send + Sync>) -> Result<(Self, RunRecord), StoredError> {
        if !files.exists(RECORD) {
            return Err(StoredError::NotARun(files.label().to_owned()));
        }
        let run = Self { files };
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

    /// Makes a folder for a new run.
    ///
    /// # Errors
    /// Fails if it holds a run already or cannot be written.
    #[cfg(feature = "native")]
    pub fn create_folder(path: &Path) -> Result<Self, StoredError> {
        let run = Self::create(Arc::new(super::files::Folder::new(path)))?;
        std::fs::create_dir_all(path).map_err(io(path))?;
        Ok(run)
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
        Self::load(Arc::new(super::files::Folder::new(path)))
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

    /// Parameters to forecast with: the best of the validation, or the last where nothing was validated, and the file's name.
    ///
    /// # Errors
    /// Fails if there are none yet, or they are damaged.
    pub fn weights(&self, places: &[ParameterPlace], last: bool) -> Result<(Vec<f32>, String), StoredError> {
        let name = self.weights_file(last);
        let path = self.path().join(name);
        let (parameters, _) = read_weights(&self.read(name)?, places).map_err(|source| StoredError::Weights { path, source })?;
        Ok((parameters, name.into()))
    }

    /// As [`StoredRun::weights`], for a model with some part of the run's switched off: weights of that part are left out.
    ///
    /// # Errors
    /// Fails if there are none yet, they are damaged, or they lack a tensor of that model.
    pub fn shared_weights(&self, places: &[ParameterPlace], last: bool) -> Result<Vec<f32>, StoredError> {
        let name = self.weights_file(last);
        let path = self.path().join(name);
        read_shared_weights(&self.read(name)?, places).map_err(|source| StoredError::Weights { path, source })
    }

    fn weights_file(&self, last: bool) -> &'static str {
        if !last && self.files.exists(BEST) { BEST } else { WEIGHTS }
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

/// Keeps a run in its files.
pub struct RunStore {
    run: StoredRun,
    places: Vec<ParameterPlace>,
    notes: Notes,
}

impl RunStore {
    fn notes(&self, progress: &Progress) -> Notes {
        let mut notes = self.notes.clone();
        notes.insert("progress".into(), serde_json::to_string(progress).unwrap_or_default());
        notes
    }
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

impl Store for RunStore {
    fn checkpoint(&mut self, state: &State, progress: &Progress) -> Result<(), String> {
        let notes = self.notes(progress);
        let weights = write_weights(&self.places, &state.parameters, &notes).map_err(text)?;
        self.run.write(WEIGHTS, &weights).map_err(text)?;
        drop(weights);
        let all = write_state(&self.places, state, &notes).map_err(text)?;
        self.run.write(CHECKPOINT, &all).map_err(text)
    }

    fn best(&mut self, parameters: &[f32], progress: &Progress) -> Result<(), String> {
        let weights = write_weights(&self.places, parameters, &self.notes(progress)).map_err(text)?;
        self.run.write(BEST, &weights).map_err(text)
    }

    fn record(&mut self, event: &Event) -> Result<(), String> {
        let mut line = serde_json::to_string(event).map_err(text)?;
        line.push('\n');
        let path = self.run.path().join(METRICS);
        self.run.files.append(METRICS, line.as_bytes()).map_err(io(&path)).map_err(text)
    }

    fn rewind(&mut self, step: u64) -> Result<(), String> {
        self.run.rewind(step).map_err(text)
    }
}
