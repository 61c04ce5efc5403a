//! The text of a file, decompressed and with uniform line ends, so that line numbers are exact.
//!
//! The csv crate reports the line of a record before it skips preceding blank lines and the second half of a `\r\n`. If all line ends are
//! `\n` and the text ends with one, the line after a record is exact.

use std::io::{BufRead, BufReader, Read, Result};

/// The text of a file, decompressed if it is gzip-compressed.
///
/// # Errors
/// Fails if nothing can be read.
pub(crate) fn unpacked<'a>(reader: impl Read + 'a) -> Result<Box<dyn BufRead + 'a>> {
    let mut reader = BufReader::new(reader);
    let gzip = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(reader))) } else { Box::new(reader) })
}

/// A reader that converts `\r\n` and `\r` to `\n`, and adds a `\n` at the end if it is missing.
pub(crate) struct LineFeeds<R> {
    inner: R,
    /// The last input byte.
    last: u8,
    ended: bool,
    /// Bytes returned since the last row.
    since_row: usize,
}

/// Maximum bytes of a row. Without this limit, an unclosed quote would read the rest of the file into memory.
const LONGEST_ROW: usize = 4 << 20;

impl<R: Read> LineFeeds<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, last: b'\n', ended: false, since_row: 0 }
    }

    /// Marks the end of a row.
    pub(crate) fn row_ended(&mut self) {
        self.since_row = 0;
    }
}

impl<R: Read> Read for LineFeeds<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            if self.since_row > LONGEST_ROW {
                return Err(std::io::Error::other(format!("a row is longer than {} MiB; a quote may be unclosed", LONGEST_ROW >> 20)));
            }
            let count = self.inner.read(buffer)?;
            if count == 0 {
                self.ended = true;
                let whole = matches!(self.last, b'\n' | b'\r');
                buffer[0] = b'\n';
                return Ok(usize::from(!whole));
            }
            let mut kept = 0;
            for at in 0..count {
                let byte = buffer[at];
                if !(byte == b'\n' && self.last == b'\r') {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.last = byte;
            }
            // The buffer may contain only the second half of `\r\n`, which gives no output. Returning 0 would mean the end.
            if kept > 0 {
                self.since_row += kept;
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that returns one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }

    #[test]
    fn all_line_ends_become_one() {
        for (text, expected) in [("", ""), ("a", "a\n"), ("a\r\nb\r\n", "a\nb\n"), ("a\rb\n\r\n\rc", "a\nb\n\n\nc\n")] {
            for drip in [false, true] {
                let mut out = String::new();
                if drip {
                    LineFeeds::new(Drip(text.as_bytes())).read_to_string(&mut out).unwrap();
                } else {
                    LineFeeds::new(text.as_bytes()).read_to_string(&mut out).unwrap();
                }
                assert_eq!(out, expected, "{text:?}");
            }
        }
    }
}
