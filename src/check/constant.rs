//! Columns without information in the training rows.

use std::collections::BTreeSet;

use super::profile::Training;
use super::{Finding, Kind, Severity, Table, counted, listed, quoted};

pub(super) fn find(table: &Table<'_>, findings: &mut Vec<Finding>) {
    let targets: BTreeSet<usize> = (0..table.data.shape().num_targets).map(|t| table.data.target_column(t)).collect();
    let (mut constant_targets, mut constant_drivers, mut empty) = (vec![], vec![], vec![]);
    for (column, profile) in table.profiles.iter().enumerate() {
        match profile.training {
            Training::Varies => {}
            Training::Empty => empty.push(column),
            Training::Constant(_) if targets.contains(&column) => constant_targets.push(column),
            Training::Constant(_) => constant_drivers.push(column),
        }
    }
    let named = |columns: &[usize]| {
        let one = |&column: &usize| match table.profiles[column].training {
            Training::Constant(value) => format!("\"{}\" (always {})", table.data.column_label(column), table.value_text(column, value)),
            _ => quoted(table.data.column_label(column)),
        };
        listed(&columns.iter().map(one).collect::<Vec<_>>())
    };
    let mut push = |severity, kind, columns: &[usize], what: &str, advice: &str| {
        if !columns.is_empty() {
            let text = format!("{} {what}: {}", counted(columns.len(), "column", "columns"), named(columns));
            findings.push(Finding::new(severity, kind, text, advice).of_columns(table.labels(columns)));
        }
    };
    let remove = "remove them from the config (data.exclude leaves columns out of \"*\"), or train on other rows";
    push(Severity::Error, Kind::Empty, &empty, "without a value in the training rows", remove);
    push(Severity::Error, Kind::Constant, &constant_targets, "to forecast with one value in all training rows", remove);
    let idle = "the model learns nothing from them; remove the drivers, or train on other rows";
    push(Severity::Warning, Kind::Constant, &constant_drivers, "that drive targets, with one value in all training rows", idle);
    let left_out = &table.data.report().left_out;
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().map(|(name, why)| format!("\"{name}\" ({why})")).collect();
        let text = format!(
            "{} left out of \"*\", constant or empty in the training rows: {}",
            counted(names.len(), "column", "columns"),
            listed(&names)
        );
        let advice = "nothing to do; data.exclude leaves them out silently";
        findings.push(
            Finding::new(Severity::Note, Kind::LeftOut, text, advice).of_columns(left_out.iter().map(|(name, _)| name.clone()).collect()),
        );
    }
}
