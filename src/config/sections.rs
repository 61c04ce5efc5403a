//! `[window]`, `[evaluation]` and `[validation]`.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::calendar::parse_time_of_day;

/// `[window]`: lengths of history and horizon in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WindowSettings {
    /// Rows of history before a forecast.
    pub history: usize,
    /// Rows to forecast.
    pub horizon: usize,
}

impl WindowSettings {
    pub(super) fn validate(self) -> Result<(), ConfigError> {
        if self.history == 0 || self.horizon == 0 {
            return Err(ConfigError::invalid("window", "history or horizon is 0", "use at least 1 row for both"));
        }
        Ok(())
    }
}

/// What a validation compares: it decides which weights are the best, and when training stops early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The training loss.
    #[default]
    Loss,
    /// CRPS: in closed form for heads with a density, twice the mean pinball loss for the quantile head, the absolute error for the point
    /// head.
    Crps,
    /// Negative log-likelihood; only for heads with a density.
    Nll,
    /// Half the CRPS: the pinball loss, averaged over all levels (for the quantile head, over its own).
    Pinball,
}

/// `[validation]`: what decides about the best weights.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ValidationSettings {
    /// What decides about the best weights: "loss", "crps", "nll" or "pinball".
    pub metric: Metric,
}

/// `[evaluation]`: the forecasts of an evaluation and their scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct EvaluationSettings {
    /// Rows between the origins of two forecasts. With `origin`, the forecasts use every `stride`-th origin.
    pub stride: usize,
    /// Time of day, such as "00:00", at which the history ends. The first forecast row is one step later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Quantile levels: a list, `"ventiles"` (0.05 .. 0.95, the default) or `"percentiles"` (0.01 .. 0.99).
    pub levels: Levels,
    /// Minimum possible value of a target. Quantiles and samples are clipped to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    /// Maximum possible value of a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// Rows per season, for the seasonal naive forecast. Default: by the frequency (24 for 1h, 7 for 1d, 12 for 1mo).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub season: Option<usize>,
}

/// Quantile levels, as a list or by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "levels must be a list such as [0.1, 0.5, 0.9], or \"percentiles\", or \"ventiles\"")]
pub enum Levels {
    /// A common set.
    Named(LevelSet),
    /// A list of levels between 0 and 1 in ascending order.
    List(Vec<f64>),
}

/// Common sets of quantile levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LevelSet {
    /// 0.05, 0.10, .. 0.95.
    Ventiles,
    /// 0.01, 0.02, .. 0.99.
    Percentiles,
}

impl Levels {
    /// The levels in ascending order.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        match self {
            Self::Named(LevelSet::Ventiles) => (1..20).map(|k| f64::from(k) / 20.0).collect(),
            Self::Named(LevelSet::Percentiles) => (1..100).map(|k| f64::from(k) / 100.0).collect(),
            Self::List(levels) => levels.clone(),
        }
    }
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        Self { stride: 1, origin: None, levels: Levels::Named(LevelSet::Ventiles), lower: None, upper: None, season: None }
    }
}

impl EvaluationSettings {
    /// The origin in microseconds after midnight, if one is set.
    ///
    /// # Errors
    /// When the text is not a time of day.
    pub fn origin_micros(&self) -> Result<Option<i64>, ConfigError> {
        self.origin
            .as_deref()
            .map(|text| {
                parse_time_of_day(text).ok_or_else(|| {
                    ConfigError::invalid("evaluation.origin", format!("\"{text}\" is not a time of day"), "use the form \"00:00\"")
                })
            })
            .transpose()
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        self.origin_micros()?;
        if self.stride == 0 || self.season == Some(0) {
            return Err(ConfigError::invalid("evaluation", "stride or season is 0", "use at least 1"));
        }
        let levels = self.levels.values();
        let ascending = levels.windows(2).all(|pair| pair[0] < pair[1]);
        if levels.is_empty() || !ascending || levels.iter().any(|&q| !(q > 0.0 && q < 1.0)) {
            return Err(ConfigError::invalid(
                "evaluation.levels",
                "the levels are not ascending numbers between 0 and 1",
                "use levels such as [0.1, 0.5, 0.9], or \"percentiles\"",
            ));
        }
        let nan = self.lower.is_some_and(f64::is_nan) || self.upper.is_some_and(f64::is_nan);
        let crossed = matches!((self.lower, self.upper), (Some(lower), Some(upper)) if lower >= upper);
        if nan || crossed {
            return Err(ConfigError::invalid("evaluation", "lower is not less than upper", "set lower < upper, or remove one of them"));
        }
        Ok(())
    }
}
