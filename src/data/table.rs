//! The stored numbers, in blocks that are never moved.
//!
//! A growing vector per column would be copied each time its capacity doubles, and could hold up to twice the required memory. A table of
//! blocks takes the memory of its numbers and at most one additional block.

use std::ops::Range;

/// Numbers in a block: 1 MiB.
const BLOCK: usize = 1 << 18;

/// Columns of f32 of the same length; NaN if unobserved. Usage: push all rows, call [`Table::finish`], then read.
#[derive(Debug)]
pub(super) struct Table {
    /// Number of columns.
    width: usize,
    /// Number of rows.
    rows: usize,
    /// Binary logarithm of the rows per block.
    shift: u32,
    /// Blocks in column-major order, `[width, rows of the block]`. All blocks except the last have `1 << shift` rows.
    blocks: Vec<Box<[f32]>>,
    /// The rows that are not yet in a block, in row-major order.
    pending: Vec<f32>,
}

impl Table {
    /// An empty table.
    pub(super) fn new(width: usize) -> Self {
        Self { width, rows: 0, shift: (BLOCK / width.clamp(1, BLOCK)).ilog2(), blocks: vec![], pending: vec![] }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a row of `width` numbers.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = f32>) {
        let whole = self.width << self.shift;
        if self.pending.is_empty() {
            self.pending.reserve_exact(whole);
        }
        self.pending.extend(row);
        self.rows += 1;
        debug_assert_eq!(self.pending.len(), (self.rows - (self.blocks.len() << self.shift)) * self.width, "a row of another width");
        if self.pending.len() == whole {
            self.flush();
        }
    }

    /// Moves the pending rows into a block.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let mut block = Vec::with_capacity(self.pending.len());
        for column in 0..self.width {
            block.extend(self.pending.iter().skip(column).step_by(self.width));
        }
        self.blocks.push(block.into_boxed_slice());
        self.pending.clear();
    }

    /// Ends the construction and releases unused memory.
    pub(super) fn finish(mut self) -> Self {
        self.flush();
        self.pending = vec![];
        self.blocks.shrink_to_fit();
        self
    }

    /// Replaces the numbers of a column of a finished table by `new(row, number)`.
    pub(super) fn rewrite(&mut self, column: usize, mut new: impl FnMut(usize, f32) -> f32) {
        for (k, block) in self.blocks.iter_mut().enumerate() {
            let height = block.len() / self.width;
            for (at, number) in block[column * height..][..height].iter_mut().enumerate() {
                *number = new((k << self.shift) + at, *number);
            }
        }
    }

    /// A finished table with its rows in reverse order. Each old block is released while the new blocks are built.
    pub(super) fn reversed(mut self) -> Self {
        let (width, mut whole) = (self.width, Self::new(self.width));
        while let Some(block) = self.blocks.pop() {
            let rows = block.len() / width;
            (0..rows).rev().for_each(|at| whole.push(block[at..].iter().step_by(rows).copied()));
        }
        whole.finish()
    }

    /// A finished table with only these columns, in this order. Each old block is released while the new blocks are built.
    pub(super) fn with_columns(self, columns: &[usize]) -> Self {
        let (width, mut whole) = (self.width, Self::new(columns.len()));
        for block in self.blocks {
            let rows = block.len() / width;
            (0..rows).for_each(|at| whole.push(columns.iter().map(|column| block[column * rows + at])));
        }
        whole.finish()
    }

    /// Inserts unobserved rows: `missing` rows before row `row` for each (row, missing) in ascending order. Each old block is released
    /// while the new blocks are built.
    pub(super) fn with_gaps(self, gaps: impl Iterator<Item = (usize, usize)>) -> Self {
        let (width, mut whole) = (self.width, Self::new(self.width));
        let mut gaps = gaps.peekable();
        let mut row = 0;
        for block in self.blocks {
            let rows = block.len() / width;
            for at in 0..rows {
                while let Some((_, missing)) = gaps.next_if(|gap| gap.0 == row) {
                    (0..missing).for_each(|_| whole.push(std::iter::repeat_n(f32::NAN, width)));
                }
                whole.push(block[at..].iter().step_by(rows).copied());
                row += 1;
            }
        }
        whole.finish()
    }

    /// A number of a finished table.
    pub(super) fn get(&self, column: usize, row: usize) -> f32 {
        let block = &self.blocks[row >> self.shift];
        block[column * (block.len() / self.width) + (row & self.mask())]
    }

    /// Consecutive numbers of a column of a finished table, as slices of the blocks.
    fn pieces(&self, column: usize, rows: Range<usize>) -> impl Iterator<Item = &[f32]> {
        assert!(rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        let blocks = if rows.is_empty() { 0..0 } else { rows.start >> self.shift..((rows.end - 1) >> self.shift) + 1 };
        blocks.map(move |k| {
            let (block, first) = (&self.blocks[k], k << self.shift);
            let height = block.len() / self.width;
            let (from, to) = (rows.start.saturating_sub(first), (rows.end - first).min(height));
            &block[column * height..][from..to]
        })
    }

    /// Consecutive numbers of a column of a finished table.
    pub(super) fn values(&self, column: usize, rows: Range<usize>) -> impl Iterator<Item = f32> {
        self.pieces(column, rows).flatten().copied()
    }

    fn mask(&self) -> usize {
        (1 << self.shift) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::to_f32;

    fn number(row: usize, column: usize) -> f32 {
        let number = (row * 7 + column) as f64;
        to_f32(number)
    }

    fn table(rows: usize, width: usize) -> Table {
        let mut table = Table::new(width);
        (0..rows).for_each(|row| table.push((0..width).map(|column| number(row, column))));
        table.finish()
    }

    /// Bytes held by a table.
    fn held(table: &Table) -> usize {
        4 * (table.blocks.iter().map(|b| b.len()).sum::<usize>() + table.pending.capacity())
    }

    #[test]
    fn numbers_come_back_across_blocks_and_nothing_else_is_held() {
        for (width, per_block) in [(1, BLOCK), (3, 65_536), (BLOCK - 1, 1), (BLOCK + 5, 1)] {
            for rows in [1, per_block - 1, per_block, per_block + 1, 2 * per_block + 3].into_iter().filter(|&rows| rows > 0) {
                let table = table(rows, width);
                assert_eq!((table.rows(), table.width(), 1 << table.shift), (rows, width, per_block));
                assert_eq!(held(&table), 4 * rows * width);
                for column in [0, width - 1] {
                    for row in [0, rows / 2, rows - 1] {
                        assert_eq!(table.get(column, row), number(row, column));
                    }
                    for (from, to) in [(0, rows), (rows / 2, rows), (rows - 1, rows), (rows, rows), (0, 1), (per_block.min(rows), rows)] {
                        assert!(table.values(column, from..to).eq((from..to).map(|row| number(row, column))), "{from}..{to} of {rows}");
                    }
                }
            }
        }
    }

    #[test]
    fn gaps_are_unobserved_rows() {
        let rows = 131_073;
        let gaps = [(1, 2), (65_536, 70_000), (65_537, 1), (rows - 1, 3)];
        let whole = table(rows, 3).with_gaps(gaps.into_iter());
        let mut expected = vec![];
        for row in 0..rows {
            let missing = gaps.iter().find(|gap| gap.0 == row).map_or(0, |gap| gap.1);
            expected.extend(std::iter::repeat_n(None, missing));
            expected.push(Some(row));
        }
        assert_eq!(whole.rows(), expected.len());
        assert_eq!(held(&whole), 4 * 3 * expected.len());
        for column in 0..3 {
            let found = whole.values(column, 0..expected.len());
            assert!(found.zip(&expected).all(|(v, row)| row.map_or(v.is_nan(), |row| v == number(row, column))));
        }
    }
}
