//! A first config for a table, derived from its cells. The user should check and edit it.
//!
//! The file is read three times: for its cells (`column`), for its timestamps, and as a dataset with the config that was found. So the
//! config reads the file from which it was made, or there is none.

mod column;
mod dialect;
mod roles;
mod sizes;
mod time;
mod write;

#[cfg(test)]
mod tests;

use std::io::Read;

use csv::ByteRecord;

use crate::calendar::{Frequency, Grid, Steps, Suggestion, TimeFormat, parse_moment};
use crate::config::{Config, DataSettings};
use crate::data::records::Records;
use crate::data::text::{Preamble, TextRecords};
use crate::data::{DataError, Dataset, Scaler, unpacked};
use column::{Column, Odd};
use dialect::Style;
use roles::Roles;
pub use sizes::{Predict, predicted};
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
}

/// A table that can be read several times.
pub trait Table {
    /// The first bytes of a text file, decompressed; empty for files of other formats.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn head(&self) -> Result<Vec<u8>, DataError>;

    /// Reads the table from its start as a dataset.
    ///
    /// # Errors
    /// If the file cannot be read with this config.
    fn dataset(&self, config: &Config) -> Result<Dataset, DataError>;

    /// Calls `row` with the line and the cells of every row; the first one is the header.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn rows(&self, settings: &DataSettings, row: &mut dyn FnMut(u64, &ByteRecord) -> Result<(), DataError>) -> Result<(), DataError>;
}

/// Bytes at the start of a file from which its delimiter is found.
const HEAD: usize = 1 << 16;
/// Rows whose cells decide how numbers are written.
const FIRST_ROWS: usize = 1000;

/// Calls `row` for every row.
fn each(mut records: impl Records, row: &mut dyn FnMut(u64, &ByteRecord) -> Result<(), DataError>) -> Result<(), DataError> {
    let mut record = ByteRecord::new();
    while let Some(line) = records.next(&mut record)? {
        row(line, &record)?;
    }
    Ok(())
}

/// Bytes in memory.
impl Table for [u8] {
    fn head(&self) -> Result<Vec<u8>, DataError> {
        let read = |source| DataError::Read { line: 0, source };
        let mut head = vec![];
        unpacked(self).map_err(read)?.take(HEAD as u64).read_to_end(&mut head).map_err(read)?;
        Ok(head)
    }

    fn dataset(&self, config: &Config) -> Result<Dataset, DataError> {
        Dataset::read(config, self)
    }

    fn rows(&self, settings: &DataSettings, row: &mut dyn FnMut(u64, &ByteRecord) -> Result<(), DataError>) -> Result<(), DataError> {
        each(TextRecords::open(self, settings)?, row)
    }
}

/// A file.
#[cfg(feature = "native")]
impl Table for std::path::Path {
    fn head(&self) -> Result<Vec<u8>, DataError> {
        crate::data::head_of(self, HEAD)
    }

    fn dataset(&self, config: &Config) -> Result<Dataset, DataError> {
        Dataset::open(config, self)
    }

    fn rows(&self, settings: &DataSettings, row: &mut dyn FnMut(u64, &ByteRecord) -> Result<(), DataError>) -> Result<(), DataError> {
        let mut records = crate::data::open_one(settings, self)?;
        let mut record = ByteRecord::new();
        while let Some(line) = records.next(&mut record)? {
            row(line, &record)?;
        }
        Ok(())
    }
}

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
    read_stamps(table, &mut sketch)?;
    let roles = Roles::of(&sketch)?;
    sizes::fitted(table, file, sketch, roles, predict)
}

/// Examines all cells.
fn sketch<T: Table + ?Sized>(table: &T, options: &Options) -> Result<Sketch, DataError> {
    let head = table.head()?;
    let mut settings = DataSettings::of_text();
    let mut notes = vec![];
    if !head.is_empty() {
        settings.skip_lines = dialect::lines_above(&head);
        if settings.skip_lines > 0 {
            notes.push(format!("the first {} lines are above the header and are skipped", settings.skip_lines));
        }
        let preamble = Preamble::of(&head, &settings);
        settings.delimiter = Some(preamble.delimiter.into());
    }
    let mut columns: Vec<Column> = vec![];
    let (mut style, mut rows, mut waiting) = (Style::default(), 0, vec![]);
    let mut width = 0;
    let mut chosen = None;
    let delimiter = settings.delimiter.unwrap_or(',');
    let add = |columns: &mut Vec<Column>, row: usize, line: u64, record: &ByteRecord, style| {
        for (column, cell) in columns.iter_mut().zip(record) {
            column.add(row, line, &String::from_utf8_lossy(cell), style);
        }
    };
    let (mut header_line, mut unnamed) = (0, false);
    table.rows(&settings, &mut |line, record| {
        if columns.is_empty() {
            let names = crate::data::header_names(record)?;
            unnamed = settings_header(&names, record, &mut columns, &mut waiting, line);
            (width, header_line) = (record.len(), line);
            return Ok(());
        }
        crate::data::check_width(record, line, width)?;
        if chosen.is_none() {
            record.iter().for_each(|cell| style.add(String::from_utf8_lossy(cell).trim()));
            waiting.push((line, record.clone()));
            if waiting.len() >= FIRST_ROWS {
                chosen = Some(style.found(delimiter));
            }
        } else {
            waiting.push((line, record.clone()));
        }
        if let Some(style) = chosen {
            for (line, record) in waiting.drain(..) {
                add(&mut columns, rows, line, &record, style);
                rows += 1;
                if rows == FIRST_ROWS {
                    columns.iter_mut().for_each(Column::settle);
                }
            }
        }
        Ok(())
    })?;
    let style = chosen.unwrap_or_else(|| style.found(delimiter));
    for (line, record) in waiting.drain(..) {
        add(&mut columns, rows, line, &record, style);
        rows += 1;
    }
    if columns.is_empty() {
        return Err(DataError::Empty);
    }
    if rows == 0 {
        return Err(DataError::NoRows);
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

/// Unreadable timestamps that may be skipped, and their greatest share of the rows.
const MOST_SKIPPED: usize = 3;
const SKIPPED_SHARE: usize = 20;

/// Reads the timestamps: finds rows without one, a long table, and working days.
fn read_stamps<T: Table + ?Sized>(table: &T, sketch: &mut Sketch) -> Result<(), DataError> {
    let Some(choice) = &sketch.time else { return Ok(()) };
    let format = choice
        .format
        .as_deref()
        .map(TimeFormat::parse)
        .transpose()
        .map_err(|hint| refusal("data.time_format", hint, "give --time-format"))?;
    let (mut stamps, mut walls) = (Steps::default(), Steps::default());
    let mut odd: Vec<Odd> = vec![];
    let (mut odd_rows, mut header, mut repeats, mut direction) = (0_usize, sketch.settings.header, false, 0_i64);
    let mut problem = None;
    table.rows(&sketch.settings, &mut |line, record| {
        if std::mem::take(&mut header) {
            return Ok(());
        }
        if !sketch.settings.header && stamps.len() == 0 && record.iter().next().is_some_and(|c| c == b"c1") {
            return Ok(());
        }
        let cells: Vec<String> =
            choice.columns.iter().map(|&k| String::from_utf8_lossy(record.get(k).unwrap_or_default()).trim().to_owned()).collect();
        let text = cells.join(" ");
        let read = format.as_ref().map_or_else(|| parse_moment(&text), |format| format.read(&text));
        match read {
            Ok(moment) => {
                let at = moment.instant();
                if let Some(last) = stamps.last() {
                    let sign = (at - last).signum();
                    repeats |= sign == 0 || (direction != 0 && sign != direction);
                    direction = if direction == 0 { sign } else { direction };
                }
                stamps.push(at);
                walls.push(moment.wall);
            }
            Err(advice) => {
                odd_rows += 1;
                let column = choice.names(&sketch.columns).label();
                problem.get_or_insert(DataError::Stamp { line, column, text: text.clone(), advice });
                if odd.iter().all(|o| o.text != text) {
                    odd.push(Odd { text, line });
                }
            }
        }
        Ok(())
    })?;
    if let Some(problem) = problem {
        let looks = odd.iter().any(|o| o.text.bytes().filter(u8::is_ascii_digit).count() > 3);
        if odd.len() > MOST_SKIPPED || odd_rows * SKIPPED_SHARE > sketch.rows || looks {
            return Err(problem);
        }
        for Odd { text, line } in odd {
            sketch.notes.push(format!("line {line}: \"{text}\" is no timestamp; rows with this text are skipped"));
            sketch.settings.skip_rows.push(text);
        }
    }
    sketch.descending = direction < 0 && !repeats;
    if sketch.descending {
        sketch.notes.push("the file has its newest row first; the rows are used in order of time".into());
    }
    let time = choice.columns.clone();
    sketch.settings.time = Some(choice.names(&sketch.columns));
    sketch.settings.time_format.clone_from(&choice.format);
    sketch.notes.insert(0, choice.why.clone());
    if let Some(k) = time::series(&sketch.columns, &time, repeats) {
        let column = &sketch.columns[k];
        let count = if column.texts.len() < 10_000 { column.texts.len().to_string() } else { "many".into() };
        sketch.notes.push(format!("timestamps repeat for the {count} values of \"{}\": this is a long table", column.name));
        sketch.settings.series = Some(column.name.clone());
    } else {
        let blocks = |c: &&Column| c.numbers == 0 && c.texts.len() > 1 && c.changes == c.texts.len();
        if let Some(column) = sketch.columns.iter().enumerate().filter(|(k, _)| !time.contains(k)).map(|(_, c)| c).find(blocks) {
            sketch.notes.push(format!(
                "\"{}\" has {} values, each in one block of rows: if these are different series, set data.series = \"{}\"",
                column.name,
                column.texts.len(),
                column.name
            ));
        }
    }
    suggest(sketch, stamps, walls);
    Ok(())
}

/// The timestamps in ascending order, once each if there is one row for each series.
fn ascending(stamps: Steps, sketch: &Sketch) -> Steps {
    if sketch.settings.series.is_some() {
        let mut all: Vec<_> = stamps.iter().collect();
        all.sort_unstable();
        all.dedup();
        return all.into_iter().collect();
    }
    if sketch.descending { stamps.reversed() } else { stamps }
}

/// Working days, sessions and gaps.
fn suggest(sketch: &mut Sketch, stamps: Steps, walls: Steps) {
    let has_rules = |found: &Suggestion| matches!(found.frequency, Frequency::Business(_)) || !found.rules.is_trivial();
    // Working days and sessions are in local time; other rows are counted in instants.
    let local = Grid::suggest(&ascending(walls, sketch)).filter(has_rules);
    let Some(found) = local.or_else(|| Grid::suggest(&ascending(stamps, sketch))) else { return };
    if let Frequency::Business(_) = found.frequency {
        sketch.settings.frequency = Some(found.frequency);
        let days = found.rules.weekdays.map_or_else(|| "for weekends".into(), |days| format!("on other days than {days}"));
        sketch.notes.push(format!("there are no rows {days}: the step is {} (working days)", found.frequency));
    }
    if let Some(session) = found.rules.session {
        sketch.settings.frequency = Some(found.frequency);
        sketch.settings.session = Some(session);
        sketch.notes.push(format!("every day has rows from {session}: the time between is no gap"));
    }
    sketch.settings.weekdays = found.rules.weekdays;
    sketch.settings.holidays = found.rules.holidays.iter().map(|day| crate::calendar::format_date(day * crate::calendar::DAY)).collect();
    if !sketch.settings.holidays.is_empty() {
        sketch.notes.push(format!("{} working days have no rows and are taken as holidays", sketch.settings.holidays.len()));
    }
    if found.gaps > 0 {
        sizes::note_gaps(sketch, found.gaps, found.longest);
    }
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
