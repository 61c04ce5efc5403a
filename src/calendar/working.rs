//! Working days and sessions: which times of a week have rows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::civil::{FIRST_DAY, LAST_DAY, weekday};
use super::moment::{WEEKDAYS, named};
use super::stamp::{DAY, SECOND, format_time_of_day, parse_time_of_day};

/// Days of the week, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Weekdays(u8);

impl Weekdays {
    /// All seven days.
    pub const ALL: Self = Self(0x7f);
    /// Monday to Friday.
    pub const MON_FRI: Self = Self(0x1f);

    /// The days of a mask whose lowest bit is Monday; `None` if there are none.
    #[must_use]
    pub const fn of_mask(mask: u8) -> Option<Self> {
        if mask & 0x7f == 0 { None } else { Some(Self(mask & 0x7f)) }
    }

    /// Number of days.
    fn count(self) -> i64 {
        i64::from(self.0.count_ones())
    }

    /// Whether a day is one of them; 0 is Monday.
    fn has(self, weekday: i64) -> bool {
        self.0 >> weekday & 1 == 1
    }
}

impl FromStr for Weekdays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = |name: &str| named(name.trim().as_bytes(), &WEEKDAYS).map(|number| number - 1);
        let mut mask = 0_u8;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Some(first), Some(last)) = (day(first), day(last)) else {
                return Err(format!("\"{text}\" does not give days of the week; use names such as \"mon-fri\" or \"mon,wed,fri\""));
            };
            // A range may pass Sunday, as sat-thu does.
            (0..=(last + 7 - first) % 7).for_each(|k| mask |= 1 << ((first + k) % 7));
        }
        Ok(Self(mask))
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<usize> = (0..7).filter(|k| self.0 >> k & 1 == 1).collect();
        let name = |day: usize| &WEEKDAYS[day][..3];
        match days[..] {
            [first, .., last] if last - first + 1 == days.len() && days.len() > 2 => write!(f, "{}-{}", name(first), name(last)),
            _ => f.write_str(&days.into_iter().map(name).collect::<Vec<_>>().join(",")),
        }
    }
}

/// Parts of a session at most.
const MOST_PARTS: usize = 4;

/// The times of day of the first and the last row of a day, in microseconds after midnight; with breaks, those of each part. If it closes
/// at an earlier time than it opens, it ends on the next day and belongs to the day on which it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Session {
    /// Times of day of the first and the last row of each part, in their order; the others are 0.
    parts: [(i64, i64); MOST_PARTS],
    count: usize,
}

impl Session {
    /// A session from the first to the last row of a day; `None` unless both are times of a day.
    #[must_use]
    pub fn new(open: i64, close: i64) -> Option<Self> {
        Self::of_parts(&[(open, close)])
    }

    /// A session with breaks: the first and the last row of each part. `None` unless all are times of a day, each part begins after the one
    /// before it has ended, and the last one ends before the first one begins again.
    #[must_use]
    pub fn of_parts(given: &[(i64, i64)]) -> Option<Self> {
        let &(first, _) = given.first()?;
        let mut parts = [(0, 0); MOST_PARTS];
        parts.get_mut(..given.len())?.copy_from_slice(given);
        let session = Self { parts, count: given.len() };
        let since = |time: i64| (time - first).rem_euclid(DAY);
        let times: Vec<i64> = given.iter().flat_map(|&(open, close)| [since(open), since(close)]).collect();
        let ordered = times.iter().zip(&times[1..]).enumerate().all(|(k, (a, b))| a < b || (k % 2 == 0 && a == b));
        let of_day = given.iter().all(|(open, close)| (0..DAY).contains(open) && (0..DAY).contains(close));
        (of_day && ordered).then_some(session)
    }

    /// Times of day of the first and the last row of each part.
    #[must_use]
    pub fn parts(&self) -> &[(i64, i64)] {
        &self.parts[..self.count]
    }

    /// Time of day of the first row.
    #[must_use]
    pub fn open(self) -> i64 {
        self.parts[0].0
    }

    /// Time of day of the last row.
    #[must_use]
    pub fn close(self) -> i64 {
        self.parts[self.count - 1].1
    }
}

impl FromStr for Session {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |text: &str| {
            let (open, close) = text.trim().split_once('-')?;
            Some((parse_time_of_day(open)?, parse_time_of_day(close)?))
        };
        text.split(',').map(part).collect::<Option<Vec<_>>>().and_then(|parts| Self::of_parts(&parts)).ok_or_else(|| {
            format!(
                "\"{text}\" is not a session; use the times of day of its first and last row, such as \"09:30-15:55\", or those of each \
                 part if it has breaks, such as \"09:30-11:30,13:00-15:00\" (at most {MOST_PARTS} parts)"
            )
        })
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |time: i64| time % (60 * SECOND) == 0;
        let whole_minutes = self.parts().iter().all(|&(open, close)| whole(open) && whole(close));
        let clock = |time| {
            let mut text = format_time_of_day(time);
            text.truncate(if whole_minutes { 5 } else { 8 });
            text
        };
        let parts: Vec<String> = self.parts().iter().map(|&(open, close)| format!("{}-{}", clock(open), clock(close))).collect();
        f.write_str(&parts.join(","))
    }
}

macro_rules! text_form {
    ($($name:ident)*) => {
        $(
            impl TryFrom<String> for $name {
                type Error = String;

                fn try_from(text: String) -> Result<Self, String> {
                    text.parse()
                }
            }

            impl From<$name> for String {
                fn from(value: $name) -> Self {
                    value.to_string()
                }
            }
        )*
    };
}
text_form!(Weekdays Session);

/// Which days and times have rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Days of the week with rows. Without them, these are Monday to Friday for a frequency of working days, and all days otherwise.
    pub weekdays: Option<Weekdays>,
    /// Days without rows, as numbers of days since 1970-01-01, in any order.
    pub holidays: Vec<i64>,
    /// The times of day with rows, for steps of less than a day.
    pub session: Option<Session>,
}

impl Rules {
    /// Whether they leave out no day and no time.
    #[must_use]
    pub fn is_trivial(&self) -> bool {
        self.session.is_none() && self.holidays.is_empty() && self.weekdays.is_none_or(|days| days == Weekdays::ALL)
    }
}

/// The working days: days of the week without holidays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkingDays {
    weekdays: Weekdays,
    /// Ascending, only days that would be working days.
    holidays: Vec<i64>,
}

impl WorkingDays {
    pub(super) fn new(weekdays: Weekdays, holidays: &[i64]) -> Self {
        let mut holidays: Vec<i64> =
            holidays.iter().copied().filter(|day| (FIRST_DAY..=LAST_DAY).contains(day) && weekdays.has(weekday(*day))).collect();
        holidays.sort_unstable();
        holidays.dedup();
        Self { weekdays, holidays }
    }

    /// Number of days with rows in a week without holidays.
    pub(super) fn per_week(&self) -> i64 {
        self.weekdays.count()
    }

    pub(super) fn contains(&self, day: i64) -> bool {
        self.weekdays.has(weekday(day)) && self.holidays.binary_search(&day).is_err()
    }

    /// Number of working days from a fixed Monday to the evening before this day; negative for earlier days.
    pub(super) fn before(&self, day: i64) -> i64 {
        let day = day.clamp(FIRST_DAY, LAST_DAY + 1);
        let (week, weekday) = ((day + 3).div_euclid(7), weekday(day));
        let begun = (0..weekday).filter(|k| self.weekdays.has(*k)).count();
        let holidays = self.holidays.partition_point(|holiday| *holiday < day);
        week * self.weekdays.count() + i64::try_from(begun).unwrap_or(0) - i64::try_from(holidays).unwrap_or(0)
    }

    /// The working day with this number of working days before it, limited to the calendar.
    pub(super) fn day(&self, number: i64) -> i64 {
        let (mut low, mut high) = (FIRST_DAY, LAST_DAY);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.before(middle + 1) > number { high = middle } else { low = middle + 1 }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_are_read_and_written() {
        for (text, mask, written) in [
            ("mon-fri", 0x1f, "mon-fri"),
            ("Mon, Wed ,FRI", 0x15, "mon,wed,fri"),
            ("sunday-thursday", 0x4f, "mon,tue,wed,thu,sun"),
            ("sat", 0x20, "sat"),
            ("mon-sun", 0x7f, "mon-sun"),
        ] {
            let days: Weekdays = text.parse().unwrap();
            assert_eq!((days, days.to_string()), (Weekdays(mask), written.to_owned()), "{text}");
            assert_eq!(written.parse(), Ok(days));
        }
        for text in ["", "mon-", "mo", "monty", "fri,", "1-5", "mon–fri", "ä"] {
            assert!(text.parse::<Weekdays>().unwrap_err().contains("mon-fri"), "{text}");
        }
        assert_eq!((Weekdays::of_mask(0), Weekdays::of_mask(0x80)), (None, None));
    }

    #[test]
    fn sessions_are_read_and_written() {
        let night = "21:00-02:30,09:00-10:15,10:30-11:30,13:30-15:00";
        for text in ["09:30-15:55", "18:00-17:00", "09:30:30-16:00:00", "09:30-11:30,13:00-15:00", "09:00-09:00,10:00-10:00", night] {
            assert_eq!(text.parse::<Session>().unwrap().to_string(), text);
        }
        assert_eq!("09:30-11:30, 13:00-15:00".parse::<Session>().unwrap().parts().len(), 2);
        let overlapping = ["09:30-11:30,11:30-15:00", "09:30-11:30,08:00-10:00", "09:00-12:00,11:00-15:00", "21:00-02:30,01:00-10:00"];
        let many = format!("{night},16:00-17:00");
        for text in ["", "09:30", "09:30-24:00", "9-17", "-", "09:30-11:30,", &many].into_iter().chain(overlapping) {
            assert!(text.parse::<Session>().unwrap_err().contains("09:30-15:55"), "{text}");
        }
    }

    #[test]
    fn working_days_are_counted_and_found_again() {
        // Thursday 1970-01-01 is a holiday, Saturday 1970-01-03 is free anyway.
        let days = WorkingDays::new(Weekdays::MON_FRI, &[2, 0, 0, 3]);
        assert_eq!(days.holidays, [0]);
        let working: Vec<i64> = (-20..20).filter(|day| days.contains(*day)).collect();
        assert_eq!(working.len(), 27);
        for pair in working.windows(2) {
            assert_eq!(days.before(pair[1]) - days.before(pair[0]), 1, "{pair:?}");
            assert_eq!(days.day(days.before(pair[0])), pair[0]);
        }
        assert_eq!((days.before(2), days.before(3), days.before(4)), (4, 4, 4));
    }
}
