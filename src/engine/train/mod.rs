//! Training: the learning rate schedule, the training loop, and weight files.

pub mod schedule;
pub mod weights;

mod calibration;
mod error;
mod event;
mod progress;
mod store;
mod trainer;
mod trainer_phases;

pub use calibration::CalibrationFit;
pub use error::TrainError;
pub use event::{Control, Event, Outcome, Phase};
pub use progress::Progress;
pub use store::{Store, StoreError};
pub(crate) use trainer::MOST_LOSSES;
pub use trainer::Trainer;
