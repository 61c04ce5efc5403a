//! Why a run cannot be used.

use super::ArchiveError;
use super::record::RUN_VERSION;
use crate::config::ConfigError;
use crate::train::weights::WeightsError;
use std::path::PathBuf;

/// A run cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    #[error("{0} is not a run: it has no run.json")]
    NotARun(PathBuf),
    /// Nothing is there.
    #[error("{0}: there is nothing here")]
    Gone(PathBuf),
    /// There is a run in the place of a new one.
    #[error("{0} already holds a run")]
    Exists(PathBuf),
    /// Weights of another run lie in the place of a new one.
    #[error("{path} holds {file} of a run whose run.json is gone")]
    Remains {
        /// The folder.
        path: PathBuf,
        /// A file in it.
        file: &'static str,
    },
    /// Another process trains there.
    #[error("{0}: another pgat is training here")]
    Busy(PathBuf),
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
        source: ConfigError,
    },
    /// It is one file, and damaged.
    #[error("{0}")]
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
