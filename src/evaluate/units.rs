//! From standardised values to original units.

use super::EvaluateError;
use crate::config::{Config, Head, ModelSettings};
use crate::data::Scaler;
use crate::forecast::{Mixture, MixtureError, Point, Predicted, Quantiles, TargetTransform};
use crate::session::WindowMixture;

/// The conversion of each target from standardised values to original units.
///
/// # Errors
/// Fails if the scale or the bounds are not valid.
pub fn transforms(scaler: &Scaler, config: &Config) -> Result<Vec<TargetTransform>, EvaluateError> {
    let (lower, upper) = (config.evaluation.lower, config.evaluation.upper);
    let one = |(t, series): (usize, &String)| {
        let (mean, std) = scaler.target_scale(t);
        TargetTransform::new(mean, std, lower, upper).map_err(|source| EvaluateError::Transform { series: series.clone(), source })
    };
    scaler.target_names().iter().enumerate().map(one).collect()
}

/// The predicted distribution of one value of a window.
pub(crate) fn distribution(
    output: &WindowMixture,
    cell: usize,
    settings: &ModelSettings,
    transform: &TargetTransform,
) -> Result<Predicted, MixtureError> {
    let components = settings.outputs().1;
    let range = cell * components..(cell + 1) * components;
    let values = || output.mean[range.clone()].iter().map(|v| transform.to_original(f64::from(*v))).collect::<Vec<_>>();
    match settings.head {
        Head::Mixture | Head::Gaussian => {
            let parts = [&output.mean, &output.log_std, &output.logit].map(|part| &part[range.clone()]);
            Ok(Predicted::Mixture(transform.distribution(Mixture::from_decoder(parts[0], parts[1], parts[2])?)))
        }
        Head::Quantile => Ok(Predicted::Quantiles(Quantiles::new(&settings.quantile_levels, &values())?)),
        Head::Point => match values()[..] {
            [value] if value.is_finite() => Ok(Predicted::Point(Point(value))),
            [value] => Err(MixtureError::Value { what: "value", component: 0, value }),
            _ => Err(MixtureError::Empty),
        },
    }
}
