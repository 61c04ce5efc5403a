//! The data in memory.

use std::io::Read;

use super::error::DataError;
use super::grid::{Segment, regularise};
use super::read::read;
use super::schema::{Column, Layout, Schema, Slot};
use super::source::WindowShape;
use super::table::Table;
use super::windows::{Pace, WindowId};
use crate::calendar::{CalendarFeature, DAY, Frequency, Grid, Stamp, format_date, format_stamp};
use crate::config::{Config, SplitRule};
use crate::numbers::to_f32;

/// Maximum number of columns with missing cells that the notes list one by one.
const COLUMNS_NAMED: usize = 5;

/// The results of reading a file, for the user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataReport {
    /// Number of rows, including filled rows.
    pub rows: usize,
    /// Number of segments.
    pub segments: usize,
    /// Time step between rows; `None` without a time column.
    pub frequency: Option<Frequency>,
    /// Number of unobserved cells in the used columns.
    pub missing_cells: usize,
    /// Findings and how they were treated, one sentence each.
    pub notes: Vec<String>,
}

/// The used columns of a file, divided into segments. Windows are computed on demand.
#[derive(Debug)]
pub struct Dataset {
    pub(super) layout: Layout,
    pub(super) labels: Vec<String>,
    /// The stored columns; NaN if unobserved.
    pub(super) table: Table,
    pub(super) segments: Vec<Segment>,
    pub(super) grid: Option<Grid>,
    pub(super) calendar: Vec<CalendarFeature>,
    pub(super) shape: WindowShape,
    pub(super) split: SplitRule,
    pub(super) training_pace: Pace,
    pub(super) evaluation_pace: Pace,
    season: usize,
    report: DataReport,
}

impl Dataset {
    /// Reads CSV data, plain or gzip-compressed, as described by `config`. It ignores `config.data.path`.
    ///
    /// # Errors
    /// If the file is not valid; the error gives line, column and advice.
    #[cfg_attr(feature = "native", tracing::instrument(level = "info", name = "read", skip_all, fields(rows, columns, bytes)))]
    pub fn read(config: &Config, reader: impl Read) -> Result<Self, DataError> {
        let split = config.split.rule()?;
        let origin = config.evaluation.origin_seconds()?;
        let (schema, cells) = read(&config.data, reader)?;
        let (table, regular) = regularise(&config.data, cells)?;
        let span = tracing::Span::current();
        span.record("rows", table.rows());
        let Schema { columns, layout, .. } = schema;
        span.record("columns", columns.len());
        span.record("bytes", 4 * table.rows() * columns.len());
        let labels: Vec<String> = columns.into_iter().map(|Column { label, .. }| label).collect();
        let frequency = regular.grid.map(|grid| grid.frequency);
        let calendar = match (&config.data.calendar, frequency) {
            (Some(listed), Some(_)) => listed.clone(),
            (None, Some(frequency)) => CalendarFeature::defaults(frequency),
            (_, None) => vec![],
        };
        let mut report =
            DataReport { rows: table.rows(), segments: regular.segments.len(), frequency, missing_cells: 0, notes: regular.notes };
        count_missing(&mut report, &labels, &table);
        let shape = WindowShape {
            history: config.window.history,
            horizon: config.window.horizon,
            num_covariates: layout.covariates.len(),
            num_targets: layout.targets.len(),
            num_channels: 1 + layout.channels.len(),
            num_calendar: 2 * calendar.len(),
        };
        Ok(Self {
            layout,
            labels,
            table,
            segments: regular.segments,
            grid: regular.grid,
            calendar,
            shape,
            split,
            training_pace: Pace { stride: config.training.train_stride, origin: None },
            evaluation_pace: Pace { stride: config.evaluation.stride, origin },
            season: config.evaluation.season.or(frequency.map(Frequency::season)).unwrap_or(1),
            report,
        })
    }

    /// Reads a file, see [`Dataset::read`].
    ///
    /// # Errors
    /// As [`Dataset::read`], and when the file cannot be opened.
    #[cfg(feature = "native")]
    pub fn open(config: &Config, path: &std::path::Path) -> Result<Self, DataError> {
        let file = std::fs::File::open(path).map_err(|source| DataError::Open { path: path.to_path_buf(), source })?;
        Self::read(config, file)
    }

    /// The results of reading the file.
    #[must_use]
    pub fn report(&self) -> &DataReport {
        &self.report
    }

    /// Sizes of a window.
    #[must_use]
    pub fn shape(&self) -> &WindowShape {
        &self.shape
    }

    /// Names of the covariates, in node order.
    #[must_use]
    pub fn covariate_names(&self) -> &[String] {
        &self.layout.covariates
    }

    /// Names of the targets, in node order.
    #[must_use]
    pub fn target_names(&self) -> &[String] {
        &self.layout.targets
    }

    /// Names of the channels from 1 on; channel 0 is the series itself.
    #[must_use]
    pub fn channel_names(&self) -> &[String] {
        &self.layout.channels
    }

    /// Names of all series in node order: covariates, then targets.
    pub fn series_names(&self) -> impl Iterator<Item = &str> {
        self.layout.covariates.iter().chain(&self.layout.targets).map(String::as_str)
    }

    /// The text that `{i}` matched, for each target.
    #[must_use]
    pub fn bindings(&self) -> &[Option<String>] {
        &self.layout.bindings
    }

    /// The calendar features. Each one is two of the C inputs.
    #[must_use]
    pub fn calendar(&self) -> &[CalendarFeature] {
        &self.calendar
    }

    /// The segments, which have no gaps.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Number of rows in all segments.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.table.rows()
    }

    /// Number of stored columns: those that the configuration uses, and one per expression.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.table.width()
    }

    /// Time step between rows; `None` without a time column.
    #[must_use]
    pub fn frequency(&self) -> Option<Frequency> {
        self.grid.map(|grid| grid.frequency)
    }

    /// Rows per season, from the configuration or the frequency; 1 without both.
    #[must_use]
    pub fn season(&self) -> usize {
        self.season
    }

    /// Timestamp of a row of a segment, which may be beyond the end of the segment; `None` without a time column.
    #[must_use]
    pub fn stamp(&self, segment: u32, row: usize) -> Option<Stamp> {
        let start = self.segments[segment as usize].start?;
        let steps = i64::try_from(row).ok()?;
        Some(self.grid?.advance(start, steps))
    }

    /// The timestamp of a row as text, or `row 17` without a time column. If the time step is a number of whole days, it is only the date.
    #[must_use]
    pub fn format_stamp(&self, segment: u32, row: usize) -> String {
        match self.stamp(segment, row) {
            None => format!("row {}", self.segments[segment as usize].first_row + row),
            Some(stamp) => {
                let whole_days = match self.frequency() {
                    Some(Frequency::Seconds(s)) => s % DAY == 0,
                    _ => true,
                };
                if whole_days && stamp.rem_euclid(DAY) == 0 { format_date(stamp) } else { format_stamp(stamp) }
            }
        }
    }

    /// Value of a target in original units; `None` if it is unobserved or beyond the end of the segment.
    #[must_use]
    pub fn target_value(&self, segment: u32, row: usize, target: usize) -> Option<f32> {
        self.value(self.target_slot(target), segment, row)
    }

    /// The last observed value of a target in the history or before it, in original units.
    #[must_use]
    pub fn last_value(&self, id: WindowId, target: usize) -> Option<f32> {
        self.back_from(id, (id.row as usize + self.shape.history).checked_sub(1)?, 1, target)
    }

    /// The seasonal naive forecast in original units: the last observed value of a target that is a whole number of seasons before horizon
    /// step `step` (from 0) and not later than the origin.
    #[must_use]
    pub fn seasonal_value(&self, id: WindowId, step: usize, target: usize, season: usize) -> Option<f32> {
        let season = season.max(1);
        let row = id.row as usize + self.shape.history + step;
        self.back_from(id, row.checked_sub((step + 1).div_ceil(season) * season)?, season, target)
    }

    /// The first observed value at `row`, `row - stride`, and so on.
    fn back_from(&self, id: WindowId, row: usize, stride: usize, target: usize) -> Option<f32> {
        let slot = self.target_slot(target);
        (0..=row).rev().step_by(stride).find_map(|row| self.value(slot, id.segment, row))
    }

    pub(super) fn target_slot(&self, target: usize) -> Slot {
        let index = (self.layout.covariates.len() + target) * self.shape.num_channels;
        self.layout.slots[index].expect("every target has its channel 0")
    }

    /// A stored value in original units.
    pub(super) fn value(&self, slot: Slot, segment: u32, row: usize) -> Option<f32> {
        let segment = self.segments[segment as usize];
        if row >= segment.rows {
            return None;
        }
        let value = self.table.get(slot.column, segment.first_row + row);
        (!value.is_nan()).then_some(value)
    }
}

fn count_missing(report: &mut DataReport, labels: &[String], table: &Table) {
    let counts = (0..table.width()).map(|column| table.values(column, 0..table.rows()).filter(|v| v.is_nan()).count());
    let mut missing: Vec<(usize, &String)> = counts.zip(labels).filter(|&(count, _)| count > 0).collect();
    report.missing_cells = missing.iter().map(|&(count, _)| count).sum();
    missing.sort_by_key(|&(count, _)| std::cmp::Reverse(count));
    for (count, label) in missing.iter().take(COLUMNS_NAMED) {
        let percent = 100.0 * to_ratio(*count, report.rows);
        report.notes.push(format!("column \"{label}\": {count} of {} cells missing ({percent:.1} %); masked as unobserved", report.rows));
    }
    if missing.len() > COLUMNS_NAMED {
        report.notes.push(format!("{} more columns have missing cells; masked as unobserved", missing.len() - COLUMNS_NAMED));
    }
}

fn to_ratio(part: usize, whole: usize) -> f32 {
    to_f32(part as f64 / whole.max(1) as f64)
}
