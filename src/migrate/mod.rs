//! Conversion of configuration files of the original research system (YAML) to TOML, with an account of each key.
//!
//! The defaults of the original system are written out, so that the migrated file has the same meaning as the old one. Files: `yaml` (from
//! text to entries), `keys` (the table of keys), `data` (columns and rows), `draft` (the new configuration).
//!
//! The YAML parser is saphyr. It is maintained, consists of few small crates, gives the line of each key and rejects duplicate keys.
//! (`serde_yaml` is archived. serde-saphyr deserialises into fixed types, but this module needs a table of keys.)

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

/// Information about the data file that is not in the old configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataFile {
    /// The path for the new configuration; none to use the path of the old one.
    pub path: Option<String>,
    /// The column names, if they are known.
    pub header: Option<Vec<String>>,
    /// The number of rows without the header, if it is known.
    pub rows: Option<usize>,
}

/// The result of the conversion of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Written under the same name.
    Kept(String),
    /// Written under another name.
    Renamed(String),
    /// Written in another form, with the reason.
    Changed(String, String),
    /// Not written, with the reason.
    Dropped(String),
}

/// A key of the old configuration and the result of its conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The key.
    pub key: String,
    /// Whether the file contains the key. Otherwise the default of the original system was written.
    pub given: bool,
    /// The result of the conversion.
    pub fate: Fate,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let origin = if self.given { "" } else { " (not in the file; default of the original system)" };
        match &self.fate {
            Fate::Kept(now) => write!(f, "{key}{origin}: kept as {now}"),
            Fate::Renamed(now) => write!(f, "{key}{origin}: renamed to {now}"),
            Fate::Changed(now, why) => write!(f, "{key}{origin}: changed to {now}; {why}"),
            Fate::Dropped(why) => write!(f, "{key}{origin}: not used; {why}"),
        }
    }
}

/// A migrated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The new configuration; [`Config::from_toml`] reads it.
    pub toml: String,
    /// The account of each key: first the keys of the file in their order, then the defaults.
    pub accounts: Vec<Account>,
}

/// Why a file cannot be migrated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// Invalid YAML, or a duplicate key.
    #[error("line {line}: not valid YAML: {problem}")]
    Yaml {
        /// Line, from 1.
        line: usize,
        /// The message of the parser.
        problem: String,
    },
    /// The file has no keys.
    #[error("the file contains no keys; give a configuration of the original system, with lines such as seq_len: 96")]
    NoKeys,
    /// Keys that the original system does not have.
    #[error("{}; correct or remove each unknown key", .0.join("; "))]
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
        /// What is wrong with it, and how to correct it.
        problem: String,
    },
    /// A target is not in the data.
    #[error("line {line}, target: the data have no column \"{name}\"; {hint}")]
    Target {
        /// Line, from 1.
        line: usize,
        /// The column.
        name: String,
        /// Similar names.
        hint: String,
    },
    /// The migrated configuration is not valid.
    #[error("the migrated configuration is not valid: {0}")]
    Config(#[from] ConfigError),
}

/// Converts a configuration. `name` becomes the name of the experiment.
///
/// # Errors
/// For invalid YAML, unknown keys (with the most similar known key) and values of the wrong kind. The error gives the line.
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
