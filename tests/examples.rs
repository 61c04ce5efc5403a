//! The examples run to their end and print the expected lines. They run on the f64 reference backend, except for the one that compares bits
//! (*adapter*).

use std::path::PathBuf;
use std::process::Command;

/// The examples are built next to the tests: in target/PROFILE/examples and target/PROFILE/deps.
fn example(name: &str, arguments: &[&str]) -> String {
    let test = std::env::current_exe().expect("a path");
    let folder: PathBuf = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE").join("examples");
    let output = Command::new(folder.join(name)).args(arguments).output().unwrap_or_else(|e| panic!("{name}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {out}{err}");
    out.into_owned()
}

#[test]
fn training_and_forecasting_from_memory() {
    let out = example("train_and_forecast", &["twins"]);
    assert!(out.contains("The model ") && out.contains("time,series,mean,std,q0.1,q0.5,q0.9\n"), "{out}");
    assert_eq!(out.lines().filter(|line| line.starts_with("2024-03-26 0")).count(), 12, "{out}");
}

#[test]
fn a_stop_changes_no_bit() {
    let out = example("progress_and_cancel", &[]);
    assert!(out.contains("after 25 steps: ") && out.contains("step 40: loss"), "{out}");
    assert!(out.ends_with("the stop changed no bit of the weights\n"), "{out}");
}

#[test]
fn windows_of_ones_own() {
    let out = example("custom_source", &["twins"]);
    assert!(out.contains("Finished after 40 steps"), "{out}");
}
