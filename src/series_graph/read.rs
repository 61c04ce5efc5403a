//! Reads graph files (edge lists and matrices, plain or gzip-compressed) into weights. Everything ignored or changed becomes a note for the
//! user.

use std::collections::HashMap;
use std::io::Read;

use csv::ByteRecord;

use super::SeriesGraphError as Error;
use crate::config::suggest::{nearest, nearest_few};
use crate::config::{GraphSettings, MatrixRows};
use crate::data::lines::LineFeeds;

/// Maximum number of names in a note or message.
const NAMED: usize = 5;

/// Collects the weights of a graph.
pub(super) struct Reader<'a> {
    settings: &'a GraphSettings,
    names: &'a [String],
    index: HashMap<&'a str, usize>,
    /// `[Nx, Nx]`, row = receiver.
    pub(super) weights: Vec<f64>,
    /// Notes about ignored and changed input.
    pub(super) notes: Vec<String>,
    unknown: Vec<String>,
    loops: usize,
}

/// A line of a file: its number and its fields.
type Line = (u64, Vec<String>);

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a GraphSettings, names: &'a [String]) -> Self {
        let index = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let weights = vec![0.0; names.len() * names.len()];
        Self { settings, names, index, weights, notes: vec![], unknown: vec![], loops: 0 }
    }

    /// Reads an edge list.
    pub(super) fn edges(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let lines = lines(bytes, self.settings.delimiter)?;
        let Some(((_, header), rows)) = lines.split_first() else { return Err(Error::Empty("lines")) };
        let find = |name: &'static str| header.iter().position(|h| h.eq_ignore_ascii_case(name));
        let column = |name| find(name).ok_or_else(|| Error::Column { name, header: quoted(header.iter().map(String::as_str)) });
        let (source, target, weight) = (column("source")?, column("target")?, find("weight"));
        if rows.is_empty() {
            return Err(Error::Empty("edges below its header"));
        }
        if weight.is_none() {
            self.notes.push("the edge list has no column \"weight\": every edge has weight 1".into());
        }
        let (mut seen, mut zeros) = (HashMap::new(), 0);
        for (line, fields) in rows {
            let line = *line;
            if fields.len() != header.len() {
                let advice = "check for a stray or missing separator or quote";
                return Err(Error::FieldCount { line, found: fields.len(), expected: header.len(), advice });
            }
            let number = weight.map_or(Ok(1.0), |w| number(&fields[w], line, || "column \"weight\"".into()))?;
            let (from, to) = (self.series(&fields[source], line)?, self.series(&fields[target], line)?);
            let (Some(from), Some(to)) = (from, to) else { continue };
            if let Some(previous) = seen.insert((from, to), line) {
                let (source_name, target) = (self.names[from].clone(), self.names[to].clone());
                return Err(Error::DuplicateEdge { line, previous, source_name, target });
            }
            zeros += usize::from(number == 0.0);
            self.set(from, to, number);
        }
        if zeros > 0 {
            self.notes.push(format!("{zeros} edges have weight 0 and are ignored"));
        }
        self.finish();
        Ok(())
    }

    /// Reads a matrix.
    pub(super) fn matrix(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let lines = lines(bytes, self.settings.delimiter)?;
        let Some((_, first)) = lines.first() else { return Err(Error::Empty("lines")) };
        if first[0].parse::<f64>().is_ok() {
            self.plain_matrix(&lines)?
        } else {
            self.named_matrix(&lines)?
        }
        self.finish();
        Ok(())
    }

    fn plain_matrix(&mut self, lines: &[Line]) -> Result<(), Error> {
        let (rows, columns) = (lines.len(), lines[0].1.len());
        if rows != columns {
            return Err(Error::NotSquare { problem: format!("{rows} rows of {columns} numbers") });
        }
        if rows != self.names.len() {
            return Err(Error::Rows { found: rows, series: self.names.len() });
        }
        for (i, (line, fields)) in lines.iter().enumerate() {
            if fields.len() != columns {
                return Err(Error::FieldCount { line: *line, found: fields.len(), expected: columns, advice: "rows must be equally long" });
            }
            for (j, cell) in fields.iter().enumerate() {
                let weight = number(cell, *line, || format!("column {}", j + 1))?;
                self.set_cell(i, j, weight);
            }
        }
        Ok(())
    }

    fn named_matrix(&mut self, lines: &[Line]) -> Result<(), Error> {
        let ((first, header), rows) = lines.split_first().expect("the caller checked that there is a line");
        let names = &header[1..];
        let twice = |line, name: &String, what| Error::DuplicateName { line, name: name.clone(), what };
        if let Some((_, name)) = names.iter().enumerate().find(|&(k, name)| names[..k].contains(name)) {
            return Err(twice(*first, name, "columns"));
        }
        let columns: Vec<Option<usize>> = names.iter().map(|name| self.series(name, *first)).collect::<Result<_, _>>()?;
        let mut seen: Vec<&String> = vec![];
        for (line, fields) in rows {
            if fields.len() != header.len() {
                let advice = "a row must have a name and one weight per column";
                return Err(Error::FieldCount { line: *line, found: fields.len(), expected: header.len(), advice });
            }
            let name = &fields[0];
            if seen.contains(&name) {
                return Err(twice(*line, name, "rows"));
            }
            if !names.contains(name) {
                return Err(Error::NotSquare { problem: format!("\"{name}\" on line {line} names a row but no column") });
            }
            seen.push(name);
            let row = self.series(name, *line)?;
            for ((cell, column), to) in fields[1..].iter().zip(&columns).zip(names) {
                let weight = number(cell, *line, || format!("column \"{to}\""))?;
                if let (Some(row), Some(column)) = (row, *column) {
                    self.set_cell(row, column, weight);
                }
            }
        }
        if let Some(name) = names.iter().find(|name| !seen.contains(name)) {
            return Err(Error::NotSquare { problem: format!("\"{name}\" names a column but no row") });
        }
        Ok(())
    }

    fn set_cell(&mut self, row: usize, column: usize, weight: f64) {
        match self.settings.rows {
            MatrixRows::Sources => self.set(row, column, weight),
            MatrixRows::Targets => self.set(column, row, weight),
        }
    }

    fn set(&mut self, from: usize, to: usize, weight: f64) {
        if from == to {
            self.loops += usize::from(weight != 0.0);
        } else {
            self.weights[to * self.names.len() + from] = weight;
        }
    }

    /// The node index of a name; `None` if the name is unknown and may be ignored.
    fn series(&mut self, name: &str, line: u64) -> Result<Option<usize>, Error> {
        let found = self.index.get(name).copied();
        if found.is_some() {
            return Ok(found);
        }
        if self.settings.skip_unknown {
            if !self.unknown.iter().any(|u| u == name) {
                self.unknown.push(name.to_owned());
            }
            return Ok(None);
        }
        let names = || self.names.iter().map(String::as_str);
        let hint = match nearest(name, names()) {
            Some(best) => format!("did you mean \"{best}\"?"),
            None => format!("the most similar names are {}", quoted(nearest_few(name, names(), NAMED).into_iter())),
        };
        Err(Error::UnknownSeries { line, name: shortened(name), hint })
    }

    fn finish(&mut self) {
        if !self.unknown.is_empty() {
            let names = some_names(self.unknown.iter().map(String::as_str));
            self.notes.push(format!("left out of the graph, because the data does not have these series: {names}"));
        }
        if self.loops > 0 {
            let what = match self.loops {
                1 => "1 edge from a series to itself is".to_owned(),
                loops => format!("{loops} edges from series to themselves are"),
            };
            self.notes.push(format!("{what} ignored: every series has a self-loop of weight 1"));
        }
    }
}

/// All non-blank lines of a CSV file.
fn lines(bytes: &[u8], delimiter: char) -> Result<Vec<Line>, Error> {
    let mut plain = vec![];
    let source: &[u8] = if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).map_err(|source| Error::Read { line: 0, source })?;
        &plain
    } else {
        bytes
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(u8::try_from(delimiter).unwrap_or(b','))
        .terminator(csv::Terminator::Any(b'\n'))
        .has_headers(false)
        .flexible(true)
        .from_reader(LineFeeds::new(source));
    let (mut record, mut all, mut line) = (ByteRecord::new(), vec![], 0);
    while reader.read_byte_record(&mut record).map_err(|e| Error::Read { line, source: std::io::Error::other(e) })? {
        let inside = record.as_slice().iter().filter(|&&byte| byte == b'\n').count();
        line = reader.position().line().saturating_sub(1 + inside as u64);
        let text = |field| std::str::from_utf8(field).map(|t| t.trim_start_matches('\u{feff}').trim().to_owned());
        let fields: Vec<String> = record.iter().map(text).collect::<Result<_, _>>().map_err(|_| Error::Text { line })?;
        all.push((line, fields));
    }
    Ok(all)
}

fn number(cell: &str, line: u64, place: impl FnOnce() -> String) -> Result<f64, Error> {
    let problem = match cell.parse::<f64>() {
        Ok(weight) if weight.is_finite() && weight >= 0.0 => return Ok(weight),
        Ok(weight) if weight < 0.0 => "negative",
        Ok(_) => "not finite",
        Err(_) => "not a number",
    };
    Err(Error::Cell { line, place: place(), text: shortened(cell), problem })
}

/// Cuts a text to a length that fits into a message.
fn shortened(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{}\"", shortened(name))).collect::<Vec<_>>().join(", ")
}

/// The first names of a list, and the number of further names.
pub(super) fn some_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = quoted(names.take(NAMED));
    if more > 0 { format!("{first} and {more} more") } else { first }
}
