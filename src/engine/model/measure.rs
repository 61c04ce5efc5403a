//! What the output of the model is compared by: in training, and in validation (sections 9.3 and 11.4 of docs/model.md).

use crate::config::{DensityLoss, Head, Metric, ModelSettings, PointLoss};

/// A loss per observed target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Negative log-likelihood.
    Nll,
    /// Continuous ranked probability score.
    Crps,
    /// Mean pinball loss over the levels of the quantile head.
    Pinball,
    /// Squared error.
    Squared,
    /// Absolute error.
    Absolute,
    /// Huber loss.
    Huber,
}

impl Measure {
    /// The training loss of a head; `density` is that of heads with a density.
    #[must_use]
    pub fn of_training(settings: &ModelSettings, density: DensityLoss) -> Self {
        match (settings.head, density, settings.point_loss) {
            (Head::Mixture | Head::Gaussian, DensityLoss::Nll, _) => Self::Nll,
            (Head::Mixture | Head::Gaussian, DensityLoss::Crps, _) => Self::Crps,
            (Head::Quantile, ..) => Self::Pinball,
            (Head::Point, _, PointLoss::Mse) => Self::Squared,
            (Head::Point, _, PointLoss::Mae) => Self::Absolute,
            (Head::Point, _, PointLoss::Huber) => Self::Huber,
        }
    }

    /// Its name in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nll => "negative log-likelihood",
            Self::Crps => "CRPS",
            Self::Pinball => "pinball loss",
            Self::Squared => "squared error",
            Self::Absolute => "absolute error",
            Self::Huber => "Huber loss",
        }
    }

    /// What a validation with this metric computes, and the factor that makes it the metric. The pinball loss over all levels is half the
    /// CRPS, and the CRPS of a point is its absolute error.
    #[must_use]
    pub fn of_validation(settings: &ModelSettings, density: DensityLoss, metric: Metric) -> (Self, f64) {
        match (settings.head, metric) {
            (_, Metric::Loss) => (Self::of_training(settings, density), 1.0),
            (Head::Mixture | Head::Gaussian, Metric::Nll) => (Self::Nll, 1.0),
            (Head::Mixture | Head::Gaussian, Metric::Crps) => (Self::Crps, 1.0),
            (Head::Mixture | Head::Gaussian, Metric::Pinball) => (Self::Crps, 0.5),
            (Head::Quantile, Metric::Crps) => (Self::Pinball, 2.0),
            (Head::Quantile, Metric::Pinball | Metric::Nll) => (Self::Pinball, 1.0),
            (Head::Point, Metric::Crps) => (Self::Absolute, 1.0),
            (Head::Point, Metric::Pinball | Metric::Nll) => (Self::Absolute, 0.5),
        }
    }
}
