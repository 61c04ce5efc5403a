//! Storage for the results of training.

use super::{Event, Progress};
use crate::session::State;

/// The reason why something could not be stored.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Storage of a run: a folder, the storage of a browser, or nothing.
pub trait Store {
    /// Stores the complete training state, atomically.
    ///
    /// # Errors
    /// Fails if the state could not be stored.
    fn checkpoint(&mut self, state: &State, progress: &Progress) -> Result<(), StoreError>;
    /// Stores the parameters with the lowest validation loss.
    ///
    /// # Errors
    /// Fails if the parameters could not be stored.
    fn best(&mut self, parameters: &[f32], progress: &Progress) -> Result<(), StoreError>;
    /// The stored parameters with the lowest validation loss, if there are any.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    fn stored_best(&self) -> Result<Option<Vec<f32>>, StoreError>;
    /// Appends an event to the record.
    ///
    /// # Errors
    /// Fails if the event could not be stored.
    fn record(&mut self, event: &Event) -> Result<(), StoreError>;
    /// Removes the events after that progress from the record.
    ///
    /// # Errors
    /// Fails if the record could not be changed.
    fn rewind(&mut self, progress: &Progress) -> Result<(), StoreError>;
}

/// A store that discards everything.
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
    fn stored_best(&self) -> Result<Option<Vec<f32>>, StoreError> {
        Ok(None)
    }
    fn rewind(&mut self, _: &Progress) -> Result<(), StoreError> {
        Ok(())
    }
}
