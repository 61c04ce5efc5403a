//! A file of any format as CSV. The page uses it, so that its main module needs only the reader of CSV.

use std::io::Read as _;

use bytes::Bytes;
use csv::ByteRecord;

use super::{ArrayOptions, Input, Opened, open};
use crate::data::DataError;

/// The text of a file as CSV.
///
/// # Errors
/// If the file cannot be read, or contains no table.
pub(crate) fn to_csv(bytes: Vec<u8>, options: ArrayOptions) -> Result<Vec<u8>, DataError> {
    let mut records = match open(Input::Bytes(Bytes::from(bytes)), options).map_err(|e| super::failed(0, e))? {
        Opened::Records(records) => records,
        Opened::Text(mut text) => {
            let mut out = vec![];
            text.read_to_end(&mut out).map_err(|source| DataError::Read { line: 0, source })?;
            return Ok(out);
        }
    };
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(vec![]);
    let (mut record, mut line) = (ByteRecord::new(), 0);
    while let Some(next) = records.next(&mut record)? {
        line = next;
        writer.write_byte_record(&record).map_err(|e| DataError::Read { line, source: std::io::Error::other(e) })?;
    }
    writer.into_inner().map_err(|e| DataError::Read { line, source: std::io::Error::other(e.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_need_quotes_get_them() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
        let convert = |name: &str| to_csv(std::fs::read(folder.join(name)).unwrap(), ArrayOptions::default()).unwrap();
        assert!(convert("pyarrow_snappy.parquet") == std::fs::read(folder.join("table.csv")).unwrap());
        assert!(convert("table.csv.zst") == std::fs::read(folder.join("table.csv")).unwrap());
        // A row that is one empty cell must not become an empty line.
        let array = b"\x93NUMPY\x01\x00\x37\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}\x00\x00\xc0\x7f".to_vec();
        assert_eq!(to_csv(array, ArrayOptions::default()).unwrap(), b"s0\n\"\"\n");
    }
}
