//! Access to the stored columns and rows, for `check`: what they are, where their gaps are, and which fields of a file hold no numbers.

use std::io::Read;
use std::ops::Range;

use csv::ByteRecord;

use super::clock::Clock;
use super::dataset::Dataset;
use super::error::DataError;
use super::read::{check_width, header_names};
use super::records::{Records, records_of};
use super::schema::Schema;
use super::words::CellReader;
use crate::calendar::Zone;
use crate::config::{Config, DataSettings, KnownFuture};

/// A stored column that drives targets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Driver {
    /// Index of the stored column.
    pub(crate) column: usize,
    /// The target that it drives; `None` for all targets.
    pub(crate) target: Option<usize>,
    pub(crate) known_future: KnownFuture,
}

/// Missing timestamps between two segments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    /// The row before the gap, counted over all segments.
    pub(crate) after: usize,
    /// Number of missing timestamps.
    pub(crate) missing: usize,
}

/// A column of a file with cells that are not finite numbers.
#[derive(Debug)]
pub(crate) struct BadColumn {
    pub(crate) name: String,
    /// Number of such cells.
    pub(crate) cells: usize,
    /// The error of the first one.
    pub(crate) first: DataError,
}

impl Dataset {
    /// The name of a stored column, or its expression.
    pub(crate) fn column_label(&self, column: usize) -> &str {
        &self.labels[column]
    }

    /// What to add to the stored numbers of a column.
    pub(crate) fn column_offset(&self, column: usize) -> f64 {
        self.offsets[column]
    }

    /// The stored numbers of a column in these rows; NaN if unobserved.
    pub(crate) fn column_values(&self, column: usize, rows: Range<usize>) -> impl Iterator<Item = f32> {
        self.table.values(column, rows)
    }

    /// A stored number of a column; NaN if unobserved.
    pub(crate) fn column_value(&self, column: usize, row: usize) -> f32 {
        self.table.get(column, row)
    }

    /// Whether a stored column holds the numbers of categories.
    pub(crate) fn is_category(&self, column: usize) -> bool {
        self.layout.categories().any(|category| category.slot.column == column)
    }

    /// The stored column of a target.
    pub(crate) fn target_column(&self, target: usize) -> usize {
        self.target_slot(target).column
    }

    /// The columns that drive targets: covariates, then the channels of each target.
    pub(crate) fn drivers(&self) -> Vec<Driver> {
        let channels = self.shape.num_channels;
        let slots = self.layout.slots.iter().enumerate().filter_map(|(index, slot)| Some((index, slot.as_ref()?)));
        let of = |(index, slot): (usize, &super::layout::Slot)| {
            let target = (index / channels).checked_sub(self.shape.num_covariates);
            let is_target = target.is_some() && index % channels == 0;
            (!is_target).then_some(Driver { column: slot.column, target, known_future: slot.known_future })
        };
        slots.filter_map(of).collect()
    }

    /// The segment of a row that is counted over all segments.
    pub(crate) fn segment_of(&self, row: usize) -> usize {
        self.segments.partition_point(|segment| segment.first_row <= row).saturating_sub(1)
    }

    /// The timestamp of a row that is counted over all segments; see [`Dataset::format_stamp`].
    pub(crate) fn format_row(&self, row: usize) -> String {
        let segment = self.segment_of(row);
        self.format_stamp(u32::try_from(segment).unwrap_or(u32::MAX), row - self.segments[segment].first_row)
    }

    /// The zone of the timestamps; `None` if they have none.
    pub(crate) fn zone_name(&self) -> Option<&str> {
        self.scale.zone.as_ref().map(Zone::name)
    }

    /// The gaps between the segments.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = Gap> + '_ {
        self.segments.windows(2).filter_map(|pair| {
            let grid = self.grid.as_ref()?;
            let end = grid.advance(pair[0].start?, i64::try_from(pair[0].rows).ok()?);
            let missing = usize::try_from(grid.steps(end, pair[1].start?)?).ok()?;
            Some(Gap { after: pair[1].first_row - 1, missing })
        })
    }
}

/// The columns of the file of a config with cells that are not finite numbers; `path` is its `data.path`.
#[cfg(feature = "native")]
pub(crate) fn bad_columns_of(config: &Config, path: &std::path::Path) -> Result<Vec<BadColumn>, DataError> {
    bad_columns(&config.data, super::files::open(&config.data, path)?.as_mut())
}

/// The columns of a file with cells that are not finite numbers.
pub(crate) fn bad_columns_in(config: &Config, reader: impl Read) -> Result<Vec<BadColumn>, DataError> {
    bad_columns(&config.data, records_of(&config.data, reader)?.as_mut())
}

/// The errors about all names in a config that are no columns of its file; `path` is its `data.path`.
#[cfg(feature = "native")]
pub(crate) fn unknown_columns_of(config: &Config, path: &std::path::Path) -> Result<Vec<DataError>, DataError> {
    unknown_columns(&config.data, super::files::open(&config.data, path)?.as_mut())
}

/// The errors about all names in a config that are no columns of a file.
pub(crate) fn unknown_columns_in(config: &Config, reader: impl Read) -> Result<Vec<DataError>, DataError> {
    unknown_columns(&config.data, records_of(&config.data, reader)?.as_mut())
}

fn unknown_columns(settings: &DataSettings, records: &mut dyn Records) -> Result<Vec<DataError>, DataError> {
    let mut record = ByteRecord::new();
    records.next(&mut record)?;
    Ok(Schema::unknown(&header_names(&record)?, settings))
}

/// Reads all cells and goes on after those that are not numbers. A long table has no bad columns here: the reader's error names its cell.
fn bad_columns(settings: &DataSettings, records: &mut dyn Records) -> Result<Vec<BadColumn>, DataError> {
    let mut record = ByteRecord::new();
    if settings.series.is_some() || records.next(&mut record)?.is_none() {
        return Ok(vec![]);
    }
    let header = header_names(&record)?;
    let schema = Schema::new(&header, settings, None, None)?;
    let mut reader = CellReader::new(settings);
    let mut clock = (!schema.time.is_empty()).then(|| Clock::new(settings, &schema.time, None)).transpose()?;
    let mut found: Vec<Option<BadColumn>> = schema.fields.iter().map(|_| None).collect();
    while let Some(line) = records.next(&mut record)? {
        // Rows that are skipped may hold anything.
        if clock.as_mut().is_some_and(|clock| clock.text(&record, line, header.len()).is_none()) {
            continue;
        }
        if check_width(&record, line, header.len()).is_err() {
            break;
        }
        for (field, bad) in schema.fields.iter().zip(&mut found) {
            if let Err(first) = reader.read(field, &record[field.index], line) {
                bad.get_or_insert_with(|| BadColumn { name: field.name.clone(), cells: 0, first }).cells += 1;
            }
        }
    }
    Ok(found.into_iter().flatten().collect())
}
