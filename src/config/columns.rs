//! Drivers in `[data]`: covariates and channels.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::data::KnownFuture;

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
    /// Whether its values in the horizon are known when the forecast is made: true, false or "partial".
    #[serde(default)]
    pub known_future: KnownFuture,
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
    /// Whether its values in the horizon are known when the forecast is made: true, false or "partial".
    #[serde(default)]
    pub known_future: KnownFuture,
}

/// Checks that a driver has exactly one source.
pub(super) fn one_source(key: &'static str, column: Option<&String>, expression: Option<&String>) -> Result<(), ConfigError> {
    if column.is_some() == expression.is_some() {
        return Err(ConfigError::invalid(
            key,
            "an entry has both column and expression, or neither",
            "give exactly one of them in each entry",
        ));
    }
    Ok(())
}
