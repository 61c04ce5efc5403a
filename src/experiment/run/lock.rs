//! A run folder belongs to one trainer at a time.

use super::{LOCK, StoredError};
use std::path::{Path, PathBuf};

/// Holds a run folder for one trainer; the lock goes with the process, however it ends.
pub(super) struct Lock {
    path: PathBuf,
    _file: std::fs::File,
}

impl Lock {
    /// Locks a folder.
    ///
    /// # Errors
    /// [`StoredError::Busy`] if another process has it; also if the lock file cannot be written.
    pub(super) fn take(folder: &Path) -> Result<Self, StoredError> {
        let path = folder.join(LOCK);
        let file = std::fs::OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(|source| StoredError::Io { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(StoredError::Busy(folder.to_owned())),
            // A file system without locks: two trainers at once are then the user's affair.
            Err(std::fs::TryLockError::Error(e)) => tracing::warn!("{} cannot be locked: {e}", path.display()),
        }
        Ok(Self { path, _file: file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a lock's holder removes its file, before the lock goes.
        let _ = std::fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            // Leaves no empty folder behind where nothing was begun.
            let _ = std::fs::remove_dir(folder);
        }
    }
}
