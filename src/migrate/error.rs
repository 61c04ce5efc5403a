//! Errors of a migration.

use crate::config::ConfigError;

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
