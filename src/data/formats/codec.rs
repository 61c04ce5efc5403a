//! Decompression of blocks whose size the file claims. A claim is never allocated before it is proved plausible: block formats have a
//! largest ratio, and streams are read piece by piece.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// A method of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Snappy,
    Gzip,
    Brotli,
    Lz4Block,
    Lz4Frame,
    /// Blocks with two big-endian sizes each, or (from old writers) one of the two forms above.
    Lz4Hadoop,
    Zstd,
}

/// The largest output of a byte of Snappy: a copy of 64 bytes takes 3.
const SNAPPY_RATIO: usize = 22;
/// The largest output of a byte of LZ4: a byte that continues a length.
const LZ4_RATIO: usize = 255;
/// Output that a few bytes of input may have beyond the ratio.
const SLACK: usize = 64;

fn wrong(problem: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.to_string())
}

/// Decompresses a block of exactly `size` bytes.
pub(super) fn decompress(codec: Codec, input: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let output = match codec {
        Codec::Snappy => {
            plausible(input, size, SNAPPY_RATIO)?;
            if snap::raw::decompress_len(input).map_err(wrong)? != size {
                return Err(wrong("a block has another size than its header says"));
            }
            let mut output = vec![0; size];
            snap::raw::Decoder::new().decompress(input, &mut output).map_err(wrong)?;
            output
        }
        Codec::Lz4Block => lz4_block(input, size)?,
        Codec::Lz4Frame => lz4_frame(input, size)?,
        Codec::Lz4Hadoop => {
            let whole = |output: &Vec<u8>| output.len() == size;
            let first = lz4_hadoop(input, size).ok().filter(whole).or_else(|| lz4_frame(input, size).ok().filter(whole));
            first.map_or_else(|| lz4_block(input, size), Ok)?
        }
        Codec::Gzip => all(flate2::read::MultiGzDecoder::new(input), size)?,
        Codec::Brotli => all(brotli_decompressor::Decompressor::new(input, 1 << 12), size)?,
        Codec::Zstd => all(Zstd::new(input), size)?,
    };
    if output.len() == size { Ok(output) } else { Err(wrong("a block has another size than its header says")) }
}

fn plausible(input: &[u8], size: usize, ratio: usize) -> io::Result<()> {
    let most = input.len().saturating_mul(ratio).saturating_add(SLACK);
    if size > most { Err(wrong(format!("{} bytes cannot contain {size}", input.len()))) } else { Ok(()) }
}

/// The whole output of a stream, up to one byte more than expected.
fn all(stream: impl Read, size: usize) -> io::Result<Vec<u8>> {
    let mut output = vec![];
    stream.take((size as u64).saturating_add(1)).read_to_end(&mut output)?;
    Ok(output)
}

fn lz4_frame(input: &[u8], size: usize) -> io::Result<Vec<u8>> {
    all(lz4_flex::frame::FrameDecoder::new(input), size)
}

fn lz4_block(input: &[u8], size: usize) -> io::Result<Vec<u8>> {
    plausible(input, size, LZ4_RATIO)?;
    let mut output = vec![0; size];
    let count = lz4_flex::block::decompress_into(input, &mut output).map_err(wrong)?;
    output.truncate(count);
    Ok(output)
}

fn lz4_hadoop(mut input: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let mut output = vec![];
    while !input.is_empty() {
        let (sizes, rest) = input.split_at_checked(8).ok_or_else(|| wrong("an LZ4 block ends early"))?;
        let number = |at: usize| u32::from_be_bytes([sizes[at], sizes[at + 1], sizes[at + 2], sizes[at + 3]]) as usize;
        let (raw, packed) = (number(0), number(4));
        let (block, rest) = rest.split_at_checked(packed).ok_or_else(|| wrong("an LZ4 block ends early"))?;
        if output.len().saturating_add(raw) > size {
            return Err(wrong("an LZ4 block is larger than its header says"));
        }
        output.extend(lz4_block(block, raw)?);
        input = rest;
    }
    Ok(output)
}

/// A zstd stream of any number of frames. The decoder refuses windows above 128 MiB.
pub(super) struct Zstd<R> {
    input: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Begins the next frame. Returns false at the end of the stream.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.input) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    if io::copy(&mut self.input.by_ref().take(length.into()), &mut io::sink())? != u64::from(length) {
                        return Err(wrong("a zstd frame ends early"));
                    }
                }
                Err(e) => return Err(wrong(e)),
            }
        }
    }

    /// Ends a frame that was read to its end.
    fn end(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let stored = self.decoder.get_checksum_from_data();
        if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
            return Err(wrong("the checksum of a zstd frame is wrong"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if !self.in_frame && !self.begin()? {
                break;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder.decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1)).map_err(wrong)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.end()?;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A claim that is larger than the content can be.
    const HUGE: usize = 1 << 40;

    #[test]
    fn claims_are_checked_before_they_are_allocated() {
        let text = b"a line of text, a line of text, a line of text";
        let packed = snap::raw::Encoder::new().compress_vec(text).unwrap();
        assert_eq!(decompress(Codec::Snappy, &packed, text.len()).unwrap(), text);
        // The length in the block itself claims 4 GiB.
        let mut liar = packed.clone();
        liar.splice(0..1, [0xff, 0xff, 0xff, 0xff, 0x0f]);
        for size in [text.len() - 1, text.len() + 1, HUGE] {
            for codec in [Codec::Snappy, Codec::Gzip, Codec::Brotli, Codec::Lz4Block, Codec::Lz4Frame, Codec::Lz4Hadoop, Codec::Zstd] {
                assert!(decompress(codec, &packed, size).is_err(), "{codec:?}, {size}");
                assert!(decompress(codec, &liar, size).is_err(), "{codec:?}, {size}");
            }
        }
        assert!(decompress(Codec::Snappy, &liar, u32::MAX as usize).is_err());
    }

    #[test]
    fn zstd_has_frames_and_frames_to_skip() {
        let frame = |text: &str| ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        let mut file = frame("first,");
        file.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
        file.extend(frame("second"));
        let mut text = String::new();
        Zstd::new(&*file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "first,second");
        for cut in 1..file.len() {
            let at_frame = cut == frame("first,").len() || cut == frame("first,").len() + 11;
            assert_eq!(Zstd::new(&file[..cut]).read_to_end(&mut vec![]).is_ok(), at_frame, "{cut}");
        }
    }
}
