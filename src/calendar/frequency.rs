//! The time step between rows and its text form.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::stamp::{DAY, SECOND};

/// A positive whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(i64);

impl Count {
    /// The number, if it is positive.
    #[must_use]
    pub const fn new(number: i64) -> Option<Self> {
        if number > 0 { Some(Self(number)) } else { None }
    }

    /// The number, at least 1.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// The time step between rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Frequency {
    /// A number of microseconds.
    Time(Count),
    /// A number of calendar months.
    Months(Count),
    /// A number of working days.
    Business(Count),
}

/// Units of the text form, the longest first. A unit without a name is for reading only.
const UNITS: [(&str, i64); 7] =
    [("w", 7 * DAY), ("d", DAY), ("h", 3_600 * SECOND), ("min", 60 * SECOND), ("s", SECOND), ("ms", 1_000), ("us", 1)];

impl Frequency {
    /// One hour.
    pub const HOUR: Self = Self::Time(Count(3_600 * SECOND));
    /// One day of 24 hours.
    pub const DAY: Self = Self::Time(Count(DAY));

    /// A step of this many microseconds; `None` unless it is positive.
    #[must_use]
    pub fn time(micros: i64) -> Option<Self> {
        Count::new(micros).map(Self::Time)
    }

    /// A step of this many calendar months; `None` unless it is positive.
    #[must_use]
    pub fn months(months: i64) -> Option<Self> {
        Count::new(months).map(Self::Months)
    }

    /// A step of this many working days; `None` unless it is positive.
    #[must_use]
    pub fn business(days: i64) -> Option<Self> {
        Count::new(days).map(Self::Business)
    }

    /// Whether each row is a day or more: midnight is then not worth printing.
    #[must_use]
    pub fn is_whole_days(self) -> bool {
        match self {
            Self::Time(step) => step.0 % DAY == 0,
            Self::Months(_) | Self::Business(_) => true,
        }
    }

    /// Rows per season: a day for steps of less than a day, a week for steps of days or working days, a year for steps of weeks or months;
    /// at least 1. A day of more than 100,000 rows is too long for a season: it is then an hour, a minute or a second, the longest that has
    /// at most 100,000 rows.
    #[must_use]
    pub fn season(self) -> usize {
        let rows = match self {
            Self::Time(Count(step)) if step < DAY => {
                let fits = [DAY, 3_600 * SECOND, 60 * SECOND, SECOND].into_iter().map(|whole| whole / step).find(|rows| *rows <= 100_000);
                fits.unwrap_or(1)
            }
            Self::Time(Count(step)) if step < 7 * DAY => 7 * DAY / step,
            Self::Time(Count(step)) => 364 * DAY / step,
            Self::Months(Count(months)) => 12 / months,
            Self::Business(Count(days)) if days < 5 => 5 / days,
            Self::Business(Count(days)) => 260 / days,
        };
        usize::try_from(rows.max(1)).unwrap_or(1)
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Business(Count(1)) => f.write_str("B"),
            Self::Business(Count(days)) => write!(f, "{days}B"),
            Self::Months(Count(m)) if m % 12 == 0 => write!(f, "{}y", m / 12),
            Self::Months(Count(m)) => write!(f, "{m}mo"),
            Self::Time(Count(step)) => {
                let (unit, size) = UNITS.into_iter().find(|(_, size)| step % size == 0).unwrap_or(("us", 1));
                write!(f, "{}{unit}", step / size)
            }
        }
    }
}

impl std::str::FromStr for Frequency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let advice = |why: &str| {
            format!(
                "\"{text}\" is not a frequency{why}; use a number and us, ms, s, min, h, d, w, mo, q, y or B (working days), such as \
                 \"15min\", \"1h\", \"1mo\""
            )
        };
        let count: i64 = if split == 0 { 1 } else { text[..split].parse().map_err(|_| advice(""))? };
        let unit = text[split..].trim();
        // pandas adds the first day of a week, or the last month of a year, as in W-SUN and QS-OCT. The data have it.
        let unit = match unit.split_once('-') {
            Some((unit, day)) if day.len() == 3 && day.bytes().all(|b| b.is_ascii_alphabetic()) => unit,
            _ => unit,
        };
        let lower = unit.to_ascii_lowercase();
        // "ms" is a millisecond; only pandas' capitals mean the start of a month.
        let (kind, size): (fn(i64) -> Option<Self>, i64) = match (unit, lower.as_str()) {
            ("MS" | "ME", _) | (_, "mo") => (Self::months, 1),
            (_, "q" | "qs" | "qe") => (Self::months, 3),
            (_, "y" | "ys" | "ye" | "a") => (Self::months, 12),
            (_, "b") => (Self::business, 1),
            (_, "t") => (Self::time, 60 * SECOND),
            (_, "m") => return Err(advice(", because m can be minutes or months: min or mo")),
            ("Ms" | "mS", _) => return Err(advice("")),
            (_, lower) => match UNITS.into_iter().find(|(name, _)| *name == lower) {
                Some((_, size)) => (Self::time, size),
                None => return Err(advice("")),
            },
        };
        count.checked_mul(size).and_then(kind).ok_or_else(|| advice(""))
    }
}

impl TryFrom<String> for Frequency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Frequency> for String {
    fn from(frequency: Frequency) -> Self {
        frequency.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequency(text: &str) -> Frequency {
        text.parse().unwrap()
    }

    #[test]
    fn frequencies_are_read_and_written() {
        for text in ["15min", "1h", "1d", "1w", "1mo", "3mo", "1y", "90s", "100ms", "1us", "1500ms", "B", "2B", "7d", "1000001s"] {
            let written = if text == "7d" { "1w" } else { text };
            assert_eq!(frequency(text).to_string(), written);
            assert_eq!(frequency(written), frequency(text));
        }
        assert_eq!(frequency("h"), Frequency::HOUR);
        assert!("1m".parse::<Frequency>().unwrap_err().contains("min or mo"));
    }

    #[test]
    fn names_of_pandas_are_read() {
        for (theirs, ours) in [
            ("H", "1h"),
            ("15T", "15min"),
            ("D", "1d"),
            ("W-SUN", "1w"),
            ("MS", "1mo"),
            ("ME", "1mo"),
            ("QS-OCT", "3mo"),
            ("Q", "3mo"),
            ("2QE", "6mo"),
            ("YS", "1y"),
            ("A", "1y"),
            ("YE-DEC", "1y"),
            ("b", "B"),
            ("ms", "1ms"),
        ] {
            assert_eq!(frequency(theirs).to_string(), ours, "{theirs}");
        }
    }

    #[test]
    fn what_is_not_positive_or_not_known_is_refused() {
        for text in ["", "0h", "0B", "-1h", "1x", "M", "Ms", "1.5h", "h1", "99999999999999999999s", "9999999999999w", "W-", "W-MONDAY"] {
            assert!(text.parse::<Frequency>().unwrap_err().contains("\"1mo\""), "{text}");
        }
        let none = [Frequency::time(0), Frequency::time(-5), Frequency::months(0), Frequency::business(-1)];
        assert_eq!(none, [None; 4]);
    }

    #[test]
    fn seasons() {
        for (text, rows) in [
            ("1h", 24),
            ("15min", 96),
            ("1d", 7),
            ("1w", 52),
            ("1mo", 12),
            ("3mo", 4),
            ("1y", 1),
            ("5y", 1),
            ("B", 5),
            ("2B", 2),
            ("5B", 52),
            ("1s", 86_400),
            ("100ms", 36_000),
            ("1ms", 60_000),
            ("20us", 50_000),
            ("1us", 1),
            ("700d", 1),
        ] {
            assert_eq!(frequency(text).season(), rows, "{text}");
        }
    }
}
