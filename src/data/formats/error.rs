//! Errors of binary formats.

use std::fmt;

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC: Feather files and streams.
    Arrow,
    /// An archive of numpy arrays.
    Npz,
    /// A numpy array.
    Npy,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
            Self::Npz => "NPZ",
            Self::Npy => "NPY",
        })
    }
}

/// Why a file in a binary format is not a table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Reading failed.
    #[error("the file cannot be read ({0})")]
    Io(#[from] std::io::Error),
    /// The content contradicts the format.
    #[error("the {format} file is damaged or incomplete ({problem}); copy or export it again")]
    Damaged {
        /// Its format.
        format: Format,
        /// What was found.
        problem: String,
    },
    /// The content is valid, but not supported.
    #[error("the {format} file has {what}; {advice}")]
    Unsupported {
        /// Its format.
        format: Format,
        /// What is not supported.
        what: String,
        /// How to change the file.
        advice: &'static str,
    },
    /// A spreadsheet.
    #[error("the file is an Excel workbook; save it as CSV")]
    Workbook,
    /// No array is chosen, and the choice is not clear.
    #[error("the file has several arrays: {listed}; choose one with data.array.name")]
    Arrays {
        /// The arrays with their shapes.
        listed: String,
    },
    /// The chosen array does not exist.
    #[error("data.array.name: the file has no array \"{name}\"; it has {listed}")]
    NoArray {
        /// The chosen name.
        name: String,
        /// The arrays with their shapes.
        listed: String,
    },
    /// The number of given names is wrong.
    #[error("{key} has {found} names, but the array of shape {shape} needs {expected}")]
    Names {
        /// The key of the config.
        key: &'static str,
        /// Given names.
        found: usize,
        /// The shape of the array.
        shape: String,
        /// Needed names.
        expected: usize,
    },
}

impl FormatError {
    /// The content contradicts the format.
    pub(super) fn damaged(format: Format, problem: impl fmt::Display) -> Self {
        Self::Damaged { format, problem: problem.to_string() }
    }

    pub(super) fn unsupported(format: Format, what: impl fmt::Display, advice: &'static str) -> Self {
        Self::Unsupported { format, what: what.to_string(), advice }
    }
}
