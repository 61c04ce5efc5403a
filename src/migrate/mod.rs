//! Configuration files of the original research system (YAML) as ours (TOML), with an account of what became of each key.
//!
//! What a key left out meant there is written out, so that the migrated file means what the old one did. Files: `yaml` (from text to
//! entries), `keys` (the table of keys), `data` (columns and rows), `draft` (what is written), `account` (what became of each key).
//!
//! YAML is read by saphyr: kept up, of few small crates, it gives the line of each key and refuses duplicated ones (`serde_yaml` is
//! archived; serde-saphyr reads into fixed types, where a table of keys is wanted here).

mod account;
mod data;
mod draft;
mod error;
mod keys;
mod yaml;

#[cfg(test)]
mod tests;

use crate::config::Config;
pub use account::{Account, Fate};
pub use data::DataFile;
use draft::Draft;
pub use error::MigrateError;
use yaml::Old;

/// A migrated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The new configuration; [`Config::from_toml`] reads it.
    pub toml: String,
    /// What became of each key, in the order of the old file, then of the defaults.
    pub accounts: Vec<Account>,
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
