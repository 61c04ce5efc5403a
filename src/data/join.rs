//! Several files of one table: files with different columns are joined by time; files with the same columns follow each other in time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use csv::ByteRecord;

use super::clock::Clock;
use super::error::{DataError, shortened};
use super::files::open_one;
use super::layout::Field;
use super::number::parsed;
use super::records::Records;
use crate::calendar::{Stamp, format_stamp};
use crate::config::DataSettings;
use crate::names::one_form;

/// Maximum number of columns that a note lists.
const NAMED: usize = 5;

/// Rows of several files, one for each timestamp of any file.
pub(super) struct Joined {
    settings: DataSettings,
    files: Vec<Part>,
    /// The columns besides the time, in the order of the files.
    columns: Vec<Column>,
    /// Pairs of files with a common column, and this column.
    pairs: Vec<(usize, usize, usize)>,
    started: bool,
    rows: u64,
    /// Rows that several files with common columns have.
    repeated: u64,
}

/// A column of the result.
struct Column {
    name: String,
    /// Files that have it, each with the index of its column.
    files: Vec<(usize, usize)>,
}

/// One of the files.
struct Part {
    path: PathBuf,
    records: Box<dyn Records>,
    clock: Clock,
    /// Indices of the time columns.
    time: Vec<usize>,
    header: Vec<String>,
    /// Rows that were read before they are used, the next one last: the second row, or all if the newest row is the first one.
    waiting: Vec<(ByteRecord, Stamp)>,
    descending: bool,
    /// The next row and its timestamp.
    next: Option<(ByteRecord, Stamp)>,
    /// The timestamp that was read last.
    last: Option<Stamp>,
    /// Whether a row was used.
    begun: bool,
}

impl Part {
    fn open(settings: &DataSettings, path: PathBuf, mut records: Box<dyn Records>) -> Result<Self, DataError> {
        let in_file = |source: DataError| DataError::InFile { file: path.display().to_string(), source: Box::new(source) };
        let mut record = ByteRecord::new();
        records.next(&mut record).map_err(in_file)?.ok_or_else(|| in_file(DataError::Empty))?;
        let header: Vec<String> = record.iter().map(|name| one_form(&String::from_utf8_lossy(name))).collect();
        let names = settings.time.as_ref().map_or(&[][..], |time| time.names());
        let field = |name: &String| {
            let index = header.iter().position(|h| *h == one_form(name));
            let index = index.ok_or_else(|| {
                in_file(DataError::UnknownColumn {
                    place: "data.time".into(),
                    name: name.clone(),
                    hint: "all files that are joined need the time column".into(),
                })
            })?;
            Ok(Field::number(index, name.clone()))
        };
        let fields = names.iter().map(field).collect::<Result<Vec<_>, DataError>>()?;
        let time: Vec<usize> = fields.iter().map(|f| f.index).collect();
        let clock = Clock::new(settings, &fields, None)?;
        let mut part = Self {
            path: path.clone(),
            records,
            clock,
            time,
            header,
            waiting: vec![],
            descending: false,
            next: None,
            last: None,
            begun: false,
        };
        part.begin().map_err(in_file)?;
        Ok(part)
    }

    /// Reads the first two rows, which tell the order, and all rows if the newest one is the first.
    fn begin(&mut self) -> Result<(), DataError> {
        self.next = self.read(false)?;
        let Some(second) = self.read(false)? else { return Ok(()) };
        self.descending = self.next.as_ref().is_some_and(|first| second.1 < first.1);
        if !self.descending {
            self.waiting.push(second);
            return Ok(());
        }
        self.waiting.extend(self.next.take());
        self.waiting.push(second);
        while let Some(row) = self.read(true)? {
            self.waiting.push(row);
        }
        self.next = self.waiting.pop();
        Ok(())
    }

    /// Goes on to the next row that is not skipped.
    fn advance(&mut self) -> Result<(), DataError> {
        self.begun = true;
        self.next = self.waiting.pop();
        if self.next.is_none() && !self.descending {
            let read = self.read(true);
            self.next = read.map_err(|source| DataError::InFile { file: self.path.display().to_string(), source: Box::new(source) })?;
        }
        Ok(())
    }

    /// Reads a row. `ordered`: the direction is known.
    fn read(&mut self, ordered: bool) -> Result<Option<(ByteRecord, Stamp)>, DataError> {
        let mut record = ByteRecord::new();
        while let Some(line) = self.records.next(&mut record)? {
            let Some(text) = self.clock.text(&record, line, self.header.len()) else { continue };
            super::read::check_width(&record, line, self.header.len())?;
            let stamp = self.clock.read(&text, line, self.last)?.at();
            let wrong = |last: &Stamp| *last == stamp || (ordered && (stamp < *last) != self.descending);
            if let Some(last) = self.last.filter(wrong) {
                let problem = format!("line {line}: {} follows {}", format_stamp(stamp), format_stamp(last));
                return Err(DataError::schema("data.join", problem, "sort the files by time, with each timestamp once, to join them"));
            }
            self.last = Some(stamp);
            return Ok(Some((record, stamp)));
        }
        Ok(None)
    }

    /// The next row if it is at this timestamp.
    fn at(&self, stamp: Stamp) -> Option<&ByteRecord> {
        self.next.as_ref().filter(|(_, at)| *at == stamp).map(|(row, _)| row)
    }
}

impl Joined {
    /// Opens the files of `settings.join`; `first` are the rows of the first file, `path`.
    pub(super) fn open(settings: &DataSettings, path: &Path, first: Box<dyn Records>) -> Result<Self, DataError> {
        let mut files = vec![Part::open(settings, path.to_owned(), first)?];
        for path in settings.join.iter().map(PathBuf::from) {
            let records = open_one(settings, &path)?;
            files.push(Part::open(settings, path, records)?);
        }
        let mut columns: Vec<Column> = vec![];
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut pairs = vec![];
        for (f, file) in files.iter().enumerate() {
            for k in (0..file.header.len()).filter(|k| !file.time.contains(k)) {
                let name = &file.header[k];
                // A name that one file has twice stays twice: the reader refuses it. Columns without a name are different ones.
                let place =
                    known.get(name).copied().filter(|&place| columns[place].files.iter().all(|(file, _)| *file != f) && !name.is_empty());
                let place = place.unwrap_or_else(|| {
                    columns.push(Column { name: name.clone(), files: vec![] });
                    known.insert(name.clone(), columns.len() - 1);
                    columns.len() - 1
                });
                for &(other, _) in &columns[place].files {
                    if !pairs.iter().any(|(a, b, _)| (*a, *b) == (other, f)) {
                        pairs.push((other, f, place));
                    }
                }
                columns[place].files.push((f, k));
            }
        }
        Ok(Self { settings: settings.clone(), files, columns, pairs, started: false, rows: 1, repeated: 0 })
    }

    /// Files with a common column must follow each other: a row of one may not lie between rows of the other.
    fn check_order(&mut self, stamp: Stamp) -> Result<(), DataError> {
        for &(a, b, column) in &self.pairs {
            let here = |f: usize| self.files[f].at(stamp).is_some();
            if here(a) && here(b) {
                self.repeated += 1;
                continue;
            }
            for (one, other) in [(a, b), (b, a)] {
                let open = |file: &Part| file.begun && file.next.is_some();
                if here(one) && open(&self.files[other]) {
                    let problem = format!(
                        "\"{}\" is a column of {} and of {}, but their times do not follow each other: {} is only in {}",
                        self.columns[column].name,
                        self.files[a].path.display(),
                        self.files[b].path.display(),
                        format_stamp(stamp),
                        self.files[one].path.display()
                    );
                    return Err(DataError::schema("data.join", problem, "rename the column in one of the files, or remove it there"));
                }
            }
        }
        Ok(())
    }

    /// Whether two cells have the same meaning.
    fn same(&self, a: &str, b: &str) -> bool {
        let number = |text: &str| parsed(text, self.settings.decimal, self.settings.thousands);
        a == b || number(a).is_some_and(|value| number(b) == Some(value))
    }

    fn is_missing(&self, cell: &str) -> bool {
        cell.is_empty() || self.settings.missing.iter().any(|token| token == cell)
    }

    /// The cell of a column: that of its only file, or of the files that have this timestamp, which must agree.
    fn cell(&self, column: usize, stamp: Stamp) -> Result<&[u8], DataError> {
        let mut found: Option<(&[u8], String, &Part)> = None;
        for &(f, k) in &self.columns[column].files {
            let file = &self.files[f];
            let Some(row) = file.at(stamp) else { continue };
            if self.columns[column].files.len() == 1 {
                return Ok(&row[k]);
            }
            let text = String::from_utf8_lossy(&row[k]).trim().to_owned();
            match &found {
                Some((_, before, _)) if self.is_missing(&text) || self.same(before, &text) => {}
                Some((_, before, other)) if !self.is_missing(before) => {
                    let problem = format!(
                        "at {}, \"{}\" is {} in {} and {} in {}",
                        format_stamp(stamp),
                        self.columns[column].name,
                        shortened(before),
                        other.path.display(),
                        shortened(&text),
                        file.path.display()
                    );
                    let advice = "remove the row from one of the files, or rename the column if it is another one";
                    return Err(DataError::schema("data.join", problem, advice));
                }
                _ => found = Some((&row[k], text, file)),
            }
        }
        Ok(found.map_or(&[][..], |(cell, ..)| cell))
    }
}

impl Records for Joined {
    fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        record.clear();
        if !self.started {
            self.started = true;
            let first = &self.files[0];
            first.time.iter().for_each(|&k| record.push_field(first.header[k].as_bytes()));
            self.columns.iter().for_each(|column| record.push_field(column.name.as_bytes()));
            return Ok(Some(1));
        }
        let Some(stamp) = self.files.iter().filter_map(|file| file.next.as_ref().map(|(_, stamp)| *stamp)).min() else {
            return Ok(None);
        };
        self.check_order(stamp)?;
        if let Some((file, row)) = self.files.iter().find_map(|file| Some((file, file.at(stamp)?))) {
            file.time.iter().for_each(|&k| record.push_field(&row[k]));
        }
        for column in 0..self.columns.len() {
            record.push_field(self.cell(column, stamp)?);
        }
        for file in self.files.iter_mut().filter(|file| file.at(stamp).is_some()) {
            file.advance()?;
        }
        self.rows += 1;
        Ok(Some(self.rows))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!("{} files are joined by time", self.files.len())];
        let common: Vec<&str> = self.columns.iter().filter(|c| c.files.len() > 1).map(|c| c.name.as_str()).collect();
        if !common.is_empty() {
            let more = if common.len() > NAMED { ", .." } else { "" };
            let repeated = match self.repeated {
                0 => String::new(),
                rows => format!("; {rows} rows are in two of them, with the same values"),
            };
            let listed = common[..common.len().min(NAMED)].join(", ");
            notes.push(format!("several files have the same columns ({listed}{more}): their rows follow each other in time{repeated}"));
        }
        for file in self.files.iter().filter(|file| file.descending) {
            notes.push(format!("{} has its newest row first; its rows are used in order of time", file.path.display()));
        }
        notes
    }
}
