//! Host memory: reading takes rows x used columns x 4 bytes and little more, whatever else the file contains.
//!
//! Each case runs in a process of its own (this program again). Its peak of resident memory (`VmHWM`) is compared with its resident memory
//! before reading. The text is generated while it is read, so that it takes no memory itself. Only Linux reports the peak of a process.
#![expect(clippy::print_stdout, reason = "what was measured, to be read")]

mod support {
    pub(crate) mod not_run;
}

use pgat::config::Config;
use pgat::data::{Dataset, Scaler, WindowBuffers};
use pgat::engine::host::{ALLOWANCE, SEGMENT_BYTES, table_bytes};
use pgat::forecast::Baselines;
use std::io::{BufReader, Read, Write as _};
use support::not_run::not_run;

/// Bytes that reading may take in addition to the table. This is far below the documented [`ALLOWANCE`], because a second copy of a
/// table of these sizes would fit into that one unnoticed. Buffers and two blocks take about 3 MB.
const MARGIN: u64 = 5 << 20;

/// Environment variable that gives a child process the name of its case.
const CASE: &str = "PGAT_HOST_MEMORY_CASE";

/// A file to be read.
struct Case {
    name: &'static str,
    rows: usize,
    columns: usize,
    /// Targets and other settings of `[data]`.
    data: &'static str,
    used: usize,
    /// Digits of a cell.
    digits: usize,
    /// One row is missing every so many minutes; 0 for none.
    hole_every: usize,
    gzip: bool,
}

/// Tables of at least 8 MB: a second copy of one exceeds the margin.
const CASES: [Case; 5] = [
    Case { name: "few", rows: 2_500_000, columns: 3, data: "targets = [\"c1\"]", used: 1, digits: 1, hole_every: 0, gzip: false },
    Case { name: "all", rows: 400_000, columns: 20, data: "targets = [\"*\"]", used: 20, digits: 1, hole_every: 0, gzip: false },
    Case { name: "wide", rows: 4_000, columns: 2_000, data: "targets = [\"*\"]", used: 2_000, digits: 1, hole_every: 0, gzip: false },
    Case { name: "gzip", rows: 400_000, columns: 10, data: "targets = [\"*\"]", used: 10, digits: 4, hole_every: 50, gzip: true },
    Case {
        name: "holes",
        rows: 1_000_000,
        columns: 4,
        data: "targets = [\"c1\", \"c3\"]\nmax_gap = 1",
        used: 2,
        digits: 1,
        hole_every: 9,
        gzip: false,
    },
];

/// The case that the README documents: 1 GB, of which a quarter of the columns is used.
const GIGABYTE: Case = Case {
    name: "gigabyte",
    rows: 5_000_000,
    columns: 20,
    data: "targets = [\"c0\", \"c4\", \"c9\", \"c14\", \"c19\"]",
    used: 5,
    digits: 9,
    hole_every: 0,
    gzip: false,
};

/// The text of a case, row by row.
struct Text<'a> {
    case: &'a Case,
    row: usize,
    line: Vec<u8>,
    at: usize,
}

impl<'a> Text<'a> {
    fn new(case: &'a Case) -> Self {
        let names: Vec<String> = (0..case.columns).map(|c| format!("c{c}")).collect();
        Self { case, row: 0, line: format!("time,{}\n", names.join(",")).into_bytes(), at: 0 }
    }

    /// Minutes since 1900, with 28 days in every month, so that no calendar is needed. The gaps between the months are segment boundaries.
    fn write_row(&mut self) {
        let minute = self.row + self.row.checked_div(self.case.hole_every).unwrap_or(0);
        let (day, minute) = (minute / 1440, minute % 1440);
        let (month, day) = (day / 28, day % 28 + 1);
        self.line.clear();
        write!(self.line, "{:04}-{:02}-{day:02} {:02}:{:02}", 1900 + month / 12, month % 12 + 1, minute / 60, minute % 60).expect("memory");
        for column in 0..self.case.columns {
            self.line.push(b',');
            let mut number = self.row * 7919 + column * 104_729;
            for _ in 0..self.case.digits {
                self.line.push(b'0' + u8::try_from(number % 10).expect("a digit"));
                number = number.wrapping_mul(2_654_435_761) >> 3;
            }
        }
        self.line.push(b'\n');
    }
}

impl Read for Text<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.line.len() {
            if self.row == self.case.rows {
                return Ok(0);
            }
            self.write_row();
            (self.row, self.at) = (self.row + 1, 0);
        }
        let count = (&self.line[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// `VmRSS` or `VmHWM` of this process, in bytes.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(what)).expect("a line");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("KiB");
    kib * 1024
}

/// Reads a case, fits the scaler, fills windows and computes the baselines of an evaluation: every operation that holds or copies data.
fn read(case: &Case) {
    let toml = format!(
        "[data]\npath = \"x\"\ntime = \"time\"\n{}\n[window]\nhistory = 24\nhorizon = 12\n[split]\ntrain = 0.7\nvalidation = 0.1\ntest = 0.2",
        case.data
    );
    let config = Config::from_toml(&toml).expect("a config");
    let before = memory("VmRSS");
    let text = BufReader::new(Text::new(case));
    let read = if case.gzip {
        Dataset::read(&config, flate2::read::GzEncoder::new(text, flate2::Compression::fast()))
    } else {
        Dataset::read(&config, text)
    };
    let dataset = read.expect("a dataset");
    let after_reading = memory("VmHWM");
    let (scaler, _) = Scaler::fit(&dataset).expect("a scaler");
    let index = dataset.training_windows().expect("windows");
    let mut buffers = WindowBuffers::new(dataset.shape());
    for window in (0..index.len()).step_by(1 + index.len() / 200) {
        dataset.fill(index.get(window), &scaler, buffers.as_mut());
    }
    let targets = dataset.target_names().len();
    let training: Vec<_> = (0..targets).map(|t| dataset.training_values(t).expect("values")).collect();
    Baselines::new(dataset.season(), dataset.rows(), &vec![false; targets], &[], training).expect("baselines");
    let after_all = memory("VmHWM");
    println!(
        "found {} {} {} {} {}",
        dataset.rows(),
        dataset.columns(),
        dataset.segments().len(),
        after_reading - before,
        after_all - before
    );
}

/// Reads a case in a process of its own.
fn check(test: &str, case: &Case, margin: u64) {
    if !cfg!(target_os = "linux") {
        return not_run(test, "the peak of a process's memory is read from /proc, which Linux alone has");
    }
    let program = std::env::current_exe().expect("this program");
    let mut child = std::process::Command::new(program);
    child.args(["reads_the_case_that_it_is_told", "--exact", "--ignored", "--nocapture"]).env(CASE, case.name);
    let output = child.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| line.split("found ").nth(1)).unwrap_or_else(|| panic!("no result in {text}"));
    let numbers: Vec<u64> = found.split_whitespace().map(|n| n.parse().expect("a number")).collect();
    let [rows, columns, segments, reading, all] = numbers[..] else { panic!("{found}") };
    assert_eq!(columns, case.used as u64, "{}: used columns", case.name);
    assert!(rows >= case.rows as u64, "{}: {rows} rows", case.name);
    let size = |n: u64| usize::try_from(n).expect("64 bits");
    let (table, rest) = (table_bytes(size(rows), size(columns)), SEGMENT_BYTES * segments);
    println!("{}: table {table}, segments {rest}, reading {reading} (+{}), all {all}", case.name, reading.saturating_sub(table + rest));
    assert!(table > 8_000_000 && margin < table, "{}: a second copy must not hide behind the margin", case.name);
    for (what, taken) in [("reading", reading), ("reading, scaling, windows and baselines", all)] {
        assert!(
            taken <= table + rest + margin,
            "{}: {what} took {taken} bytes, the table has {table}, {segments} segments {rest}: {} more than the margin of {margin}",
            case.name,
            taken - (table + rest + margin)
        );
    }
}

#[test]
fn few_columns_of_many_rows() {
    check("few_columns_of_many_rows", &CASES[0], MARGIN);
}

#[test]
fn all_columns() {
    check("all_columns", &CASES[1], MARGIN);
}

#[test]
fn many_columns() {
    check("many_columns", &CASES[2], MARGIN);
}

#[test]
fn gzip_with_cuts() {
    check("gzip_with_cuts", &CASES[3], MARGIN);
}

#[test]
fn filled_holes() {
    check("filled_holes", &CASES[4], MARGIN);
}

#[test]
#[ignore = "reads 1 GB: a quarter of a minute"]
fn a_gigabyte() {
    const { assert!(MARGIN < ALLOWANCE) };
    check("a_gigabyte", &GIGABYTE, MARGIN);
}

#[test]
#[ignore = "the other tests run it in a process of its own"]
fn reads_the_case_that_it_is_told() {
    let Ok(name) = std::env::var(CASE) else { return };
    read(CASES.iter().chain([&GIGABYTE]).find(|case| case.name == name).expect("a case"));
}
