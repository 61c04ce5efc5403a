//! An experiment: a config, its data, and what is made of them.

mod summary;

pub use summary::{BufferSummary, Summary};
