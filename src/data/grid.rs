//! From stamps to segments: rows at regular steps, without a hole.

use super::dataset::Segment;
use super::error::DataError;
use super::read::Table;
use super::time::{Frequency, Grid, format_stamp};
use crate::config::DataSettings;

/// Gaps that are named one by one in the notes; further ones are only counted.
const GAPS_NAMED: usize = 3;

/// What [`regularise`] found.
#[derive(Debug)]
pub(super) struct Regular {
    pub(super) grid: Option<Grid>,
    pub(super) segments: Vec<Segment>,
    pub(super) notes: Vec<String>,
}

/// A hole in the file: `missing` stamps before row `row`.
struct Gap {
    row: usize,
    missing: usize,
}

/// Checks that the stamps lie on a grid, fills short gaps of `table` with unobserved rows and cuts it at long ones.
pub(super) fn regularise(settings: &DataSettings, table: &mut Table) -> Result<Regular, DataError> {
    if settings.time.is_none() {
        let segments = vec![Segment { first_row: 0, rows: table.rows, start: None }];
        return Ok(Regular { grid: None, segments, notes: vec![] });
    }
    let frequency = match settings.frequency {
        Some(frequency) => frequency,
        None => Frequency::infer(&table.stamps).ok_or(DataError::NoFrequency)?,
    };
    let grid = Grid::of(frequency, &table.stamps);
    let gaps = find_gaps(&grid, table)?;
    let (filled, cuts): (Vec<Gap>, Vec<Gap>) = gaps.into_iter().partition(|gap| gap.missing <= settings.max_gap);
    let mut notes = vec![];
    note(&mut notes, table, &filled, "filled with unobserved rows");
    note(&mut notes, table, &cuts, "a new segment starts there, and no window straddles it (see data.max_gap)");
    let segments = cut(table, &filled, &cuts);
    fill(table, &filled);
    Ok(Regular { grid: Some(grid), segments, notes })
}

fn find_gaps(grid: &Grid, table: &Table) -> Result<Vec<Gap>, DataError> {
    let mut gaps = vec![];
    for row in 1..table.rows {
        let (before, stamp) = (table.stamps[row - 1], table.stamps[row]);
        let steps = grid.steps(before, stamp).ok_or_else(|| DataError::Irregular {
            line: table.lines[row].into(),
            previous: table.lines[row - 1].into(),
            stamp: format_stamp(stamp),
            before: format_stamp(before),
            frequency: grid.frequency.to_string(),
        })?;
        if steps > 1 {
            gaps.push(Gap { row, missing: usize::try_from(steps - 1).unwrap_or(usize::MAX) });
        }
    }
    Ok(gaps)
}

fn note(notes: &mut Vec<String>, table: &Table, gaps: &[Gap], treatment: &str) {
    for gap in gaps.iter().take(GAPS_NAMED) {
        notes.push(format!(
            "gap after line {} ({}): {} stamps missing; {treatment}",
            table.lines[gap.row - 1],
            format_stamp(table.stamps[gap.row - 1]),
            gap.missing
        ));
    }
    if gaps.len() > GAPS_NAMED {
        notes.push(format!("{} more such gaps; {treatment}", gaps.len() - GAPS_NAMED));
    }
}

/// The segments, in rows as they will be after filling.
fn cut(table: &Table, filled: &[Gap], cuts: &[Gap]) -> Vec<Segment> {
    let inserted_before = |row: usize| -> usize { filled.iter().take_while(|gap| gap.row <= row).map(|gap| gap.missing).sum() };
    let starts: Vec<usize> = std::iter::once(0).chain(cuts.iter().map(|gap| gap.row)).collect();
    let mut segments = vec![];
    for (k, &start) in starts.iter().enumerate() {
        let end = starts.get(k + 1).copied().unwrap_or(table.rows);
        let (first_row, last_row) = (start + inserted_before(start), end - 1 + inserted_before(end - 1));
        segments.push(Segment { first_row, rows: last_row + 1 - first_row, start: Some(table.stamps[start]) });
    }
    segments
}

/// Inserts the missing rows, unobserved. (Stamps and lines are not needed any more and stay as they are.)
fn fill(table: &mut Table, filled: &[Gap]) {
    if filled.is_empty() {
        return;
    }
    let total = table.rows + filled.iter().map(|gap| gap.missing).sum::<usize>();
    for column in &mut table.columns {
        let mut whole = Vec::with_capacity(total);
        let mut from = 0;
        for gap in filled {
            whole.extend_from_slice(&column[from..gap.row]);
            whole.resize(whole.len() + gap.missing, f32::NAN);
            from = gap.row;
        }
        whole.extend_from_slice(&column[from..]);
        *column = whole;
    }
    table.rows = total;
}
