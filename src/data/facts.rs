//! What a run remembers of its data, and the checks of a later file against it.

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::error::DataError;
use super::scaler::Scaler;
use super::schema::KnownSeries;
use super::statics::Statics;
use super::windows::{Part, WindowId};
use crate::calendar::{CalendarFeature, Frequency, Stamp, format_stamp, parse_stamp};

/// What a run remembers of its data. A later file is read by it and checked against it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFacts {
    /// The time column; `None` if rows are steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeFacts>,
    /// The drivers with categories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryFacts>,
    /// The static inputs.
    #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
    pub statics: Option<Statics>,
    /// The end of the training rows.
    pub trained: Reach,
    /// The end of the validation rows; the end of the training rows without a validation part.
    pub validated: Reach,
}

/// The categories of a driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryFacts {
    /// Name of the driver.
    pub name: String,
    /// The categories. The first one has code 1.
    pub texts: Vec<String>,
}

/// The time column of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeFacts {
    /// Time step between rows.
    pub frequency: Frequency,
    /// Day of the month of a monthly grid; 0 for other grids.
    pub month_day: i64,
    /// Name of the zone of the timestamps, if they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether rows are counted in local time instead of instants.
    pub local: bool,
    /// Whether the timestamps of the file have an offset.
    pub marked: bool,
    /// The calendar features, which are inputs of the model.
    pub calendar: Vec<CalendarFeature>,
}

/// A position in the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Rows up to here, counted from the start of the data.
    pub rows: usize,
    /// Timestamp of the last of these rows (UTC if the timestamps have a zone); `None` without a time column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

impl Reach {
    fn stamp(&self) -> Option<Stamp> {
        self.last.as_deref().and_then(|text| parse_stamp(text).ok())
    }
}

/// What is known of the data before they are read: a run is given.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The scaler of the run: names of its series, offsets of its columns.
    pub scaler: &'a Scaler,
    /// What the run remembers. Runs of earlier versions remember nothing.
    pub facts: Option<&'a DataFacts>,
}

impl<'a> Known<'a> {
    /// The series of the run.
    pub(super) fn series(&self) -> KnownSeries<'a> {
        KnownSeries { covariates: self.scaler.covariate_names(), targets: self.scaler.target_names() }
    }

    /// What the run remembers of its time column.
    pub(super) fn time(&self) -> Option<&'a TimeFacts> {
        self.facts.and_then(|facts| facts.time.as_ref())
    }
}

/// How many windows of an evaluation have horizon rows on which the run was trained or its weights were chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenWindows {
    /// Windows with horizon rows that trained the model.
    pub trained: usize,
    /// Other windows with horizon rows on which the weights were chosen.
    pub chosen: usize,
}

impl Dataset {
    /// What a run that is trained on these data remembers.
    ///
    /// # Errors
    /// If the split does not fit the data.
    pub fn facts(&self) -> Result<DataFacts, DataError> {
        let reach = |end: usize| Reach { rows: end, last: self.stamp_of_row(end.saturating_sub(1)).map(format_stamp) };
        let (trained, validated) = (self.part_rows(Part::Train)?.end, self.part_rows(Part::Validation)?.end);
        let time = self.grid.as_ref().map(|grid| TimeFacts {
            frequency: grid.frequency,
            month_day: grid.month_day,
            zone: self.scale.zone.as_ref().map(|zone| zone.name().to_owned()),
            local: self.scale.local,
            marked: self.scale.marked,
            calendar: self.calendar.clone(),
        });
        let (categories, statics) = (self.category_facts(), self.statics.clone());
        Ok(DataFacts { time, categories, statics, trained: reach(trained), validated: reach(validated) })
    }

    /// Timestamp of a row, counted over all segments.
    fn stamp_of_row(&self, row: usize) -> Option<Stamp> {
        let segment = self.segments.partition_point(|s| s.first_row <= row).checked_sub(1)?;
        self.stamp(u32::try_from(segment).ok()?, row - self.segments[segment].first_row)
    }

    /// Counts the windows whose horizon begins in rows that the run has seen.
    pub fn seen_windows(&self, facts: &DataFacts, windows: impl Iterator<Item = WindowId>) -> SeenWindows {
        let mut seen = SeenWindows::default();
        let (trained, validated) = (facts.trained.stamp(), facts.validated.stamp());
        for id in windows {
            let first = id.row as usize + self.shape.history;
            let is_within = |reach: &super::Reach, last: Option<Stamp>| match self.stamp(id.segment, first) {
                Some(stamp) => last.is_some_and(|last| stamp <= last),
                None => self.segments[id.segment as usize].first_row + first < reach.rows,
            };
            if is_within(&facts.trained, trained) {
                seen.trained += 1;
            } else if is_within(&facts.validated, validated) {
                seen.chosen += 1;
            }
        }
        seen
    }
}
