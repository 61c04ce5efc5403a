//! A distribution given by quantiles, and the prediction of any head for one value.

use crate::forecast::mixture::MixtureError;
use crate::forecast::predictive::{Point, Predictive};
use crate::forecast::transform::TargetDistribution;
use crate::random::SampleKey;

/// A distribution given by its quantiles at a few levels. The quantile function is linear between the levels and constant outside, so the
/// lowest and the highest quantile carry a point mass. Crossing quantiles are sorted (sorting never increases the pinball loss: V.
/// Chernozhukov, I. Fernandez-Val and A. Galichon, "Quantile and probability curves without crossing", Econometrica 78, 2010).
///
/// It has no density, so no NLL, and no interval beyond its outermost levels.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    /// (level, quantile), both ascending; at least one.
    knots: Vec<(f64, f64)>,
}

impl Quantiles {
    /// A distribution from values at ascending levels. The values are sorted.
    ///
    /// # Errors
    /// Fails if there are no values, if the lengths differ, or if a value is not finite.
    pub fn new(levels: &[f64], values: &[f64]) -> Result<Self, MixtureError> {
        if values.is_empty() || levels.len() != values.len() {
            return Err(MixtureError::Empty);
        }
        if let Some(component) = values.iter().position(|v| !v.is_finite()) {
            return Err(MixtureError::Value { what: "quantile", component, value: values[component] });
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Ok(Self { knots: levels.iter().copied().zip(sorted).collect() })
    }

    /// Segments of the quantile function: (from level, to level, from value, to value).
    fn pieces(&self) -> impl Iterator<Item = (f64, f64, f64, f64)> + '_ {
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        let between = self.knots.windows(2).map(|k| (k[0].0, k[1].0, k[0].1, k[1].1));
        std::iter::once((0.0, first.0, first.1, first.1)).chain(between).chain(std::iter::once((last.0, 1.0, last.1, last.1)))
    }

    /// Integral of `f(level, quantile)` over the levels. `f` is at most cubic on each segment, where Simpson's rule is exact.
    fn integral(&self, f: impl Fn(f64, f64) -> f64) -> f64 {
        self.pieces().map(|piece| simpson(piece, &f)).sum()
    }
}

fn simpson((p, q, low, high): (f64, f64, f64, f64), f: &impl Fn(f64, f64) -> f64) -> f64 {
    (q - p) / 6.0 * (f(p, low) + 4.0 * f(0.5 * (p + q), 0.5 * (low + high)) + f(q, high))
}

impl Predictive for Quantiles {
    fn mean(&self) -> f64 {
        self.integral(|_, v| v)
    }

    fn std(&self) -> f64 {
        let mean = self.mean();
        self.integral(|_, v| (v - mean) * (v - mean)).max(0.0).sqrt()
    }

    fn quantile(&self, p: f64) -> f64 {
        let inside = self.pieces().find(|piece| p <= piece.1);
        inside.map_or(self.knots[self.knots.len() - 1].1, |(from, to, low, high)| {
            if high > low { low + (high - low) * ((p - from) / (to - from)).clamp(0.0, 1.0) } else { low }
        })
    }

    /// Twice the pinball loss integrated over all levels. The segment in which the quantile function crosses `y` is split there.
    fn crps(&self, y: f64) -> f64 {
        let loss = |below: bool, p: f64, v: f64| if below { (p - 1.0) * (y - v) } else { p * (y - v) };
        let piece = |(p, q, low, high): (f64, f64, f64, f64)| {
            if y <= low {
                return simpson((p, q, low, high), &|p, v| loss(true, p, v));
            }
            if y >= high {
                return simpson((p, q, low, high), &|p, v| loss(false, p, v));
            }
            let cut = p + (q - p) * (y - low) / (high - low);
            simpson((p, cut, low, y), &|p, v| loss(false, p, v)) + simpson((cut, q, y, high), &|p, v| loss(true, p, v))
        };
        2.0 * self.pieces().map(piece).sum::<f64>()
    }

    fn nll(&self, _y: f64) -> Option<f64> {
        None
    }

    fn covers(&self, y: f64, central: f64) -> Option<bool> {
        // The tolerance allows for rounding in 1 - (1 - c) / 2, so that an interval that ends exactly at the levels is found.
        let tail = 0.5 * (1.0 - central);
        let known = self.knots[0].0 <= tail + 1e-9 && self.knots[self.knots.len() - 1].0 >= 1.0 - tail - 1e-9;
        known.then(|| y >= self.quantile(tail) && y <= self.quantile(1.0 - tail))
    }
}

/// The prediction of a model for one value, in original units.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicted {
    /// A mixture of normal distributions.
    Mixture(TargetDistribution),
    /// Quantiles.
    Quantiles(Quantiles),
    /// A single value.
    Point(Point),
}

impl Predicted {
    fn as_predictive(&self) -> &dyn Predictive {
        match self {
            Self::Mixture(p) => p,
            Self::Quantiles(p) => p,
            Self::Point(p) => p,
        }
    }

    /// The random value for a key; for a point forecast, the point.
    #[must_use]
    pub fn sample(&self, key: SampleKey) -> f64 {
        match self {
            Self::Mixture(p) => p.sample(key),
            Self::Quantiles(p) => p.quantile(key.stream().uniform()),
            Self::Point(p) => p.0,
        }
    }
}

impl Predictive for Predicted {
    fn mean(&self) -> f64 {
        self.as_predictive().mean()
    }

    fn std(&self) -> f64 {
        self.as_predictive().std()
    }

    fn quantile(&self, p: f64) -> f64 {
        self.as_predictive().quantile(p)
    }

    fn crps(&self, y: f64) -> f64 {
        self.as_predictive().crps(y)
    }

    fn nll(&self, y: f64) -> Option<f64> {
        self.as_predictive().nll(y)
    }

    fn covers(&self, y: f64, central: f64) -> Option<bool> {
        self.as_predictive().covers(y, central)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantiles() -> Quantiles {
        Quantiles::new(&[0.1, 0.5, 0.75], &[4.0, 2.0, 3.0]).expect("finite values")
    }

    #[test]
    fn crossing_quantiles_are_sorted_and_interpolated() {
        let q = quantiles();
        let found = [0.01, 0.1, 0.3, 0.5, 0.625, 0.75, 0.99].map(|p| q.quantile(p));
        for (found, expected) in found.into_iter().zip([2.0, 2.0, 2.5, 3.0, 3.5, 4.0, 4.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
    }

    /// Compares with midpoint sums over many levels.
    #[test]
    fn moments_and_crps_are_integrals_over_the_levels() {
        let q = quantiles();
        let n = 200_000;
        let levels = || (0..n).map(|i| (f64::from(i) + 0.5) / f64::from(n));
        let mean = |f: &dyn Fn(f64) -> f64| levels().map(f).sum::<f64>() / f64::from(n);
        assert!((q.mean() - mean(&|p| q.quantile(p))).abs() < 1e-8);
        let centre = q.mean();
        assert!((q.std() - mean(&|p| (q.quantile(p) - centre).powi(2)).sqrt()).abs() < 1e-8);
        for y in [1.0, 2.0, 2.2, 3.7, 4.0, 6.0] {
            let sum = 2.0 * mean(&|p| crate::forecast::metrics::pinball(p, q.quantile(p), y));
            assert!((q.crps(y) - sum).abs() < 1e-8, "at {y}: {} instead of {sum}", q.crps(y));
        }
    }

    #[test]
    fn intervals_end_at_the_levels() {
        let q = Quantiles::new(&[0.05, 0.5, 0.95], &[1.0, 2.0, 3.0]).expect("finite values");
        assert_eq!(q.covers(1.5, 0.9), Some(true));
        assert_eq!(q.covers(3.5, 0.9), Some(false));
        assert_eq!(q.covers(1.5, 0.95), None);
        assert_eq!(q.nll(1.5), None);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert!(Quantiles::new(&[0.5], &[f64::NAN]).is_err());
        assert!(Quantiles::new(&[], &[]).is_err());
    }
}
