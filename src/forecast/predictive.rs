//! The interface of a forecast of one value, for scores and tables.

/// A forecast of one value, in original units: a distribution or a point.
pub trait Predictive {
    /// Mean.
    fn mean(&self) -> f64;

    /// Standard deviation.
    fn std(&self) -> f64;

    /// The p-quantile, 0 < p < 1.
    fn quantile(&self, p: f64) -> f64;

    /// Continuous ranked probability score of the value `y`.
    fn crps(&self, y: f64) -> f64;

    /// Negative log-likelihood of the value `y` in nats; `None` if the forecast has no density.
    fn nll(&self, y: f64) -> Option<f64>;

    /// Whether `y` is in the central interval with nominal coverage `central`, ends included; `None` if the forecast has no intervals.
    fn covers(&self, y: f64, central: f64) -> Option<bool> {
        let tail = 0.5 * (1.0 - central);
        Some(y >= self.quantile(tail) && y <= self.quantile(1.0 - tail))
    }
}

/// A point forecast: all quantiles equal the point, and the CRPS is the absolute error. It has no density and no intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point(pub f64);

impl Predictive for Point {
    fn mean(&self) -> f64 {
        self.0
    }

    fn std(&self) -> f64 {
        0.0
    }

    fn quantile(&self, _p: f64) -> f64 {
        self.0
    }

    fn crps(&self, y: f64) -> f64 {
        (y - self.0).abs()
    }

    fn nll(&self, _y: f64) -> Option<f64> {
        None
    }

    fn covers(&self, _y: f64, _central: f64) -> Option<bool> {
        None
    }
}
