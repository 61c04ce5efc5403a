//! Rows of text cells from batches of Arrow arrays, which is how Parquet and Arrow files are decoded.

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use csv::ByteRecord;

use super::cells::{Column, has_text, placeholder};
use super::{Format, FormatError, failed, guarded};
use crate::data::DataError;
use crate::data::records::Records;

/// A file that is decoded batch by batch.
pub(super) trait Batches {
    /// The next batch. It has the columns of the schema that `only` kept.
    fn next(&mut self) -> Result<Option<RecordBatch>, FormatError>;

    /// Keeps the columns that are marked. It is called before the first batch or not at all.
    fn only(&mut self, used: &[bool]) -> Result<(), FormatError>;
}

/// The rows of a file.
pub(super) struct Rows<B> {
    batches: B,
    format: Format,
    names: Vec<String>,
    /// What stands in the cells of columns that are not decoded.
    placeholders: Vec<String>,
    /// Columns of the schema that are decoded.
    used: Vec<bool>,
    columns: Vec<Column>,
    rows: usize,
    at: usize,
    line: u64,
    cell: Vec<u8>,
}

impl<B: Batches> Rows<B> {
    pub(super) fn new(format: Format, schema: &SchemaRef, batches: B) -> Self {
        let text = |field: &arrow_schema::FieldRef| has_text(field.data_type());
        let placeholders = schema.fields().iter().map(|f| if text(f) { String::new() } else { placeholder(f.data_type()) }).collect();
        let used = schema.fields().iter().map(text).collect();
        Self { batches, format, names: names(schema), placeholders, used, columns: vec![], rows: 0, at: 0, line: 0, cell: vec![] }
    }
}

impl<B: Batches> Records for Rows<B> {
    fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        record.clear();
        if self.line == 0 {
            self.names.iter().for_each(|name| record.push_field(name.as_bytes()));
            self.line = 1;
            return Ok(Some(1));
        }
        if self.line == 1 {
            self.batches.only(&self.used).map_err(|e| failed(1, e))?;
        }
        while self.at == self.rows {
            let batch = guarded(self.format, || self.batches.next()).map_err(|e| failed(self.line, e))?;
            let Some(batch) = batch else { return Ok(None) };
            self.columns = batch.columns().iter().cloned().map(Column::new).collect();
            (self.rows, self.at) = (batch.num_rows(), 0);
        }
        let mut columns = self.columns.iter();
        for (used, placeholder) in self.used.iter().zip(&self.placeholders) {
            self.cell.clear();
            match columns.as_slice().first().filter(|_| *used) {
                Some(column) => {
                    columns.next();
                    column.write(self.at, &mut self.cell);
                    record.push_field(&self.cell);
                }
                None => record.push_field(placeholder.as_bytes()),
            }
        }
        self.at += 1;
        self.line += 1;
        Ok(Some(self.line))
    }

    fn only(&mut self, used: &[bool]) {
        if self.line <= 1 {
            self.used.iter_mut().zip(used).for_each(|(mine, used)| *mine &= used);
        }
    }
}

/// The names of the columns. pandas stores an index without a name as `__index_level_0__`; its metadata tell the name.
fn names(schema: &Schema) -> Vec<String> {
    let mut names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let pandas = schema.metadata().get("pandas").and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let columns = pandas.as_ref().and_then(|p| p["columns"].as_array());
    for at in 0..names.len() {
        if !names[at].starts_with("__index_level_") {
            continue;
        }
        let entry = columns.and_then(|all| all.iter().find(|c| c["field_name"].as_str() == Some(&names[at])));
        let name = entry.and_then(|c| c["name"].as_str()).unwrap_or("index");
        if !names.iter().any(|other| other == name) {
            names[at] = name.to_owned();
        }
    }
    names
}
