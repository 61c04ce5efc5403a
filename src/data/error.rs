//! What can be wrong with a data file.

use std::fmt;

/// What is wrong with a data file, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The file cannot be opened.
    #[cfg(feature = "native")]
    #[error("{}: the file cannot be opened ({source}); check data.path", path.display())]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Reading or decompressing failed.
    #[error("the data cannot be read after line {line} ({source}); is the file whole?")]
    Read {
        /// The last line that was read.
        line: u64,
        /// Why.
        source: std::io::Error,
    },
    /// No header.
    #[error("the file is empty; it needs a header line with column names and rows below it")]
    Empty,
    /// A header without rows.
    #[error("the file has a header but no rows below it; check that the export is complete")]
    NoRows,
    /// The header line is no text.
    #[error("line 1: the header is not UTF-8 text; save the file as UTF-8 CSV (is it a spreadsheet or another archive?)")]
    HeaderText,
    /// The delimiter does not occur in the header, another does.
    #[error("line 1: the header has one field, \"{header}\"; it seems to be separated by {found:?}: set data.delimiter = {found:?}")]
    Delimiter {
        /// The header line.
        header: String,
        /// The delimiter that occurs in it.
        found: char,
    },
    /// Two columns of one name.
    #[error("line 1: two columns are named \"{name}\" (fields {first} and {second}); rename one")]
    DuplicateColumn {
        /// The name.
        name: String,
        /// First field, from 1.
        first: usize,
        /// Second field, from 1.
        second: usize,
    },
    /// A name in the configuration that the header does not have.
    #[error("{place}: the file has no column \"{name}\"; {hint}")]
    UnknownColumn {
        /// Where the name stands in the configuration.
        place: String,
        /// The name.
        name: String,
        /// Near names.
        hint: String,
    },
    /// A series or channel declared in a way that cannot work.
    #[error("{place}: {problem}; {advice}")]
    Schema {
        /// Where in the configuration.
        place: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// A row with too many or too few fields.
    #[error("line {line}: {found} fields where the header has {expected}; check for a stray or missing {delimiter:?} or quote")]
    FieldCount {
        /// Line, from 1.
        line: u64,
        /// Fields in the row.
        found: usize,
        /// Fields in the header.
        expected: usize,
        /// The delimiter.
        delimiter: char,
    },
    /// A cell that is no finite number.
    #[error("line {line}, column \"{column}\": \"{text}\" is {problem}; {advice}")]
    Cell {
        /// Line, from 1.
        line: u64,
        /// Column name.
        column: String,
        /// The cell.
        text: String,
        /// What it is.
        problem: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// An expression without a finite value.
    #[error("line {line}: the expression {expression} gives {value}; mark its inputs as missing there, or guard it, as in max(x, 0.001)")]
    ExpressionValue {
        /// Line, from 1.
        line: u64,
        /// The expression.
        expression: String,
        /// Its value.
        value: f64,
    },
    /// A stamp that cannot be read.
    #[error("line {line}, column \"{column}\": \"{text}\" is no time stamp; {advice}")]
    Stamp {
        /// Line, from 1.
        line: u64,
        /// The time column.
        column: String,
        /// The cell.
        text: String,
        /// What to do.
        advice: String,
    },
    /// A stamp that occurs twice.
    #[error("line {line}: time stamp {stamp} occurs on line {previous} too; keep one of them (the hour that summer time repeats? use UTC)")]
    DuplicateStamp {
        /// Line, from 1.
        line: u64,
        /// Line of the first occurrence.
        previous: u64,
        /// The stamp.
        stamp: String,
    },
    /// A stamp earlier than the one before.
    #[error("line {line}: time stamp {stamp} is earlier than {earlier_stamp} on line {previous}; sort the file by time")]
    OutOfOrder {
        /// Line, from 1.
        line: u64,
        /// The line before.
        previous: u64,
        /// The stamp.
        stamp: String,
        /// The stamp on the line before.
        earlier_stamp: String,
    },
    /// A stamp between two steps.
    #[error(
        "line {line}: time stamp {stamp} is not a whole number of steps ({frequency}) after {before} on line {previous}; \
             round or resample the stamps, or set data.frequency"
    )]
    Irregular {
        /// Line, from 1.
        line: u64,
        /// The line before.
        previous: u64,
        /// The stamp.
        stamp: String,
        /// The stamp before.
        before: String,
        /// The step.
        frequency: String,
    },
    /// The step cannot be found out.
    #[error("the step from row to row cannot be inferred from one row; set data.frequency, for instance \"1h\"")]
    NoFrequency,
    /// More rows than can be counted.
    #[error("the file has more rows than 2^32 - 1; split it")]
    TooManyRows,
    /// A target that never changes where it is to be learned.
    #[error(
        "target \"{name}\" is {value} in all its training rows: there is nothing to learn; drop it from data.targets, or train on other rows"
    )]
    ConstantTarget {
        /// The target.
        name: String,
        /// Its value.
        value: f32,
    },
    /// A column without a value where it is to be learned.
    #[error("column \"{name}\" has no value in any training row; drop it, or train on other rows (see [split])")]
    NeverObserved {
        /// The column.
        name: String,
    },
    /// A part that holds no window.
    #[error("the {part} part holds no window: {detail}")]
    TooFewRows {
        /// The part.
        part: super::Part,
        /// How many rows there are, how many are needed, and what to do.
        detail: String,
    },
    /// A split that does not fit the file.
    #[error("[split]: {problem}; {advice}")]
    Split {
        /// What does not fit.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// An origin that no row has.
    #[error("evaluation.origin: {problem}; {advice}")]
    Origin {
        /// What does not fit.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// A forecast that cannot be made from this file.
    #[error("no forecast can be made: {problem}; {advice}")]
    Forecast {
        /// Why.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// A future value that is needed and not there.
    #[error(
        "column \"{column}\" is known_future but has no value at {time}; add the rows up to {last} to the file, with this column filled"
    )]
    MissingFuture {
        /// The column or expression.
        column: String,
        /// The first stamp, or row, without a value.
        time: String,
        /// The last stamp of the horizon.
        last: String,
    },
    /// A scaler that belongs to other series.
    #[error("the scaler does not fit the data: {problem}; use the configuration and scaler of one run together")]
    Scaler {
        /// The first difference.
        problem: String,
    },
}

impl DataError {
    pub(super) fn schema(place: impl Into<String>, problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Schema { place: place.into(), problem: problem.into(), advice: advice.into() }
    }
}

impl fmt::Display for super::Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}
