//! What the cells of a column look like.

use std::collections::HashSet;

use crate::calendar::{FormatGuess, Guess};
use crate::config::data::MISSING;
use crate::data::number::{parsed, truth};
use crate::data::read::is_series_name;

/// Texts besides those of pandas that mean a missing value among numbers.
const ODD_MISSING: [&str; 24] = [
    "-", "--", "---", "?", ".", "..", "...", "*", "x", "X", "n.a.", "N.A.", "na", "Na", "NAN", "Null", "none", "NONE", "missing",
    "Missing", "#VALUE!", "#DIV/0!", "#REF!", "#NUM!",
];
/// Odd cells that are kept as examples.
const EXAMPLES: usize = 5;
/// Distinct texts that are counted.
const TEXTS: usize = 10_000;

/// A cell that is neither a number nor missing.
#[derive(Debug, Clone)]
pub(super) struct Odd {
    pub(super) text: String,
    pub(super) line: u64,
}

/// What the cells of a column look like.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// Cells that are not missing.
    pub(super) cells: usize,
    pub(super) numbers: usize,
    /// Numbers from 0 on that are whole.
    pub(super) counts: usize,
    pub(super) least: f64,
    pub(super) greatest: f64,
    /// Whether all numbers are whole.
    pub(super) whole: bool,
    /// The previous number, whether each number was greater or each was less than the one before, and their difference if it is constant.
    previous: Option<f64>,
    /// How often a number differs from the one before.
    pub(super) number_changes: usize,
    rising: bool,
    falling: bool,
    step: Option<f64>,
    even: bool,
    /// First and last row with a value.
    pub(super) first: Option<usize>,
    pub(super) last: Option<usize>,
    /// Missing tokens that data.missing does not list by default, or that are not the empty text.
    pub(super) tokens: Vec<Odd>,
    /// The first cells.
    sample: Vec<Odd>,
    /// Examples of other cells.
    pub(super) odd: Vec<Odd>,
    pub(super) odd_count: usize,
    pub(super) texts: HashSet<String>,
    /// How often the text differs from that of the row before.
    pub(super) changes: usize,
    before: Option<String>,
    /// Whether the column has a usual name for the series of a long table.
    names_series: bool,
    /// Up to three different numbers.
    distinct: Vec<f64>,
    guess: Option<FormatGuess>,
}

impl Column {
    pub(super) fn new(name: String) -> Self {
        Self {
            names_series: is_series_name(&name),
            distinct: vec![],
            name,
            cells: 0,
            numbers: 0,
            counts: 0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            whole: true,
            previous: None,
            number_changes: 0,
            rising: true,
            falling: true,
            step: None,
            even: true,
            first: None,
            last: None,
            tokens: vec![],
            sample: vec![],
            odd: vec![],
            odd_count: 0,
            texts: HashSet::new(),
            changes: 0,
            before: None,
            guess: Some(FormatGuess::new()),
        }
    }

    /// Notes a cell. `style` is the decimal and the thousands separator.
    pub(super) fn add(&mut self, row: usize, line: u64, cell: &str, style: (char, Option<char>)) {
        let cell = cell.trim();
        if cell.is_empty() {
            return;
        }
        if self.sample.len() < EXAMPLES {
            self.sample.push(Odd { text: cell.to_owned(), line });
        }
        // True and False are numbers unless the column holds others.
        let as_truth = || truth(cell.as_bytes()).filter(|_| self.distinct.iter().all(|v| *v == 0.0 || *v == 1.0));
        let number = parsed(cell, style.0, style.1).filter(|v| v.is_finite()).or_else(as_truth);
        if number.is_none() && (MISSING.contains(&cell) || ODD_MISSING.contains(&cell)) {
            keep(&mut self.tokens, cell, line);
            // Without numbers around it, the text may be the name of a series.
            if self.numbers == 0 && !MISSING.contains(&cell) {
                self.note_text(cell);
            }
            return;
        }
        self.cells += 1;
        self.first.get_or_insert(row);
        self.last = Some(row);
        if let Some(guess) = &mut self.guess {
            guess.add(cell);
        }
        match number {
            Some(value) => self.add_number(value),
            None => {
                self.odd_count += 1;
                keep(&mut self.odd, cell, line);
            }
        }
        if number.is_none() || self.names_series {
            self.note_text(cell);
        }
    }

    /// Counts the different texts and their changes.
    fn note_text(&mut self, cell: &str) {
        if self.before.as_deref() == Some(cell) {
            return;
        }
        self.changes += 1;
        self.before = Some(cell.to_owned());
        if self.texts.len() < TEXTS && !self.texts.contains(cell) {
            self.texts.insert(cell.to_owned());
        }
    }

    fn add_number(&mut self, value: f64) {
        self.numbers += 1;
        self.number_changes += usize::from(self.previous != Some(value));
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.whole &= value.fract() == 0.0;
        if self.distinct.len() < 3 && !self.distinct.contains(&value) {
            self.distinct.push(value);
        }
        self.counts += usize::from(value >= 0.0 && value.fract() == 0.0);
        if let Some(previous) = self.previous {
            let step = value - previous;
            self.rising &= step > 0.0;
            self.falling &= step < 0.0;
            self.even &= self.step.is_none_or(|known| known == step);
            self.step = Some(step);
        }
        self.previous = Some(value);
    }

    /// Stops looking for timestamps in a column that has few.
    pub(super) fn settle(&mut self) {
        if let Some(guess) = &self.guess {
            let found = guess.clone().finish();
            if found.read * 2 < found.cells || found.cells == 0 {
                self.guess = None;
            }
        }
    }

    /// The format of the timestamps, if most cells are timestamps.
    pub(super) fn stamps(&self) -> Option<Guess> {
        let guess = self.guess.clone()?.finish();
        (guess.read * 2 > guess.cells).then_some(guess)
    }

    /// The first cells of the column.
    pub(super) fn examples(&self) -> impl Iterator<Item = &Odd> + Clone {
        self.sample.iter()
    }

    /// Whether every row from the first to the last value has one.
    pub(super) fn is_whole(&self) -> bool {
        self.first.zip(self.last).is_some_and(|(first, last)| last - first + 1 == self.cells)
    }

    /// Whether most cells are numbers.
    pub(super) fn is_number(&self) -> bool {
        self.numbers * 2 > self.cells
    }

    /// Whether the numbers are whole and rise or fall in every row.
    pub(super) fn is_monotone(&self) -> bool {
        self.numbers > 2 && self.whole && (self.rising || self.falling)
    }

    /// Whether the numbers are whole and rise in every row.
    pub(super) fn is_rising(&self) -> bool {
        self.numbers > 2 && self.whole && self.rising
    }

    /// Whether the numbers count the rows by 1 from 0 or 1.
    pub(super) fn is_index(&self) -> bool {
        self.is_rising() && self.even && self.step == Some(1.0) && matches!(self.least, 0.0 | 1.0)
    }

    /// Whether all numbers are counts: whole and not negative, with more than two values.
    pub(super) fn is_counts(&self) -> bool {
        self.numbers > 0 && self.counts == self.numbers && self.distinct.len() > 2
    }
}

fn keep(list: &mut Vec<Odd>, text: &str, line: u64) {
    if list.len() < EXAMPLES && list.iter().all(|odd| odd.text != text) {
        list.push(Odd { text: text.to_owned(), line });
    }
}
