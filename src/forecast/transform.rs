//! The one way from standardised values to original units: x = clip(link(mean + std z), lower, upper).
//!
//! The model's mixture is a distribution of z. Mean, quantiles, samples, CRPS and NLL of x all pass through
//! [`TargetDistribution`]; nothing outside this file knows how x follows from z.

use crate::forecast::mixture::{Component, Mixture};
use crate::forecast::normal;
use crate::forecast::predictive::Predictive;
use crate::forecast::quadrature;
use crate::random::SampleKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A smooth increasing map from the latent scale, on which the model's mixture lives, to original units.
///
/// A new variant (logarithm, logit) adds its arms to the methods below and to [`TargetDistribution`]'s moments, which are closed
/// forms per link; everything else uses the methods only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Link {
    /// x = v.
    #[default]
    Identity,
}

impl Link {
    /// Original value of the latent value `v`.
    pub fn forward(self, v: f64) -> f64 {
        match self {
            Link::Identity => v,
        }
    }

    /// Latent value of the original value `x`; NaN outside the link's range.
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

/// How standardised values of one target become original units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct TargetTransform {
    mean: f64,
    std: f64,
    lower: Option<f64>,
    upper: Option<f64>,
    link: Link,
}

/// The serialised form, checked on its way in.
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

/// Numbers that make no transform.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TransformError {
    /// Mean or deviation is not finite, or the deviation not positive.
    #[error("a target's scale needs a finite mean and a positive deviation, found {mean} and {std}")]
    Scale {
        /// The mean found.
        mean: f64,
        /// The deviation found.
        std: f64,
    },
    /// A bound is not finite, or the lower one not below the upper one.
    #[error("bounds need finite numbers with lower < upper, found {lower:?} and {upper:?}; leave out a bound that is not there")]
    Bounds {
        /// The lower bound found.
        lower: Option<f64>,
        /// The upper bound found.
        upper: Option<f64>,
    },
    /// A bound outside the range of the link.
    #[error("the bound {bound} is no value that the link {link:?} can take")]
    OutsideLink {
        /// The bound.
        bound: f64,
        /// The link.
        link: Link,
    },
}

impl TargetTransform {
    /// The affine transform with the training part's `mean` and `std` (both on the link's latent scale), clipped to the bounds
    /// that are there (original units).
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

    /// Deviation of the training part, on the link's latent scale.
    pub fn std(&self) -> f64 {
        self.std
    }

    /// Mean of the training part, on the link's latent scale.
    pub fn center(&self) -> f64 {
        self.mean
    }

    /// Lower and upper bound in original units.
    pub fn bounds(&self) -> (Option<f64>, Option<f64>) {
        (self.lower, self.upper)
    }

    /// Original value, clipped, of the standardised value `z`.
    pub fn to_original(&self, z: f64) -> f64 {
        self.clip(self.link.forward(self.mean + self.std * z))
    }

    /// Standardised value of the original value `x` (not clipped: bounds concern forecasts, not data).
    pub fn to_standard(&self, x: f64) -> f64 {
        (self.link.inverse(x) - self.mean) / self.std
    }

    /// `x` (original units) moved into the bounds.
    pub fn clip(&self, x: f64) -> f64 {
        let above = self.lower.map_or(x, |l| x.max(l));
        self.upper.map_or(above, |u| above.min(u))
    }

    /// The distribution in original units of a target whose standardised value has the distribution `standardised`.
    pub fn distribution(&self, standardised: Mixture) -> TargetDistribution {
        TargetDistribution { latent: standardised.affine(self.std, self.mean), transform: *self }
    }
}

/// A forecast's distribution in original units: a mixture of normals, through the link, clipped to the bounds.
///
/// With bounds it has a point mass at each: quantiles, samples, mean, deviation, CRPS and intervals are those of the clipped
/// distribution. The NLL alone is that of the distribution before clipping: a density and a probability do not compare, and the
/// unclipped density is what the model was trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetDistribution {
    /// Distribution of the latent value: original units, but for link and bounds.
    latent: Mixture,
    transform: TargetTransform,
}

/// Beyond this many deviations from a component's mean its share of an integral of F^2 or (1 - F)^2 is below 1e-22.
const REACH: f64 = 7.0;

impl TargetDistribution {
    /// The distribution before link and bounds.
    pub fn latent(&self) -> &Mixture {
        &self.latent
    }

    /// P(X <= x), steps at the bounds included.
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

    /// The random value at an address.
    pub fn sample(&self, key: SampleKey) -> f64 {
        self.transform.clip(self.transform.link.forward(self.latent.sample(key)))
    }

    /// Sum over components of weight times `f`.
    fn weighted(&self, f: impl Fn(&Component) -> f64) -> f64 {
        self.latent.components().iter().map(|c| c.weight * f(c)).sum()
    }

    /// The CRPS by integrating (F - 1{x >= y})^2 dx over the latent scale, between the bounds; the part between a bound and a
    /// value beyond it is their distance. Absolute tolerance: 1e-9 of the deviation, or of the distance between the bounds where
    /// that is less.
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

    /// Whether so little lies beyond the bounds that clipping changes no score: then `F^2` beyond them is below 1e-14.
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

    /// Closed form where the link is the identity and the bounds cut nothing off, else by integration.
    fn crps(&self, y: f64) -> f64 {
        match self.transform.link {
            Link::Identity if self.bounds_do_not_bite(y) => self.latent.crps(y),
            Link::Identity => self.crps_numeric(y),
        }
    }

    /// Of the distribution before clipping: -ln f(v) + ln(dx/dv), v the latent value; infinite outside the link's range.
    fn nll(&self, y: f64) -> Option<f64> {
        let latent_y = self.transform.link.inverse(y);
        if latent_y.is_nan() {
            return Some(f64::INFINITY);
        }
        Some(self.latent.nll(latent_y) + self.transform.link.log_slope(latent_y))
    }

    /// Through the distribution function: y is at or above the a-quantile where P(X <= y) >= a, and at or below the b-quantile
    /// where P(X < y) <= b. So a value on a bound is covered when the interval reaches that bound.
    fn covers(&self, y: f64, central: f64) -> Option<bool> {
        let tail = 0.5 * (1.0 - central);
        Some(self.cdf(y) >= tail && self.cdf_below(y) <= 1.0 - tail)
    }
}

/// First and second moment about `about` of a normal variable clipped to the bounds (a doubly censored normal): with
/// a = (l - m)/s, b = (u - m)/s and l, u, m taken relative to `about`,
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
