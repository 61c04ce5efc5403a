//! Opens a table in any format.

use super::error::DataError;
use super::formats::{self, ArrayOptions, Input, Opened};
use super::records::Records;
use super::text::TextRecords;
use crate::calendar::{Grid, format_stamp, parse_stamp};
use crate::config::{ConfigError, DataSettings};

/// The rows of a file of any format.
pub(super) fn records<'a>(settings: &DataSettings, input: Input<'a>) -> Result<Box<dyn Records + 'a>, DataError> {
    match formats::open(input, array_options(settings)?).map_err(DataError::from)? {
        Opened::Records(records) => Ok(records),
        Opened::Text(text) => Ok(Box::new(TextRecords::open(text, settings)?)),
    }
}

/// The names and timestamps of the rows of an array.
pub(super) fn array_options(settings: &DataSettings) -> Result<ArrayOptions, DataError> {
    let Some(array) = settings.array.clone() else { return Ok(ArrayOptions::default()) };
    let invalid = |key, problem: &str, advice: &str| DataError::Config(ConfigError::invalid(key, problem, advice));
    let stamp: Option<Box<dyn Fn(usize) -> String>> = match array.start {
        None => None,
        Some(start) => {
            let first = parse_stamp(&start).map_err(|hint| invalid("data.array.start", "the value is not a timestamp", &hint))?;
            let Some(frequency) = settings.frequency else {
                return Err(invalid("data.array.start", "the time step is not known", "set data.frequency, for instance \"5min\""));
            };
            let grid = Grid::of(frequency, &std::iter::once(first).collect(), &settings.rules()?);
            Some(Box::new(move |row| format_stamp(grid.advance(first, i64::try_from(row).unwrap_or(i64::MAX)))))
        }
    };
    Ok(ArrayOptions { array: array.name, names: array.series, channels: array.channels, stamp })
}
