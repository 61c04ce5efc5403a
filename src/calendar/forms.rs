//! The forms of timestamps that need no configuration, because they have one meaning, and advice about the others.

use super::format::{EPOCHS, epoch, fit};
use super::moment::{Cursor, Fields, Moment, Tail, clock};
use super::stamp::DAY;

/// Dates with one meaning. A time of day may follow if the form has a day.
const DATES: [&str; 24] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y-%m",
    "%Y/%m",
    "%m/%Y",
    "%m-%Y",
    "%YQ%q",
    "%Y Q%q",
    "%Y-Q%q",
    "Q%q %Y",
    "Q%q-%Y",
    "Q%q/%Y",
    "%G-W%V",
    "%GW%V",
    "%G-W%V-%u",
    "%YM%m",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d/%b/%Y",
    "%d. %b %Y",
    "%b %Y",
    "%b-%Y",
    "%b %d, %Y",
];

/// Further dates with one meaning, which are rare.
const RARE_DATES: [&str; 6] = ["%b %d %Y", "%b. %d, %Y", "%Y-%b-%d", "%Y %b", "%d%b%Y", "%a, %d %b %Y"];

/// Dates with more than one meaning, in pairs whose readings can be confused: the day first, then the month first.
pub(super) const PAIRS: [[&str; 2]; 6] = [
    ["%d/%m/%Y", "%m/%d/%Y"],
    ["%d.%m.%Y", "%m.%d.%Y"],
    ["%d-%m-%Y", "%m-%d-%Y"],
    ["%d/%m/%y", "%m/%d/%y"],
    ["%d.%m.%y", "%m.%d.%y"],
    ["%d-%m-%y", "%m-%d-%y"],
];

/// Dates whose year has only two digits, after or before the name of a month.
pub(super) const SHORT_YEARS: [&str; 5] = ["%d-%b-%y", "%d %b %y", "%d/%b/%y", "%b-%y", "%b %y"];

/// Instants between 1980 and 2100. In this range, numbers of seconds, milliseconds and so on have different numbers of digits.
const PLAUSIBLE: std::ops::Range<i64> = 3_652 * DAY..47_482 * DAY;

/// Parses a timestamp in a form that has one meaning: `2016-07-01 00:00:00`, `2016-07-01T00:00Z`, `2013/1/1 0:00`, `20210101 0300`,
/// `2014-08`, `1961`, `1990Q1`, `2015-W07`, `Jan 2015`, `3/2015`, `1 Jan 2015`, `January 5, 2015` and similar. A period gives
/// its first day.
///
/// # Errors
/// Advice on the valid forms, or the formats that would read the text.
pub fn parse_moment(text: &str) -> Result<Moment, String> {
    let text = text.trim();
    default_form(text).ok_or_else(|| advice(text))
}

/// Reads a text in one of the default forms.
pub(super) fn default_form(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    // Nearly all files have this form, so it does not go through formats.
    let (mut cursor, mut fields) = (Cursor(bytes), Fields::default());
    if let [_, _, _, _, b'-', _, _, b'-', _, _, ..] = bytes {
        fields.year = cursor.number(4, 4);
        cursor.eat(b'-');
        fields.month = cursor.number(2, 2);
        cursor.eat(b'-');
        fields.day = cursor.number(2, 2);
        if fields.year.and(fields.month).and(fields.day).is_some() && clock(&mut cursor, &mut fields).is_some() {
            return fields.moment();
        }
    }
    let whole = matches!(Cursor(bytes).digits(), 4 | 6 | 8 | 12 | 14).then(|| digits(bytes)).flatten();
    if whole.is_some() {
        return whole;
    }
    DATES.iter().chain(&RARE_DATES).find_map(|date| dated(date, text)).and_then(|(moment, _)| moment)
}

/// Reads a text that begins with a date in this form and continues with a time of day. The moment is missing if there is no such date.
pub(super) fn dated(date: &str, text: &str) -> Option<(Option<Moment>, Tail)> {
    let (mut cursor, mut fields) = (Cursor(text.as_bytes()), Fields::default());
    if !fit(date.as_bytes(), &mut cursor, &mut fields) || !(fields.has_day() || cursor.is_done()) {
        return None;
    }
    let tail = clock(&mut cursor, &mut fields)?;
    Some((fields.moment(), tail))
}

/// Reads `1961`, `196101`, `19610131` and the last one with a time of day, which may follow without a blank.
fn digits(text: &[u8]) -> Option<Moment> {
    let (mut cursor, mut fields) = (Cursor(text), Fields::default());
    let count = cursor.digits();
    fields.year = Some(cursor.number(4, 4)?).filter(|year| (1_500..=2_200).contains(year));
    if count > 4 {
        fields.month = Some(cursor.number(2, 2)?);
    }
    if count > 6 {
        fields.day = Some(cursor.number(2, 2)?);
    }
    if count > 8 {
        fields.hour = Some(cursor.number(2, 2)?);
        fields.minute = cursor.number(2, 2)?;
        fields.second = cursor.number(2, 2).unwrap_or(0);
    } else if fields.has_day() {
        clock(&mut cursor, &mut fields)?;
    }
    cursor.is_done().then(|| fields.moment()).flatten()
}

/// Whether a text is a number, as any column of values contains.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let points = digits.bytes().filter(|b| *b == b'.').count();
    digits.len() > points && points <= 1 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// What to do about a text that is no timestamp at all.
pub(super) const ADVICE: &str = "use the form YYYY-MM-DD or YYYY-MM-DD HH:MM[:SS], such as 2016-07-31 13:00";

/// What to do about a cell in no default form.
fn advice(text: &str) -> String {
    let units = ["seconds", "milliseconds", "microseconds", "nanoseconds"];
    if let Some(((name, _), unit)) = EPOCHS.into_iter().zip(units).find(|((_, digits), _)| plausible(text, *digits).is_some()) {
        return format!("this looks like {unit} since 1970: set data.time_format = \"{name}\"");
    }
    let reads = |date: &&str| matches!(dated(date, text), Some((Some(_), _)));
    let whole = |date: &str| format!("\"{date}{}\"", dated(date, text).map(|(_, tail)| tail.format()).unwrap_or_default());
    for [day_first, month_first] in PAIRS {
        match (reads(&day_first), reads(&month_first)) {
            (true, true) => {
                let (day, month) = (whole(day_first), whole(month_first));
                return format!("day and month can be swapped: set data.time_format = {day} or {month}");
            }
            (true, false) => return format!("this looks like day/month/year: set data.time_format = {}", whole(day_first)),
            (false, true) => return format!("this looks like month/day/year: set data.time_format = {}", whole(month_first)),
            (false, false) => {}
        }
    }
    if let Some(date) = SHORT_YEARS.iter().find(|date| reads(date)) {
        return format!("the year has two digits: set data.time_format = {}", whole(date));
    }
    format!("{ADVICE}, or set data.time_format")
}

/// A plausible number of units since 1970.
pub(super) fn plausible(text: &str, digits: i32) -> Option<Moment> {
    epoch(text.as_bytes(), digits).filter(|moment| PLAUSIBLE.contains(&moment.wall))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{SECOND, TimeFormat, format_stamp};

    fn wall(text: &str) -> String {
        parse_moment(text).map_or_else(|e| e, |moment| format_stamp(moment.wall))
    }

    #[test]
    fn moments_are_read_in_every_form_with_one_meaning() {
        for (texts, expected) in [
            (
                &[
                    "2016-07-01 00:00",
                    "2016-07-01T00:00",
                    "2016-07-01",
                    "2016-07-01T00:00:00Z",
                    "2016-07-01 00:00:00+02:00",
                    "2016-07-01 00:00:00.000",
                    "2016-07-01 00:00:00 UTC",
                    "2016-07",
                    " 2016-07-01 ",
                    "2016/7/1 0:00",
                    "2016-7-1 0:00",
                    "2016.07.01",
                    "20160701",
                    "20160701 0000",
                    "20160701T000000Z",
                    "201607010000",
                    "20160701000000",
                    "201607",
                    "2016Q3",
                    "2016-Q3",
                    "2016 Q3",
                    "Q3 2016",
                    "q3-2016",
                    "Jul 2016",
                    "July 2016",
                    "7/2016",
                    "2016-7",
                    "2016M07",
                    "1 Jul 2016",
                    "01-Jul-2016 0:00",
                    "01-JUL-2016",
                    "1. July 2016",
                    "01Jul2016",
                    "July 1, 2016",
                    "Jul 1 2016 12:00 AM",
                    "Fri, 01 Jul 2016 00:00:00 GMT",
                    "2016-06-30 24:00",
                ][..],
                "2016-07-01 00:00:00",
            ),
            (&["1961"][..], "1961-01-01 00:00:00"),
            (&["2015-W07", "2015W07", "2015-W07-1", "2015-w7"][..], "2015-02-09 00:00:00"),
            (&["2020-W53-7"][..], "2021-01-03 00:00:00"),
            (
                &["2020-01-01 13:00", "1-Jan-2020 1:00 PM", "2020-01-01T13Z", "January 1, 2020 1 p.m.", "2020-01-01, 13:00"][..],
                "2020-01-01 13:00:00",
            ),
            (&["2020-01-01 00:00:00.123456789", "2020-01-01T00:00:00,123456"][..], "2020-01-01 00:00:00.123456"),
        ] {
            for text in texts {
                assert_eq!(wall(text), expected, "{text}");
            }
        }
    }

    #[test]
    fn offsets_are_told() {
        for (text, hours) in [("Z", 0.0), ("z", 0.0), (" UTC", 0.0), ("+02:00", 2.0), ("+0530", 5.5), ("-03", -3.0), (" -03:30", -3.5)] {
            let moment = parse_moment(&format!("2020-01-01 12:00{text}")).unwrap();
            assert_eq!(moment.offset.map(|s| f64::from(s) / 3_600.0), Some(hours), "{text}");
            assert_eq!(moment.instant(), moment.wall - i64::from(moment.offset.unwrap()) * SECOND);
        }
        assert_eq!(parse_moment("2020-01-01 12:00").unwrap().offset, None);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "noon",
            "2016-13-01",
            "2016-02-30",
            "2016-07-01 25:00",
            "2016-07-01 24:01",
            "2016-07-01 12:60",
            "2016-07-01 12:00 CET",
            "2016-07-01 12:00+99:00",
            "2016-07-01 13:00 PM",
            "2016-07-01x",
            "2016-07 12:00",
            "1234",
            "201313",
            "2016Q5",
            "2016-W54",
            "2019-W53",
            "12.5",
            "1.2.3.4",
            "Foo 2015",
            "Jan-15-16",
            "5",
        ] {
            assert!(wall(text).contains("YYYY-MM-DD"), "{text}: {}", wall(text));
        }
    }

    #[test]
    fn advice_names_the_format() {
        for (text, advice) in [
            ("03/01/2021", "day and month can be swapped: set data.time_format = \"%d/%m/%Y\" or \"%m/%d/%Y\""),
            ("12/31/2020 3:00 PM", "this looks like month/day/year: set data.time_format = \"%m/%d/%Y %I:%M %p\""),
            ("1/13/2020, 12:00:00 AM", "this looks like month/day/year: set data.time_format = \"%m/%d/%Y, %I:%M:%S %p\""),
            ("31.12.2020", "this looks like day/month/year: set data.time_format = \"%d.%m.%Y\""),
            ("31.12.20 13:00", "this looks like day/month/year: set data.time_format = \"%d.%m.%y %H:%M\""),
            ("31-12-2020 13:00:00.5", "this looks like day/month/year: set data.time_format = \"%d-%m-%Y %H:%M:%S.%f\""),
            ("31/12/2020 1300", "this looks like day/month/year: set data.time_format = \"%d/%m/%Y %H%M\""),
            ("Jan-15", "the year has two digits: set data.time_format = \"%b-%y\""),
            ("1609459200", "this looks like seconds since 1970: set data.time_format = \"epoch s\""),
            ("1609459200.0", "this looks like seconds since 1970: set data.time_format = \"epoch s\""),
            ("1609459200000", "this looks like milliseconds since 1970: set data.time_format = \"epoch ms\""),
            ("1609459200000000", "this looks like microseconds since 1970: set data.time_format = \"epoch us\""),
            ("1609459200000000000", "this looks like nanoseconds since 1970: set data.time_format = \"epoch ns\""),
        ] {
            assert_eq!(wall(text), advice, "{text}");
            let format = advice.split('"').nth(1).unwrap();
            assert!(TimeFormat::parse(format).unwrap().read(text).is_ok(), "{text} in {format}");
        }
    }
}
