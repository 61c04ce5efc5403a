//! How the grid of a column of timestamps is inferred.

use std::collections::BTreeMap;

use super::civil::weekday;
use super::stamp::{DAY, Stamp, date};
use super::working::{Rules, Session, Weekdays, WorkingDays};
use super::{Frequency, Grid, Steps};

/// Number of different steps that are counted. A regular column has few.
const DIFFERENT: usize = 10_000;

impl Frequency {
    /// The most frequent step between ascending timestamps. It is in calendar months if all timestamps are on a monthly grid. Repeated
    /// timestamps and steps backwards do not count.
    pub(crate) fn infer(stamps: &Steps) -> Option<Self> {
        let common = commonest(stamps.runs().map(|run| (run.step, run.times)))?;
        if common >= 28 * DAY {
            let pairs = || stamps.iter().zip(stamps.iter().skip(1));
            let month = |stamp| date(stamp).months();
            let months = commonest(pairs().map(|(from, to)| (month(to) - month(from), 1))).and_then(Self::months);
            if let Some(months) = months {
                let grid = Grid::of(months, stamps, &Rules::default());
                if pairs().all(|(from, to)| from == to || grid.steps(from, to).is_some()) {
                    return Some(months);
                }
            }
        }
        Self::time(common)
    }
}

/// The most frequent positive number; the smallest one if several are equally frequent. Each item is (number, number of occurrences).
fn commonest(numbers: impl Iterator<Item = (i64, usize)>) -> Option<i64> {
    let counts = counted(numbers.filter(|(number, _)| *number > 0));
    counts.into_iter().max_by_key(|&(number, count)| (count, std::cmp::Reverse(number))).map(|(number, _)| number)
}

/// How often each value occurs. Values that are new after many different ones are left out, which bounds the memory.
fn counted<T: Ord>(values: impl Iterator<Item = (T, usize)>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for (value, times) in values {
        if counts.len() < DIFFERENT || counts.contains_key(&value) {
            *counts.entry(value).or_insert(0) += times;
        }
    }
    counts
}

/// The grid that a column of timestamps suggests, and what remains irregular.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Suggestion {
    pub(crate) frequency: Frequency,
    /// Working days and session, if they make the column more regular.
    pub(crate) rules: Rules,
    /// Number of gaps on this grid.
    pub(crate) gaps: usize,
    /// Missing rows of the longest gap.
    pub(crate) longest: i64,
    /// Missing rows, as a share of the rows without gaps.
    pub(crate) share: f64,
    /// Number of timestamps that are not on the grid of the one before.
    pub(crate) irregular: usize,
}

impl Grid {
    /// The grid that ascending timestamps suggest; `None` if there are fewer than two.
    pub(crate) fn suggest(stamps: &Steps) -> Option<Suggestion> {
        let plain = suggestion(Frequency::infer(stamps)?, Rules::default(), stamps);
        let Frequency::Time(step) = plain.frequency else { return Some(plain) };
        let better = match step.get() {
            DAY => working_days(stamps),
            step if step < DAY => sessions(stamps, step),
            _ => None,
        };
        // Rules must explain most of the gaps, and may not put rows beside the grid.
        Some(better.filter(|better| better.irregular <= plain.irregular && better.share < plain.share / 2.0).unwrap_or(plain))
    }
}

fn suggestion(frequency: Frequency, rules: Rules, stamps: &Steps) -> Suggestion {
    let grid = Grid::of(frequency, stamps, &rules);
    let (mut gaps, mut longest, mut missing, mut irregular, mut rows) = (0, 0, 0_i64, 0, 1_i64);
    for run in stamps.runs().filter(|run| run.step > 0) {
        rows = rows.saturating_add(i64::try_from(run.times).unwrap_or(i64::MAX));
        if grid.is_regular(&run) {
            continue;
        }
        for (before, stamp) in run.pairs() {
            match grid.steps(before, stamp) {
                None => irregular += 1,
                Some(1) => {}
                Some(steps) => {
                    gaps += 1;
                    longest = longest.max(steps - 1);
                    missing = missing.saturating_add(steps - 1);
                }
            }
        }
    }
    let share = missing as f64 / rows.saturating_add(missing) as f64;
    Suggestion { frequency, rules, gaps, longest, share, irregular }
}

/// Daily rows, if some days of the week never have one.
fn working_days(stamps: &Steps) -> Option<Suggestion> {
    let rules = day_rules(stamps, 0)?;
    let weekdays = rules.weekdays.filter(|days| *days != Weekdays::ALL)?;
    let rules = Rules { weekdays: Some(weekdays).filter(|days| *days != Weekdays::MON_FRI), ..rules };
    Some(suggestion(Frequency::business(1)?, rules, stamps))
}

/// Rows that end and begin again at the same times of day.
fn sessions(stamps: &Steps, step: i64) -> Option<Suggestion> {
    let gaps = || stamps.runs().filter(|run| run.step > step).flat_map(|run| run.pairs());
    let time = |stamp: Stamp| stamp.rem_euclid(DAY);
    let pairs = counted(gaps().map(|(before, after)| ((time(before), time(after)), 1)));
    let total: usize = pairs.values().sum();
    let mut pairs: Vec<_> = pairs.into_iter().filter(|&(_, count)| count >= 3).collect();
    pairs.sort_by_key(|&(pair, count)| (std::cmp::Reverse(count), pair));
    let most = pairs.first()?.1;
    // Gaps that repeat on most days: the night, and breaks of the day.
    let daily = pairs.iter().take_while(|(_, count)| count * 2 > most).count();
    let of_pairs = |pairs: &[((i64, i64), usize)]| {
        if pairs.iter().map(|(_, count)| count).sum::<usize>() * 2 < total {
            return None;
        }
        let session = session_between(pairs.iter().map(|(pair, _)| *pair).collect())?;
        let rules = day_rules(stamps, session.open())?;
        let weekdays = rules.weekdays.filter(|days| *days != Weekdays::ALL);
        Some(suggestion(Frequency::time(step)?, Rules { session: Some(session), weekdays, ..rules }, stamps))
    };
    let (night, breaks) = (of_pairs(&pairs[..1]), if daily > 1 { of_pairs(&pairs[..daily]) } else { None });
    let better = |night: &Suggestion, breaks: &Suggestion| breaks.irregular <= night.irregular && breaks.share < night.share;
    match (night, breaks) {
        (Some(night), Some(breaks)) => Some(if better(&night, &breaks) { breaks } else { night }),
        (night, breaks) => night.or(breaks),
    }
}

/// The session whose parts are separated by these gaps: the times of day of the last row before and of the first row after each. The
/// longest gap is the night.
fn session_between(mut gaps: Vec<(i64, i64)>) -> Option<Session> {
    gaps.sort_by_key(|&(_, open)| open);
    let night = (0..gaps.len()).max_by_key(|&k| (gaps[k].1 - gaps[k].0).rem_euclid(DAY))?;
    gaps.rotate_left(night);
    let closes = gaps.iter().skip(1).chain(gaps.first()).map(|(close, _)| *close);
    let parts: Vec<(i64, i64)> = gaps.iter().map(|(_, open)| *open).zip(closes).collect();
    Session::of_parts(&parts)
}

/// The days of the week that have rows, and the days without rows among them if they are few. A day begins at the time `open`. `None` for
/// less than two weeks, in which a day of the week may be missing by chance.
fn day_rules(stamps: &Steps, open: i64) -> Option<Rules> {
    let day = |stamp: Stamp| stamp.saturating_sub(open).div_euclid(DAY);
    let (first, last) = (day(stamps.first()?), day(stamps.last()?));
    if last - first < 13 {
        return None;
    }
    let mut mask = 0_u8;
    let mut seen = Steps::default();
    for run in stamps.runs() {
        // A run of short steps is the same day many times.
        for (before, stamp) in run.pairs() {
            for day in [day(before), day(stamp)] {
                if seen.last().is_none_or(|last| last < day) {
                    mask |= 1 << weekday(day);
                    seen.push(day);
                }
            }
        }
    }
    let weekdays = Weekdays::of_mask(mask)?;
    let all = WorkingDays::new(weekdays, &[]);
    let expected = all.before(last + 1) - all.before(first);
    let missing = expected - i64::try_from(seen.len()).unwrap_or(i64::MAX);
    let mut holidays = vec![];
    if missing.saturating_mul(100) <= expected.saturating_mul(3) {
        let between = |(before, after): (i64, i64)| (before + 1..after).filter(|day| all.contains(*day));
        holidays = seen.runs().filter(|run| run.step > 1).flat_map(|run| run.pairs()).flat_map(between).collect();
    }
    Some(Rules { weekdays: Some(weekdays), holidays, session: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{SECOND, parse_stamp};

    fn stamp(text: &str) -> Stamp {
        parse_stamp(text).unwrap()
    }

    fn infer(texts: &[&str]) -> Option<String> {
        Frequency::infer(&texts.iter().map(|text| stamp(text)).collect()).map(|frequency| frequency.to_string())
    }

    /// Rows at these times of day, on the days of a range that are wanted.
    fn rows(days: std::ops::Range<&str>, wanted: impl Fn(i64) -> bool, first: &str, last: &str, step: i64) -> Steps {
        let time = |text: &str| stamp(&format!("1970-01-01 {text}"));
        let days = (stamp(days.start) / DAY..stamp(days.end) / DAY).filter(|day| wanted(*day));
        let times: Vec<Stamp> = (time(first)..=time(last)).step_by(usize::try_from(step * SECOND).unwrap()).collect();
        days.flat_map(|day| times.iter().map(move |time| day * DAY + time)).collect()
    }

    fn is_weekday(day: i64) -> bool {
        weekday(day) < 5
    }

    #[test]
    fn frequencies_are_inferred() {
        for (texts, frequency) in [
            (&["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"][..], "1mo"),
            (&["2020-01-01", "2020-04-01", "2020-07-01"][..], "3mo"),
            (&["2020-01-01", "2020-04-01"][..], "3mo"),
            (&["2020-06-30", "2020-09-30"][..], "3mo"),
            (&["2020-06-30", "2020-09-30", "2020-12-31", "2021-03-31"][..], "3mo"),
            (&["2019-01-01", "2020-01-01", "2021-01-01"][..], "1y"),
            (&["2020-01-01", "2021-01-01"][..], "1y"),
            (&["2021-02-01", "2021-03-01"][..], "1mo"),
            (&["2020-01-06", "2020-01-13", "2020-01-27", "2020-02-03"][..], "1w"),
            (&["2020-01-05", "2020-01-12"][..], "1w"),
            (&["2020-01-06 00:00", "2020-01-06 00:15", "2020-01-06 00:30"][..], "15min"),
            (&["2020-01-01", "2020-01-29", "2020-02-26"][..], "4w"),
            (&["2020-01-01 00:00:00.1", "2020-01-01 00:00:00.2"][..], "100ms"),
            (&["2020-01-01", "2020-01-01", "2020-01-01", "2020-01-02"][..], "1d"),
            (&["2020-01-01", "2020-02-01", "2020-02-01", "2020-03-01"][..], "1mo"),
            (&["2020-01-02", "2020-01-01", "2020-01-01 01:00"][..], "1h"),
        ] {
            assert_eq!(infer(texts).as_deref(), Some(frequency), "{texts:?}");
        }
        for texts in [&[][..], &["2020-01-01"], &["2020-01-01", "2020-01-01"], &["2020-01-02", "2020-01-01"]] {
            assert_eq!(infer(texts), None, "{texts:?}");
        }
    }

    #[test]
    fn daily_rows_without_weekends_are_working_days() {
        let holidays = [stamp("2024-03-29") / DAY, stamp("2024-04-01") / DAY];
        let days = rows("2024-01-01".."2024-07-01", |day| is_weekday(day) && !holidays.contains(&day), "17:00", "17:00", 1);
        let found = Grid::suggest(&days).unwrap();
        let rules = Rules { holidays: holidays.to_vec(), ..Rules::default() };
        assert_eq!(found, Suggestion { frequency: Frequency::business(1).unwrap(), rules, gaps: 0, longest: 0, share: 0.0, irregular: 0 });
        let sundays = rows("2024-01-01".."2024-03-01", |day| weekday(day) < 4 || weekday(day) == 6, "00:00", "00:00", 1);
        let found = Grid::suggest(&sundays).unwrap();
        assert_eq!((found.frequency.to_string(), found.rules.weekdays.unwrap().to_string()), ("B".into(), "mon,tue,wed,thu,sun".into()));
        let week = rows("2024-01-01".."2024-01-08", is_weekday, "00:00", "00:00", 1);
        assert_eq!(Grid::suggest(&week).unwrap().frequency, Frequency::DAY, "a weekend may be missing by chance");
    }

    #[test]
    fn gaps_that_are_no_rule_are_described() {
        let gap = stamp("2024-02-01") / DAY..stamp("2024-02-11") / DAY;
        let days = rows("2024-01-01".."2024-04-10", |day| !gap.contains(&day), "00:00", "00:00", 1);
        let found = Grid::suggest(&days).unwrap();
        assert_eq!((found.frequency, found.gaps, found.longest, found.irregular), (Frequency::DAY, 1, 10, 0));
        assert!(found.rules.is_trivial() && (found.share - 0.1).abs() < 1e-9, "{found:?}");
        let mut many: Vec<Stamp> = days.iter().collect();
        many.push(stamp("2024-04-10 05:00"));
        assert_eq!(Grid::suggest(&many.into_iter().collect()).unwrap().irregular, 1);
    }

    #[test]
    fn gaps_at_the_same_time_of_day_are_sessions() {
        let holiday = stamp("2024-03-29") / DAY;
        let bars = rows("2024-01-01".."2024-07-01", |day| is_weekday(day) && day != holiday, "09:30", "15:55", 300);
        let found = Grid::suggest(&bars).unwrap();
        let rules = Rules { weekdays: Some(Weekdays::MON_FRI), holidays: vec![holiday], session: Some("09:30-15:55".parse().unwrap()) };
        let five_minutes = "5min".parse().unwrap();
        assert_eq!(found, Suggestion { frequency: five_minutes, rules, gaps: 0, longest: 0, share: 0.0, irregular: 0 });
        // A day that ends early is a gap.
        let early = bars.iter().filter(|bar| !(stamp("2024-03-01 12:00")..stamp("2024-03-02")).contains(bar)).collect();
        let found = Grid::suggest(&early).unwrap();
        assert_eq!((found.gaps, found.longest, found.irregular), (1, 48, 0));
        assert!(found.rules.session.is_some());

        let every_day = rows("2024-01-01".."2024-02-01", |_| true, "06:00", "22:00", 3_600);
        let found = Grid::suggest(&every_day).unwrap();
        assert_eq!((found.rules.session.unwrap().to_string(), found.rules.weekdays, found.gaps), ("06:00-22:00".into(), None, 0));
        let weekdays = rows("2024-01-01".."2024-03-01", is_weekday, "00:00", "23:00", 3_600);
        let found = Grid::suggest(&weekdays).unwrap();
        assert_eq!(
            (found.rules.session.unwrap().to_string(), found.rules.weekdays, found.gaps),
            ("00:00-23:00".into(), Some(Weekdays::MON_FRI), 0)
        );
    }

    #[test]
    fn gaps_that_repeat_every_day_are_breaks() {
        let parts = |parts: &[(&str, &str)]| {
            let mut all: Vec<Stamp> = parts
                .iter()
                .flat_map(|(open, close)| rows("2024-01-01".."2024-02-05", is_weekday, open, close, 60).iter().collect::<Vec<_>>())
                .collect();
            all.sort_unstable();
            all.into_iter().collect::<Steps>()
        };
        for session in ["09:30-11:30,13:00-15:00", "09:00-10:15,10:30-11:30,13:30-15:00"] {
            let times: Vec<(&str, &str)> = session.split(',').filter_map(|part| part.split_once('-')).collect();
            let found = Grid::suggest(&parts(&times)).unwrap();
            assert_eq!((found.rules.session.unwrap().to_string().as_str(), found.gaps, found.irregular), (session, 0, 0));
            assert_eq!((found.rules.weekdays, found.frequency.to_string().as_str()), (Some(Weekdays::MON_FRI), "1min"));
        }
        // A break on a few days only is a gap.
        let seldom = parts(&[("09:30", "15:00")])
            .iter()
            .filter(|bar| bar.rem_euclid(7 * DAY) > DAY || !(11..13).contains(&(bar.rem_euclid(DAY) / SECOND / 3_600)))
            .collect();
        let found = Grid::suggest(&seldom).unwrap();
        assert_eq!((found.rules.session.unwrap().to_string().as_str(), found.longest), ("09:30-15:00", 120));
    }

    #[test]
    fn sessions_may_pass_midnight() {
        let week = |day: i64| (day + 4).rem_euclid(7) < 5; // Sunday to Thursday
        let nights = rows("2024-01-01".."2024-03-01", week, "00:00", "22:00", 3_600);
        let shifted: Steps = nights.iter().map(|night| night + 18 * 3_600 * SECOND).collect();
        let found = Grid::suggest(&shifted).unwrap();
        assert_eq!(found.rules.session.unwrap().to_string(), "18:00-16:00");
        assert_eq!((found.rules.weekdays.unwrap(), found.gaps, found.irregular), ("sun-thu".parse().unwrap(), 0, 0));
    }

    #[test]
    fn irregular_columns_take_bounded_memory() {
        let squares: Steps = (1..30_000_i64).map(|k| k * k).collect();
        assert!(Frequency::infer(&squares).is_some());
        assert_eq!(counted((0..30_000).map(|k| (k, 1))).len(), DIFFERENT);
    }
}
