//! Training: the schedule, the loop, and what a run keeps on disk.

pub mod schedule;
pub mod weights;

#[cfg(feature = "native")]
pub mod folder;
mod run;

pub use run::{Control, Event, Outcome, Progress, Store, TrainError, Trainer};
