//! Where the bytes of a file come from. Parquet, Arrow files and NPZ need a file that can be read at any position; the other
//! formats are read from front to back.

use std::io::{self, Read, Seek, SeekFrom};
#[cfg(feature = "native")]
use std::sync::{Arc, Mutex};

use bytes::Bytes;

/// The bytes of a file.
pub(crate) enum Input<'a> {
    /// A file on the disk.
    #[cfg(feature = "native")]
    File(std::fs::File),
    /// A file in memory.
    #[allow(dead_code, reason = "the conversion in a browser and tests use it")]
    Bytes(Bytes),
    /// A stream, such as stdin.
    #[allow(dead_code, reason = "the conversion in a browser has whole files")]
    Stream(Box<dyn Read + 'a>),
}

/// A file that can be read at any position.
#[derive(Clone)]
pub(super) struct Source {
    length: u64,
    bytes: Store,
}

#[derive(Clone)]
enum Store {
    #[cfg(feature = "native")]
    File(Arc<Mutex<std::fs::File>>),
    Bytes(Bytes),
}

impl Source {
    pub(super) fn of_bytes(bytes: Bytes) -> Self {
        Self { length: bytes.len() as u64, bytes: Store::Bytes(bytes) }
    }

    #[cfg(feature = "native")]
    pub(super) fn of_file(mut file: std::fs::File) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        Ok(Self { length, bytes: Store::File(Arc::new(Mutex::new(file))) })
    }

    /// The whole of a stream. Natively it is copied to a temporary file without a name, so that its size is not limited by the memory and
    /// nothing is left if the program ends.
    pub(super) fn of_stream(mut stream: impl Read) -> io::Result<Self> {
        #[cfg(feature = "native")]
        {
            let mut file = tempfile::tempfile()?;
            io::copy(&mut stream, &mut file)?;
            Self::of_file(file)
        }
        #[cfg(not(feature = "native"))]
        {
            let mut bytes = vec![];
            stream.read_to_end(&mut bytes)?;
            Ok(Self::of_bytes(bytes.into()))
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Reads `count` bytes at `start`. Nothing is allocated if they are not in the file.
    pub(super) fn read(&self, start: u64, count: u64) -> io::Result<Bytes> {
        let outside = || io::Error::new(io::ErrorKind::UnexpectedEof, "a position is behind the end of the file");
        let end = start.checked_add(count).filter(|end| *end <= self.length).ok_or_else(outside)?;
        let size = |n: u64| usize::try_from(n).map_err(|_| outside());
        match &self.bytes {
            #[cfg(feature = "native")]
            Store::File(file) => {
                let mut bytes = vec![0; size(end - start)?];
                let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            }
            Store::Bytes(bytes) => Ok(bytes.slice(size(start)?..size(end)?)),
        }
    }

    /// A reader of the bytes from `start` to `end`.
    pub(super) fn reader(&self, start: u64, end: u64) -> Section {
        Section { source: self.clone(), at: start.min(self.length), start, end: end.min(self.length) }
    }
}

/// Part of a file as a stream.
pub(super) struct Section {
    source: Source,
    at: u64,
    start: u64,
    end: u64,
}

/// Bytes that one read of a section returns at most.
const CHUNK: u64 = 1 << 16;

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (buffer.len() as u64).min(self.end.saturating_sub(self.at)).min(CHUNK);
        let bytes = self.source.read(self.at, count)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.at += count;
        Ok(bytes.len())
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, by) = match to {
            SeekFrom::Start(at) => (self.start.checked_add(at), 0),
            SeekFrom::Current(by) => (Some(self.at), by),
            SeekFrom::End(by) => (Some(self.end), by),
        };
        let at = base.and_then(|base| base.checked_add_signed(by)).filter(|at| *at >= self.start);
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a position is before the start of the file"))?;
        Ok(self.at - self.start)
    }
}
