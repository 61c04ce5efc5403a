//! Time stamps and their text.
//!
//! A stamp is what a clock without zone shows, so there is no summer time in here: a day has 24 hours. Stamps with a zone
//! offset are taken to UTC.

/// Seconds since 1970-01-01 00:00 of a clock without zone (UTC where the file gives an offset).
pub type Stamp = i64;

/// Seconds in a day.
pub(crate) const DAY: i64 = 86_400;

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
    pub(super) fn months(self) -> i64 {
        self.year * 12 + self.month - 1
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
    fn times_of_day() {
        assert_eq!(parse_time_of_day("00:00"), Some(0));
        assert_eq!(parse_time_of_day("23:59:58"), Some(86_398));
        for text in ["24:00", "12", "a:b", "1:2:3:4", "+1:00"] {
            assert_eq!(parse_time_of_day(text), None, "{text}");
        }
    }
}
