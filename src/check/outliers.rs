//! Values that are far from all others: single ones, and repeated ones that may be codes for missing.

use std::collections::HashMap;

use super::profile::FAR;
use super::{Finding, Kind, Severity, Table, counted, listed, number_text, percent, quoted};
use crate::order;

/// A value is far from all others if it is this many times as far from the centre as the next nearer value.
const JUMP: f64 = 2.0;
/// Single values are outliers if at most this share of the cells, or [`FEW`] cells, are far.
const RARE: f64 = 0.01;
const FEW: usize = 3;
/// How often a value occurs that may be a code.
const REPEATED: usize = 3;
/// Maximum number of different values outside the usual range of a column that are kept; with more, its values have a heavy tail.
const KEPT: usize = 4096;
/// Maximum number of codes with a finding of their own.
const CODES: usize = 10;

/// A value outside the usual range of a column.
#[derive(Debug, Clone, Copy)]
struct Far {
    value: f32,
    cells: usize,
    first: usize,
    /// Distance from the centre.
    distance: f64,
}

/// A code in all columns that have it.
struct Code {
    value: f64,
    text: String,
    columns: Vec<usize>,
    cells: usize,
    first: usize,
}

pub(super) fn find(table: &Table<'_>, findings: &mut Vec<Finding>) {
    let mut codes: Vec<Code> = vec![];
    let mut outliers: Vec<(usize, Vec<Far>)> = vec![];
    for column in 0..table.profiles.len() {
        let mut single = vec![];
        for far in of_column(table, column) {
            let cells: usize = far.iter().map(|f| f.cells).sum();
            for f in far {
                let value = table.value(column, f.value);
                // A zero is asked about as a zero: see `zeros`.
                if value == 0.0 && table.profiles[column].zeros.is_asked() {
                    continue;
                }
                if is_usual_code(value) || (f.cells >= REPEATED && 2 * f.cells >= cells) {
                    add(&mut codes, value, table.value_text(column, f.value), column, f);
                } else {
                    single.push(f);
                }
            }
        }
        let cells: usize = single.iter().map(|f| f.cells).sum();
        if cells > 0 && (cells <= FEW || cells as f64 <= RARE * table.profiles[column].observed as f64) {
            outliers.push((column, single));
        }
    }
    codes_found(table, codes, findings);
    outliers_found(table, &outliers, findings);
}

/// The values of a column that are far from all others, below and above.
fn of_column(table: &Table<'_>, column: usize) -> Vec<Vec<Far>> {
    let Some((centre, spread)) = table.profiles[column].typical.filter(|(_, spread)| *spread > 0.0) else { return vec![] };
    let mut sides: [HashMap<u32, Far>; 2] = Default::default();
    let mut inside = [0.0_f64; 2];
    for (row, value) in table.data.column_values(column, 0..table.data.rows()).enumerate().filter(|(_, v)| !v.is_nan()) {
        let distance = (f64::from(value) - centre).abs();
        let side = usize::from(f64::from(value) > centre);
        if distance <= FAR * spread {
            inside[side] = inside[side].max(distance);
        } else if sides[side].len() <= KEPT {
            sides[side].entry(value.to_bits()).or_insert(Far { value, cells: 0, first: row, distance }).cells += 1;
        }
    }
    let far = |(side, inside): (HashMap<u32, Far>, f64)| {
        if side.len() > KEPT {
            return vec![];
        }
        let mut side: Vec<Far> = side.into_values().collect();
        side.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance));
        let mut nearer = inside.max(spread);
        let from = side.iter().position(|f| {
            let jumps = f.distance > JUMP * nearer;
            nearer = f.distance;
            jumps
        });
        from.map_or_else(Vec::new, |from| side.split_off(from))
    };
    sides.into_iter().zip(inside).map(far).collect()
}

/// Numbers that programs write for missing values: nines, the limits of integers, and very large numbers.
fn is_usual_code(value: f64) -> bool {
    const CODES: [f64; 13] =
        [99.0, 999.0, 9999.0, 99_999.0, 999_999.0, 9_999_999.0, 99.9, 999.9, 9999.9, 32_767.0, 32_768.0, 65_535.0, 2_147_483_648.0];
    value.abs() >= 1e15 || CODES.into_iter().any(|code| (value.abs() - code).abs() <= 1e-7 * code)
}

fn add(codes: &mut Vec<Code>, value: f64, text: String, column: usize, far: Far) {
    match codes.iter_mut().find(|code| code.value == value) {
        Some(code) => {
            code.columns.push(column);
            code.cells += far.cells;
            code.first = code.first.min(far.first);
        }
        None => codes.push(Code { value, text, columns: vec![column], cells: far.cells, first: far.first }),
    }
}

fn codes_found(table: &Table<'_>, mut codes: Vec<Code>, findings: &mut Vec<Finding>) {
    order::sort_by_key(&mut codes, |code| std::cmp::Reverse(code.cells));
    for code in codes.iter().take(CODES) {
        let observed = code.columns.iter().map(|&c| table.profiles[c].observed).sum();
        let names: Vec<String> = code.columns.iter().map(|&c| quoted(table.data.column_label(c))).collect();
        let text = format!(
            "is {} a code for missing? {} ({}) in {} {}, far from all other values; the first at {}",
            code.text,
            counted(code.cells, "cell", "cells"),
            percent(code.cells, observed),
            if code.columns.len() == 1 { "column" } else { "columns" },
            listed(&names),
            table.data.format_row(code.first)
        );
        let advice = format!(
            "if so: data.missing = {} (the list replaces the default; written as in the file; for all columns)",
            missing_with(table, &code.text)
        );
        let finding = Finding::new(Severity::Question, Kind::MissingCode, text, advice);
        let finding = finding.of_columns(table.labels(&code.columns)).counting(code.cells).at(table.data.format_row(code.first));
        findings.push(Finding { value: Some(code.value), ..finding });
    }
    if codes.len() > CODES {
        let text = format!("{} more values may be codes for missing", codes.len() - CODES);
        findings.push(Finding::new(Severity::Question, Kind::MissingCode, text, "declare those above, then check again"));
    }
}

/// The value of data.missing with one more text. The list replaces the default, so a short one has the texts that are common.
pub(super) fn missing_with(table: &Table<'_>, text: &str) -> String {
    let now = &table.config.data.missing;
    let default = now.len() == crate::config::data::MISSING.len();
    let kept = if default { vec![String::new(), "NA".into(), "NaN".into(), "null".into()] } else { now.clone() };
    let quoted: Vec<String> = kept.iter().map(String::as_str).chain([text]).map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(", "))
}

fn outliers_found(table: &Table<'_>, outliers: &[(usize, Vec<Far>)], findings: &mut Vec<Finding>) {
    let cells: usize = outliers.iter().flat_map(|(_, far)| far).map(|f| f.cells).sum();
    let Some(first) = outliers.iter().flat_map(|(_, far)| far).map(|f| f.first).min() else { return };
    let farthest = |(column, far): &(usize, Vec<Far>)| {
        let most = far.iter().max_by(|a, b| a.distance.total_cmp(&b.distance))?;
        let centre = table.profiles[*column].typical?.0 + table.data.column_offset(*column);
        let (value, row) = (table.value_text(*column, most.value), table.data.format_row(most.first));
        let centre = number_text(format!("{centre:.4}").trim_end_matches('0').trim_end_matches('.').to_owned(), centre);
        Some(format!("\"{}\" {value} at {row} (median {centre})", table.data.column_label(*column)))
    };
    let named: Vec<String> = outliers.iter().filter_map(farthest).collect();
    let text = format!("{} far from all others in the same column: {}", counted(cells, "value is", "values are"), listed(&named));
    let advice = "correct them in the file or leave the cells empty, if they are not real: they widen the scale of their columns";
    let columns: Vec<usize> = outliers.iter().map(|(column, _)| *column).collect();
    findings.push(
        Finding::new(Severity::Question, Kind::Outliers, text, advice)
            .of_columns(table.labels(&columns))
            .counting(cells)
            .at(table.data.format_row(first)),
    );
}
