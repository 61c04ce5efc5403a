//! What can be wrong with a series graph.

use crate::data::DataError;

/// What is wrong with a series graph, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesGraphError {
    /// The file cannot be opened.
    #[cfg(feature = "native")]
    #[error("{}: the graph cannot be opened ({source}); check graph.edges or graph.matrix", path.display())]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The settings name a file, but its bytes were not given.
    #[error("graph: the bytes of {0} are needed; give them with the configuration")]
    NoBytes(String),
    /// Decompressing or reading failed.
    #[error("the graph cannot be read after line {line} ({source}); is the file whole?")]
    Read {
        /// The last line that was read.
        line: u64,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No line, or only a header.
    #[error("the graph file holds no {0}; check that the export is complete, or drop [graph] for a graph without edges")]
    Empty(&'static str),
    /// Text that is not UTF-8.
    #[error("line {line}: the graph file is not UTF-8 text; save it as UTF-8 CSV")]
    Text {
        /// Line, from 1.
        line: u64,
    },
    /// An edge list without a column that it needs.
    #[error(
        "line 1: the edge list has no column \"{name}\" (it has {header}); name the columns source, target and weight, \
         or set graph.delimiter"
    )]
    Column {
        /// The column.
        name: &'static str,
        /// The columns that are there.
        header: String,
    },
    /// A row with too many or too few fields.
    #[error("line {line}: {found} fields where {expected} are expected; {advice}")]
    FieldCount {
        /// Line, from 1.
        line: u64,
        /// Fields in the row.
        found: usize,
        /// Fields expected.
        expected: usize,
        /// What to do.
        advice: &'static str,
    },
    /// A series that the data do not have.
    #[error("line {line}: no series is named \"{name}\"; {hint}, or set graph.skip_unknown = true to leave such series out")]
    UnknownSeries {
        /// Line, from 1.
        line: u64,
        /// The name.
        name: String,
        /// Near names.
        hint: String,
    },
    /// A weight that cannot be used.
    #[error("line {line}, {place}: \"{text}\" is {problem}; weights are 0 or more")]
    Cell {
        /// Line, from 1.
        line: u64,
        /// Column.
        place: String,
        /// The cell.
        text: String,
        /// What it is.
        problem: &'static str,
    },
    /// An edge that is listed twice.
    #[error("line {line}: the edge from \"{source_name}\" to \"{target}\" is on line {previous} too; keep one of them")]
    DuplicateEdge {
        /// Line, from 1.
        line: u64,
        /// Line of the first.
        previous: u64,
        /// Source.
        source_name: String,
        /// Target.
        target: String,
    },
    /// A name that stands twice in a matrix.
    #[error("line {line}: \"{name}\" names two {what} of the matrix; drop one")]
    DuplicateName {
        /// Line, from 1.
        line: u64,
        /// The name.
        name: String,
        /// Rows or columns.
        what: &'static str,
    },
    /// A matrix whose rows and columns are not of the same series.
    #[error("the matrix is not square: {problem}; it needs the same series as rows and as columns")]
    NotSquare {
        /// How.
        problem: String,
    },
    /// A matrix without names of another size than the data.
    #[error(
        "the matrix has {found} rows and no names, the data have {series} series; give it names in header and first column, \
         or a row for each series (covariates first, then targets)"
    )]
    Rows {
        /// Rows of the matrix.
        found: usize,
        /// Series of the data.
        series: usize,
    },
    /// Weights of another number of series.
    #[error("{found} weights are no {series} x {series} matrix; give a weight for each pair of series, 0 for no edge")]
    Size {
        /// Weights.
        found: usize,
        /// Series.
        series: usize,
    },
    /// A weight that cannot be used, given by a program.
    #[error(
        "the edge from \"{source_name}\" to \"{target}\" has weight {weight}; give finite weights of 0 or more, 0 from a series to itself"
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
    /// A stored graph that cannot be read.
    #[error("the stored graph is damaged: {0}; delete it, it is computed anew from the data or graph file")]
    Damaged(String),
    /// A stored graph of a newer version.
    #[error("the stored graph has format version {found}; this pgat reads up to {supported}: update pgat")]
    Newer {
        /// Version found.
        found: u32,
        /// The newest that can be read.
        supported: u32,
    },
}
