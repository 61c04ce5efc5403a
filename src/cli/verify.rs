//! `pgat verify`.

use super::context::{self, Context};
use super::{Ending, console};
use anyhow::Context as _;
use pgat::engine::executor::Backend;
use pgat::engine::verify::{self, Golden, GroupError, Tie};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Compare the model with golden files of the PyTorch reference
///
/// Runs the model of each file on the inputs of the file, and compares block outputs, results, loss and all gradients with the values in
/// the file. For a trajectory (a file with `step.*`), it compares the losses of the training steps and the final parameters. An error is
/// relative to the larger of two values: the largest magnitude in the tensor, and 1e-4 of the largest magnitude in its group. The exit
/// status is 1 if an error is above its tolerance.
///
/// If the scores of a selected and an unselected edge or lag differ by less than 1e-4, f32 may select the other one. Such ties are listed.
/// All values that depend on a tie are void (in a trajectory, only if they are above the tolerance). The exit status is then 2, unless
/// another value is above its tolerance.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Golden files in safetensors format
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Tolerance of the relative error, for all groups [default: 1e-6 with --backend reference; on a GPU, 2e-3 for gradients, 2e-4 for
    /// other values of a step, and in a trajectory 1e-4 for losses, 1e-3 for parameters, 5e-3 for parameters whose gradient is partly zero
    /// in theory]
    #[arg(long, value_name = "X", value_parser = tolerance, allow_negative_numbers = true)]
    tolerance: Option<f64>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn tolerance(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| *x > 0.0).ok_or_else(|| "give a positive number such as 1e-4".into())
}

#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    /// True if no error is above its tolerance and nothing is void.
    passed: bool,
    groups: Vec<CheckedGroup>,
    /// Ties because of which tensors are void or could be void.
    ties: Vec<Tie>,
}

impl Checked {
    fn has_void(&self) -> bool {
        self.groups.iter().any(|g| g.error.void > 0)
    }
}

#[derive(Serialize)]
struct CheckedGroup {
    #[serde(flatten)]
    error: GroupError,
    tolerance: f64,
    passed: bool,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let backend = context.open()?;
    context.say(&format!("adapter: {}", context::describe(&backend)));
    let mut all = vec![];
    for file in &options.files {
        let checked = check(file, &backend, options).with_context(|| file.display().to_string())?;
        if !options.json {
            console::result(&text(&checked, options.files.len() > 1))?;
        }
        all.push(checked);
    }
    if options.json {
        console::json(&all)?;
    }
    let above = all.iter().any(|c| c.groups.iter().any(|g| !g.passed));
    Ok(match (above, all.iter().any(Checked::has_void)) {
        (true, _) => Ending::Negative,
        (false, true) => Ending::Void,
        (false, false) => Ending::Done,
    })
}

fn check(file: &Path, backend: &Backend, options: &Options) -> anyhow::Result<Checked> {
    let golden = Golden::read(&std::fs::read(file)?)?;
    let limit = |group: &str| options.tolerance.unwrap_or_else(|| verify::tolerance(backend, group));
    let report = pollster::block_on(verify::verify(&golden, backend, limit))?;
    let one = |error: GroupError| {
        let tolerance = limit(&error.group);
        let passed = error.error.is_none_or(|e| e <= tolerance);
        CheckedGroup { error, tolerance, passed }
    };
    let groups: Vec<CheckedGroup> = report.groups.into_iter().map(one).collect();
    let mut checked = Checked { file: file.to_owned(), passed: false, groups, ties: report.ties };
    // Void tensors were not compared, so that the file has not passed.
    checked.passed = checked.groups.iter().all(|g| g.passed) && !checked.has_void();
    Ok(checked)
}

fn text(checked: &Checked, several: bool) -> String {
    let header = ["group", "tensors", "void", "error", "tolerance", "", "worst tensor"].map(str::to_owned).to_vec();
    let rows = checked.groups.iter().map(|g| {
        let e = &g.error;
        let verdict = match (e.error, g.passed) {
            (None, _) => "void",
            (_, true) => "ok",
            (_, false) => "ABOVE",
        };
        vec![
            e.group.clone(),
            e.tensors.to_string(),
            e.void.to_string(),
            e.error.map_or_else(|| "-".into(), |e| format!("{e:.1e}")),
            format!("{:.0e}", g.tolerance),
            verdict.into(),
            e.worst.clone().unwrap_or_default(),
        ]
    });
    let mut text = console::table(&std::iter::once(header).chain(rows).collect::<Vec<_>>(), &[0, 5, 6]);
    for tie in &checked.ties {
        text += &format!("tie: {tie}\n");
    }
    match (checked.ties.is_empty(), checked.has_void()) {
        (false, true) => text += "f32 may select another edge or lag at a tie: values that depend on it are void\n",
        (false, false) if checked.passed => text += "f32 may select another edge or lag at a tie, but here the training agrees\n",
        _ => {}
    }
    if several { format!("{}\n{text}\n", checked.file.display()) } else { text }
}
