//! The timestamps of a file: their format, their zone, and the clock on which the rows are counted.

use csv::ByteRecord;

use super::error::{DataError, shortened};
use super::facts::TimeFacts;
use super::layout::Field;
use crate::calendar::{DAY, Frequency, Local, Moment, Stamp, Steps, TimeFormat, Zone, format_stamp, parse_moment};
use crate::config::{ConfigError, DataSettings};

/// Maximum number of skipped rows that the notes list one by one.
const SKIPPED_NAMED: usize = 3;

/// One timestamp of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The instant in UTC if the zone is known, otherwise the local time.
    at: Stamp,
    /// The local time.
    wall: Stamp,
    /// Whether the two can differ.
    zoned: bool,
}

#[cfg(feature = "native")]
impl Reading {
    /// The instant in UTC if the zone is known, otherwise the local time.
    pub(super) fn at(self) -> Stamp {
        self.at
    }
}

/// Timestamps in the order of the rows.
#[derive(Debug, Default)]
pub(super) struct Moments {
    at: Steps,
    /// Empty if the timestamps have no zone.
    wall: Steps,
}

impl Moments {
    pub(super) fn push(&mut self, reading: Reading) {
        self.at.push(reading.at);
        if reading.zoned {
            self.wall.push(reading.wall);
        }
    }

    pub(super) fn last(&self) -> Option<Stamp> {
        self.at.last()
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// The timestamps in reverse order.
    pub(super) fn reversed(&self) -> Self {
        Self { at: self.at.reversed(), wall: self.wall.reversed() }
    }

    /// The local times, or the instants.
    pub(super) fn stamps(&self, local: bool) -> &Steps {
        if local && self.wall.len() > 0 { &self.wall } else { &self.at }
    }
}

/// How the timestamps of a dataset are counted and written.
#[derive(Debug, Clone, Default)]
pub(super) struct TimeScale {
    /// The zone of the timestamps; `None` if they have none.
    pub(super) zone: Option<Zone>,
    /// Whether rows are counted in local time (days, months, sessions) instead of instants.
    pub(super) local: bool,
    /// Whether the timestamps of the file have an offset.
    pub(super) marked: bool,
    pub(super) notes: Vec<String>,
}

/// Reads timestamps.
pub(super) struct Clock {
    fields: Vec<Field>,
    label: String,
    format: Option<TimeFormat>,
    zone: Option<Zone>,
    /// Whether local time is given by data.frequency, data.weekdays or data.session.
    local: Option<bool>,
    /// Whether the timestamps of the run have an offset, where this matters.
    known_marked: Option<bool>,
    skip: Vec<String>,
    /// The first timestamp: whether it has an offset, its text and its line.
    first: Option<(bool, String, u64)>,
    /// The first local time that the zone skips.
    gap: Option<DataError>,
    /// The first local time that occurs twice in the zone, and how it was taken.
    twice: Option<String>,
    skipped: Vec<u64>,
    skipped_rows: usize,
}

impl Clock {
    /// `known` are the facts of the run for which the file is read.
    pub(super) fn new(settings: &DataSettings, fields: &[Field], known: Option<&TimeFacts>) -> Result<Self, DataError> {
        let format = settings.time_format.as_deref().map(TimeFormat::parse).transpose();
        let zone = settings.timezone.as_deref().map(Zone::open).transpose();
        let invalid = |key, text: &Option<String>, hint: String| {
            DataError::Config(ConfigError::invalid(key, format!("\"{}\" cannot be used", text.as_deref().unwrap_or_default()), hint))
        };
        let weekly = settings.weekdays.is_some() || settings.session.is_some() || !settings.holidays.is_empty();
        Ok(Self {
            label: settings.time.as_ref().map(crate::config::TimeColumns::label).unwrap_or_default(),
            fields: fields.to_vec(),
            format: format.map_err(|hint| invalid("data.time_format", &settings.time_format, hint))?,
            zone: zone.map_err(|hint| invalid("data.timezone", &settings.timezone, hint))?,
            local: match known {
                Some(known) => Some(known.local),
                None if weekly => Some(true),
                None => settings.frequency.map(Frequency::is_whole_days),
            },
            known_marked: known.filter(|_| settings.timezone.is_none()).map(|known| known.marked),
            skip: settings.skip_rows.clone(),
            first: None,
            gap: None,
            twice: None,
            skipped: vec![],
            skipped_rows: 0,
        })
    }

    /// The text of the timestamp in a row of a table with `width` columns; `None` if the row is to be skipped.
    pub(super) fn text(&mut self, record: &ByteRecord, line: u64, width: usize) -> Option<String> {
        let mut text = String::new();
        for (k, field) in self.fields.iter().enumerate() {
            if k > 0 {
                text.push(' ');
            }
            text += String::from_utf8_lossy(record.get(field.index).unwrap_or_default()).trim();
        }
        // The last columns of a line below the table may be empty.
        text.truncate(text.trim_end().len());
        // A line below the table may have fewer fields, and its text in the first one.
        let first = || String::from_utf8_lossy(record.get(0).unwrap_or_default()).trim().to_owned();
        let short = (record.len() != width).then(first);
        let is = |skip: &String| skip.trim() == text.trim() || short.as_deref() == Some(skip.trim());
        if self.skip.iter().any(is) {
            self.skipped_rows += 1;
            if self.skipped.len() < SKIPPED_NAMED {
                self.skipped.push(line);
            }
            return None;
        }
        Some(text)
    }

    /// The timestamp in a text. `previous` is the instant of the previous row.
    pub(super) fn read(&mut self, text: &str, line: u64, previous: Option<Stamp>) -> Result<Reading, DataError> {
        let read = self.format.as_ref().map_or_else(|| parse_moment(text), |format| format.read(text));
        let moment = read.map_err(|advice| DataError::Stamp { line, column: self.label.clone(), text: shortened(text), advice })?;
        let marked = moment.offset.is_some();
        match &self.first {
            Some((first, _, _)) if *first == marked => {}
            Some((first, other, other_line)) => {
                return Err(DataError::MixedOffsets {
                    line,
                    text: shortened(text),
                    previous: *other_line,
                    other: other.clone(),
                    with: if *first { *other_line } else { line },
                });
            }
            None => self.first = Some((marked, shortened(text), line)),
        }
        Ok(match (&self.zone, marked) {
            (None, false) => Reading { at: moment.wall, wall: moment.wall, zoned: false },
            (None, true) => Reading { at: moment.instant(), wall: moment.wall, zoned: true },
            (Some(zone), true) => Reading { at: moment.instant(), wall: zone.day_time(moment.instant()), zoned: true },
            (Some(_), false) => self.local_time(moment, text, line, previous),
        })
    }

    /// The instant of a local time of the zone.
    fn local_time(&mut self, moment: Moment, text: &str, line: u64, previous: Option<Stamp>) -> Reading {
        let Some(zone) = &self.zone else { return Reading { at: moment.wall, wall: moment.wall, zoned: false } };
        let mut wall = moment.wall;
        let at = match zone.instant_of(moment.wall) {
            Local::One(at) => {
                wall = zone.day_time(at);
                at
            }
            Local::Two(earlier, later) => {
                // In ascending rows, the second occurrence follows the first one.
                let second = previous.is_some_and(|previous| previous >= earlier);
                let (which, at) = if second { ("second", later) } else { ("first", earlier) };
                self.twice.get_or_insert_with(|| {
                    format!("line {line}: {} exists twice in {}; it is taken as the {which} one", shortened(text), zone.name())
                });
                at
            }
            Local::Gap { .. } => {
                self.gap.get_or_insert_with(|| DataError::NoSuchTime { line, text: shortened(text), zone: zone.name().to_owned() });
                zone.first_instant_of(moment.wall)
            }
        };
        Reading { at, wall, zoned: true }
    }

    /// The error about a local time that does not exist, if there is one: such a time can seem to repeat another one.
    pub(super) fn gap(&mut self) -> Option<DataError> {
        self.gap.take()
    }

    /// Whether these timestamps are counted in local days: all have the same time of day, or the config says so.
    pub(super) fn by_local_days(&self, moments: &Moments) -> bool {
        let stamps = moments.stamps(true);
        self.local.unwrap_or_else(|| stamps.len() > 1 && stamps.runs().all(|run| run.step % DAY == 0))
    }

    /// The time scale of the rows that were read.
    pub(super) fn finish(self, local: bool) -> Result<TimeScale, DataError> {
        let marked = self.first.as_ref().is_some_and(|(marked, ..)| *marked);
        if let Some(gap) = self.gap.filter(|_| !local) {
            return Err(gap);
        }
        if let Some(known) = self.known_marked.filter(|known| *known != marked && self.first.is_some()) {
            let word = |marked| if marked { "an offset" } else { "no offset" };
            return Err(DataError::OtherOffsets { found: word(marked), trained: word(known) });
        }
        let mut notes = vec![];
        if self.skipped_rows > 0 {
            let lines: Vec<String> = self.skipped.iter().map(u64::to_string).collect();
            let more = if self.skipped_rows > self.skipped.len() { ", .." } else { "" };
            notes.push(format!("{} rows are skipped (data.skip_rows): line {}{more}", self.skipped_rows, lines.join(", ")));
        }
        let zone = match self.zone {
            Some(zone) => Some(zone),
            None if marked && !local => {
                notes.push(
                    "the timestamps have an offset and are converted to UTC; set data.timezone, such as \"Europe/Berlin\", for local hours"
                        .into(),
                );
                Some(Zone::utc())
            }
            None => None,
        };
        if marked && local {
            notes.push("the local dates of the timestamps are used, without their offsets".into());
        }
        notes.extend(self.twice.filter(|_| !local));
        Ok(TimeScale { zone, local, marked, notes })
    }
}

impl TimeScale {
    /// The local time of a row's timestamp.
    pub(super) fn to_local(&self, stamp: Stamp) -> Stamp {
        match &self.zone {
            Some(zone) if !self.local => zone.to_local(stamp),
            _ => stamp,
        }
    }

    /// The row's timestamp as text, marked with the offset if the zone is known. In steps of whole days, it is only the date.
    pub(super) fn format(&self, stamp: Stamp, whole_days: bool) -> String {
        match &self.zone {
            Some(zone) if !self.local => zone.format(stamp),
            _ if whole_days && stamp.rem_euclid(DAY) == 0 => crate::calendar::format_date(stamp),
            Some(zone) if !whole_days => zone.format(zone.first_instant_of(stamp)),
            _ => format_stamp(stamp),
        }
    }

    /// The timestamp on this scale of a time in a config: local time, or an instant if it has an offset.
    pub(super) fn stamp_of(&self, moment: Moment) -> Stamp {
        match (&self.zone, moment.offset) {
            (Some(zone), Some(_)) if self.local => zone.to_local(moment.instant()),
            (Some(_), Some(_)) => moment.instant(),
            (Some(zone), None) if !self.local => zone.first_instant_of(moment.wall),
            _ => moment.wall,
        }
    }
}
