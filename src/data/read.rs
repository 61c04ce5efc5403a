//! From rows of text to numbers in one pass. Only the used columns are stored.

use csv::ByteRecord;

use super::clock::{Clock, Moments, TimeScale};
use super::error::{DataError, shortened};
use super::layout::Source;
use super::level::Level;
use super::number::NumberReader;
use super::records::Records;
use super::schema::{KnownSeries, Schema};
use super::statics::StaticCells;
use super::table::Table;
use super::words::{CellReader, Found};
use super::{Known, long};
use crate::calendar::{Steps, format_stamp};
use crate::config::DataSettings;
use crate::config::suggest::nearest;
use crate::names::one_form;
use crate::numbers::to_f32;

/// The content of a file.
#[derive(Debug)]
pub(super) struct Cells {
    /// The stored columns of the schema, minus their offsets; NaN for a missing cell.
    pub(super) table: Table,
    /// One offset for each stored column; see [`Level`].
    pub(super) offsets: Vec<f64>,
    /// Timestamps in ascending order; empty without a time column.
    pub(super) stamps: Steps,
    /// Line number of each row, for messages; empty without a time column.
    pub(super) lines: Steps,
    /// The time scale of the timestamps.
    pub(super) scale: TimeScale,
    /// Findings, one sentence each.
    pub(super) notes: Vec<String>,
    /// The texts of each driver with categories.
    pub(super) found: Vec<Found>,
    /// The static columns of a long table.
    pub(super) statics: Option<StaticCells>,
}

/// Reads all rows. `known` is what a run knows of its data.
pub(super) fn read(settings: &DataSettings, records: &mut dyn Records, known: Option<&Known<'_>>) -> Result<(Schema, Cells), DataError> {
    let mut record = ByteRecord::new();
    let Some(line) = records.next(&mut record)? else { return Err(DataError::Empty) };
    let header = header(&record, settings, line)?;
    // The delimiter decides what a comma in a number probably means.
    let settings = &DataSettings { delimiter: settings.delimiter.or(records.delimiter()), ..settings.clone() };
    let series = known.map(Known::series);
    let (schema, mut cells) = match &settings.series {
        Some(column) => long::read(settings, &header, column, records, known, series)?,
        None => wide(settings, &header, records, known, series)?,
    };
    let before = records.notes().into_iter().chain(header_note(&header, settings));
    cells.notes.splice(0..0, before);
    if known.is_none() && settings.series.is_none() {
        cells.notes.extend(settings.exclude.iter().filter(|name| !name.contains('*')).filter_map(|name| excludes_nothing(name, &header)));
    }
    Ok((schema, cells))
}

/// Reads a table with one row for each timestamp.
fn wide(
    settings: &DataSettings,
    header: &[String],
    records: &mut dyn Records,
    known: Option<&Known<'_>>,
    series: Option<KnownSeries<'_>>,
) -> Result<(Schema, Cells), DataError> {
    let schema = Schema::new(header, settings, None, series).map_err(|e| below_others(e, header))?;
    let mut used = vec![false; header.len()];
    schema.time.iter().chain(&schema.fields).for_each(|field| used[field.index] = true);
    if schema.time.is_empty() {
        records.only(&used);
    }
    let mut reader = CellReader::new(settings);
    let mut clock = (!schema.time.is_empty()).then(|| Clock::new(settings, &schema.time, known.and_then(Known::time))).transpose()?;
    let mut order = Order::default();
    let mut rows = Rows::new(&schema, known);
    let mut record = ByteRecord::new();
    let mut fields = vec![f64::NAN; schema.fields.len()];
    while let Some(line) = records.next(&mut record)? {
        let text = clock.as_mut().map(|clock| clock.text(&record, line, header.len()));
        if matches!(text, Some(None)) {
            continue;
        }
        check_width(&record, line, header.len())?;
        if let (Some(clock), Some(Some(text))) = (&mut clock, text) {
            let reading = clock.read(&text, line, order.moments.last())?;
            order
                .push(reading, line)
                .map_err(|e| clock.gap().unwrap_or_else(|| like_long(e, &record, header, &schema, &reader.numbers)))?;
        }
        for (number, field) in fields.iter_mut().zip(&schema.fields) {
            *number = reader.read(field, &record[field.index], line)?;
        }
        rows.push(&fields, line)?;
    }
    let (mut table, offsets) = rows.finish()?;
    let mut notes = vec![];
    if order.descending {
        table = table.reversed();
        order.reverse();
        notes.push("the file has its newest row first; the rows are used in order of time".to_owned());
    }
    let Some(clock) = clock else {
        let scale = TimeScale::default();
        return Ok((
            schema,
            Cells {
                table,
                offsets,
                stamps: Steps::default(),
                lines: Steps::default(),
                scale,
                notes,
                found: reader.finish(),
                statics: None,
            },
        ));
    };
    let local = clock.by_local_days(&order.moments);
    let scale = clock.finish(local)?;
    notes.extend(scale.notes.iter().cloned());
    let stamps = order.moments.stamps(local).clone();
    check_ascending(&stamps, &order.lines)?;
    Ok((schema, Cells { table, offsets, stamps, lines: order.lines, scale, notes, found: reader.finish(), statics: None }))
}

/// An unknown name in a header of one field: the line is probably a title.
fn below_others(e: DataError, header: &[String]) -> DataError {
    match e {
        DataError::UnknownColumn { place, name, hint } if header.len() == 1 => {
            let hint = format!("{hint}; if there are lines above the header, set data.skip_lines to their number");
            DataError::UnknownColumn { place, name, hint }
        }
        e => e,
    }
}

/// Checks that a row has as many fields as the header.
pub(crate) fn check_width(record: &ByteRecord, line: u64, expected: usize) -> Result<(), DataError> {
    if record.len() == expected {
        return Ok(());
    }
    let first = String::from_utf8_lossy(record.get(0).unwrap_or_default()).trim().to_owned();
    let advice = if first.starts_with('#') {
        "; if lines that begin with # are comments, set data.comment = \"#\"".to_owned()
    } else if line <= 3 || (expected == 1 && record.len() > 1) {
        "; if there are lines above the header, set data.skip_lines to their number".to_owned()
    } else if record.len() < expected && !first.is_empty() {
        format!("; if the line is no part of the table, set data.skip_rows = [\"{}\"]", shortened(&first))
    } else {
        String::new()
    };
    Err(DataError::FieldCount { line, found: record.len(), expected, advice })
}

/// The timestamps of the rows so far, and their direction.
#[derive(Default)]
struct Order {
    moments: Moments,
    lines: Steps,
    descending: bool,
}

impl Order {
    fn push(&mut self, reading: super::clock::Reading, line: u64) -> Result<(), DataError> {
        let previous = self.moments.last().zip(self.lines.last());
        self.moments.push(reading);
        self.lines.push(i64::try_from(line).unwrap_or(i64::MAX));
        let (Some((before, previous)), Some(at)) = (previous, self.moments.last()) else { return Ok(()) };
        let previous = previous.unsigned_abs();
        if at == before {
            return Err(DataError::DuplicateStamp { line, previous, stamp: format_stamp(at) });
        }
        // The second row decides: broker exports have their newest row first.
        if self.moments.len() == 2 {
            self.descending = at < before;
        }
        if (at < before) != self.descending {
            let (stamp, other) = (format_stamp(at), format_stamp(before));
            return Err(DataError::OutOfOrder { line, previous, stamp, other, descending: self.descending });
        }
        Ok(())
    }

    fn reverse(&mut self) {
        self.moments = self.moments.reversed();
        let mut lines: Vec<i64> = self.lines.iter().collect();
        lines.reverse();
        self.lines = lines.into_iter().collect();
    }
}

/// Local days can repeat or go back where instants do not.
fn check_ascending(stamps: &Steps, lines: &Steps) -> Result<(), DataError> {
    let Some(run) = stamps.runs().find(|run| run.step <= 0) else { return Ok(()) };
    let (previous, line) = (lines.at(run.from).unsigned_abs(), lines.at(run.from + 1).unsigned_abs());
    Err(DataError::DuplicateStamp { line, previous, stamp: format_stamp(run.start) })
}

/// Adds to an error about the order of the rows that the table looks like a long one: a column that is not used holds text, or has a name
/// that long tables use.
fn like_long(e: DataError, record: &ByteRecord, header: &[String], schema: &Schema, numbers: &NumberReader) -> DataError {
    let used = |k: usize| schema.time.iter().chain(&schema.fields).any(|field| field.index == k);
    let text = |k: usize| {
        let cell = record.get(k).unwrap_or_default().trim_ascii();
        let number = std::str::from_utf8(cell).is_ok_and(|text| text.parse::<f64>().is_ok());
        !cell.is_empty() && !number && !numbers.is_missing(cell)
    };
    let unused = || (0..header.len()).filter(|&k| !used(k));
    let found = unused().find(|&k| is_series_name(&header[k])).or_else(|| unused().find(|&k| text(k)));
    match found {
        Some(k) => DataError::LooksLong {
            source: Box::new(e),
            column: header[k].clone(),
            text: shortened(&String::from_utf8_lossy(record.get(k).unwrap_or_default())),
        },
        None => e,
    }
}

/// Whether a column has a usual name for the series of a long table.
pub(crate) fn is_series_name(name: &str) -> bool {
    const NAMES: [&str; 10] =
        ["unique_id", "item_id", "series_id", "series", "ts_id", "time_series_id", "id", "meter_id", "station_id", "store_id"];
    NAMES.contains(&name.to_ascii_lowercase().as_str())
}

/// The names in a header, each in one form.
pub(crate) fn header_names(record: &ByteRecord) -> Result<Vec<String>, DataError> {
    let name = |field: &[u8]| {
        let name = std::str::from_utf8(field).ok().filter(|name| !name.contains('\0'));
        name.map(one_form).ok_or(DataError::HeaderText)
    };
    record.iter().map(name).collect()
}

/// The validated column names.
fn header(record: &ByteRecord, settings: &DataSettings, line: u64) -> Result<Vec<String>, DataError> {
    let names = header_names(record)?;
    if let ([only], Some(delimiter)) = (names.as_slice(), settings.delimiter)
        && let Some(found) = [',', ';', '\t', '|'].into_iter().find(|&c| c != delimiter && only.contains(c))
    {
        return Err(DataError::Delimiter { line, header: shortened(only), found });
    }
    let mut seen = std::collections::HashMap::new();
    for (k, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if let Some(first) = seen.insert(name.as_str(), k) {
            let no_header = if is_values(&names) { ", or set data.header = false if this line is a row of values" } else { "" };
            return Err(DataError::DuplicateColumn { line, name: name.clone(), first: first + 1, second: k + 1, no_header });
        }
    }
    Ok(names)
}

/// Whether all names are numbers, other than a count from 0 or 1: then the line is probably a row of values.
pub(crate) fn is_values(names: &[String]) -> bool {
    let numbers: Option<Vec<f64>> = names.iter().filter(|name| !name.is_empty()).map(|name| name.parse().ok()).collect();
    let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) else { return false };
    let counts = |from: f64| numbers.iter().enumerate().all(|(k, n)| *n == from + k as f64);
    !(counts(0.0) || counts(1.0))
}

fn header_note(header: &[String], settings: &DataSettings) -> Option<String> {
    let note = "the header holds only numbers; if it is a row of values, set data.header = false";
    (settings.header && is_values(header)).then(|| note.to_owned())
}

/// A note about a name in data.exclude that is no column.
fn excludes_nothing(name: &str, header: &[String]) -> Option<String> {
    let form = one_form(name);
    let near = || nearest(&form, header.iter().map(String::as_str)).map_or_else(String::new, |best| format!("; did you mean \"{best}\"?"));
    (!header.contains(&form)).then(|| format!("data.exclude: the file has no column \"{name}\"{}", near()))
}

/// Converts numbers to rows of the table.
pub(super) struct Rows<'a> {
    schema: &'a Schema,
    table: Table,
    /// The offsets of the run, if the data are read for one.
    offsets: Option<Vec<f64>>,
    levels: Vec<Level>,
    inputs: Vec<f64>,
    /// One number per stored column.
    row: Vec<f32>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(schema: &'a Schema, known: Option<&Known<'_>>) -> Self {
        let width = schema.columns.len();
        let offsets = known.map(|known| schema.offsets(known.scaler));
        let levels = if offsets.is_some() { vec![] } else { (0..width).map(|_| Level::default()).collect() };
        Self { schema, table: Table::new(width), offsets, levels, inputs: vec![], row: vec![] }
    }

    /// Appends a row: one number for each field of the schema.
    pub(super) fn push(&mut self, fields: &[f64], line: u64) -> Result<(), DataError> {
        if u32::try_from(self.table.rows() + 1).is_err() {
            return Err(DataError::TooManyRows);
        }
        self.row.clear();
        for (k, column) in self.schema.columns.iter().enumerate() {
            let value = match &column.source {
                Source::Field(field) => fields[*field],
                Source::Expression { expression, inputs } => {
                    self.inputs.clear();
                    self.inputs.extend(inputs.iter().map(|&field| fields[field]));
                    if self.inputs.iter().any(|x| x.is_nan()) {
                        f64::NAN
                    } else {
                        let value = expression.value(&self.inputs);
                        if !to_f32(value).is_finite() {
                            let expression = expression.text().to_string();
                            return Err(DataError::ExpressionValue { line, expression, value });
                        }
                        value
                    }
                }
            };
            self.row.push(match &self.offsets {
                Some(offsets) => to_f32(value - offsets[k]),
                None => {
                    self.levels[k].note(self.table.rows(), value);
                    to_f32(value)
                }
            });
        }
        self.table.push(self.row.iter().copied());
        Ok(())
    }

    /// The table and the offset of each column.
    pub(super) fn finish(self) -> Result<(Table, Vec<f64>), DataError> {
        if self.table.rows() == 0 {
            return Err(DataError::NoRows);
        }
        let mut table = self.table.finish();
        let offsets = self.offsets.unwrap_or_else(|| {
            let apply = |(column, level): (usize, Level)| {
                let offset = level.offset();
                if offset != 0.0 {
                    level.apply(&mut table, column, offset);
                }
                offset
            };
            self.levels.into_iter().enumerate().map(apply).collect()
        });
        Ok((table, offsets))
    }
}
