//! A first config for a CSV file, derived from its header and cells. The user should check and edit it.

use crate::calendar::{Frequency, Steps, parse_stamp};
use crate::data::{DataError, unpacked};
use std::io::Read;

/// A first config.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Starter {
    /// The config as TOML.
    pub config: String,
    /// What was derived and which columns are unused, one sentence each.
    pub notes: Vec<String>,
}

/// Number of rows whose cells are examined. All rows are counted.
const ROWS_READ: usize = 1000;
/// Cell texts that mean a missing value; the default of `data.missing`.
const MISSING: [&str; 5] = ["", "NA", "NaN", "nan", "null"];

/// The type of the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    /// Only missing cells so far.
    Empty,
    Number,
    Stamp,
    Text,
}

impl Looks {
    fn with(self, cell: &str) -> Self {
        let cell = cell.trim();
        if MISSING.contains(&cell) {
            return self;
        }
        let one = match (cell.parse::<f64>(), parse_stamp(cell)) {
            (Ok(_), _) => Self::Number,
            (_, Ok(_)) => Self::Stamp,
            _ => Self::Text,
        };
        if self == Self::Empty || self == one { one } else { Self::Text }
    }
}

struct Sketch {
    delimiter: char,
    names: Vec<String>,
    looks: Vec<Looks>,
    /// Timestamps of the first timestamp column in the examined rows.
    stamps: Steps,
    rows: usize,
}

/// Derives a config for a CSV file, plain or gzip-compressed. `file` becomes `data.path`.
///
/// # Errors
/// If the file is not a CSV file with a header, or no column contains numbers.
pub fn starter(csv: impl Read, file: &str) -> Result<Starter, DataError> {
    let sketch = sketch(csv)?;
    let time = sketch.looks.iter().position(|l| *l == Looks::Stamp);
    let numbers = sketch.looks.iter().filter(|l| **l == Looks::Number).count();
    if numbers == 0 {
        return Err(DataError::Schema {
            place: "data.targets".into(),
            problem: format!("none of the {} columns contains numbers in its first rows", sketch.names.len()),
            advice: "give a CSV file with one row per time step and one column per series".into(),
        });
    }
    let frequency = Frequency::infer(&sketch.stamps);
    let mut notes = vec![match (time, frequency) {
        (Some(t), Some(f)) => format!("\"{}\" is the time column, a row every {f}", sketch.names[t]),
        (Some(t), None) => format!("\"{}\" is the time column", sketch.names[t]),
        (None, _) => "no timestamp column was found: rows are steps, and there are no calendar features".into(),
    }];
    let left: Vec<&str> = columns(&sketch, |i, l| l != Looks::Number && Some(i) != time);
    if !left.is_empty() {
        notes.push(format!("these columns are not used, because they do not contain numbers: {}", left.join(", ")));
    }
    notes.push(format!("all other columns ({numbers}) are targets to forecast; list driver columns in data.covariates, see the README"));
    Ok(Starter { config: text(&sketch, file, time, frequency, left.is_empty()), notes })
}

fn columns(sketch: &Sketch, wanted: impl Fn(usize, Looks) -> bool) -> Vec<&str> {
    let all = sketch.names.iter().zip(&sketch.looks).enumerate();
    all.filter(|(i, (_, l))| wanted(*i, **l)).map(|(_, (name, _))| name.as_str()).collect()
}

fn sketch(csv: impl Read) -> Result<Sketch, DataError> {
    let unreadable_start = |source| DataError::Read { line: 0, source };
    let mut reader = unpacked(csv).map_err(unreadable_start)?;
    let head = reader.fill_buf().map_err(unreadable_start)?;
    if head.is_empty() {
        return Err(DataError::Empty);
    }
    let first = head.split(|b| *b == b'\n' || *b == b'\r').next().unwrap_or_default();
    let count = |c: char| first.iter().filter(|b| char::from(**b) == c).count();
    let delimiter = [',', ';', '\t', '|'].into_iter().rev().max_by_key(|c| count(*c)).unwrap_or(',');
    let mut csv = csv::ReaderBuilder::new().delimiter(u8::try_from(delimiter).unwrap_or(b',')).flexible(true).from_reader(reader);
    let header = csv.byte_headers().map_err(unreadable)?.clone();
    let mut names = vec![];
    for name in &header {
        let name = std::str::from_utf8(name).map_err(|_| DataError::HeaderText)?;
        if name.contains('\0') {
            return Err(DataError::HeaderText);
        }
        names.push(name.trim().trim_start_matches('\u{feff}').to_owned());
    }
    let mut sketch = Sketch { delimiter, looks: vec![Looks::Empty; names.len()], names, stamps: Steps::default(), rows: 0 };
    let mut record = csv::ByteRecord::new();
    while csv.read_byte_record(&mut record).map_err(unreadable)? {
        if sketch.rows < ROWS_READ {
            for (looks, cell) in sketch.looks.iter_mut().zip(&record) {
                *looks = looks.with(&String::from_utf8_lossy(cell));
            }
            let time = sketch.looks.iter().position(|l| *l == Looks::Stamp);
            let cell = time.and_then(|t| record.get(t)).map(String::from_utf8_lossy);
            if let Some(stamp) = cell.and_then(|c| parse_stamp(c.trim()).ok()) {
                sketch.stamps.push(stamp);
            }
        }
        sketch.rows += 1;
    }
    if sketch.rows == 0 { Err(DataError::NoRows) } else { Ok(sketch) }
}

fn unreadable(error: csv::Error) -> DataError {
    let line = error.position().map_or(0, csv::Position::line);
    DataError::Read { line, source: std::io::Error::other(error) }
}

/// Lengths of history, horizon and patch: two seasons of history and one of horizon, or shorter for a short file.
fn lengths(rows: usize, frequency: Option<Frequency>) -> (usize, usize, usize) {
    let season = frequency.map_or(12, Frequency::season).clamp(2, 96);
    let horizon = season.min(rows / 20).max(1);
    let patch = (1..=horizon.min(12)).rev().find(|p| horizon.is_multiple_of(*p)).unwrap_or(1);
    (2 * horizon, horizon, patch)
}

fn text(sketch: &Sketch, file: &str, time: Option<usize>, frequency: Option<Frequency>, all: bool) -> String {
    let quoted = |s: &str| toml::Value::String(s.to_owned()).to_string();
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.split('.').next().filter(|s| !s.is_empty()).unwrap_or("run");
    let (history, horizon, patch) = lengths(sketch.rows, frequency);
    let mut text = format!("format_version = 1\nname = {}\n\n[data]\npath = {}\n", quoted(stem), quoted(file));
    if sketch.delimiter != ',' {
        text += &format!("delimiter = {}\n", quoted(&sketch.delimiter.to_string()));
    }
    if let Some(t) = time {
        text += &format!("time = {}\n", quoted(&sketch.names[t]));
    }
    let targets = if all {
        "\"*\"".to_owned()
    } else {
        columns(sketch, |_, l| l == Looks::Number).into_iter().map(quoted).collect::<Vec<_>>().join(", ")
    };
    let stride = (sketch.rows / 5 / 300).max(1);
    text += &format!("targets = [{targets}]");
    text += if all { " # all columns except the time column\n" } else { "\n" };
    text += &format!(
        "
[window]
history = {history}
horizon = {horizon}

[split] # fractions of the rows, in time order
train = 0.7
validation = 0.1
test = 0.2

[evaluation]
stride = {stride}

[model]
patch_len = {patch}
d_model = 32
n_heads = 4
n_layers = 2
d_ff = 64
num_transitions = 2

[training]
seed = 1
batch_size = 32
max_steps = 600
learning_rate = 3e-3
schedule = \"one-cycle\"
validate_every = 100
checkpoint_every = 100
"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::Dataset;

    fn file(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
        let lines: Vec<String> = (0..rows).map(row).collect();
        format!("{header}\n{}\n", lines.join("\n"))
    }

    /// The config must read the file from which it was derived, and all parts must contain windows.
    fn check(csv: &str) -> (Starter, Config) {
        let made = starter(csv.as_bytes(), "my data.csv").expect("a config");
        let config = Config::from_toml(&made.config).expect("a valid config");
        let dataset = Dataset::read(&config, csv.as_bytes()).expect("a readable file");
        let (windows, refused) = dataset.count_windows().expect("windows");
        assert!(windows.training > 0 && windows.validation > 0 && windows.test > 0, "{windows:?}, {refused:?}");
        (made, config)
    }

    #[test]
    fn hourly_with_text_column() {
        let csv = file("when;load;place;wind", 900, |i| {
            format!("2024-{:02}-{:02} {:02}:00;{}.5;here;{}", 1 + i / 672, 1 + i / 24 % 28, i % 24, i % 24, i % 7)
        });
        let (made, config) = check(&csv);
        assert_eq!(config.data.time.as_deref(), Some("when"));
        assert_eq!(config.data.delimiter, ';');
        assert_eq!(config.data.targets, ["load", "wind"]);
        assert_eq!((config.window.history, config.window.horizon, config.model.patch_len), (48, 24, 12));
        assert!(made.notes.iter().any(|n| n.contains("place")), "{:?}", made.notes);
    }

    #[test]
    fn daily_gzip_and_no_time() {
        let csv = file("a,b", 200, |i| format!("{},{}", i % 9, if i % 10 == 0 { "NA".into() } else { i.to_string() }));
        let (made, config) = check(&csv);
        assert_eq!(config.data.time, None);
        assert_eq!(config.data.targets, ["*"]);
        let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, csv.as_bytes()).expect("memory");
        let packed = starter(&gz.finish().expect("memory")[..], "my data.csv").expect("a config");
        assert_eq!(packed, made);
    }

    /// Quotes and line ends in the header must not break the TOML.
    #[test]
    fn hostile_names_stay_names() {
        let csv = file("date,\"a\"\"] \n x = 1\",b", 100, |i| format!("2024-{:02}-{:02},{i},z", 1 + i / 28, 1 + i % 28));
        let made = starter(csv.as_bytes(), "x\"\n.csv").expect("a config");
        let config = Config::from_toml(&made.config).expect("a valid config");
        assert_eq!(config.data.targets, ["a\"] \n x = 1"]);
    }

    #[test]
    fn no_table_is_refused() {
        for (bytes, expected) in
            [(&b""[..], "empty"), (b"a,b\n", "no rows"), (b"a,b\nx,y\n", "numbers"), (b"\x00\xff\x00,\xfe\n1,2\n", "UTF-8")]
        {
            let error = starter(bytes, "x.csv").expect_err("a refusal").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
