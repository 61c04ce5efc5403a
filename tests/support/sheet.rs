//! Small tables for tests, and folders with one of them.

use super::dates::{civil, days};
use super::place::{Place, Said};
use std::fmt::Write as _;

/// Windows, split, model and training of a config: small enough for the reference backend.
const REST: &str = r#"
[window]
history = 4
horizon = 2
[split]
train = 0.7
validation = 0.1
test = 0.2
[model]
patch_len = 2
num_transitions = 2
d_model = 8
n_heads = 2
n_layers = 1
d_ff = 16
[training]
seed = 1
batch_size = 8
max_steps = 2
validate_every = 2
checkpoint_every = 2
"#;

/// Noise between -1 and 1, different for each series `k`.
pub(crate) fn noise(row: u32, k: u32) -> f64 {
    let mixed = (row * 8 + k + 1).wrapping_mul(2_654_435_761) >> 7;
    f64::from(mixed % 20_001) / 10_000.0 - 1.0
}

/// A value with a season of seven rows.
pub(crate) fn value(row: u32, k: u32) -> f64 {
    10.0 * f64::from(k + 1) + 4.0 * (f64::from(row) * std::f64::consts::TAU / 7.0).sin() + noise(row, k)
}

/// Values of `count` series as cells.
pub(crate) fn values(row: u32, count: u32) -> String {
    (0..count).map(|k| format!("{:.3}", value(row, k))).collect::<Vec<_>>().join(",")
}

/// A table of a header and `rows` lines.
pub(crate) fn csv(header: &str, rows: u32, line: impl Fn(u32) -> String) -> String {
    let mut text = format!("{header}\n");
    for row in 0..rows {
        writeln!(text, "{}", line(row)).expect("a string");
    }
    text
}

/// Year, month and day, `row` days after a date.
pub(crate) fn after((year, month, day): (i64, i64, i64), row: u32) -> (i64, i64, i64) {
    civil(days(year, month, day) + i64::from(row))
}

/// A day of 2021 as YYYY-MM-DD.
pub(crate) fn day(row: u32) -> String {
    let (y, m, d) = after((2021, 1, 1), row);
    format!("{y}-{m:02}-{d:02}")
}

/// An hour of 2021 as YYYY-MM-DD HH:00.
pub(crate) fn hour(row: u32) -> String {
    format!("{} {:02}:00", day(row / 24), row % 24)
}

/// A daily table with series a, b, ...
pub(crate) fn daily(rows: u32, count: u32) -> String {
    let names: Vec<String> = (0..count).map(|k| char::from(b'a' + u8::try_from(k).expect("few series")).to_string()).collect();
    csv(&format!("time,{}", names.join(",")), rows, |row| format!("{},{}", day(row), values(row, count)))
}

/// A table of hours with one series.
pub(crate) fn hourly(rows: u32) -> String {
    csv("time,a", rows, |row| format!("{},{}", hour(row), values(row, 1)))
}

/// What `pgat init` said and wrote.
pub(crate) struct Made {
    pub(crate) notes: String,
    pub(crate) config: String,
    /// What `pgat plan` says of the config.
    pub(crate) plan: String,
}

impl Made {
    #[track_caller]
    pub(crate) fn has(&self, words: &[&str]) -> &Self {
        for word in words {
            let all = format!("{}\n{}\n{}", self.notes, self.config, self.plan);
            assert!(all.contains(word), "{word:?} is not in\n{all}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn has_not(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(!self.config.contains(word), "{word:?} is in\n{}", self.config);
        }
        self
    }
}

/// A folder with `data.csv`, and `config.toml` with these lines of `[data]`.
pub(crate) fn place(csv: &str, data: &str) -> Place {
    let place = Place::new();
    place.write("data.csv", csv);
    configure(&place, data);
    place
}

/// Writes a config with these lines of `[data]`.
pub(crate) fn configure(place: &Place, data: &str) {
    place.write("config.toml", &format!("name = \"case\"\n[data]\npath = \"data.csv\"\n{data}\n{REST}"));
}

/// The data lines of a config with a column "time", whose targets are all other columns.
pub(crate) const PLAIN: &str = "time = \"time\"\ntargets = [\"*\"]";

/// A folder with a run in `run`.
pub(crate) fn trained(csv: &str, data: &str) -> Place {
    let place = place(csv, data);
    place.run(&["train", "config.toml", "--out", "run"]).ok();
    place
}

/// What `pgat plan` says.
pub(crate) fn planned(csv: &str, data: &str) -> Said {
    place(csv, data).run(&["plan", "config.toml"])
}

/// What `pgat init` makes of a table, and that `pgat plan` reads the table with it.
#[track_caller]
pub(crate) fn init(csv: &str, flags: &[&str]) -> Made {
    let place = place(csv, PLAIN);
    let said = place.run(&[&["init", "data.csv", "--out", "i.toml"], flags].concat()).ok();
    let plan = place.run(&["plan", "i.toml"]).ok();
    Made { notes: said.err, config: place.read("i.toml"), plan: format!("{}{}", plan.out, plan.err) }
}

/// That `pgat init` refuses a table with these words.
#[track_caller]
pub(crate) fn init_refuses(csv: &str, flags: &[&str], words: &[&str]) {
    place(csv, PLAIN).run(&[&["init", "data.csv"], flags].concat()).error(words);
}

/// The rows of `pgat forecast` as cells, without the header.
#[track_caller]
pub(crate) fn forecast(place: &Place, file: &str) -> Vec<Vec<String>> {
    let out = place.run(&["forecast", "run", "--data", file, "--levels", "0.5"]).ok().out;
    out.lines().skip(1).map(|line| line.split(',').map(String::from).collect()).collect()
}

/// The timestamps of a forecast of one series.
#[track_caller]
pub(crate) fn forecast_stamps(place: &Place, file: &str) -> Vec<String> {
    forecast(place, file).into_iter().map(|mut cells| cells.remove(0)).collect()
}
