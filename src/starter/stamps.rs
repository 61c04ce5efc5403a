//! The timestamps of a table: rows without one, long tables, working days, sessions and gaps.

use super::column::{Column, Odd};
use super::{Sketch, Skip, Table, keys, refusal, sizes, time_text};
use crate::calendar::{Frequency, Grid, Local, Moment, Stamp, Steps, Suggestion, TimeFormat, Zone, parse_moment};
use crate::data::DataError;

/// Unreadable timestamps that may be skipped, and their greatest share of the rows.
pub(super) const MOST_SKIPPED: usize = 3;
const SKIPPED_SHARE: usize = 20;

/// Reads the timestamps: finds rows without one, a long table, and working days.
pub(super) fn read<T: Table + ?Sized>(table: &T, sketch: &mut Sketch) -> Result<(), DataError> {
    let Some(choice) = &sketch.time else { return Ok(()) };
    let format = choice
        .format
        .as_deref()
        .map(TimeFormat::parse)
        .transpose()
        .map_err(|hint| refusal("data.time_format", hint, "give --time-format"))?;
    let zone = sketch.settings.timezone.as_deref().map(Zone::open).transpose();
    let zone = zone.map_err(|hint| refusal("--timezone", hint, "give the name of a zone, such as Europe/Berlin"))?;
    let (mut stamps, mut walls) = (Steps::default(), Steps::default());
    let mut odd: Vec<Odd> = vec![];
    let (mut odd_rows, mut header, mut repeats, mut direction) = (0_usize, sketch.settings.header, false, 0_i64);
    let mut problem = None;
    let skip = Skip { time: &choice.columns, texts: &sketch.settings.skip_rows };
    table.rows(&sketch.settings, &mut |line, record| {
        if std::mem::take(&mut header) {
            return Ok(());
        }
        if !sketch.settings.header && stamps.len() == 0 && record.iter().next().is_some_and(|c| c == b"c1") {
            return Ok(());
        }
        if skip.has(record, sketch.columns.len()) {
            return Ok(());
        }
        let text = time_text(record, &choice.columns);
        let read = format.as_ref().map_or_else(|| parse_moment(&text), |format| format.read(&text));
        match read {
            Ok(moment) => {
                let (at, wall) = instant(moment, zone.as_ref(), stamps.last());
                if let Some(last) = stamps.last() {
                    let sign = (at - last).signum();
                    repeats |= sign == 0 || (direction != 0 && sign != direction);
                    direction = if direction == 0 { sign } else { direction };
                }
                stamps.push(at);
                walls.push(wall);
            }
            Err(advice) => {
                odd_rows += 1;
                let column = choice.names(&sketch.columns).label();
                problem.get_or_insert(DataError::Stamp { line, column, text: crate::data::shortened(&text), advice });
                if odd.iter().all(|o| o.text != text) {
                    odd.push(Odd { text, line });
                }
            }
        }
        Ok(())
    })?;
    if let Some(problem) = problem {
        let looks = odd.iter().any(|o| o.text.bytes().filter(u8::is_ascii_digit).count() > 3);
        if odd.len() > MOST_SKIPPED || odd_rows * SKIPPED_SHARE > sketch.rows || looks {
            return Err(problem);
        }
        for Odd { text, line } in odd {
            sketch.notes.push(format!("line {line}: \"{text}\" is no timestamp; rows with this text are skipped"));
            sketch.settings.skip_rows.push(text);
        }
    }
    sketch.descending = direction < 0 && !repeats;
    if sketch.descending {
        sketch.notes.push("the file has its newest row first; the rows are used in order of time".into());
    }
    let time = choice.columns.clone();
    sketch.settings.time = Some(choice.names(&sketch.columns));
    sketch.settings.time_format.clone_from(&choice.format);
    sketch.notes.insert(0, choice.why.clone());
    if let Some((k, count)) = keys::series(table, sketch, &time, repeats)? {
        let name = sketch.columns[k].name.clone();
        sketch.notes.push(format!("timestamps repeat for the {count} values of \"{name}\": this is a long table"));
        sketch.settings.series = Some(name);
    } else {
        let blocks = |c: &&Column| c.numbers == 0 && c.texts.len() > 1 && c.changes == c.texts.len();
        if let Some(column) = sketch.columns.iter().enumerate().filter(|(k, _)| !time.contains(k)).map(|(_, c)| c).find(blocks) {
            sketch.notes.push(format!(
                "\"{}\" has {} values, each in one block of rows: if these are different series, set data.series = \"{}\"",
                column.name,
                column.texts.len(),
                column.name
            ));
        }
    }
    suggest(sketch, stamps, walls);
    Ok(())
}

/// The instant and the local time of a timestamp. `previous` is the instant of the previous row.
fn instant(moment: Moment, zone: Option<&Zone>, previous: Option<Stamp>) -> (Stamp, Stamp) {
    let Some(zone) = zone else { return (moment.instant(), moment.wall) };
    let at = match (moment.offset, zone.instant_of(moment.wall)) {
        (Some(_), _) => moment.instant(),
        // In ascending rows, the second occurrence follows the first one.
        (None, Local::Two(earlier, later)) if previous.is_some_and(|previous| previous >= earlier) => later,
        (None, Local::Gap { .. }) => return (zone.first_instant_of(moment.wall), moment.wall),
        (None, _) => zone.first_instant_of(moment.wall),
    };
    (at, zone.day_time(at))
}

/// The timestamps in ascending order, once each if there is one row for each series.
fn ascending(stamps: Steps, sketch: &Sketch) -> Steps {
    if sketch.settings.series.is_some() {
        let mut all: Vec<_> = stamps.iter().collect();
        all.sort_unstable();
        all.dedup();
        return all.into_iter().collect();
    }
    if sketch.descending { stamps.reversed() } else { stamps }
}

/// Working days, sessions and gaps.
fn suggest(sketch: &mut Sketch, stamps: Steps, walls: Steps) {
    let has_rules = |found: &Suggestion| matches!(found.frequency, Frequency::Business(_)) || !found.rules.is_trivial();
    // Working days and sessions are in local time; other rows are counted in instants.
    let local = Grid::suggest(&ascending(walls, sketch)).filter(has_rules);
    let Some(found) = local.or_else(|| Grid::suggest(&ascending(stamps, sketch))) else { return };
    if let Frequency::Business(_) = found.frequency {
        sketch.settings.frequency = Some(found.frequency);
        let days = found.rules.weekdays.map_or_else(|| "for weekends".into(), |days| format!("on other days than {days}"));
        sketch.notes.push(format!("there are no rows {days}: the step is {} (working days)", found.frequency));
    }
    if let Some(session) = found.rules.session {
        sketch.settings.frequency = Some(found.frequency);
        sketch.settings.session = Some(session);
        sketch.notes.push(format!("every day has rows from {session}: the time between is no gap"));
    }
    sketch.settings.weekdays = found.rules.weekdays;
    sketch.settings.holidays = found.rules.holidays.iter().map(|day| crate::calendar::format_date(day * crate::calendar::DAY)).collect();
    if !sketch.settings.holidays.is_empty() {
        sketch.notes.push(format!("{} working days have no rows and are taken as holidays", sketch.settings.holidays.len()));
    }
    if found.gaps > 0 {
        sizes::note_gaps(sketch, found.gaps, found.longest);
    }
}
