//! Why a file cannot be migrated.

use crate::config::ConfigError;

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
