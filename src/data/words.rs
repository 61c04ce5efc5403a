//! Categories: from the texts in the cells of a file to the codes that the model knows.

use std::collections::HashMap;

use super::dataset::Dataset;
use super::error::{DataError, shortened};
use super::facts::CategoryFacts;
use super::layout::Field;
use super::number::NumberReader;
use super::windows::Part;
use crate::config::{DataSettings, Unseen};
use crate::names::one_form;
use crate::numbers::to_f32;
use crate::order;

/// Maximum number of categories of one driver: each has a row in the model.
const MAX: usize = 1 << 16;
/// Maximum number of known categories that a message lists.
const LISTED: usize = 8;

/// A driver with categories, as declared.
#[derive(Debug, Clone)]
pub(super) struct Declaration {
    /// Name of the driver.
    pub(super) name: String,
    /// The key of the config that declares it.
    pub(super) place: &'static str,
    pub(super) unseen: Unseen,
}

/// The texts of a driver in a file, in the order of their first lines.
#[derive(Debug, Default)]
pub(super) struct Found {
    texts: Vec<String>,
    lines: Vec<u64>,
    /// Index of a text, by the cell as it is written, and by its one form.
    of_cell: HashMap<Vec<u8>, usize>,
    of_text: HashMap<String, usize>,
}

impl Found {
    /// The number of a text: 1 for the first text of the file, and so on.
    fn number(&mut self, cell: &[u8], name: &str, line: u64) -> Result<f64, DataError> {
        if let Some(k) = self.of_cell.get(cell) {
            return Ok((k + 1) as f64);
        }
        let Ok(text) = std::str::from_utf8(cell) else {
            return Err(DataError::Cell {
                line,
                column: name.to_owned(),
                text: shortened(&String::from_utf8_lossy(cell)),
                problem: "not UTF-8 text",
                advice: "save the file as UTF-8".into(),
            });
        };
        if text.starts_with(super::NO_CELL) {
            return Err(DataError::Cell {
                line,
                column: name.to_owned(),
                text: shortened(text),
                problem: "no text",
                advice: "do not use the column, or write its values as texts".into(),
            });
        }
        let text = category(text);
        let k = self.of_text.get(&text).copied().unwrap_or(self.texts.len());
        if k == MAX {
            let problem = format!("\"{name}\" has more than {MAX} categories");
            return Err(DataError::schema("data", problem, "remove kind = \"category\" there, or leave the column out"));
        }
        if k == self.texts.len() {
            self.texts.push(text.clone());
            self.lines.push(line);
            self.of_text.insert(text, k);
        }
        self.of_cell.insert(cell.to_vec(), k);
        Ok((k + 1) as f64)
    }
}

/// One form of a category: a whole number is written without decimals, because pandas writes 1 as 1.0 as soon as a cell of its column is
/// missing. True and False are 1 and 0, as they are in a column of booleans of Parquet.
pub(super) fn category(text: &str) -> String {
    let text = one_form(text);
    match text.as_str() {
        "True" | "true" | "TRUE" => return "1".into(),
        "False" | "false" | "FALSE" => return "0".into(),
        _ => {}
    }
    match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') && whole.parse::<i64>().is_ok() => whole.to_owned(),
        _ => text,
    }
}

/// Reads cells: numbers, and categories as the numbers of their texts.
#[derive(Debug)]
pub(super) struct CellReader {
    pub(super) numbers: NumberReader,
    found: Vec<Found>,
}

impl CellReader {
    pub(super) fn new(settings: &DataSettings) -> Self {
        Self { numbers: NumberReader::new(settings), found: vec![] }
    }

    /// The number in a cell, or that of its category; NaN if it is missing.
    pub(super) fn read(&mut self, field: &Field, cell: &[u8], line: u64) -> Result<f64, DataError> {
        let Some(words) = field.words else { return self.numbers.read(field, cell, line) };
        let cell = cell.trim_ascii();
        if self.numbers.is_missing(cell) {
            return Ok(f64::NAN);
        }
        if self.found.len() <= words {
            self.found.resize_with(words + 1, Found::default);
        }
        self.found[words].number(cell, &field.name, line)
    }

    /// The texts of each driver with categories.
    pub(super) fn finish(self) -> Vec<Found> {
        self.found
    }
}

/// The categories of a driver that the model knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    /// Code 1 is the first text. Code 0 is a missing cell.
    pub(super) texts: Vec<String>,
    /// For each text of the file, its code.
    codes: Vec<f32>,
}

impl Words {
    /// The code of a stored number; 0 if it is missing, or a category that is not known.
    pub(super) fn code(&self, stored: f32) -> f32 {
        if stored.is_nan() { 0.0 } else { self.codes.get(index(stored)).copied().unwrap_or(0.0) }
    }

    /// The words of a driver: `texts` are those that the model knows.
    fn of(declared: &Declaration, texts: Vec<String>, found: &Found) -> Result<Self, DataError> {
        let code_of: HashMap<&str, usize> = texts.iter().enumerate().map(|(k, text)| (text.as_str(), k + 1)).collect();
        let mut codes = vec![];
        for (text, &line) in found.texts.iter().zip(&found.lines) {
            let code = code_of.get(text.as_str()).copied();
            if code.is_none() && declared.unseen == Unseen::Error {
                let more = if texts.len() > LISTED { format!(" and {} more", texts.len() - LISTED) } else { String::new() };
                return Err(DataError::UnseenCategory {
                    line,
                    name: declared.name.as_str().into(),
                    text: shortened(text).into(),
                    known: format!("{}{more}", listed(&texts)).into(),
                    place: declared.place,
                });
            }
            codes.push(to_f32(code.unwrap_or(0) as f64));
        }
        Ok(Self { texts, codes })
    }
}

impl Dataset {
    /// Gives the categories their codes: those of the run, or else those of the training rows in order.
    pub(super) fn settle_words(&mut self, found: &[Found], known: Option<&[CategoryFacts]>) -> Result<(), DataError> {
        let nothing = Found::default();
        let mut all = vec![];
        for (k, declared) in self.layout.declared.iter().enumerate() {
            let found = found.get(k).unwrap_or(&nothing);
            let texts = match known {
                Some(known) => match known.iter().find(|facts| facts.name == declared.name) {
                    Some(facts) => facts.texts.clone(),
                    None => {
                        let problem = format!("the run knows no categories of \"{}\"", declared.name);
                        return Err(DataError::schema(declared.place, problem, "train a new run with the config"));
                    }
                },
                None => self.texts_of_training(k, found),
            };
            if texts.is_empty() {
                let problem = format!("no training row has a category of \"{}\"", declared.name);
                return Err(DataError::schema(declared.place, problem, "remove the entry, or train on other rows"));
            }
            all.push(Words::of(declared, texts, found)?);
        }
        self.words = all;
        for k in 0..self.words.len() {
            self.note_words(k, found.get(k).unwrap_or(&nothing), known.is_none());
        }
        Ok(())
    }

    /// Notes the categories of a driver, if they are new, and how many cells have others.
    fn note_words(&mut self, k: usize, found: &Found, are_new: bool) {
        let (name, words) = (&self.layout.declared[k].name, &self.words[k]);
        let listed = |texts: &[String]| listed(texts) + if texts.len() > LISTED { ", .." } else { "" };
        let mut notes = vec![];
        if are_new {
            let (count, first) = (words.texts.len(), listed(&words.texts));
            let categories = if count == 1 { "category" } else { "categories" };
            notes.push(format!("\"{name}\" has {count} {categories} in the training rows: {first}"));
        }
        let unseen: Vec<String> =
            found.texts.iter().zip(&words.codes).filter(|(_, code)| **code == 0.0).map(|(text, _)| text.clone()).collect();
        if !unseen.is_empty() {
            let slots = || self.layout.categories().filter(|slot| slot.words == k);
            let cells = slots().flat_map(|slot| self.table.values(slot.slot.column, 0..self.rows())).filter(|v| !v.is_nan());
            let (mut all, mut unknown) = (0, 0);
            for stored in cells {
                all += 1;
                unknown += usize::from(words.code(stored) == 0.0);
            }
            notes.push(format!(
                "{unknown} of {all} cells of \"{name}\" have categories that no training row has, and are read as missing: {}",
                listed(&unseen)
            ));
        }
        self.report.notes.extend(notes);
    }

    /// The texts of a driver in the training rows, in ascending order; of all rows if the split does not fit.
    fn texts_of_training(&self, words: usize, found: &Found) -> Vec<String> {
        let rows = self.part_rows(Part::Train).unwrap_or(0..self.rows());
        let mut seen = vec![false; found.texts.len()];
        for slot in self.layout.categories().filter(|slot| slot.words == words) {
            for stored in self.table.values(slot.slot.column, rows.clone()).filter(|v| !v.is_nan()) {
                seen[index(stored)] = true;
            }
        }
        in_order(found.texts.iter().zip(seen).filter(|(_, seen)| *seen).map(|(text, _)| text.clone()).collect())
    }

    /// The drivers with categories, and their categories in the order of the codes.
    pub(super) fn category_facts(&self) -> Vec<CategoryFacts> {
        let all = self.layout.declared.iter().zip(&self.words);
        all.map(|(declared, words)| CategoryFacts { name: declared.name.clone(), texts: words.texts.clone() }).collect()
    }
}

/// The first texts, for a message.
fn listed(texts: &[String]) -> String {
    texts.iter().take(LISTED).map(|text| format!("\"{}\"", shortened(text))).collect::<Vec<_>>().join(", ")
}

/// The index in [`Found`] of the text of a stored number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count from 1")]
fn index(stored: f32) -> usize {
    stored as usize - 1
}

/// The different texts in ascending order: by number if all are numbers.
pub(super) fn in_order(mut texts: Vec<String>) -> Vec<String> {
    order::sort_by(&mut texts, Ord::cmp);
    texts.dedup();
    let number = |text: &str| text.parse().ok().filter(|v: &f64| v.is_finite());
    if texts.iter().all(|text| number(text).is_some()) {
        order::sort_by(&mut texts, |a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
    }
    texts
}
