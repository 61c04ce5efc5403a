//! Tests of reading and windows: the message for each bad input, and windows compared with a naive construction.

mod bad_files;
mod categories;
mod offsets;
mod splits;
mod tables;
mod window_contents;

use std::fmt::Write as _;
use std::io::Write as _;

use super::*;
use crate::calendar::{CalendarFeature, DAY, Frequency, Grid, Rules, Steps, format_stamp, parse_stamp};
use crate::config::Config;
use crate::numbers::to_f32;

/// A configuration with the given lines in `[data]` and the given sections after it; history 4, horizon 2.
fn config(data: &str, rest: &str) -> Config {
    let window = if rest.contains("[window]") { "" } else { "[window]\nhistory = 4\nhorizon = 2\n" };
    Config::from_toml(&format!("[data]\npath = \"x\"\n{data}\n{window}{rest}")).unwrap()
}

fn read(config: &Config, text: &str) -> Result<Dataset, DataError> {
    Dataset::read(config, text.as_bytes())
}

/// Hourly rows from 2020-01-01 00:00: a timestamp and the output of `cells`.
fn hourly(header: &str, rows: usize, cells: impl Fn(usize) -> String) -> String {
    let grid = Grid::of(Frequency::HOUR, &Steps::default(), &Rules::default());
    let start = parse_stamp("2020-01-01").unwrap();
    let mut text = format!("{header}\n");
    for row in 0..rows {
        let stamp = format_stamp(grid.advance(start, i64::try_from(row).unwrap()));
        writeln!(text, "{stamp},{}", cells(row)).unwrap();
    }
    text
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Resident memory of this process in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn six_megabytes_add_less_than_a_hundred() {
    // Noise, so that the gzip-compressed file is large too.
    let noise = |row: usize, column: usize| {
        let p = Permutation::new(1 << 40, column as u64, 1);
        format!("{:.9}", p.get(row) as f64 / 1e9)
    };
    let header = (0..20).fold("t".to_string(), |text, k| format!("{text},c{k}"));
    let cells = |row| (0..20).map(|k| noise(row, k)).collect::<Vec<_>>().join(",");
    let bytes = gzip(&hourly(&header, 50_000, cells));
    assert!(bytes.len() > 6_000_000, "{}", bytes.len());
    let config = config("time = \"t\"\ntargets = [\"*\"]", "");
    let before = resident();
    let dataset = Dataset::read(&config, bytes.as_slice()).unwrap();
    let (scaler, _) = Scaler::fit(&dataset).unwrap();
    let index = dataset.training_windows().unwrap();
    let mut buffers = WindowBuffers::new(dataset.shape());
    for k in (0..index.len()).step_by(7) {
        dataset.fill(index.get(k), &scaler, buffers.as_mut());
    }
    let added = resident().saturating_sub(before);
    assert!(added < 100_000_000, "{added} bytes added");
    assert_eq!(dataset.rows(), 50_000);
}
