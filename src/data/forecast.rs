//! The window of a forecast, at the end of the observations.

use super::dataset::Dataset;
use super::error::DataError;
use super::windows::{Part, WindowId};
use crate::config::KnownFuture;

/// The window of a forecast and its timestamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForecastWindow {
    /// The window. [`Dataset::fill`] accepts it even if its horizon extends beyond the file.
    pub id: WindowId,
    /// Timestamp of the origin, which is the last row with an observed target.
    pub origin: String,
    /// Timestamps of the H forecast rows.
    pub horizon: Vec<String>,
}

impl Dataset {
    /// The window whose history ends at the last row with an observed target. Later rows of the file provide the values of known-future
    /// columns. Without such columns, the file may end at the origin.
    ///
    /// # Errors
    /// If no target is observed, the history is too short, or a known-future value is missing. The error names its column and time.
    pub fn forecast_window(&self) -> Result<ForecastWindow, DataError> {
        let (segment, origin) = self.origin_row().ok_or_else(|| DataError::Forecast {
            problem: "no target has a value in any row of the file".into(),
            advice: "the forecast starts after the last row with a value; add past rows with values of the targets".into(),
        })?;
        let history = self.shape.history;
        let Some(row) = (origin + 1).checked_sub(history) else {
            return Err(DataError::Forecast {
                problem: format!(
                    "the last observed target is at {}; there are {} rows up to it since the start of the file or the last gap, but \
                     the history needs {history}",
                    self.format_stamp(segment, origin),
                    origin + 1
                ),
                advice: "add earlier rows, or fill the gap (see data.max_gap)".into(),
            });
        };
        let id = WindowId { segment, row: u32::try_from(row).unwrap_or(u32::MAX) };
        self.check_future(id)?;
        let horizon = (0..self.shape.horizon).map(|step| self.format_stamp(segment, row + history + step)).collect();
        Ok(ForecastWindow { id, origin: self.format_stamp(segment, origin), horizon })
    }

    /// Notes about targets whose last values are missing in the history of a forecast, one sentence each.
    #[must_use]
    pub fn silent_targets(&self, window: &ForecastWindow) -> Vec<String> {
        let mut notes = vec![];
        let hidden = self.layout.slots.iter().flatten().any(|slot| slot.hidden);
        let end = window.id.row as usize + self.shape.history;
        for (target, name) in self.layout.targets.iter().enumerate().filter(|_| !hidden) {
            let observed = |row: &usize| self.target_value(window.id.segment, *row, target).is_some();
            let last = (0..end).rev().find(observed);
            match last {
                Some(row) if row + 1 == end => {}
                Some(row) if row >= window.id.row as usize => {
                    let behind = end - 1 - row;
                    let rows = if behind == 1 { "1 row".to_owned() } else { format!("{behind} rows") };
                    notes
                        .push(format!("series \"{name}\" ends {rows} before the others, at {}", self.format_stamp(window.id.segment, row)));
                }
                _ => {
                    let last = self.last_observed(target).map_or_else(
                        || "it has none in the file".to_owned(),
                        |(segment, row)| format!("the last one is at {}", self.format_stamp(segment, row)),
                    );
                    notes.push(format!(
                        "series \"{name}\" has no value in the {} rows of history ({last}); its forecast rests on the other series",
                        self.shape.history
                    ));
                }
            }
        }
        notes
    }

    /// Segment and row of the last observed value of a target.
    fn last_observed(&self, target: usize) -> Option<(u32, usize)> {
        let column = self.target_slot(target).column;
        let last = (0..self.rows()).rev().find(|&row| !self.table.get(column, row).is_nan())?;
        let segment = self.segments.partition_point(|s| s.first_row <= last) - 1;
        Some((u32::try_from(segment).ok()?, last - self.segments[segment].first_row))
    }

    /// Segment and row of the last row with an observed target.
    fn origin_row(&self) -> Option<(u32, usize)> {
        let any = |row: usize| (0..self.shape.num_targets).any(|target| !self.table.get(self.target_slot(target).column, row).is_nan());
        let last = (0..self.rows()).rev().find(|&row| any(row))?;
        let segment = self.segments.partition_point(|s| s.first_row <= last) - 1;
        Some((u32::try_from(segment).ok()?, last - self.segments[segment].first_row))
    }

    /// Finds the first missing known-future value in the horizon.
    fn check_future(&self, id: WindowId) -> Result<(), DataError> {
        let first = id.row as usize + self.shape.history;
        for row in first..first + self.shape.horizon {
            // An empty cell is no category, but the row must be there.
            let is_there = row < self.segments[id.segment as usize].rows;
            let numbers = self.layout.slots.iter().flatten().map(|slot| (slot, false));
            let slots = numbers.chain(self.layout.categories().map(|category| (&category.slot, is_there)));
            for (slot, is_there) in slots.filter(|(slot, _)| slot.known_future == KnownFuture::Yes) {
                if !is_there && self.value(*slot, id.segment, row).is_none() {
                    return Err(DataError::MissingFuture {
                        column: self.labels[slot.column].clone(),
                        time: self.format_stamp(id.segment, row),
                        last: self.format_stamp(id.segment, first + self.shape.horizon - 1),
                    });
                }
            }
        }
        Ok(())
    }

    /// Observed values of a target in the training rows in original units: the climatology.
    ///
    /// # Errors
    /// If the split does not fit the file.
    pub fn training_values(&self, target: usize) -> Result<impl Iterator<Item = f64> + '_, DataError> {
        let rows = self.part_rows(Part::Train)?;
        // `take` gives the iterator an upper size bound, so that callers can reserve memory.
        let column = self.target_slot(target).column;
        let offset = self.offsets[column];
        let stored = self.table.values(column, rows.clone()).take(rows.len());
        Ok(stored.filter(|v| !v.is_nan()).map(move |v| offset + f64::from(v)))
    }
}
