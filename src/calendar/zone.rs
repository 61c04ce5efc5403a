//! Time zones: the local time of an instant, and the instants of a local time.
//!
//! A zone is a name and a table of the instants at which its offset from UTC changes. Natively the table is made from the system's or the
//! bundled database, in the page from the browser's: the page contains neither time zone data nor code that reads them.

#[cfg_attr(feature = "native", path = "zone/native.rs")]
#[cfg_attr(all(not(feature = "native"), feature = "web", target_arch = "wasm32"), path = "zone/browser.rs")]
#[cfg_attr(not(any(feature = "native", all(feature = "web", target_arch = "wasm32"))), path = "zone/absent.rs")]
mod database;

use super::moment::Cursor;
use super::stamp::{DAY, SECOND, Stamp, format_stamp};

/// The range of the tables: from 1900 to 2100.
#[cfg(any(feature = "native", all(feature = "web", target_arch = "wasm32")))]
const FROM: Stamp = -25_567 * DAY;
#[cfg(any(feature = "native", all(feature = "web", target_arch = "wasm32")))]
const TO: Stamp = 47_482 * DAY;

/// A time zone. Before 1900 it has the offset of 1900, and after 2099 its last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    /// Seconds east of UTC before the first change.
    first: i32,
    /// Instants at which the offset changes, ascending, with the offset from then on.
    changes: Vec<(Stamp, i32)>,
}

/// The instants of a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    /// There is one.
    One(Stamp),
    /// There is none, because clocks are put forward over it.
    Gap {
        /// Seconds east of UTC before.
        before_offset: i32,
        /// Seconds east of UTC after.
        after_offset: i32,
    },
    /// There are two, because clocks are put back over it: the earlier and the later one.
    Two(Stamp, Stamp),
}

impl Zone {
    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self::fixed("UTC", 0)
    }

    fn fixed(name: &str, offset: i32) -> Self {
        Self { name: name.into(), first: offset, changes: vec![] }
    }

    /// The zone of a name such as `Europe/Berlin`, `UTC` or `+02:00`.
    ///
    /// # Errors
    /// If there is no such zone.
    pub fn open(name: &str) -> Result<Self, String> {
        let name = name.trim();
        let mut cursor = Cursor(name.as_bytes());
        match cursor.zone() {
            Some(0) if cursor.is_done() && !name.contains(['+', '-']) => Ok(Self::utc()),
            Some(offset) if cursor.is_done() => Ok(Self::fixed(name, offset)),
            _ => database::open(name),
        }
    }

    /// A zone from its offset at each instant that matters: the first one, and each one at which the offset may change.
    #[cfg(any(feature = "native", all(feature = "web", target_arch = "wasm32")))]
    fn of_changes(name: &str, first: i32, offsets: impl Iterator<Item = (Stamp, i32)>) -> Self {
        let mut zone = Self::fixed(name, first);
        for (instant, offset) in offsets {
            if zone.changes.last().map_or(first, |last| last.1) != offset {
                zone.changes.push((instant, offset));
            }
        }
        zone
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the offset is always 0.
    #[must_use]
    pub fn is_utc(&self) -> bool {
        self.first == 0 && self.changes.is_empty()
    }

    /// Whether the offset never changes.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.changes.is_empty()
    }

    /// An instant for a local time that may not exist: the one with the offset before the clocks are put forward.
    #[must_use]
    pub fn first_instant_of(&self, wall: Stamp) -> Stamp {
        match self.instant_of(wall) {
            Local::One(at) | Local::Two(at, _) => at,
            Local::Gap { before_offset, .. } => shifted(wall, -before_offset),
        }
    }

    /// Number of changes up to an instant.
    fn passed(&self, instant: Stamp) -> usize {
        self.changes.partition_point(|change| change.0 <= instant)
    }

    /// The offset after this number of changes.
    fn offset_after(&self, passed: usize) -> i32 {
        passed.checked_sub(1).and_then(|last| self.changes.get(last)).map_or(self.first, |change| change.1)
    }

    /// Seconds east of UTC at an instant.
    #[must_use]
    pub fn offset_at(&self, instant: Stamp) -> i32 {
        self.offset_after(self.passed(instant))
    }

    /// The local time of an instant.
    #[must_use]
    pub fn to_local(&self, instant: Stamp) -> Stamp {
        shifted(instant, self.offset_at(instant))
    }

    /// The local time by which a row of days counts: midnight if the instant is the first one of a day whose midnight the clocks skip.
    #[must_use]
    pub fn day_time(&self, instant: Stamp) -> Stamp {
        let wall = self.to_local(instant);
        let midnight = wall - wall.rem_euclid(DAY);
        let begins = wall != midnight && wall - midnight <= DAY / 8 && self.first_instant_of(midnight) == instant;
        if begins && matches!(self.instant_of(midnight), Local::Gap { .. }) { midnight } else { wall }
    }

    /// The instants of a local time.
    #[must_use]
    pub fn instant_of(&self, wall: Stamp) -> Local {
        // No offset is a whole day or more.
        let possible = self.passed(wall.saturating_sub(DAY))..=self.passed(wall.saturating_add(DAY));
        let mut found = None;
        for passed in possible.clone() {
            let instant = shifted(wall, -self.offset_after(passed));
            if self.passed(instant) == passed {
                match found {
                    None => found = Some(instant),
                    Some(earlier) => return Local::Two(earlier, instant),
                }
            }
        }
        if let Some(instant) = found {
            return Local::One(instant);
        }
        // The clock jumps over it: an offset is too late for it, the next one too early.
        let (start, end) = possible.into_inner();
        let jump = (start..end).find(|passed| {
            let change = self.changes[*passed].0;
            shifted(change, self.offset_after(*passed)) <= wall && wall < shifted(change, self.offset_after(passed + 1))
        });
        let passed = jump.unwrap_or(start);
        Local::Gap { before_offset: self.offset_after(passed), after_offset: self.offset_after(passed + 1) }
    }

    /// The local time of an instant with its offset, such as `2021-06-03 12:00:00+02:00`, or `2021-06-03 10:00:00Z` in UTC.
    #[must_use]
    pub fn format(&self, instant: Stamp) -> String {
        let local = format_stamp(self.to_local(instant));
        if self.is_utc() { local + "Z" } else { local + &format_offset(self.offset_at(instant)) }
    }
}

/// A timestamp this many seconds later.
fn shifted(stamp: Stamp, seconds: i32) -> Stamp {
    stamp.saturating_add(i64::from(seconds) * SECOND)
}

/// Formats an offset as `+02:00`, with seconds if it has some.
fn format_offset(offset: i32) -> String {
    let (sign, seconds) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
    let minutes = format!("{sign}{:02}:{:02}", seconds / 3_600, seconds / 60 % 60);
    if seconds % 60 == 0 { minutes } else { format!("{minutes}:{:02}", seconds % 60) }
}

#[cfg(all(test, feature = "native"))]
#[path = "zone/tests.rs"]
mod tests;
