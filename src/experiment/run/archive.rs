//! A run as one file: a ZIP archive of the files of a run folder. Browsers store runs in this form. It can be unpacked into a run folder.

use super::files::Files;
use super::zip::{self, ZipError};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum unpacked bytes of an archive: enough for a billion parameters with moments, but a protection against decompression bombs.
const MOST_BYTES: u64 = 16 << 30;

/// An error of an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file is not a ZIP archive, or is damaged.
    #[error(
        "{path} is not a run file, or it is damaged: it cannot be read as a ZIP archive ({source}); \
         give a run folder, or a run file saved by the browser page"
    )]
    Format {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        source: ZipError,
    },
    /// The unpacked size is too large.
    #[error("{path} is not a run file: its unpacked size of {bytes} bytes is too large")]
    TooLarge {
        /// The archive.
        path: PathBuf,
        /// The unpacked size in bytes.
        bytes: u64,
    },
    /// A file in the archive is damaged, or its compression is not supported.
    #[error("{path}: the file {name} in the archive cannot be read: {source}")]
    File {
        /// The archive.
        path: PathBuf,
        /// The file in the archive.
        name: String,
        /// What is wrong.
        source: io::Error,
    },
}

/// Files in memory.
pub struct Archive {
    label: PathBuf,
    files: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Archive {
    /// An empty archive. Messages use `label` as its name.
    #[must_use]
    pub fn new(label: impl Into<PathBuf>) -> Self {
        Self { label: label.into(), files: Mutex::default() }
    }

    /// Unpacks a ZIP archive and verifies its checksums. Only the last component of a path in the archive is used, since some programs
    /// store the files in a folder.
    ///
    /// # Errors
    /// Fails if it is damaged or not a ZIP archive.
    pub fn unpack(label: impl Into<PathBuf>, bytes: &[u8]) -> Result<Self, ArchiveError> {
        let archive = Self::new(label);
        let entries = zip::entries(bytes).map_err(|source| ArchiveError::Format { path: archive.label.clone(), source })?;
        let mut left = MOST_BYTES;
        for entry in entries {
            // The path of a folder ends in a slash.
            let name = entry.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
            if name.is_empty() {
                continue;
            }
            let too_large = ArchiveError::TooLarge { path: archive.label.clone(), bytes: entry.size };
            left = left.checked_sub(entry.size).ok_or(too_large)?;
            let content = entry.content();
            let content = content.map_err(|source| ArchiveError::File { path: archive.label.clone(), name: name.clone(), source })?;
            archive.lock().insert(name, content);
        }
        Ok(archive)
    }

    /// Packs all files into a ZIP archive without compression, because weights are hardly compressible. Equal files give equal bytes.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        zip::archive(self.lock().iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
    }

    /// Names of all files.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files for Archive {
    fn label(&self) -> &Path {
        &self.label
    }

    fn exists(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.lock().get(name).cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the run file does not contain this file"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.lock().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.lock().entry(name.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::zip::write::SimpleFileOptions;
    use ::zip::{CompressionMethod, ZipArchive, ZipWriter};
    use std::io::{Cursor, Read as _, Write as _};

    fn packed() -> Vec<u8> {
        let archive = Archive::new("run.zip");
        archive.write("a.json", b"{}").expect("memory");
        archive.write("weights.safetensors", &[7; 1000]).expect("memory");
        archive.append("metrics.jsonl", b"1\n").expect("memory");
        archive.append("metrics.jsonl", b"2\n").expect("memory");
        archive.pack()
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let archive = Archive::unpack("run.zip", &packed()).expect("a run file");
        assert_eq!(archive.names(), ["a.json", "metrics.jsonl", "weights.safetensors"]);
        assert_eq!(archive.read("metrics.jsonl").expect("there"), b"1\n2\n");
        assert_eq!(archive.read("weights.safetensors").expect("there"), [7; 1000]);
        assert_eq!(packed(), packed(), "equal files, equal bytes");
        assert!(archive.read("b").is_err());
    }

    #[test]
    fn other_programs_read_what_is_packed() {
        let packed = packed();
        let mut zip = ZipArchive::new(Cursor::new(&packed)).expect("a zip file");
        assert_eq!(zip.len(), 3);
        let mut content = vec![];
        zip.by_name("weights.safetensors").expect("there").read_to_end(&mut content).expect("its checksum is right");
        assert_eq!(content, [7; 1000]);
    }

    /// Other programs compress the files and put them into a folder.
    #[test]
    fn packed_anew_by_another_tool() {
        let mut zip = ZipWriter::new(Cursor::new(vec![]));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.add_directory("run/", options).expect("memory");
        zip.start_file("run/run.json", options).expect("memory");
        zip.write_all(&[b'x'; 5000]).expect("memory");
        let bytes = zip.finish().expect("a zip file").into_inner();
        assert!(bytes.len() < 1000, "compressed");
        let archive = Archive::unpack("run.zip", &bytes).expect("a run file");
        assert_eq!(archive.names(), ["run.json"]);
        assert_eq!(archive.read("run.json").expect("there"), [b'x'; 5000]);
    }

    /// Programs that do not know the size in advance write 64-bit sizes. Bytes in front are allowed, and a comment at the end.
    #[test]
    fn every_layout_is_read() {
        let mut zip = ZipWriter::new(Cursor::new(vec![]));
        zip.start_file("run.json", SimpleFileOptions::default().large_file(true)).expect("memory");
        zip.write_all(b"{}").expect("memory");
        zip.set_comment("a comment").expect("short");
        let bytes = zip.finish().expect("a zip file").into_inner();
        let behind = [b"#!/bin/sh\n", &bytes[..]].concat();
        for bytes in [&bytes, &behind] {
            let archive = Archive::unpack("run.zip", bytes).expect("a run file");
            assert_eq!(archive.read("run.json").expect("there"), b"{}");
        }
    }

    /// A file that unpacks to more than it states is refused before all of it is in memory.
    #[test]
    fn a_wrong_size_is_noticed() {
        let mut zip = ZipWriter::new(Cursor::new(vec![]));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file("run.json", options).expect("memory");
        zip.write_all(&[b'x'; 70_000]).expect("memory");
        let mut bytes = zip.finish().expect("a zip file").into_inner();
        let size = 70_000_u32.to_le_bytes();
        let at = bytes.windows(4).rposition(|four| four == size).expect("the size in the directory");
        bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        let error = Archive::unpack("run.zip", &bytes).err().expect("a refusal").to_string();
        assert!(error.contains("run.json") && error.contains("size"), "{error}");
    }

    /// No damage of a byte causes a panic, and none changes a file unnoticed.
    #[test]
    fn every_changed_byte_is_survived() {
        let good = packed();
        let files = |bytes: &[u8]| {
            let archive = Archive::unpack("run.zip", bytes).ok()?;
            Some(archive.names().iter().map(|name| archive.read(name).expect("there")).collect::<Vec<_>>())
        };
        let expected = files(&good).expect("a run file");
        for at in 0..good.len() {
            for change in [1, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= change;
                if let Some(read) = files(&bytes) {
                    assert!(read.iter().all(|file| expected.contains(file)), "byte {at}");
                }
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        let good = packed();
        let mut flipped = good.clone();
        let at = good.iter().position(|b| *b == 7).expect("weights") + 500;
        flipped[at] ^= 1;
        let damaged = [&good[..good.len() / 2], b"time,a\n1,2\n", b"", &flipped];
        for bytes in damaged {
            let error = Archive::unpack("run.zip", bytes).err().expect("a refusal").to_string();
            assert!(error.contains("run.zip"), "{error}");
        }
    }
}
