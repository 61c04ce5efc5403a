//! The time column of a table, and the column with the names of the series.

use super::column::Column;
use super::{Options, refusal};
use crate::calendar::{Found, Guess, TimeFormat};
use crate::config::TimeColumns;
use crate::data::DataError;

/// Names of time columns, in lower case.
const NAMES: [&str; 20] = [
    "time",
    "date",
    "datetime",
    "date_time",
    "timestamp",
    "ds",
    "ts",
    "stamp",
    "when",
    "day",
    "month",
    "year",
    "week",
    "quarter",
    "period",
    "zeit",
    "datum",
    "fecha",
    "epoch",
    "unix",
];
/// Parts of a timestamp in columns of their own: names, directive, least and greatest value.
const PARTS: [(&[&str], &str, f64, f64); 6] = [
    (&["year", "yr", "jahr"], "%Y", 1500.0, 2200.0),
    (&["month", "mo", "mnth", "monat"], "%m", 1.0, 12.0),
    (&["day", "dy", "dayofmonth", "tag"], "%d", 1.0, 31.0),
    (&["hour", "hr", "stunde"], "%H", 0.0, 24.0),
    (&["minute", "min"], "%M", 0.0, 59.0),
    (&["second", "sec"], "%S", 0.0, 59.0),
];

/// The timestamps of a table.
#[derive(Debug, Clone)]
pub(super) struct TimeChoice {
    /// Indices of the columns.
    pub(super) columns: Vec<usize>,
    pub(super) format: Option<String>,
    /// What it was found from.
    pub(super) why: String,
}

impl TimeChoice {
    pub(super) fn names(&self, columns: &[Column]) -> TimeColumns {
        match self.columns.as_slice() {
            [only] => TimeColumns::One(columns[*only].name.clone()),
            several => TimeColumns::Several(several.iter().map(|&k| columns[k].name.clone()).collect()),
        }
    }
}

fn lower(column: &Column) -> String {
    column.name.to_lowercase().trim_matches(['_', ' ', '#']).to_owned()
}

fn has_time_name(column: &Column) -> bool {
    let name = lower(column);
    NAMES.contains(&name.as_str()) || ["date", "time", "timestamp"].iter().any(|word| name.ends_with(word) || name.starts_with(word))
}

/// The columns year, month, day, hour, .. of a table, with their directives.
pub(super) fn parts(columns: &[Column]) -> Vec<(usize, &'static str)> {
    let of = |(names, directive, least, greatest): &(&[&str], &'static str, f64, f64)| {
        let found = columns
            .iter()
            .position(|c| names.contains(&lower(c).as_str()) && c.is_number() && c.whole && c.least >= *least && c.greatest <= *greatest)?;
        Some((found, *directive))
    };
    PARTS.iter().filter_map(of).collect()
}

/// Finds the time column.
pub(super) fn choose(columns: &[Column], rows: usize, options: &Options) -> Result<Option<TimeChoice>, DataError> {
    if options.no_time {
        return Ok(None);
    }
    let named = match &options.time {
        Some(name) => match columns.iter().position(|c| c.name == *name) {
            Some(k) => Some(k),
            None => return Err(refusal("--time", format!("the file has no column \"{name}\""), "give the name of a column of the file")),
        },
        None => None,
    };
    if let Some(format) = &options.time_format {
        return with_format(columns, format, named).map(Some);
    }
    let mut all: Vec<(usize, Guess)> = columns
        .iter()
        .enumerate()
        .filter(|(k, c)| named.is_none_or(|named| named == *k) && c.cells * 2 > rows)
        .filter_map(|(k, c)| Some((k, c.stamps()?)))
        .filter(|(k, guess)| named.is_some() || !guess.numeric || is_time_of_numbers(&columns[*k], guess))
        .collect();
    // Texts are better evidence than numbers; then the name decides, then the position.
    all.sort_by_key(|(k, guess)| (guess.numeric, !has_time_name(&columns[*k]), *k));
    let parts = parts(columns);
    let best = all.into_iter().find(|(k, guess)| !(guess.numeric && parts.len() > 1 && parts.iter().any(|(part, _)| part == k)));
    if let Some((k, guess)) = best {
        return of_guess(columns, k, &guess, &parts).map(Some);
    }
    if parts.len() > 1 && parts.iter().any(|(_, d)| *d == "%Y") {
        let format: Vec<&str> = parts.iter().map(|(_, d)| *d).collect();
        let names: Vec<&str> = parts.iter().map(|(k, _)| columns[*k].name.as_str()).collect();
        return Ok(Some(TimeChoice {
            columns: parts.iter().map(|(k, _)| *k).collect(),
            format: Some(format.join(" ")),
            why: format!("the columns {} are the parts of a timestamp", names.join(", ")),
        }));
    }
    Err(no_time(columns))
}

/// Whether a column of numbers is a time column: its numbers rise in every row, or all repeat the same way and its name says so.
fn is_time_of_numbers(column: &Column, guess: &Guess) -> bool {
    match &guess.found {
        // A year, a month or a day: 1961, 196107, 19610731.
        Found::Default => (column.is_monotone() && (has_time_name(column) || column.greatest > 9_999.0)) || has_time_name(column),
        Found::Format(format) if format.is_epoch() => has_time_name(column) || column.is_monotone(),
        _ => has_time_name(column),
    }
}

fn of_guess(columns: &[Column], k: usize, guess: &Guess, parts: &[(usize, &'static str)]) -> Result<TimeChoice, DataError> {
    let name = &columns[k].name;
    let mut format = match &guess.found {
        Found::Default => None,
        Found::Format(format) => Some(format.to_string()),
        Found::Ambiguous(a, b) => {
            return Err(DataError::AmbiguousDates { column: name.clone(), first: a.to_string(), second: b.to_string() });
        }
        Found::None => return Err(no_time(columns)),
    };
    let mut why = format!("\"{name}\" holds timestamps");
    if let Some(format) = &format {
        why += &format!(" in the form {format}");
    }
    let mut chosen = vec![k];
    // A date and the hour in a column of its own.
    let has_clock = format.as_deref().is_some_and(|f| f.contains("%H") || f.contains("%I") || f.contains("epoch"));
    let repeats = columns[k].changes * 2 < columns[k].cells;
    if !has_clock && repeats && columns[k].numbers == 0 {
        let hour = parts.iter().find(|(_, d)| *d == "%H").map(|(h, _)| (*h, " %H"));
        let clock = columns.iter().position(has_clock_text).filter(|c| *c != k).map(|c| (c, " %H:%M"));
        if let Some((column, directive)) = clock.or(hour) {
            let date = format.clone().unwrap_or_else(|| "%Y-%m-%d".into());
            format = Some(format!("{date}{directive}"));
            why = format!("\"{name}\" holds dates and \"{}\" the time of day", columns[column].name);
            chosen.push(column);
        }
    }
    Ok(TimeChoice { columns: chosen, format, why })
}

/// Whether a column holds times of day such as 13:00.
fn has_clock_text(column: &Column) -> bool {
    let clock = |text: &String| crate::calendar::parse_time_of_day(text).is_some();
    column.numbers == 0 && !column.texts.is_empty() && column.texts.iter().all(clock)
}

/// The time column for a given format.
fn with_format(columns: &[Column], format: &str, named: Option<usize>) -> Result<TimeChoice, DataError> {
    let parsed = TimeFormat::parse(format).map_err(|hint| refusal("--time-format", format!("\"{format}\" cannot be used"), &hint))?;
    let reads = |c: &Column| c.examples().any(|text| parsed.read(text).is_ok());
    let found = named.or_else(|| columns.iter().position(reads));
    match found {
        Some(k) => Ok(TimeChoice {
            columns: vec![k],
            format: Some(format.to_owned()),
            why: format!("\"{}\" holds timestamps in the given form", columns[k].name),
        }),
        None => Err(refusal(
            "--time-format",
            format!("no column has timestamps of the form \"{format}\""),
            "check the form, or give --time COLUMN",
        )),
    }
}

/// The refusal of a table without a time column.
fn no_time(columns: &[Column]) -> DataError {
    let near = columns.iter().find(|c| has_time_name(c));
    let problem = match near.and_then(|c| Some((c, c.examples().next()?))) {
        Some((column, example)) => format!("no column can be read as timestamps (\"{}\" begins with \"{example}\")", column.name),
        None => "no column holds timestamps".into(),
    };
    DataError::NoTimeColumn { problem }
}

/// Finds the column that names the series of a long table. `repeats` tells whether timestamps repeat or go back in the file.
pub(super) fn series(columns: &[Column], time: &[usize], repeats: bool) -> Option<usize> {
    let text = |c: &Column| c.numbers * 2 <= c.cells && !c.texts.is_empty();
    let candidates = || columns.iter().enumerate().filter(|(k, c)| !time.contains(k) && c.texts.len() > 1 && c.changes > 0);
    if !repeats {
        return None;
    }
    let by_name = candidates().find(|(_, c)| crate::data::read::is_series_name(&c.name));
    by_name.or_else(|| candidates().filter(|(_, c)| text(c)).min_by_key(|(_, c)| c.texts.len())).map(|(k, _)| k)
}
