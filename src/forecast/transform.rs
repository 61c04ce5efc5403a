//! The only conversion from standardised values to original units: x = clip(link(mean + std z), lower, upper).
//!
//! The mixture of the model is a distribution of z. Mean, quantiles, samples, CRPS and NLL of x all use [`TargetDistribution`]; no code
//! outside this file depends on the relation between x and z.

use crate::forecast::mixture::{Component, Mixture};
use crate::forecast::normal;
use crate::forecast::predictive::Predictive;
use crate::forecast::quadrature;
use crate::random::SampleKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A smooth increasing map from the latent scale, on which the mixture of the model is defined, to original units.
///
/// A new variant (logarithm, logit) needs new arms in the methods below and in the moments of [`TargetDistribution`], which have a closed
/// form per link. All other code uses only the methods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Link {
    /// x = v.
    #[default]
    Identity,
}

impl Link {
    /// The original value for the latent value `v`.
    pub fn forward(self, v: f64) -> f64 {
        match self {
            Link::Identity => v,
        }
    }

    /// The latent value for the original value `x`; NaN outside the range of the link.
    pub fn inverse(self, x: f64) -> f64 {
        match self {
            Link::Identity => x,
        }
    }

    /// ln(dx/dv) at the latent value `v`.
    pub fn log_slope(self, _v: f64) -> f64 {
        match self {
            Link::Identity => 0.0,
        }
    }
}

/// The conversion of one target from standardised values to original units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct TargetTransform {
    mean: f64,
    std: f64,
    lower: Option<f64>,
    upper: Option<f64>,
    link: Link,
}

/// The serialised form, validated when it is read.
#[derive(Serialize, Deserialize)]
struct Fields {
    mean: f64,
    std: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lower: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upper: Option<f64>,
    #[serde(default)]
    link: Link,
}

impl TryFrom<Fields> for TargetTransform {
    type Error = TransformError;

    fn try_from(f: Fields) -> Result<Self, TransformError> {
        Self::new(f.mean, f.std, f.lower, f.upper)?.with_link(f.link)
    }
}

impl From<TargetTransform> for Fields {
    fn from(t: TargetTransform) -> Self {
        Self { mean: t.mean, std: t.std, lower: t.lower, upper: t.upper, link: t.link }
    }
}

/// Errors of a transform.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TransformError {
    /// Mean or standard deviation is not finite, or the standard deviation is not positive.
    #[error("a target needs a finite mean and a positive standard deviation, found {mean} and {std}")]
    Scale {
        /// The mean found.
        mean: f64,
        /// The standard deviation found.
        std: f64,
    },
    /// A bound is not finite, or the lower bound is not below the upper bound.
    #[error("bounds must be finite with lower < upper, found {lower:?} and {upper:?}: omit a bound that does not exist")]
    Bounds {
        /// The lower bound found.
        lower: Option<f64>,
        /// The upper bound found.
        upper: Option<f64>,
    },
    /// A bound is outside the range of the link.
    #[error("the bound {bound} is outside the range of the link {link:?}")]
    OutsideLink {
        /// The bound.
        bound: f64,
        /// The link.
        link: Link,
    },
}

impl TargetTransform {
    /// The affine transform with `mean` and `std` of the training part (both on the latent scale of the link), clipped to the given bounds
    /// (original units).
    pub fn new(mean: f64, std: f64, lower: Option<f64>, upper: Option<f64>) -> Result<Self, TransformError> {
        if !(mean.is_finite() && std.is_finite() && std > 0.0) {
            return Err(TransformError::Scale { mean, std });
        }
        let finite = [lower, upper].into_iter().flatten().all(f64::is_finite);
        let ordered = lower.zip(upper).is_none_or(|(l, u)| l < u);
        if !(finite && ordered) {
            return Err(TransformError::Bounds { lower, upper });
        }
        Ok(Self { mean, std, lower, upper, link: Link::Identity })
    }

    /// The same scale and bounds with another link.
    pub fn with_link(self, link: Link) -> Result<Self, TransformError> {
        let bounds = [self.lower, self.upper].into_iter().flatten();
        match bounds.into_iter().find(|&bound| !link.inverse(bound).is_finite()) {
            Some(bound) => Err(TransformError::OutsideLink { bound, link }),
            None => Ok(Self { link, ..self }),
        }
    }

    /// Standard deviation of the training part, on the latent scale of the link.
    pub fn std(&self) -> f64 {
        self.std
    }

    /// Mean of the training part, on the latent scale of the link.
    pub fn center(&self) -> f64 {
        self.mean
    }

    /// Lower and upper bound in original units.
    pub fn bounds(&self) -> (Option<f64>, Option<f64>) {
        (self.lower, self.upper)
    }

    /// The original value, clipped, for the standardised value `z`.
    pub fn to_original(&self, z: f64) -> f64 {
        self.clip(self.link.forward(self.mean + self.std * z))
    }

    /// The standardised value for the original value `x`. It is not clipped: bounds apply to forecasts, not to data.
    pub fn to_standard(&self, x: f64) -> f64 {
        (self.link.inverse(x) - self.mean) / self.std
    }

    /// Clips `x` (original units) to the bounds.
    pub fn clip(&self, x: f64) -> f64 {
        let above = self.lower.map_or(x, |l| x.max(l));
        self.upper.map_or(above, |u| above.min(u))
    }

    /// The distribution in original units of a target whose standardised value has the distribution `standardised`.
    pub fn distribution(&self, standardised: Mixture) -> TargetDistribution {
        TargetDistribution { latent: standardised.affine(self.std, self.mean), transform: *self }
    }
}

/// The distribution of a forecast in original units: a mixture of normal distributions, mapped by the link and clipped to the bounds.
///
/// Each bound carries a point mass. Quantiles, samples, mean, standard deviation, CRPS and intervals are those of the clipped distribution.
/// Only the NLL is that of the distribution before clipping: a density and a probability are not comparable, and the model was trained on
/// the unclipped density.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetDistribution {
    /// Distribution of the latent value: original units without link and bounds.
    latent: Mixture,
    transform: TargetTransform,
}

/// Beyond this many standard deviations from its mean, a component contributes less than 1e-22 to an integral of F^2 or (1 - F)^2.
const REACH: f64 = 7.0;

impl TargetDistribution {
    /// The distribution before link and bounds.
    pub fn latent(&self) -> &Mixture {
        &self.latent
    }

    /// P(X <= x), including the steps at the bounds.
    pub fn cdf(&self, x: f64) -> f64 {
        let t = &self.transform;
        if t.lower.is_some_and(|l| x < l) {
            0.0
        } else if t.upper.is_some_and(|u| x >= u) {
            1.0
        } else {
            self.latent.cdf(t.link.inverse(x))
        }
    }

    /// P(X < x).
    fn cdf_below(&self, x: f64) -> f64 {
        let t = &self.transform;
        if t.lower.is_some_and(|l| x <= l) {
            0.0
        } else if t.upper.is_some_and(|u| x > u) {
            1.0
        } else {
            self.latent.cdf(t.link.inverse(x))
        }
    }

    /// The random value for a key.
    pub fn sample(&self, key: SampleKey) -> f64 {
        self.transform.clip(self.transform.link.forward(self.latent.sample(key)))
    }

    /// Sum over components of weight times `f`.
    fn weighted(&self, f: impl Fn(&Component) -> f64) -> f64 {
        self.latent.components().iter().map(|c| c.weight * f(c)).sum()
    }

    /// The CRPS, by integrating (F - 1{x >= y})^2 dx over the latent scale between the bounds. If `y` is outside a bound, its distance from
    /// the bound is added. The absolute tolerance is 1e-9 of the standard deviation, or of the distance between the bounds if that is
    /// smaller.
    fn crps_numeric(&self, y: f64) -> f64 {
        let t = &self.transform;
        let outside = (y - t.clip(y)).abs();
        let latent_y = t.link.inverse(t.clip(y));
        let bound = |b: Option<f64>, other: f64| b.map_or(other, |b| t.link.inverse(b));
        let ends = |sign: f64| self.latent.components().iter().map(move |c| c.mean + sign * REACH * c.std);
        let low = bound(t.lower, ends(-1.0).fold(latent_y, f64::min));
        let high = bound(t.upper, ends(1.0).fold(latent_y, f64::max));
        let mut points = vec![low, latent_y, high];
        for c in self.latent.components() {
            points.extend([-REACH, -2.0, 0.0, 2.0, REACH].map(|z| c.mean + z * c.std));
        }
        points.retain(|&v| v >= low && v <= high);
        points.sort_by(f64::total_cmp);
        let tolerance = 1e-9 * self.latent.std().min(high - low);
        let integrand = |v: f64| {
            let excess = self.latent.cdf(v) - if v >= latent_y { 1.0 } else { 0.0 };
            excess * excess * t.link.log_slope(v).exp()
        };
        outside + quadrature::integrate(integrand, &points, tolerance)
    }

    /// Whether the mass beyond the bounds is too small to change a score: `F^2` beyond them is below 1e-14.
    fn bounds_do_not_bite(&self, y: f64) -> bool {
        let t = &self.transform;
        let inside = t.clip(y) == y;
        let below = t.lower.map_or(0.0, |l| self.latent.cdf(t.link.inverse(l)));
        let above = t.upper.map_or(0.0, |u| 1.0 - self.latent.cdf(t.link.inverse(u)));
        inside && below < 1e-7 && above < 1e-7
    }
}

impl Predictive for TargetDistribution {
    fn mean(&self) -> f64 {
        match self.transform.link {
            Link::Identity => match self.transform.bounds() {
                (None, None) => self.latent.mean(),
                (lower, upper) => self.weighted(|c| censored_moments(c, lower, upper, 0.0).0),
            },
        }
    }

    fn std(&self) -> f64 {
        match self.transform.link {
            Link::Identity => match self.transform.bounds() {
                (None, None) => self.latent.std(),
                (lower, upper) => {
                    let mean = self.mean();
                    self.weighted(|c| censored_moments(c, lower, upper, mean).1).max(0.0).sqrt()
                }
            },
        }
    }

    fn quantile(&self, p: f64) -> f64 {
        self.transform.clip(self.transform.link.forward(self.latent.quantile(p)))
    }

    /// The closed form if the link is the identity and the bounds cut off nothing, otherwise by integration.
    fn crps(&self, y: f64) -> f64 {
        match self.transform.link {
            Link::Identity if self.bounds_do_not_bite(y) => self.latent.crps(y),
            Link::Identity => self.crps_numeric(y),
        }
    }

    /// NLL of the distribution before clipping: -ln f(v) + ln(dx/dv) with the latent value v; infinite outside the range of the link.
    fn nll(&self, y: f64) -> Option<f64> {
        let latent_y = self.transform.link.inverse(y);
        if latent_y.is_nan() {
            return Some(f64::INFINITY);
        }
        Some(self.latent.nll(latent_y) + self.transform.link.log_slope(latent_y))
    }

    /// Uses the distribution function: y is at or above the a-quantile if P(X <= y) >= a, and at or below the b-quantile if P(X < y) <= b.
    /// So a value on a bound is covered if the interval reaches that bound.
    fn covers(&self, y: f64, central: f64) -> Option<bool> {
        let tail = 0.5 * (1.0 - central);
        Some(self.cdf(y) >= tail && self.cdf_below(y) <= 1.0 - tail)
    }
}

/// First and second moment about `about` of a normal variable clipped to the bounds (a doubly censored normal). With `a = (l - m)/s`,
/// `b = (u - m)/s` and l, u, m relative to `about`:
///
/// E X = l Phi(a) + u (1 - Phi(b)) + m (Phi(b) - Phi(a)) + s (phi(a) - phi(b)),
/// E X^2 = l^2 Phi(a) + u^2 (1 - Phi(b)) + (m^2 + s^2)(Phi(b) - Phi(a)) + 2 m s (phi(a) - phi(b)) + s^2 (a phi(a) - b phi(b))
///
/// (N. L. Johnson, S. Kotz and N. Balakrishnan, Continuous Univariate Distributions 1, 1994, section 13.10).
fn censored_moments(c: &Component, lower: Option<f64>, upper: Option<f64>, about: f64) -> (f64, f64) {
    let (m, s) = (c.mean - about, c.std);
    // (bound, its z, probability beyond it, density at it)
    let (l, a, below, density_a) = lower.map_or((0.0, 0.0, 0.0, 0.0), |l| {
        let z = (l - c.mean) / s;
        (l - about, z, normal::cdf(z), normal::pdf(z))
    });
    let (u, b, above, density_b) = upper.map_or((0.0, 0.0, 0.0, 0.0), |u| {
        let z = (u - c.mean) / s;
        (u - about, z, normal::cdf(-z), normal::pdf(z))
    });
    let inside = 1.0 - below - above;
    let edge = density_a - density_b;
    let first = l * below + u * above + m * inside + s * edge;
    let tilt = a * density_a - b * density_b;
    let second = l * l * below + u * u * above + (m * m + s * s) * inside + 2.0 * m * s * edge + s * s * tilt;
    (first, second)
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
