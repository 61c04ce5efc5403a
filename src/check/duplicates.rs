//! Columns that are equal in all rows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Kind, Severity, Table, counted, listed, quoted};
use crate::order;

pub(super) fn find(table: &Table<'_>, findings: &mut Vec<Finding>) {
    let targets: BTreeSet<usize> = (0..table.data.shape().num_targets).map(|t| table.data.target_column(t)).collect();
    let mut groups: Vec<Vec<usize>> = vec![];
    // A driver that equals a target is a matter of `leakage`.
    for group in equal(table) {
        let (of_targets, of_drivers): (Vec<usize>, Vec<usize>) = group.into_iter().partition(|column| targets.contains(column));
        groups.extend([of_targets, of_drivers].into_iter().filter(|group| group.len() > 1));
    }
    if groups.is_empty() {
        return;
    }
    let named: Vec<String> = groups
        .iter()
        .map(|group| group.iter().map(|&c| quoted(table.data.column_label(c))).collect::<Vec<_>>())
        .map(|names| if names.len() > 4 { format!("{} = .. ({} columns)", names[..3].join(" = "), names.len()) } else { names.join(" = ") })
        .collect();
    let text = format!("{} of columns that are equal in all rows: {}", counted(groups.len(), "group", "groups"), listed(&named));
    let advice =
        "keep one of each group (data.exclude leaves columns out of \"*\"): the others take memory and time, and count twice in scores";
    let columns: Vec<usize> = groups.concat();
    findings.push(Finding::new(Severity::Warning, Kind::Duplicates, text, advice).of_columns(table.labels(&columns)));
}

/// Groups of columns that are equal in all rows and not constant.
pub(super) fn equal(table: &Table<'_>) -> Vec<Vec<usize>> {
    let varied = (0..table.profiles.len()).filter(|&column| !table.profiles[column].is_constant());
    let mut by_hash: BTreeMap<u64, Vec<usize>> = order::map([]);
    varied.for_each(|column| by_hash.entry(table.profiles[column].hash).or_default().push(column));
    let values = |column: usize| table.data.column_values(column, 0..table.data.rows()).map(f32::to_bits);
    let mut groups = vec![];
    for candidates in by_hash.into_values().filter(|columns| columns.len() > 1) {
        let first = candidates[0];
        let group: Vec<usize> = candidates.into_iter().filter(|&column| column == first || values(column).eq(values(first))).collect();
        if group.len() > 1 {
            groups.push(group);
        }
    }
    order::sort_by_key(&mut groups, |group: &Vec<usize>| group[0]);
    groups
}
