//! From a CSV file to windows.
//!
//! A CSV file (plain or gzip-compressed) is read into a [`Dataset`]: the used columns as `f32`, divided into segments of regular time
//! steps. A [`Scaler`] is fitted on the training rows. A window is a [`WindowId`], that is (segment, first history row). Windows are
//! written to buffers of the caller on demand and not stored. Shapes: S = L + H steps (history, horizon), Nx = Nc + Nt series (covariates,
//! targets), F channels (0 is the series itself), C calendar features.
//!
//! Memory: the table takes rows x used columns x 4 bytes, and reading takes little more; see docs/memory.md.
//!
//! Files: `schema` (header to columns), `lines` and `read` (cells to numbers), `table` (storage of the numbers), `grid` (timestamps
//! to segments), `dataset` (access), `windows` and `parts` (windows of the parts), `scaler`, `source` and `fill` (windows to buffers:
//! [`Dataset::fill`]), `shuffle`, `forecast`.

mod correlation;
mod dataset;
mod error;
mod expression;
mod fill;
mod forecast;
mod grid;
pub(crate) mod lines;
mod parts;
mod read;
mod scaler;
mod schema;
mod shuffle;
mod source;
mod table;
mod windows;

#[cfg(test)]
mod tests;

pub use dataset::{DataReport, Dataset};
pub use error::DataError;
pub use fill::PartWindows;
pub use forecast::ForecastWindow;
pub use grid::Segment;
pub(crate) use lines::unpacked;
pub use scaler::Scaler;
pub use shuffle::Permutation;
pub use source::{WindowBuffers, WindowMut, WindowShape, WindowSource};
pub use windows::{Pace, Part, WindowCounts, WindowId, WindowIndex, WindowRun};
