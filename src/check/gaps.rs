//! Missing timestamps, and rows without any value.

use super::{Finding, Kind, Severity, Table, counted};
use crate::data::Gap;

pub(super) fn find(table: &Table<'_>, findings: &mut Vec<Finding>) {
    findings.extend(between_segments(table));
    findings.extend(empty_rows(table));
}

fn between_segments(table: &Table<'_>) -> Option<Finding> {
    let data = table.data;
    let gaps: Vec<Gap> = data.gaps().collect();
    let longest = gaps.iter().max_by_key(|gap| (gap.missing, std::cmp::Reverse(gap.after)))?;
    let missing: usize = gaps.iter().map(|gap| gap.missing).sum();
    let steps = data.shape().steps();
    let (short, unused) = data.segments().iter().filter(|s| s.rows < steps).fold((0, 0), |(n, rows), s| (n + 1, rows + s.rows));
    let mut text = format!(
        "{} with {}; the longest has {}, after {}",
        counted(gaps.len(), "gap", "gaps"),
        counted(missing, "missing timestamp", "missing timestamps"),
        longest.missing,
        data.format_row(longest.after)
    );
    if gaps.len() > 1 {
        text += &format!("; the first is after {}", data.format_row(gaps[0].after));
    }
    if short > 0 {
        text += &format!(
            "; {} in {} shorter than one window ({steps} rows) {} never used",
            counted(unused, "row", "rows"),
            counted(short, "segment", "segments"),
            if unused == 1 { "is" } else { "are" }
        );
    }
    // Filling more than a history leaves windows whose history holds nothing.
    let bound = data.shape().history;
    let fillable = gaps.iter().map(|gap| gap.missing).filter(|&missing| missing <= bound).max();
    let advice = match fillable {
        Some(most) if most == longest.missing => {
            format!("data.max_gap = {most} fills them with unobserved rows; otherwise no window spans them")
        }
        Some(most) => {
            let filled = gaps.iter().filter(|gap| gap.missing <= most).count();
            format!(
                "data.max_gap = {most} fills {filled} of them with unobserved rows; the others are longer than a history ({bound} rows), \
                 and no window spans them"
            )
        }
        None => format!("nothing to do: they are longer than a history ({bound} rows), and no window spans them"),
    };
    let severity = if short > 0 { Severity::Warning } else { Severity::Note };
    Some(Finding::new(severity, Kind::Gaps, text, advice).counting(missing).at(data.format_row(gaps[0].after)))
}

fn empty_rows(table: &Table<'_>) -> Option<Finding> {
    let (mut runs, mut total, mut first) = (0, 0, None);
    let (mut longest, mut run) = ((0, 0), (0, 0));
    for (row, &(observed, _)) in table.rows.iter().enumerate() {
        if observed > 0 {
            run.1 = 0;
            continue;
        }
        if run.1 == 0 {
            (run.0, runs) = (row, runs + 1);
        }
        run.1 += 1;
        total += 1;
        first = first.or(Some(row));
        if run.1 > longest.1 {
            longest = run;
        }
    }
    let first = table.data.format_row(first?);
    let text = format!(
        "{} have no value in any column, in {}; the longest has {}, from {}",
        counted(total, "row", "rows"),
        counted(runs, "run", "runs"),
        longest.1,
        table.data.format_row(longest.0)
    );
    let filled = table.config.data.max_gap;
    let advice = if filled > 0 {
        format!("they are gaps that data.max_gap = {filled} fills, or empty rows of the file; a smaller data.max_gap cuts there")
    } else {
        "windows span them as unobserved; remove the rows from the file if no window should".into()
    };
    Some(Finding::new(Severity::Note, Kind::EmptyRows, text, advice).counting(total).at(first))
}
