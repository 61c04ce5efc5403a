//! Files of other programs (tests/golden/make_format_files.py), and what damage does to them.

use std::io::Write as _;
use std::path::Path;

use csv::ByteRecord;

use super::*;

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// All rows of a file, with their lines.
fn rows(bytes: Vec<u8>, options: ArrayOptions) -> Result<Vec<ByteRecord>, String> {
    rows_of(Input::Bytes(bytes.into()), options)
}

fn rows_of(input: Input, options: ArrayOptions) -> Result<Vec<ByteRecord>, String> {
    let mut records = match open(input, options).map_err(|e| e.to_string())? {
        Opened::Records(records) => records,
        Opened::Text(text) => return Ok(csv_rows(text)),
    };
    let (mut all, mut record) = (vec![], ByteRecord::new());
    while let Some(line) = records.next(&mut record).map_err(|e| e.to_string())? {
        all.push(record.clone());
        assert_eq!(line, all.len() as u64);
    }
    Ok(all)
}

fn csv_rows(text: impl Read) -> Vec<ByteRecord> {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    reader.into_byte_records().map_while(Result::ok).collect()
}

fn text(rows: &[ByteRecord]) -> String {
    let line = |row: &ByteRecord| row.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

const TABLES: [&str; 11] = [
    "pyarrow_delta.parquet",
    "pyarrow_snappy.parquet",
    "pyarrow_gzip_v2.parquet",
    "pyarrow_brotli.parquet",
    "pyarrow_lz4.parquet",
    "pyarrow_none.parquet",
    "pyarrow_uncompressed.feather",
    "pyarrow_lz4.feather",
    "pyarrow_zstd.feather",
    "pyarrow_stream.arrows",
    "table.csv.zst",
];
const PLAIN: [&str; 5] = ["pandas.parquet", "pandas.feather", "polars.parquet", "polars.arrow", "polars.arrows"];
const ARRAYS: [&str; 5] = ["cube.npz", "several.npz", "one_table.npz", "line.npy", "fortran.npy"];

#[test]
fn files_of_other_programs_have_the_text_of_the_csv() {
    let table = text(&csv_rows(&*golden("table.csv")));
    for name in TABLES {
        assert_eq!(text(&rows(golden(name), ArrayOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"))), table, "{name}");
    }
    // Without Arrow's schema, Parquet knows only that a timestamp is UTC.
    let utc = text(&rows(golden("pyarrow_zstd.parquet"), ArrayOptions::default()).unwrap());
    assert_eq!(utc.lines().count(), table.lines().count());
    assert!(utc.contains(",2021-03-27T23:30:00.000001Z,2021-03-27T23:30:00.000001Z,"), "{utc}");
    let plain = text(&csv_rows(&*golden("plain.csv")));
    for name in PLAIN {
        assert_eq!(text(&rows(golden(name), ArrayOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"))), plain, "{name}");
    }
    let index = text(&csv_rows(&*golden("index.csv")));
    assert_eq!(text(&rows(golden("pandas_index.parquet"), ArrayOptions::default()).unwrap()), index);
}

#[test]
fn files_and_streams_are_read_like_bytes() {
    let table = text(&csv_rows(&*golden("table.csv")));
    for name in TABLES {
        for packed in [false, true] {
            let mut bytes = golden(name);
            if packed {
                let mut gzip = vec![];
                flate2::read::GzEncoder::new(&*bytes, flate2::Compression::fast()).read_to_end(&mut gzip).unwrap();
                bytes = gzip;
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            for input in [Input::Stream(Box::new(&*bytes)), Input::File(file)] {
                assert_eq!(text(&rows_of(input, ArrayOptions::default()).unwrap()), table, "{name}");
            }
        }
    }
}

#[test]
fn columns_that_are_not_used_are_empty() {
    for name in TABLES.into_iter().filter(|name| !name.ends_with(".zst")) {
        let Opened::Records(mut records) = open(Input::Bytes(golden(name).into()), ArrayOptions::default()).unwrap() else {
            panic!("{name}");
        };
        let mut record = ByteRecord::new();
        records.next(&mut record).unwrap();
        let used: Vec<bool> = record.iter().map(|name| name == b"i64" || name == b"india").collect();
        records.only(&used);
        records.next(&mut record).unwrap();
        assert_eq!(text(&[record]), ",,,2841964660060605,,,,,,,,2021-03-28T04:30:00+05:30,a value of type List", "{name}");
    }
}

#[test]
fn arrays_get_names_and_stamps() {
    let read = |name: &str, options: ArrayOptions| rows(golden(name), options).map(|rows| text(&rows));
    let cube = "s0_f0,s0_f1,s1_f0,s1_f1,s2_f0,s2_f1\n0.0,0.125,0.25,0.375,0.5,0.625\n0.75,0.875,1.0,1.125,,1.375\n\
                1.5,1.625,1.75,1.875,2.0,2.125\n2.25,2.375,2.5,2.625,2.75,2.875";
    let flow = "s0,s1,s2\n-5,-4,-3\n-2,-1,0\n1,2,3\n4,5,6";
    assert_eq!(read("cube.npz", ArrayOptions::default()).unwrap(), cube);
    assert_eq!(read("fortran.npy", ArrayOptions::default()).unwrap(), cube);
    assert_eq!(read("one_table.npz", ArrayOptions::default()).unwrap(), flow);
    assert_eq!(read("line.npy", ArrayOptions::default()).unwrap(), "s0\n0.099975586\n2.0\n-3.0");
    let named = |array: &str| ArrayOptions { array: Some(array.into()), ..ArrayOptions::default() };
    assert_eq!(read("several.npz", named("flow")).unwrap(), flow);
    let words = |text: &str| Some(text.split(' ').map(str::to_owned).collect());
    let stamp: Option<Box<dyn Fn(usize) -> String>> = Some(Box::new(|row| format!("2020-01-0{}", row + 1)));
    let options = ArrayOptions { names: words("a b c"), channels: words("flow speed"), stamp, ..ArrayOptions::default() };
    let full = read("cube.npz", options).unwrap();
    assert!(full.starts_with("time,a_flow,a_speed,b_flow,b_speed,c_flow,c_speed\n2020-01-01,0.0,0.125,"), "{full}");

    let problem = |name: &str, options: ArrayOptions| read(name, options).unwrap_err();
    let several = problem("several.npz", ArrayOptions::default());
    assert!(several.contains("data [4, 3, 2], flow [4, 3], mean [], steps [4]"), "{several}");
    let missing = problem("several.npz", named("flows"));
    assert!(missing.contains("no array \"flows\"") && missing.contains("flow [4, 3]"), "{missing}");
    let scalar = problem("several.npz", named("mean"));
    assert!(scalar.contains("an array of shape []"), "{scalar}");
    let short = problem("cube.npz", ArrayOptions { names: words("a b"), ..ArrayOptions::default() });
    assert!(short.contains("data.array.series has 2 names, but the array of shape [4, 3, 2] needs 3"), "{short}");
}

#[test]
fn other_files_are_text_or_named() {
    let problem = |bytes: &[u8]| rows(bytes.to_vec(), ArrayOptions::default()).unwrap_err();
    assert_eq!(rows(b"".to_vec(), ArrayOptions::default()), Ok(vec![]));
    assert_eq!(text(&rows(b"a,b\n1,2\n".to_vec(), ArrayOptions::default()).unwrap()), "a,b\n1,2");
    assert!(problem(b"FEA1....").contains("Feather version 1"));
    assert!(problem(b"PAR1").contains("its end is missing"));
    assert!(problem(b"PAR1........PARE").contains("encrypted"));
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    zip.start_file("table.csv", zip::write::SimpleFileOptions::default()).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    let mut other = b"PK\x03\x04".to_vec();
    assert!(problem(&other).contains("NPZ file is damaged"));
    other.clone_from(&zip);
    assert!(problem(&other).contains("no arrays"));
}

/// Deterministic noise.
fn noise(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

#[test]
fn damaged_files_are_errors_or_rows() {
    let mut state = 1;
    for name in TABLES.iter().chain(&PLAIN).chain(&ARRAYS).chain(&["pyarrow_zstd.parquet", "pandas_index.parquet"]) {
        let whole = golden(name);
        for cut in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let _ = rows(whole[..cut].to_vec(), ArrayOptions::default());
        }
        for _ in 0..ROUNDS {
            let mut bytes = whole.clone();
            for _ in 0..=noise(&mut state) % 3 {
                // Half of the changes are near the end, where Parquet and zip files have their lists.
                let span = if noise(&mut state).is_multiple_of(2) { bytes.len() } else { bytes.len().min(3000) };
                let at = bytes.len() - 1 - noise(&mut state) % span;
                bytes[at] = match noise(&mut state) % 4 {
                    0 => 0,
                    1 => 0xff,
                    2 => bytes[at] ^ (1 << (noise(&mut state) % 8)),
                    _ => noise(&mut state).to_le_bytes()[0],
                };
            }
            let _ = rows(bytes, ArrayOptions::default());
        }
    }
}

/// Damaged copies of each file. With the environment variable `PGAT_FUZZ` at build time there are more, for a longer search.
const ROUNDS: usize = match option_env!("PGAT_FUZZ") {
    Some(_) => 20_000,
    None => 100,
};
