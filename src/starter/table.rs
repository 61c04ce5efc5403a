//! Tables that can be read several times: a file, or bytes in memory.

use std::io::Read;

use csv::ByteRecord;

use crate::config::{Config, DataSettings};
use crate::data::records::{Records, records_of};
use crate::data::{DataError, Dataset};

/// Bytes at the start of a file from which its delimiter is found.
const HEAD: usize = 1 << 16;

/// A table that can be read several times.
pub trait Table {
    /// The first bytes of a text file, decompressed; empty for files of other formats.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn head(&self) -> Result<Vec<u8>, DataError>;

    /// Reads the table from its start as a dataset.
    ///
    /// # Errors
    /// If the file cannot be read with this config.
    fn dataset(&self, config: &Config) -> Result<Dataset, DataError>;

    /// Calls `row` with the line and the cells of every row; the first one is the header.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn rows(&self, settings: &DataSettings, row: &mut dyn FnMut(u64, &ByteRecord) -> Result<(), DataError>) -> Result<(), DataError>;
}

/// Calls `row` for every row.
fn each(mut records: Box<dyn Records + '_>, row: &mut dyn FnMut(u64, &ByteRecord) -> Result<(), DataError>) -> Result<(), DataError> {
    let mut record = ByteRecord::new();
    while let Some(line) = records.next(&mut record)? {
        row(line, &record)?;
    }
    Ok(())
}

/// Bytes in memory.
impl Table for [u8] {
    fn head(&self) -> Result<Vec<u8>, DataError> {
        let read = |source| DataError::Read { line: 0, source };
        let mut head = vec![];
        #[cfg(feature = "formats")]
        let text = match crate::data::formats::open(crate::data::formats::Input::Stream(Box::new(self)), Default::default())? {
            crate::data::formats::Opened::Text(text) => text,
            crate::data::formats::Opened::Records(_) => return Ok(head),
        };
        #[cfg(not(feature = "formats"))]
        let text = crate::data::unpacked(self).map_err(read)?;
        text.take(HEAD as u64).read_to_end(&mut head).map_err(read)?;
        Ok(head)
    }

    fn dataset(&self, config: &Config) -> Result<Dataset, DataError> {
        Dataset::read(config, self)
    }

    fn rows(&self, settings: &DataSettings, row: &mut dyn FnMut(u64, &ByteRecord) -> Result<(), DataError>) -> Result<(), DataError> {
        each(records_of(settings, self)?, row)
    }
}

/// A file.
#[cfg(feature = "native")]
impl Table for std::path::Path {
    fn head(&self) -> Result<Vec<u8>, DataError> {
        crate::data::head_of(self, HEAD)
    }

    fn dataset(&self, config: &Config) -> Result<Dataset, DataError> {
        Dataset::open(config, self)
    }

    fn rows(&self, settings: &DataSettings, row: &mut dyn FnMut(u64, &ByteRecord) -> Result<(), DataError>) -> Result<(), DataError> {
        each(crate::data::open_one(settings, self)?, row)
    }
}
