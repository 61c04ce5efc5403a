//! A first config for a table, derived from its cells. The user should check and edit it.
//!
//! The file is read three times: for its cells (`column`), for its timestamps, and as a dataset with the config that was found. So the
//! config reads the file from which it was made, or there is none.

mod column;
mod dialect;
mod keys;
mod roles;
mod sizes;
mod stamps;
mod table;
mod time;
mod write;

#[cfg(test)]
mod tests;

use csv::ByteRecord;

use crate::config::{Config, DataSettings};
use crate::data::text::Preamble;
use crate::data::{DataError, Dataset, Scaler};
use column::{Column, Odd};
use dialect::Style;
use roles::Roles;
pub use sizes::{Predict, predicted};
use stamps::MOST_SKIPPED;
pub use table::Table;
use time::TimeChoice;

/// A first config.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Starter {
    /// The config as TOML. Comments say what each value was derived from.
    pub config: String,
    /// What was derived and which columns are unused, one sentence each.
    pub notes: Vec<String>,
}

/// What the user says about a table.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Rows are steps of equal length: no time column is looked for.
    pub no_time: bool,
    /// The time column.
    pub time: Option<String>,
    /// The form of the timestamps, as `data.time_format`.
    pub time_format: Option<String>,
    /// The zone of the timestamps, as `data.timezone`.
    pub timezone: Option<String>,
}

/// Rows whose cells decide how numbers are written.
const FIRST_ROWS: usize = 1000;

fn refusal(place: &str, problem: String, advice: &str) -> DataError {
    DataError::Schema { place: place.to_owned(), problem, advice: advice.to_owned() }
}

/// What is known of a table.
struct Sketch {
    settings: DataSettings,
    columns: Vec<Column>,
    rows: usize,
    time: Option<TimeChoice>,
    /// Gaps between the timestamps, and the missing rows of the longest one.
    gaps: usize,
    longest_gap: usize,
    /// Whether the newest row is the first one.
    descending: bool,
    notes: Vec<String>,
}

/// Derives a config for a table. `file` becomes `data.path`. `predict` gives the seconds of a training step on the adapter that will
/// train.
///
/// # Errors
/// If the table cannot be read, or no config that trains on it is found. The message says why.
pub fn starter<T: Table + ?Sized>(table: &T, file: &str, options: &Options, predict: Predict<'_>) -> Result<Starter, DataError> {
    let mut sketch = sketch(table, options)?;
    stamps::read(table, &mut sketch)?;
    without_skipped(table, &mut sketch)?;
    let roles = Roles::of(&sketch)?;
    sizes::fitted(table, file, sketch, roles, predict)
}

/// Rows that are left out: their timestamps have one of these texts.
struct Skip<'a> {
    time: &'a [usize],
    texts: &'a [String],
}

impl Skip<'_> {
    fn has(&self, record: &ByteRecord, width: usize) -> bool {
        let text = if record.len() == width { time_text(record, self.time) } else { cell_text(record, 0) };
        self.texts.contains(&text)
    }
}

fn cell_text(record: &ByteRecord, k: usize) -> String {
    String::from_utf8_lossy(record.get(k).unwrap_or_default()).trim().to_owned()
}

/// The text of a timestamp: that of its columns, joined by blanks.
fn time_text(record: &ByteRecord, columns: &[usize]) -> String {
    columns.iter().map(|&k| cell_text(record, k)).collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

/// What the cells of a table look like.
struct Examined {
    columns: Vec<Column>,
    rows: usize,
    /// Decimal and thousands separator.
    style: (char, Option<char>),
    /// Line of the header, and whether it holds values.
    header_line: u64,
    unnamed: bool,
    /// Lines with fewer fields that are no rows, such as one below the table.
    short: Vec<Odd>,
    /// Whether lines inside the table begin with #, which is an error.
    commented: bool,
}

/// Examines all cells.
fn examine<T: Table + ?Sized>(table: &T, settings: &DataSettings, skip: &Skip<'_>) -> (Examined, Result<(), DataError>) {
    let mut found =
        Examined { columns: vec![], rows: 0, style: ('.', None), header_line: 0, unnamed: false, short: vec![], commented: false };
    let (mut style, mut waiting) = (Style::default(), vec![]);
    let (mut width, mut chosen) = (0, None);
    let delimiter = settings.delimiter.unwrap_or(',');
    let add = |found: &mut Examined, waiting: &mut Vec<(u64, ByteRecord)>, style| {
        for (line, record) in waiting.drain(..) {
            for (column, cell) in found.columns.iter_mut().zip(&record) {
                column.add(found.rows, line, &String::from_utf8_lossy(cell), style);
            }
            found.rows += 1;
            if found.rows == FIRST_ROWS {
                found.columns.iter_mut().for_each(Column::settle);
            }
        }
    };
    let read = table.rows(settings, &mut |line, record| {
        if found.columns.is_empty() {
            let names = crate::data::header_names(record)?;
            found.unnamed = settings_header(&names, record, &mut found.columns, &mut waiting, line);
            (width, found.header_line) = (record.len(), line);
            return Ok(());
        }
        if skip.has(record, width) {
            return Ok(());
        }
        if let Err(e) = crate::data::check_width(record, line, width) {
            let text = cell_text(record, 0);
            found.commented = text.starts_with('#');
            let is_row = found.commented || text.is_empty() || record.len() > width || is_stamp(&text) || found.rows + waiting.len() < 2;
            if is_row || found.short.len() == MOST_SKIPPED {
                return Err(e);
            }
            found.short.push(Odd { text, line });
            return Ok(());
        }
        if chosen.is_none() {
            record.iter().for_each(|cell| style.add(String::from_utf8_lossy(cell).trim()));
        }
        waiting.push((line, record.clone()));
        if waiting.len() >= FIRST_ROWS {
            chosen.get_or_insert_with(|| style.found(delimiter));
        }
        if let Some(style) = chosen {
            add(&mut found, &mut waiting, style);
        }
        Ok(())
    });
    found.style = chosen.unwrap_or_else(|| style.found(delimiter));
    let style = found.style;
    add(&mut found, &mut waiting, style);
    (found, read)
}

/// Examines a table, and finds its time column.
fn sketch<T: Table + ?Sized>(table: &T, options: &Options) -> Result<Sketch, DataError> {
    let head = table.head()?;
    let mut settings = DataSettings::of_text();
    let mut notes = vec![];
    if dialect::is_one_column_of_commas(&head) {
        // Any delimiter that is no comma reads it as one column.
        settings.delimiter = Some(';');
    } else if !head.is_empty() {
        settings.skip_lines = dialect::lines_above(&head);
        if settings.skip_lines > 0 {
            notes.push(format!("the first {} lines are above the header and are skipped", settings.skip_lines));
        }
        let preamble = Preamble::of(&head, &settings);
        settings.delimiter = Some(preamble.delimiter.into());
    }
    settings.timezone.clone_from(&options.timezone);
    let nothing = Skip { time: &[], texts: &[] };
    let (mut found, mut read) = examine(table, &settings, &nothing);
    if read.is_err() && found.commented {
        settings.comment = Some('#');
        notes.push("lines that begin with # are skipped (data.comment)".into());
        (found, read) = examine(table, &settings, &nothing);
    }
    read?;
    let Examined { columns, rows, style, header_line, unnamed, short, .. } = found;
    if columns.is_empty() {
        return Err(DataError::Empty);
    }
    if rows == 0 {
        return Err(DataError::NoRows);
    }
    for Odd { text, line } in short {
        notes.push(format!("line {line}: \"{text}\" has fewer fields than the header; rows with this text are skipped (data.skip_rows)"));
        settings.skip_rows.push(text);
    }
    (settings.decimal, settings.thousands) = style;
    if style != ('.', None) {
        let thousands = style.1.map_or_else(String::new, |c| format!(" and the thousands separator {c:?}"));
        notes.push(format!("numbers are written with the decimal separator {:?}{thousands}", style.0));
    }
    if unnamed {
        settings.header = false;
        notes.push(format!("line {header_line} holds values, not names: the columns are named c1, c2, .."));
    }
    let time = time::choose(&columns, rows, options).map_err(|e| match e {
        DataError::NoTimeColumn { problem } if !settings.header => {
            DataError::NoTimeColumn { problem: format!("line {header_line} holds values, not names (data.header = false), and {problem}") }
        }
        e => e,
    })?;
    Ok(Sketch { settings, columns, rows, time, gaps: 0, longest_gap: 0, descending: false, notes })
}

/// Examines the cells again, without the rows that are skipped.
fn without_skipped<T: Table + ?Sized>(table: &T, sketch: &mut Sketch) -> Result<(), DataError> {
    let Some(time) = sketch.time.as_ref().filter(|_| !sketch.settings.skip_rows.is_empty()) else { return Ok(()) };
    let (found, read) = examine(table, &sketch.settings, &Skip { time: &time.columns, texts: &sketch.settings.skip_rows });
    read?;
    (sketch.columns, sketch.rows) = (found.columns, found.rows);
    (sketch.settings.decimal, sketch.settings.thousands) = found.style;
    Ok(())
}

/// Makes the columns of a header. If the header holds values, which is the result, they are the first row, and the columns get names.
fn settings_header(
    names: &[String],
    record: &ByteRecord,
    columns: &mut Vec<Column>,
    waiting: &mut Vec<(u64, ByteRecord)>,
    line: u64,
) -> bool {
    let value =
        |name: &String| name.is_empty() || name.parse::<f64>().is_ok() || (name.bytes().any(|b| b.is_ascii_digit()) && is_stamp(name));
    let stamps = names.iter().filter(|name| name.parse::<f64>().is_err() && !name.is_empty()).count();
    let values = names.iter().all(value) && (stamps > 0 || crate::data::is_values(names));
    if values {
        waiting.push((line, record.clone()));
    }
    columns.extend(names.iter().enumerate().map(|(k, name)| Column::new(if values { format!("c{}", k + 1) } else { name.clone() })));
    values
}

fn is_stamp(text: &str) -> bool {
    let mut guess = crate::calendar::FormatGuess::new();
    guess.add(text);
    let found = guess.finish();
    found.read > 0
}

/// Reads a table with a config, and checks that it can be trained.
fn checked<T: Table + ?Sized>(table: &T, config: &Config) -> Result<Dataset, DataError> {
    let dataset = table.dataset(config)?;
    Scaler::fit(&dataset)?;
    match dataset.count_windows()? {
        (_, Some(refused)) => Err(refused),
        _ => Ok(dataset),
    }
}
