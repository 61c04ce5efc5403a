//! Errors of stored runs.

use super::ArchiveError;
use super::record::RUN_VERSION;
use crate::config::ConfigError;
use crate::train::weights::WeightsError;
use std::path::PathBuf;

/// An error of a stored run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The folder or file is not a run.
    #[error("{0} is not a run: it contains no run.json")]
    NotARun(PathBuf),
    /// The path does not exist.
    #[error("{0}: there is no run folder or run file at this path")]
    Gone(PathBuf),
    /// The folder for a new run contains a run.
    #[error("{0} already contains a run")]
    Exists(PathBuf),
    /// The folder for a new run contains weights of another run.
    #[error("{path} contains {file} of another run, but no run.json")]
    Remains {
        /// The folder.
        path: PathBuf,
        /// A file in it.
        file: &'static str,
    },
    /// Another process uses the folder for training.
    #[error("{0}: another pgat process is training in this folder")]
    Busy(PathBuf),
    /// The run was written by a newer version.
    #[error("{path} has format version {found}, but this pgat reads versions up to {RUN_VERSION}; update pgat")]
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
        /// The reason.
        reason: String,
    },
    /// The data have other series than the run.
    #[error("the series of the data or their order differ from those of the run; give columns with these names in this order: {names}")]
    OtherSeries {
        /// The file with the series of the run.
        path: PathBuf,
        /// The series of the run.
        names: String,
    },
    /// The config in the folder is not valid or newer.
    #[error("{path}: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ConfigError,
    },
    /// The run file cannot be used.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// A weight file belongs to another model, or is damaged.
    #[error("{path}: {source}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WeightsError,
    },
}
