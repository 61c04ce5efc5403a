//! `[split]`: the training, validation and test rows.

use serde::{Deserialize, Deserializer, Serialize};

use super::ConfigError;
use crate::calendar::{Moment, parse_moment, parse_stamp};

/// `[split]`: a split by fractions, dates or rows; give exactly one of the three. Default: the fractions 0.7, 0.1, 0.2.
///
/// All rows of a training window are training rows. The horizon rows of a validation or test window belong to its part; the history may
/// extend into the previous part. The scaler is fitted on training rows only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SplitSettings {
    /// Fraction of training rows, from the start of the data.
    pub train: Option<f64>,
    /// Fraction of validation rows, after the training rows. Default: 0.
    pub validation: Option<f64>,
    /// Fraction of test rows, after the validation rows. Default: 0.
    pub test: Option<f64>,
    /// Timestamp of the first validation row. If omitted, there is no validation part.
    #[serde(deserialize_with = "stamp_text")]
    pub validation_start: Option<String>,
    /// Timestamp of the first test row.
    #[serde(deserialize_with = "stamp_text")]
    pub test_start: Option<String>,
    /// Timestamp of the first row after the test part. If omitted, the test part ends with the data.
    #[serde(deserialize_with = "stamp_text")]
    pub test_end: Option<String>,
    /// Number of training rows, from the start of the data.
    pub train_rows: Option<usize>,
    /// Number of validation rows, after the training rows. Default: 0.
    pub validation_rows: Option<usize>,
    /// Number of test rows, after the validation rows. Default: 0.
    pub test_rows: Option<usize>,
}

/// A validated split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SplitRule {
    /// Fractions of all rows.
    Fractions {
        /// Training fraction.
        train: f64,
        /// Validation fraction.
        validation: f64,
        /// Test fraction.
        test: f64,
    },
    /// First timestamp of each part.
    Dates {
        /// First timestamp of the validation part, if there is one.
        validation_start: Option<Moment>,
        /// First timestamp of the test part.
        test_start: Moment,
        /// First timestamp after the test part.
        test_end: Option<Moment>,
    },
    /// Numbers of rows.
    Rows {
        /// Training rows.
        train: usize,
        /// Validation rows.
        validation: usize,
        /// Test rows.
        test: usize,
    },
}

impl SplitSettings {
    /// The split that the settings define.
    ///
    /// # Errors
    /// When the settings mix kinds of splits, are incomplete, or contain an invalid value.
    pub fn rule(&self) -> Result<SplitRule, ConfigError> {
        let fractions = self.train.is_some() || self.validation.is_some() || self.test.is_some();
        let dates = self.validation_start.is_some() || self.test_start.is_some() || self.test_end.is_some();
        let rows = self.train_rows.is_some() || self.validation_rows.is_some() || self.test_rows.is_some();
        match (fractions, dates, rows) {
            (false, false, false) => Ok(SplitRule::Fractions { train: 0.7, validation: 0.1, test: 0.2 }),
            (true, false, false) => self.fractions(),
            (false, true, false) => self.dates(),
            (false, false, true) => self.rows(),
            _ => Err(ConfigError::invalid(
                "split",
                "the section mixes fractions, dates and rows",
                "use only fractions (train, validation, test), only dates (validation_start, test_start, test_end), or only \
                 rows (train_rows, validation_rows, test_rows)",
            )),
        }
    }

    fn fractions(&self) -> Result<SplitRule, ConfigError> {
        let Some(train) = self.train else {
            return Err(ConfigError::invalid("split.train", "the key is missing", "give the fraction of training rows, such as 0.7"));
        };
        let (validation, test) = (self.validation.unwrap_or(0.0), self.test.unwrap_or(0.0));
        let valid = |x: f64| (0.0..=1.0).contains(&x);
        if !valid(train) || !valid(validation) || !valid(test) || train == 0.0 || train + validation + test > 1.0 + 1e-9 {
            return Err(ConfigError::invalid(
                "split",
                format!("the fractions {train}, {validation}, {test} are not valid"),
                "use fractions from 0 to 1 with train above 0 and a sum of at most 1, such as train = 0.7, validation = 0.1, test = 0.2",
            ));
        }
        Ok(SplitRule::Fractions { train, validation, test })
    }

    fn dates(&self) -> Result<SplitRule, ConfigError> {
        let test_start = stamp("split.test_start", self.test_start.as_deref())?
            .ok_or_else(|| ConfigError::invalid("split.test_start", "the key is missing", "give the timestamp of the first test row"))?;
        let validation_start = stamp("split.validation_start", self.validation_start.as_deref())?;
        let test_end = stamp("split.test_end", self.test_end.as_deref())?;
        let at = Moment::instant;
        let in_order = validation_start.is_none_or(|v| at(v) <= at(test_start)) && test_end.is_none_or(|e| at(test_start) < at(e));
        if !in_order {
            return Err(ConfigError::invalid(
                "split",
                "the dates are out of order",
                "set validation_start before test_start, and test_start before test_end",
            ));
        }
        Ok(SplitRule::Dates { validation_start, test_start, test_end })
    }

    fn rows(&self) -> Result<SplitRule, ConfigError> {
        match self.train_rows {
            Some(train) if train > 0 => {
                Ok(SplitRule::Rows { train, validation: self.validation_rows.unwrap_or(0), test: self.test_rows.unwrap_or(0) })
            }
            _ => Err(ConfigError::invalid("split.train_rows", "the key is missing or 0", "give the number of training rows")),
        }
    }
}

fn stamp(key: &'static str, text: Option<&str>) -> Result<Option<Moment>, ConfigError> {
    text.map(|text| {
        parse_moment(text)
            .map_err(|_| parse_stamp(text).err().unwrap_or_default())
            .map_err(|hint| ConfigError::invalid(key, format!("\"{text}\" is not a timestamp"), hint))
    })
    .transpose()
}

/// Accepts a timestamp in quotes, and TOML's own dates without quotes.
fn stamp_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a timestamp such as \"2013-08-01 01:00\"")]
    enum Either {
        Text(String),
        Native(toml::value::Datetime),
    }
    Ok(Some(match Either::deserialize(deserializer)? {
        Either::Text(text) => text,
        Either::Native(datetime) => datetime.to_string(),
    }))
}
