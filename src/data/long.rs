//! Long tables: one row for each series and timestamp. They become columns, one for each series.

use std::collections::HashMap;

use csv::ByteRecord;

use super::Known;
use super::clock::{Clock, Moments};
use super::error::DataError;
use super::layout::{CategorySlot, Field};
use super::read::{Cells, Rows, check_width};
use super::records::Records;
use super::schema::{KnownSeries, Schema, matches};
use super::statics::{StaticCells, fields_of};
use super::words::CellReader;
use crate::calendar::{Steps, format_stamp};
use crate::config::DataSettings;
use crate::names::one_form;

/// Names of the columns made from a long table: the shared drivers, then the columns of each series.
#[derive(Debug, Clone, Default)]
pub(super) struct LongNames {
    /// The series, in the order of their first rows.
    pub(super) series: Vec<String>,
    /// Columns of the file that are targets.
    targets: Vec<String>,
    /// Columns of the file that drive all series.
    shared: Vec<String>,
    /// Columns of the file that belong to a series: the targets and their drivers.
    own: Vec<String>,
    /// Names and patterns of data.exclude, which leave out series and single targets of a series.
    exclude: Vec<String>,
}

impl LongNames {
    /// The name of a column of a series: the series alone if this is the only target.
    pub(super) fn column(&self, series: &str, column: &str) -> String {
        match self.targets.as_slice() {
            [only] if only == column => series.to_owned(),
            _ => format!("{series}_{column}"),
        }
    }

    /// Series and name of each target.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&str, String)> {
        let all = self.targets.iter().flat_map(|column| self.series.iter().map(|series| (series.as_str(), self.column(series, column))));
        all.filter(|(_, name)| !self.exclude.iter().any(|pattern| matches(pattern, name)))
    }

    /// The names of all columns, in order.
    fn header(&self) -> Result<Vec<String>, DataError> {
        let own = self.series.iter().flat_map(|series| self.own.iter().map(|column| self.column(series, column)));
        let all: Vec<String> = self.shared.iter().cloned().chain(own).collect();
        let mut seen = HashMap::new();
        for name in &all {
            if seen.insert(name.as_str(), ()).is_some() {
                let problem = format!("two columns would be named \"{name}\"");
                return Err(DataError::schema("data.series", problem, "rename the series or the column"));
            }
        }
        Ok(all)
    }
}

/// The rows of one series.
struct Group {
    moments: Moments,
    lines: Steps,
    /// Row-major, one number for each of [`LongNames::own`]; NaN if missing.
    values: Vec<f64>,
}

/// The rows of a long table.
struct LongRows<'a> {
    settings: &'a DataSettings,
    reader: CellReader,
    clock: Clock,
    names: LongNames,
    /// Index of the column with the name of the series.
    series: Field,
    shared: Vec<Field>,
    own: Vec<Field>,
    /// The static columns, and their cells for each series.
    statics: Option<(Vec<Field>, StaticCells)>,
    index: HashMap<Vec<u8>, usize>,
    groups: Vec<Group>,
    /// For each timestamp the values of the shared drivers, as they occurred.
    common: Vec<Group>,
}

/// Reads a long table.
pub(super) fn read(
    settings: &DataSettings,
    header: &[String],
    series: &str,
    records: &mut dyn Records,
    known: Option<&Known<'_>>,
    names_known: Option<KnownSeries<'_>>,
) -> Result<(Schema, Cells), DataError> {
    // The schema of the file as it is finds the columns and gives the messages about unknown names.
    let mut hidden = DataSettings { series: None, ..settings.clone() };
    hidden.exclude.push(series.to_owned());
    let Some(at) = header.iter().position(|h| *h == one_form(series)) else {
        return Err(DataError::UnknownColumn {
            place: "data.series".into(),
            name: series.to_owned(),
            hint: format!("the file has {}", header.join(", ")),
        });
    };
    let wide = Schema::new(header, &hidden, None, None)?;
    let inputs = |from: &dyn Fn(usize) -> bool, categories: &[CategorySlot]| -> Vec<Field> {
        let channels = 1 + wide.layout.channels.len();
        let slots = wide.layout.slots.iter().enumerate().filter(|(slot, _)| from(slot / channels)).filter_map(|(_, slot)| slot.as_ref());
        let slots = slots.chain(categories.iter().map(|category| &category.slot));
        let mut fields: Vec<usize> = slots.flat_map(|slot| wide.columns[slot.column].inputs()).collect();
        fields.sort_unstable();
        fields.dedup();
        fields.into_iter().map(|k| wide.fields[k].clone()).collect()
    };
    let covariates = wide.layout.covariates.len();
    let (shared, own) = (inputs(&|s| s < covariates, &wide.layout.common), inputs(&|s| s >= covariates, &wide.layout.own));
    let statics = settings.statics.as_ref().filter(|statics| statics.path.is_none() && known.is_none());
    let static_fields =
        statics.map(|statics| statics.columns().map(|name| fields_of(header, name)).collect::<Result<Vec<_>, _>>()).transpose()?;
    let labels = |fields: &[Field]| fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    let exclude = settings.exclude.iter().map(|pattern| one_form(pattern)).collect();
    let names = LongNames { series: vec![], targets: wide.layout.targets.clone(), shared: labels(&shared), own: labels(&own), exclude };
    let mut rows = LongRows {
        settings,
        reader: CellReader::new(settings),
        clock: Clock::new(settings, &wide.time, known.and_then(Known::time))?,
        names,
        series: Field::number(at, series.to_owned()),
        statics: static_fields.map(|fields| (fields, StaticCells::default())),
        shared,
        own,
        index: HashMap::new(),
        groups: vec![],
        common: vec![],
    };
    let mut record = ByteRecord::new();
    while let Some(line) = records.next(&mut record)? {
        rows.push(&record, line, header.len())?;
    }
    rows.finish(known, names_known)
}

impl LongRows<'_> {
    fn push(&mut self, record: &ByteRecord, line: u64, width: usize) -> Result<(), DataError> {
        let Some(text) = self.clock.text(record, line, width) else { return Ok(()) };
        check_width(record, line, width)?;
        let name = record[self.series.index].trim_ascii();
        if self.reader.numbers.is_missing(name) {
            return Err(DataError::Cell {
                line,
                column: self.series.name.clone(),
                text: String::from_utf8_lossy(name).into_owned(),
                problem: "no name of a series",
                advice: "fill the cell, or remove the row".into(),
            });
        }
        let k = match self.index.get(name) {
            Some(&k) => k,
            None => {
                let (k, form) = (self.groups.len(), one_form(&String::from_utf8_lossy(name)));
                if self.names.exclude.iter().any(|pattern| matches(pattern, &form)) {
                    return Ok(());
                }
                self.index.insert(name.to_vec(), k);
                self.names.series.push(form);
                self.groups.push(Group { moments: Moments::default(), lines: Steps::default(), values: vec![] });
                self.common.push(Group { moments: Moments::default(), lines: Steps::default(), values: vec![] });
                k
            }
        };
        if let Some((fields, cells)) = &mut self.statics {
            cells.note(&self.names.series[k], fields, record, line, &self.reader.numbers)?;
        }
        let group = &mut self.groups[k];
        let reading = self.clock.read(&text, line, group.moments.last())?;
        group.moments.push(reading);
        group.lines.push(i64::try_from(line).unwrap_or(i64::MAX));
        for field in &self.own {
            group.values.push(self.reader.read(field, &record[field.index], line)?);
        }
        for field in &self.shared {
            self.common[k].values.push(self.reader.read(field, &record[field.index], line)?);
        }
        Ok(())
    }

    /// Makes columns of the series.
    fn finish(self, known: Option<&Known<'_>>, names_known: Option<KnownSeries<'_>>) -> Result<(Schema, Cells), DataError> {
        let Self { settings, reader, statics, clock, mut names, series, shared, own, groups, common, .. } = self;
        if groups.is_empty() {
            let problem = format!("no series of \"{}\" remains", series.name);
            return Err(if settings.exclude.is_empty() {
                DataError::NoRows
            } else {
                DataError::schema("data.exclude", problem, "leave out fewer series")
            });
        }
        // A series with one row says nothing about the step.
        let says = |group: &&Group| group.moments.len() > 1;
        let local = groups.iter().any(|group| clock.by_local_days(&group.moments))
            && groups.iter().filter(says).all(|group| clock.by_local_days(&group.moments));
        // The order of the series is that of their names, so that a sorted and an unsorted file give the same model.
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by(|&a, &b| names.series[a].cmp(&names.series[b]));
        let mut parts: Vec<Option<(Group, Group)>> = groups.into_iter().zip(common).map(Some).collect();
        let mut sorted = vec![];
        for &k in &order {
            let Some((group, common)) = parts[k].take() else { continue };
            sorted.push(Sorted::of(&names.series[k], group, common.values, local, (own.len(), shared.len()))?);
        }
        names.series = order.iter().map(|&k| names.series[k].clone()).collect();
        let header = names.header()?;
        let schema = Schema::new(&header, settings, Some(&names), names_known)?;
        let stamps = sorted.iter().skip(1).fold(sorted[0].stamps.clone(), |all, one| union(&all, &one.stamps));
        let mut rows = Rows::new(&schema, known);
        let mut cursors: Vec<Cursor<'_>> = sorted.iter().map(Cursor::new).collect();
        let mut numbers = vec![f64::NAN; header.len()];
        let (mut lines, mut fields) = (Steps::default(), vec![]);
        for stamp in stamps.iter() {
            let mut line = None;
            numbers.fill(f64::NAN);
            for (k, cursor) in cursors.iter_mut().enumerate() {
                let Some((row, at_line)) = cursor.take(stamp) else { continue };
                let part = &sorted[k];
                line = line.or(Some(at_line));
                numbers[shared.len() + k * own.len()..][..own.len()].copy_from_slice(&part.values[row * own.len()..][..own.len()]);
                for (at, field) in shared.iter().enumerate() {
                    let value = part.common[row * shared.len() + at];
                    if value.is_nan() || numbers[at] == value {
                        continue;
                    }
                    if !numbers[at].is_nan() {
                        let problem =
                            format!("\"{}\" is {} and {value} at {} (line {})", field.name, numbers[at], format_stamp(stamp), at_line);
                        return Err(DataError::schema(
                            "data.covariates",
                            problem,
                            "declare it in data.channels if each series has its own values",
                        ));
                    }
                    numbers[at] = value;
                }
            }
            let line = line.unwrap_or(0).unsigned_abs();
            fields.clear();
            fields.extend(schema.fields.iter().map(|field| numbers[field.index]));
            rows.push(&fields, line)?;
            lines.push(i64::try_from(line).unwrap_or(i64::MAX));
        }
        drop(cursors);
        let (table, offsets) = rows.finish()?;
        let scale = clock.finish(local)?;
        let mut notes = vec![format!("a long table: \"{}\" names {} series", series.name, names.series.len())];
        notes.extend(scale.notes.iter().cloned());
        let (found, statics) = (reader.finish(), statics.map(|(_, cells)| cells));
        Ok((schema, Cells { table, offsets, stamps, lines, scale, notes, found, statics }))
    }
}

/// The rows of a series in ascending order of time.
struct Sorted {
    stamps: Steps,
    lines: Steps,
    values: Vec<f64>,
    common: Vec<f64>,
}

impl Sorted {
    fn of(name: &str, group: Group, common: Vec<f64>, local: bool, (own, shared): (usize, usize)) -> Result<Self, DataError> {
        let stamps: Vec<i64> = group.moments.stamps(local).iter().collect();
        let lines: Vec<i64> = group.lines.iter().collect();
        let mut order: Vec<usize> = (0..stamps.len()).collect();
        order.sort_by_key(|&row| stamps[row]);
        if let Some(pair) = order.windows(2).find(|pair| stamps[pair[0]] == stamps[pair[1]]) {
            return Err(DataError::DuplicateOfSeries {
                series: name.to_owned(),
                stamp: format_stamp(stamps[pair[0]]),
                previous: lines[pair[0]].unsigned_abs(),
                line: lines[pair[1]].unsigned_abs(),
            });
        }
        if order.is_sorted() {
            return Ok(Self { stamps: stamps.into_iter().collect(), lines: group.lines, values: group.values, common });
        }
        let moved = |values: &[f64], width: usize| order.iter().flat_map(|&row| values[row * width..][..width].to_vec()).collect();
        Ok(Self {
            stamps: order.iter().map(|&row| stamps[row]).collect(),
            lines: order.iter().map(|&row| lines[row]).collect(),
            values: moved(&group.values, own),
            common: moved(&common, shared),
        })
    }
}

/// A position in the rows of a series.
struct Cursor<'a> {
    stamps: std::iter::Peekable<Box<dyn Iterator<Item = i64> + 'a>>,
    lines: Box<dyn Iterator<Item = i64> + 'a>,
    row: usize,
}

impl<'a> Cursor<'a> {
    fn new(part: &'a Sorted) -> Self {
        let stamps: Box<dyn Iterator<Item = i64> + 'a> = Box::new(part.stamps.iter());
        Self { stamps: stamps.peekable(), lines: Box::new(part.lines.iter()), row: 0 }
    }

    /// The row at this timestamp and its line, if the series has one. Timestamps must be asked for in ascending order.
    fn take(&mut self, stamp: i64) -> Option<(usize, i64)> {
        self.stamps.next_if_eq(&stamp)?;
        self.row += 1;
        Some((self.row - 1, self.lines.next().unwrap_or(0)))
    }
}

/// All timestamps of two ascending sequences, once each.
fn union(a: &Steps, b: &Steps) -> Steps {
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    let mut all = Steps::default();
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some(&x), Some(&y)) => x.min(y),
            (Some(&x), None) | (None, Some(&x)) => x,
            (None, None) => return all,
        };
        left.next_if_eq(&next);
        right.next_if_eq(&next);
        all.push(next);
    }
}
