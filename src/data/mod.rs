//! From a table to windows.
//!
//! A table of any format is read into a [`Dataset`]: the used columns as `f32`, divided into segments of regular time
//! steps. A [`Scaler`] is fitted on the training rows. A window is a [`WindowId`], that is (segment, first history row). Windows are
//! written to buffers of the caller on demand and not stored. Shapes: S = L + H steps (history, horizon), Nx = Nc + Nt series (covariates,
//! targets), F channels (0 is the series itself), C calendar features.
//!
//! Memory: the table takes rows x used columns x 4 bytes, and reading takes little more; see docs/memory.md.
//!
//! Files: `files` (files on disk), `join` (several of them), `formats` (Parquet, Arrow, NPZ), `text` and `lines` (CSV), `records` (their common
//! form), `schema` (header to columns), `layout` (what they are), `read` and `long` (rows to numbers), `clock` (timestamps), `number` (cells), `words` (categories),
//! `statics` (what does not change over time), `level` (offsets), `table` (storage of the numbers), `grid` (timestamps to segments),
//! `unlearnable` (columns left out), `facts` (what a run remembers), `dataset`
//! (access), `windows` and `parts` (windows of the parts), `scaler`, `source` and `fill` (windows to buffers: [`Dataset::fill`]), `shuffle`,
//! `forecast`.

mod clock;
mod columns;
mod correlation;
mod dataset;
mod error;
mod expression;
mod facts;
#[cfg(feature = "native")]
mod files;
mod fill;
mod forecast;
#[cfg(feature = "formats")]
pub(crate) mod formats;
mod grid;
#[cfg(feature = "native")]
mod join;
mod layout;
mod level;
pub(crate) mod lines;
mod long;
pub(crate) mod number;
mod parts;
pub(crate) mod read;
pub(crate) mod records;
mod scaler;
mod schema;
mod shuffle;
mod source;
#[cfg(feature = "formats")]
mod source_format;
mod statics;
mod table;
pub(crate) mod text;
mod unlearnable;
mod windows;
mod words;

/// The start of a cell whose value has no text.
pub(crate) const NO_CELL: &str = "a value of type ";

#[cfg(test)]
mod tests;

pub(crate) use columns::{BadColumn, Driver, Gap, bad_columns_in, unknown_columns_in};
#[cfg(feature = "native")]
pub(crate) use columns::{bad_columns_of, unknown_columns_of};
pub use dataset::{DataReport, Dataset};
pub use error::DataError;
pub(crate) use error::shortened;
pub use facts::{CategoryFacts, DataFacts, Known, Reach, SeenWindows, TimeFacts};
#[cfg(feature = "native")]
pub(crate) use files::{head_of, open_one};
pub use fill::PartWindows;
pub use forecast::ForecastWindow;
#[cfg(feature = "formats")]
pub use formats::{Format, FormatError};
pub use grid::Segment;
#[cfg(not(feature = "formats"))]
pub(crate) use lines::unpacked;
pub(crate) use read::{check_width, header_names, is_values};
pub use scaler::Scaler;
pub(crate) use schema::matches;
pub use shuffle::Permutation;
pub use source::{SideInputs, WindowBuffers, WindowMut, WindowShape, WindowSource};
pub use statics::Statics;
pub use windows::{Pace, Part, WindowCounts, WindowId, WindowIndex, WindowRun};
