//! The configuration file: what to read, what to forecast, how to train.
//!
//! One TOML file describes a run. This module documents every key. Unknown keys are an error with a suggestion.
//! [`Config::validate`] checks everything that can be checked without the data.
//!
//! ```toml
//! format_version = 1
//! name = "wind-day"
//!
//! [data]
//! path = "wind.csv.gz"
//! time = "timestamp"
//! targets = ["z{i}_TARGETVAR"]
//! hide_history = true
//! channels = [
//!     { name = "u100", column = "z{i}_U100", known_future = true },
//!     { name = "speed100", expression = "hypot(z{i}_U100, z{i}_V100)", known_future = true },
//! ]
//!
//! [window]
//! history = 24
//! horizon = 24
//!
//! [split]
//! validation_start = "2013-07-01 01:00"
//! test_start = "2013-08-01 01:00"
//! test_end = "2013-09-01 01:00"
//! ```

#[cfg(any(test, all(target_arch = "wasm32", any(feature = "web", feature = "web-intake"))))]
mod array;
mod columns;
pub(crate) mod data;
mod error;
mod generation;
mod graph;
mod model;
mod sections;
mod split;
pub(crate) mod suggest;
mod training;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[cfg(any(test, all(target_arch = "wasm32", any(feature = "web", feature = "web-intake"))))]
pub(crate) use array::ArrayKeys;
pub use columns::{CellKind, Channel, Covariate, StaticSettings, Unseen};
pub use data::{ArraySettings, DataSettings, KnownFuture, TimeColumns};
pub use error::ConfigError;
pub use graph::{GraphSettings, MatrixRows};
pub use model::{Head, ModelSettings, PointLoss};
pub use sections::{EvaluationSettings, LevelSet, Levels, Metric, ValidationSettings, WindowSettings};
pub use split::{SplitRule, SplitSettings};
pub use training::{DensityLoss, Schedule, StartSettings, TrainingSettings};

/// Adds a method that changes settings in an expression. The settings are non-exhaustive, so that other crates cannot construct them with
/// a struct expression.
macro_rules! changeable {
    ($($settings:ty),+) => {
        $(impl $settings {
            /// Returns the settings with changed values: `TrainingSettings::default().with(|s| s.batch_size = 16)`.
            #[must_use]
            pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
                change(&mut self);
                self
            }
        })+
    };
}

changeable!(
    DataSettings,
    EvaluationSettings,
    GraphSettings,
    ModelSettings,
    SplitSettings,
    StartSettings,
    TrainingSettings,
    ValidationSettings,
    WindowSettings
);

/// The newest configuration format that this crate reads.
pub const FORMAT_VERSION: u32 = 2;

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of the file format: 1 has the defaults of the first generation of the model, 2 those of the second. A newer version is an
    /// error; a file without version is of version 1.
    #[serde(default = "first_version")]
    pub format_version: u32,
    /// Name of the experiment, used in messages and for the run folder.
    #[serde(default)]
    pub name: String,
    /// The data file and the meaning of its columns.
    pub data: DataSettings,
    /// Lengths of history and horizon.
    pub window: WindowSettings,
    /// The fixed graph of the series.
    #[serde(default, skip_serializing_if = "GraphSettings::is_default")]
    pub graph: GraphSettings,
    /// The training, validation and test rows.
    #[serde(default)]
    pub split: SplitSettings,
    /// The forecasts of an evaluation and their scores.
    #[serde(default)]
    pub evaluation: EvaluationSettings,
    /// Sizes and switches of the model.
    #[serde(default)]
    pub model: ModelSettings,
    /// What decides about the best weights.
    #[serde(default)]
    pub validation: ValidationSettings,
    /// Optimiser, schedule, checkpoints.
    #[serde(default)]
    pub training: TrainingSettings,
}

fn first_version() -> u32 {
    1
}

/// Whether a value is the default, for `serde`, which passes a reference.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Config {
    /// Reads and validates a configuration.
    ///
    /// # Errors
    /// Invalid TOML, unknown keys and wrong types give the line number; an unknown key also gives the most similar known key. Invalid
    /// values give the key. A newer `format_version` gives the advice to update.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let table: toml::Table = toml::from_str(text).map_err(|e| ConfigError::from_toml(text, &e))?;
        check_version(&table)?;
        let mut config: Self = toml::from_str(text).map_err(|e| ConfigError::from_toml(text, &e))?;
        if config.format_version >= 2 {
            config = generation::with_defaults(table)?;
        }
        config.validate()?;
        Ok(config)
    }

    /// Reads and validates a configuration file. Its paths are relative to the file and become absolute. A configuration without a name
    /// gets the name of the file.
    ///
    /// # Errors
    /// As [`Config::from_toml`], and when the file cannot be read.
    #[cfg(feature = "native")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        let mut config = Self::from_toml(&text)?;
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path).display().to_string();
        let graph = config.graph_path(path).map(absolute);
        if !config.data.is_stdin() {
            config.data.path = absolute(config.data_path(path));
        }
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        for other in &mut config.data.join {
            *other = absolute(folder.join(&other));
        }
        if let Some(table) = config.data.statics.as_mut().and_then(|statics| statics.path.as_mut()) {
            *table = absolute(folder.join(&table));
        }
        if let (Some(place), Some(graph)) = (config.graph.path_mut(), graph) {
            *place = graph;
        }
        if config.name.is_empty() {
            config.name = path.file_stem().map_or_else(|| "run".into(), |s| s.to_string_lossy().into_owned());
        }
        Ok(config)
    }

    /// The configuration as TOML, including all defaults. [`Config::from_toml`] reads it back to an equal value.
    ///
    /// # Errors
    /// When TOML cannot represent a value.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        Ok(toml::to_string(self)?)
    }

    /// The path of the data file: `data.path`, relative to the folder of `config_file` unless it is absolute.
    #[must_use]
    pub fn data_path(&self, config_file: &Path) -> PathBuf {
        match config_file.parent() {
            Some(folder) => folder.join(&self.data.path),
            None => PathBuf::from(&self.data.path),
        }
    }

    /// The path of the series graph file, if the configuration names one: relative to the folder of `config_file` unless it is absolute.
    #[must_use]
    pub fn graph_path(&self, config_file: &Path) -> Option<PathBuf> {
        let path = self.graph.path()?;
        Some(config_file.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path)))
    }

    /// Checks everything that can be checked without the data.
    ///
    /// # Errors
    /// The first key with an invalid value, and valid values.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.format_version > FORMAT_VERSION {
            return Err(ConfigError::Newer { found: self.format_version.into(), supported: FORMAT_VERSION });
        }
        self.data.validate()?;
        self.window.validate()?;
        self.graph.validate()?;
        if !self.graph.is_default() && !self.model.reads_graph() {
            return Err(ConfigError::invalid(
                "graph",
                "no part of the model reads the graph",
                "remove the section, or switch on one of use_hops, use_graph_encoding, use_structural_encoding and use_hierarchy",
            ));
        }
        let rule = self.split.rule()?;
        if matches!(rule, SplitRule::Dates { .. }) && self.data.time.is_none() {
            return Err(ConfigError::invalid(
                "split",
                "the section gives dates, but data.time does not name a time column",
                "set data.time, or split by rows (train_rows, validation_rows, test_rows)",
            ));
        }
        self.evaluation.validate()?;
        if self.evaluation.origin.is_some() && self.data.time.is_none() {
            return Err(ConfigError::invalid(
                "evaluation.origin",
                "the value is a time of day, but data.time does not name a time column",
                "set data.time, or use evaluation.stride",
            ));
        }
        self.model.validate(&self.window)?;
        self.training.validate()?;
        generation::check(self)
    }
}

/// Rejects a newer format before its unknown keys cause errors.
fn check_version(table: &toml::Table) -> Result<(), ConfigError> {
    let Some(found) = table.get("format_version").and_then(toml::Value::as_integer) else {
        return Ok(());
    };
    if found > i64::from(FORMAT_VERSION) {
        return Err(ConfigError::Newer { found, supported: FORMAT_VERSION });
    }
    if found < 1 {
        return Err(ConfigError::invalid("format_version", format!("{found} is not a valid version"), "use 1 or 2"));
    }
    Ok(())
}
