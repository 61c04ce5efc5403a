//! Regular grids of timestamps, and how the grid of a column of timestamps is inferred.

use super::stamp::{DAY, Stamp, civil, day_in_month, months, stamp_of};
use super::{Frequency, Steps};

/// A regular grid of timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) frequency: Frequency,
    /// Day of the month of a monthly grid (in a shorter month, its last day); 0 for other grids.
    pub(crate) month_day: i8,
}

impl Grid {
    /// The grid with this time step that contains `stamps`, if they are regular.
    pub(crate) fn of(frequency: Frequency, stamps: &Steps) -> Self {
        let month_day = match frequency {
            Frequency::Seconds(_) => 0,
            Frequency::Months(_) => stamps.iter().map(|s| civil(s).day()).max().unwrap_or(1),
        };
        Self { frequency, month_day }
    }

    /// The timestamp `steps` steps after `stamp`, limited to the range of the calendar.
    pub(crate) fn advance(&self, stamp: Stamp, steps: i64) -> Stamp {
        match self.frequency {
            Frequency::Seconds(seconds) => stamp.saturating_add(steps.saturating_mul(seconds)),
            Frequency::Months(count) => {
                let moment = civil(stamp);
                let month = months(moment.date()).saturating_add(steps.saturating_mul(count));
                stamp_of(day_in_month(month, self.month_day).to_datetime(moment.time()))
            }
        }
    }

    /// Number of steps from one timestamp to another; `None` if they are not on the same grid.
    pub(crate) fn steps(&self, from: Stamp, to: Stamp) -> Option<i64> {
        let steps = match self.frequency {
            Frequency::Seconds(seconds) => (to - from).div_euclid(seconds),
            Frequency::Months(count) => (months(civil(to).date()) - months(civil(from).date())).div_euclid(count),
        };
        (self.advance(from, steps) == to).then_some(steps)
    }
}

impl Frequency {
    /// The most frequent step between ascending timestamps. It is in calendar months if all timestamps are on a monthly grid.
    pub(crate) fn infer(stamps: &Steps) -> Option<Self> {
        let common = commonest(stamps.runs().map(|run| (run.step, run.times)))?;
        if common < 28 * DAY {
            return Some(Self::Seconds(common));
        }
        let pairs = || stamps.iter().zip(stamps.iter().skip(1));
        let month = |stamp| months(civil(stamp).date());
        let count = commonest(pairs().map(|(from, to)| (month(to) - month(from), 1)))?;
        let grid = Grid::of(Self::Months(count), stamps);
        let monthly = count > 0 && pairs().all(|(from, to)| grid.steps(from, to).is_some());
        Some(if monthly { Self::Months(count) } else { Self::Seconds(common) })
    }
}

/// The most frequent value; the smallest one if several are equally frequent. Each item is (value, number of occurrences).
fn commonest(values: impl Iterator<Item = (i64, usize)>) -> Option<i64> {
    let mut counts = std::collections::BTreeMap::new();
    for (value, times) in values {
        *counts.entry(value).or_insert(0) += times;
    }
    counts.into_iter().max_by_key(|&(value, count)| (count, std::cmp::Reverse(value))).map(|(value, _)| value)
}

/// `rows` timestamps at this time step, from `start` on.
pub(crate) fn grid_stamps(frequency: Frequency, start: Stamp, rows: usize) -> impl Iterator<Item = Stamp> {
    let grid = Grid::of(frequency, &std::iter::once(start).collect());
    (0..rows).map(move |row| grid.advance(start, i64::try_from(row).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{format_stamp, parse_stamp};

    fn stamp(text: &str) -> Stamp {
        parse_stamp(text).unwrap()
    }

    #[test]
    fn frequencies_are_inferred() {
        let infer = |texts: &[&str]| Frequency::infer(&texts.iter().map(|t| parse_stamp(t).unwrap()).collect()).unwrap().to_string();
        assert_eq!(infer(&["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"]), "1mo");
        assert_eq!(infer(&["2020-01-01", "2020-04-01", "2020-07-01"]), "3mo");
        assert_eq!(infer(&["2019-01-01", "2020-01-01", "2021-01-01"]), "1y");
        assert_eq!(infer(&["2020-01-06", "2020-01-13", "2020-01-27", "2020-02-03"]), "1w");
        assert_eq!(infer(&["2020-01-06 00:00", "2020-01-06 00:15", "2020-01-06 00:30"]), "15min");
        assert_eq!(infer(&["2020-01-01", "2020-01-29", "2020-02-26"]), "4w");
    }

    #[test]
    fn days_have_24_hours_through_summer_time() {
        let grid = Grid::of(Frequency::Seconds(3_600), &Steps::default());
        let night = stamp("2021-03-28 00:00");
        let hours: Vec<_> = (0..25).map(|k| format_stamp(grid.advance(night, k))).collect();
        assert_eq!(hours[2], "2021-03-28 02:00:00");
        assert_eq!(hours[24], "2021-03-29 00:00:00");
    }

    #[test]
    fn months_keep_their_day_and_end_with_the_month() {
        let ends: Vec<_> = ["2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31"].map(stamp).to_vec();
        let stamps = ends.iter().copied().collect();
        let frequency = Frequency::infer(&stamps).unwrap();
        assert_eq!(frequency, Frequency::Months(1));
        let grid = Grid::of(frequency, &stamps);
        for (k, &end) in ends.iter().enumerate() {
            let k = i64::try_from(k).unwrap();
            assert_eq!(grid.advance(ends[0], k), end);
            assert_eq!(grid.steps(ends[0], end), Some(k));
        }
        assert_eq!(grid.steps(ends[0], stamp("2024-03-30")), None);
        assert_eq!(grid.steps(ends[0], stamp("2024-03-31 01:00")), None);
    }

    #[test]
    fn a_grid_ends_with_the_calendar() {
        let start = stamp("2024-01-31 12:00");
        let last = |frequency| {
            let grid = Grid::of(frequency, &std::iter::once(start).collect());
            format_stamp(grid.advance(start, i64::MAX))
        };
        assert_eq!(last(Frequency::Seconds(3_600)), "9999-12-30 22:00:00");
        assert_eq!(last(Frequency::Months(1_000_000)), "9999-12-30 22:00:00");
    }
}
