//! Rows of text cells: the common form of all formats of tables, so that one reader applies the same checks to all.

use std::io::Read;

use csv::ByteRecord;

use super::error::DataError;
use crate::config::DataSettings;

/// Rows of text cells, from a file of any format.
pub(crate) trait Records {
    /// Reads the next row into `record`. The first call gives the header. Returns the line of the row (from 1), or `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError>;

    /// Says which columns of the header are used, after the header was read. The cells of the other columns may be empty from then on: a
    /// format that stores columns separately does not decode them.
    fn only(&mut self, _used: &[bool]) {}

    /// The delimiter that was found, in a text file.
    fn delimiter(&self) -> Option<char> {
        None
    }

    /// What was found before the header, one sentence each.
    fn notes(&self) -> Vec<String> {
        vec![]
    }
}

/// The rows of a table in memory or from a stream, of any format that this build reads.
///
/// # Errors
/// If the format is not read, or the start of the file is damaged.
pub(crate) fn records_of<'a>(settings: &DataSettings, reader: impl Read + 'a) -> Result<Box<dyn Records + 'a>, DataError> {
    #[cfg(feature = "formats")]
    return super::source_format::records(settings, super::formats::Input::Stream(Box::new(reader)));
    #[cfg(not(feature = "formats"))]
    Ok(Box::new(super::text::TextRecords::open(reader, settings)?))
}
