//! From timestamps to segments: rows at regular time steps without gaps.

use super::error::DataError;
use super::facts::TimeFacts;
use super::read::Cells;
use super::table::Table;
use crate::calendar::{DAY, Frequency, Grid, Stamp, Steps, format_stamp};
use crate::config::DataSettings;

/// Maximum number of steps of a file that are compared with the step of the run.
const MOST_STEPS: usize = 100_000;

/// Maximum number of gaps that the notes list one by one. Further gaps are counted.
const GAPS_NAMED: usize = 3;

/// Consecutive rows at regular time steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Index of the first row, counted over all segments.
    pub first_row: usize,
    /// Number of rows.
    pub rows: usize,
    /// Timestamp of the first row; `None` without a time column.
    pub start: Option<Stamp>,
}

/// The results of [`regularise`].
#[derive(Debug)]
pub(super) struct Regular {
    pub(super) grid: Option<Grid>,
    pub(super) segments: Vec<Segment>,
    pub(super) notes: Vec<String>,
}

/// A gap in the file: `missing` timestamps before row `row`.
struct Gap {
    row: usize,
    missing: usize,
    /// Timestamp before the gap.
    before: Stamp,
    /// Timestamp of the row.
    stamp: Stamp,
}

/// The grid of the timestamps: that of the config, of the run, or the one that is found in the file.
fn grid_of(settings: &DataSettings, cells: &Cells, known: Option<&TimeFacts>) -> Result<Grid, DataError> {
    let rules = settings.rules()?;
    let found = Frequency::infer(&cells.stamps);
    let Some(known) = known else {
        let frequency = settings.frequency.or(found).ok_or(DataError::NoFrequency)?;
        return Ok(Grid::of(frequency, &cells.stamps, &rules));
    };
    let grid = Grid::of(known.frequency, &cells.stamps, &rules).with_month_day(known.month_day);
    // Rows that are all some steps apart have another step. Two rows can be the ends of a gap.
    let steps: Vec<Option<i64>> = pairs(&cells.stamps).take(MOST_STEPS).map(|(from, to)| grid.steps(from, to)).collect();
    let other = steps.contains(&None) || (steps.len() > 1 && steps.iter().all(|step| step.is_some_and(|step| step > 1)));
    match found.filter(|found| other && *found != known.frequency) {
        Some(found) => Err(DataError::OtherStep { found: found.to_string(), trained: known.frequency.to_string() }),
        None => Ok(grid),
    }
}

fn pairs(stamps: &Steps) -> impl Iterator<Item = (Stamp, Stamp)> {
    stamps.iter().zip(stamps.iter().skip(1))
}

/// Checks that the timestamps are on a regular grid, fills short gaps with unobserved rows, and starts a new segment after long gaps. Gaps
/// are recomputed when needed instead of stored, because a file may have many.
pub(super) fn regularise(settings: &DataSettings, cells: Cells, known: Option<&TimeFacts>) -> Result<(Table, Regular), DataError> {
    if settings.time.is_none() {
        let segments = vec![Segment { first_row: 0, rows: cells.table.rows(), start: None }];
        return Ok((cells.table, Regular { grid: None, segments, notes: vec![] }));
    }
    let grid = grid_of(settings, &cells, known)?;
    let Cells { table, stamps, lines, .. } = cells;
    let filled = |gap: &Gap| gap.missing <= settings.max_gap;
    let (mut fills, mut cuts) = (Named::new("filled with unobserved rows"), Named::new(CUT));
    let mut segments = vec![Segment { first_row: 0, rows: 0, start: stamps.iter().next() }];
    let mut inserted = 0_usize;
    for gap in gaps(&grid, &stamps, &lines) {
        let gap = gap?;
        if filled(&gap) {
            inserted = inserted.saturating_add(gap.missing);
            fills.add(&gap, &lines);
        } else {
            cuts.add(&gap, &lines);
            begin(&mut segments, gap.row + inserted, Some(gap.stamp));
        }
    }
    let rows = table.rows().saturating_add(inserted);
    if u32::try_from(rows).is_err() {
        return Err(DataError::TooManyRows);
    }
    end(&mut segments, rows);
    segments.shrink_to_fit();
    let table = if inserted == 0 {
        table
    } else {
        let holes = gaps(&grid, &stamps, &lines).filter_map(Result::ok).filter(filled);
        table.with_gaps(holes.map(|gap| (gap.row, gap.missing)))
    };
    let notes = fills.notes().into_iter().chain(cuts.notes()).collect();
    Ok((table, Regular { grid: Some(grid), segments, notes }))
}

/// The gaps in order, or the first timestamp that is not on the grid.
fn gaps<'a>(grid: &'a Grid, stamps: &'a Steps, lines: &'a Steps) -> impl Iterator<Item = Result<Gap, DataError>> + 'a {
    let one = move |row: usize, before: Stamp, stamp: Stamp| match grid.steps(before, stamp) {
        None => Some(Err(DataError::Irregular {
            line: lines.at(row).unsigned_abs(),
            previous: lines.at(row - 1).unsigned_abs(),
            stamp: format_stamp(stamp),
            before: format_stamp(before),
            frequency: grid.frequency.to_string().into(),
            zone: is_clock_change(grid, before, stamp),
        })),
        Some(1) => None,
        Some(steps) => Some(Ok(Gap { row, missing: usize::try_from(steps - 1).unwrap_or(usize::MAX), before, stamp })),
    };
    stamps.runs().filter(|run| !grid.is_regular(run)).flat_map(move |run| {
        (0..).take(run.times).filter_map(move |k| {
            let before = run.start + k * run.step;
            one(run.from + usize::try_from(k).unwrap_or(usize::MAX) + 1, before, before + run.step)
        })
    })
}

/// Whether a step of whole days is an hour too long or too short.
fn is_clock_change(grid: &Grid, before: Stamp, stamp: Stamp) -> bool {
    let rest = stamp.saturating_sub(before).rem_euclid(DAY);
    grid.frequency.is_whole_days() && (rest == DAY / 24 || rest == DAY - DAY / 24)
}

const CUT: &str = "a new segment starts after it, and no window spans it (see data.max_gap)";

/// Notes about gaps with the same treatment.
struct Named {
    treatment: &'static str,
    first: Vec<String>,
    count: usize,
}

impl Named {
    fn new(treatment: &'static str) -> Self {
        Self { treatment, first: vec![], count: 0 }
    }

    fn add(&mut self, gap: &Gap, lines: &Steps) {
        self.count += 1;
        if self.count <= GAPS_NAMED {
            let (line, before) = (lines.at(gap.row - 1), format_stamp(gap.before));
            self.first.push(format!("gap after line {line} ({before}): {} missing timestamps; {}", gap.missing, self.treatment));
        }
    }

    fn notes(mut self) -> Vec<String> {
        if self.count > GAPS_NAMED {
            self.first.push(format!("{} more gaps; {}", self.count - GAPS_NAMED, self.treatment));
        }
        self.first
    }
}

/// Ends the last segment at this row; the row index includes filled rows.
fn end(segments: &mut [Segment], row: usize) {
    if let Some(last) = segments.last_mut() {
        last.rows = row - last.first_row;
    }
}

/// Starts a segment at this row; the row index includes filled rows.
fn begin(segments: &mut Vec<Segment>, row: usize, start: Option<Stamp>) {
    end(segments, row);
    segments.push(Segment { first_row: row, rows: 0, start });
}
