//! `pgat verify`.

use super::context::{self, Context};
use super::{Ending, console};
use anyhow::Context as _;
use pgat::executor::Backend;
use pgat::verify::{Golden, GroupError, verify};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Compare the model with golden files of the PyTorch reference
///
/// Runs each file's model on the file's inputs and compares block outputs, results, loss and every gradient with those in the file. An
/// error is relative to the larger of the tensor's largest magnitude and 1e-4 of its group's. Exit status 1 if one is above its tolerance.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Golden files (safetensors)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Greatest error of any group [default: 1e-6 on the reference; on a device 2e-3 for gradients, else 2e-4]
    #[arg(long, value_name = "X", value_parser = tolerance, allow_negative_numbers = true)]
    tolerance: Option<f64>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn tolerance(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| *x > 0.0).ok_or_else(|| "give a positive number such as 1e-4".into())
}

fn default_tolerance(backend: &Backend, group: &str) -> f64 {
    match (backend, group) {
        (Backend::Reference, _) => 1e-6,
        (Backend::Gpu(_), "grad") => 2e-3,
        (Backend::Gpu(_), _) => 2e-4,
    }
}

#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    passed: bool,
    groups: Vec<CheckedGroup>,
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
    Ok(if all.iter().all(|c| c.passed) { Ending::Done } else { Ending::Negative })
}

fn check(file: &Path, backend: &Backend, options: &Options) -> anyhow::Result<Checked> {
    let golden = Golden::read(&std::fs::read(file)?)?;
    let groups = pollster::block_on(verify(&golden, backend))?;
    let one = |error: GroupError| {
        let tolerance = options.tolerance.unwrap_or_else(|| default_tolerance(backend, &error.group));
        let passed = error.error <= tolerance;
        CheckedGroup { error, tolerance, passed }
    };
    let groups: Vec<CheckedGroup> = groups.into_iter().map(one).collect();
    Ok(Checked { file: file.to_owned(), passed: groups.iter().all(|g| g.passed), groups })
}

fn text(checked: &Checked, several: bool) -> String {
    let header = ["group", "tensors", "error", "tolerance", "", "worst tensor"].map(str::to_owned).to_vec();
    let rows = checked.groups.iter().map(|g| {
        let e = &g.error;
        let verdict = if g.passed { "ok" } else { "ABOVE" };
        vec![
            e.group.clone(),
            e.tensors.to_string(),
            format!("{:.1e}", e.error),
            format!("{:.0e}", g.tolerance),
            verdict.into(),
            e.worst.clone(),
        ]
    });
    let table = console::table(&std::iter::once(header).chain(rows).collect::<Vec<_>>(), &[0, 4, 5]);
    if several { format!("{}\n{table}\n", checked.file.display()) } else { table }
}
