//! Conversion of configuration files of the original research system (YAML) to TOML, with an account of each key.
//!
//! The defaults of the original system are written out, so that the migrated file has the same meaning as the old one. Files: `yaml` (from
//! text to entries), `keys` (the table of keys), `data` (columns and rows), `draft` (the new configuration), `account` (the result of each
//! key).
//!
//! The YAML parser is saphyr. It is maintained, consists of few small crates, gives the line of each key and rejects duplicate keys.
//! (`serde_yaml` is archived. serde-saphyr deserialises into fixed types, but this module needs a table of keys.)

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
    /// The account of each key: first the keys of the file in their order, then the defaults.
    pub accounts: Vec<Account>,
}

/// Converts a configuration. `name` becomes the name of the experiment.
///
/// # Errors
/// For invalid YAML, unknown keys (with the most similar known key) and values of the wrong kind. The error gives the line.
pub fn migrate(text: &str, name: &str, file: &DataFile) -> Result<Migrated, MigrateError> {
    let old = Old::read(text)?;
    old.check_keys(keys::KEYS.iter().map(|k| k.name))?;
    let mut draft = Draft::default();
    draft.set("", "format_version", 1);
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
