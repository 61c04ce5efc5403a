//! Storage of the files of a run: a folder or memory.

use std::io;
use std::path::Path;

/// A set of named files. Names are file names, not paths.
pub trait Files {
    /// The name of the set in messages: the folder, or the file name of the archive.
    fn label(&self) -> &Path;
    /// Whether a file with this name exists.
    fn exists(&self, name: &str) -> bool;
    /// Reads a file.
    ///
    /// # Errors
    /// Fails if the file does not exist or cannot be read.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Writes a file atomically.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Appends to a file.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// Files in a folder. Each file is written under a temporary name and then renamed, so that a process that is killed leaves complete files.
#[cfg(feature = "native")]
pub struct Folder {
    path: std::path::PathBuf,
}

#[cfg(feature = "native")]
impl Folder {
    /// The files of an existing folder.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

#[cfg(feature = "native")]
impl Files for Folder {
    fn label(&self) -> &Path {
        &self.path
    }

    fn exists(&self, name: &str) -> bool {
        self.path.join(name).is_file()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path.join(name))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(self.path.join(name)).map_err(|e| e.error)?;
        // The rename must also reach the disk. Not every system can sync a folder.
        if let Ok(folder) = std::fs::File::open(&self.path) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(self.path.join(name))?;
        file.write_all(bytes)
    }
}
