//! Static inputs: numbers and categories of a series that do not change over time.

use std::collections::HashMap;

use csv::ByteRecord;
use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::error::{DataError, shortened};
use super::layout::{Field, Layout};
use super::number::NumberReader;
use super::words::{category, in_order};
#[cfg(feature = "native")]
use super::{
    read::{check_width, header_names},
    records::Records,
};
use crate::config::{DataSettings, StaticSettings};
use crate::names::one_form;
use crate::numbers::to_f32;

/// The static inputs of the series. A run remembers them, so that a forecast does not need their table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statics {
    /// Names of the A inputs: a column of numbers, or `column = category`.
    pub names: Vec<String>,
    /// `[Nx, A]`, row-major. Numbers are standardised over the targets; a category is 1 for its series and 0 for the others; what is missing
    /// is 0, and so are the rows of covariates.
    pub values: Vec<f32>,
}

impl Statics {
    /// One sentence about the inputs, and one about those that are the same for all targets; `covariates` rows come before them.
    pub(super) fn notes(&self, covariates: usize) -> Vec<String> {
        let width = self.names.len();
        let of = |k: usize| self.values.iter().skip(covariates * width + k).step_by(width.max(1));
        let same = |k: &usize| of(*k).all(|v| Some(v) == of(*k).next());
        let named = |all: Vec<usize>| {
            let names: Vec<String> = all.iter().map(|&k| format!("\"{}\"", self.names[k])).collect();
            shortened(&names.join(", "))
        };
        let idle: Vec<usize> = (0..width).filter(same).collect();
        let mut notes = vec![format!("static inputs of each series: {}", named((0..width).collect()))];
        if !idle.is_empty() {
            notes.push(format!("static inputs that are the same for all series say nothing: {}", named(idle)));
        }
        notes
    }
}

/// The static cells of each series, as texts.
#[derive(Debug, Default)]
pub(super) struct StaticCells {
    /// For each series the line of its first row, and the text of each column (numbers, then categories); empty if missing.
    rows: HashMap<String, (u64, Vec<String>)>,
}

impl StaticCells {
    /// Reads a table with a row for each series.
    #[cfg(feature = "native")]
    pub(super) fn of_table(statics: &StaticSettings, settings: &DataSettings, records: &mut dyn Records) -> Result<Self, DataError> {
        let mut record = ByteRecord::new();
        records.next(&mut record)?.ok_or(DataError::Empty)?;
        let header = header_names(&record)?;
        let field = |name: &String| fields_of(&header, name);
        let series = match &statics.series {
            Some(name) => field(name)?,
            None => Field::number(0, header.first().cloned().unwrap_or_default()),
        };
        let fields = statics.columns().map(field).collect::<Result<Vec<_>, _>>()?;
        let numbers = NumberReader::new(&statics.numbers_as(settings));
        let mut cells = Self::default();
        while let Some(line) = records.next(&mut record)? {
            check_width(&record, line, header.len())?;
            let name = category(&String::from_utf8_lossy(&record[series.index]));
            if let Some((first, _)) = cells.rows.get(&name) {
                let problem = format!("lines {first} and {line} are both of the series \"{name}\"");
                return Err(DataError::schema("data.static", problem, "keep one row for each series"));
            }
            let texts = fields.iter().map(|field| text_of(&record[field.index], &numbers)).collect();
            cells.rows.insert(name, (line, texts));
        }
        Ok(cells)
    }

    /// Notes the cells of a row of a long table. All rows of a series must agree; a missing cell agrees with everything.
    pub(super) fn note(
        &mut self,
        series: &str,
        fields: &[Field],
        record: &ByteRecord,
        line: u64,
        numbers: &NumberReader,
    ) -> Result<(), DataError> {
        let (first, texts) = match self.rows.get_mut(series) {
            Some(known) => known,
            None => self.rows.entry(series.to_owned()).or_insert_with(|| (line, vec![String::new(); fields.len()])),
        };
        for (text, field) in texts.iter_mut().zip(fields) {
            let cell = &record[field.index];
            if cell == text.as_bytes() {
                continue; // nearly all rows
            }
            let now = text_of(cell, numbers);
            if text.is_empty() {
                *text = now;
            } else if !now.is_empty() && now != *text {
                let problem = format!("\"{}\" of \"{series}\" is \"{text}\" in line {first} and \"{now}\" in line {line}", field.name);
                return Err(DataError::schema("data.static", problem, "declare it in data.channels if it changes over time"));
            }
        }
        Ok(())
    }

    /// The inputs of the model. A target is found by its name, or by the text that `{i}` matched (in a long table the series).
    fn inputs(&self, statics: &StaticSettings, settings: &DataSettings, layout: &Layout) -> Result<Statics, DataError> {
        let (covariates, targets) = (layout.covariates.len(), layout.targets.len());
        let mut rows = vec![];
        for (name, binding) in layout.targets.iter().zip(&layout.bindings) {
            let row = |name: &String| self.rows.get(name).or_else(|| self.rows.get(&category(name)));
            let Some(row) = row(name).or_else(|| row(binding.as_ref()?)) else {
                let names = in_order(self.rows.keys().cloned().collect());
                let problem = format!("the table has no row for the series \"{name}\"; it has {}", shortened(&names.join(", ")));
                let advice = "add the row (its cells may be empty), or set data.static.series to the column with the names of the series";
                return Err(DataError::schema("data.static", problem, advice));
            };
            rows.push(row);
        }
        let mut numbers = NumberReader::new(&statics.numbers_as(settings));
        let mut columns: Vec<(String, Vec<f32>)> = vec![];
        for (k, name) in statics.numbers.iter().enumerate() {
            let field = Field::number(k, name.clone());
            let values =
                rows.iter().map(|(line, texts)| numbers.read(&field, texts[k].as_bytes(), *line)).collect::<Result<Vec<_>, _>>()?;
            columns.push((name.clone(), standardised(&values)));
        }
        for (k, name) in statics.categories.iter().enumerate() {
            let texts: Vec<&str> = rows.iter().map(|(_, texts)| texts[statics.numbers.len() + k].as_str()).collect();
            for category in in_order(texts.iter().filter(|text| !text.is_empty()).map(|text| (*text).to_owned()).collect()) {
                let is = texts.iter().map(|text| f32::from(u8::from(*text == category))).collect();
                columns.push((format!("{name} = {category}"), is));
            }
        }
        let mut values = vec![0.0; covariates * columns.len()];
        values.extend((0..targets).flat_map(|target| columns.iter().map(move |(_, column)| column[target])));
        Ok(Statics { names: columns.into_iter().map(|(name, _)| name).collect(), values })
    }
}

impl Dataset {
    /// Makes the static inputs of their cells, if the config has them.
    pub(super) fn settle_statics(&mut self, settings: &DataSettings, cells: Option<&StaticCells>) -> Result<(), DataError> {
        let (Some(statics), Some(cells)) = (&settings.statics, cells) else { return Ok(()) };
        let made = cells.inputs(statics, settings, &self.layout).map_err(|e| in_table(statics, e))?;
        self.report.notes.extend(made.notes(self.shape.num_covariates));
        self.statics = Some(made);
        Ok(())
    }
}

/// Adds the table to an error, if it is a file of its own.
pub(super) fn in_table(statics: &StaticSettings, source: DataError) -> DataError {
    match &statics.path {
        Some(file) => DataError::InFile { file: file.clone(), source: Box::new(source) },
        None => source,
    }
}

/// The field of a static column.
pub(super) fn fields_of(header: &[String], name: &str) -> Result<Field, DataError> {
    let form = one_form(name);
    let index = header.iter().position(|h| *h == form).ok_or_else(|| DataError::UnknownColumn {
        place: "data.static".into(),
        name: name.to_owned(),
        hint: format!("the table has {}", shortened(&header.join(", "))),
    })?;
    Ok(Field::number(index, name.to_owned()))
}

/// The text of a cell in one form; empty if it is missing.
fn text_of(cell: &[u8], numbers: &NumberReader) -> String {
    let cell = cell.trim_ascii();
    if numbers.is_missing(cell) { String::new() } else { category(&String::from_utf8_lossy(cell)) }
}

/// Values less their mean, in standard deviations; 0 for missing ones, and for all if they are equal.
fn standardised(values: &[f64]) -> Vec<f32> {
    let observed = || values.iter().filter(|v| !v.is_nan());
    let count = observed().count().max(1) as f64;
    let mean = observed().sum::<f64>() / count;
    let std = (observed().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    let one = |v: &f64| if v.is_nan() || std == 0.0 { 0.0 } else { to_f32((v - mean) / std) };
    values.iter().map(one).collect()
}
