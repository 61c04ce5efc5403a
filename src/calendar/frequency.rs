//! The time step between rows and its text form.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::stamp::DAY;

/// The time step between rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Frequency {
    /// A number of seconds.
    Seconds(i64),
    /// A number of calendar months.
    Months(i64),
}

impl Frequency {
    /// Rows per season: a day for steps of less than a day, a week for steps of days, a year for steps of weeks or months; at least 1.
    #[must_use]
    pub fn season(self) -> usize {
        let rows = match self {
            Self::Seconds(s) if s < DAY => DAY / s,
            Self::Seconds(s) if s < 7 * DAY => 7 * DAY / s,
            Self::Seconds(s) => 364 * DAY / s,
            Self::Months(m) => 12 / m,
        };
        usize::try_from(rows.max(1)).unwrap_or(1)
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Months(m) if m % 12 == 0 => write!(f, "{}y", m / 12),
            Self::Months(m) => write!(f, "{m}mo"),
            Self::Seconds(s) if s % (7 * DAY) == 0 => write!(f, "{}w", s / (7 * DAY)),
            Self::Seconds(s) if s % DAY == 0 => write!(f, "{}d", s / DAY),
            Self::Seconds(s) if s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            Self::Seconds(s) if s % 60 == 0 => write!(f, "{}min", s / 60),
            Self::Seconds(s) => write!(f, "{s}s"),
        }
    }
}

impl std::str::FromStr for Frequency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let advice =
            || format!("\"{text}\" is not a frequency; use a number and s, min, h, d, w, mo or y, such as \"15min\", \"1h\", \"1mo\"");
        let count: i64 = if split == 0 { 1 } else { text[..split].parse().map_err(|_| advice())? };
        if !(1..=1_000_000).contains(&count) {
            return Err(advice());
        }
        Ok(match text[split..].trim().to_ascii_lowercase().as_str() {
            "s" => Self::Seconds(count),
            "min" => Self::Seconds(count * 60),
            "h" => Self::Seconds(count * 3_600),
            "d" => Self::Seconds(count * DAY),
            "w" => Self::Seconds(count * 7 * DAY),
            "mo" => Self::Months(count),
            "y" => Self::Months(count * 12),
            _ => return Err(advice()),
        })
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

    #[test]
    fn frequencies_are_read_and_written() {
        for text in ["15min", "1h", "1d", "1w", "1mo", "1y", "90s"] {
            assert_eq!(text.parse::<Frequency>().unwrap().to_string(), text);
        }
        assert_eq!("h".parse::<Frequency>(), Ok(Frequency::Seconds(3_600)));
        assert!("1m".parse::<Frequency>().unwrap_err().contains("mo"));
        assert_eq!(["1h", "15min", "1d", "1w", "1mo"].map(|t| t.parse::<Frequency>().unwrap().season()), [24, 96, 7, 52, 12]);
    }
}
