//! The data in memory.

use crate::order;
use std::io::Read;

use super::clock::TimeScale;
use super::error::DataError;
use super::facts::Known;
use super::grid::{Segment, regularise};
use super::layout::{CategorySlot, Column, Layout, Slot};
use super::read::read;
use super::records::Records;
use super::schema::Schema;
use super::source::{SideInputs, WindowShape};
use super::statics::{StaticCells, Statics};
use super::table::Table;
use super::windows::{Pace, WindowId};
use super::words::Words;
use crate::calendar::{CalendarFeature, Frequency, Grid, Stamp};
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
    /// Columns that "*" in data.targets leaves out, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// Findings and how they were treated, one sentence each.
    pub notes: Vec<String>,
}

/// The used columns of a file, divided into segments. Windows are computed on demand.
#[derive(Debug)]
pub struct Dataset {
    pub(super) layout: Layout,
    pub(super) labels: Vec<String>,
    /// The stored columns, without their offsets; NaN if unobserved.
    pub(super) table: Table,
    /// What to add to the stored numbers of each column: 0, except where f32 cannot tell the values of a column apart at their level.
    pub(super) offsets: Vec<f64>,
    /// Whether the columns are made from a long table.
    pub(super) long: bool,
    pub(super) segments: Vec<Segment>,
    pub(super) grid: Option<Grid>,
    pub(super) scale: TimeScale,
    pub(super) calendar: Vec<CalendarFeature>,
    pub(super) shape: WindowShape,
    /// The categories of each driver that has them.
    pub(super) words: Vec<Words>,
    /// The static inputs of the series.
    pub(super) statics: Option<Statics>,
    pub(super) split: SplitRule,
    pub(super) training_pace: Pace,
    pub(super) evaluation_pace: Pace,
    season: usize,
    pub(super) report: DataReport,
}

impl Dataset {
    /// Reads data, as described by `config`: CSV (plain or gzip-compressed) and, with the feature `formats`, also Parquet, Arrow, NPZ, NPY
    /// and zstd. It ignores `config.data.path`.
    ///
    /// # Errors
    /// If the file is not valid; the error gives line, column and advice.
    pub fn read(config: &Config, reader: impl Read) -> Result<Self, DataError> {
        Self::read_for(config, reader, None)
    }

    /// As [`Dataset::read`]. For a stored run, `known` is what it knows of its data: the file must fit to it.
    ///
    /// # Errors
    /// As [`Dataset::read`], and if the file does not fit to the run.
    pub fn read_for(config: &Config, reader: impl Read, known: Option<&Known<'_>>) -> Result<Self, DataError> {
        if let Some(other) = config.data.join.first() {
            let problem = format!("{other} cannot be joined, because only one file is given");
            return Err(DataError::schema("data.join", problem, "use the command line, or join the files before"));
        }
        let mut records = super::records::records_of(&config.data, reader)?;
        if let Some(path) = config.data.statics.as_ref().filter(|_| known.is_none()).and_then(|statics| statics.path.as_ref()) {
            let problem = format!("{path} cannot be read, because only one file is given");
            return Err(DataError::schema(
                "data.static.path",
                problem,
                "use the command line, or a long table with the static columns in it",
            ));
        }
        Self::of(config, records.as_mut(), None, known)
    }

    /// Makes a dataset of rows of text. `statics` is the table of `data.static`, if it is a file of its own.
    #[cfg_attr(feature = "native", tracing::instrument(level = "info", name = "read", skip_all, fields(rows, columns, bytes)))]
    pub(super) fn of(
        config: &Config,
        records: &mut dyn Records,
        statics: Option<StaticCells>,
        known: Option<&Known<'_>>,
    ) -> Result<Self, DataError> {
        let split = config.split.rule()?;
        let origin = config.evaluation.origin_micros()?;
        let facts = known.and_then(Known::time);
        let (schema, mut cells) = read(&config.data, records, known)?;
        let (offsets, scale) = (std::mem::take(&mut cells.offsets), std::mem::take(&mut cells.scale));
        let (found, statics) = (std::mem::take(&mut cells.found), cells.statics.take().or(statics));
        let mut notes = std::mem::take(&mut cells.notes);
        let (table, regular) = regularise(&config.data, cells, facts)?;
        notes.extend(regular.notes);
        let span = tracing::Span::current();
        span.record("rows", table.rows());
        let Schema { columns, layout, .. } = schema;
        span.record("columns", columns.len());
        span.record("bytes", 4 * table.rows() * columns.len());
        let labels: Vec<String> = columns.into_iter().map(|Column { label, .. }| label).collect();
        let frequency = regular.grid.as_ref().map(|grid| grid.frequency);
        let calendar = match (&config.data.calendar, frequency) {
            (Some(listed), Some(_)) => listed.clone(),
            (None, Some(frequency)) => facts.map_or_else(|| CalendarFeature::defaults(frequency), |facts| facts.calendar.clone()),
            (_, None) => vec![],
        };
        let season = config.evaluation.season.or(regular.grid.as_ref().map(Grid::season)).unwrap_or(1);
        let report =
            DataReport { rows: table.rows(), segments: regular.segments.len(), frequency, missing_cells: 0, left_out: vec![], notes };
        let shape = WindowShape {
            history: config.window.history,
            horizon: config.window.horizon,
            num_covariates: layout.covariates.len(),
            num_targets: layout.targets.len(),
            num_channels: 1 + layout.channels.len(),
            num_calendar: 2 * calendar.len(),
            num_common: layout.common.len(),
            num_own: layout.num_own(),
        };
        let mut dataset = Self {
            layout,
            labels,
            table,
            segments: regular.segments,
            grid: regular.grid,
            scale,
            offsets,
            long: config.data.series.is_some(),
            calendar,
            shape,
            words: vec![],
            statics: known.and_then(|known| known.facts?.statics.clone()),
            split,
            training_pace: Pace { stride: config.training.train_stride, origin: None },
            evaluation_pace: Pace { stride: config.evaluation.stride, origin },
            season,
            report,
        };
        if known.is_none() {
            dataset.leave_out_unlearnable(&config.data);
            dataset.settle_statics(&config.data, statics.as_ref())?;
        }
        dataset.settle_words(&found, known.map(|known| known.facts.map_or(&[][..], |facts| &facts.categories)))?;
        count_missing(&mut dataset.report, &dataset.labels, &dataset.table);
        Ok(dataset)
    }

    /// Reads the files that a config names; `path` is its `data.path`. See [`Dataset::read`].
    ///
    /// # Errors
    /// As [`Dataset::read`], and when a file cannot be opened.
    #[cfg(feature = "native")]
    pub fn open(config: &Config, path: &std::path::Path) -> Result<Self, DataError> {
        Self::open_for(config, path, None)
    }

    /// As [`Dataset::open`], for a stored run; see [`Dataset::read_for`].
    ///
    /// # Errors
    /// As [`Dataset::open`], and if the file does not fit to the run.
    #[cfg(feature = "native")]
    pub fn open_for(config: &Config, path: &std::path::Path, known: Option<&Known<'_>>) -> Result<Self, DataError> {
        let mut records = match known {
            Some(known) => super::files::open_for(&config.data, path, known.series())?,
            None => super::files::open(&config.data, path)?,
        };
        let statics = if known.is_none() { super::files::open_statics(&config.data)? } else { None };
        Self::of(config, records.as_mut(), statics, known)
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

    /// Sizes of the category inputs, and the static inputs.
    #[must_use]
    pub fn side_inputs(&self) -> SideInputs {
        let size = |category: &CategorySlot| self.words[category.words].texts.len();
        SideInputs {
            common: self.layout.common.iter().map(size).collect(),
            own: self.layout.own.iter().take(self.shape.num_own).map(size).collect(),
            statics: self.statics.as_ref().map_or_else(Vec::new, |statics| statics.values.clone()),
        }
    }

    /// The static inputs of the series.
    #[must_use]
    pub fn statics(&self) -> Option<&Statics> {
        self.statics.as_ref()
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
        self.grid.as_ref().map(|grid| grid.frequency)
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
        Some(self.grid.as_ref()?.advance(start, steps))
    }

    /// The timestamp of a row as text, or `row 17` without a time column. If the time step is a number of whole days, it is only the date. If
    /// the zone is known, it has an offset.
    #[must_use]
    pub fn format_stamp(&self, segment: u32, row: usize) -> String {
        match self.stamp(segment, row) {
            None => format!("row {}", self.segments[segment as usize].first_row + row),
            Some(stamp) => self.scale.format(stamp, self.frequency().is_some_and(Frequency::is_whole_days)),
        }
    }

    /// Value of a target in original units; `None` if it is unobserved or beyond the end of the segment.
    #[must_use]
    pub fn target_value(&self, segment: u32, row: usize, target: usize) -> Option<f64> {
        self.value(self.target_slot(target), segment, row)
    }

    /// The last observed value of a target in the history or before it, in original units.
    #[must_use]
    pub fn last_value(&self, id: WindowId, target: usize) -> Option<f64> {
        self.back_from(id, (id.row as usize + self.shape.history).checked_sub(1)?, 1, target)
    }

    /// The seasonal naive forecast in original units: the last observed value of a target that is a whole number of seasons before horizon
    /// step `step` (from 0) and not later than the origin.
    #[must_use]
    pub fn seasonal_value(&self, id: WindowId, step: usize, target: usize, season: usize) -> Option<f64> {
        let season = season.max(1);
        let row = id.row as usize + self.shape.history + step;
        self.back_from(id, row.checked_sub((step + 1).div_ceil(season) * season)?, season, target)
    }

    /// The first observed value at `row`, `row - stride`, and so on.
    fn back_from(&self, id: WindowId, row: usize, stride: usize, target: usize) -> Option<f64> {
        let slot = self.target_slot(target);
        (0..=row).rev().step_by(stride).find_map(|row| self.value(slot, id.segment, row))
    }

    pub(super) fn target_slot(&self, target: usize) -> Slot {
        let index = (self.layout.covariates.len() + target) * self.shape.num_channels;
        self.layout.slots[index].expect("every target has its channel 0")
    }

    /// The same stored numbers as differences from `offset`.
    #[cfg(test)]
    pub(crate) fn with_offset(mut self, offset: f64) -> Self {
        self.offsets.fill(offset);
        self
    }

    /// A value in original units.
    pub(super) fn value(&self, slot: Slot, segment: u32, row: usize) -> Option<f64> {
        let segment = self.segments[segment as usize];
        if row >= segment.rows {
            return None;
        }
        let value = self.table.get(slot.column, segment.first_row + row);
        (!value.is_nan()).then(|| self.offsets[slot.column] + f64::from(value))
    }
}

fn count_missing(report: &mut DataReport, labels: &[String], table: &Table) {
    let counts = (0..table.width()).map(|column| table.values(column, 0..table.rows()).filter(|v| v.is_nan()).count());
    let mut missing: Vec<(usize, &String)> = counts.zip(labels).filter(|&(count, _)| count > 0).collect();
    report.missing_cells = missing.iter().map(|&(count, _)| count).sum();
    order::sort_by_key(&mut missing, |&(count, _)| std::cmp::Reverse(count));
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
