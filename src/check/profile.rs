//! One column in numbers: a pass over its cells, and robust measures from a bounded sample.

use std::ops::Range;

use crate::data::Dataset;

/// Maximum number of rows in the sample from which median and spread are taken.
const SAMPLE: usize = 1 << 16;
/// Minimum number of values for a statement about typical values.
pub(super) const FEWEST: usize = 20;
/// How far beyond its typical distance from the centre a value is unusual.
pub(super) const FAR: f64 = 10.0;
/// Share of the values from which on a single number may be a code.
const LARGE: f64 = 0.2;
/// How many typical distances zero is away from values that it is apart from.
const APART: f64 = 5.0;
/// Values below this share of the median are near zero. Compared with the zeros, at most this share is.
const BETWEEN: f64 = 0.05;
/// Fewest steps between zero and the median of values that zero is apart from.
const STEPS: f64 = 20.0;

/// What the training rows of a column hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Training {
    Empty,
    Constant(f32),
    Varies,
}

/// A stored column in numbers, all of the stored numbers.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    /// Number of observed cells.
    pub(super) observed: usize,
    /// First and last row with a value.
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) least: f32,
    pub(super) greatest: f32,
    pub(super) training: Training,
    /// The same for columns with equal cells.
    pub(super) hash: u64,
    /// Whether all numbers in the sample are whole.
    pub(super) whole: bool,
    /// The middle of the typical values and the median distance from it; `None` if there are too few values or all are the same.
    pub(super) typical: Option<(f64, f64)>,
    pub(super) zeros: Zeros,
}

/// The exact zeros of a column, and the values next to zero.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Zeros {
    pub(super) cells: usize,
    /// First row and length of the longest run.
    pub(super) longest: (usize, usize),
    /// Whether the other values are far from zero, all on one side of it.
    pub(super) apart: bool,
}

impl Zeros {
    /// Whether to ask if they mean missing: a single zero is a value like others.
    pub(super) fn is_asked(&self) -> bool {
        self.apart && self.longest.1 >= 2
    }
}

impl Profile {
    pub(super) fn of(data: &Dataset, column: usize, train: &Range<usize>) -> Self {
        let mut p = Self {
            observed: 0,
            first: 0,
            last: 0,
            least: f32::INFINITY,
            greatest: f32::NEG_INFINITY,
            training: Training::Empty,
            hash: data.column_offset(column).to_bits(),
            whole: false,
            typical: None,
            zeros: Zeros::default(),
        };
        let zero_is_zero = data.column_offset(column) == 0.0;
        let mut run = (0, 0);
        for (row, value) in data.column_values(column, 0..data.rows()).enumerate() {
            p.hash = (p.hash ^ u64::from(value.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            if value.is_nan() {
                continue;
            }
            if p.observed == 0 {
                p.first = row;
            }
            (p.observed, p.last) = (p.observed + 1, row);
            (p.least, p.greatest) = (p.least.min(value), p.greatest.max(value));
            if train.contains(&row) {
                p.training = match p.training {
                    Training::Empty => Training::Constant(value),
                    Training::Constant(other) if other == value => p.training,
                    _ => Training::Varies,
                };
            }
            if zero_is_zero && value == 0.0 {
                p.zeros.cells += 1;
                run = if run.1 > 0 { (run.0, run.1 + 1) } else { (row, 1) };
                if run.1 > p.zeros.longest.1 {
                    p.zeros.longest = run;
                }
            } else {
                run.1 = 0;
            }
        }
        if data.is_category(column) && p.observed > 0 {
            // The numbers of categories have no size, and an empty cell is no category.
            let all = data.rows();
            return Self { observed: all, first: 0, last: all.saturating_sub(1), training: Training::Varies, zeros: Zeros::default(), ..p };
        }
        let sample = sample(data, column);
        p.whole = sample.iter().all(|v| v.fract() == 0.0);
        p.typical = typical(&sample);
        p.zeros.apart = p.zeros.cells > 0 && are_apart(&sample, p.zeros.cells as f64 / p.observed as f64);
        p
    }

    pub(super) fn is_constant(&self) -> bool {
        self.observed == 0 || self.least == self.greatest
    }
}

/// Values of rows that are spread over the column, sorted. The rows are irregular, so that they do not all have one time of day.
fn sample(data: &Dataset, column: usize) -> Vec<f32> {
    let every = data.rows().div_ceil(SAMPLE).max(1);
    let jitter = |k: usize| usize::try_from((k as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).unwrap_or(0) % every;
    let rows = (0..data.rows().div_ceil(every)).map(|k| k * every + jitter(k)).filter(|&row| row < data.rows());
    let mut values: Vec<f32> = rows.map(|row| data.column_value(column, row)).filter(|v| !v.is_nan()).collect();
    values.sort_unstable_by(f32::total_cmp);
    values
}

fn median(sorted: &[f32]) -> Option<f64> {
    sorted.get(sorted.len() / 2).map(|&v| f64::from(v))
}

/// The median distance of values from a centre.
fn median_distance(values: &[f32], centre: f64) -> f64 {
    let mut distances: Vec<f64> = values.iter().map(|&v| (f64::from(v) - centre).abs()).collect();
    let middle = distances.len() / 2;
    if distances.is_empty() { 0.0 } else { *distances.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

/// Median and median absolute deviation. If a number is a large part of the values and far from all others (a code, or zeros), they are
/// those of the others. If it is more than half of the values and not far from the others, distances are measured from it.
fn typical(sorted: &[f32]) -> Option<(f64, f64)> {
    if sorted.len() < FEWEST {
        return None;
    }
    let (mode, times) = mode(sorted)?;
    let others = || sorted.iter().copied().filter(move |&v| v != mode);
    if times as f64 >= LARGE * sorted.len() as f64 && sorted.len() - times >= FEWEST {
        let others: Vec<f32> = others().collect();
        let centre = median(&others)?;
        let spread = median_distance(&others, centre);
        let beyond = others.iter().all(|&v| v > mode) || others.iter().all(|&v| v < mode);
        if spread > 0.0 && beyond && (f64::from(mode) - centre).abs() > FAR * spread {
            return Some((centre, spread));
        }
    }
    let centre = median(sorted)?;
    match median_distance(sorted, centre) {
        0.0 => Some((centre, median_distance(&others().collect::<Vec<_>>(), centre))),
        spread => Some((centre, spread)),
    }
}

/// The most frequent number and how often it occurs.
fn mode(sorted: &[f32]) -> Option<(f32, usize)> {
    let runs = sorted.chunk_by(|a, b| a == b);
    let longest = runs.max_by_key(|run| run.len())?;
    Some((longest[0], longest.len()))
}

/// Whether zeros are apart from the other values: zero is many typical distances away from them, hardly any is between, and zero is not
/// just the next smaller step of a count. `share` is the share of zeros.
fn are_apart(sorted: &[f32], share: f64) -> bool {
    let others: Vec<f32> = sorted.iter().copied().filter(|v| *v != 0.0).collect();
    let Some(middle) = median(&others).filter(|_| others.len() >= FEWEST) else { return false };
    let away = middle.abs() >= APART * median_distance(&others, middle);
    let between = others.iter().filter(|&&v| f64::from(v) * middle.signum() < BETWEEN * middle.abs()).count();
    let steps = others.windows(2).map(|pair| f64::from(pair[1]) - f64::from(pair[0]));
    let step = steps.filter(|step| *step > 0.0).fold(f64::INFINITY, f64::min);
    away && between as f64 <= BETWEEN * share * sorted.len() as f64 && middle.abs() >= STEPS * step
}
