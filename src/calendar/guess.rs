//! The format of a column of timestamps, found in one pass.

use super::format::{EPOCHS, TimeFormat};
use super::forms::{PAIRS, SHORT_YEARS, dated, default_form, is_number, plausible};
use super::moment::{Moment, Tail};
use super::stamp::{Stamp, civil};

/// Number of unreadable cells that are kept as examples.
const EXAMPLES: usize = 3;
/// Letters of an example.
const LETTERS: usize = 40;

/// The format that reads a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No format is needed: [`parse_moment`](super::parse_moment) reads the cells.
    Default,
    /// This format reads the cells.
    Format(TimeFormat),
    /// Both formats read the cells, and neither reading is more regular: the day first, or the month first.
    Ambiguous(TimeFormat, TimeFormat),
    /// The cells are not timestamps.
    None,
}

/// What [`FormatGuess`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The format.
    pub found: Found,
    /// Whether all cells are plain numbers, as any column of values may contain: years, `20210131` or seconds since 1970.
    pub numeric: bool,
    /// Number of cells.
    pub cells: usize,
    /// Number of cells that the format reads.
    pub read: usize,
    /// Index and text of the first cells that it does not read.
    pub unreadable: Vec<(usize, String)>,
}

/// Finds the format of a column of timestamps, with memory for a few cells only.
#[derive(Debug, Clone)]
pub struct FormatGuess {
    cells: usize,
    candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Default,
    Epoch(&'static str, i32),
    Date(&'static str),
}

/// A format that may be the one of the column.
#[derive(Debug, Clone)]
struct Candidate {
    reader: Reader,
    read: usize,
    numeric: bool,
    unreadable: Vec<(usize, String)>,
    /// The form of the time of day of all cells.
    tail: Option<Tail>,
    order: Order,
}

/// How regular a sequence of timestamps is.
#[derive(Debug, Clone, Default)]
struct Order {
    last: Option<Stamp>,
    /// The last step as a time, and in months if day and time are the same.
    step: Option<(i64, Option<i64>)>,
    /// Number of steps that are not forwards.
    falls: usize,
    /// Number of steps that differ from the one before, both as a time and in months.
    changes: usize,
}

impl Default for FormatGuess {
    fn default() -> Self {
        Self::new()
    }
}

impl FormatGuess {
    /// A guess about a column without cells.
    #[must_use]
    pub fn new() -> Self {
        let dates = PAIRS.as_flattened().iter().chain(&SHORT_YEARS).map(|date| Reader::Date(date));
        let epochs = EPOCHS.iter().map(|(name, digits)| Reader::Epoch(name, *digits));
        let candidates = std::iter::once(Reader::Default).chain(epochs).chain(dates).map(Candidate::new).collect();
        Self { cells: 0, candidates }
    }

    /// Takes the next cell into account.
    pub fn add(&mut self, text: &str) {
        let text = text.trim();
        let (cell, numeric) = (self.cells, is_number(text));
        self.cells += 1;
        for candidate in &mut self.candidates {
            // Plain numbers are never dates with separators, and only they are numbers since 1970.
            let possible = match candidate.reader {
                Reader::Default => true,
                Reader::Epoch(..) => numeric,
                Reader::Date(_) => !numeric,
            };
            let read = if possible { candidate.reads(text) } else { None };
            match read {
                Some(moment) => {
                    candidate.read += 1;
                    candidate.numeric &= numeric;
                    candidate.order.add(moment.instant());
                }
                None if candidate.unreadable.len() < EXAMPLES => candidate.unreadable.push((cell, text.chars().take(LETTERS).collect())),
                None => {}
            }
        }
        // A candidate that fails often is not tried again. The first cells may be of any kind.
        let cells = self.cells;
        self.candidates.retain(|candidate| cells - candidate.read <= 50 + cells / 10);
    }

    /// The format that reads all or nearly all cells.
    #[must_use]
    pub fn finish(self) -> Guess {
        let cells = self.cells;
        let readable = |candidate: &Candidate| {
            let failed = cells - candidate.read;
            candidate.read > 0 && (failed * 10 <= cells || (failed == 1 && cells >= 3))
        };
        let candidates: Vec<Candidate> = self.candidates.into_iter().filter(readable).collect();
        // The default forms come first, then the one that reads most; the first one if several do.
        let best = candidates.iter().find(|c| c.reader == Reader::Default);
        let Some(best) = best.or_else(|| candidates.iter().rev().max_by_key(|candidate| candidate.read)) else {
            return Guess { found: Found::None, numeric: false, cells, read: 0, unreadable: vec![] };
        };
        let twin = candidates.iter().find(|other| best.is_day_first_of(other) && other.read == best.read);
        let (best, found) = match twin.map(|twin| (best.preferred(twin), twin)) {
            Some((None, twin)) => (best, Found::Ambiguous(best.format(), twin.format())),
            Some((Some(chosen), _)) => (chosen, Found::Format(chosen.format())),
            None if best.reader == Reader::Default => (best, Found::Default),
            None => (best, Found::Format(best.format())),
        };
        Guess { found, numeric: best.numeric, cells, read: best.read, unreadable: best.unreadable.clone() }
    }
}

impl Candidate {
    fn new(reader: Reader) -> Self {
        Self { reader, read: 0, numeric: true, unreadable: vec![], tail: None, order: Order::default() }
    }

    fn reads(&mut self, text: &str) -> Option<Moment> {
        match self.reader {
            Reader::Default => default_form(text),
            Reader::Epoch(_, digits) => plausible(text, digits),
            Reader::Date(date) => {
                let (moment, tail) = dated(date, text)?;
                let moment = moment?;
                self.tail = Some(self.tail.map_or(Some(tail), |before| before.joined(tail))?);
                Some(moment)
            }
        }
    }

    fn format(&self) -> TimeFormat {
        match self.reader {
            Reader::Date(date) => TimeFormat::known(&format!("{date}{}", self.tail.unwrap_or_default().format())),
            Reader::Epoch(name, _) => TimeFormat::known(name),
            Reader::Default => TimeFormat::known("%Y-%m-%d"),
        }
    }

    /// Whether this candidate has the day first and the other one the month first, in the same form.
    fn is_day_first_of(&self, other: &Self) -> bool {
        PAIRS.iter().any(|[day, month]| self.reader == Reader::Date(day) && other.reader == Reader::Date(month))
    }

    /// The one of two readings of the same cells that is more regular, if one clearly is.
    fn preferred<'a>(&'a self, other: &'a Self) -> Option<&'a Self> {
        let (a, b) = (&self.order, &other.order);
        // Rows in ascending order are worth more than equal steps. With few rows, both may be by chance.
        for (mine, theirs) in [(a.falls, b.falls), (a.changes, b.changes)] {
            if mine * 4 < theirs {
                return Some(self);
            }
            if theirs * 4 < mine {
                return Some(other);
            }
        }
        // No country writes the month first with dots.
        matches!(self.reader, Reader::Date(date) if date.contains('.')).then_some(self)
    }
}

impl Order {
    fn add(&mut self, stamp: Stamp) {
        if let Some(last) = self.last {
            let step = stamp.saturating_sub(last);
            let ((from, from_time), (to, to_time)) = (civil(last), civil(stamp));
            let same_day = from.day == to.day || (from.ends_month() && to.ends_month());
            let months = (same_day && from_time == to_time).then(|| to.months() - from.months());
            self.falls += usize::from(step <= 0);
            if let Some((time, before)) = self.step {
                self.changes += usize::from(time != step && (before.is_none() || before != months));
            }
            self.step = Some((step, months));
        }
        self.last = Some(stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{SECOND, parse_stamp};

    fn guess<S: AsRef<str>>(cells: &[S]) -> Guess {
        let mut guess = FormatGuess::new();
        cells.iter().for_each(|cell| guess.add(cell.as_ref()));
        guess.finish()
    }

    fn found<S: AsRef<str>>(cells: &[S]) -> String {
        match guess(cells).found {
            Found::Default => "default".into(),
            Found::Format(format) => format.to_string(),
            Found::Ambiguous(a, b) => format!("{a} or {b}"),
            Found::None => "none".into(),
        }
    }

    /// Cells of the days from 2020-01-01 on, from their year, month and day.
    fn days(count: i64, text: impl Fn(i64, i64, i64) -> String) -> Vec<String> {
        let start = parse_stamp("2020-01-01").unwrap();
        let cell = |k| {
            let date = civil(start + k * 86_400 * SECOND).0;
            text(date.year, date.month, date.day)
        };
        (0..count).map(cell).collect()
    }

    #[test]
    fn forms_with_one_meaning_need_no_format() {
        assert_eq!(found(&["2020-01-01", "2020-01-02 00:00", "2020/1/3"]), "default");
        assert_eq!(found(&["Jan 2020", "Feb 2020"]), "default");
        let years = guess(&["1961", "1962"]);
        assert_eq!((years.found, years.numeric), (Found::Default, true));
        assert!(!guess(&["1961-01", "1962"]).numeric);
    }

    #[test]
    fn a_day_beyond_12_decides() {
        assert_eq!(found(&days(20, |y, m, d| format!("{d}/{m}/{y}"))), "%d/%m/%Y");
        assert_eq!(found(&days(20, |y, m, d| format!("{m}/{d}/{y}"))), "%m/%d/%Y");
        assert_eq!(found(&days(20, |y, m, d| format!("{d:02}.{m:02}.{:02}", y % 100))), "%d.%m.%y");
        assert_eq!(found(&days(20, |y, m, d| format!("{m}-{d}-{y} 3:05 PM"))), "%m-%d-%Y %I:%M %p");
        assert_eq!(found(&["31-Jan-20", "29-Feb-20"]), "%d-%b-%y");
        assert_eq!(found(&["Jan-15", "Feb-15"]), "%b-%y");
    }

    #[test]
    fn the_more_regular_reading_is_taken() {
        // Months, of which the other reading makes the first 12 days of January.
        let months: Vec<String> = (0..30).map(|k| format!("01/{:02}/{}", k % 12 + 1, 2020 + k / 12)).collect();
        assert_eq!(found(&months), "%d/%m/%Y");
        let months: Vec<String> = (0..30).map(|k| format!("{:02}/01/{}", k % 12 + 1, 2020 + k / 12)).collect();
        assert_eq!(found(&months), "%m/%d/%Y");
        let hours: Vec<String> = (0..60).map(|k| format!("{:02}/03/2021 {:02}:00", k / 24 + 1, k % 24)).collect();
        assert_eq!(found(&hours), "%d/%m/%Y %H:%M");
        let days = |separator| (1..=12).map(|day| format!("{day:02}{separator}03{separator}2021")).collect::<Vec<_>>();
        assert_eq!(found(&days('/')), "%d/%m/%Y or %m/%d/%Y");
        assert_eq!(found(&days('.')), "%d.%m.%Y");
        assert_eq!(found(&["01/01/2020", "01/01/2020"]), "%d/%m/%Y or %m/%d/%Y");
    }

    #[test]
    fn times_of_day_are_part_of_the_format() {
        assert_eq!(found(&["13/1/2020", "13/1/2020 12:30", "13/1/2020 12:30:05.5"]), "%d/%m/%Y %H:%M:%S.%f");
        assert_eq!(found(&["13/1/2020T12", "13/1/2020T13"]), "%d/%m/%YT%H");
        assert_eq!(found(&["1/13/2020, 12:00:00 AM", "1/13/2020, 1:00:00 AM"]), "%m/%d/%Y, %I:%M:%S %p");
        assert_eq!(found(&["13/1/2020 12:30 +01:00", "13/1/2020 13:30+01:00"]), "%d/%m/%Y %H:%M%z");
        assert_eq!(found(&["13/1/2020 1230", "13/1/2020", "13/1/2020 1330"]), "%d/%m/%Y %H%M");
        // The format reads each cell that was counted.
        for cells in [["13/1/2020", "13/1/2020 12:30Z"], ["13/1/2020 3 PM", "13/1/2020 3:00 PM"], ["13/1/2020 1230", "13/1/2020 123000"]] {
            assert_eq!(found(&cells), "none", "{cells:?}");
        }
    }

    #[test]
    fn numbers_since_1970_are_numeric() {
        for (cells, format) in [
            (["1609459200", "1609462800"], "epoch s"),
            (["1609459200.0", "1609462800.5"], "epoch s"),
            (["1609459200000", "1609462800000"], "epoch ms"),
            (["1609459200000000", "1609462800000000"], "epoch us"),
            (["1609459200000000000", "1609462800000000000"], "epoch ns"),
        ] {
            let guess = guess(&cells);
            assert_eq!((guess.found, guess.numeric), (Found::Format(TimeFormat::parse(format).unwrap()), true));
        }
        assert_eq!(found(&["5", "17.5", "-3"]), "none");
    }

    #[test]
    fn a_few_cells_may_be_unreadable() {
        let mut cells = days(30, |y, m, d| format!("{d}.{m}.{y}"));
        cells.insert(3, "n/a".into());
        cells.push("Total ".repeat(20));
        let guess = guess(&cells);
        assert_eq!((guess.cells, guess.read, guess.unreadable.len()), (32, 30, 2));
        assert_eq!(guess.unreadable[0], (3, "n/a".to_owned()));
        assert_eq!((guess.unreadable[1].0, guess.unreadable[1].1.len()), (31, LETTERS));
        assert_eq!(guess.found.clone(), Found::Format(TimeFormat::parse("%d.%m.%Y").unwrap()));
        assert_eq!(found(&["x", "y", "2020-01-01"]), "none");
        assert_eq!(found::<&str>(&[]), "none");
        assert_eq!(found(&["2020-01", "2020-02", "Total"]), "default");
        // Many words at first, as of a column that is no time, do not hide the dates after them.
        let late: Vec<String> = (0..40).map(|_| "-".to_owned()).chain(days(1_000, |y, m, d| format!("{d}.{m}.{y}"))).collect();
        assert_eq!(found(&late), "%d.%m.%Y");
    }
}
