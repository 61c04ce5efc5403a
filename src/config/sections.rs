//! `[data]`, `[window]` and `[evaluation]`.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::calendar::{CalendarFeature, Frequency, parse_time_of_day};

/// `[data]`: the data file and the meaning of its columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DataSettings {
    /// Plain or gzip-compressed CSV file, relative to the configuration file.
    pub path: String,
    /// Timestamp column. If omitted, rows are steps, and there are no calendar features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Time step between rows, such as "15min", "1h", "1d", "1w", "1mo". Default: the most frequent difference in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// Field separator, one character.
    #[serde(default = "default_delimiter")]
    pub delimiter: char,
    /// Cell texts that mean a missing value.
    #[serde(default = "default_missing")]
    pub missing: Vec<String>,
    /// Gaps of up to this many missing timestamps are filled with unobserved rows. After a longer gap, a new segment starts; no window
    /// spans such a gap.
    #[serde(default)]
    pub max_gap: usize,
    /// Series to forecast: column names, patterns such as `z{i}_TARGETVAR` (one target per match of `{i}`), or `*` for all
    /// columns without another use.
    pub targets: Vec<String>,
    /// If true, the history of the targets is not an input of the model.
    #[serde(default)]
    pub hide_history: bool,
    /// Calendar features, each a sine and a cosine. Default: selected by the frequency. See [`CalendarFeature`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Vec<CalendarFeature>>,
    /// Drivers that are common to all series.
    #[serde(default)]
    pub covariates: Vec<Covariate>,
    /// Drivers that belong to one series each.
    #[serde(default)]
    pub channels: Vec<Channel>,
}

/// A driver that is common to all series: a column, or an expression over columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covariate {
    /// Column name, or a pattern with `{i}` for one covariate per match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Name of the series. Required with an expression. Default: the name of the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Expression over column names, such as `hypot(u, v)`, with + - * / ^, parentheses, abs, sign, sqrt, cbrt, exp, ln, log2, log10, the
    /// trigonometric and hyperbolic functions, floor, ceil, round, trunc, hypot, atan2, pow, min, max, PI and E. Put a name in braces if it
    /// contains other characters than letters, digits and `_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// If true, its values in the horizon are known when the forecast is made.
    #[serde(default)]
    pub known_future: bool,
}

/// A driver of one series: a column or expression in which `{i}` is replaced by the text that `{i}` matched in the name of the target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Name of the channel.
    pub name: String,
    /// Column pattern, such as `z{i}_U100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Expression over column patterns, such as `hypot(z{i}_U100, z{i}_V100)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// If true, its values in the horizon are known when the forecast is made.
    #[serde(default)]
    pub known_future: bool,
}

fn default_delimiter() -> char {
    ','
}

fn default_missing() -> Vec<String> {
    ["", "NA", "NaN", "nan", "null"].map(String::from).to_vec()
}

impl DataSettings {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.targets.is_empty() {
            return Err(ConfigError::invalid("data.targets", "the list is empty", "give the columns to forecast, or [\"*\"] for all"));
        }
        if !self.delimiter.is_ascii() || self.delimiter == '"' {
            return Err(ConfigError::invalid(
                "data.delimiter",
                format!("{:?} cannot separate fields", self.delimiter),
                "use \",\", \";\", \"\\t\" or another ASCII character",
            ));
        }
        if self.calendar.as_ref().is_some_and(|c| !c.is_empty()) && self.time.is_none() {
            return Err(ConfigError::invalid(
                "data.calendar",
                "calendar features need timestamps",
                "set data.time to the time column, or remove the key",
            ));
        }
        for covariate in &self.covariates {
            one_source("data.covariates", covariate.column.as_ref(), covariate.expression.as_ref())?;
            if covariate.expression.is_some() && covariate.name.is_none() {
                return Err(ConfigError::invalid(
                    "data.covariates",
                    "an entry with an expression has no name",
                    "add name = \"...\" to the entry",
                ));
            }
        }
        for (index, channel) in self.channels.iter().enumerate() {
            one_source("data.channels", channel.column.as_ref(), channel.expression.as_ref())?;
            if self.channels[..index].iter().any(|other| other.name == channel.name) {
                return Err(ConfigError::invalid(
                    "data.channels",
                    format!("two channels are named \"{}\"", channel.name),
                    "give each its own name",
                ));
            }
        }
        Ok(())
    }
}

fn one_source(key: &'static str, column: Option<&String>, expression: Option<&String>) -> Result<(), ConfigError> {
    if column.is_some() == expression.is_some() {
        return Err(ConfigError::invalid(
            key,
            "an entry has both column and expression, or neither",
            "give exactly one of them in each entry",
        ));
    }
    Ok(())
}

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
    /// The origin in seconds after midnight, if one is set.
    ///
    /// # Errors
    /// When the text is not a time of day.
    pub fn origin_seconds(&self) -> Result<Option<i64>, ConfigError> {
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
        self.origin_seconds()?;
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
