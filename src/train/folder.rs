//! A run folder. Every file is written beside its place and renamed into it, so that a run killed at any moment leaves a folder that
//! goes on to the same bits.
//!
//! | file | what |
//! |---|---|
//! | `run.json` | format version, adapter and its class, seed, data file, versions |
//! | `config.toml` | the config as resolved |
//! | `scaler.json` | mean and deviation of each series |
//! | `plan.json` | the plan: bytes by buffer, dispatches, predicted time |
//! | `checkpoint.safetensors` | parameters, moments, counters: what `--resume` reads |
//! | `weights.safetensors` | parameters of the last checkpoint, names of the reference |
//! | `best.safetensors` | parameters of the lowest validation loss |
//! | `metrics.jsonl` | one line an event |
//! | `lock` | held by the process that trains; a lock left by a killed one is taken over |

use super::run::{Event, Progress, Store};
use super::weights::{Notes, WeightsError, read_state, read_weights, write_state, write_weights};
use crate::config::Config;
use crate::data::Scaler;
use crate::gpu::AdapterRecord;
use crate::plan::AdapterClass;
use crate::session::{ParameterPlace, State};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Format version of run folders that this crate writes, and the newest it reads.
pub const RUN_VERSION: u32 = 1;

/// A run folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not a run folder.
    #[error("{0} is not a run folder: it has no run.json. Give a folder that `pgat train` made")]
    NotARun(PathBuf),
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
    /// The config in the folder cannot be used: edited, or newer.
    #[error("{path}: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: crate::config::ConfigError,
    },
    /// A weight file is of another model, or damaged.
    #[error("{path}: {source}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WeightsError,
    },
}

/// What a run is, beside its config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of the folder's format.
    pub format_version: u32,
    /// Version of the crate that made it.
    pub pgat: String,
    /// Where the data were read, absolute.
    pub data: PathBuf,
    /// Seed.
    pub seed: u64,
    /// Names of the series, covariates first: node vectors belong to them.
    pub series: Vec<String>,
    /// The adapter; nothing for the twins.
    pub adapter: Option<AdapterRecord>,
    /// Kernel shapes and predicted costs: the table by which every later part of the run is computed.
    pub class: AdapterClass,
    /// Steps at which the run went on on an adapter of another class: bits may differ from there on.
    #[serde(default)]
    pub breaks: Vec<(u64, String)>,
}

/// A folder that holds a run.
pub struct RunFolder {
    path: PathBuf,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}

impl RunFolder {
    /// Makes a folder for a new run.
    ///
    /// # Errors
    /// Fails if it holds a run already or cannot be written.
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        if path.join("run.json").exists() {
            return Err(FolderError::Exists(path.to_owned()));
        }
        fs::create_dir_all(path).map_err(io(path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Opens a run.
    ///
    /// # Errors
    /// Fails if it is none, or newer than this crate.
    pub fn open(path: &Path) -> Result<(Self, RunRecord), FolderError> {
        if !path.join("run.json").is_file() {
            return Err(FolderError::NotARun(path.to_owned()));
        }
        let folder = Self { path: path.to_owned() };
        let text = folder.read("run.json")?;
        let damaged = |e: serde_json::Error| FolderError::Damaged { path: path.join("run.json"), reason: e.to_string() };
        let version: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
        let found = version.get("format_version").and_then(serde_json::Value::as_u64).and_then(|v| u32::try_from(v).ok());
        if let Some(found) = found.filter(|v| *v > RUN_VERSION) {
            return Err(FolderError::Newer { path: path.to_owned(), found });
        }
        let record = serde_json::from_slice(&text).map_err(damaged)?;
        Ok((folder, record))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, FolderError> {
        let path = self.path.join(name);
        fs::read(&path).map_err(io(&path))
    }

    /// Writes a file wholly or not at all.
    ///
    /// # Errors
    /// Fails if the disk does.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let mut file = tempfile::NamedTempFile::new_in(&self.path).map_err(io(&path))?;
        file.write_all(bytes).map_err(io(&path))?;
        file.as_file().sync_all().map_err(io(&path))?;
        file.persist(&path).map_err(|e| io(&path)(e.error))?;
        // The rename itself must reach the disk too; not every system can sync a folder.
        if let Ok(folder) = fs::File::open(&self.path) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), FolderError> {
        let text = serde_json::to_vec_pretty(value);
        let text = text.map_err(|e| FolderError::Damaged { path: self.path.join(name), reason: e.to_string() })?;
        self.write(name, &text)
    }

    /// Writes everything that stays the same over a run; `run.json` last, which makes the folder a run.
    ///
    /// # Errors
    /// Fails if the disk does.
    pub fn write_start(&self, config: &Config, scaler: &Scaler, plan: &impl Serialize, record: &RunRecord) -> Result<(), FolderError> {
        let text = config.to_toml();
        let text = text.map_err(|e| FolderError::Damaged { path: self.path.join("config.toml"), reason: e.to_string() })?;
        self.write("config.toml", text.as_bytes())?;
        self.write_json("scaler.json", scaler)?;
        self.write_json("plan.json", plan)?;
        self.write("metrics.jsonl", b"")?;
        self.write_record(record)
    }

    /// Writes `run.json` anew.
    ///
    /// # Errors
    /// Fails if the disk does.
    pub fn write_record(&self, record: &RunRecord) -> Result<(), FolderError> {
        self.write_json("run.json", record)
    }

    /// The config as resolved.
    ///
    /// # Errors
    /// Fails if it is damaged.
    pub fn config(&self) -> Result<Config, FolderError> {
        let text = String::from_utf8_lossy(&self.read("config.toml")?).into_owned();
        Config::from_toml(&text).map_err(|source| FolderError::Config { path: self.path.join("config.toml"), source })
    }

    /// The scaler.
    ///
    /// # Errors
    /// Fails if it is damaged.
    pub fn scaler(&self) -> Result<Scaler, FolderError> {
        let text = self.read("scaler.json")?;
        serde_json::from_slice(&text).map_err(|e| FolderError::Damaged { path: self.path.join("scaler.json"), reason: e.to_string() })
    }

    /// State and progress of the last checkpoint, if there is one.
    ///
    /// # Errors
    /// Fails if it is damaged or of another model.
    pub fn checkpoint(&self, places: &[ParameterPlace]) -> Result<Option<(State, Progress)>, FolderError> {
        let path = self.path.join("checkpoint.safetensors");
        if !path.exists() {
            return Ok(None);
        }
        let (state, notes) = read_state(&self.read("checkpoint.safetensors")?, places)
            .map_err(|source| FolderError::Weights { path: path.clone(), source })?;
        let progress = notes.get("progress").map_or("", String::as_str);
        let progress = serde_json::from_str(progress).map_err(|e| FolderError::Damaged { path, reason: e.to_string() })?;
        Ok(Some((state, progress)))
    }

    /// Parameters to forecast with: the best of the validation, or the last where nothing was validated, and the file's name.
    ///
    /// # Errors
    /// Fails if there are none yet, or they are damaged.
    pub fn weights(&self, places: &[ParameterPlace], last: bool) -> Result<(Vec<f32>, String), FolderError> {
        let best = !last && self.path.join("best.safetensors").exists();
        let name = if best { "best.safetensors" } else { "weights.safetensors" };
        let path = self.path.join(name);
        let (parameters, _) = read_weights(&self.read(name)?, places).map_err(|source| FolderError::Weights { path, source })?;
        Ok((parameters, name.into()))
    }

    /// A store for the trainer.
    #[must_use]
    pub fn store(&self, places: Vec<ParameterPlace>, series: &[String]) -> FolderStore {
        let series = serde_json::to_string(series).unwrap_or_default();
        FolderStore { folder: Self { path: self.path.clone() }, places, notes: Notes::from([("series".into(), series)]) }
    }

    /// Cuts the record back to a step.
    ///
    /// # Errors
    /// Fails if the disk does.
    pub fn rewind(&self, step: u64) -> Result<(), FolderError> {
        let text = self.read("metrics.jsonl")?;
        let keep = |line: &&str| {
            let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
            value.and_then(|v| v.get("step").and_then(serde_json::Value::as_u64)).is_some_and(|s| s <= step)
        };
        let kept: String = String::from_utf8_lossy(&text).lines().filter(keep).map(|l| format!("{l}\n")).collect();
        self.write("metrics.jsonl", kept.as_bytes())
    }
}

/// Keeps a run in its folder.
pub struct FolderStore {
    folder: RunFolder,
    places: Vec<ParameterPlace>,
    notes: Notes,
}

impl FolderStore {
    fn notes(&self, progress: &Progress) -> Notes {
        let mut notes = self.notes.clone();
        notes.insert("progress".into(), serde_json::to_string(progress).unwrap_or_default());
        notes
    }
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

impl Store for FolderStore {
    fn checkpoint(&mut self, state: &State, progress: &Progress) -> Result<(), String> {
        let notes = self.notes(progress);
        let weights = write_weights(&self.places, &state.parameters, &notes).map_err(text)?;
        self.folder.write("weights.safetensors", &weights).map_err(text)?;
        let all = write_state(&self.places, state, &notes).map_err(text)?;
        self.folder.write("checkpoint.safetensors", &all).map_err(text)
    }

    fn best(&mut self, parameters: &[f32], progress: &Progress) -> Result<(), String> {
        let weights = write_weights(&self.places, parameters, &self.notes(progress)).map_err(text)?;
        self.folder.write("best.safetensors", &weights).map_err(text)
    }

    fn record(&mut self, event: &Event) -> Result<(), String> {
        let path = self.folder.path.join("metrics.jsonl");
        let mut line = serde_json::to_string(event).map_err(text)?;
        line.push('\n');
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).map_err(text)?;
        file.write_all(line.as_bytes()).map_err(text)
    }

    fn rewind(&mut self, step: u64) -> Result<(), String> {
        self.folder.rewind(step).map_err(text)
    }
}
