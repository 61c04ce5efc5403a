//! What a forecaster should know about data before training: gaps, columns without information, outliers, codes for missing values, zeros
//! that may mean missing, drivers that reveal the targets, columns that are equal, digits that are lost.
//!
//! Nothing is changed and nothing is assumed: each [`Finding`] says what was found, where, and what to do. The data are read by the reader
//! that training uses, so an error of the reader is a finding too. The time is linear in the number of cells, except for the search for
//! drivers that reveal targets, which is bounded ([`Check::unsearched`] says what it left out). Beyond the table, the memory is that of
//! about two columns.
//!
//! Files: `profile` (one column in numbers), `facts` (rows, stamps, windows), and one file for each kind of finding.

mod constant;
mod digits;
mod duplicates;
mod facts;
mod gaps;
mod leakage;
mod missing;
mod outliers;
mod profile;
mod zeros;

#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::Serialize;

use crate::config::Config;
use crate::data::{BadColumn, DataError, Dataset, Part, bad_columns_in};
use crate::order;
pub use facts::Facts;
use profile::Profile;

/// Maximum number of columns that a text names. The list of the finding has all of them.
const NAMED: usize = 5;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The data cannot be used.
    Error,
    /// The model will be worse, or its scores misleading.
    Warning,
    /// Only the owner of the data can tell whether something is wrong.
    Question,
    /// Good to know.
    Note,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The reader refused the file.
    Unreadable,
    /// A column has cells that are not finite numbers.
    NotNumbers,
    /// There are no training windows, or the split does not fit the file.
    NoWindows,
    /// There are no test windows.
    NoTestWindows,
    /// Timestamps are missing, which divides the rows into segments.
    Gaps,
    /// Rows have no value in any column.
    EmptyRows,
    /// A column has one value in the training rows.
    Constant,
    /// A column has no value in the training rows.
    Empty,
    /// Columns are left out of "*".
    LeftOut,
    /// Cells are missing.
    Missing,
    /// A column has no values at the start.
    StartsLate,
    /// A column has no values at the end.
    HasEnded,
    /// Single values are far from all others.
    Outliers,
    /// A value may be a code for missing.
    MissingCode,
    /// Zeros may mean missing.
    Zeros,
    /// A driver tells the future of a target.
    Leak,
    /// A driver is a copy of the past or the present of a target.
    CopyOfTarget,
    /// Columns are equal in all rows.
    Duplicates,
    /// f32 does not hold the digits of a column.
    Digits,
    /// A column is stored as differences from an offset.
    Offset,
}

/// One thing to know, and what to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub kind: Kind,
    /// What was found.
    pub text: String,
    /// What to do; empty if there is nothing to do.
    pub advice: String,
    /// All columns that it concerns; empty if it concerns all.
    pub columns: Vec<String>,
    /// Number of cells or, for gaps and empty rows, of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Timestamp (or row) of the first place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The value, for a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The shift in rows, for a driver that equals a target: the driver is `shift` rows ahead of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<i64>,
}

impl Finding {
    fn new(severity: Severity, kind: Kind, text: impl Into<String>, advice: impl Into<String>) -> Self {
        let (text, advice) = (text.into(), advice.into());
        Self { severity, kind, text, advice, columns: vec![], count: None, first: None, value: None, shift: None }
    }

    fn of_columns(self, columns: Vec<String>) -> Self {
        Self { columns, ..self }
    }

    fn counting(self, count: usize) -> Self {
        Self { count: Some(count), ..self }
    }

    fn at(self, first: String) -> Self {
        Self { first: Some(first), ..self }
    }
}

/// The findings about the data of a config.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// Whether a model can be trained: no finding is an error.
    pub usable: bool,
    /// Rows, stamps and windows; `None` if the reader refused the file.
    pub facts: Option<Facts>,
    /// The findings, the most severe first.
    pub findings: Vec<Finding>,
    /// What was not searched, one sentence each.
    pub unsearched: Vec<String>,
}

/// What the files of this module look at.
struct Table<'a> {
    config: &'a Config,
    data: &'a Dataset,
    /// The training rows.
    train: Range<usize>,
    /// One for each stored column.
    profiles: Vec<Profile>,
    /// For each row, the number of columns with a value, and of those that are zero.
    rows: Vec<(u32, u32)>,
}

impl Check {
    /// Checks the files that a config names.
    ///
    /// # Errors
    /// If a file cannot be opened. Whatever else the reader refuses is a finding.
    #[cfg(feature = "native")]
    pub fn open(config: &Config) -> Result<Self, DataError> {
        let path = std::path::Path::new(&config.data.path);
        match Dataset::open(config, path) {
            Ok(data) => Ok(Self::of(config, &data)),
            Err(e @ DataError::Open { .. }) => Err(e),
            // Standard input cannot be read twice.
            Err(e) if config.data.is_stdin() => Ok(Self::refused(&e, vec![])),
            Err(e @ DataError::UnknownColumn { .. }) => {
                Ok(Self::without_columns(&e, &crate::data::unknown_columns_of(config, path).unwrap_or_default()))
            }
            Err(e) => {
                let bad = if is_of_cell(&e) { crate::data::bad_columns_of(config, path).unwrap_or_default() } else { vec![] };
                Ok(Self::refused(&e, bad))
            }
        }
    }

    /// Checks data that are in memory. The paths in the config are ignored.
    #[must_use]
    pub fn read(config: &Config, bytes: &[u8]) -> Self {
        match Dataset::read(config, bytes) {
            Ok(data) => Self::of(config, &data),
            Err(e @ DataError::UnknownColumn { .. }) => {
                Self::without_columns(&e, &crate::data::unknown_columns_in(config, bytes).unwrap_or_default())
            }
            Err(e) => {
                let bad = if is_of_cell(&e) { bad_columns_in(config, bytes).unwrap_or_default() } else { vec![] };
                Self::refused(&e, bad)
            }
        }
    }

    /// Checks a dataset that was read with `config`.
    #[must_use]
    pub fn of(config: &Config, data: &Dataset) -> Self {
        let mut findings = vec![];
        let train = match data.part_rows(Part::Train) {
            Ok(rows) => rows,
            // The findings about training rows are then about all rows.
            Err(_) => 0..data.rows(),
        };
        let profiles = (0..data.columns()).map(|column| Profile::of(data, column, &train)).collect();
        let table = Table { config, data, train, profiles, rows: facts::rows(data) };
        let facts = Facts::of(data, &mut findings);
        gaps::find(&table, &mut findings);
        constant::find(&table, &mut findings);
        missing::find(&table, &mut findings);
        outliers::find(&table, &mut findings);
        zeros::find(&table, &mut findings);
        let unsearched = leakage::find(&table, &mut findings);
        duplicates::find(&table, &mut findings);
        digits::find(&table, &mut findings);
        Self::sorted(Some(facts), findings, unsearched)
    }

    /// The result for data that the reader refused.
    fn refused(e: &DataError, bad: Vec<BadColumn>) -> Self {
        let mut findings = vec![];
        for column in &bad {
            let cells = if column.cells == 1 { "1 cell is".to_owned() } else { format!("{} cells are", column.cells) };
            let (text, advice) = split(&column.first.to_string());
            let text = format!("{cells} not a finite number in column \"{}\": {text}", column.name);
            findings.push(
                Finding::new(Severity::Error, Kind::NotNumbers, text, advice).of_columns(vec![column.name.clone()]).counting(column.cells),
            );
        }
        if bad.is_empty() {
            let (text, advice) = split(&e.to_string());
            findings.push(Finding::new(Severity::Error, Kind::Unreadable, text, advice));
        }
        Self::sorted(None, findings, vec![])
    }

    /// The result for a file that lacks columns: `e` is the error of the reader, and `all` are those about all names.
    fn without_columns(e: &DataError, all: &[DataError]) -> Self {
        let Some(_) = all.first() else { return Self::refused(e, vec![]) };
        let one = |e: &DataError| {
            let (text, advice) = split(&e.to_string());
            Finding::new(Severity::Error, Kind::Unreadable, text, advice)
        };
        Self::sorted(None, all.iter().map(one).collect(), vec![])
    }

    fn sorted(facts: Option<Facts>, mut findings: Vec<Finding>, unsearched: Vec<String>) -> Self {
        order::sort_by_key(&mut findings, |finding| finding.severity);
        let usable = findings.iter().all(|finding| finding.severity != Severity::Error);
        Self { usable, facts, findings, unsearched }
    }
}

/// Whether the reader stopped at a cell, so that other columns can have such cells too.
fn is_of_cell(e: &DataError) -> bool {
    match e {
        DataError::Cell { .. } => true,
        DataError::InFile { source, .. } => is_of_cell(source),
        _ => false,
    }
}

/// An error's message as what was found and what to do.
fn split(message: &str) -> (String, String) {
    match message.split_once("; ") {
        Some((text, advice)) => (text.to_owned(), advice.to_owned()),
        None => (message.to_owned(), String::new()),
    }
}

impl Table<'_> {
    fn label(&self, column: usize) -> String {
        self.data.column_label(column).to_owned()
    }

    fn labels(&self, columns: &[usize]) -> Vec<String> {
        columns.iter().map(|&column| self.label(column)).collect()
    }

    /// A stored number in original units, as text.
    fn value_text(&self, column: usize, stored: f32) -> String {
        match self.data.column_offset(column) {
            0.0 => number_text(stored.to_string(), self.value(column, stored)),
            offset => (offset + f64::from(stored)).to_string(),
        }
    }

    /// A stored number in original units. Without an offset, its text in f64 is that of the stored number.
    fn value(&self, column: usize, stored: f32) -> f64 {
        match self.data.column_offset(column) {
            0.0 => stored.to_string().parse().unwrap_or_else(|_| f64::from(stored)),
            offset => offset + f64::from(stored),
        }
    }

    /// Whether the values of the column can be learned from the training rows.
    fn is_learnable(&self, column: usize) -> bool {
        matches!(self.profiles[column].training, profile::Training::Varies)
    }
}

/// Very large and very small numbers are written with an exponent.
fn number_text(plain: String, value: f64) -> String {
    if plain.len() > 12 { format!("{value:e}") } else { plain }
}

/// Names for a text: the first few in quotes and the number of the others.
fn listed(items: &[String]) -> String {
    let mut text = items.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if items.len() > NAMED {
        text += &format!(" and {} more", items.len() - NAMED);
    }
    text
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// A count with its noun.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", crate::bytes::grouped(count as u64), if count == 1 { one } else { many })
}

fn percent(part: usize, whole: usize) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    if share > 0.0 && share < 0.05 { "under 0.1 %".into() } else { format!("{share:.1} %") }
}
