//! The parts of a written moment: reading them, and putting them together.

use super::civil::{Date, weekday};
use super::stamp::{DAY, SECOND, Stamp};

/// A moment as a text gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Date and time as written.
    pub wall: Stamp,
    /// Seconds east of UTC, if the text gives them.
    pub offset: Option<i32>,
}

impl Moment {
    /// The instant in UTC. Without an offset, it is the moment as written.
    #[must_use]
    pub fn instant(self) -> Stamp {
        self.wall.saturating_sub(i64::from(self.offset.unwrap_or(0)) * SECOND)
    }
}

/// The parts of a date and time that a text gives.
#[derive(Default, Clone, Copy)]
pub(super) struct Fields {
    pub(super) year: Option<i64>,
    pub(super) month: Option<i64>,
    pub(super) day: Option<i64>,
    pub(super) day_of_year: Option<i64>,
    pub(super) quarter: Option<i64>,
    pub(super) week: Option<i64>,
    /// 1 is Monday.
    pub(super) weekday: Option<i64>,
    pub(super) hour: Option<i64>,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) micros: i64,
    pub(super) afternoon: Option<bool>,
    pub(super) offset: Option<i32>,
}

impl Fields {
    /// The moment, if there is one with these parts. A period gives its first day.
    pub(super) fn moment(&self) -> Option<Moment> {
        Some(Moment { wall: self.day_number()? * DAY + self.time()?, offset: self.offset })
    }

    /// Whether a day is given, not only a longer period.
    pub(super) fn has_day(&self) -> bool {
        self.day.is_some() || self.day_of_year.is_some() || (self.week.is_some() && self.weekday.is_some())
    }

    fn day_number(&self) -> Option<i64> {
        let year = self.year?;
        if let Some(week) = self.week {
            // Week 1 is the one that contains January 4.
            let fourth = Date::new(year, 1, 4)?.number();
            let monday = fourth - weekday(fourth) + (week - 1) * 7;
            // Its Thursday decides the year of a week.
            let valid = week >= 1 && Date::of(monday + 3).year == year;
            let day = self.weekday.unwrap_or(1);
            return (valid && (1..=7).contains(&day)).then_some(monday + day - 1);
        }
        if let Some(day) = self.day_of_year {
            let first = Date::new(year, 1, 1)?;
            return (1..=first.days_in_year()).contains(&day).then(|| first.number() + day - 1);
        }
        let first_month = match self.quarter {
            Some(quarter @ 1..=4) => quarter * 3 - 2,
            Some(_) => return None,
            None => 1,
        };
        Some(Date::new(year, self.month.unwrap_or(first_month), self.day.unwrap_or(1))?.number())
    }

    /// Microseconds after midnight. 24:00 is the next midnight.
    fn time(&self) -> Option<i64> {
        let hour = match (self.hour.unwrap_or(0), self.afternoon) {
            (hour, None) => hour,
            (hour @ 1..=12, Some(afternoon)) => hour % 12 + 12 * i64::from(afternoon),
            _ => return None,
        };
        let rest = (self.minute * 60 + self.second) * SECOND + self.micros;
        let valid = self.minute < 60 && self.second < 60 && (hour < 24 || (hour == 24 && rest == 0));
        valid.then_some(hour * 3_600 * SECOND + rest)
    }
}

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
/// Names of the days of the week.
pub(super) const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The number, from 1, of the name that has these letters or whose first letters they are, at least three.
pub(super) fn named(letters: &[u8], names: &[&str]) -> Option<i64> {
    let fits = |name: &&str| letters.len() >= 3 && name.as_bytes().get(..letters.len()).is_some_and(|n| n.eq_ignore_ascii_case(letters));
    (1..).zip(names).find(|(_, name)| fits(name)).map(|(number, _)| number)
}

/// The rest of a text that is being read.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn is_done(self) -> bool {
        self.0.is_empty()
    }

    #[cfg(all(not(feature = "native"), feature = "web", target_arch = "wasm32"))]
    pub(super) fn skip_to_digit(&mut self) {
        let count = self.0.iter().take_while(|b| !b.is_ascii_digit()).count();
        self.skip(count);
    }

    fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first().is_some_and(|first| first.eq_ignore_ascii_case(&byte));
        if found {
            self.skip(1);
        }
        found
    }

    /// Skips blanks, also those that spreadsheets use (no-break spaces). Returns whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        let before = self.0.len();
        loop {
            match self.0 {
                [b' ' | b'\t', ..] => self.skip(1),
                [0xC2, 0xA0, ..] => self.skip(2),
                [0xE2, 0x80, 0xAF, ..] => self.skip(3),
                _ => return self.0.len() < before,
            }
        }
    }

    /// Number of digits at the beginning.
    pub(super) fn digits(self) -> usize {
        self.0.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    /// Reads a number of at least `min` digits, and at most `max` of them (18 at most).
    pub(super) fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let count = self.digits().min(max);
        if count < min {
            return None;
        }
        let number = self.0[..count].iter().fold(0, |n, b| n * 10 + i64::from(b - b'0'));
        self.skip(count);
        Some(number)
    }

    /// Reads the digits after a decimal point as a fraction with this many digits; further digits are dropped.
    pub(super) fn fraction(&mut self, kept: usize) -> Option<i64> {
        let count = self.digits();
        let digit = |k: usize| if k < count { i64::from(self.0[k] - b'0') } else { 0 };
        let number = (0..kept).fold(0, |n, k| n * 10 + digit(k));
        self.skip(count);
        (count > 0).then_some(number)
    }

    fn letters(&mut self) -> &'a [u8] {
        let count = self.0.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (letters, rest) = self.0.split_at(count);
        self.0 = rest;
        letters
    }

    pub(super) fn month(&mut self) -> Option<i64> {
        named(self.letters(), &MONTHS)
    }

    pub(super) fn weekday(&mut self) -> Option<i64> {
        named(self.letters(), &WEEKDAYS)
    }

    /// Reads AM or PM (also a.m.), after blanks. Returns whether it is the afternoon.
    pub(super) fn half(&mut self) -> Option<bool> {
        let mut rest = *self;
        rest.blanks();
        let afternoon = rest.eat(b'p');
        if !afternoon && !rest.eat(b'a') {
            return None;
        }
        let dotted = rest.eat(b'.');
        if !rest.eat(b'm') || (dotted && !rest.eat(b'.')) {
            return None;
        }
        *self = rest;
        Some(afternoon)
    }

    /// Reads `Z`, `UTC`, `GMT` or an offset such as `+02:00`, after blanks.
    pub(super) fn zone(&mut self) -> Option<i32> {
        let mut rest = *self;
        rest.blanks();
        let offset = if rest.0.first().is_some_and(u8::is_ascii_alphabetic) {
            let letters = rest.letters();
            [&b"Z"[..], b"UTC", b"GMT"].iter().any(|name| name.eq_ignore_ascii_case(letters)).then_some(0)?
        } else {
            let west = rest.eat(b'-');
            if !west && !rest.eat(b'+') {
                return None;
            }
            let mut seconds = rest.number(2, 2)? * 3_600;
            for unit in [60, 1] {
                if rest.eat(b':') || rest.digits() >= 2 {
                    let number = rest.number(2, 2).filter(|n| *n < 60)?;
                    seconds += number * unit;
                }
            }
            // Offsets of zones are at most 14 hours, and were at most 16.
            let seconds = i32::try_from(seconds).ok().filter(|s| *s <= 16 * 3_600)?;
            if west { -seconds } else { seconds }
        };
        *self = rest;
        Some(offset)
    }
}

/// The form of the time of day after a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tail {
    /// Between date and time: `T`, a comma or a blank; 0 if there is no time.
    pub(super) separator: u8,
    /// Without colons.
    pub(super) compact: bool,
    /// With AM or PM.
    pub(super) half: bool,
    /// With an offset from UTC.
    pub(super) zone: bool,
    /// 0 for no time, 1 for hours, 2 with minutes, 3 with seconds, 4 with a fraction.
    pub(super) depth: u8,
}

impl Tail {
    /// The form of times of which some have this form and some the other one. Times may differ in depth, unless something
    /// follows them. A date without a time goes with all forms that give no offset.
    pub(super) fn joined(self, other: Self) -> Option<Self> {
        let (shallow, deep) = if self.depth < other.depth { (self, other) } else { (other, self) };
        let open_ended = self.separator == other.separator && [self, other].iter().all(|tail| !tail.compact && !tail.half && !tail.zone);
        (shallow == deep || open_ended || (shallow.depth == 0 && !deep.zone)).then_some(deep)
    }

    /// The format of a time in this form.
    pub(super) fn format(self) -> String {
        let mut text = match self.separator {
            0 => return String::new(),
            b'T' => "T".to_owned(),
            b',' => ", ".to_owned(),
            _ => " ".to_owned(),
        };
        text += if self.half { "%I" } else { "%H" };
        let colon = if self.compact { "" } else { ":" };
        for (depth, between, directive) in [(2, colon, "%M"), (3, colon, "%S"), (4, ".", "%f")] {
            if self.depth >= depth {
                text += between;
                text += directive;
            }
        }
        text += if self.half { " %p" } else { "" };
        text += if self.zone { "%z" } else { "" };
        text
    }
}

/// Reads the time of day to the end of the text, such as `T03:00:05.25+02:00`, ` 3:00 PM`, ` 0300` or nothing.
pub(super) fn clock(cursor: &mut Cursor, fields: &mut Fields) -> Option<Tail> {
    let mut tail = Tail::default();
    if cursor.is_done() {
        return Some(tail);
    }
    tail.separator = if cursor.eat(b',') {
        b','
    } else if cursor.eat(b'T') {
        b'T'
    } else {
        b' '
    };
    if !cursor.blanks() && tail.separator == b' ' {
        return None;
    }
    tail.compact = matches!(cursor.digits(), 4 | 6);
    fields.hour = Some(cursor.number(1, 2)?);
    tail.depth = 1;
    if (tail.compact && cursor.digits() >= 2) || cursor.eat(b':') {
        fields.minute = cursor.number(2, 2)?;
        tail.depth = 2;
        if (tail.compact && cursor.digits() >= 2) || cursor.eat(b':') {
            fields.second = cursor.number(2, 2)?;
            tail.depth = 3;
            if cursor.eat(b'.') || cursor.eat(b',') {
                fields.micros = cursor.fraction(6)?;
                tail.depth = 4;
            }
        }
    }
    fields.afternoon = cursor.half();
    tail.half = fields.afternoon.is_some();
    fields.offset = cursor.zone();
    tail.zone = fields.offset.is_some();
    cursor.is_done().then_some(tail)
}
