//! Explicit formats of timestamps.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::civil::{FIRST_DAY, LAST_DAY};
use super::moment::{Cursor, Fields, Moment};
use super::stamp::{DAY, Stamp};

/// The years 0 to 9999.
const CALENDAR: std::ops::Range<Stamp> = FIRST_DAY * DAY..(LAST_DAY + 1) * DAY;

/// A format of timestamps: directives as in strftime, or seconds since 1970 as a number.
///
/// A number may lack its leading zeros. A blank matches any number of blanks, also none. A text may end before the time of day, as
/// spreadsheets write midnight; a text without minutes or seconds has 0 of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeFormat {
    text: String,
    /// The digits of a microsecond in the unit of an epoch: 6 for seconds; `None` for a format with directives.
    epoch: Option<i32>,
}

const DIRECTIVES: &str = "%Y (2021), %y (21), %m (month), %b or %B (Jan or January), %d (day), %j (day of the year), %H (hour), \
    %I (hour with %p), %M (minute), %S (second), %f (digits of a fraction), %p (AM or PM), %z (Z or +02:00), %G, %V and %u (ISO year, \
    week and weekday), %q (quarter), %a (weekday, ignored), %%";

/// Names of the formats of numbers, and the digits of a microsecond in their unit.
pub(super) const EPOCHS: [(&str, i32); 4] = [("epoch s", 6), ("epoch ms", 3), ("epoch us", 0), ("epoch ns", -3)];

impl TimeFormat {
    /// Compiles a format such as `%d.%m.%Y %H:%M` or `epoch ms`.
    ///
    /// # Errors
    /// If a directive is unknown or the format does not give a date. The text names the known directives.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((name, digits)) = EPOCHS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(&words)) {
            return Ok(Self { text: name.into(), epoch: Some(digits) });
        }
        let wrong =
            |problem: String| format!("{problem}; known directives are {DIRECTIVES}; or use epoch s, epoch ms, epoch us or epoch ns");
        let mut found = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter == '%' {
                match letters.next() {
                    Some(directive) if "YymbBdjHIMSfpzGVuqaA%".contains(directive) => found.push(directive),
                    Some(other) => return Err(wrong(format!("\"%{other}\" is not a directive"))),
                    None => return Err(wrong("\"%\" at the end is not a directive".into())),
                }
            }
        }
        let has = |letters: &str| found.contains(|c| letters.contains(c));
        if !has("YyG") {
            return Err(wrong(format!("the format \"{text}\" has no year")));
        }
        if has("I") != has("p") {
            return Err(wrong(format!("the format \"{text}\" needs both %I and %p, or %H")));
        }
        if has("V") != has("G") || (has("u") && !has("V")) {
            return Err(wrong(format!("the format \"{text}\" needs %G for the year and %V for the week")));
        }
        if has("d") && !has("mbB") {
            return Err(wrong(format!("the format \"{text}\" has a day but no month")));
        }
        Ok(Self { text: text.into(), epoch: None })
    }

    /// A format that is correct because it was composed here.
    pub(super) fn known(text: &str) -> Self {
        Self::parse(text).expect("a known format")
    }

    /// Reads a text in this format.
    ///
    /// # Errors
    /// If the text is not in this format, or there is no such date or time.
    pub fn read(&self, text: &str) -> Result<Moment, String> {
        let text = text.trim();
        if let Some(digits) = self.epoch {
            return epoch(text.as_bytes(), digits).ok_or_else(|| format!("this is not a number as the format \"{self}\" needs it"));
        }
        let (mut cursor, mut fields) = (Cursor(text.as_bytes()), Fields::default());
        if !fit(self.text.as_bytes(), &mut cursor, &mut fields) || !cursor.is_done() {
            return Err(format!("this is not in the format \"{self}\""));
        }
        fields.moment().ok_or_else(|| format!("there is no such date or time (in the format \"{self}\")"))
    }

    /// Whether the format is of numbers since 1970.
    #[must_use]
    pub fn is_epoch(&self) -> bool {
        self.epoch.is_some()
    }
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for TimeFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<TimeFormat> for String {
    fn from(format: TimeFormat) -> Self {
        format.text
    }
}

/// Reads the beginning of a text with a format. Returns whether it fits.
pub(super) fn fit(format: &[u8], cursor: &mut Cursor, fields: &mut Fields) -> bool {
    let mut rest = format;
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let [directive, after @ ..] = after else { return false };
            if one(*directive, cursor, fields).is_none() {
                return false;
            }
            rest = after;
            continue;
        }
        if cursor.is_done() && may_end(rest, fields) {
            return true;
        }
        if *first == b' ' {
            cursor.blanks();
        } else if !cursor.eat(*first) {
            return false;
        }
        rest = after;
    }
    true
}

/// Whether a text may end before this rest of its format: only parts of the time of day are missing.
fn may_end(rest: &[u8], fields: &Fields) -> bool {
    let mut directives = rest.windows(2).filter(|pair| pair[0] == b'%').map(|pair| pair[1]).peekable();
    let hour = fields.hour.is_some();
    directives.peek().is_some() && directives.all(|d| b"HMSf".contains(&d) || (!hour && b"Ip".contains(&d)))
}

/// Reads what one directive stands for.
fn one(directive: u8, cursor: &mut Cursor, fields: &mut Fields) -> Option<()> {
    match directive {
        b'Y' | b'G' => fields.year = Some(cursor.number(4, 4)?),
        b'y' => fields.year = Some(cursor.number(2, 2).map(|year| if year < 69 { 2000 + year } else { 1900 + year })?),
        b'm' => fields.month = Some(cursor.number(1, 2)?),
        b'b' | b'B' => fields.month = Some(cursor.month()?),
        b'd' => fields.day = Some(cursor.number(1, 2)?),
        b'j' => fields.day_of_year = Some(cursor.number(1, 3)?),
        b'q' => fields.quarter = Some(cursor.number(1, 1)?),
        b'V' => fields.week = Some(cursor.number(1, 2)?),
        b'u' => fields.weekday = Some(cursor.number(1, 1)?),
        b'H' | b'I' => fields.hour = Some(cursor.number(1, 2)?),
        b'M' => fields.minute = cursor.number(1, 2)?,
        b'S' => fields.second = cursor.number(1, 2)?,
        b'f' => fields.micros = cursor.fraction(6)?,
        b'p' => fields.afternoon = Some(cursor.half()?),
        b'z' => fields.offset = Some(cursor.zone()?),
        b'a' | b'A' => drop(cursor.weekday()?),
        _ => return cursor.eat(b'%').then_some(()),
    }
    Some(())
}

/// Reads a number of units since 1970. The number has `digits` decimals down to the microsecond; -3 means that the unit is a nanosecond.
pub(super) fn epoch(text: &[u8], digits: i32) -> Option<Moment> {
    let mut cursor = Cursor(text);
    let negative = cursor.eat(b'-');
    let (mut whole, count) = (0_i64, cursor.digits());
    for _ in 0..count {
        whole = whole.checked_mul(10)?.checked_add(cursor.number(1, 1)?)?;
    }
    let kept = usize::try_from(digits).unwrap_or(0);
    let fraction = if cursor.eat(b'.') { cursor.fraction(kept)? } else { 0 };
    let micros = if digits < 0 { whole / 1_000 } else { whole.checked_mul(10_i64.pow(digits.unsigned_abs()))?.checked_add(fraction)? };
    let wall = if negative { -micros } else { micros };
    (count > 0 && cursor.is_done() && CALENDAR.contains(&wall)).then_some(Moment { wall, offset: Some(0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::format_stamp;

    fn read(format: &str, text: &str) -> String {
        let format = TimeFormat::parse(format).unwrap();
        format.read(text).map_or_else(|e| e, |moment| format_stamp(moment.wall))
    }

    #[test]
    fn directives_have_the_meaning_of_strftime() {
        for (format, text, expected) in [
            ("%d.%m.%Y %H:%M", "31.12.2020 13:05", "2020-12-31 13:05:00"),
            ("%d.%m.%Y %H:%M", " 1.2.2020   3:05 ", "2020-02-01 03:05:00"),
            ("%d.%m.%Y %H:%M", "1.2.2020", "2020-02-01 00:00:00"),
            ("%d.%m.%Y %H:%M:%S", "1.2.2020 3:05", "2020-02-01 03:05:00"),
            ("%d.%m.%Y %H:%M", "31.12.2020 24:00", "2021-01-01 00:00:00"),
            ("%m/%d/%Y %I:%M:%S %p", "1/2/2020 12:00:00 AM", "2020-01-02 00:00:00"),
            ("%m/%d/%Y %I:%M:%S %p", "1/2/2020 12:00:00PM", "2020-01-02 12:00:00"),
            ("%m/%d/%Y %I:%M %p", "1/2/2020 3:05\u{202f}p.m.", "2020-01-02 15:05:00"),
            ("%d/%m/%y", "31/12/68", "2068-12-31 00:00:00"),
            ("%d/%m/%y", "31/12/69", "1969-12-31 00:00:00"),
            ("%d %B %Y", "5 jan 2021", "2021-01-05 00:00:00"),
            ("%b %d, %Y", "JANUARY 5, 2021", "2021-01-05 00:00:00"),
            ("%a %b %d %H:%M:%S %z %Y", "Wed Oct 10 20:19:24 +0000 2018", "2018-10-10 20:19:24"),
            ("%Y%m%d%H", "2021010103", "2021-01-01 03:00:00"),
            ("%Y-%j", "2020-366", "2020-12-31 00:00:00"),
            ("%YQ%q", "1990Q4", "1990-10-01 00:00:00"),
            ("%q-%Y", "2-1990", "1990-04-01 00:00:00"),
            ("%G-W%V", "2020-W53", "2020-12-28 00:00:00"),
            ("%G W%V %u", "2021 W1 7", "2021-01-10 00:00:00"),
            ("%Y-%m-%dT%H:%M:%S.%f%z", "2021-01-01T00:00:00.5Z", "2021-01-01 00:00:00.500"),
            ("100%% %Y", "100% 1999", "1999-01-01 00:00:00"),
            ("epoch s", "1609459200", "2021-01-01 00:00:00"),
            ("Epoch  S", "1609459200.25", "2021-01-01 00:00:00.250"),
            ("epoch s", "-0.5", "1969-12-31 23:59:59.500"),
            ("epoch ms", "1609459200123.4", "2021-01-01 00:00:00.123400"),
            ("epoch us", "1609459200123456", "2021-01-01 00:00:00.123456"),
            ("epoch ns", "1609459200123456789", "2021-01-01 00:00:00.123456"),
        ] {
            assert_eq!(read(format, text), expected, "{text} in {format}");
        }
        let offset = |text| TimeFormat::parse("%Y-%m-%d %H:%M %z").unwrap().read(text).unwrap().offset;
        assert_eq!((offset("2021-01-01 00:00+02:30"), offset("2021-01-01 00:00 Z")), (Some(9_000), Some(0)));
    }

    #[test]
    fn other_texts_are_refused() {
        for (format, text) in [
            ("%d.%m.%Y", "31.02.2020"),
            ("%d.%m.%Y", "31.13.2020"),
            ("%d.%m.%Y", "31.12.20"),
            ("%d.%m.%Y", "31.12.2020 13:00"),
            ("%d.%m.%Y", "Total"),
            ("%d.%m.%Y", ""),
            ("%d.%m.%Y %H:%M", "31.12.2020 24:30"),
            ("%d.%m.%Y %H:%M", "31.12.2020 13:"),
            ("%m/%d/%Y %I:%M %p", "1/2/2020 13:00 PM"),
            ("%m/%d/%Y %I:%M %p", "1/2/2020 3:00"),
            ("%m/%d/%Y %I:%M %p", "1/2/2020 0:00 AM"),
            ("%Y-%m-%d %H:%M%z", "2020-01-01 13:00"),
            ("%G-W%V", "2021-W53"),
            ("%Y-%j", "2021-366"),
            ("%YQ%q", "2021Q5"),
            ("epoch s", ""),
            ("epoch s", "1e9"),
            ("epoch s", "99999999999999999999"),
            ("epoch us", "9223372036854775807"),
        ] {
            assert!(read(format, text).contains(format), "{text} in {format}: {}", read(format, text));
        }
    }

    #[test]
    fn formats_are_checked_and_given_back() {
        for text in ["%d.%m.%Y %H:%M", "epoch ms", "%Y"] {
            assert_eq!(TimeFormat::parse(text).unwrap().to_string(), text);
        }
        for (text, found) in [
            ("%Y-%Q", "\"%Q\" is not a directive"),
            ("%Y-%", "at the end"),
            ("%H:%M", "no year"),
            ("", "no year"),
            ("YYYY-MM-DD", "no year"),
            ("%Y-%m-%d %I:%M", "needs both %I and %p"),
            ("%Y-%m-%d %H:%M %p", "needs both %I and %p"),
            ("%Y-W%V", "needs %G"),
            ("%Y-%d", "no month"),
        ] {
            let error = TimeFormat::parse(text).unwrap_err();
            assert!(error.contains(found) && error.contains("%d (day)"), "{text}: {error}");
        }
    }
}
