//! Configuration files of the original research system (YAML) as ours (TOML), with an account of what became of each key.
//!
//! What a key left out meant there is written out, so that the migrated file means what the old one did. Files: `yaml` (from text to
//! entries), `keys` (the table of keys), `data` (columns and rows), `draft` (what is written).
//!
//! YAML is read by saphyr: kept up, of few small crates, it gives the line of each key and refuses duplicated ones (`serde_yaml` is
//! archived; serde-saphyr reads into fixed types, where a table of keys is wanted here).

mod data;
mod draft;
mod keys;
mod yaml;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::config::{Config, ConfigError};
use draft::Draft;
use yaml::Old;

/// What is known of the data file beyond the old configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataFile {
    /// Where it lies, as the new configuration should name it; left out: as the old one does.
    pub path: Option<String>,
    /// Its column names; left out: not known.
    pub header: Option<Vec<String>>,
    /// Its rows, without the header.
    pub rows: Option<usize>,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Written under the same name.
    Kept(String),
    /// Written under another name.
    Renamed(String),
    /// Written as something else, and why.
    Changed(String, String),
    /// Not written, and why.
    Dropped(String),
}

/// A key of the old configuration and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The key.
    pub key: String,
    /// Whether the file has it; otherwise it is the old system's default that was written.
    pub given: bool,
    /// What became of it.
    pub fate: Fate,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let origin = if self.given { "" } else { " (not in the file: its default there)" };
        match &self.fate {
            Fate::Kept(now) => write!(f, "{key}{origin}: kept as {now}"),
            Fate::Renamed(now) => write!(f, "{key}{origin}: renamed to {now}"),
            Fate::Changed(now, why) => write!(f, "{key}{origin}: became {now}; {why}"),
            Fate::Dropped(why) => write!(f, "{key}{origin}: has no meaning here: {why}"),
        }
    }
}

/// A migrated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The new configuration; [`Config::from_toml`] reads it.
    pub toml: String,
    /// What became of each key, in the order of the old file, then of the defaults.
    pub accounts: Vec<Account>,
}

/// Why a file cannot be migrated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// Not YAML, or a key twice.
    #[error("line {line}: {problem}; correct it, it is not valid YAML")]
    Yaml {
        /// Line, from 1.
        line: usize,
        /// What the reader says.
        problem: String,
    },
    /// Not a list of keys.
    #[error("the file holds no keys; give a configuration of the original system, with lines such as seq_len: 96")]
    NoKeys,
    /// Keys that the original does not have.
    #[error("{}; correct the key, or drop it", .0.join("; "))]
    Unknown(
        /// Line, key and suggestion of each.
        Vec<String>,
    ),
    /// A value of the wrong kind.
    #[error("line {line}, {key}: {found} is {problem}")]
    Value {
        /// Line, from 1; 0 for a default.
        line: usize,
        /// The key.
        key: String,
        /// The value.
        found: String,
        /// What is wrong with it, and what to write.
        problem: String,
    },
    /// A target that the data do not have.
    #[error("line {line}, target: the data have no column \"{name}\"; {hint}")]
    Target {
        /// Line, from 1.
        line: usize,
        /// The column.
        name: String,
        /// Near names.
        hint: String,
    },
    /// The values cannot work together.
    #[error("the migrated configuration cannot work: {0}")]
    Config(#[from] ConfigError),
}

/// Migrates a configuration. `name` becomes the name of the job.
///
/// # Errors
/// For what is no YAML, unknown keys (with the nearest known), values of the wrong kind: with the line.
pub fn migrate(text: &str, name: &str, file: &DataFile) -> Result<Migrated, MigrateError> {
    let old = Old::read(text)?;
    old.check_keys(keys::KEYS.iter().map(|k| k.name))?;
    let mut draft = Draft::default();
    draft.set("", "format_version", crate::config::FORMAT_VERSION);
    draft.set("", "name", name);
    data::write(&old, file, &mut draft)?;
    let given = old.entries().iter().filter_map(|e| keys::KEYS.iter().find(|k| k.name == e.key));
    let missing = keys::KEYS.iter().filter(|k| old.get(k.name).is_none() && k.default.is_some());
    let mut accounts = vec![];
    for key in given.chain(missing) {
        if let Some(fate) = key.apply(&old, file, &mut draft)? {
            accounts.push(Account { key: key.name.into(), given: old.get(key.name).is_some(), fate });
        }
    }
    let toml = draft.toml();
    Config::from_toml(&toml)?;
    Ok(Migrated { toml, accounts })
}
