//! Drivers in `[data]`: covariates, channels, and what does not change over time.

use serde::{Deserialize, Serialize};

use super::data::{DataSettings, KnownFuture};
use super::{ConfigError, is_default};

/// What the cells of a driver are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// Numbers.
    #[default]
    Number,
    /// Texts, of which each has vectors of its own in the model.
    Category,
}

/// What a category means that no training row has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unseen {
    /// It is an error.
    #[default]
    Error,
    /// It is read as a missing cell: its vector is zero.
    Zero,
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
    /// Whether its values in the horizon are known when the forecast is made: true, false or "partial".
    #[serde(default)]
    pub known_future: KnownFuture,
    /// What the cells are: "number" or "category".
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: CellKind,
    /// What a category that no training row has means: "error", or "zero" for no effect on the forecast.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unseen: Unseen,
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
    /// What the cells are: "number" or "category".
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: CellKind,
    /// What a category that no training row has means: "error", or "zero" for no effect on the forecast.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unseen: Unseen,
}

/// Checks that only drivers with categories have keys of categories, and that these are columns.
fn category(key: &'static str, kind: CellKind, unseen: Unseen, expression: Option<&String>) -> Result<(), ConfigError> {
    match kind {
        CellKind::Category if expression.is_some() => {
            Err(ConfigError::invalid(key, "an entry has kind = \"category\" and an expression", "use a column for categories"))
        }
        CellKind::Number if unseen != Unseen::Error => {
            Err(ConfigError::invalid(key, "an entry of numbers has unseen", "add kind = \"category\", or remove unseen"))
        }
        _ => Ok(()),
    }
}

impl Covariate {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        one_source("data.covariates", self.column.as_ref(), self.expression.as_ref())?;
        category("data.covariates", self.kind, self.unseen, self.expression.as_ref())?;
        if self.kind == CellKind::Category && self.column.as_ref().is_some_and(|column| column.contains("{i}")) {
            let advice = "list the columns one by one, or declare them in data.channels";
            return Err(ConfigError::invalid("data.covariates", "an entry has kind = \"category\" and a pattern", advice));
        }
        if self.expression.is_some() && self.name.is_none() {
            return Err(ConfigError::invalid(
                "data.covariates",
                "an entry with an expression has no name",
                "add name = \"...\" to the entry",
            ));
        }
        Ok(())
    }
}

impl Channel {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        one_source("data.channels", self.column.as_ref(), self.expression.as_ref())?;
        category("data.channels", self.kind, self.unseen, self.expression.as_ref())
    }
}

/// `[data.static]`: what does not change over time, one row for each series. It becomes part of the vectors of the series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct StaticSettings {
    /// Table with a row for each series, in any format that `data.path` may have. If omitted, `numbers` and `categories` are columns of
    /// the long table itself, with the same value in all rows of a series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Column of the table with the names of the series: those of the targets, or the texts that `{i}` matched. Default: the first column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Decimal separator of the table. Default: that of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// Thousands separator of the table. Default: that of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// Columns with numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<String>,
    /// Columns with categories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl StaticSettings {
    /// Fails if nothing is named. `long`: whether the data are a long table.
    pub(super) fn validate(&self, long: bool) -> Result<(), ConfigError> {
        if self.numbers.is_empty() && self.categories.is_empty() {
            return Err(ConfigError::invalid("data.static", "it names no column", "give numbers or categories, or remove the section"));
        }
        let all: Vec<&String> = self.columns().collect();
        if let Some((_, twice)) = all.iter().enumerate().find(|(k, name)| all[..*k].contains(name)) {
            return Err(ConfigError::invalid("data.static", format!("\"{twice}\" is listed twice"), "list it once"));
        }
        if self.path.is_none() && (self.decimal.is_some() || self.thousands.is_some()) {
            let advice = "remove them: data.decimal and data.thousands are those of the long table";
            return Err(ConfigError::invalid("data.static", "decimal and thousands are for a table of its own", advice));
        }
        if self.path.is_none() && !long {
            let advice = "give the path of a table with a row for each series";
            return Err(ConfigError::invalid("data.static.path", "only a long table (data.series) can hold them itself", advice));
        }
        if self.path.is_none() && self.series.is_some() {
            return Err(ConfigError::invalid(
                "data.static.series",
                "the key is for a table of its own",
                "remove it: data.series names the series",
            ));
        }
        Ok(())
    }

    /// The settings of the data, with the separators in numbers of this table.
    pub(crate) fn numbers_as(&self, data: &DataSettings) -> DataSettings {
        let (decimal, thousands) = (self.decimal.unwrap_or(data.decimal), self.thousands.or(data.thousands));
        DataSettings { decimal, thousands, ..data.clone() }
    }

    /// The columns: numbers, then categories.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &String> {
        self.numbers.iter().chain(&self.categories)
    }
}

/// Checks that a driver has exactly one source.
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
