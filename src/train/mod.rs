//! Training: the schedule, the loop, and what a run keeps on disk.

pub mod schedule;
pub mod stored;
pub mod weights;

mod archive;
mod files;
mod run;

pub use archive::{Archive, ArchiveError};
pub use files::Files;
#[cfg(feature = "native")]
pub use files::Folder;
pub use run::{Control, Event, Outcome, Progress, Store, TrainError, Trainer};
