//! Timestamps and their text form.
//!
//! A timestamp has no time zone and no daylight saving time: each day has 24 hours. Timestamps with a zone offset are converted to UTC.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// A timestamp: seconds since 1970-01-01 00:00 without a time zone (UTC if the file gives an offset).
pub type Stamp = i64;

/// Seconds in a day.
pub(crate) const DAY: i64 = 86_400;

/// Timestamp 0.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Date and time of a timestamp, limited to the range of jiff's `Timestamp` (the years -9999 to 9999 without some hours at both ends).
/// Adding seconds to a `DateTime` would link jiff's spans, which take 4 KB of the wasm module.
pub(crate) fn civil(stamp: Stamp) -> DateTime {
    let within = stamp.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Offset::UTC.to_datetime(Timestamp::from_second(within).expect("a moment of the calendar"))
}

/// The timestamp of a date and time.
pub(crate) fn stamp_of(moment: DateTime) -> Stamp {
    moment.duration_since(EPOCH).as_secs()
}

/// Number of months from the year 0 to a date.
pub(super) fn months(date: Date) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

/// The date with this day in the month `months_since_0`. If the month is shorter, it is the last day of the month. The month is limited to
/// the range of the calendar.
pub(super) fn day_in_month(months_since_0: i64, day: i8) -> Date {
    let month = months_since_0.clamp(months(Date::MIN), months(Date::MAX));
    let first = i16::try_from(month.div_euclid(12)).ok().zip(i8::try_from(month.rem_euclid(12) + 1).ok());
    let first = first.and_then(|(year, month)| Date::new(year, month, 1).ok()).expect("a month of the calendar");
    Date::new(first.year(), first.month(), day.clamp(1, first.days_in_month())).expect("a day of that month")
}

/// Parses a timestamp such as `2016-07-01 00:00:00`, `2016-07-01T00:00`, `2014-08-31` or `2014-08`. A timestamp with `Z` or an offset is
/// converted to UTC.
///
/// # Errors
/// Advice on the valid forms.
pub fn parse_stamp(text: &str) -> Result<Stamp, String> {
    let text = text.trim();
    if text.contains('/') || (text.contains('.') && !text.contains(':')) {
        return Err("use dates in the form YYYY-MM-DD, where day and month are unambiguous, such as 2016-07-31 13:00".into());
    }
    let advice = || "use the form YYYY-MM-DD or YYYY-MM-DD HH:MM[:SS], such as 2016-07-31 13:00".to_string();
    if text.len() == 7 && text.is_ascii() {
        return parse_stamp(&format!("{text}-01")).map_err(|_| advice());
    }
    let clock = text.get(10..).unwrap_or("");
    if clock.ends_with(['Z', 'z']) || clock.contains(['+', '-']) {
        let moment: Timestamp = text.parse().map_err(|_| advice())?;
        return Ok(moment.as_second());
    }
    let t: DateTime = text.parse().map_err(|_| advice())?;
    if t.subsec_nanosecond() != 0 {
        return Err("timestamps must be whole seconds; round them".into());
    }
    Ok(stamp_of(t))
}

/// Formats a timestamp as `YYYY-MM-DD HH:MM:SS`.
#[must_use]
pub fn format_stamp(stamp: Stamp) -> String {
    let moment = civil(stamp);
    format!("{} {}", moment.date(), moment.time())
}

/// Formats the date of a timestamp as `YYYY-MM-DD`.
pub(crate) fn format_date(stamp: Stamp) -> String {
    civil(stamp).date().to_string()
}

/// Parses `HH:MM` or `HH:MM:SS` to seconds after midnight.
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
    use jiff::civil::Time;

    fn stamp(text: &str) -> Stamp {
        parse_stamp(text).unwrap()
    }

    #[test]
    fn dates_go_there_and_back() {
        for day in (-200_000..200_000).step_by(17) {
            let date = civil(day * DAY + 5).date();
            assert_eq!(stamp_of(date.to_datetime(Time::midnight())), day * DAY);
            assert_eq!(day_in_month(months(date), date.day()), date);
        }
        assert_eq!(civil(0), EPOCH);
        assert_eq!(stamp("2000-02-29 12:00"), 951_825_600);
        assert_eq!(format_stamp(-1), "1969-12-31 23:59:59");
    }

    #[test]
    fn what_lies_beyond_the_calendar_is_its_end() {
        for (stamp, text) in [(Stamp::MAX, "9999-12-30 22:00:00"), (Stamp::MIN, "-009999-01-02 01:59:59")] {
            assert_eq!((format_stamp(stamp), format_date(stamp)), (text.to_owned(), text[..text.len() - 9].to_owned()));
        }
        assert_eq!((day_in_month(i64::MAX, 31), day_in_month(i64::MIN, 1)), (Date::MAX, Date::MIN));
        assert_eq!(day_in_month(12 * 2023 + 1, 31), Date::constant(2023, 2, 28));
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
