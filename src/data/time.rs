//! Time stamps, steps, and arithmetic on them.
//!
//! A stamp is what a clock without zone shows, so there is no summer time in here: a day has 24 hours. Stamps with a zone
//! offset are taken to UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::steps::Steps;

/// Seconds since 1970-01-01 00:00 of a clock without zone (UTC where the file gives an offset).
pub type Stamp = i64;

/// Seconds in a day.
pub(crate) const DAY: i64 = 86_400;

/// The step from row to row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Frequency {
    /// So many seconds.
    Seconds(i64),
    /// So many calendar months.
    Months(i64),
}

/// A calendar date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
}

impl Date {
    /// The date of a stamp. (Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day comes last.)
    pub(crate) fn of(stamp: Stamp) -> Self {
        let z = stamp.div_euclid(DAY) + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day: day_of_year - (153 * shifted + 2) / 5 + 1 }
    }

    /// Days since 1970-01-01.
    pub(crate) fn days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * shifted + 2) / 5 + self.day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// Day of the year, from 0.
    pub(crate) fn day_of_year(self) -> i64 {
        self.days() - Self { month: 1, day: 1, ..self }.days()
    }

    /// Days in this year.
    pub(crate) fn days_in_year(self) -> i64 {
        Self { year: self.year + 1, month: 1, day: 1 }.days() - Self { month: 1, day: 1, ..self }.days()
    }

    /// Days in this month.
    pub(crate) fn days_in_month(self) -> i64 {
        let next =
            if self.month == 12 { Self { year: self.year + 1, month: 1, day: 1 } } else { Self { month: self.month + 1, day: 1, ..self } };
        next.days() - Self { day: 1, ..self }.days()
    }

    /// Months since the year 0.
    fn months(self) -> i64 {
        self.year * 12 + self.month - 1
    }
}

/// A regular grid of stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) frequency: Frequency,
    /// Day of the month on which a monthly grid's stamps lie (in a shorter month, on its last day); 0 otherwise.
    pub(crate) month_day: i64,
}

impl Grid {
    /// The grid of this step on which `stamps` lie, if they lie on one.
    pub(crate) fn of(frequency: Frequency, stamps: &Steps) -> Self {
        let month_day = match frequency {
            Frequency::Seconds(_) => 0,
            Frequency::Months(_) => stamps.iter().map(|s| Date::of(s).day).max().unwrap_or(1),
        };
        Self { frequency, month_day }
    }

    /// The stamp `steps` after `stamp`.
    pub(crate) fn advance(&self, stamp: Stamp, steps: i64) -> Stamp {
        match self.frequency {
            Frequency::Seconds(seconds) => stamp + steps * seconds,
            Frequency::Months(months) => {
                let month = Date::of(stamp).months() + steps * months;
                let first = Date { year: month.div_euclid(12), month: month.rem_euclid(12) + 1, day: 1 };
                let day = self.month_day.min(first.days_in_month());
                Date { day, ..first }.days() * DAY + stamp.rem_euclid(DAY)
            }
        }
    }

    /// Steps from one stamp to another; `None` if they are not on one grid.
    pub(crate) fn steps(&self, from: Stamp, to: Stamp) -> Option<i64> {
        let steps = match self.frequency {
            Frequency::Seconds(seconds) => (to - from).div_euclid(seconds),
            Frequency::Months(months) => (Date::of(to).months() - Date::of(from).months()).div_euclid(months),
        };
        (self.advance(from, steps) == to).then_some(steps)
    }
}

/// `rows` stamps at this step from `start` on.
pub(crate) fn grid_stamps(frequency: Frequency, start: Stamp, rows: usize) -> impl Iterator<Item = Stamp> {
    let grid = Grid::of(frequency, &std::iter::once(start).collect());
    (0..rows).map(move |row| grid.advance(start, i64::try_from(row).unwrap_or(i64::MAX)))
}

impl Frequency {
    /// The commonest step between ascending stamps; calendar months if every stamp lies on one day of its month.
    pub(crate) fn infer(stamps: &Steps) -> Option<Self> {
        let common = commonest(stamps.runs().map(|run| (run.step, run.times)))?;
        if common < 28 * DAY {
            return Some(Self::Seconds(common));
        }
        let pairs = || stamps.iter().zip(stamps.iter().skip(1));
        let months = commonest(pairs().map(|(from, to)| (Date::of(to).months() - Date::of(from).months(), 1)))?;
        let grid = Grid::of(Self::Months(months), stamps);
        let monthly = months > 0 && pairs().all(|(from, to)| grid.steps(from, to).is_some());
        Some(if monthly { Self::Months(months) } else { Self::Seconds(common) })
    }

    /// Rows in the usual season: a day of hours or minutes, a week of days, a year of weeks or months; at least 1.
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

/// The value that occurs most often, the least of them where several do, among values that occur so many times each.
fn commonest(values: impl Iterator<Item = (i64, usize)>) -> Option<i64> {
    let mut counts = std::collections::BTreeMap::new();
    for (value, times) in values {
        *counts.entry(value).or_insert(0) += times;
    }
    counts.into_iter().max_by_key(|&(value, count)| (count, std::cmp::Reverse(value))).map(|(value, _)| value)
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
            || format!("\"{text}\" is no frequency; write a number and s, min, h, d, w, mo or y, such as \"15min\", \"1h\", \"1mo\"");
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

/// Reads a stamp such as `2016-07-01 00:00:00`, `2016-07-01T00:00`, `2014-08-31` or `2014-08`; one with `Z` or an offset is
/// taken to UTC.
///
/// # Errors
/// Advice on how to write it.
pub fn parse_stamp(text: &str) -> Result<Stamp, String> {
    let text = text.trim();
    if text.contains('/') || (text.contains('.') && !text.contains(':')) {
        return Err("write dates as YYYY-MM-DD (day and month cannot be told apart otherwise), as in 2016-07-31 13:00".into());
    }
    let advice = || "write it as YYYY-MM-DD or YYYY-MM-DD HH:MM[:SS], as in 2016-07-31 13:00".to_string();
    if text.len() == 7 && text.is_ascii() {
        return parse_stamp(&format!("{text}-01")).map_err(|_| advice());
    }
    let clock = text.get(10..).unwrap_or("");
    if clock.ends_with(['Z', 'z']) || clock.contains(['+', '-']) {
        let moment: jiff::Timestamp = text.parse().map_err(|_| advice())?;
        return Ok(moment.as_second());
    }
    let t: jiff::civil::DateTime = text.parse().map_err(|_| advice())?;
    if t.subsec_nanosecond() != 0 {
        return Err("steps are whole seconds; round the stamps".into());
    }
    let date = Date { year: t.year().into(), month: t.month().into(), day: t.day().into() };
    Ok(date.days() * DAY + i64::from(t.hour()) * 3_600 + i64::from(t.minute()) * 60 + i64::from(t.second()))
}

/// A stamp as `YYYY-MM-DD HH:MM:SS`.
#[must_use]
pub fn format_stamp(stamp: Stamp) -> String {
    let second = stamp.rem_euclid(DAY);
    format!("{} {:02}:{:02}:{:02}", format_date(stamp), second / 3_600, second / 60 % 60, second % 60)
}

/// The date of a stamp as `YYYY-MM-DD`.
pub(crate) fn format_date(stamp: Stamp) -> String {
    let Date { year, month, day } = Date::of(stamp);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Seconds after midnight of `HH:MM` or `HH:MM:SS`.
#[must_use]
pub fn parse_time_of_day(text: &str) -> Option<i64> {
    let mut fields = text.trim().split(':').map(|field| {
        let digits = field.len() <= 2 && field.bytes().all(|b| b.is_ascii_digit());
        if digits { field.parse::<i64>().ok() } else { None }
    });
    let (hour, minute) = (fields.next()??, fields.next()??);
    let second = fields.next().unwrap_or(Some(0))?;
    let valid = hour < 24 && minute < 60 && second < 60 && fields.next().is_none();
    valid.then_some(hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Stamp {
        parse_stamp(text).unwrap()
    }

    #[test]
    fn dates_go_there_and_back() {
        for day in (-200_000..200_000).step_by(17) {
            let date = Date::of(day * DAY + 5);
            assert_eq!(date.days(), day);
            assert!((1..=date.days_in_month()).contains(&date.day));
            assert!((0..date.days_in_year()).contains(&date.day_of_year()));
        }
        assert_eq!(Date::of(0), Date { year: 1970, month: 1, day: 1 });
        assert_eq!(stamp("2000-02-29 12:00"), 951_825_600);
    }

    #[test]
    fn stamps_are_read_in_every_usual_form() {
        let expected = stamp("2016-07-01 00:00:00");
        for text in [
            "2016-07-01 00:00",
            "2016-07-01T00:00",
            "2016-07-01",
            "2016-07-01T00:00:00Z",
            "2016-07",
            "2016-07-01 02:00:00+02:00",
            " 2016-07-01 ",
        ] {
            assert_eq!(parse_stamp(text), Ok(expected), "{text}");
        }
        assert_eq!(format_stamp(expected), "2016-07-01 00:00:00");
        for text in ["07/01/2016", "01.07.2016"] {
            assert!(parse_stamp(text).unwrap_err().contains("YYYY-MM-DD"), "{text}");
        }
        for text in ["", "noon", "2016-13-01", "2016-02-30", "1467331200", "2016-07-01 25:00"] {
            assert!(parse_stamp(text).is_err(), "{text}");
        }
        assert!(parse_stamp("2016-07-01 00:00:00.5").unwrap_err().contains("whole seconds"));
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
    fn frequencies_are_inferred_and_written() {
        let infer = |texts: &[&str]| Frequency::infer(&texts.iter().map(|t| stamp(t)).collect()).unwrap().to_string();
        assert_eq!(infer(&["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"]), "1mo");
        assert_eq!(infer(&["2020-01-01", "2020-04-01", "2020-07-01"]), "3mo");
        assert_eq!(infer(&["2019-01-01", "2020-01-01", "2021-01-01"]), "1y");
        assert_eq!(infer(&["2020-01-06", "2020-01-13", "2020-01-27", "2020-02-03"]), "1w");
        assert_eq!(infer(&["2020-01-06 00:00", "2020-01-06 00:15", "2020-01-06 00:30"]), "15min");
        assert_eq!(infer(&["2020-01-01", "2020-01-29", "2020-02-26"]), "4w");
        for text in ["15min", "1h", "1d", "1w", "1mo", "1y", "90s"] {
            assert_eq!(text.parse::<Frequency>().unwrap().to_string(), text);
        }
        assert_eq!("h".parse::<Frequency>(), Ok(Frequency::Seconds(3_600)));
        assert!("1m".parse::<Frequency>().unwrap_err().contains("mo"));
        assert_eq!(["1h", "15min", "1d", "1w", "1mo"].map(|t| t.parse::<Frequency>().unwrap().season()), [24, 96, 7, 52, 12]);
    }

    #[test]
    fn times_of_day() {
        assert_eq!(parse_time_of_day("00:00"), Some(0));
        assert_eq!(parse_time_of_day("23:59:58"), Some(86_398));
        for text in ["24:00", "12", "a:b", "1:2:3:4", "+1:00"] {
            assert_eq!(parse_time_of_day(text), None, "{text}");
        }
    }
}
