//! `pgat check`.

use super::console::{table, thousands};
use super::context::Context;
use super::{Ending, console, open};
use pgat::check::{Check, Facts, Severity};
use std::path::PathBuf;

/// Show what to know about the data of a config before training; needs no adapter
///
/// Reads the data as training does and reports gaps, missing cells, constant and equal columns, outliers, codes and zeros that may mean
/// missing, drivers that reveal a target, and digits that are lost, each with what to do. Nothing is changed. The exit status is 0 if a
/// model can be trained, and 2 if the data cannot be used.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Config file
    config: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(_: &Context, options: &Options) -> anyhow::Result<Ending> {
    let config = open::config(&options.config)?;
    let check = Check::open(&config)?;
    if options.json {
        console::json(&check)?;
    } else {
        console::result(&text(&check, &config.data.path))?;
    }
    Ok(if check.usable { Ending::Done } else { Ending::Void })
}

fn text(check: &Check, path: &str) -> String {
    let mut facts = vec![vec!["data".to_owned(), path.to_owned()]];
    facts.extend(check.facts.iter().flat_map(facts_rows));
    let mut text = table(&facts, &[0, 1]) + "\n";
    let mut rows = vec![];
    for finding in &check.findings {
        rows.push(vec![name(finding.severity).to_owned(), finding.text.clone()]);
        if !finding.advice.is_empty() {
            rows.push(vec![String::new(), format!("-> {}", finding.advice)]);
        }
    }
    rows.extend(check.unsearched.iter().map(|what| vec!["not searched".into(), what.clone()]));
    text += &table(&rows, &[0, 1]);
    if !rows.is_empty() {
        text.push('\n');
    }
    text + &summary(check)
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Question => "question",
        Severity::Note => "note",
    }
}

fn summary(check: &Check) -> String {
    let severities = [Severity::Error, Severity::Warning, Severity::Question, Severity::Note];
    let counts = severities.map(|severity| (name(severity), check.findings.iter().filter(|f| f.severity == severity).count()));
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(name, count)| format!("{count} {name}{}", if count == 1 { "" } else { "s" })).collect();
    let counts = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
    let verdict = if check.usable { "a model can be trained" } else { "the data cannot be used" };
    format!("{counts}: {verdict}\n")
}

fn facts_rows(facts: &Facts) -> Vec<Vec<String>> {
    let count = |n: usize, one: &str| format!("{} {one}{}", thousands(n as u64), if n == 1 { "" } else { "s" });
    let step = facts.step.as_ref().map_or_else(
        || "a row, without timestamps".into(),
        |step| format!("{step}, {}", facts.zone.as_ref().map_or_else(|| "no zone".to_owned(), |zone| format!("zone {zone}"))),
    );
    let windows = facts.windows.map_or_else(
        || "none".into(),
        |w| {
            format!(
                "{} training, {} validation, {} test",
                thousands(w.training as u64),
                thousands(w.validation as u64),
                thousands(w.test as u64)
            )
        },
    );
    let rows = [
        ("rows", format!("{} in {}, {} to {}", thousands(facts.rows as u64), count(facts.segments, "segment"), facts.first, facts.last)),
        ("step", format!("{step}; a season has {}", count(facts.season, "row"))),
        (
            "series",
            format!("{}, {}, {}", count(facts.targets, "target"), count(facts.covariates, "covariate"), count(facts.channels, "channel")),
        ),
        ("windows", windows),
    ];
    rows.into_iter().map(|(key, value)| vec![key.to_owned(), value]).collect()
}
