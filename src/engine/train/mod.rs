//! Training: the learning rate schedule, the training loop, and weight files.

pub mod schedule;
pub mod weights;

mod error;
mod event;
mod progress;
mod store;
mod trainer;

pub use error::TrainError;
pub use event::{Control, Event, Outcome};
pub use progress::Progress;
pub use store::{Store, StoreError};
pub(crate) use trainer::MOST_LOSSES;
pub use trainer::Trainer;
