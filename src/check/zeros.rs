//! Zeros that may mean missing. They are asked about and never assumed.

use super::outliers::missing_with;
use super::{Finding, Kind, Severity, Table, counted, listed, percent};
use crate::order;

pub(super) fn find(table: &Table<'_>, findings: &mut Vec<Finding>) {
    let zeros = |c: usize| table.profiles[c].zeros;
    let mut columns: Vec<usize> = (0..table.profiles.len()).filter(|&c| zeros(c).is_asked()).collect();
    order::sort_by_key(&mut columns, |&c| std::cmp::Reverse(zeros(c).cells));
    let Some(&most) = columns.first() else { return };
    let one = |&c: &usize| {
        let (row, length) = zeros(c).longest;
        format!(
            "\"{}\" {} (longest run {length}, from {})",
            table.data.column_label(c),
            percent(zeros(c).cells, table.profiles[c].observed),
            table.data.format_row(row)
        )
    };
    let named: Vec<String> = columns.iter().map(one).collect();
    let cells = columns.iter().map(|&c| zeros(c).cells).sum();
    let mut text = format!(
        "do zeros mean missing? {} with runs of exact zeros and no values near zero: {}",
        counted(columns.len(), "column", "columns"),
        listed(&named)
    );
    let alone = alone(table, &columns);
    if table.profiles.len() > 1 {
        text += &format!("; in {} of these cells, most other columns are not zero", percent(alone, cells));
    }
    let others = (0..table.profiles.len()).filter(|&c| zeros(c).cells > 0 && !columns.contains(&c)).count();
    let also = if others > 0 {
        format!(", in all columns: also in {} whose zeros look real", counted(others, "column", "columns"))
    } else {
        ", in all columns".into()
    };
    let advice = format!("if so: data.missing = {}{also}; otherwise nothing", missing_with(table, "0"));
    findings.push(
        Finding::new(Severity::Question, Kind::Zeros, text, advice)
            .of_columns(table.labels(&columns))
            .counting(cells)
            .at(table.data.format_row(zeros(most).longest.0)),
    );
}

/// Number of zeros in these columns in whose row most columns are not zero.
fn alone(table: &Table<'_>, columns: &[usize]) -> usize {
    let of = |&column: &usize| {
        let values = table.data.column_values(column, 0..table.data.rows());
        values
            .zip(&table.rows)
            .filter(|(value, (observed, zeros))| *value == 0.0 && 2 * zeros.saturating_sub(1) < observed.saturating_sub(1))
            .count()
    };
    columns.iter().map(of).sum()
}
