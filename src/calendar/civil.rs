//! Days and dates of the proleptic Gregorian calendar, in the years 0 to 9999.
//!
//! This is small enough to be written here: the time zone database is the only part of a calendar that the page cannot contain.

/// A date. The constructors keep it within the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
}

/// Number of the first day, 0000-01-01. Day 0 is 1970-01-01.
pub(super) const FIRST_DAY: i64 = -719_528;
/// Number of the last day, 9999-12-31.
pub(super) const LAST_DAY: i64 = 2_932_896;
/// The last month, counted from January of the year 0.
const LAST_MONTH: i64 = 9_999 * 12 + 11;

impl Date {
    /// The date of a day number, which is limited to the calendar.
    pub(super) fn of(day: i64) -> Self {
        // Years begin in March here, so that the leap day is the last day of a year. A cycle of 400 years has 146,097 days.
        let shifted = day.clamp(FIRST_DAY, LAST_DAY) + 719_468;
        let (cycle, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self { year: year + 400 * cycle + i64::from(month <= 2), month, day }
    }

    /// The date with this day in the month `months_since_0`. If the month is shorter, it is the last day of the month. The month is limited
    /// to the calendar.
    pub(super) fn in_month(months_since_0: i64, day: i64) -> Self {
        let months = months_since_0.clamp(0, LAST_MONTH);
        let (year, month) = (months / 12, months % 12 + 1);
        Self { year, month, day: day.clamp(1, days_in_month(year, month)) }
    }

    /// The date of these numbers, if there is one.
    pub(super) fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let valid = (0..=9_999).contains(&year) && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
        valid.then_some(Self { year, month, day })
    }

    /// Number of days since 1970-01-01.
    pub(super) fn number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
        let month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day = (153 * month + 2) / 5 + self.day - 1;
        cycle * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468
    }

    /// Number of months since January of the year 0.
    pub(super) fn months(self) -> i64 {
        self.year * 12 + self.month - 1
    }

    /// Day within the year, from 1.
    pub(super) fn day_of_year(self) -> i64 {
        self.number() - Self { month: 1, day: 1, ..self }.number() + 1
    }

    pub(super) fn days_in_year(self) -> i64 {
        365 + i64::from(is_leap(self.year))
    }

    pub(super) fn days_in_month(self) -> i64 {
        days_in_month(self.year, self.month)
    }

    pub(super) fn ends_month(self) -> bool {
        self.day == self.days_in_month()
    }
}

/// Day of the week of a day number; 0 is Monday.
pub(super) fn weekday(day: i64) -> i64 {
    // Day 0 was a Thursday.
    day.saturating_add(3).rem_euclid(7)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_follows_the_one_before() {
        let mut date = Date { year: 0, month: 1, day: 1 };
        for day in FIRST_DAY..=LAST_DAY {
            assert_eq!((Date::of(day), date.number()), (date, day));
            date = match date {
                Date { month: 12, day: 31, year } => Date { year: year + 1, month: 1, day: 1 },
                date if date.ends_month() => Date { month: date.month + 1, day: 1, ..date },
                date => Date { day: date.day + 1, ..date },
            };
        }
        assert_eq!(date.year, 10_000);
        assert_eq!((weekday(0), weekday(4), weekday(-4)), (3, 0, 6));
    }

    #[test]
    fn what_lies_beyond_the_calendar_is_its_end() {
        let (first, last) = (Date { year: 0, month: 1, day: 1 }, Date { year: 9_999, month: 12, day: 31 });
        assert_eq!((Date::of(i64::MIN), Date::of(i64::MAX)), (first, last));
        assert_eq!((Date::in_month(i64::MIN, 1), Date::in_month(i64::MAX, 31)), (first, last));
        assert_eq!(Date::in_month(12 * 2023 + 1, 31), Date { year: 2023, month: 2, day: 28 });
    }

    #[test]
    fn dates_know_their_month_and_year() {
        let date = Date::new(2024, 3, 1).unwrap();
        assert_eq!((date.day_of_year(), date.days_in_year(), date.days_in_month(), date.months()), (61, 366, 31, 2024 * 12 + 2));
        assert_eq!([Date::new(2023, 2, 29), Date::new(2023, 13, 1), Date::new(2023, 1, 0), Date::new(10_000, 1, 1)], [None; 4]);
        assert!(Date::new(1900, 2, 28).unwrap().ends_month() && !Date::new(2000, 2, 28).unwrap().ends_month());
    }
}
