//! Data files on disk: one file, standard input, or several files joined by time.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use csv::ByteRecord;

use super::clock::Clock;
use super::error::DataError;
use super::formats::{self, ArrayOptions, Input, Opened};
use super::read::header_names;
use super::records::Records;
use super::schema::{Field, KnownSeries, Schema};
use super::source_format::records;
use super::statics::StaticCells;
use crate::calendar::{Stamp, format_stamp};
use crate::config::{DataSettings, StaticSettings};
use crate::names::one_form;

/// Opens the files of a config; `path` is its first file.
pub(super) fn open(settings: &DataSettings, path: &Path) -> Result<Box<dyn Records>, DataError> {
    if settings.join.is_empty() {
        return open_one(settings, path);
    }
    let first = open_one(settings, path)?;
    Ok(Box::new(Joined::open(settings, path, first)?))
}

/// Opens a file for a run. If the run joined files and this one has all columns, it is read alone.
pub(super) fn open_for(settings: &DataSettings, path: &Path, series: KnownSeries<'_>) -> Result<Box<dyn Records>, DataError> {
    if settings.join.is_empty() {
        return open_one(settings, path);
    }
    let mut first = Again { inner: open_one(settings, path)?, header: None };
    let mut record = ByteRecord::new();
    let Some(line) = first.inner.next(&mut record)? else { return Err(DataError::Empty) };
    let header = header_names(&record)?;
    first.header = Some((record, line));
    let alone = settings.series.is_none() && Schema::new(&header, settings, None, Some(series)).is_ok();
    if alone { Ok(Box::new(first)) } else { Ok(Box::new(Joined::open(settings, path, Box::new(first))?)) }
}

/// Rows whose header was read before.
struct Again {
    inner: Box<dyn Records>,
    header: Option<(ByteRecord, u64)>,
}

impl Records for Again {
    fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        let Some((header, line)) = self.header.take() else { return self.inner.next(record) };
        *record = header;
        Ok(Some(line))
    }

    fn only(&mut self, used: &[bool]) {
        self.inner.only(used);
    }

    fn delimiter(&self) -> Option<char> {
        self.inner.delimiter()
    }

    fn notes(&self) -> Vec<String> {
        self.inner.notes()
    }
}

/// The table of `data.static`, if it is a file of its own. Delimiter and header are found again: it is another file than the data.
pub(super) fn open_statics(statics: &StaticSettings, settings: &DataSettings) -> Result<Option<StaticCells>, DataError> {
    let Some(path) = &statics.path else { return Ok(None) };
    let (path, settings) =
        (Path::new(path), DataSettings { delimiter: None, skip_lines: 0, header: true, array: None, ..settings.clone() });
    let in_file = |source: DataError| DataError::InFile { file: path.display().to_string(), source: Box::new(source) };
    let mut records = open_one(&settings, path)?;
    StaticCells::of_table(statics, &settings, records.as_mut()).map(Some).map_err(in_file)
}

/// Opens a file of any format; `-` is standard input.
pub(crate) fn open_one(settings: &DataSettings, path: &Path) -> Result<Box<dyn Records>, DataError> {
    if path == Path::new("-") {
        return records(settings, Input::Stream(Box::new(std::io::stdin())));
    }
    let file = File::open(path).map_err(|source| DataError::Open { path: path.to_path_buf(), source })?;
    records(settings, Input::File(file))
}

/// The first bytes of a text file, decompressed; empty for files of other formats.
pub(crate) fn head_of(path: &Path, bytes: usize) -> Result<Vec<u8>, DataError> {
    use std::io::Read as _;
    let file = File::open(path).map_err(|source| DataError::Open { path: path.to_path_buf(), source })?;
    let mut head = vec![];
    if let Opened::Text(text) = formats::open(Input::File(file), ArrayOptions::default()).map_err(DataError::from)? {
        text.take(bytes as u64).read_to_end(&mut head).map_err(|source| DataError::Read { line: 0, source })?;
    }
    Ok(head)
}

/// Rows of several files, one for each timestamp of any file.
struct Joined {
    files: Vec<Part>,
    /// Number of time columns, which come first.
    time: usize,
    started: bool,
    rows: u64,
}

/// One of the files.
struct Part {
    path: PathBuf,
    records: Box<dyn Records>,
    clock: Clock,
    /// Indices of the time columns, and of the others.
    time: Vec<usize>,
    others: Vec<usize>,
    header: Vec<String>,
    /// The next row and its timestamp.
    next: Option<(ByteRecord, Stamp)>,
    last: Option<Stamp>,
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
        let others = (0..header.len()).filter(|k| !time.contains(k)).collect();
        let clock = Clock::new(settings, &fields, None)?;
        let mut part = Self { path: path.clone(), records, clock, time, others, header, next: None, last: None };
        part.advance()?;
        Ok(part)
    }

    /// Reads the next row that is not skipped.
    fn advance(&mut self) -> Result<(), DataError> {
        let read = self.read();
        self.next = read.map_err(|source| DataError::InFile { file: self.path.display().to_string(), source: Box::new(source) })?;
        Ok(())
    }

    fn read(&mut self) -> Result<Option<(ByteRecord, Stamp)>, DataError> {
        let mut record = ByteRecord::new();
        while let Some(line) = self.records.next(&mut record)? {
            let Some(text) = self.clock.text(&record, line, self.header.len()) else { continue };
            super::read::check_width(&record, line, self.header.len())?;
            let stamp = self.clock.read(&text, line, self.last)?.at();
            if let Some(last) = self.last.filter(|last| *last >= stamp) {
                let problem = format!("line {line}: {} follows {}", format_stamp(stamp), format_stamp(last));
                return Err(DataError::schema("data.join", problem, "sort the files by time, with each timestamp once, to join them"));
            }
            self.last = Some(stamp);
            return Ok(Some((record, stamp)));
        }
        Ok(None)
    }
}

impl Joined {
    fn open(settings: &DataSettings, path: &Path, first: Box<dyn Records>) -> Result<Self, DataError> {
        let mut files = vec![Part::open(settings, path.to_owned(), first)?];
        for path in settings.join.iter().map(PathBuf::from) {
            let records = open_one(settings, &path)?;
            files.push(Part::open(settings, path, records)?);
        }
        let mut owners: HashMap<&str, &Part> = HashMap::new();
        for file in &files {
            for name in file.others.iter().map(|&k| file.header[k].as_str()).filter(|name| !name.is_empty()) {
                // A name that one file has twice is found by the reader.
                if let Some(other) = owners.insert(name, file).filter(|other| !std::ptr::eq(*other, file)) {
                    let problem = format!("\"{name}\" is a column of {} and of {}", other.path.display(), file.path.display());
                    return Err(DataError::schema("data.join", problem, "rename it in one of the files, or remove it there"));
                }
            }
        }
        let time = files.first().map_or(0, |file| file.time.len());
        Ok(Self { files, time, started: false, rows: 1 })
    }
}

impl Records for Joined {
    fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        record.clear();
        if !self.started {
            self.started = true;
            let first = &self.files[0];
            first.time.iter().for_each(|&k| record.push_field(first.header[k].as_bytes()));
            for file in &self.files {
                file.others.iter().for_each(|&k| record.push_field(file.header[k].as_bytes()));
            }
            return Ok(Some(1));
        }
        let Some(stamp) = self.files.iter().filter_map(|file| file.next.as_ref().map(|(_, stamp)| *stamp)).min() else {
            return Ok(None);
        };
        let is_next = |file: &Part| file.next.as_ref().is_some_and(|(_, at)| *at == stamp);
        if let Some((file, (row, _))) = self.files.iter().find(|file| is_next(file)).and_then(|file| Some((file, file.next.as_ref()?))) {
            file.time.iter().for_each(|&k| record.push_field(&row[k]));
        }
        debug_assert_eq!(record.len(), self.time, "one timestamp");
        for file in &mut self.files {
            match file.next.as_ref().filter(|(_, at)| *at == stamp) {
                Some((row, _)) => {
                    file.others.iter().for_each(|&k| record.push_field(&row[k]));
                    file.advance()?;
                }
                None => file.others.iter().for_each(|_| record.push_field(b"")),
            }
        }
        self.rows += 1;
        Ok(Some(self.rows))
    }

    fn notes(&self) -> Vec<String> {
        vec![format!("{} files are joined by time", self.files.len())]
    }
}
