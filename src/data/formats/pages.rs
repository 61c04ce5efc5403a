//! Pages of a Parquet file for the decoders of the parquet crate. Reading them here, and not there, bounds what the sizes in a file can
//! make the program allocate, and needs no codec in C.

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use super::codec::{Codec, decompress};
use super::input::Source;
use super::thrift::{PageHeader, Problem, encoding};

/// The first guess of the bytes of a page header, and the largest. Statistics of long texts make them large.
const HEADER: u64 = 1 << 10;
const LARGEST_HEADER: u64 = 1 << 20;

/// One row group of a file.
pub(super) struct Group<'a> {
    pub(super) source: &'a Source,
    pub(super) metadata: &'a ParquetMetaData,
    pub(super) index: usize,
}

impl parquet::arrow::arrow_reader::RowGroups for Group<'_> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.metadata.row_group(self.index).num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.metadata.row_group(self.index).column(column);
        Ok(Box::new(Once(Some(Pages::new(self.source, chunk)?))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.index)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// The pages of the only row group.
struct Once(Option<Pages>);

impl Iterator for Once {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|pages| Ok(Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for Once {}

/// The pages of a column chunk.
struct Pages {
    source: Source,
    codec: Option<Codec>,
    at: u64,
    end: u64,
    /// Values that the chunk still has to deliver. Some writers pad the chunk after the last page.
    left: i64,
    /// Whether the dictionary was read.
    dictionary: bool,
    /// Whether values can be missing, so that pages begin with levels. Columns with deeper levels are not read.
    optional: bool,
    /// The next page, if its header was read.
    next: Option<PageHeader>,
}

fn wrong(problem: impl ToString) -> ParquetError {
    ParquetError::General(problem.to_string())
}

/// The codec of a column chunk.
pub(super) fn codec(compression: Compression) -> Result<Option<Codec>> {
    Ok(Some(match compression {
        Compression::UNCOMPRESSED => return Ok(None),
        Compression::SNAPPY => Codec::Snappy,
        Compression::GZIP(_) => Codec::Gzip,
        Compression::BROTLI(_) => Codec::Brotli,
        Compression::LZ4 => Codec::Lz4Hadoop,
        Compression::LZ4_RAW => Codec::Lz4Block,
        Compression::ZSTD(_) => Codec::Zstd,
        other => return Err(wrong(format!("compression {other} is not supported"))),
    }))
}

impl Pages {
    fn new(source: &Source, chunk: &ColumnChunkMetaData) -> Result<Self> {
        // The method `byte_range` of the crate panics on negative numbers. Some writers store 0 as the offset of no dictionary.
        let first = chunk.dictionary_page_offset().filter(|at| *at > 0).unwrap_or(i64::MAX).min(chunk.data_page_offset());
        let range = u64::try_from(first).ok().zip(u64::try_from(chunk.compressed_size()).ok());
        let range = range.and_then(|(at, size)| Some((at, at.checked_add(size)?))).filter(|(_, end)| *end <= source.len());
        let (at, end) = range.ok_or_else(|| wrong("a column is outside the file"))?;
        let optional = chunk.column_descr().max_def_level() == 1 && chunk.column_descr().max_rep_level() == 0;
        Ok(Self {
            source: source.clone(),
            codec: codec(chunk.compression())?,
            at,
            end,
            left: chunk.num_values(),
            dictionary: false,
            optional,
            next: None,
        })
    }

    /// Reads the next header, if it was not read yet. `None` at the end of the chunk.
    fn header(&mut self) -> Result<Option<&PageHeader>> {
        let mut guess = HEADER;
        while self.next.is_none() {
            let rest = self.end - self.at;
            if rest == 0 || self.left <= 0 {
                return Ok(None);
            }
            match PageHeader::read(&self.source.read(self.at, guess.min(rest))?) {
                Ok((header, length)) => {
                    self.at += length as u64;
                    if header.packed_size as u64 > self.end - self.at {
                        return Err(wrong("a page is larger than its column"));
                    }
                    self.next = Some(header);
                }
                Err(Problem::Short) if guess < rest.min(LARGEST_HEADER) => guess *= 8,
                Err(_) => return Err(wrong("the header of a page is not valid")),
            }
        }
        Ok(self.next.as_ref())
    }

    /// Whether the runs at the start of a data page are complete: those that tell which values are missing, and those of indices of the
    /// dictionary. The decoders of the crate panic if they are not.
    fn plausible(&self, header: &PageHeader, page: &[u8], by_index: bool) -> bool {
        let levels = if header.kind == 3 {
            (header.definition_bytes as usize, header.repetition_bytes as usize)
        } else if self.optional {
            let Some((length, _)) = page.split_first_chunk() else { return header.values == 0 };
            (u32::from_le_bytes(*length) as usize, 4)
        } else {
            (0, 0)
        };
        let Some((levels, values)) = page.get(levels.1..).and_then(|rest| rest.split_at_checked(levels.0)) else { return false };
        if self.optional && !runs(levels, 1, u64::from(header.values)) {
            return false;
        }
        match values.split_first() {
            Some((width, indices)) if by_index => runs(indices, *width, 0),
            _ => true,
        }
    }

    /// The decompressed bytes of a page. The levels at the start of a page of version 2 are never compressed.
    fn content(&self, header: &PageHeader, packed: Bytes) -> Result<Bytes> {
        let levels = if header.kind == 3 { u64::from(header.definition_bytes) + u64::from(header.repetition_bytes) } else { 0 };
        let levels = usize::try_from(levels).ok().filter(|n| *n <= packed.len() && *n <= header.size);
        let levels = levels.ok_or_else(|| wrong("the levels of a page are larger than the page"))?;
        let Some(codec) = self.codec.filter(|_| !header.plain) else {
            return if packed.len() == header.size { Ok(packed) } else { Err(wrong("a page has two different sizes")) };
        };
        if levels == 0 {
            return Ok(decompress(codec, &packed, header.size)?.into());
        }
        let mut whole = packed[..levels].to_vec();
        if header.size > levels {
            whole.extend(decompress(codec, &packed[levels..], header.size - levels)?);
        }
        Ok(whole.into())
    }
}

/// Whether a hybrid of runs and packed values of `width` bits can be decoded and has at least `least` values.
fn runs(mut bytes: &[u8], width: u8, least: u64) -> bool {
    let mut found = 0_u64;
    while let Some((head, rest)) = number(bytes) {
        let (count, size) = match head & 1 {
            0 => (head >> 1, u64::from(width.div_ceil(8))),
            _ => ((head >> 1) * 8, (head >> 1) * u64::from(width)),
        };
        // The last group of packed values may be cut.
        let (count, size) = match usize::try_from(size).ok().filter(|size| *size <= rest.len()) {
            Some(size) => (count, size),
            None if head & 1 == 1 => (rest.len() as u64 * 8 / u64::from(width.max(1)), rest.len()),
            None => return false,
        };
        found = found.saturating_add(count);
        bytes = &rest[size..];
        if least > 0 && found >= least {
            return true;
        }
    }
    bytes.is_empty() && found >= least
}

/// The number of variable length at the start of some bytes, and the rest.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

/// The encoding of values or levels.
fn known(number: i64) -> Result<Encoding> {
    encoding(number).ok_or_else(|| wrong(format!("encoding {number} is not supported")))
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        while self.header()?.is_some() {
            let Some(header) = self.next.take() else { break };
            let packed = self.source.read(self.at, header.packed_size as u64)?;
            self.at += header.packed_size as u64;
            if !matches!(header.kind, 0 | 2 | 3) {
                continue;
            }
            let buf = self.content(&header, packed)?;
            let (num_values, encoding) = (header.values, known(header.encoding)?);
            let by_index = matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
            if header.kind != 2 && !self.plausible(&header, &buf, by_index) {
                return Err(wrong("the levels of a page are not valid"));
            }
            match header.kind {
                // The decoders of the crate panic if there is no dictionary, two, or one without values.
                2 if num_values == 0 && !buf.is_empty() => return Err(wrong("a dictionary has a size but no values")),
                2 if self.dictionary => return Err(wrong("a column has two dictionaries")),
                2 => self.dictionary = true,
                _ if by_index && !self.dictionary => return Err(wrong("a column has no dictionary")),
                _ => self.left -= i64::from(num_values),
            }
            return Ok(Some(match header.kind {
                0 => Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding: known(header.definition_encoding)?,
                    rep_level_encoding: known(header.repetition_encoding)?,
                    statistics: None,
                },
                2 => Page::DictionaryPage { buf, num_values, encoding, is_sorted: false },
                _ => Page::DataPageV2 {
                    buf,
                    num_values,
                    encoding,
                    num_nulls: header.nulls,
                    num_rows: header.rows,
                    def_levels_byte_len: header.definition_bytes,
                    rep_levels_byte_len: header.repetition_bytes,
                    is_compressed: false,
                    statistics: None,
                },
            }));
        }
        Ok(None)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Ok(self.header()?.map(|header| PageMetadata {
            num_rows: (header.kind == 3).then_some(header.rows as usize),
            num_levels: (header.kind != 2).then_some(header.values as usize),
            is_dict: header.kind == 2,
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        if self.header()?.is_some()
            && let Some(header) = self.next.take()
        {
            self.at += header.packed_size as u64;
            self.left -= if header.kind == 2 { 0 } else { i64::from(header.values) };
        }
        Ok(())
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
