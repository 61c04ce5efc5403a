//! From the text of a cell to a number.

use super::error::{DataError, shortened};
use super::layout::Field;
use crate::config::DataSettings;
use crate::numbers::to_f32;

/// Reads the numbers of a file.
#[derive(Debug)]
pub(super) struct NumberReader {
    decimal: char,
    thousands: Option<char>,
    delimiter: Option<char>,
    /// Texts that mean a missing value.
    tokens: Vec<Vec<u8>>,
    /// Numbers that mean a missing value, in any spelling: pandas writes -9999 as -9999.0 as soon as its column holds decimals.
    values: Vec<f64>,
    /// What the columns of the file have held so far, by their indices.
    kinds: Vec<Kind>,
}

/// What a column has held.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    /// True or False, in any spelling of [`truth`].
    truths: bool,
    /// Numbers other than 0 and 1.
    numbers: bool,
}

impl NumberReader {
    pub(super) fn new(settings: &DataSettings) -> Self {
        let DataSettings { decimal, thousands, delimiter, .. } = *settings;
        let value = |token: &String| parsed(token, decimal, thousands).or_else(|| token.parse().ok()).filter(|v: &f64| v.is_finite());
        Self {
            decimal,
            thousands,
            delimiter,
            tokens: settings.missing.iter().map(|token| token.as_bytes().to_vec()).collect(),
            values: settings.missing.iter().filter_map(value).collect(),
            kinds: vec![],
        }
    }

    /// The number in a cell; NaN if it is missing.
    pub(super) fn read(&mut self, field: &Field, cell: &[u8], line: u64) -> Result<f64, DataError> {
        let cell = cell.trim_ascii();
        let number = std::str::from_utf8(cell).ok().and_then(|text| parsed(text, self.decimal, self.thousands));
        if let Some(value) = number.filter(|v| to_f32(*v).is_finite()) {
            if self.values.contains(&value) {
                return Ok(f64::NAN);
            }
            if value == 0.0 || value == 1.0 {
                return Ok(value);
            }
            let kind = self.kind(field);
            kind.numbers = true;
            if !kind.truths {
                return Ok(value);
            }
            let text = shortened(&String::from_utf8_lossy(cell));
            let advice = "correct it, or do not use the column".to_owned();
            return Err(DataError::Cell { line, column: field.name.clone(), text, problem: "a number below True or False", advice });
        }
        if self.is_missing(cell) {
            return Ok(f64::NAN);
        }
        if let Some(value) = truth(cell) {
            let kind = self.kind(field);
            kind.truths = true;
            if !kind.numbers {
                return Ok(value);
            }
        }
        let text = String::from_utf8_lossy(cell);
        let (problem, advice) = match number {
            Some(value) if !value.is_nan() => {
                ("infinite or beyond 3e38", "correct it, or leave the cell empty if the value is missing".to_owned())
            }
            _ => ("not a number", self.advice(&text)),
        };
        Err(DataError::Cell { line, column: field.name.clone(), text: shortened(&text), problem, advice })
    }

    fn kind(&mut self, field: &Field) -> &mut Kind {
        if self.kinds.len() <= field.index {
            self.kinds.resize(field.index + 1, Kind::default());
        }
        &mut self.kinds[field.index]
    }

    /// Whether a text that is not a number means a missing value.
    pub(super) fn is_missing(&self, cell: &[u8]) -> bool {
        self.tokens.iter().any(|token| token == cell)
    }

    /// How to read a text that is not a number.
    fn advice(&self, text: &str) -> String {
        let written = (self.decimal, self.thousands);
        match separators(text, self.delimiter) {
            Some(found) if found == written => {}
            Some((decimal, Some(thousands))) => {
                let point = if decimal == ',' { "data.decimal = \",\" and " } else { "" };
                return format!(
                    "it looks like a number with thousands separators: remove them, or set {point}data.thousands = \"{thousands}\""
                );
            }
            Some((',', None)) => return "use a decimal point instead of a comma, or set data.decimal = \",\"".into(),
            _ => {}
        }
        "correct it, add it to data.missing if it means a missing value, or do not use the column".into()
    }
}

/// 1 for true and 0 for false, as pandas, R and others write them. A boolean column of Parquet holds the same numbers.
pub(crate) fn truth(cell: &[u8]) -> Option<f64> {
    match cell {
        b"True" | b"true" | b"TRUE" => Some(1.0),
        b"False" | b"false" | b"FALSE" => Some(0.0),
        _ => None,
    }
}

/// The number in a text with these separators.
pub(crate) fn parsed(text: &str, decimal: char, thousands: Option<char>) -> Option<f64> {
    let Some(separator) = thousands else {
        return if decimal == '.' { text.parse().ok() } else { (!text.contains('.')).then(|| text.replace(decimal, ".").parse().ok())? };
    };
    let (whole, fraction) = match text.split_once(decimal) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    if whole.contains(separator) && !is_grouped(whole.trim_start_matches(['-', '+']), separator) {
        return None;
    }
    let mut plain: String = whole.chars().filter(|c| *c != separator).collect();
    if let Some(fraction) = fraction {
        plain.push('.');
        plain.push_str(fraction);
    }
    plain.parse().ok()
}

/// Whether digits are grouped in threes: 1 to 3 digits, then groups of exactly 3.
pub(crate) fn is_grouped(digits: &str, separator: char) -> bool {
    let mut groups = digits.split(separator);
    let number = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let first = groups.next().is_some_and(|group| group.len() <= 3 && number(group));
    let rest: Vec<&str> = groups.collect();
    first && !rest.is_empty() && rest.iter().all(|group| group.len() == 3 && number(group))
}

/// How a number with commas, points and other separators is probably written: (decimal, thousands).
pub(crate) fn separators(text: &str, delimiter: Option<char>) -> Option<(char, Option<char>)> {
    let plain = text.trim().trim_start_matches(['-', '+']);
    let of = |c: char| plain.matches(c).count();
    let (commas, points) = (of(','), of('.'));
    if plain.is_empty() || !plain.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.' | '\'' | ' ' | '\u{a0}' | '\u{202f}')) {
        return None;
    }
    let (decimal, thousands) = match (commas, points) {
        (0, 0 | 1) => ('.', plain.chars().find(|c| !c.is_ascii_digit() && *c != '.')),
        (1, 0) if is_grouped(plain, ',') && delimiter != Some(';') => ('.', Some(',')),
        (1, 0) => (',', plain.chars().find(|c| !c.is_ascii_digit() && *c != ',')),
        (_, 0) => ('.', Some(',')),
        (0, _) => (',', Some('.')),
        _ if plain.rfind(',') > plain.rfind('.') => (',', Some('.')),
        _ => ('.', Some(',')),
    };
    parsed(text.trim(), decimal, thousands).map(|_| (decimal, thousands))
}
