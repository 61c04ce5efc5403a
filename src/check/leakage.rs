//! Drivers that equal a shifted target.
//!
//! For each pair of driver and target and each shift of up to a season, the driver is compared with the shifted target in a sample of rows.
//! The work is bounded: at most [`MOST_COMPARED`] comparisons, and shifts of at most [`MOST_SHIFT`] rows.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Kind, Severity, Table, counted, duplicates, quoted};
use crate::data::Driver;
use crate::order;

/// Number of places in the data from which the sample is taken, and rows at each.
const STRETCHES: usize = 8;
const STRETCH: usize = 256;
/// Rows with which a shift is first tried.
const FIRST: usize = 64;
/// Fewest rows in which both have a value.
const FEWEST: usize = 32;
/// Maximum shift in rows.
const MOST_SHIFT: usize = 1024;
/// Maximum number of comparisons of two numbers: about two seconds.
const MOST_COMPARED: usize = 1 << 30;
/// A driver equals a target from this correlation on.
const EQUAL: f64 = 0.999;
/// A shift is examined in all rows if the correlation in the first ones reaches this.
const PROMISING: f64 = 0.98;
/// Maximum number of findings; the others are counted.
const FOUND: usize = 20;

/// Consecutive rows of a segment.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: usize,
    rows: usize,
    /// The rows of the segment.
    segment: (usize, usize),
}

/// A driver that equals a target.
struct Match {
    column: usize,
    target: usize,
    /// The driver at t equals the target at t + shift.
    shift: i64,
    exact: bool,
    known: bool,
}

/// The search over the sample.
struct Search<'a> {
    table: &'a Table<'a>,
    stretches: Vec<Stretch>,
    /// Maximum shift.
    most: usize,
    /// All shifts, counted from the most negative one; the nearest first, so that a match at several seasons is named by the nearest.
    shifts: Vec<usize>,
    /// Comparisons so far.
    compared: Cell<usize>,
}

/// Adds the findings, and returns what was not searched.
pub(super) fn find(table: &Table<'_>, findings: &mut Vec<Finding>) -> Vec<String> {
    let pairs = pairs(table);
    let season = table.data.season().max(table.data.shape().horizon);
    let most = season.min(MOST_SHIFT).min(table.data.rows() / 4);
    let stretches = stretches(table);
    let mut shifts: Vec<usize> = (0..=2 * most).collect();
    order::sort_by_key(&mut shifts, |&shift| shift.abs_diff(most));
    let search = Search { table, stretches, most, shifts, compared: Cell::new(0) };
    let equal = equal_pairs(table);
    let mut unsearched = vec![];
    if most < season && !pairs.is_empty() {
        unsearched.push(format!("drivers that equal a shifted target: only shifts of up to {most} rows were compared, not {season}"));
    }
    let (mut found, mut searched) = (vec![], 0);
    for (&(column, target), &known) in &pairs {
        let shifted = if equal.contains(&(column, target)) {
            Some((0, true))
        } else if search.compared.get() < MOST_COMPARED {
            search.shift(column, target)
        } else {
            continue;
        };
        searched += 1;
        found.extend(shifted.map(|(shift, exact)| Match { column, target, shift, exact, known }));
    }
    if searched < pairs.len() {
        unsearched.push(format!(
            "drivers that equal a shifted target: {} of {} pairs of driver and target were compared",
            crate::bytes::grouped(searched as u64),
            crate::bytes::grouped(pairs.len() as u64)
        ));
    }
    if found.len() > FOUND {
        unsearched.push(format!("{} more pairs of driver and target that are equal at some shift are not listed", found.len() - FOUND));
    }
    order::sort_by_key(&mut found, |m| (!leaks(table, m), m.column, m.target));
    findings.extend(found.iter().take(FOUND).map(|m| finding(table, m)));
    unsearched
}

/// Each pair of a driver's column and a target, and whether the future of the driver is known.
fn pairs(table: &Table<'_>) -> BTreeMap<(usize, usize), bool> {
    let targets: BTreeSet<usize> = (0..table.data.shape().num_targets).map(|t| table.data.target_column(t)).collect();
    let mut pairs = order::map([]);
    for Driver { column, target, known_future } in table.data.drivers() {
        // A target that drives other targets is what the model has anyway.
        if !table.is_learnable(column) || targets.contains(&column) {
            continue;
        }
        let of = target.map_or(0..table.data.shape().num_targets, |t| t..t + 1);
        for target in of.filter(|&t| table.is_learnable(table.data.target_column(t))) {
            *pairs.entry((column, target)).or_insert(false) |= known_future.is_known();
        }
    }
    pairs
}

/// The pairs of driver and target that are equal in all rows.
fn equal_pairs(table: &Table<'_>) -> BTreeSet<(usize, usize)> {
    let mut pairs = BTreeSet::new();
    for group in duplicates::equal(table) {
        let targets = (0..table.data.shape().num_targets).filter(|&t| group.contains(&table.data.target_column(t)));
        targets.for_each(|t| pairs.extend(group.iter().map(|&column| (column, t))));
    }
    pairs
}

/// Places spread over all rows, each within a segment.
fn stretches(table: &Table<'_>) -> Vec<Stretch> {
    let (rows, segments) = (table.data.rows(), table.data.segments());
    let mut all: Vec<Stretch> = vec![];
    for k in 0..STRETCHES {
        let middle = (2 * k + 1) * rows / (2 * STRETCHES);
        let Some(segment) = segments.get(table.data.segment_of(middle)) else { continue };
        let (first, end) = (segment.first_row, segment.first_row + segment.rows);
        let length = STRETCH.min(rows.div_ceil(STRETCHES)).min(segment.rows);
        let from = middle.saturating_sub(length / 2).clamp(first, end - length);
        // Stretches of a short segment do not overlap.
        let from = all.last().map_or(from, |last| from.max(last.from + last.rows)).min(end);
        all.push(Stretch { from, rows: length.min(end - from), segment: (first, end) });
    }
    all
}

impl Search<'_> {
    /// The shift at which a driver equals a target, and whether it does so exactly.
    fn shift(&self, column: usize, target: usize) -> Option<(i64, bool)> {
        let driver = self.sample(column, 0);
        let target = self.sample(self.table.data.target_column(target), self.most);
        let smooth = self.correlation_of_neighbours(&target) > EQUAL;
        let mut best: Option<(usize, f64)> = None;
        for &shift in &self.shifts {
            if self.pairs(&driver, &target, shift, FIRST).correlation() < PROMISING {
                continue;
            }
            let all = self.pairs(&driver, &target, shift, usize::MAX);
            if all.are_equal() {
                return Some((self.signed(shift), true));
            }
            // In a smooth target, neighbouring shifts are almost equal too, and correlation says nothing.
            let r = all.correlation();
            if !smooth && r > EQUAL && best.is_none_or(|(_, other)| r > other) {
                best = Some((shift, r));
            }
        }
        best.map(|(shift, _)| (self.signed(shift), false))
    }

    fn signed(&self, shift: usize) -> i64 {
        i64::try_from(shift).unwrap_or(0) - i64::try_from(self.most).unwrap_or(0)
    }

    /// The values in each stretch with a margin on both sides; NaN outside the segment.
    fn sample(&self, column: usize, margin: usize) -> Vec<Vec<f64>> {
        let offset = self.table.data.column_offset(column);
        let value = |row: usize| offset + f64::from(self.table.data.column_value(column, row));
        let of = |s: &Stretch| {
            let row = |k: usize| (s.from + k).checked_sub(margin).filter(|row| (s.segment.0..s.segment.1).contains(row));
            (0..s.rows + 2 * margin).map(|k| row(k).map_or(f64::NAN, value)).collect()
        };
        self.stretches.iter().map(of).collect()
    }

    /// The first `most` observed pairs of driver and shifted target, spread over the stretches.
    fn pairs(&self, driver: &[Vec<f64>], target: &[Vec<f64>], shift: usize, most: usize) -> Sums {
        let mut sums = Sums::default();
        for (x, y) in driver.iter().zip(target) {
            let y = y.get(shift..).unwrap_or_default();
            let enough = sums.count + (most / STRETCHES) as f64;
            let mut before = f64::NAN;
            let mut looked_at = 0;
            for (&x, &y) in x.iter().zip(y) {
                if sums.count >= enough {
                    break;
                }
                sums.add(x, y, before);
                before = y;
                looked_at += 1;
            }
            self.compared.set(self.compared.get() + looked_at);
        }
        sums
    }

    fn correlation_of_neighbours(&self, target: &[Vec<f64>]) -> f64 {
        let mut sums = Sums::default();
        target.iter().flat_map(|y| y.windows(2)).for_each(|pair| sums.add(pair[0], pair[1], f64::NAN));
        sums.correlation()
    }
}

/// Sums over pairs of numbers, relative to the first pair so that a level costs no digits.
#[derive(Debug, Default)]
struct Sums {
    origin: Option<(f64, f64)>,
    count: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
    /// Greatest difference of a pair.
    difference: f64,
    /// Pairs whose target differs from the one before: a long run of zeros proves nothing.
    moves: usize,
}

impl Sums {
    fn add(&mut self, x: f64, y: f64, before: f64) {
        if x.is_nan() || y.is_nan() {
            return;
        }
        let (x0, y0) = *self.origin.get_or_insert((x, y));
        self.difference = self.difference.max((x - y).abs());
        self.moves += usize::from(y != before);
        let (x, y) = (x - x0, y - y0);
        self.count += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }

    fn spread(&self) -> f64 {
        (self.yy - self.y * self.y / self.count).max(0.0)
    }

    /// 0 if there are too few pairs, or one of the two is constant.
    fn correlation(&self) -> f64 {
        let both = self.spread() * (self.xx - self.x * self.x / self.count).max(0.0);
        if self.count < FEWEST as f64 || both <= 0.0 { 0.0 } else { (self.xy - self.x * self.y / self.count) / both.sqrt() }
    }

    /// Whether all pairs are equal, up to the rounding of f32.
    fn are_equal(&self) -> bool {
        let deviation = (self.spread() / self.count.max(1.0)).sqrt();
        self.moves >= FEWEST && deviation > 0.0 && self.difference <= 1e-6 * deviation
    }
}

/// Whether the driver tells a value of the target after the origin.
fn leaks(table: &Table<'_>, m: &Match) -> bool {
    m.shift > if m.known { -signed_horizon(table) } else { 0 }
}

fn signed_horizon(table: &Table<'_>) -> i64 {
    i64::try_from(table.data.shape().horizon).unwrap_or(i64::MAX)
}

fn finding(table: &Table<'_>, m: &Match) -> Finding {
    let (driver, target) = (table.label(m.column), table.data.target_names()[m.target].clone());
    let rows = counted(usize::try_from(m.shift.unsigned_abs()).unwrap_or(usize::MAX), "row", "rows");
    let when = match m.shift {
        0 => "in the same row".to_owned(),
        1.. => format!("{rows} later"),
        _ => format!("{rows} earlier"),
    };
    let equals = if m.exact { "equals" } else { "is nearly (correlation above 0.999)" };
    let told = m.shift + if m.known { signed_horizon(table) } else { 0 };
    let told = counted(usize::try_from(told).unwrap_or(0).min(table.data.shape().horizon), "step", "steps");
    let mut text = format!("driver {} {equals} target {} {when}", quoted(&driver), quoted(&target));
    let (severity, kind, advice) = if leaks(table, m) {
        let how = if m.known { "it is known_future, so it" } else { "its history" };
        text += &format!("; {how} tells {told} of the horizon");
        let advice = if m.known && m.shift <= 0 {
            "remove the driver or its known_future, unless these values are really known when a forecast is made"
        } else {
            "remove the driver, unless these values are really known when a forecast is made (then scores are of no use)"
        };
        (Severity::Warning, Kind::Leak, advice)
    } else if table.config.data.hide_history {
        (Severity::Warning, Kind::CopyOfTarget, "remove the driver: data.hide_history hides what it shows")
    } else {
        (Severity::Note, Kind::CopyOfTarget, "nothing is revealed, but the driver adds nothing to the history of the target")
    };
    let finding = Finding::new(severity, kind, text, advice).of_columns(vec![driver, target]);
    Finding { shift: Some(m.shift), ..finding }
}
