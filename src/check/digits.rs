//! Digits that f32 does not hold.

use super::{Finding, Kind, Severity, Table, counted, listed, percent};
use crate::numbers::to_f32;

/// A cell loses digits if f32 changes it by more than this share of the spread of its column.
const LOST: f64 = 1e-3;
/// A column is worth a warning if at least this share of its cells loses digits.
const SHARE: f64 = 0.01;

pub(super) fn find(table: &Table<'_>, findings: &mut Vec<Finding>) {
    let mut lossy = vec![];
    let mut with_offset = vec![];
    for column in 0..table.profiles.len() {
        if table.data.column_offset(column) != 0.0 {
            with_offset.push(column);
        }
        let cells = after(table, column);
        if cells as f64 > SHARE * table.profiles[column].observed as f64 {
            lossy.push((column, cells));
        }
    }
    if !lossy.is_empty() {
        let one = |&(c, cells): &(usize, usize)| {
            format!("\"{}\" up to {}", table.data.column_label(c), percent(cells, table.profiles[c].observed))
        };
        let named: Vec<String> = lossy.iter().map(one).collect();
        let text = format!(
            "{} may lose digits: f32 changes cells by more than 0.1 % of the usual spread: {}",
            counted(lossy.len(), "column", "columns"),
            listed(&named)
        );
        let advice = "values far from the others hide the small spread from the reader: declare them in data.missing if they are codes, or \
                      subtract the level of the column in the file";
        let columns: Vec<usize> = lossy.iter().map(|(column, _)| *column).collect();
        let cells = lossy.iter().map(|(_, cells)| cells).sum();
        findings.push(Finding::new(Severity::Warning, Kind::Digits, text, advice).of_columns(table.labels(&columns)).counting(cells));
    }
    if !with_offset.is_empty() {
        let one = |&c: &usize| {
            let (before, after, observed) = (before(table, c), after(table, c), table.profiles[c].observed);
            format!(
                "\"{}\" - {} ({} of cells would lose digits, now {})",
                table.data.column_label(c),
                table.data.column_offset(c),
                percent(before, observed),
                percent(after, observed)
            )
        };
        let named: Vec<String> = with_offset.iter().map(one).collect();
        let text =
            format!("{} stored as differences from an offset: {}", counted(with_offset.len(), "column is", "columns are"), listed(&named));
        let advice = "nothing to do: forecasts and scores have the original values";
        findings.push(Finding::new(Severity::Note, Kind::Offset, text, advice).of_columns(table.labels(&with_offset)));
    }
}

/// The usual spread of a column.
fn spread(table: &Table<'_>, column: usize) -> Option<f64> {
    table.profiles[column].typical.map(|(_, spread)| spread).filter(|spread| *spread > 0.0)
}

/// Number of cells that would lose digits without the offset.
fn before(table: &Table<'_>, column: usize) -> usize {
    let (Some(spread), offset) = (spread(table, column), table.data.column_offset(column)) else { return 0 };
    let lost = |stored: f32| {
        let value = offset + f64::from(stored);
        (f64::from(to_f32(value)) - value).abs() > LOST * spread
    };
    table.data.column_values(column, 0..table.data.rows()).filter(|v| lost(*v)).count()
}

/// Number of cells that may have lost digits as they are stored: the rounding of an f32 is at most half the distance to the next one.
fn after(table: &Table<'_>, column: usize) -> usize {
    let profile = &table.profiles[column];
    let Some(spread) = spread(table, column) else { return 0 };
    let top = profile.least.abs().max(profile.greatest.abs());
    let half = |v: f32| 0.5 * f64::from(f32::from_bits(v.abs().to_bits() + 1) - v.abs());
    // f32 holds whole numbers up to 2^24.
    if (profile.whole && top < 16_777_216.0) || half(top) <= LOST * spread {
        return 0;
    }
    table.data.column_values(column, 0..table.data.rows()).filter(|v| half(*v) > LOST * spread).count()
}
