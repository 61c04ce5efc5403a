//! Why training failed.

use super::StoreError;
use crate::config::TrainingSettings;
use crate::session::SessionError;

/// Training failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The model, the plan or the device.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// Loss or gradient were not finite for too long. The last good state is stored.
    #[error(
        "loss or gradient were not finite in {in_a_row} steps in a row (at step {step}; {bad} in all); the parameters were left as they \
         were before. Try a lower training.learning_rate or a longer warm-up, and look for extreme values in the data"
    )]
    NotFinite {
        /// Step at which it was seen.
        step: u64,
        /// Such steps in a row.
        in_a_row: u32,
        /// Such steps in all.
        bad: u32,
    },
    /// The run could not be stored.
    #[error("the run could not be stored: {0}")]
    Store(#[source] StoreError),
    /// There are no training windows.
    #[error("the training part has no window")]
    Empty,
    /// Training is to stop early, and nothing would tell it when.
    #[error(
        "training.patience counts validations without improvement, and the validation part has no window: give [split] a validation part, or \
         drop training.patience"
    )]
    NothingToValidate,
    /// The device was lost again and again without a step in between.
    #[error("the device was lost {times} times without progress, last: {reason}")]
    KeepsFailing {
        /// How often.
        times: u32,
        /// What the driver said.
        reason: String,
    },
}

impl TrainError {
    /// Refuses settings that cannot work with so many windows of the training and the validation part.
    ///
    /// # Errors
    /// [`TrainError::Empty`], or [`TrainError::NothingToValidate`].
    pub fn check(settings: &TrainingSettings, training: usize, validation: usize) -> Result<(), Self> {
        match () {
            () if training == 0 => Err(Self::Empty),
            () if validation == 0 && settings.patience.is_some() => Err(Self::NothingToValidate),
            () => Ok(()),
        }
    }
}
