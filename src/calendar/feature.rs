//! Calendar features.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::Frequency;
use super::civil::weekday;
use super::stamp::{DAY, SECOND, Stamp, civil};
use crate::numbers::to_f32;

const HOUR: i64 = 3_600 * SECOND;

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
            Frequency::Time(step) if step.get() < DAY => vec![Self::HourOfDay, Self::DayOfWeek, Self::DayOfYear],
            Frequency::Time(step) if step.get() % (7 * DAY) != 0 => vec![Self::DayOfWeek, Self::DayOfYear],
            Frequency::Business(days) if days.get() % 5 != 0 => vec![Self::DayOfWeek, Self::DayOfYear],
            Frequency::Months(m) if m.get() % 12 == 0 => vec![],
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
        let (date, time) = civil(stamp);
        // Both numbers are exact in f64, so that the quotient is the one of whole seconds.
        let (part, whole) = match self {
            Self::MinuteOfHour => (time % HOUR, HOUR),
            Self::HourOfDay => (time, DAY),
            Self::DayOfWeek => (weekday(date.number()), 7),
            Self::DayOfMonth => (date.day - 1, date.days_in_month()),
            Self::DayOfYear => (date.day_of_year() - 1, date.days_in_year()),
            Self::MonthOfYear => (date.month - 1, 12),
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
    fn whole_seconds_have_the_phase_that_seconds_give() {
        for second in (-100_000_000_i64..100_000_000).step_by(77_777) {
            let phase = CalendarFeature::HourOfDay.phase(second * SECOND);
            assert_eq!(phase.to_bits(), (second.rem_euclid(86_400) as f64 / 86_400.0).to_bits(), "{second}");
            let phase = CalendarFeature::MinuteOfHour.phase(second * SECOND);
            assert_eq!(phase.to_bits(), (second.rem_euclid(3_600) as f64 / 3_600.0).to_bits(), "{second}");
        }
    }

    #[test]
    fn defaults_follow_the_frequency() {
        let count = |text: &str| CalendarFeature::defaults(text.parse().unwrap()).len();
        assert_eq!(["15min", "1h", "1d", "1w", "1mo", "1y", "B", "5B"].map(count), [3, 3, 2, 1, 1, 0, 2, 1]);
    }
}
