//! Timestamps, the time steps between them, and calendar features.

mod feature;
mod frequency;
mod grid;
mod stamp;
mod steps;

pub use feature::CalendarFeature;
pub use frequency::Frequency;
pub(crate) use grid::{Grid, grid_stamps};
pub(crate) use stamp::{DAY, format_date};
pub use stamp::{Stamp, format_stamp, parse_stamp, parse_time_of_day};
pub(crate) use steps::{Run, Steps};
