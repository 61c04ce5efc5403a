//! Errors of training.

use super::StoreError;
use crate::config::TrainingSettings;
use crate::session::SessionError;

/// Errors of training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// An error of the model, the plan or the device.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// Loss or gradient were not finite in too many consecutive steps. The last good state is stored.
    #[error(
        "loss or gradient were not finite in {in_a_row} consecutive steps (at step {step}; {bad} in total); these steps left the \
         parameters unchanged: use a lower training.learning_rate or a longer warm-up, and check the data for extreme values"
    )]
    NotFinite {
        /// Step at which training stopped.
        step: u64,
        /// Number of consecutive steps.
        in_a_row: u32,
        /// Total number of such steps.
        bad: u32,
    },
    /// The run could not be stored.
    #[error("the run could not be stored: {0}")]
    Store(#[source] StoreError),
    /// There are no training windows.
    #[error("the training part has no windows")]
    Empty,
    /// `training.patience` is set, but there is no validation part.
    #[error(
        "training.patience requires a validation part, but the validation part has no windows: give [split] a validation part or remove \
         training.patience"
    )]
    NothingToValidate,
    /// The device was lost several times without a completed step in between.
    #[error("the device was lost {times} times without progress; last reason: {reason}")]
    KeepsFailing {
        /// Number of losses.
        times: u32,
        /// Message of the driver.
        reason: String,
    },
}

impl TrainError {
    /// Rejects settings that cannot work with this number of training and validation windows.
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
