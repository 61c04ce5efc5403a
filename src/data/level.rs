//! Columns whose values lose digits in f32, such as 6.78e9 +- 25.
//!
//! The table stores f32. If the spread of a column is small compared with its level, few of the 24 bits of an f32 are left for the
//! differences. Such a column is stored as `value - offset` with one offset in f64. All other columns have the offset 0, so that their
//! bits do not depend on this file.

use super::table::Table;
use crate::numbers::to_f32;

/// A column loses digits if its greatest magnitude is at least this many times its spread: then less than 12 bits are left for the spread.
const RATIO: f64 = 4096.0;

/// The values of a column while it is read.
#[derive(Debug, Default)]
pub(super) struct Level {
    first: f64,
    least: f64,
    greatest: f64,
    /// Whether a value was seen.
    seen: bool,
    /// Whether the spread is large enough for f32. It stays so, because a spread only grows.
    wide: bool,
    /// Rows with the first value, before the first other value. They are exact without being stored here.
    constant_rows: usize,
    /// The values in f64 from row `from` on. They are stored from the first value that f32 changes.
    exact: Vec<f64>,
    from: usize,
}

impl Level {
    /// Notes the value of a row; NaN if it is missing.
    pub(super) fn note(&mut self, row: usize, value: f64) {
        if self.wide {
            return;
        }
        if value.is_nan() {
            if !self.exact.is_empty() {
                self.exact.push(value);
            }
            return;
        }
        if !self.seen {
            (self.seen, self.first, self.least, self.greatest) = (true, value, value, value);
        }
        let constant = self.least == self.greatest;
        (self.least, self.greatest) = (self.least.min(value), self.greatest.max(value));
        if self.least == self.greatest {
            return;
        }
        if constant {
            self.constant_rows = row;
        }
        let top = self.greatest.abs().max(self.least.abs());
        if (self.greatest - self.least) * RATIO > top {
            (self.wide, self.exact) = (true, vec![]);
            return;
        }
        if self.exact.is_empty() && f64::from(to_f32(value)) == value {
            return;
        }
        if self.exact.is_empty() {
            self.from = row;
        }
        self.exact.push(value);
    }

    /// The offset of the column; 0 if f32 keeps its values.
    pub(super) fn offset(&self) -> f64 {
        let spread = self.greatest - self.least;
        let lossy = !self.exact.is_empty() || f64::from(to_f32(self.first)) != self.first;
        // A constant needs no offset: f32 keeps 24 bits of it.
        if self.wide || spread == 0.0 || !lossy {
            return 0.0;
        }
        // A multiple of a power of two near the spread, so that the subtraction is exact.
        let unit = spread.log2().floor().exp2();
        let middle = self.least + 0.5 * spread;
        (middle / unit).round() * unit
    }

    /// Rewrites the stored column as value - offset.
    pub(super) fn apply(&self, table: &mut Table, column: usize, offset: f64) {
        table.rewrite(column, |row, stored| {
            if stored.is_nan() {
                return stored;
            }
            let value = match row.checked_sub(self.from).and_then(|k| self.exact.get(k)) {
                Some(&exact) => exact,
                None if row < self.constant_rows => self.first,
                None => f64::from(stored),
            };
            to_f32(value - offset)
        });
    }
}
