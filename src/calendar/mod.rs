//! Timestamps, their formats and time zones, the time steps between them, and calendar features.

mod civil;
mod feature;
mod format;
mod forms;
mod frequency;
mod grid;
mod guess;
mod infer;
mod moment;
mod stamp;
mod steps;
#[cfg(test)]
mod tests;
mod working;
mod zone;

pub use feature::CalendarFeature;
pub use format::TimeFormat;
pub use forms::parse_moment;
pub use frequency::{Count, Frequency};
pub(crate) use grid::{Grid, grid_stamps};
pub use guess::{FormatGuess, Found, Guess};
pub(crate) use infer::Suggestion;
pub use moment::Moment;
#[cfg(test)]
pub(crate) use stamp::SECOND;
pub(crate) use stamp::{DAY, day_number, format_date, format_time_of_day};
pub use stamp::{Stamp, format_stamp, parse_stamp, parse_time_of_day};
pub(crate) use steps::{Run, Steps};
pub use working::{Rules, Session, Weekdays};
pub use zone::{Local, Zone};
