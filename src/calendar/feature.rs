//! Calendar features.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::Frequency;
use super::stamp::{DAY, Stamp, civil};
use crate::numbers::to_f32;

/// A calendar feature. Each feature gives two inputs, the sine and the cosine of its phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarFeature {
    /// Minute within the hour, including seconds.
    MinuteOfHour,
    /// Time within the day, including minutes and seconds.
    HourOfDay,
    /// Day within the week, in whole days from Monday.
    DayOfWeek,
    /// Day within the month, in whole days.
    DayOfMonth,
    /// Day within the year, in whole days.
    DayOfYear,
    /// Month within the year, in whole months.
    MonthOfYear,
}

impl CalendarFeature {
    /// The default features of a frequency: hour of day, day of week and day of year, except those that are constant at this frequency.
    #[must_use]
    pub fn defaults(frequency: Frequency) -> Vec<Self> {
        match frequency {
            Frequency::Seconds(s) if s < DAY => {
                vec![Self::HourOfDay, Self::DayOfWeek, Self::DayOfYear]
            }
            Frequency::Seconds(s) if s % (7 * DAY) != 0 => vec![Self::DayOfWeek, Self::DayOfYear],
            Frequency::Months(m) if m % 12 == 0 => vec![],
            _ => vec![Self::DayOfYear],
        }
    }

    /// Sine and cosine at a timestamp.
    #[must_use]
    pub fn at(self, stamp: Stamp) -> [f32; 2] {
        let angle = TAU * self.phase(stamp);
        [to_f32(angle.sin()), to_f32(angle.cos())]
    }

    /// Position within the period, `0 <= phase < 1`.
    fn phase(self, stamp: Stamp) -> f64 {
        let date = civil(stamp).date();
        let (part, whole) = match self {
            Self::MinuteOfHour => (stamp.rem_euclid(3_600), 3_600),
            Self::HourOfDay => (stamp.rem_euclid(DAY), DAY),
            Self::DayOfWeek => (date.weekday().to_monday_zero_offset().into(), 7),
            Self::DayOfMonth => (i64::from(date.day()) - 1, date.days_in_month().into()),
            Self::DayOfYear => (i64::from(date.day_of_year()) - 1, date.days_in_year().into()),
            Self::MonthOfYear => (i64::from(date.month()) - 1, 12),
        };
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::parse_stamp;

    #[test]
    fn phases_are_those_of_the_calendar() {
        let stamp = parse_stamp("2024-07-03 06:30").unwrap(); // a Wednesday in a leap year
        let cases = [
            (CalendarFeature::MinuteOfHour, 0.5),
            (CalendarFeature::HourOfDay, 6.5 / 24.0),
            (CalendarFeature::DayOfWeek, 2.0 / 7.0),
            (CalendarFeature::DayOfMonth, 2.0 / 31.0),
            (CalendarFeature::DayOfYear, 184.0 / 366.0),
            (CalendarFeature::MonthOfYear, 0.5),
        ];
        for (feature, phase) in cases {
            assert!((feature.phase(stamp) - phase).abs() < 1e-12, "{feature:?}");
            let [sine, cosine] = feature.at(stamp);
            assert!((f64::from(sine) - (TAU * phase).sin()).abs() < 1e-6);
            assert!((f64::from(cosine) - (TAU * phase).cos()).abs() < 1e-6);
        }
    }

    #[test]
    fn defaults_follow_the_frequency() {
        let count = |text: &str| CalendarFeature::defaults(text.parse().unwrap()).len();
        assert_eq!(["15min", "1h", "1d", "1w", "1mo", "1y"].map(count), [3, 3, 2, 1, 1, 0]);
    }
}
