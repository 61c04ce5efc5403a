//! Data files on disk: one file, standard input, or several files (`join`).

use std::fs::File;
use std::path::Path;

use csv::ByteRecord;

use super::error::DataError;
use super::formats::{self, ArrayOptions, Input, Opened};
use super::join::Joined;
use super::read::header_names;
use super::records::Records;
use super::schema::{KnownSeries, Schema};
use super::source_format::records;
use super::statics::{StaticCells, in_table};
use crate::config::DataSettings;

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
pub(super) fn open_statics(settings: &DataSettings) -> Result<Option<StaticCells>, DataError> {
    let Some((statics, path)) = settings.statics.as_ref().and_then(|statics| Some((statics, statics.path.as_ref()?))) else {
        return Ok(None);
    };
    let settings = DataSettings { delimiter: None, skip_lines: 0, header: true, array: None, ..settings.clone() };
    let mut records = open_one(&settings, Path::new(path))?;
    StaticCells::of_table(statics, &settings, records.as_mut()).map(Some).map_err(|e| in_table(statics, e))
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
