//! Errors of series graphs.

use crate::data::DataError;

/// What is wrong with a series graph, where it is, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesGraphError {
    /// The file cannot be opened.
    #[cfg(feature = "native")]
    #[error("{}: the graph file cannot be opened ({source}); check graph.edges or graph.matrix", path.display())]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The settings name a file, but its contents were not given.
    #[error("graph: the contents of {0} are missing; pass them with the configuration")]
    NoBytes(String),
    /// Decompressing or reading failed.
    #[error("the graph file cannot be read after line {line} ({source}); check that the file is complete")]
    Read {
        /// The last line that was read.
        line: u64,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file has no lines, or only a header.
    #[error("the graph file has no {0}; check that the export is complete, or remove [graph] for a graph without edges")]
    Empty(&'static str),
    /// The file is not UTF-8.
    #[error("line {line}: the graph file is not UTF-8 text; save it as UTF-8 CSV")]
    Text {
        /// Line, counted from 1.
        line: u64,
    },
    /// The edge list lacks a required column.
    #[error(
        "line 1: the edge list has no column \"{name}\" (it has {header}); name the columns source, target and weight, \
         or set graph.delimiter"
    )]
    Column {
        /// The missing column.
        name: &'static str,
        /// The columns found.
        header: String,
    },
    /// A row has too many or too few fields.
    #[error("line {line}: found {found} fields, expected {expected}; {advice}")]
    FieldCount {
        /// Line, counted from 1.
        line: u64,
        /// Number of fields in the row.
        found: usize,
        /// Expected number of fields.
        expected: usize,
        /// What to do.
        advice: &'static str,
    },
    /// The data has no series of this name.
    #[error("line {line}: no series is named \"{name}\"; {hint} (graph.skip_unknown = true ignores unknown series)")]
    UnknownSeries {
        /// Line, counted from 1.
        line: u64,
        /// The name.
        name: String,
        /// Similar names.
        hint: String,
    },
    /// A weight in a file is not valid.
    #[error("line {line}, {place}: \"{text}\" is {problem}; weights must be finite and at least 0")]
    Cell {
        /// Line, counted from 1.
        line: u64,
        /// Column.
        place: String,
        /// Contents of the cell.
        text: String,
        /// The problem.
        problem: &'static str,
    },
    /// An edge occurs twice.
    #[error("line {line}: the edge from \"{source_name}\" to \"{target}\" is also on line {previous}; remove one of them")]
    DuplicateEdge {
        /// Line, counted from 1.
        line: u64,
        /// Line of the first occurrence.
        previous: u64,
        /// Source.
        source_name: String,
        /// Target.
        target: String,
    },
    /// A name occurs twice in a matrix.
    #[error("line {line}: \"{name}\" names two {what} of the matrix; remove one")]
    DuplicateName {
        /// Line, counted from 1.
        line: u64,
        /// The name.
        name: String,
        /// Rows or columns.
        what: &'static str,
    },
    /// The rows and columns of a matrix are not the same series.
    #[error("the matrix is not square: {problem}; rows and columns must have the same series")]
    NotSquare {
        /// The problem.
        problem: String,
    },
    /// A matrix without names has a size different from the number of series.
    #[error(
        "the matrix has {found} rows and no names, but the data has {series} series; add names in the header and the first column, \
         or give one row per series (covariates first, then targets)"
    )]
    Rows {
        /// Number of rows of the matrix.
        found: usize,
        /// Number of series in the data.
        series: usize,
    },
    /// The number of weights does not fit the number of series.
    #[error("{found} weights do not form a {series} x {series} matrix; give one weight per pair of series, 0 for no edge")]
    Size {
        /// Number of weights.
        found: usize,
        /// Number of series.
        series: usize,
    },
    /// A weight given by a program is not valid.
    #[error(
        "the edge from \"{source_name}\" to \"{target}\" has weight {weight}; weights must be finite and at least 0, \
         and 0 from a series to itself"
    )]
    Weight {
        /// Source.
        source_name: String,
        /// Target.
        target: String,
        /// The weight.
        weight: f64,
    },
    /// The correlations cannot be computed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The solver did not converge.
    #[error("the eigenvectors of the graph of {0} series could not be computed; please report this with the graph file")]
    Eigenvectors(usize),
    /// A stored graph cannot be read.
    #[error("the stored graph is damaged: {0}; delete it, and it is computed again from the data or the graph file")]
    Damaged(String),
    /// A stored graph has a newer version.
    #[error("the stored graph has format version {found}; this pgat reads up to {supported}: update pgat")]
    Newer {
        /// Version found.
        found: u32,
        /// The newest supported version.
        supported: u32,
    },
}
