//! Where training keeps what it makes.

use super::{Event, Progress};
use crate::session::State;

/// Why something could not be stored.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Where a run is kept: a folder, a browser's storage, or nowhere.
pub trait Store {
    /// Keeps everything that training carries; all or nothing.
    ///
    /// # Errors
    /// Says why it could not be stored.
    fn checkpoint(&mut self, state: &State, progress: &Progress) -> Result<(), StoreError>;
    /// Keeps the parameters with the lowest validation loss.
    ///
    /// # Errors
    /// Says why they could not be stored.
    fn best(&mut self, parameters: &[f32], progress: &Progress) -> Result<(), StoreError>;
    /// Keeps a line of the record.
    ///
    /// # Errors
    /// Says why it could not be stored.
    fn record(&mut self, event: &Event) -> Result<(), StoreError>;
    /// Forgets lines of the record after that step.
    ///
    /// # Errors
    /// Says why it could not be done.
    fn rewind(&mut self, step: u64) -> Result<(), StoreError>;
}

/// Keeps nothing.
impl Store for () {
    fn checkpoint(&mut self, _: &State, _: &Progress) -> Result<(), StoreError> {
        Ok(())
    }
    fn best(&mut self, _: &[f32], _: &Progress) -> Result<(), StoreError> {
        Ok(())
    }
    fn record(&mut self, _: &Event) -> Result<(), StoreError> {
        Ok(())
    }
    fn rewind(&mut self, _: u64) -> Result<(), StoreError> {
        Ok(())
    }
}
