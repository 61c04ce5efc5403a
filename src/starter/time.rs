//! The time column of a table, or the columns with the parts of its timestamps.

use super::column::Column;
use super::{Options, refusal};
use crate::calendar::{Found, Guess, TimeFormat, parse_moment};
use crate::config::TimeColumns;
use crate::data::{DataError, shortened};

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
/// A kind of part of a timestamp in a column of its own.
struct PartKind {
    names: &'static [&'static str],
    /// The directive of numbers, and the least and greatest one; no directive if they are no part.
    number: (&'static str, f64, f64),
    /// What may precede a text of the part, as a format and an example, and the forms of texts.
    texts: (&'static str, &'static str, &'static [&'static str]),
}

const YEAR: usize = 0;
const QUARTER: usize = 1;
const MONTH: usize = 2;
const WEEK: usize = 3;
const DAY_OF_YEAR: usize = 4;
const DAY: usize = 5;
const HOUR: usize = 6;
const MINUTE: usize = 7;
const SECOND: usize = 8;

/// Forms of a time of day in a text.
const CLOCKS: [&str; 6] = ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I %p"];

const KINDS: [PartKind; 9] = [
    PartKind { names: &["year", "yr", "jahr"], number: ("%Y", 1500.0, 2200.0), texts: ("", "", &[]) },
    PartKind { names: &["quarter", "qtr", "quartal", "period"], number: ("%q", 1.0, 4.0), texts: ("%Y ", "2020 ", &["Q%q", "%qQ"]) },
    PartKind {
        names: &["month", "mo", "mon", "mnth", "monat", "period"],
        number: ("%m", 1.0, 12.0),
        texts: ("%Y ", "2020 ", &["%b", "M%m"]),
    },
    PartKind {
        names: &["week", "wk", "kw", "weekno", "isoweek", "iso_week", "woche"],
        number: ("%V", 1.0, 53.0),
        texts: ("%G ", "2020 ", &["W%V"]),
    },
    PartKind { names: &["doy", "dayofyear", "day_of_year", "yday"], number: ("%j", 1.0, 366.0), texts: ("", "", &[]) },
    PartKind { names: &["day", "dy", "dayofmonth", "day_of_month", "tag"], number: ("%d", 1.0, 31.0), texts: ("", "", &[]) },
    PartKind {
        names: &["hour", "hr", "hours", "stunde", "he"],
        number: ("%H", 0.0, 24.0),
        texts: ("%Y-%m-%d ", "2020-01-01 ", &["H%H", "HE%H", "%Hh"]),
    },
    PartKind { names: &["minute", "min", "minutes"], number: ("%M", 0.0, 59.0), texts: ("", "", &[]) },
    PartKind { names: &["second", "sec", "seconds"], number: ("%S", 0.0, 59.0), texts: ("", "", &[]) },
];

/// Further names of columns that are parts of a timestamp, and never names of series.
const PART_NAMES: [&str; 10] = ["time", "uhrzeit", "zeit", "weekday", "dow", "dayofweek", "day_of_week", "hour_ending", "interval", "slot"];

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

/// Whether the name of a column is that of a part of a timestamp.
pub(super) fn is_part_name(column: &Column) -> bool {
    let name = lower(column);
    let words = || name.split(|c: char| !c.is_alphanumeric());
    let is_part = |name: &str| PART_NAMES.contains(&name) || KINDS.iter().any(|kind| kind.names.contains(&name));
    is_part(&name) || words().next_back().is_some_and(|word| word == "period" || word == "hour")
}

/// A part of a timestamp in a column of its own.
struct TimePart {
    column: usize,
    /// Index in [`KINDS`].
    kind: usize,
    /// Its format.
    form: &'static str,
}

/// The form that reads all texts of a column.
fn text_form(column: &Column, (before, example, forms): (&str, &str, &[&'static str])) -> Option<&'static str> {
    if column.numbers > 0 || column.texts.is_empty() {
        return None;
    }
    let reads = |form: &&&str| {
        let format = TimeFormat::parse(&format!("{before}{form}")).ok();
        format.is_some_and(|format| column.texts.iter().all(|text| format.read(&format!("{example}{text}")).is_ok()))
    };
    forms.iter().find(reads).copied()
}

/// The columns year, month, day, hour, .. of a table.
fn time_parts(columns: &[Column]) -> Vec<TimePart> {
    let mut found: Vec<TimePart> = vec![];
    for (kind, PartKind { names, number: (directive, least, greatest), texts }) in KINDS.iter().enumerate() {
        let form = |c: &Column| {
            let numbers = c.is_number() && c.whole && c.least >= *least && c.greatest <= *greatest;
            // A period of numbers can be anything.
            if numbers && lower(c) != "period" { Some(*directive) } else { text_form(c, *texts) }
        };
        let free = |k: &usize| found.iter().all(|part| part.column != *k);
        let named = columns.iter().enumerate().filter(|(k, c)| free(k) && names.contains(&lower(c).as_str()));
        if let Some((column, form)) = named.filter_map(|(k, c)| Some((k, form(c)?))).next() {
            found.push(TimePart { column, kind, form });
        }
    }
    if !found.iter().any(|part| part.kind == HOUR) {
        let clock = |c: &Column| text_form(c, ("%Y-%m-%d ", "2020-01-01 ", &CLOCKS));
        found.extend(columns.iter().enumerate().find_map(|(column, c)| Some(TimePart { column, kind: HOUR, form: clock(c)? })));
    }
    found
}

/// The parts that make a whole timestamp: from the year to the smallest one.
fn whole(parts: &[TimePart]) -> Option<Vec<(usize, &'static str)>> {
    let get = |kind: usize| parts.iter().find(|part| part.kind == kind).map(|part| (part.column, part.form));
    let year = get(YEAR)?;
    let mut all = vec![year];
    let has_day = match (get(MONTH), get(DAY), get(DAY_OF_YEAR), get(WEEK), get(QUARTER)) {
        (Some(month), day, ..) => {
            all.push(month);
            all.extend(day);
            day.is_some()
        }
        (None, _, Some(day), ..) => {
            all.push(day);
            true
        }
        (None, _, None, Some(week), _) => {
            all = vec![(year.0, "%G"), week];
            false
        }
        (None, _, None, None, Some(quarter)) => {
            all.push(quarter);
            false
        }
        _ => return None,
    };
    if has_day {
        all.extend(clock(parts).into_iter().flatten());
    }
    Some(all)
}

/// The parts of the time of day.
fn clock(parts: &[TimePart]) -> Option<Vec<(usize, &'static str)>> {
    let get = |kind: usize| parts.iter().find(|part| part.kind == kind).map(|part| (part.column, part.form));
    let mut all = vec![get(HOUR)?];
    // A text such as 13:00 has the minute.
    if !all[0].1.contains("%M")
        && let Some(minute) = get(MINUTE)
    {
        all.push(minute);
        all.extend(get(SECOND));
    }
    Some(all)
}

/// The columns that are parts of a timestamp.
pub(super) fn parts(columns: &[Column]) -> Vec<usize> {
    time_parts(columns).into_iter().map(|part| part.column).collect()
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
    let parts = time_parts(columns);
    let whole = whole(&parts).filter(|whole| named.is_none_or(|named| whole.iter().any(|(k, _)| *k == named)));
    let is_part = |k: usize| whole.as_ref().is_some_and(|whole| whole.iter().any(|(part, _)| *part == k));
    let best = all.into_iter().find(|(k, guess)| !(guess.numeric && is_part(*k)));
    if let Some((k, guess)) = best {
        return of_guess(columns, k, &guess, &parts).map(Some);
    }
    if let Some(parts) = whole {
        let format: Vec<&str> = parts.iter().map(|(_, form)| *form).collect();
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

fn of_guess(columns: &[Column], k: usize, guess: &Guess, parts: &[TimePart]) -> Result<TimeChoice, DataError> {
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
    let mut texts = columns[k].examples().map(|odd| odd.text.as_str());
    let in_format = format.as_deref().is_some_and(|f| f.contains("%H") || f.contains("%I") || f.contains("epoch"));
    let has_clock = in_format || texts.clone().any(|text| text.contains(':'));
    let days = columns[k].numbers == 0 || (columns[k].least > 15_000_101.0 && columns[k].greatest < 22_001_232.0);
    let changes = if columns[k].numbers == 0 { columns[k].changes } else { columns[k].number_changes };
    let repeats = changes * 2 < columns[k].cells;
    let parts = clock(parts).filter(|parts| !has_clock && days && repeats && parts.iter().all(|(part, _)| *part != k));
    if let Some(parts) = parts {
        let forms: Vec<&str> = parts.iter().map(|(_, form)| *form).collect();
        let reads = |form: &&&str| TimeFormat::parse(form).is_ok_and(|format| texts.all(|text| format.read(text).is_ok()));
        let date = format.clone().or_else(|| DATES.iter().find(reads).map(|form| (*form).to_owned()));
        format = date.map(|date| format!("{date} {}", forms.join(" ")));
        let names: Vec<String> = parts.iter().map(|(column, _)| format!("\"{}\"", columns[*column].name)).collect();
        why = format!("\"{name}\" holds dates and {} the time of day", names.join(", "));
        chosen.extend(parts.iter().map(|(column, _)| *column));
    }
    Ok(TimeChoice { columns: chosen, format, why })
}

/// Dates without a format of their own that a time of day in another column may follow.
const DATES: [&str; 8] = ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%b %d %Y"];

/// The time column for a given format.
fn with_format(columns: &[Column], format: &str, named: Option<usize>) -> Result<TimeChoice, DataError> {
    let parsed = TimeFormat::parse(format).map_err(|hint| refusal("--time-format", format!("\"{format}\" cannot be used"), &hint))?;
    let reads = |c: &Column| c.examples().any(|odd| parsed.read(&odd.text).is_ok());
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
    let near = columns.iter().find(|c| has_time_name(c) && !is_part_name(c)).or_else(|| columns.iter().find(|c| has_time_name(c)));
    let unread = |c: &'_ Column| c.examples().find(|odd| parse_moment(&odd.text).is_err()).or_else(|| c.examples().next()).cloned();
    let problem = match near.and_then(|c| Some((c, unread(c)?))) {
        Some((column, odd)) => {
            format!("no column can be read as timestamps (line {}, column \"{}\": \"{}\")", odd.line, column.name, shortened(&odd.text))
        }
        None => "no column holds timestamps".into(),
    };
    DataError::NoTimeColumn { problem }
}
