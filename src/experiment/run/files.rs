//! Where the files of a run lie: a folder, or memory.

use std::io;
use std::path::Path;

/// A set of named files. Names are plain file names, never paths.
pub trait Files {
    /// What the set is called in messages: the folder, or the archive's file name.
    fn label(&self) -> &Path;
    /// Whether there is a file of that name.
    fn exists(&self, name: &str) -> bool;
    /// A whole file.
    ///
    /// # Errors
    /// Fails if there is none, or the disk does.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Writes a file wholly or not at all.
    ///
    /// # Errors
    /// Fails if the disk does.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Adds to the end of a file.
    ///
    /// # Errors
    /// Fails if the disk does.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// Files in a folder, each written beside its place and renamed into it: a process killed at any moment leaves whole files.
#[cfg(feature = "native")]
pub struct Folder {
    path: std::path::PathBuf,
}

#[cfg(feature = "native")]
impl Folder {
    /// A folder that exists.
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
        // The rename itself must reach the disk too; not every system can sync a folder.
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
