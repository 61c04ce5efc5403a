//! The empirical distribution of a set of values.

use crate::forecast::predictive::Predictive;
use crate::numbers::to_f32;

/// The empirical distribution of n values, with mass 1/n on each.
///
/// Quantiles interpolate linearly between order statistics, at position (n - 1) p (numpy's default, type 7 of R. J. Hyndman and Y. Fan,
/// 1996). The CRPS is that of the step function.
#[derive(Debug, Clone, PartialEq)]
pub struct Empirical {
    /// What was subtracted from the values; the fields below are of the differences.
    offset: f64,
    /// Ascending, `[n]`.
    sorted: Vec<f32>,
    /// Element i is the sum of the first [`SPACING`] * i values. Sums in between continue from there in the same order, so they are
    /// bit-identical.
    partial_sums: Vec<f64>,
    sum: f64,
    std: f64,
    /// Half the mean distance between two of the values.
    half_spread: f64,
}

/// Number of values between two stored partial sums.
const SPACING: usize = 64;

impl Empirical {
    /// The distribution of the finite values in `values`; `None` if there are none. The values are held as f32 after subtracting `offset`,
    /// because a copy of them in f64 would take twice the memory of the data.
    pub fn new(values: impl IntoIterator<Item = f64>, offset: f64) -> Option<Self> {
        let values = values.into_iter().map(|v| to_f32(v - offset));
        // Reserve the upper bound: a vector that grows by doubling would hold too much memory, or be copied.
        let mut sorted = Vec::with_capacity(values.size_hint().1.unwrap_or(0));
        sorted.extend(values.filter(|v| v.is_finite()));
        sorted.shrink_to_fit();
        if sorted.is_empty() {
            return None;
        }
        // The unstable sort needs no extra memory. Equal values have identical bits, so their order does not matter.
        sorted.sort_unstable_by(f32::total_cmp);
        let n = sorted.len() as f64;
        let mut partial_sums = Vec::with_capacity(sorted.len().div_ceil(SPACING));
        let mut sum = 0.0;
        for values in sorted.chunks(SPACING) {
            partial_sums.push(sum);
            values.iter().for_each(|&v| sum += f64::from(v));
        }
        let mean = sum / n;
        let squares: f64 = sorted.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
        // sum_{i<j} (x_j - x_i) = sum_i (2 i + 1 - n) x_i for ascending x, i from 0. Values are taken relative to the mean, to reduce
        // cancellation.
        let pairs: f64 = (0_u32..).zip(&sorted).map(|(i, &v)| (2.0 * f64::from(i) + 1.0 - n) * (f64::from(v) - mean)).sum();
        Some(Self { offset, std: (squares / n).sqrt(), half_spread: pairs / (n * n), sorted, partial_sums, sum })
    }

    /// Sum of the `n` smallest values.
    fn sum_of_first(&self, n: usize) -> f64 {
        let whole = (n / SPACING).min(self.partial_sums.len() - 1);
        self.sorted[whole * SPACING..n].iter().fold(self.partial_sums[whole], |sum, &v| sum + f64::from(v))
    }

    /// Number of values.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }
}

impl Predictive for Empirical {
    fn mean(&self) -> f64 {
        self.offset + self.sum / self.count() as f64
    }

    fn std(&self) -> f64 {
        self.std
    }

    fn quantile(&self, p: f64) -> f64 {
        let position = (self.count() - 1) as f64 * p.clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, reason = "0 <= position <= count - 1")]
        let below = position as usize;
        let above = (below + 1).min(self.count() - 1);
        let (low, high) = (f64::from(self.sorted[below]), f64::from(self.sorted[above]));
        self.offset + (low + (position - below as f64) * (high - low))
    }

    /// mean_i |x_i - y| - 1/2 mean_ij |x_i - x_j|.
    fn crps(&self, y: f64) -> f64 {
        let (n, y) = (self.count(), y - self.offset);
        let below = self.sorted.partition_point(|&v| f64::from(v) <= y);
        let sum_below = self.sum_of_first(below);
        let sum_above = self.sum - sum_below;
        let distance = y * below as f64 - sum_below + sum_above - y * (n - below) as f64;
        distance / n as f64 - self.half_spread
    }

    fn nll(&self, _y: f64) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn quantiles_follow_numpy() {
        let e = Empirical::new([4.0, 1.0, f64::NAN, 2.0, 8.0], 0.0).expect("four values");
        // numpy.quantile([1, 2, 4, 8], [0, .1, .25, .5, .9, 1])
        for (p, expected) in [(0.0, 1.0), (0.1, 1.3), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((e.quantile(p) - expected).abs() < 1e-12, "p = {p}: {}", e.quantile(p));
        }
        assert_eq!((e.count(), e.mean()), (4, 3.75));
        assert!((e.std() - 2.680_951_323_690_902).abs() < 1e-12);
        assert!(Empirical::new([f64::NAN, f64::INFINITY], 0.0).is_none());
    }

    #[test]
    fn crps_matches_the_double_sum() {
        let mut stream = Stream::new(3);
        #[expect(clippy::cast_possible_truncation, reason = "test data is f32")]
        let values: Vec<f32> = (0..157).map(|_| (100.0 + stream.normal()) as f32).collect();
        let e = Empirical::new(values.iter().map(|&v| f64::from(v)), 0.0).expect("values");
        let n = values.len() as f64;
        for y in [90.0, 99.3, 100.0, 101.2, f64::from(values[5]), 130.0] {
            let distance: f64 = values.iter().map(|&v| (f64::from(v) - y).abs()).sum::<f64>() / n;
            let spread: f64 = values.iter().flat_map(|a| values.iter().map(move |b| f64::from((a - b).abs()))).sum::<f64>() / (n * n);
            let brute = distance - 0.5 * spread;
            assert!((e.crps(y) - brute).abs() < 1e-6 * brute, "y = {y}: {} against {brute}", e.crps(y));
        }
    }

    #[test]
    fn an_offset_moves_the_distribution() {
        let (offset, values) = (6.78e9, [4.0, 1.0, 2.5, 8.0]);
        let near = Empirical::new(values, 0.0).expect("values");
        let far = Empirical::new(values.map(|v| offset + v), offset).expect("values");
        assert_eq!((far.mean(), far.std()), (offset + near.mean(), near.std()));
        for p in [0.1, 0.5, 0.7] {
            assert!((far.quantile(p) - offset - near.quantile(p)).abs() < 1e-6);
        }
        for y in [0.0, 2.0, 3.25, 9.0] {
            assert!((far.crps(offset + y) - near.crps(y)).abs() < 1e-6);
            assert_eq!(far.covers(offset + y, 0.5), near.covers(y, 0.5));
        }
    }

    #[test]
    fn intervals_are_inclusive() {
        let e = Empirical::new([0.0, 0.0, 0.0, 1.0], 0.0).expect("values");
        assert_eq!(e.covers(0.0, 0.5), Some(true));
        assert_eq!(e.covers(0.9, 0.5), Some(false));
        assert_eq!(e.covers(0.3, 0.9), Some(true));
    }
}
