//! Regular grids of timestamps.

use super::civil::{Date, FIRST_DAY, LAST_DAY};
use super::stamp::{DAY, Stamp, civil, date};
use super::working::{Rules, Weekdays, WorkingDays};
use super::{Frequency, Run, Steps};

/// A regular grid of timestamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) frequency: Frequency,
    /// Day of the month of a monthly grid (in a shorter month, its last day; 31 for the ends of months); 0 for other grids.
    pub(crate) month_day: i64,
    /// For a grid that leaves out days or times of day.
    days: Option<Days>,
}

/// A grid whose rows are numbered by the day and within the day.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Days {
    working: WorkingDays,
    /// Time of day of the first row; `None` if a day has one row at any time of day.
    open: Option<i64>,
    /// Time between the rows of a day.
    step: i64,
    /// Parts of a day, between breaks: the time of the first row after that of the day, and the number of rows.
    parts: Vec<(i64, i64)>,
    /// Rows of a day.
    rows: i64,
}

impl Grid {
    /// The grid with this time step that contains `stamps`, if they are regular. Rules that cannot apply to the time step have no effect.
    pub(crate) fn of(frequency: Frequency, stamps: &Steps, rules: &Rules) -> Self {
        let mut grid = Self { frequency, month_day: 0, days: None };
        match frequency {
            Frequency::Months(_) => grid.month_day = month_day(stamps),
            Frequency::Business(_) => {
                let working = WorkingDays::new(rules.weekdays.unwrap_or(Weekdays::MON_FRI), &rules.holidays);
                grid.days = Some(Days { working, open: None, step: DAY, parts: vec![(0, 1)], rows: 1 });
            }
            Frequency::Time(step) if rules.is_trivial() || step.get() > DAY || (rules.session.is_none() && DAY % step.get() != 0) => {}
            Frequency::Time(step) => {
                let step = step.get();
                // Without a session, a working day has rows from its beginning to its end.
                let after = |from: i64, to: i64| (to - from).rem_euclid(DAY);
                let (open, parts) = match &rules.session {
                    Some(session) => {
                        let part = |&(from, to): &(i64, i64)| (after(session.open(), from), after(from, to) / step + 1);
                        (session.open(), session.parts().iter().map(part).collect())
                    }
                    None => (stamps.first().unwrap_or(0).rem_euclid(step), vec![(0, DAY / step)]),
                };
                let rows = parts.iter().map(|(_, rows)| rows).sum();
                let working = WorkingDays::new(rules.weekdays.unwrap_or(Weekdays::ALL), &rules.holidays);
                grid.days = Some(Days { working, open: Some(open), step, parts, rows });
            }
        }
        grid
    }

    /// The grid with this day of the month, if it is monthly: the one of an earlier file.
    pub(crate) fn with_month_day(mut self, day: i64) -> Self {
        if self.month_day > 0 {
            self.month_day = day.clamp(1, 31);
        }
        self
    }

    /// Whether a day has fewer rows than steps.
    pub(crate) fn has_session(&self) -> bool {
        self.days.as_ref().is_some_and(|days| days.rows > 1 && days.rows < DAY / days.step)
    }

    /// Rows per season, as [`Frequency::season`], but a day has only the rows of its session, and a week only its days with rows.
    pub(crate) fn season(&self) -> usize {
        match &self.days {
            Some(days) if days.rows > 1 => usize::try_from(days.rows).map_or(1, |rows| rows.min(self.frequency.season())),
            Some(days) => match (self.frequency, days.working.per_week()) {
                (Frequency::Business(step), week) if step.get() < week => usize::try_from(week / step.get()).unwrap_or(1),
                (Frequency::Business(step), week) => usize::try_from((52 * week / step.get()).max(1)).unwrap_or(1),
                (Frequency::Time(step), week) if step.get() == DAY => usize::try_from(week).unwrap_or(1),
                _ => self.frequency.season(),
            },
            None => self.frequency.season(),
        }
    }

    /// The timestamp `steps` steps after `stamp`, limited to the range of the calendar. From a timestamp that is not on the grid, steps are
    /// counted from the last one before it that is.
    pub(crate) fn advance(&self, stamp: Stamp, steps: i64) -> Stamp {
        match (self.frequency, &self.days) {
            (_, Some(days)) => days.at(stamp, days.row(stamp, stamp).saturating_add(steps.saturating_mul(self.stride()))),
            (Frequency::Months(count), _) => {
                let (date, time) = civil(stamp);
                let month = date.months().saturating_add(steps.saturating_mul(count.get()));
                Date::in_month(month, self.month_day).number() * DAY + time
            }
            (Frequency::Time(step) | Frequency::Business(step), None) => stamp.saturating_add(steps.saturating_mul(step.get())),
        }
    }

    /// Number of steps from one timestamp to another; `None` if they are not on the same grid.
    pub(crate) fn steps(&self, from: Stamp, to: Stamp) -> Option<i64> {
        let steps = match (self.frequency, &self.days) {
            (_, Some(days)) => (days.row(from, to) - days.row(from, from)).div_euclid(self.stride()),
            (Frequency::Months(count), _) => (date(to).months() - date(from).months()).div_euclid(count.get()),
            (Frequency::Time(step) | Frequency::Business(step), None) => to.checked_sub(from)?.div_euclid(step.get()),
        };
        (self.advance(from, steps) == to && self.advance(from, 0) == from).then_some(steps)
    }

    /// Whether each step of a run is one step of the grid. If not, some may still be.
    pub(crate) fn is_regular(&self, run: &Run) -> bool {
        let shortest = match self.frequency {
            Frequency::Time(step) => step.get(),
            Frequency::Business(days) => days.get().saturating_mul(DAY),
            Frequency::Months(_) => return false,
        };
        if run.step != shortest || self.days.is_none() {
            return run.step == shortest;
        }
        // If no step of the grid is shorter, not even that to the next day, as many steps in the same time are all of this length.
        if self.days.as_ref().is_some_and(Days::has_shorter_steps) {
            return false;
        }
        let times = i64::try_from(run.times).unwrap_or(i64::MAX);
        self.steps(run.start, run.start.saturating_add(run.step.saturating_mul(times))) == Some(times)
    }

    /// Rows of `days` in a step: several for steps of several working days.
    fn stride(&self) -> i64 {
        if let Frequency::Business(days) = self.frequency { days.get() } else { 1 }
    }
}

impl Days {
    /// The number of the last row at or before a timestamp. `anchor` is on the grid, and gives the time of day of grids without one.
    fn row(&self, anchor: Stamp, stamp: Stamp) -> i64 {
        let since = civil_clamped(stamp.saturating_sub(self.first(anchor)));
        let (day, time) = (since.div_euclid(DAY), since.rem_euclid(DAY));
        let before = self.working.before(day) * self.rows;
        if self.working.contains(day) { before + self.within(time) } else { before - 1 }
    }

    /// The timestamp of a row, limited to the range of the calendar.
    fn at(&self, anchor: Stamp, row: i64) -> Stamp {
        let row = row.clamp(self.working.before(FIRST_DAY) * self.rows, self.working.before(LAST_DAY + 1) * self.rows - 1);
        let day = self.working.day(row.div_euclid(self.rows));
        day * DAY + self.first(anchor) + self.since(row.rem_euclid(self.rows))
    }

    /// The number within its day of the last row at or before this time after the first one.
    fn within(&self, time: i64) -> i64 {
        let (mut row, mut before) = (0, 0);
        for &(begin, rows) in self.parts.iter().take_while(|(begin, _)| *begin <= time) {
            row = before + ((time - begin) / self.step).min(rows - 1);
            before += rows;
        }
        row
    }

    /// The time of a row of a day after the first one.
    fn since(&self, mut row: i64) -> i64 {
        for &(begin, rows) in &self.parts {
            if row < rows {
                return begin + row * self.step;
            }
            row -= rows;
        }
        0
    }

    /// Whether the step to the next part or to the next day can be shorter than those within.
    fn has_shorter_steps(&self) -> bool {
        let begins = self.parts.iter().skip(1).map(|(begin, _)| *begin).chain([DAY]);
        self.parts.iter().zip(begins).any(|(&(begin, rows), next)| next - begin < rows * self.step)
    }

    /// Time of day of the first row.
    fn first(&self, anchor: Stamp) -> i64 {
        self.open.unwrap_or_else(|| anchor.rem_euclid(DAY))
    }
}

/// A timestamp, limited to the range of the calendar.
fn civil_clamped(stamp: Stamp) -> Stamp {
    let (date, time) = civil(stamp);
    date.number() * DAY + time
}

/// The day of the month of a monthly grid with these timestamps. Timestamps that are all the last day of their month mean the ends of
/// months, also if no month of 31 days is among them; a single one may be there by chance.
fn month_day(stamps: &Steps) -> i64 {
    let (mut latest, mut ends, mut count) = (1, true, 0);
    for date in stamps.iter().map(date) {
        (latest, ends, count) = (latest.max(date.day), ends && date.ends_month(), count + 1);
    }
    if ends && count > 1 { 31 } else { latest }
}

/// `rows` timestamps at this time step, from `start` on.
pub(crate) fn grid_stamps(frequency: Frequency, start: Stamp, rows: usize) -> impl Iterator<Item = Stamp> {
    let grid = Grid::of(frequency, &std::iter::once(start).collect(), &Rules::default());
    (0..rows).map(move |row| grid.advance(start, i64::try_from(row).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{SECOND, format_stamp, parse_stamp};

    fn stamp(text: &str) -> Stamp {
        parse_stamp(text).unwrap()
    }

    fn column(texts: &[&str]) -> Steps {
        texts.iter().map(|text| stamp(text)).collect()
    }

    fn grid(frequency: &str, texts: &[&str], rules: &Rules) -> Grid {
        Grid::of(frequency.parse().unwrap(), &column(texts), rules)
    }

    /// The texts of consecutive rows; each is also found again.
    fn rows(grid: &Grid, start: &str, count: i64) -> Vec<String> {
        let start = stamp(start);
        let row = |k| {
            let stamp = grid.advance(start, k);
            assert_eq!(grid.steps(start, stamp), Some(k), "{}", format_stamp(stamp));
            assert_eq!(grid.advance(stamp, -k), start);
            format_stamp(stamp)[..16].trim_end_matches(" 00:00").to_owned()
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn days_have_24_hours_through_summer_time() {
        let grid = grid("1h", &[], &Rules::default());
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
        assert_eq!(frequency.to_string(), "1mo");
        let grid = Grid::of(frequency, &stamps, &Rules::default());
        for (k, &end) in ends.iter().enumerate() {
            let k = i64::try_from(k).unwrap();
            assert_eq!(grid.advance(ends[0], k), end);
            assert_eq!(grid.steps(ends[0], end), Some(k));
        }
        assert_eq!(grid.steps(ends[0], stamp("2024-03-30")), None);
        assert_eq!(grid.steps(stamp("2024-03-30"), ends[0]), None);
        assert_eq!(grid.steps(ends[0], stamp("2024-03-31 01:00")), None);
    }

    #[test]
    fn short_files_are_at_month_ends() {
        let quarters = grid("3mo", &["2024-06-30", "2024-09-30"], &Rules::default());
        assert_eq!(rows(&quarters, "2024-06-30", 4), ["2024-06-30", "2024-09-30", "2024-12-31", "2025-03-31"]);
        let single = grid("1mo", &["2024-06-30"], &Rules::default());
        assert_eq!((single.month_day, single.clone().with_month_day(31).month_day), (30, 31));
        assert_eq!(rows(&single.with_month_day(31), "2024-06-30", 2), ["2024-06-30", "2024-07-31"]);
        assert_eq!(grid("1d", &[], &Rules::default()).with_month_day(31).month_day, 0);
    }

    #[test]
    fn working_days_leave_out_weekends_and_holidays() {
        let good_friday = stamp("2024-03-29") / DAY;
        let rules = Rules { holidays: vec![good_friday], ..Rules::default() };
        let days = grid("B", &[], &rules);
        assert_eq!(rows(&days, "2024-03-27 17:00", 4), ["2024-03-27 17:00", "2024-03-28 17:00", "2024-04-01 17:00", "2024-04-02 17:00"]);
        assert_eq!(rows(&grid("2B", &[], &rules), "2024-03-27", 3), ["2024-03-27", "2024-04-01", "2024-04-03"]);
        let from = stamp("2024-03-27");
        for off in ["2024-03-29", "2024-03-30", "2024-03-28 01:00"] {
            assert_eq!((days.steps(from, stamp(off)), days.steps(stamp(off), from)), (None, None), "{off}");
        }
        assert_eq!(grid("2B", &[], &rules).steps(from, stamp("2024-03-28")), None);
        assert_eq!(days.advance(stamp("2024-03-30"), 1), stamp("2024-04-01"), "from a Saturday");
        let sunday = Rules { weekdays: Some("sun-thu".parse().unwrap()), ..Rules::default() };
        assert_eq!(rows(&grid("B", &[], &sunday), "2024-03-28", 2), ["2024-03-28", "2024-03-31"]);
        assert_eq!(rows(&grid("1d", &[], &sunday), "2024-03-28", 2), ["2024-03-28", "2024-03-31"]);
    }

    #[test]
    fn rows_go_on_after_a_break() {
        let rules =
            Rules { session: Some("09:30-11:30,13:00-15:00".parse().unwrap()), weekdays: Some(Weekdays::MON_FRI), holidays: vec![] };
        let bars = grid("30min", &[], &rules);
        let found = rows(&bars, "2024-03-01 11:00", 8);
        let expected = ["11:00", "11:30", "13:00", "13:30", "14:00", "14:30", "15:00"].map(|time| format!("2024-03-01 {time}"));
        assert_eq!(found[..7], expected);
        assert_eq!(found[7], "2024-03-04 09:30", "after the weekend");
        assert_eq!(bars.advance(stamp("2024-03-01 12:10"), 1), stamp("2024-03-01 13:00"), "in the break");
        assert_eq!((bars.season(), bars.has_session()), (10, true));
        let run = |start, times| Run { from: 0, start: stamp(start), step: 30 * 60 * SECOND, times };
        assert!(bars.is_regular(&run("2024-03-01 13:00", 4)) && !bars.is_regular(&run("2024-03-01 11:00", 3)));
        // A break that is shorter than a step.
        let short = Rules { session: Some("09:30-11:30,11:40-15:10".parse().unwrap()), ..Rules::default() };
        assert!(!grid("30min", &[], &short).is_regular(&run("2024-03-01 13:10", 2)), "its steps are looked at one by one");
    }

    #[test]
    fn sessions_continue_on_the_next_working_day() {
        let rules = Rules {
            weekdays: Some(Weekdays::MON_FRI),
            session: Some("09:30-15:55".parse().unwrap()),
            holidays: vec![stamp("2024-04-01") / DAY],
        };
        let bars = grid("5min", &[], &rules);
        assert_eq!(bars.season(), 78);
        assert_eq!(rows(&bars, "2024-03-29 15:50", 4), ["2024-03-29 15:50", "2024-03-29 15:55", "2024-04-02 09:30", "2024-04-02 09:35"]);
        let open = stamp("2024-03-29 09:30");
        assert_eq!(bars.steps(open, stamp("2024-04-03 09:30")), Some(156));
        for off in ["2024-03-29 09:32", "2024-03-29 16:00", "2024-03-30 10:00", "2024-04-01 10:00", "2024-04-02 09:25"] {
            assert_eq!(bars.steps(open, stamp(off)), None, "{off}");
        }
        assert_eq!(bars.advance(stamp("2024-03-29 20:00"), 1), stamp("2024-04-02 09:30"), "after the session");
        let overnight =
            Rules { weekdays: Some("sun-thu".parse().unwrap()), session: Some("18:00-16:00".parse().unwrap()), holidays: vec![] };
        let hours = grid("1h", &[], &overnight);
        assert_eq!(rows(&hours, "2024-03-29 15:00", 3), ["2024-03-29 15:00", "2024-03-29 16:00", "2024-03-31 18:00"]);
        let weekdays = Rules { weekdays: Some(Weekdays::MON_FRI), ..Rules::default() };
        let hours = grid("1h", &["2024-03-29 12:15"], &weekdays);
        assert_eq!(rows(&hours, "2024-03-29 22:15", 3), ["2024-03-29 22:15", "2024-03-29 23:15", "2024-04-01 00:15"]);
    }

    #[test]
    fn runs_are_regular_if_all_their_steps_are() {
        let rules = Rules { session: Some("09:30-15:55".parse().unwrap()), ..Rules::default() };
        let bars = grid("5min", &[], &rules);
        let run = |start: &str, step, times| Run { from: 0, start: stamp(start), step: step * SECOND, times };
        assert!(bars.is_regular(&run("2024-03-29 09:30", 300, 77)));
        assert!(!bars.is_regular(&run("2024-03-29 09:30", 300, 78)), "it leaves the session");
        assert!(!bars.is_regular(&run("2024-03-29 09:31", 300, 3)), "it is beside the grid");
        assert!(!bars.is_regular(&run("2024-03-29 09:30", 600, 3)));
        // From the last row of a day at 21:00 to the next midnight, it is less than a step.
        let rules = Rules { weekdays: Some("mon-sat".parse().unwrap()), session: Some("00:00-21:00".parse().unwrap()), ..Rules::default() };
        let uneven = grid("7h", &[], &rules);
        assert_eq!(rows(&uneven, "2024-03-29 14:00", 3), ["2024-03-29 14:00", "2024-03-29 21:00", "2024-03-30"]);
        let monday = run("2024-03-25 00:00", 7 * 3_600, 24);
        assert_eq!(uneven.steps(monday.start, monday.start + 7 * DAY), Some(24), "Sunday makes up for the short steps");
        assert!(!uneven.is_regular(&monday));
        let days = grid("B", &[], &Rules::default());
        assert!(days.is_regular(&run("2024-03-25", 86_400, 4)) && !days.is_regular(&run("2024-03-25", 86_400, 5)));
    }

    #[test]
    fn a_grid_ends_with_the_calendar() {
        let start = stamp("2024-01-31 12:00");
        let sessions = Rules { session: Some("09:30-12:00".parse().unwrap()), ..Rules::default() };
        for (frequency, rules, last) in [
            ("1h", &Rules::default(), "9999-12-31 23:59:59.999999"),
            ("1000000mo", &Rules::default(), "9999-12-31 12:00:00"),
            ("B", &Rules::default(), "9999-12-31 12:00:00"),
            ("30min", &sessions, "9999-12-31 12:00:00"),
        ] {
            let grid = grid(frequency, &["2024-01-31 12:00"], rules);
            assert_eq!(format_stamp(grid.advance(start, i64::MAX)), last, "{frequency}");
        }
    }
}
