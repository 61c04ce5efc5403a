//! Missing cells, and columns that start late or have ended.

use super::{Finding, Kind, Severity, Table, counted, listed, percent, quoted};
use crate::order;

/// A column starts late if its first value is after this share of the training rows.
const LATE: f64 = 0.05;
/// A column has ended if it has no value in this share of the rows at the end, and at least a horizon.
const ENDED: f64 = 0.01;
/// A column with at least this share of missing cells is worth a warning.
const MOSTLY: f64 = 0.5;

pub(super) fn find(table: &Table<'_>, findings: &mut Vec<Finding>) {
    // Rows without any value are a finding of their own, as are columns without any value.
    let rows = table.rows.iter().filter(|(observed, _)| *observed > 0).count();
    let missing = |column: usize| rows - table.profiles[column].observed;
    let mut columns: Vec<usize> = (0..table.profiles.len()).filter(|&c| missing(c) > 0 && table.profiles[c].observed > 0).collect();
    order::sort_by_key(&mut columns, |&c| std::cmp::Reverse(missing(c)));
    let mostly = columns.iter().take_while(|&&c| missing(c) as f64 >= MOSTLY * rows as f64).count();
    let (many, few) = columns.split_at(mostly);
    let named = |columns: &[usize]| {
        let one = |&c: &usize| format!("\"{}\" {}", table.data.column_label(c), percent(missing(c), rows));
        listed(&columns.iter().map(one).collect::<Vec<_>>())
    };
    let mut push = |severity, columns: &[usize], what: &str, advice: &str| {
        if columns.is_empty() {
            return;
        }
        let cells = columns.iter().map(|&c| missing(c)).sum();
        let text = format!("{} {what}: {}", counted(columns.len(), "column", "columns"), named(columns));
        findings.push(Finding::new(severity, Kind::Missing, text, advice).of_columns(table.labels(columns)).counting(cells));
    };
    let mask = "nothing to do: missing cells are unobserved inputs, and are neither trained on nor scored";
    push(
        Severity::Warning,
        many,
        "with more missing cells than values",
        "check that the values have the step of the data (data.frequency)",
    );
    push(Severity::Note, few, "with missing cells", mask);
    late(table, findings);
    ended(table, findings);
}

fn late(table: &Table<'_>, findings: &mut Vec<Finding>) {
    let limit = table.train.start as f64 + LATE * table.train.len() as f64;
    let columns: Vec<usize> =
        (0..table.profiles.len()).filter(|&c| table.profiles[c].observed > 0 && table.profiles[c].first as f64 > limit).collect();
    let one = |&c: &usize| format!("{} at {}", quoted(table.data.column_label(c)), table.data.format_row(table.profiles[c].first));
    // Without a training value the column is an error: see `constant`. Its first stamp is said here.
    let text = |columns: &[usize]| {
        let all: Vec<String> = columns.iter().map(one).collect();
        format!("{} late: {}", counted(columns.len(), "column starts", "columns start"), listed(&all))
    };
    if let Some(first) = columns.iter().map(|&c| table.profiles[c].first).min() {
        let advice = "exclude them, or start the file where most columns have values";
        findings.push(
            Finding::new(Severity::Note, Kind::StartsLate, text(&columns), advice)
                .of_columns(table.labels(&columns))
                .at(table.data.format_row(first)),
        );
    }
}

fn ended(table: &Table<'_>, findings: &mut Vec<Finding>) {
    let rows = table.data.rows();
    let share = ENDED * rows as f64;
    let tail = |c: usize| rows - 1 - table.profiles[c].last;
    let has_ended = |c: usize| table.profiles[c].observed > 0 && tail(c) >= table.data.shape().horizon && tail(c) as f64 >= share;
    let columns: Vec<usize> = (0..table.profiles.len()).filter(|&c| has_ended(c)).collect();
    if let Some(first) = columns.iter().map(|&c| table.profiles[c].last).min() {
        let one = |&c: &usize| format!("{} after {}", quoted(table.data.column_label(c)), table.data.format_row(table.profiles[c].last));
        let all: Vec<String> = columns.iter().map(one).collect();
        let text = format!("{} before the last row: {}", counted(columns.len(), "column has ended", "columns have ended"), listed(&all));
        let advice =
            "they are not scored where they have no values, and their forecasts start from nothing; exclude them, or end the file there";
        findings.push(
            Finding::new(Severity::Warning, Kind::HasEnded, text, advice)
                .of_columns(table.labels(&columns))
                .at(table.data.format_row(first)),
        );
    }
}
