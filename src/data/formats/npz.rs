//! NPZ archives and single NPY arrays: [T], [T, N] or [T, N, F] numbers, where T are the rows.
//!
//! Values are read row by row. An array in Fortran order is held in memory, because its rows are not contiguous.

use std::io::{BufReader, Read};

use csv::ByteRecord;
use zip::{CompressionMethod, ZipArchive};

use super::error::{Format, FormatError};
use super::failed;
use super::input::Source;
use super::npy::{Header, fill};
use crate::data::DataError;
use crate::data::records::Records;

/// How the columns of an array are named. An array has no names and no timestamps of its own.
#[derive(Default)]
pub(crate) struct ArrayOptions {
    /// The array of the archive.
    pub(crate) array: Option<String>,
    /// One name for each series (the second axis).
    pub(crate) names: Option<Vec<String>>,
    /// One name for each channel (the third axis).
    pub(crate) channels: Option<Vec<String>>,
    /// The timestamp of a row, from 0. With it, the first column is `time`.
    pub(crate) stamp: Option<Box<dyn Fn(usize) -> String>>,
}

/// Columns that an array has at most. A header can claim any number.
const MOST_COLUMNS: usize = 1 << 20;

/// The rows of an array.
pub(super) struct Array<'a> {
    format: Format,
    reader: Box<dyn Read + 'a>,
    header: Header,
    names: Vec<String>,
    stamp: Option<Box<dyn Fn(usize) -> String>>,
    /// The number of the next row; `None` before the header.
    at: Option<usize>,
    rows: usize,
    /// One row, or the whole array in Fortran order.
    bytes: Vec<u8>,
    cell: Vec<u8>,
}

impl<'a> Array<'a> {
    /// The array at the start of a reader.
    pub(super) fn open(format: Format, mut reader: Box<dyn Read + 'a>, options: ArrayOptions) -> Result<Self, FormatError> {
        let header = Header::read(format, &mut reader)?;
        let (Some(&rows), true) = (header.shape.first(), header.shape.len() <= 3) else {
            let what = format!("an array of shape {}", header.shape_text());
            return Err(FormatError::unsupported(format, what, "save [rows], [rows, series] or [rows, series, channels]"));
        };
        if header.bytes().is_none() {
            return Err(FormatError::damaged(format, format_args!("an array claims the shape {}", header.shape_text())));
        }
        let names = names(format, &header, &options)?;
        Ok(Self { format, reader, header, names, stamp: options.stamp, at: None, rows, bytes: vec![], cell: vec![] })
    }

    /// Reads the next row, or the whole array at the first row if the rows are not contiguous.
    fn load(&mut self) -> Result<(), FormatError> {
        if !self.header.fortran {
            // The names of the columns bound the length of a row.
            self.bytes.resize(self.names.len() * self.header.kind.size, 0);
            return fill(self.format, &mut self.reader, &mut self.bytes);
        }
        if self.bytes.is_empty() {
            let count = self.header.bytes().unwrap_or(u64::MAX);
            let found = self.reader.by_ref().take(count).read_to_end(&mut self.bytes)?;
            if found as u64 != count {
                return Err(FormatError::damaged(self.format, "an array ends early"));
            }
        }
        Ok(())
    }

    /// The place of a value in `bytes`, in values.
    fn place(&self, row: usize, column: usize) -> usize {
        if !self.header.fortran {
            return column;
        }
        let channels = self.header.shape.get(2).copied().unwrap_or(1).max(1);
        let series = self.names.len() / channels;
        row + self.rows * (column / channels + series * (column % channels))
    }
}

impl Records for Array<'_> {
    fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        record.clear();
        let Some(row) = self.at else {
            if self.stamp.is_some() {
                record.push_field(b"time");
            }
            self.names.iter().for_each(|name| record.push_field(name.as_bytes()));
            self.at = Some(0);
            return Ok(Some(1));
        };
        if row == self.rows {
            return Ok(None);
        }
        let line = row as u64 + 2;
        self.load().map_err(|e| failed(line - 1, e))?;
        if let Some(stamp) = &self.stamp {
            record.push_field(stamp(row).as_bytes());
        }
        let kind = self.header.kind;
        for column in 0..self.names.len() {
            let at = self.place(row, column) * kind.size;
            self.cell.clear();
            kind.write(&self.bytes[at..at + kind.size], &mut self.cell);
            record.push_field(&self.cell);
        }
        self.at = Some(row + 1);
        Ok(Some(line))
    }
}

/// The names of the columns.
fn names(format: Format, header: &Header, options: &ArrayOptions) -> Result<Vec<String>, FormatError> {
    let axis = |at: usize| header.shape.get(at).copied();
    let (series, channels) = (axis(1).unwrap_or(1), axis(2));
    if series.checked_mul(channels.unwrap_or(1)).is_none_or(|columns| columns == 0 || columns > MOST_COLUMNS) {
        let what = format!("an array of shape {}", header.shape_text());
        return Err(FormatError::unsupported(format, what, "save at least one column and at most 2^20"));
    }
    let given = |key, names: &Option<Vec<String>>, expected: usize, letter: char| match names {
        None => Ok((0..expected).map(|at| format!("{letter}{at}")).collect()),
        Some(names) if names.len() == expected => Ok(names.clone()),
        Some(names) => Err(FormatError::Names { key, found: names.len(), shape: header.shape_text(), expected }),
    };
    let series = given("data.array.series", &options.names, series, 's')?;
    let Some(channels) = channels else { return Ok(series) };
    let channels = given("data.array.channels", &options.channels, channels, 'f')?;
    Ok(series.iter().flat_map(|name| channels.iter().map(move |channel| format!("{name}_{channel}"))).collect())
}

/// Where an array is in an archive.
struct Member {
    name: String,
    start: u64,
    end: u64,
    deflated: bool,
}

impl Member {
    fn reader(&self, source: &Source) -> Box<dyn Read> {
        let bytes = BufReader::new(source.reader(self.start, self.end));
        if self.deflated { Box::new(BufReader::new(flate2::bufread::DeflateDecoder::new(bytes))) } else { Box::new(bytes) }
    }

    /// The name with the shape of the array.
    fn described(&self, source: &Source) -> String {
        match Header::read(Format::Npz, &mut self.reader(source)) {
            Ok(header) => format!("{} {}", self.name, header.shape_text()),
            Err(_) => format!("{} (no numbers)", self.name),
        }
    }
}

/// Opens an NPZ archive. Returns `None` if it is a zip file without arrays.
pub(super) fn open(source: &Source, options: ArrayOptions) -> Result<Option<Array<'static>>, FormatError> {
    let damaged = |e: zip::result::ZipError| FormatError::damaged(Format::Npz, e);
    let mut archive = ZipArchive::new(BufReader::new(source.reader(0, source.len()))).map_err(damaged)?;
    let mut members = vec![];
    for at in 0..archive.len() {
        let file = archive.by_index_raw(at).map_err(damaged)?;
        let name = file.name().map_err(damaged)?;
        let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else { continue };
        let deflated = match file.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => {
                let what = format!("an array with the compression {other}");
                return Err(FormatError::unsupported(Format::Npz, what, "save it with numpy.savez_compressed"));
            }
        };
        let start = file.data_start().ok_or_else(|| FormatError::damaged(Format::Npz, "an array has no place"))?;
        members.push(Member { name, start, end: start.saturating_add(file.compressed_size()), deflated });
    }
    if members.is_empty() {
        return Ok(None);
    }
    let chosen = chosen(&members, source, &options)?;
    Array::open(Format::Npz, chosen.reader(source), options).map(Some)
}

/// Whether a zip file is an Excel workbook.
pub(super) fn is_workbook(source: &Source) -> bool {
    let archive = ZipArchive::new(BufReader::new(source.reader(0, source.len())));
    archive.is_ok_and(|archive| archive.index_for_name("xl/workbook.xml").is_some())
}

/// The array that the options name, or the only one, or the only one with two or more axes.
fn chosen<'a>(members: &'a [Member], source: &Source, options: &ArrayOptions) -> Result<&'a Member, FormatError> {
    let listed = || members.iter().map(|member| member.described(source)).collect::<Vec<_>>().join(", ");
    if let Some(name) = &options.array {
        let found = members.iter().find(|member| member.name == *name);
        return found.ok_or_else(|| FormatError::NoArray { name: name.clone(), listed: listed() });
    }
    if let [only] = members {
        return Ok(only);
    }
    let axes = |member: &&Member| Header::read(Format::Npz, &mut member.reader(source)).is_ok_and(|header| header.shape.len() >= 2);
    let tables: Vec<&Member> = members.iter().filter(axes).collect();
    if let [only] = tables.as_slice() { Ok(only) } else { Err(FormatError::Arrays { listed: listed() }) }
}
