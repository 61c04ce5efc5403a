//! Parquet: row group by row group, in batches. Columns that are not used are not read.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::batches::{Batches, Rows};
use super::error::{Format, FormatError};
use super::input::Source;
use super::pages::{Group, codec};

/// Cells that a batch has at most, unless a row has more. With 8 bytes each, a batch takes 4 MiB.
const CELLS: usize = 1 << 19;
/// Rows that a batch has at most.
const ROWS: usize = 8192;

/// A Parquet file.
pub(super) struct Parquet {
    source: Source,
    metadata: Arc<ParquetMetaData>,
    schema: SchemaRef,
    levels: FieldLevels,
    batch: usize,
    reader: Option<ParquetRecordBatchReader>,
    /// The next row group.
    group: usize,
    /// Rows that the row groups before promised and the reader has not delivered.
    owed: i64,
}

fn damaged(e: impl Into<ParquetError>) -> FormatError {
    match e.into() {
        ParquetError::General(problem) if problem.ends_with("not supported") => {
            FormatError::unsupported(Format::Parquet, problem, "write it again with the compression snappy or zstd")
        }
        e => FormatError::damaged(Format::Parquet, e),
    }
}

/// Opens a Parquet file.
pub(super) fn open(source: Source) -> Result<Rows<Parquet>, FormatError> {
    let metadata = Arc::new(metadata(&source)?);
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        codec(column.compression()).map_err(damaged)?;
    }
    let schema = ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new()).map_err(damaged)?.schema().clone();
    let levels = levels(&metadata, &schema, ProjectionMask::all())?;
    let file = Parquet { source, metadata, schema: schema.clone(), levels, batch: ROWS, reader: None, group: 0, owed: 0 };
    Ok(Rows::new(Format::Parquet, &schema, file))
}

fn levels(metadata: &ParquetMetaData, schema: &SchemaRef, mask: ProjectionMask) -> Result<FieldLevels, FormatError> {
    parquet_to_arrow_field_levels(metadata.file_metadata().schema_descr(), mask, Some(schema.fields())).map_err(damaged)
}

/// The footer: metadata, its length in 4 bytes, and `PAR1`.
fn metadata(source: &Source) -> Result<ParquetMetaData, FormatError> {
    let short = || FormatError::damaged(Format::Parquet, "its end is missing");
    let start = source.len().checked_sub(8).filter(|start| *start >= 4).ok_or_else(short)?;
    let tail = source.read(start, 8)?;
    if tail.ends_with(b"PARE") {
        return Err(FormatError::unsupported(Format::Parquet, "encrypted metadata", "write it again without encryption"));
    }
    if !tail.ends_with(b"PAR1") {
        return Err(short());
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let start = start.checked_sub(length).ok_or_else(short)?;
    ParquetMetaDataReader::decode_metadata(&source.read(start, length)?).map_err(damaged)
}

impl Batches for Parquet {
    fn next(&mut self) -> Result<Option<RecordBatch>, FormatError> {
        loop {
            if let Some(batch) = self.reader.as_mut().and_then(Iterator::next) {
                let batch = batch.map_err(|e| damaged(ParquetError::from(e)))?;
                self.owed -= i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
                return Ok(Some(batch));
            }
            // The reader ends without an error if all pages are missing.
            if self.owed != 0 {
                return Err(FormatError::damaged(Format::Parquet, "a row group has another number of rows than the file says"));
            }
            if self.group == self.metadata.num_row_groups() {
                return Ok(None);
            }
            let group = Group { source: &self.source, metadata: &self.metadata, index: self.group };
            self.owed = self.metadata.row_group(self.group).num_rows();
            self.group += 1;
            self.reader = None;
            self.reader = Some(ParquetRecordBatchReader::try_new_with_row_groups(&self.levels, &group, self.batch, None).map_err(damaged)?);
        }
    }

    fn only(&mut self, used: &[bool]) -> Result<(), FormatError> {
        let descriptor = self.metadata.file_metadata().schema_descr();
        let roots = used.iter().enumerate().filter(|(_, used)| **used).map(|(at, _)| at);
        let mask = ProjectionMask::roots(descriptor, roots);
        self.levels = levels(&self.metadata, &self.schema, mask)?;
        self.batch = (CELLS / used.iter().filter(|used| **used).count().max(1)).clamp(1, ROWS);
        Ok(())
    }
}
