//! From cells to numbers in one pass over the file. Only the used columns are stored.

use std::io::Read;

use csv::ByteRecord;

use super::error::DataError;
use super::lines::{LineFeeds, unpacked};
use super::schema::{Field, Schema, Source};
use super::table::Table;
use crate::calendar::{Steps, format_stamp, parse_stamp};
use crate::config::DataSettings;
use crate::numbers::to_f32;

/// The content of a file.
#[derive(Debug)]
pub(super) struct Cells {
    /// The stored columns of the schema; NaN for a missing cell.
    pub(super) table: Table,
    /// Timestamps in ascending order; empty without a time column.
    pub(super) stamps: Steps,
    /// Line number of each row, for messages; empty without a time column.
    pub(super) lines: Steps,
}

/// Reads plain or gzip-compressed CSV.
pub(super) fn read(settings: &DataSettings, reader: impl Read) -> Result<(Schema, Cells), DataError> {
    let reader = unpacked(reader).map_err(|source| DataError::Read { line: 0, source })?;
    let delimiter = u8::try_from(settings.delimiter).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .terminator(csv::Terminator::Any(b'\n'))
        .has_headers(false)
        .flexible(true)
        .from_reader(LineFeeds::new(reader));
    let mut record = ByteRecord::new();
    if !next(&mut reader, &mut record, 0)? {
        return Err(DataError::Empty);
    }
    let header = header(&record, settings.delimiter)?;
    let schema = Schema::new(&header, settings)?;
    let mut rows = Rows::new(settings, &schema, header.len());
    let blank = ByteRecord::from(vec![""]);
    let mut line = 1;
    while next(&mut reader, &mut record, line)? {
        // The record ends on the line before the next record. A quoted cell may contain line ends.
        let inside = record.as_slice().iter().filter(|&&byte| byte == b'\n').count();
        let found = reader.position().line().saturating_sub(1 + inside as u64);
        if header.len() == 1 && rows.cells.table.rows() > 0 {
            // The csv crate skips blank lines, but in a file with a single column they are missing cells.
            (line + 1..found).try_for_each(|skipped| rows.push(&blank, skipped))?;
        }
        line = found;
        rows.push(&record, line)?;
    }
    let Cells { table, stamps, lines } = rows.cells;
    if table.rows() == 0 {
        return Err(DataError::NoRows);
    }
    Ok((schema, Cells { table: table.finish(), stamps, lines }))
}

fn next<R: Read>(reader: &mut csv::Reader<LineFeeds<R>>, record: &mut ByteRecord, line: u64) -> Result<bool, DataError> {
    reader.get_mut().row_ended();
    reader.read_byte_record(record).map_err(|error| {
        let source = match error.into_kind() {
            csv::ErrorKind::Io(source) => source,
            other => std::io::Error::other(format!("{other:?}")),
        };
        DataError::Read { line, source }
    })
}

/// The validated column names.
fn header(record: &ByteRecord, delimiter: char) -> Result<Vec<String>, DataError> {
    let mut names = vec![];
    for field in record {
        let name = std::str::from_utf8(field).map_err(|_| DataError::HeaderText)?;
        if name.contains('\0') {
            return Err(DataError::HeaderText);
        }
        names.push(name.trim_start_matches('\u{feff}').trim().to_string());
    }
    if let [only] = names.as_slice()
        && let Some(found) = [',', ';', '\t', '|'].into_iter().find(|&c| c != delimiter && only.contains(c))
    {
        return Err(DataError::Delimiter { header: shortened(only), found });
    }
    for (second, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if let Some(first) = names[..second].iter().position(|other| other == name) {
            return Err(DataError::DuplicateColumn { name: name.clone(), first: first + 1, second: second + 1 });
        }
    }
    Ok(names)
}

/// Converts records to rows of the table.
struct Rows<'a> {
    settings: &'a DataSettings,
    schema: &'a Schema,
    fields_expected: usize,
    cells: Cells,
    /// One number per field of the schema; NaN if missing.
    numbers: Vec<f64>,
    inputs: Vec<f64>,
    /// One number per stored column.
    row: Vec<f32>,
}

impl<'a> Rows<'a> {
    fn new(settings: &'a DataSettings, schema: &'a Schema, fields_expected: usize) -> Self {
        let cells = Cells { table: Table::new(schema.columns.len()), stamps: Steps::default(), lines: Steps::default() };
        Self { settings, schema, fields_expected, cells, numbers: vec![f64::NAN; schema.fields.len()], inputs: vec![], row: vec![] }
    }

    fn push(&mut self, record: &ByteRecord, line: u64) -> Result<(), DataError> {
        if record.len() != self.fields_expected {
            return Err(DataError::FieldCount {
                line,
                found: record.len(),
                expected: self.fields_expected,
                delimiter: self.settings.delimiter,
            });
        }
        if u32::try_from(self.cells.table.rows() + 1).is_err() {
            return Err(DataError::TooManyRows);
        }
        if let Some(time) = &self.schema.time {
            self.push_stamp(time, &record[time.index], line)?;
        }
        for (number, field) in self.numbers.iter_mut().zip(&self.schema.fields) {
            *number = parse_cell(self.settings, field, &record[field.index], line)?;
        }
        self.row.clear();
        for column in &self.schema.columns {
            let value = match &column.source {
                Source::Field(field) => self.numbers[*field],
                Source::Expression { expression, inputs } => {
                    self.inputs.clear();
                    self.inputs.extend(inputs.iter().map(|&field| self.numbers[field]));
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
            self.row.push(to_f32(value));
        }
        self.cells.table.push(self.row.iter().copied());
        Ok(())
    }

    fn push_stamp(&mut self, time: &Field, cell: &[u8], line: u64) -> Result<(), DataError> {
        let text = String::from_utf8_lossy(cell);
        let stamp =
            parse_stamp(&text).map_err(|advice| DataError::Stamp { line, column: time.name.clone(), text: shortened(&text), advice })?;
        let line_number = i64::try_from(line).unwrap_or(i64::MAX);
        if let (Some(before), Some(previous)) = (self.cells.stamps.last(), self.cells.lines.last()) {
            let previous = previous.unsigned_abs();
            if stamp == before {
                return Err(DataError::DuplicateStamp { line, previous, stamp: format_stamp(stamp) });
            }
            if stamp < before {
                let (stamp, earlier_stamp) = (format_stamp(stamp), format_stamp(before));
                return Err(DataError::OutOfOrder { line, previous, stamp, earlier_stamp });
            }
        }
        self.cells.stamps.push(stamp);
        self.cells.lines.push(line_number);
        Ok(())
    }
}

/// The number in a cell; NaN if it is missing.
fn parse_cell(settings: &DataSettings, field: &Field, cell: &[u8], line: u64) -> Result<f64, DataError> {
    let cell = cell.trim_ascii();
    if settings.missing.iter().any(|token| token.as_bytes() == cell) {
        return Ok(f64::NAN);
    }
    let number = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<f64>().ok());
    let (problem, advice) = match number {
        Some(value) if to_f32(value).is_finite() => return Ok(value),
        Some(value) if !value.is_nan() => ("infinite or beyond 3e38", "correct it, or leave the cell empty if the value is missing"),
        _ if cell.contains(&b',') => ("not a number", "use a decimal point instead of a comma"),
        _ => ("not a number", "correct it, add it to data.missing if it means a missing value, or do not use the column"),
    };
    let text = shortened(&String::from_utf8_lossy(cell));
    Err(DataError::Cell { line, column: field.name.clone(), text, problem, advice })
}

/// A text shortened for a message.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        short.push_str("...");
    }
    short
}
