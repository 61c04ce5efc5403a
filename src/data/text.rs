//! CSV files: what precedes the header, the delimiter, and the rows.

use std::io::{Cursor, Read};

use csv::ByteRecord;

use super::error::DataError;
use super::lines::{LineFeeds, unpacked};
use super::records::Records;
use crate::config::DataSettings;

/// Bytes at the start of a file in which preamble and delimiter are found.
const HEAD: usize = 1 << 16;
/// Lines from which the delimiter is found.
const LINES: usize = 32;
/// The delimiters that are found without data.delimiter, in order of preference.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// What precedes the first row of a CSV file, and how its fields are separated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preamble {
    /// Bytes before the first row.
    bytes: usize,
    /// Lines before the first row.
    pub(crate) lines: u64,
    /// The delimiter.
    pub(crate) delimiter: u8,
    /// The header as a comment line: `# time a b`.
    header: Option<ByteRecord>,
    notes: Vec<String>,
}

/// The lines of a text with the number of bytes up to the end of each. Line ends are `\n`, `\r\n` and `\r`.
fn lines(head: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = head.get(at..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
        let feeds = if rest[end..].starts_with(b"\r\n") { 2 } else { usize::from(end < rest.len()) };
        at += end + feeds;
        Some((&rest[..end], at))
    })
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

/// Number of fields of a line, or `None` if a quote is left open.
pub(crate) fn fields(line: &[u8], delimiter: u8) -> Option<usize> {
    let mut quoted = false;
    let mut count = 1;
    for &byte in line {
        quoted ^= byte == b'"';
        count += usize::from(byte == delimiter && !quoted);
    }
    (!quoted).then_some(count)
}

/// The delimiter with which most lines have as many fields as the first one, which has at least two. A tie goes to more fields.
fn sniffed(rows: &[&[u8]]) -> u8 {
    let score = |delimiter: u8| {
        let counts: Vec<usize> = rows.iter().filter_map(|line| fields(line, delimiter)).collect();
        let first = *counts.first()?;
        let alike = counts.iter().filter(|&&count| count == first).count();
        (first > 1).then_some((alike, first))
    };
    let scored = DELIMITERS.into_iter().rev().filter_map(|d| Some((score(d)?, d)));
    scored.max_by_key(|&(score, _)| score).map_or(b',', |(_, d)| d)
}

impl Preamble {
    /// Bytes before the first row.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Examines the first bytes of a file.
    pub(crate) fn of(head: &[u8], settings: &DataSettings) -> Self {
        let mut found = Self { bytes: 0, lines: 0, delimiter: b',', header: None, notes: vec![] };
        let configured = settings.delimiter.and_then(|c| u8::try_from(c).ok());
        let start = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut delimiter = configured;
        let mut comment: Option<&[u8]> = None;
        let mut rows = vec![];
        for (number, (line, end)) in (1..).zip(lines(&head[start..])) {
            let marked = |c: char| line.trim_ascii_start().first() == u8::try_from(c).ok().as_ref();
            let commented = marked('#') || settings.comment.is_some_and(marked);
            let skipped = number <= settings.skip_lines as u64;
            if rows.is_empty() && (skipped || commented || is_blank(line)) {
                if commented && !skipped {
                    comment = Some(line);
                }
            } else if let (1, [separator]) = (number, separator_line(line)) {
                delimiter = configured.or(Some(*separator));
            } else {
                if !(commented || is_blank(line)) {
                    rows.push(line);
                }
                if rows.len() == LINES {
                    break;
                }
                continue;
            }
            (found.bytes, found.lines) = (start + end, number);
        }
        found.bytes = found.bytes.max(start);
        found.delimiter = delimiter.unwrap_or_else(|| sniffed(&rows));
        found.header = comment.and_then(|line| found.commented_header(line, rows.first()?));
        if found.lines > settings.skip_lines as u64 && found.header.is_none() && comment.is_some() {
            found.notes.push(format!("the first {} lines are comments and are skipped", found.lines));
        }
        found
    }

    /// The header in a comment line, if the first row holds only values: numbers or texts with a digit.
    fn commented_header(&self, comment: &[u8], first: &[u8]) -> Option<ByteRecord> {
        let cells = |line: &[u8]| {
            let mut reader = csv::ReaderBuilder::new().delimiter(self.delimiter).has_headers(false).from_reader(line);
            let mut record = ByteRecord::new();
            reader.read_byte_record(&mut record).ok()?.then_some(record)
        };
        let named = cells(comment.trim_ascii_start().get(1..)?)?;
        let first = cells(first)?;
        let values = first.iter().all(|cell| cell.is_empty() || cell.iter().any(u8::is_ascii_digit));
        (named.len() == first.len() && named.len() > 1 && values).then_some(named)
    }
}

/// The character X of a line `sep=X`, as Excel writes and reads it; empty for other lines.
fn separator_line(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_end();
    match line.split_at_checked(4) {
        Some((word, rest)) if word.eq_ignore_ascii_case(b"sep=") && rest.len() <= 1 => {
            // The trimming removed a tab.
            if rest.is_empty() { b"\t" } else { rest }
        }
        _ => b"",
    }
}

/// What a file is that is no table of text, and what to do.
fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const XLS: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let lower: Vec<u8> = text.iter().take(16).map(u8::to_ascii_lowercase).collect();
    let second = text.get(1..).and_then(|rest| rest.trim_ascii_start().first());
    let json = "write the table as CSV, for instance with pandas: read_json(..).to_csv(..)";
    match (text.first()?, second) {
        _ if head.starts_with(XLS) => Some(("an Excel workbook", "save it as CSV")),
        _ if lower.starts_with(b"%pdf-") => Some(("a PDF document", "save the table as CSV")),
        (b'{', Some(b'"' | b'}')) | (b'[', Some(b'{' | b'[')) => Some(("JSON", json)),
        (b'<', _) if [&b"<!doctype"[..], b"<html", b"<head", b"<body", b"<table"].iter().any(|tag| lower.starts_with(tag)) => {
            Some(("an HTML page", "save the table as CSV, or check the address from which the file was downloaded"))
        }
        (b'<', _) if lower.starts_with(b"<?xml") => Some(("XML", "save the table as CSV")),
        _ => None,
    }
}

/// The rows of a CSV file.
pub(crate) struct TextRecords<'a> {
    reader: csv::Reader<LineFeeds<Box<dyn Read + 'a>>>,
    preamble: Preamble,
    comment: Option<u8>,
    /// Fields of the header.
    width: usize,
    started: bool,
    line: u64,
    /// Lines before the first one that the csv crate counts.
    before: u64,
    /// A row that was read before the header was returned.
    waiting: Option<(ByteRecord, u64)>,
    /// Blank lines to return as rows of a file with a single column.
    blank: u64,
    has_header: bool,
}

impl<'a> TextRecords<'a> {
    /// Opens a plain or compressed CSV file.
    pub(crate) fn open(reader: impl Read + 'a, settings: &DataSettings) -> Result<Self, DataError> {
        let read = |source| DataError::Read { line: 0, source };
        let mut reader = unpacked(reader).map_err(read)?;
        let mut head = vec![];
        reader.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(read)?;
        if let Some((found, advice)) = foreign(&head) {
            return Err(DataError::OtherFormat { found, advice });
        }
        let preamble = Preamble::of(&head, settings);
        let mut start = Cursor::new(head);
        start.set_position(preamble.bytes as u64);
        let rest: Box<dyn Read + 'a> = Box::new(start.chain(reader));
        let comment = settings.comment.and_then(|c| u8::try_from(c).ok());
        let reader = csv::ReaderBuilder::new()
            .delimiter(preamble.delimiter)
            .terminator(csv::Terminator::Any(b'\n'))
            .comment(comment)
            .has_headers(false)
            .flexible(true)
            .from_reader(LineFeeds::new(rest));
        let before = preamble.lines;
        Ok(Self {
            reader,
            preamble,
            comment,
            width: 0,
            started: false,
            line: before,
            before,
            waiting: None,
            blank: 0,
            has_header: settings.header,
        })
    }

    /// Reads a row of the file and its line.
    fn read(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        self.reader.get_mut().row_ended();
        let read = self.reader.read_byte_record(record).map_err(|error| {
            let source = match error.into_kind() {
                csv::ErrorKind::Io(source) => source,
                other => std::io::Error::other(format!("{other:?}")),
            };
            DataError::Read { line: self.line, source }
        })?;
        // The record ends on the line before the next record. A quoted cell may contain line ends.
        let inside = record.as_slice().iter().filter(|&&byte| byte == b'\n').count();
        Ok(read.then(|| self.before + self.reader.position().line().saturating_sub(1 + inside as u64)))
    }

    /// Reads the header, or makes one.
    fn first(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        self.started = true;
        let mut row = ByteRecord::new();
        let Some(line) = self.read(&mut row)? else { return Ok(None) };
        self.width = row.len();
        if let Some(header) = self.preamble.header.clone() {
            self.waiting = Some((row, line));
            *record = header;
        } else if self.has_header {
            *record = row;
        } else {
            record.clear();
            (1..=row.len()).for_each(|k| record.push_field(format!("c{k}").as_bytes()));
            self.waiting = Some((row, line));
        }
        // The rows begin with this line if it was not the header.
        self.line = if self.waiting.is_some() { line - 1 } else { line };
        Ok(Some(line))
    }
}

impl Records for TextRecords<'_> {
    fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        if !self.started {
            return self.first(record);
        }
        if self.blank == 0 {
            let found = match self.waiting.take() {
                Some((row, line)) => {
                    *record = row;
                    line
                }
                None => match self.read(record)? {
                    Some(line) => line,
                    None => return Ok(None),
                },
            };
            let skipped = found.saturating_sub(self.line + 1);
            if self.width != 1 || self.comment.is_some() || skipped == 0 || self.line <= self.before + 1 {
                self.line = found;
                return Ok(Some(found));
            }
            // The csv crate skips blank lines, but in a file with a single column they are missing cells.
            self.blank = skipped;
            self.waiting = Some((std::mem::take(record), found));
        }
        self.blank -= 1;
        self.line += 1;
        record.clear();
        record.push_field(b"");
        Ok(Some(self.line))
    }

    fn delimiter(&self) -> Option<char> {
        Some(self.preamble.delimiter.into())
    }

    fn notes(&self) -> Vec<String> {
        self.preamble.notes.clone()
    }
}
