//! Timestamps and their text form.

use super::civil::{Date, FIRST_DAY, LAST_DAY};
use super::forms::{ADVICE, default_form};
use super::moment::Moment;

/// A timestamp: microseconds since 1970-01-01 00:00. It is either civil (the clock on the wall, each day has 24 hours) or an instant (UTC).
pub type Stamp = i64;

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;

/// Microseconds in a day.
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// The date of a timestamp and the microseconds since its midnight, limited to the range of the calendar (the years 0 to 9999).
pub(super) fn civil(stamp: Stamp) -> (Date, i64) {
    let within = stamp.clamp(FIRST_DAY * DAY, (LAST_DAY + 1) * DAY - 1);
    (Date::of(within.div_euclid(DAY)), within.rem_euclid(DAY))
}

/// The date of a timestamp.
pub(super) fn date(stamp: Stamp) -> Date {
    civil(stamp).0
}

/// Parses a timestamp of a config or a command line in one of the forms of [`parse_moment`](super::parse_moment), such as `2016-07-01 00:00:00`, `2014-08-31` or `2014-08`. A timestamp with
/// `Z` or an offset is converted to UTC.
///
/// # Errors
/// Advice on the valid forms.
pub fn parse_stamp(text: &str) -> Result<Stamp, String> {
    default_form(text.trim()).map(Moment::instant).ok_or_else(|| ADVICE.to_owned())
}

/// Formats a timestamp as `YYYY-MM-DD HH:MM:SS`, and with a fraction of 3 or 6 digits if it is not a whole second.
#[must_use]
pub fn format_stamp(stamp: Stamp) -> String {
    let (_, time) = civil(stamp);
    format!("{} {}", format_date(stamp), format_time_of_day(time))
}

/// The number of days from 1970-01-01 to a date `YYYY-MM-DD`.
pub(crate) fn day_number(text: &str) -> Option<i64> {
    let stamp = parse_stamp(text).ok()?;
    (stamp.rem_euclid(DAY) == 0).then_some(stamp.div_euclid(DAY))
}

/// Formats the date of a timestamp as `YYYY-MM-DD`.
pub(crate) fn format_date(stamp: Stamp) -> String {
    let Date { year, month, day } = date(stamp);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Formats microseconds after midnight as `HH:MM:SS`, with a fraction if needed.
pub(crate) fn format_time_of_day(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => whole,
        _ if fraction % 1_000 == 0 => format!("{whole}.{:03}", fraction / 1_000),
        _ => format!("{whole}.{fraction:06}"),
    }
}

/// Parses `HH:MM` or `HH:MM:SS` to microseconds after midnight.
#[must_use]
pub fn parse_time_of_day(text: &str) -> Option<i64> {
    let mut fields = text.trim().split(':').map(|field| {
        let digits = field.len() <= 2 && field.bytes().all(|b| b.is_ascii_digit());
        if digits { field.parse::<i64>().ok() } else { None }
    });
    let (hour, minute) = (fields.next()??, fields.next()??);
    let second = fields.next().unwrap_or(Some(0))?;
    let valid = hour < 24 && minute < 60 && second < 60 && fields.next().is_none();
    valid.then_some((hour * 3_600 + minute * 60 + second) * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_written_as_text() {
        let stamp = parse_stamp("2000-02-29 12:00").unwrap();
        assert_eq!(stamp, 951_825_600 * SECOND);
        for (stamp, text) in [
            (stamp, "2000-02-29 12:00:00"),
            (stamp + 500_000, "2000-02-29 12:00:00.500"),
            (stamp + 1, "2000-02-29 12:00:00.000001"),
            (-1, "1969-12-31 23:59:59.999999"),
            (-SECOND, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(format_stamp(stamp), text);
            assert_eq!(parse_stamp(text), Ok(stamp));
        }
    }

    #[test]
    fn what_lies_beyond_the_calendar_is_its_end() {
        for (stamp, text) in [(Stamp::MAX, "9999-12-31 23:59:59.999999"), (Stamp::MIN, "0000-01-01 00:00:00")] {
            assert_eq!((format_stamp(stamp), format_date(stamp)), (text.to_owned(), text[..10].to_owned()));
        }
    }

    #[test]
    fn stamps_with_an_offset_are_utc() {
        let expected = parse_stamp("2016-07-01").unwrap();
        for text in ["2016-07-01T00:00:00Z", "2016-07-01 02:00:00+02:00", "2016-06-30 22:30-0130"] {
            assert_eq!(parse_stamp(text), Ok(expected), "{text}");
        }
        assert_eq!(parse_stamp("01/02/2016"), Err(ADVICE.to_owned()), "only data have a format");
    }

    #[test]
    fn times_of_day() {
        assert_eq!(parse_time_of_day("00:00"), Some(0));
        assert_eq!(parse_time_of_day("23:59:58"), Some(86_398 * SECOND));
        for text in ["24:00", "12", "a:b", "1:2:3:4", "+1:00"] {
            assert_eq!(parse_time_of_day(text), None, "{text}");
        }
    }
}
