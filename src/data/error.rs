//! Errors of data files.

use std::fmt;

/// What is wrong with a data file, where, and how to correct it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The file cannot be opened.
    #[cfg(feature = "native")]
    #[error("{}: the data file cannot be opened ({source}); check the path", path.display())]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Reading or decompressing failed.
    #[error("the data cannot be read after line {line} ({source}); check that the file is complete")]
    Read {
        /// The last line that was read successfully.
        line: u64,
        /// Why.
        source: std::io::Error,
    },
    /// The file has no header.
    #[error("the file is empty; it must contain a header line with column names, followed by rows")]
    Empty,
    /// The file has a header but no rows.
    #[error("the file has a header but no rows; check that the export is complete")]
    NoRows,
    /// The header line is not text.
    #[error("line 1: the header is not UTF-8 text; save the file as UTF-8 CSV (it may be a spreadsheet or an archive)")]
    HeaderText,
    /// The header contains another delimiter than the configured one.
    #[error("line 1: the header has only one field, \"{header}\"; if the delimiter is {found:?}, set data.delimiter = {found:?}")]
    Delimiter {
        /// The header line.
        header: String,
        /// The delimiter found in the header.
        found: char,
    },
    /// Two columns have the same name.
    #[error("line 1: two columns are named \"{name}\" (fields {first} and {second}); rename one")]
    DuplicateColumn {
        /// The name.
        name: String,
        /// First field, from 1.
        first: usize,
        /// Second field, from 1.
        second: usize,
    },
    /// A name in the configuration is not in the header.
    #[error("{place}: the file has no column \"{name}\"; {hint}")]
    UnknownColumn {
        /// The location of the name in the configuration.
        place: String,
        /// The name.
        name: String,
        /// Similar names.
        hint: String,
    },
    /// The declaration of a series or channel is not valid.
    #[error("{place}: {problem}; {advice}")]
    Schema {
        /// The location in the configuration.
        place: String,
        /// What is wrong.
        problem: String,
        /// How to correct it.
        advice: String,
    },
    /// A row has too many or too few fields.
    #[error("line {line}: the row has {found} fields, but the header has {expected}; check for an extra or missing {delimiter:?} or quote")]
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
    /// A cell is not a finite number.
    #[error("line {line}, column \"{column}\": \"{text}\" is {problem}; {advice}")]
    Cell {
        /// Line, from 1.
        line: u64,
        /// Column name.
        column: String,
        /// The text of the cell.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
        /// How to correct it.
        advice: &'static str,
    },
    /// An expression has no finite value.
    #[error("line {line}: the expression {expression} gives {value}; mark its inputs as missing, or limit them, as in max(x, 0.001)")]
    ExpressionValue {
        /// Line, from 1.
        line: u64,
        /// The expression.
        expression: String,
        /// Its value.
        value: f64,
    },
    /// A timestamp cannot be parsed.
    #[error("line {line}, column \"{column}\": \"{text}\" is not a timestamp; {advice}")]
    Stamp {
        /// Line, from 1.
        line: u64,
        /// The time column.
        column: String,
        /// The text of the cell.
        text: String,
        /// How to correct it.
        advice: String,
    },
    /// A timestamp occurs twice.
    #[error(
        "line {line}: timestamp {stamp} also occurs on line {previous}; keep one of the two rows, \
             or use UTC if daylight saving time repeats an hour"
    )]
    DuplicateStamp {
        /// Line, from 1.
        line: u64,
        /// Line of the first occurrence.
        previous: u64,
        /// The timestamp.
        stamp: String,
    },
    /// A timestamp is earlier than the previous one.
    #[error("line {line}: timestamp {stamp} is earlier than {earlier_stamp} on line {previous}; sort the file by time")]
    OutOfOrder {
        /// Line, from 1.
        line: u64,
        /// The previous line.
        previous: u64,
        /// The timestamp.
        stamp: String,
        /// The timestamp on the previous line.
        earlier_stamp: String,
    },
    /// A timestamp is between two steps.
    #[error(
        "line {line}: timestamp {stamp} is not a whole number of steps ({frequency}) after {before} on line {previous}; \
             round or resample the timestamps, or set data.frequency"
    )]
    Irregular {
        /// Line, from 1.
        line: u64,
        /// The previous line.
        previous: u64,
        /// The timestamp.
        stamp: String,
        /// The previous timestamp.
        before: String,
        /// The time step.
        frequency: String,
    },
    /// The time step cannot be inferred.
    #[error("the time step between rows cannot be inferred from one row; set data.frequency, for instance \"1h\"")]
    NoFrequency,
    /// The file has too many rows.
    #[error("the file has more than 2^32 - 1 rows; split the file")]
    TooManyRows,
    /// A target is constant in the training rows.
    #[error(
        "target \"{name}\" is {value} in all its training rows and cannot be learned; remove it from data.targets, or train on other rows"
    )]
    ConstantTarget {
        /// The target.
        name: String,
        /// Its value.
        value: f32,
    },
    /// A column has no value in the training rows.
    #[error("column \"{name}\" has no value in any training row; remove it, or train on other rows (see [split])")]
    NeverObserved {
        /// The column.
        name: String,
    },
    /// A part contains no window.
    #[error("the {part} part contains no window: {detail}")]
    TooFewRows {
        /// The part.
        part: super::Part,
        /// The number of rows, the required number, and how to correct it.
        detail: String,
    },
    /// The split does not fit the file.
    #[error("[split]: {problem}; {advice}")]
    Split {
        /// What does not fit.
        problem: String,
        /// How to correct it.
        advice: String,
    },
    /// No row is at the origin.
    #[error("evaluation.origin: {problem}; {advice}")]
    Origin {
        /// What does not fit.
        problem: String,
        /// How to correct it.
        advice: String,
    },
    /// No forecast can be made from the file.
    #[error("no forecast can be made: {problem}; {advice}")]
    Forecast {
        /// The reason.
        problem: String,
        /// How to correct it.
        advice: String,
    },
    /// A known-future value is missing.
    #[error(
        "column \"{column}\" is known_future but has no value at {time}; add the rows up to {last} to the file, with values in this column"
    )]
    MissingFuture {
        /// The column or expression.
        column: String,
        /// The first timestamp (or row) without a value.
        time: String,
        /// The last timestamp of the horizon.
        last: String,
    },
    /// The scaler belongs to other series.
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
