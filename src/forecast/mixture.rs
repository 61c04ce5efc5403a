//! Mixtures of normal distributions, in f64.

use crate::forecast::normal;
use crate::random::SampleKey;
use thiserror::Error;

/// ln(2 pi) / 2.
const HALF_LN_2PI: f64 = 0.918_938_533_204_672_8;

/// One normal distribution of a mixture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Component {
    /// Weight in [0, 1]; all weights sum to 1.
    pub weight: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, positive.
    pub std: f64,
}

impl Component {
    fn z(&self, x: f64) -> f64 {
        (x - self.mean) / self.std
    }
}

/// A mixture of K normal distributions: F(x) = sum_k w_k Phi((x - m_k) / s_k).
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    components: Vec<Component>,
}

/// Errors of a mixture.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MixtureError {
    /// The mixture has no component.
    #[error("a mixture needs at least one component")]
    Empty,
    /// The decoder's three vectors have different lengths.
    #[error("a mixture needs as many means ({mean}) as log deviations ({log_std}) and logits ({logit})")]
    Lengths {
        /// Number of means.
        mean: usize,
        /// Number of log deviations.
        log_std: usize,
        /// Number of logits.
        logit: usize,
    },
    /// A value is not finite, or out of its range.
    #[error("{what} of mixture component {component} is not valid: {value}")]
    Value {
        /// "mean", "deviation", "logit" or "weight".
        what: &'static str,
        /// Index of the component.
        component: usize,
        /// The value found.
        value: f64,
    },
}

impl Mixture {
    /// A mixture from the decoder's output for one (window, step, target): `mean`, `log_std`, `logit`, each `[K]`. The weights are the
    /// softmax of the logits.
    pub fn from_decoder(mean: &[f32], log_std: &[f32], logit: &[f32]) -> Result<Self, MixtureError> {
        if mean.len() != log_std.len() || mean.len() != logit.len() {
            return Err(MixtureError::Lengths { mean: mean.len(), log_std: log_std.len(), logit: logit.len() });
        }
        if let Some(component) = logit.iter().position(|l| !l.is_finite()) {
            return Err(MixtureError::Value { what: "logit", component, value: f64::from(logit[component]) });
        }
        let largest = logit.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let parts = mean.iter().zip(log_std).zip(logit).map(|((&mean, &log_std), &logit)| Component {
            weight: (f64::from(logit) - f64::from(largest)).exp(),
            mean: f64::from(mean),
            std: f64::from(log_std).exp(),
        });
        Self::new(parts.collect())
    }

    /// A mixture of components `[K]`. The weights are divided by their sum.
    pub fn new(mut components: Vec<Component>) -> Result<Self, MixtureError> {
        if components.is_empty() {
            return Err(MixtureError::Empty);
        }
        for (component, c) in components.iter().enumerate() {
            let checks = [
                ("mean", c.mean, c.mean.is_finite()),
                ("deviation", c.std, c.std.is_finite() && c.std > 0.0),
                ("weight", c.weight, c.weight.is_finite() && c.weight >= 0.0),
            ];
            if let Some(&(what, value, _)) = checks.iter().find(|check| !check.2) {
                return Err(MixtureError::Value { what, component, value });
            }
        }
        let total: f64 = components.iter().map(|c| c.weight).sum();
        if !(total.is_finite() && total > 0.0) {
            return Err(MixtureError::Value { what: "weight", component: 0, value: total });
        }
        components.iter_mut().for_each(|c| c.weight /= total);
        Ok(Self { components })
    }

    /// The components.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// The distribution of shift + scale X, scale > 0.
    #[must_use]
    pub fn affine(mut self, scale: f64, shift: f64) -> Self {
        debug_assert!(scale > 0.0, "scale {scale} of a mixture is not positive");
        for c in &mut self.components {
            c.mean = shift + scale * c.mean;
            c.std *= scale;
        }
        self
    }

    fn weighted(&self, f: impl Fn(&Component) -> f64) -> f64 {
        self.components.iter().map(|c| c.weight * f(c)).sum()
    }

    /// Mean.
    pub fn mean(&self) -> f64 {
        self.weighted(|c| c.mean)
    }

    /// Standard deviation.
    pub fn std(&self) -> f64 {
        let mean = self.mean();
        self.weighted(|c| c.std * c.std + (c.mean - mean).powi(2)).sqrt()
    }

    /// Distribution function.
    pub fn cdf(&self, x: f64) -> f64 {
        self.weighted(|c| normal::cdf(c.z(x))).min(1.0)
    }

    /// Density.
    pub fn pdf(&self, x: f64) -> f64 {
        self.weighted(|c| normal::pdf(c.z(x)) / c.std)
    }

    /// Logarithm of the density, by log-sum-exp. Finite in the far tails, where the density itself underflows to 0 in f64.
    pub fn log_pdf(&self, x: f64) -> f64 {
        let term = |c: &Component| c.weight.ln() - c.std.ln() - HALF_LN_2PI - 0.5 * c.z(x).powi(2);
        let largest = self.components.iter().map(term).fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        largest + self.components.iter().map(|c| (term(c) - largest).exp()).sum::<f64>().ln()
    }

    /// Negative log-likelihood of `y`, in nats.
    pub fn nll(&self, y: f64) -> f64 {
        -self.log_pdf(y)
    }

    /// An interval that contains the p-quantile. This quantile is between the smallest and the largest p-quantile of the components, and
    /// the p-quantile of a normal distribution is at most sqrt(-2 ln(2 min(p, 1 - p))) standard deviations from its mean (Chernoff), on the
    /// side of p.
    fn bracket(&self, p: f64) -> (f64, f64) {
        let reach = (-2.0 * (2.0 * p.min(1.0 - p)).ln()).max(0.0).sqrt() * (1.0 + 1e-12);
        let (below, above) = if p < 0.5 { (reach, 0.0) } else { (0.0, reach) };
        let parts = self.components.iter().filter(|c| c.weight > 0.0);
        parts.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), c| (low.min(c.mean - below * c.std), high.max(c.mean + above * c.std)))
    }

    /// The p-quantile: the x with F(x) = p.
    ///
    /// Uses a Newton step if it stays inside the bracket and the bracket keeps halving, otherwise bisection. Stops if |F(x) - p| is at most
    /// 1e-12 min(p, 1 - p), or at most 2^-51 for p > 0.5 (rounding of F near 1), or if the bracket is at most 1e-12 times the smallest
    /// standard deviation, or one rounding step of x. So quantiles at levels that differ by more than 1e-11 are in order, regardless of the
    /// width and distance of the components. Returns -infinity for p <= 0 and infinity for p >= 1.
    pub fn quantile(&self, p: f64) -> f64 {
        if !(p > 0.0 && p < 1.0) {
            return if p.is_nan() {
                f64::NAN
            } else if p <= 0.0 {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            };
        }
        let (low, high) = self.bracket(p);
        self.solve(p, low, high)
    }

    /// Quantiles at `levels`, each identical to [`Mixture::quantile`].
    pub fn quantiles(&self, levels: &[f64]) -> Vec<f64> {
        levels.iter().map(|&p| self.quantile(p)).collect()
    }

    fn solve(&self, p: f64, mut low: f64, mut high: f64) -> f64 {
        let narrowest = self.components.iter().map(|c| c.std).fold(f64::INFINITY, f64::min);
        let residual = (1e-12 * p.min(1.0 - p)).max(if p > 0.5 { 2f64.powi(-51) } else { 0.0 });
        // The initial value is the quantile of the normal distribution with the same moments, from Tukey's lambda distribution (error about
        // 0.005).
        let z = (p.powf(0.135) - (1.0 - p).powf(0.135)) / 0.1975;
        let mut x = (self.mean() + z * self.std()).clamp(low, high);
        let mut width = high - low;
        for _ in 0..256 {
            let excess = self.cdf(x) - p;
            if excess.abs() <= residual {
                return x;
            }
            if excess > 0.0 {
                high = x
            } else {
                low = x
            }
            let middle = low + 0.5 * (high - low);
            if high - low <= 1e-12 * narrowest || middle <= low || middle >= high {
                return middle;
            }
            let newton = x - excess / self.pdf(x);
            // Newton steps may shrink the bracket on one side only. After two steps that do not halve it, bisect.
            let useful = newton > low && newton < high && (newton - x).abs() < 0.5 * width;
            width = if useful { (newton - x).abs() } else { high - low };
            x = if useful { newton } else { middle };
        }
        x
    }

    /// The random value for a key: selects a component by weight, then draws a normal value.
    pub fn sample(&self, key: SampleKey) -> f64 {
        let mut stream = key.stream();
        let mut left = stream.uniform();
        let normal = stream.normal();
        let mut chosen = &self.components[0];
        for c in self.components.iter().filter(|c| c.weight > 0.0) {
            chosen = c;
            left -= c.weight;
            if left < 0.0 {
                break;
            }
        }
        chosen.mean + chosen.std * normal
    }

    /// Continuous ranked probability score, integral of (F(x) - 1{x >= y})^2, in closed form:
    ///
    /// sum_i w_i A(y - m_i, s_i^2) - 1/2 sum_ij w_i w_j A(m_i - m_j, s_i^2 + s_j^2),
    /// A(m, s^2) = E|N(m, s^2)| = 2 s phi(m/s) + m (2 Phi(m/s) - 1)
    ///
    /// (E. P. Grimit, T. Gneiting, V. J. Berrocal and N. A. Johnson, "The continuous ranked probability score for circular
    /// variables and its application to mesoscale forecast ensemble verification", Q. J. R. Meteorol. Soc. 132 (2006), eq. 5).
    pub fn crps(&self, y: f64) -> f64 {
        let to_value = self.weighted(|c| mean_absolute(y - c.mean, c.std));
        let mut between = 0.0;
        for (i, a) in self.components.iter().enumerate() {
            between += 0.5 * a.weight * a.weight * mean_absolute(0.0, a.std * std::f64::consts::SQRT_2);
            for b in &self.components[..i] {
                between += a.weight * b.weight * mean_absolute(a.mean - b.mean, a.std.hypot(b.std));
            }
        }
        to_value - between
    }
}

/// E|X| for X ~ N(mean, std^2).
fn mean_absolute(mean: f64, std: f64) -> f64 {
    let z = mean / std;
    2.0 * std * normal::pdf(z) + mean * (2.0 * normal::cdf(z) - 1.0)
}

#[cfg(test)]
#[path = "mixture_tests.rs"]
mod tests;
