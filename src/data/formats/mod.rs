//! Formats other than CSV: Parquet, Arrow (Feather), NPZ and NPY, and text compressed with zstd. Each becomes rows of text cells
//! ([`Records`]), so that the reader checks all formats in the same way. The format is detected from the first bytes, never from the name.
//!
//! Every size in a file is checked before it is allocated: `codec` knows how large a compressed block can become, `pages` and `arrow` check
//! positions. Memory: a batch of rows and the open pages of the used columns (Parquet), a record batch (Arrow), a row (NPZ).
//!
//! Files: `input` (bytes of a file), `codec`, `cells` (values to text), `batches` (arrays to rows), `parquet` with `pages` and `thrift`,
//! `arrow`, `npz` with `npy`, `convert` (to CSV, for the page), `error`.

mod arrow;
mod batches;
mod cells;
mod codec;
#[cfg(any(test, all(target_arch = "wasm32", feature = "web-intake")))]
mod convert;
mod error;
mod input;
mod npy;
mod npz;
mod pages;
mod parquet;
mod thrift;

#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader, Read};

use super::DataError;
use super::records::Records;
#[cfg(all(target_arch = "wasm32", feature = "web-intake"))]
pub(crate) use convert::to_csv;
pub use error::{Format, FormatError};
pub(crate) use input::Input;
use input::Source;
pub(crate) use npz::ArrayOptions;

/// A file whose format is known.
pub(crate) enum Opened<'a> {
    /// A table in a binary format.
    Records(Box<dyn Records + 'a>),
    /// Text such as CSV, decompressed.
    Text(Box<dyn BufRead + 'a>),
}

/// Bytes that are enough to detect a format.
const START: u64 = 8;
/// Layers of compression around a file that are removed. A file of layers only would never end otherwise.
const LAYERS: usize = 2;

/// The error of a file after its line `line`.
fn failed(line: u64, error: FormatError) -> DataError {
    DataError::Read { line, source: std::io::Error::other(error) }
}

/// Runs a decoder. Sizes, positions and runs are checked before, but the arrow crates still panic on some damaged files, for instance if
/// the length of a buffer is no multiple of its type. In a browser a panic ends the worker of the conversion instead.
fn guarded<T>(format: Format, decode: impl FnOnce() -> Result<T, FormatError>) -> Result<T, FormatError> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode));
    result.unwrap_or_else(|_| Err(FormatError::damaged(format, "its values contradict each other")))
}

/// Detects the format of a file and opens it. Files that need random access (Parquet, Arrow files, NPZ) are copied to a temporary file if
/// they come from a stream or are compressed.
///
/// # Errors
/// If the file cannot be read, is damaged, or contains no table.
pub(crate) fn open<'a>(input: Input<'a>, options: ArrayOptions) -> Result<Opened<'a>, FormatError> {
    let (source, stream): (_, Box<dyn Read + 'a>) = match input {
        #[cfg(feature = "native")]
        Input::File(file) => match file.metadata().is_ok_and(|m| m.is_file()) {
            true => (Some(Source::of_file(file)?), Box::new(std::io::empty())),
            false => (None, Box::new(file)), // a pipe
        },
        Input::Bytes(bytes) => (Some(Source::of_bytes(bytes)), Box::new(std::io::empty())),
        Input::Stream(stream) => (None, stream),
    };
    let stream: Box<dyn BufRead + 'a> = match &source {
        Some(source) => Box::new(BufReader::with_capacity(1 << 16, source.reader(0, source.len()))),
        None => Box::new(BufReader::with_capacity(1 << 16, stream)),
    };
    layer(source, stream, options, LAYERS)
}

fn layer<'a>(
    source: Option<Source>,
    mut stream: Box<dyn BufRead + 'a>,
    options: ArrayOptions,
    layers: usize,
) -> Result<Opened<'a>, FormatError> {
    let mut start = vec![];
    stream.by_ref().take(START).read_to_end(&mut start)?;
    let stream: Box<dyn BufRead + 'a> = Box::new(std::io::Cursor::new(start.clone()).chain(stream));
    let seekable = |stream| source.map_or_else(|| Source::of_stream(stream), Ok);
    match start.as_slice() {
        [0x28, 0xb5, 0x2f, 0xfd, ..] if layers > 0 => layer(None, Box::new(BufReader::new(codec::Zstd::new(stream))), options, layers - 1),
        [0x1f, 0x8b, ..] if layers > 0 => {
            let plain = flate2::bufread::MultiGzDecoder::new(stream);
            layer(None, Box::new(BufReader::new(plain)), options, layers - 1)
        }
        [b'P', b'A', b'R', b'1', ..] => {
            let source = seekable(stream)?;
            Ok(Opened::Records(Box::new(guarded(Format::Parquet, || parquet::open(source))?)))
        }
        [b'P', b'A', b'R', b'E', ..] => {
            Err(FormatError::unsupported(Format::Parquet, "encrypted metadata", "write it again without encryption"))
        }
        b"ARROW1\0\0" => {
            let source = seekable(stream)?;
            Ok(Opened::Records(Box::new(guarded(Format::Arrow, || arrow::file(source))?)))
        }
        [0xff, 0xff, 0xff, 0xff, ..] => Ok(Opened::Records(Box::new(guarded(Format::Arrow, || arrow::stream(Box::new(stream)))?))),
        [b'F', b'E', b'A', b'1', ..] => {
            Err(FormatError::unsupported(Format::Arrow, "the old Feather version 1", "write it again as Feather version 2"))
        }
        [b'P', b'K', 3, 4, ..] => {
            let source = seekable(stream)?;
            match npz::open(&source, options)? {
                Some(array) => Ok(Opened::Records(Box::new(array))),
                None if npz::is_workbook(&source) => Err(FormatError::Workbook),
                None => {
                    let advice = "extract the table from the archive, or save an NPZ file with numpy.savez";
                    Err(FormatError::unsupported(Format::Npz, "no arrays (it is another zip file)", advice))
                }
            }
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            Ok(Opened::Records(Box::new(npz::Array::open(Format::Npy, Box::new(stream), options)?)))
        }
        _ => Ok(Opened::Text(stream)),
    }
}
