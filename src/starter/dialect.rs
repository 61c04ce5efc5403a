//! How a text file is written: what precedes the header, the delimiter, and the separators in numbers.

use crate::config::DataSettings;
use crate::data::number::{is_grouped, parsed};
use crate::data::text::{Preamble, fields};

/// Lines above the header that are looked for.
const MOST_ABOVE: usize = 20;
/// Lines that are compared with the first one after them.
const COMPARED: usize = 20;
/// The ways to write numbers: decimal and thousands separators, in order of preference.
const STYLES: [(char, Option<char>); 8] = [
    ('.', None),
    (',', None),
    ('.', Some(',')),
    (',', Some('.')),
    ('.', Some('\'')),
    (',', Some(' ')),
    (',', Some('\u{a0}')),
    ('.', Some(' ')),
];

/// Number of lines above the header that are no part of the table: all have fewer fields than the lines after them.
pub(super) fn lines_above(head: &[u8]) -> usize {
    let settings = DataSettings::of_text();
    let ends: Vec<usize> = (0..head.len()).filter(|&k| head[k] == b'\n').map(|k| k + 1).take(MOST_ABOVE).collect();
    let starts = std::iter::once(0).chain(ends);
    let found = starts.enumerate().find(|(_, start)| is_table(&head[*start..], &settings));
    // The reader itself skips comments and blank lines above the header.
    found.map_or(0, |(above, _)| above)
}

/// Whether the file has one column, whose numbers have a decimal comma: the header has no separator, and the lines after it are numbers with
/// one comma, whole numbers, or texts without a digit.
pub(super) fn is_one_column_of_commas(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut lines = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .filter(|line| !(line.is_empty() || line.starts_with('#') || line.starts_with("sep=")));
    let Some(header) = lines.next() else { return false };
    if header.contains([',', ';', '\t', '|']) || header.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mut commas, mut all) = (0, 0);
    for line in lines.take(COMPARED) {
        let number = line.trim_matches('"').trim_start_matches(['-', '+']);
        match number.split_once(',') {
            Some((whole, fraction)) if (digits(whole) || is_grouped(whole, '.')) && digits(fraction) => commas += 1,
            None if digits(number) || !number.bytes().any(|b| b.is_ascii_digit()) => {}
            _ => return false,
        }
        all += 1;
    }
    commas > 1 && commas * 10 >= all * 6
}

/// Whether nearly all of the first lines have as many fields as the first one, which has at least two.
fn is_table(text: &[u8], settings: &DataSettings) -> bool {
    let preamble = Preamble::of(text, settings);
    let rows: Vec<usize> = text[preamble.bytes()..]
        .split(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .take(COMPARED)
        .filter_map(|line| fields(line, preamble.delimiter))
        .collect();
    let Some(first) = rows.first().filter(|count| **count > 1) else { return false };
    rows.len() > 1 && rows.iter().filter(|count| *count == first).count() * 10 >= rows.len() * 8
}

/// Finds how the numbers of a file are written.
#[derive(Debug, Default)]
pub(super) struct Style {
    /// Cells that each style reads.
    read: [usize; STYLES.len()],
    /// Cells with separators that group digits in threes.
    grouped: usize,
    /// Cells with a comma that is not followed by exactly three digits.
    decimal_commas: usize,
}

impl Style {
    pub(super) fn add(&mut self, cell: &str) {
        let looks = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | ' ' | '\u{a0}' | '-' | '+' | 'e' | 'E');
        if !cell.contains(|c: char| c.is_ascii_digit()) || !cell.chars().all(looks) {
            return;
        }
        for (count, (decimal, thousands)) in self.read.iter_mut().zip(STYLES) {
            *count += usize::from(parsed(cell, decimal, thousands).is_some());
        }
        if let Some((_, fraction)) = cell.split_once(',') {
            let three = fraction.len() == 3 && fraction.bytes().all(|b| b.is_ascii_digit());
            self.grouped += usize::from(three || fraction.contains(','));
            self.decimal_commas += usize::from(!three && !fraction.contains([',', '.']));
        }
    }

    /// Decimal and thousands separator. A comma before three digits is a thousands separator in a file separated by commas.
    pub(super) fn found(&self, delimiter: char) -> (char, Option<char>) {
        let most = self.read.into_iter().max().unwrap_or(0);
        let best = (0..STYLES.len()).filter(|&k| self.read[k] == most);
        let groups = self.grouped > 0 && self.decimal_commas == 0 && delimiter != ';';
        let preferred = |k: &usize| groups && STYLES[*k] == ('.', Some(','));
        let all: Vec<usize> = best.collect();
        // Point and decimal comma alone are preferred to separators that no cell needs.
        STYLES[all.iter().copied().find(preferred).or(all.first().copied()).unwrap_or(0)]
    }
}
