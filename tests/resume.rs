//! A run that is killed with -9 at any moment leaves a folder from which `pgat train --resume` reaches the bits of an undisturbed run.

use crate::support::not_run::not_run;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CONFIG: &str = r#"
format_version = 1
name = "killed"

[data]
path = "data.csv"
time = "time"
targets = ["a", "b"]

[window]
history = 12
horizon = 6

[model]
patch_len = 3
d_model = 16
n_heads = 2
n_layers = 1
d_ff = 16
num_transitions = 1

[training]
seed = 3
batch_size = 8
max_steps = 240
learning_rate = 3e-3
checkpoint_every = 7
validate_every = 30
log_every = 5
health_every = 3
"#;

fn write_data(folder: &Path) {
    let mut text = String::from("time,a,b\n");
    for i in 0..500_u32 {
        let t = f64::from(i);
        let (day, hour) = (1 + i / 24, i % 24);
        let date = format!("2024-{:02}-{:02} {hour:02}:00", 1 + (day - 1) / 28, 1 + (day - 1) % 28);
        // Every month has 28 days, so that each month is a segment of its own, which no window may cross.
        text += &format!("{date},{:.4},{:.4}\n", (t / 4.0).sin() + 0.1 * (t * 1.7).sin(), (t / 6.0).cos());
    }
    std::fs::write(folder.join("data.csv"), text).expect("a writable folder");
    std::fs::write(folder.join("config.toml"), CONFIG).expect("a writable folder");
}

fn pgat(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgat"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn finish(arguments: &[&str]) {
    let output = pgat(arguments).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until the folder holds a checkpoint and some milliseconds more, then kills the process.
fn kill(mut child: Child, run: &Path, more: u64) -> bool {
    let start = Instant::now();
    while !run.join("checkpoint.safetensors").exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "no checkpoint within two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(more));
    let running = child.try_wait().expect("a child").is_none();
    child.kill().expect("kill -9");
    child.wait().expect("a child");
    running
}

#[test]
fn killed_and_resumed_is_the_same_run() {
    if !cfg!(unix) {
        return not_run("killed_and_resumed_is_the_same_run", "kill -9 is of Unix");
    }
    let folder = tempfile::tempdir().expect("a folder");
    write_data(folder.path());
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    finish(&["train", &path("config.toml"), "--out", &path("whole")]);
    let mut killed = 0;
    for (i, more) in [0, 37, 90, 160, 300].into_iter().enumerate() {
        let run = format!("killed-{i}");
        let child = pgat(&["train", &path("config.toml"), "--out", &path(&run)]).spawn().expect("the binary runs");
        killed += u32::from(kill(child, &folder.path().join(&run), more));
        // The run is killed a second time while it resumes.
        let child = pgat(&["train", "--resume", &path(&run)]).spawn().expect("the binary runs");
        kill(child, &folder.path().join(&run), 400 + more);
        finish(&["train", "--resume", &path(&run)]);
        for file in ["weights.safetensors", "best.safetensors", "checkpoint.safetensors"] {
            let read = |run: &str| std::fs::read(folder.path().join(run).join(file)).expect("a finished run");
            assert_eq!(read("whole"), read(&run), "{file} of the run killed after {more} ms");
        }
        let lines = |run: &str| {
            let text = std::fs::read_to_string(folder.path().join(run).join("metrics.jsonl")).expect("a record");
            let keep = |line: &str| {
                let mut v: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
                if let Some(o) = v.as_object_mut() {
                    o.remove("ms");
                }
                v.to_string()
            };
            text.lines().map(keep).collect::<Vec<_>>()
        };
        assert_eq!(lines("whole"), lines(&run), "the record of the run killed after {more} ms");
    }
    assert!(killed > 0, "no run was killed under way: the test proved nothing");
}
