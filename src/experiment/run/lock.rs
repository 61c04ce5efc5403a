//! The lock of a run folder: only one process trains in it at a time.

use super::{LOCK, StoredError};
use std::path::{Path, PathBuf};

/// Locks a run folder for this process. The system releases the lock when the process ends.
pub(super) struct Lock {
    path: PathBuf,
    _file: std::fs::File,
}

impl Lock {
    /// Locks a folder.
    ///
    /// # Errors
    /// [`StoredError::Busy`] if another process holds the lock; another error if the lock file cannot be written.
    pub(super) fn take(folder: &Path) -> Result<Self, StoredError> {
        let path = folder.join(LOCK);
        let file = std::fs::OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(|source| StoredError::Io { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(StoredError::Busy(folder.to_owned())),
            // The file system does not support locks. The user must then avoid two processes in the same folder.
            Err(std::fs::TryLockError::Error(e)) => tracing::warn!("{} cannot be locked: {e}", path.display()),
        }
        Ok(Self { path, _file: file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only the holder of the lock removes the file, before the lock is released.
        let _ = std::fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            // This removes the folder only if it is empty, that is, if no run was started.
            let _ = std::fs::remove_dir(folder);
        }
    }
}
