//! A file of any format as CSV. The page uses it, so that its main module needs only the reader of CSV.

use std::io::Read as _;

use bytes::Bytes;
use csv::ByteRecord;

use super::{Input, Opened, open};
use crate::config::ArrayKeys;
use crate::data::DataError;
use crate::data::source_format::array_options;

/// The text of a file as CSV.
///
/// # Errors
/// If the file cannot be read, or contains no table.
pub(crate) fn to_csv(bytes: Vec<u8>, keys: ArrayKeys) -> Result<Vec<u8>, DataError> {
    let options = array_options(&keys.settings())?;
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
        let convert = |name: &str| to_csv(std::fs::read(folder.join(name)).unwrap(), ArrayKeys::default()).unwrap();
        assert!(convert("pyarrow_snappy.parquet") == std::fs::read(folder.join("table.csv")).unwrap());
        assert!(convert("table.csv.zst") == std::fs::read(folder.join("table.csv")).unwrap());
        // A row that is one empty cell must not become an empty line.
        let array = b"\x93NUMPY\x01\x00\x37\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}\x00\x00\xc0\x7f".to_vec();
        assert_eq!(to_csv(array, ArrayKeys::default()).unwrap(), b"s0\n\"\"\n");
    }

    #[test]
    fn a_config_names_the_columns_of_an_array() {
        let cube = || std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats/cube.npz")).unwrap();
        let header = |config: &str| {
            let text = String::from_utf8(to_csv(cube(), ArrayKeys::of_config(config))?).unwrap();
            Ok::<_, DataError>(text.lines().take(3).map(|line| line.split(',').take(2).collect::<Vec<_>>().join(",")).collect::<Vec<_>>())
        };
        let names = "[data]\npath = \"x\"\nunknown = 1\nfrequency = \"B\"\n[data.array]\nname = \"data\"\nseries = [\"a\", \"b\", \"c\"]\n";
        assert_eq!(header("").unwrap()[0], "s0_f0,s0_f1");
        assert_eq!(header("[data").unwrap()[0], "s0_f0,s0_f1");
        assert_eq!(header(names).unwrap()[0], "a_f0,a_f1");
        // A Friday: the calendar of the config decides about the next row.
        let timed = header(&format!("{names}start = \"2024-01-05\"")).unwrap();
        assert_eq!(timed[0], "time,a_f0");
        assert!(timed[1].starts_with("2024-01-05") && timed[2].starts_with("2024-01-08"), "{timed:?}");
        let wrong = header(&names.replace("\"data\"", "\"flow\"")).unwrap_err().to_string();
        assert!(wrong.contains("data.array.name: the file has no array \"flow\"; it has data [4, 3, 2]"), "{wrong}");
    }
}
