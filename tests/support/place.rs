//! A folder with a tiny series and a config, and the output of commands in it. Most commands run on the f64 reference backend and need no
//! adapter.

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

/// Rows of the series.
const ROWS: usize = 400;

/// A folder with a config and its data.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
}

/// Exit status, stdout, stderr.
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    Said { status: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Said {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, Some(0), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Checks for an error: status 2, empty stdout, one line `error: ..` that contains these words.
    #[track_caller]
    pub(crate) fn error(self, words: &[&str]) {
        assert_eq!(self.status, Some(2), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        assert_eq!(self.out, "", "an error's stdout is empty");
        let lines: Vec<&str> = self.err.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(lines.len(), 1, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in\n{}", self.err);
        }
    }
}

/// Three hourly sines with a period of one day and different phases, with a ripple, so that no forecast is exact.
fn series() -> String {
    let mut text = String::from("time,a,b,c\n");
    for row in 0..ROWS {
        let (day, hour) = (row / 24, row % 24);
        let stamp = format!("2024-{:02}-{:02} {hour:02}:00", 1 + day / 28, 1 + day % 28);
        let angle = row as f64 * std::f64::consts::TAU / 24.0;
        let value = |k: f64| 10.0 * k + (angle + k).sin() + 0.1 * (row as f64 * 1.7 + k).sin();
        text += &format!("{stamp},{:.4},{:.4},{:.4}\n", value(0.0), value(1.0), value(2.0));
    }
    text
}

/// Three series, a model with one narrow layer, four steps.
pub(crate) const CONFIG: &str = r#"
name = "waves"
[data]
path = "waves.csv"
time = "time"
targets = ["*"]
[window]
history = 8
horizon = 4
[split]
train = 0.7
validation = 0.15
test = 0.15
[evaluation]
stride = 6
levels = [0.1, 0.5, 0.9]
[model]
patch_len = 4
num_transitions = 1
d_model = 8
n_heads = 2
n_layers = 1
d_ff = 8
mdn_components = 2
[training]
batch_size = 4
max_steps = 4
validate_every = 2
checkpoint_every = 2
log_every = 2
"#;

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: TempDir::new().expect("a folder") };
        place.write("config.toml", CONFIG);
        place.write("waves.csv", &series());
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Changes a text file.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, &text.replacen(from, to, 1));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin("pgat"));
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    /// Runs a command on the reference backend.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(&self.command(arguments).args(["--backend", "reference"]).output().expect("it runs"))
    }

    /// Runs a command on the device that tests use.
    pub(crate) fn run_on_device(&self, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        if let Ok(device) = std::env::var("PGAT_DEVICE") {
            command.args(["--device", &device]);
        }
        said(&command.output().expect("it runs"))
    }

    /// A trained run in `run`.
    pub(crate) fn trained() -> Self {
        let place = Self::new();
        place.run(&["train", "config.toml", "--out", "run"]).ok();
        place
    }
}
