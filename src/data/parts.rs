//! Parts of the data and their windows.

use std::ops::Range;

use super::dataset::Dataset;
use super::error::DataError;
use super::grid::Segment;
use super::windows::{Pace, Part, WindowCounts, WindowIndex, WindowRun};
use crate::calendar::{DAY, Frequency, Grid, Stamp, format_time_of_day};
use crate::config::SplitRule;

impl Dataset {
    /// The rows of a part, counted over all segments.
    ///
    /// # Errors
    /// If the split needs more rows than the file has.
    pub fn part_rows(&self, part: Part) -> Result<Range<usize>, DataError> {
        if matches!(part, Part::From(_)) && self.grid.is_none() {
            return Err(DataError::Split {
                problem: "rows cannot be selected by a timestamp, because the data have no time column".into(),
                advice: "set data.time, or score a part".into(),
            });
        }
        let [train, validation, test] = match self.split {
            SplitRule::Fractions { train, validation, test } => fractions(self.rows(), train, validation, test),
            SplitRule::Dates { validation_start, test_start, test_end } => {
                let before = |moment| self.rows_before(self.scale.stamp_of(moment));
                let test = before(test_start);
                [validation_start.map_or(test, before), test, test_end.map_or(self.rows(), before)]
            }
            SplitRule::Rows { train, validation, test } => {
                let asked = train.saturating_add(validation).saturating_add(test);
                if asked > self.rows() {
                    return Err(DataError::Split {
                        problem: format!("it needs {train} + {validation} + {test} = {asked} rows, but the file has {}", self.rows()),
                        advice: "use fewer rows, or split by fractions".into(),
                    });
                }
                [train, train + validation, asked]
            }
        };
        Ok(match part {
            Part::Train => 0..train,
            Part::Validation => train..validation,
            Part::Test => validation..test,
            Part::All => 0..self.rows(),
            Part::From(moment) => self.rows_before(self.scale.stamp_of(moment))..self.rows(),
        })
    }

    /// Number of rows with an earlier timestamp.
    fn rows_before(&self, stamp: Stamp) -> usize {
        let before = |k: u32, segment: &Segment| {
            let (mut low, mut high) = (0, segment.rows);
            while low < high {
                let middle = (low + high) / 2;
                if self.stamp(k, middle).is_some_and(|s| s < stamp) { low = middle + 1 } else { high = middle }
            }
            low
        };
        (0..).zip(&self.segments).map(|(k, segment)| before(k, segment)).sum()
    }

    /// The training windows, which contain only training rows, with a stride of `training.train_stride` rows.
    ///
    /// # Errors
    /// As [`Dataset::windows`].
    pub fn training_windows(&self) -> Result<WindowIndex, DataError> {
        self.windows(Part::Train, self.training_pace)
    }

    /// The windows of a part that `[evaluation]` selects.
    ///
    /// # Errors
    /// As [`Dataset::windows`].
    pub fn evaluation_windows(&self, part: Part) -> Result<WindowIndex, DataError> {
        self.windows(part, self.evaluation_pace)
    }

    /// The number of windows in each part. If there are no test windows, also the reason; training does not need test windows.
    ///
    /// # Errors
    /// If the split does not fit the file, or there are no training windows.
    pub fn count_windows(&self) -> Result<(WindowCounts, Option<DataError>), DataError> {
        let (test, refused) = match self.evaluation_windows(Part::Test) {
            Ok(index) => (index.len(), None),
            Err(e) => (0, Some(e)),
        };
        let (training, validation) = (self.training_windows()?.len(), self.evaluation_windows(Part::Validation)?.len());
        Ok((WindowCounts { training, validation, test }, refused))
    }

    /// The windows of a part. All rows of a training window, and the horizon rows of another window, belong to the part. No window spans a
    /// gap. The result is empty for a validation or test part that the split does not define.
    ///
    /// # Errors
    /// If the part contains no window, or no row is at the origin.
    pub fn windows(&self, part: Part, pace: Pace) -> Result<WindowIndex, DataError> {
        let rows = self.part_rows(part)?;
        if rows.is_empty() && self.does_without(part) {
            return Ok(WindowIndex::default());
        }
        let period = pace.origin.map_or(Ok(1), |origin| self.origin_period(origin))?;
        let mut runs = vec![];
        let mut possible = 0;
        for (k, segment) in (0..).zip(&self.segments) {
            let Some(mut range) = self.starts_in(part, &rows, segment) else {
                continue;
            };
            possible += range.len();
            if let (Some(origin), true) = (pace.origin, self.has_uneven_days()) {
                let rows = range.filter(|&row| self.ends_at(k, row, origin)).step_by(pace.stride.max(1));
                push_runs(&mut runs, k, rows);
                continue;
            }
            if let Some(origin) = pace.origin {
                let Some(first) = range.clone().take(period).find(|&row| self.ends_at(k, row, origin)) else {
                    continue;
                };
                range.start = first;
            }
            let stride = period.saturating_mul(pace.stride.max(1));
            runs.push(WindowRun {
                segment: k,
                first: row_number(range.start),
                stride: row_number(stride),
                count: row_number(range.len().div_ceil(stride)),
            });
        }
        if runs.is_empty() {
            return Err(if possible > 0 { no_origin(pace) } else { self.too_few(part, &rows) });
        }
        Ok(WindowIndex::new(runs))
    }

    /// Whether the split does not define this part.
    fn does_without(&self, part: Part) -> bool {
        match (part, self.split) {
            (Part::Train | Part::All | Part::From(_), _) | (Part::Test, SplitRule::Dates { .. }) => false,
            (Part::Validation, SplitRule::Dates { validation_start, .. }) => validation_start.is_none(),
            (Part::Validation, SplitRule::Fractions { validation, .. }) => validation == 0.0,
            (Part::Validation, SplitRule::Rows { validation, .. }) => validation == 0,
            (Part::Test, SplitRule::Fractions { test, .. }) => test == 0.0,
            (Part::Test, SplitRule::Rows { test, .. }) => test == 0,
        }
    }

    /// First rows of all windows of the part in a segment, counted within the segment.
    fn starts_in(&self, part: Part, rows: &Range<usize>, segment: &Segment) -> Option<Range<usize>> {
        let reach_back = if part == Part::Train { 0 } else { self.shape.history };
        let first = rows.start.saturating_sub(reach_back).max(segment.first_row);
        let end = (rows.end.min(segment.first_row + segment.rows) + 1).checked_sub(self.shape.steps())?;
        (first < end).then(|| first - segment.first_row..end - segment.first_row)
    }

    fn ends_at(&self, segment: u32, row: usize, origin: i64) -> bool {
        self.stamp(segment, row + self.shape.history - 1).is_some_and(|stamp| self.scale.to_local(stamp).rem_euclid(DAY) == origin)
    }

    /// Whether days can have different numbers of rows: by summer time, or by the session of an exchange.
    fn has_uneven_days(&self) -> bool {
        let zoned = !self.scale.local && self.scale.zone.as_ref().is_some_and(|zone| !zone.is_fixed());
        zoned || self.grid.as_ref().is_some_and(Grid::has_session)
    }

    /// Rows between two consecutive origins.
    fn origin_period(&self, origin: i64) -> Result<usize, DataError> {
        match self.frequency() {
            Some(Frequency::Time(s)) if s.get() <= DAY && DAY % s.get() == 0 => Ok(usize::try_from(DAY / s.get()).unwrap_or(1)),
            Some(frequency) if frequency.is_whole_days() => Ok(1),
            Some(other) => Err(DataError::Origin {
                problem: format!(
                    "a time step of {other} does not divide a day, so that no forecast can start daily at {}",
                    format_time_of_day(origin)
                ),
                advice: "use evaluation.stride instead".into(),
            }),
            None => Err(DataError::Origin {
                problem: "the data have no time column".into(),
                advice: "set data.time, or use evaluation.stride instead".into(),
            }),
        }
    }

    /// How to join the segments in these rows: the setting that fills the longest gap.
    fn gap_advice(&self, rows: &Range<usize>) -> String {
        let Some(grid) = &self.grid else { return String::new() };
        let missing = |pair: &[Segment]| {
            let end = grid.advance(pair[0].start?, i64::try_from(pair[0].rows).ok()?);
            grid.steps(end, pair[1].start?)
        };
        let within = self.segments.windows(2).filter(|pair| rows.contains(&pair[1].first_row));
        match within.filter_map(missing).max() {
            Some(longest) => format!("set data.max_gap = {longest} to fill the gaps with unobserved rows, "),
            None => String::new(),
        }
    }

    fn too_few(&self, part: Part, rows: &Range<usize>) -> DataError {
        let overlap = |segment: &Segment| rows.end.min(segment.first_row + segment.rows).saturating_sub(rows.start.max(segment.first_row));
        let longest = self.segments.iter().map(overlap).max().unwrap_or(0);
        // A window of another part reaches back, so that a gap before the part can also be the reason.
        let reach = if part == Part::Train { 0 } else { self.shape.history };
        let reached = rows.start.saturating_sub(reach)..rows.end;
        let within = |segment: &Segment| reached.start.max(segment.first_row) < reached.end.min(segment.first_row + segment.rows);
        let pieces = self.segments.iter().filter(|s| within(s)).count();
        let (history, horizon, steps) = (self.shape.history, self.shape.horizon, self.shape.steps());
        let need = if part == Part::Train {
            format!("one window needs {steps} consecutive rows (history {history} + horizon {horizon})")
        } else {
            format!("one window needs {horizon} consecutive rows for the horizon, after {history} rows of history")
        };
        let (pieces, gap) = if pieces > 1 {
            (format!(" in {pieces} segments, the longest with {longest} rows"), self.gap_advice(&reached))
        } else {
            Default::default()
        };
        let detail = format!(
            "it has {} rows{pieces}, but {need}; {gap}give it more rows in [split], or reduce window.history or window.horizon",
            rows.len()
        );
        DataError::TooFewRows { part, detail }
    }
}

/// Appends runs of rows at equal distances.
fn push_runs(runs: &mut Vec<WindowRun>, segment: u32, rows: impl Iterator<Item = usize>) {
    let mut run: Option<WindowRun> = None;
    for row in rows.map(row_number) {
        match &mut run {
            Some(open) if open.count == 1 => (open.stride, open.count) = (row - open.first, 2),
            Some(open) if row == open.first + open.count * open.stride => open.count += 1,
            other => runs.extend(other.replace(WindowRun { segment, first: row, stride: 1, count: 1 })),
        }
    }
    runs.extend(run);
}

fn no_origin(pace: Pace) -> DataError {
    DataError::Origin {
        problem: format!("no window has a history that ends at {}", format_time_of_day(pace.origin.unwrap_or(0))),
        advice: "use a time of day that occurs in the time column".into(),
    }
}

fn row_number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

/// End rows of the three parts, rounded down. If the fractions sum to 1, the test part ends with the file, and the validation part takes
/// the remainder from rounding.
#[expect(clippy::cast_possible_truncation, reason = "a fraction within 0 and 1 of fewer than 2^32 rows")]
fn fractions(rows: usize, train: f64, validation: f64, test: f64) -> [usize; 3] {
    let part = |fraction: f64| ((rows as f64 * fraction + 1e-9) as usize).min(rows);
    if (train + validation + test - 1.0).abs() < 1e-9 {
        [part(train), (rows - part(test)).max(part(train)), rows]
    } else {
        [part(train), part(train + validation), part(train + validation + test)]
    }
}
