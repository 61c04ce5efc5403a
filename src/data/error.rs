//! Errors of data files.

use std::fmt;

/// What to do where a step differs by summer time.
const ZONE: &str = "; if the rows are local days and the clocks change there, set data.timezone, such as \"Europe/Berlin\"";

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
    /// The file is of a format that is not read.
    #[error("the file is {found}; {advice}")]
    OtherFormat {
        /// What it is.
        found: &'static str,
        /// How to change it.
        advice: &'static str,
    },
    /// A category that the model does not know.
    #[error(
        "line {line}: \"{text}\" is a category of \"{name}\" that no training row has (they have {known}); correct it, or add unseen = \"zero\" \
         to the entry in {place} to read it as missing"
    )]
    UnseenCategory {
        /// Line in the file.
        line: u64,
        /// Name of the driver.
        name: Box<str>,
        /// The category.
        text: Box<str>,
        /// The known categories.
        known: Box<str>,
        /// The key of the config that declares the driver.
        place: &'static str,
    },
    /// The file has no header.
    #[error("the file is empty; it must contain a header line with column names, followed by rows")]
    Empty,
    /// The file has a header but no rows.
    #[error("the file has a header but no rows; check that the export is complete")]
    NoRows,
    /// The header line is not text.
    #[error("the header is not UTF-8 text; save the file as UTF-8 CSV (it may be a spreadsheet or an archive)")]
    HeaderText,
    /// The header contains another delimiter than the configured one.
    #[error("line {line}: the header has only one field, \"{header}\"; if the delimiter is {found:?}, set data.delimiter = {found:?}")]
    Delimiter {
        /// Line of the header.
        line: u64,
        /// The header line.
        header: String,
        /// The delimiter found in the header.
        found: char,
    },
    /// Two columns have the same name.
    #[error("line {line}: two columns are named \"{name}\" (fields {first} and {second}); rename one{no_header}")]
    DuplicateColumn {
        /// Line of the header.
        line: u64,
        /// The name.
        name: String,
        /// First field, from 1.
        first: usize,
        /// Second field, from 1.
        second: usize,
        /// What to do if the line is not a header.
        no_header: &'static str,
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
    #[error(
        "line {line}: the row has {found} fields, but the header has {expected}; check for an extra or missing delimiter or quote{advice}"
    )]
    FieldCount {
        /// Line, from 1.
        line: u64,
        /// Fields in the row.
        found: usize,
        /// Fields in the header.
        expected: usize,
        /// What to do if the line is no part of the table.
        advice: String,
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
        advice: String,
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
        "line {line}: timestamp {stamp} also occurs on line {previous}; keep one of the two rows, or set data.timezone, such as \
             \"Europe/Berlin\", if daylight saving time repeats an hour"
    )]
    DuplicateStamp {
        /// Line, from 1.
        line: u64,
        /// Line of the first occurrence.
        previous: u64,
        /// The timestamp.
        stamp: String,
    },
    /// A timestamp is out of order.
    #[error(
        "line {line}: timestamp {stamp} is {} than {other} on line {previous}; sort the file by time",
        if *descending { "later, in a file with its newest row first," } else { "earlier" }
    )]
    OutOfOrder {
        /// Line, from 1.
        line: u64,
        /// The previous line.
        previous: u64,
        /// The timestamp.
        stamp: String,
        /// The timestamp on the previous line.
        other: String,
        /// Whether the rows before are in descending order.
        descending: bool,
    },
    /// The timestamps repeat or go back, and another column tells the rows apart.
    #[error(
        "{source}; the column \"{column}\" (here \"{text}\") is not used: if this is a long table, with one row for each series and \
         timestamp, set data.series = \"{column}\""
    )]
    LooksLong {
        /// The error about the order of the rows.
        source: Box<DataError>,
        /// The column that tells the rows apart.
        column: String,
        /// Its text in the row.
        text: String,
    },
    /// A series of a long table has two rows with one timestamp.
    #[error("series \"{series}\" has two rows for {stamp}, on lines {previous} and {line}; keep one of them")]
    DuplicateOfSeries {
        /// The series.
        series: String,
        /// The timestamp.
        stamp: String,
        /// Line of the first row.
        previous: u64,
        /// Line of the second row.
        line: u64,
    },
    /// Some timestamps have an offset, others have none.
    #[error(
        "line {line}: \"{text}\" {}, but \"{other}\" on line {previous} {}; write all timestamps with an offset, or all without",
        if with == line { "has an offset" } else { "has no offset" },
        if with == line { "has none" } else { "has one" }
    )]
    MixedOffsets {
        /// Line of the timestamp that differs.
        line: u64,
        /// Its text.
        text: String,
        /// Line of the first timestamp.
        previous: u64,
        /// Its text.
        other: String,
        /// The line of the two whose timestamp has an offset.
        with: u64,
    },
    /// A local time does not exist, because the clocks are set forward.
    #[error(
        "line {line}: \"{text}\" does not exist in {zone}, where the clocks are set forward; correct it, or remove data.timezone if the \
         timestamps ignore summer time"
    )]
    NoSuchTime {
        /// Line, from 1.
        line: u64,
        /// The timestamp.
        text: String,
        /// The zone.
        zone: String,
    },
    /// No time column is found.
    #[error("{problem}; name the time column and the form of its timestamps, or say that the rows are steps of equal length")]
    NoTimeColumn {
        /// What was found instead.
        problem: String,
    },
    /// In every timestamp, day and month can be swapped.
    #[error("column \"{column}\": in every row, day and month can be swapped; the form is {first} or {second}")]
    AmbiguousDates {
        /// The column.
        column: String,
        /// The form with the day first.
        first: String,
        /// The form with the month first.
        second: String,
    },
    /// The step of the file is not that of the run.
    #[error("the step of the file is {found}, but the run was trained on {trained}; resample the file to {trained}")]
    OtherStep {
        /// The step of the file.
        found: String,
        /// The step of the run.
        trained: String,
    },
    /// The file and the run differ in what their timestamps mean.
    #[error("the timestamps of the file have {found}, those of the run have {trained}; write them as in the data of the run")]
    OtherOffsets {
        /// What the file has.
        found: &'static str,
        /// What the run has.
        trained: &'static str,
    },
    /// A file of another format cannot be read.
    #[cfg(feature = "formats")]
    #[error("{0}")]
    Format(#[from] super::formats::FormatError),
    /// An error in one of several files.
    #[error("{file}: {source}")]
    InFile {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: Box<DataError>,
    },
    /// A timestamp is between two steps.
    #[error(
        "line {line}: timestamp {stamp} is not a whole number of steps ({frequency}) after {before} on line {previous}; \
             round or resample the timestamps, or set data.frequency{}",
        if *zone { ZONE } else { "" }
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
        frequency: Box<str>,
        /// Whether the step differs by summer time.
        zone: bool,
    },
    /// The time step cannot be inferred.
    #[error("the time step between rows cannot be inferred from one row; set data.frequency, for instance \"1h\"")]
    NoFrequency,
    /// The file has too many rows.
    #[error("the file has more than 2^32 - 1 rows; split the file")]
    TooManyRows,
    /// Targets are constant in the training rows, or columns have no value there.
    #[error(
        "{} cannot be used, because they are constant or empty in the training rows: {}; remove them from the config (data.exclude leaves \
         columns out of \"*\"), or train on other rows",
        if columns.len() == 1 { "1 column".to_owned() } else { format!("{} columns", columns.len()) },
        described(columns)
    )]
    Unusable {
        /// Names of the columns, each with what its cells are.
        columns: Vec<(String, String)>,
    },
    /// Targets of a long table are constant in the training rows, or have no value there.
    #[error("{}", unusable_series(columns, series))]
    UnusableSeries {
        /// Target columns that cannot be used for any series, each with what its cells are.
        columns: Vec<(String, String)>,
        /// Names of the targets of single series, each with what its cells are.
        series: Vec<(String, String)>,
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
            Self::All => "whole",
            Self::From(_) => "selected",
        })
    }
}

/// Names, each with what its cells are.
fn described(columns: &[(String, String)]) -> String {
    columns.iter().map(|(name, why)| format!("\"{name}\" ({why})")).collect::<Vec<_>>().join(", ")
}

/// The message of [`DataError::UnusableSeries`].
fn unusable_series(columns: &[(String, String)], series: &[(String, String)]) -> String {
    let mut parts = vec![];
    if !columns.is_empty() {
        parts.push(format!("no series has values to learn in the training rows of {}; remove it from data.targets", described(columns)));
    }
    if !series.is_empty() {
        let names: Vec<String> = series.iter().map(|(name, _)| format!("{name:?}")).collect();
        parts.push(format!(
            "{} series cannot be used, because they are constant or empty in the training rows: {}; leave them out with data.exclude = [{}], \
             or train on other rows",
            series.len(),
            described(series),
            names.join(", ")
        ));
    }
    parts.join("; ")
}

/// A text shortened for a message.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        short.push_str("...");
    }
    short
}
