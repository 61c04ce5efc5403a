//! Long tables: which columns tell rows with the same timestamp apart.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::column::Column;
use super::{Sketch, Skip, Table, cell_text, refusal, time, time_text};
use crate::data::DataError;
use crate::data::read::is_series_name;

/// Rows that are looked at.
const ROWS: usize = 50_000;
/// Columns that are tried.
const CANDIDATES: usize = 6;
/// Different numbers of a column that are counted.
const DISTINCT: usize = 10_000;
/// A column with at most this part of repeated rows names the series; these rows are mistakes of the file.
const MISTAKES: usize = 50;
/// Words in names of columns whose numbers name series.
const ID_WORDS: [&str; 22] = [
    "id", "meter", "sensor", "station", "store", "shop", "item", "sku", "product", "customer", "node", "zone", "region", "location",
    "site", "device", "plant", "unit", "code", "dept", "branch", "series",
];

/// How good a column is as the name of a series, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// By its usual name.
    Named,
    Text,
    /// Whole numbers with the name of an id.
    Id,
    /// Other whole numbers.
    Number,
    /// A part of a timestamp, which never names a series.
    Part,
}

/// What is counted for a set of columns.
#[derive(Debug, Default)]
struct Count {
    seen: HashSet<u64>,
    repeated: usize,
}

impl Count {
    fn add(&mut self, key: u64) {
        if !self.seen.insert(key) {
            self.repeated += 1;
        }
    }
}

/// The numbers of one column.
#[derive(Debug, Default)]
struct Values {
    counts: HashMap<String, usize>,
    changes: usize,
    last: Option<String>,
}

impl Values {
    fn add(&mut self, cell: &str) {
        if self.last.as_deref() != Some(cell) {
            self.changes += 1;
            self.last = Some(cell.to_owned());
        }
        if self.counts.len() < DISTINCT || self.counts.contains_key(cell) {
            *self.counts.entry(cell.to_owned()).or_insert(0) += 1;
        }
    }

    /// Whether the numbers name series: each is in one block of rows, or all are equally frequent, as in a file that is ordered by time.
    fn are_names(&self, rows: usize) -> bool {
        let (least, most) = (self.counts.values().min().copied().unwrap_or(0), self.counts.values().max().copied().unwrap_or(0));
        let several = self.counts.len() > 1 && self.counts.len() * 2 <= rows;
        several && (self.changes == self.counts.len() || most - least <= 1)
    }
}

fn hash(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

fn kind(column: &Column) -> Option<Kind> {
    let name = column.name.to_lowercase();
    let is_id = |word: &str| ID_WORDS.iter().any(|id| word == *id || (word.len() > 3 && word.ends_with("id")));
    let several = column.least < column.greatest;
    match column {
        c if c.cells == 0 => None,
        c if is_series_name(&c.name) && c.texts.len() > 1 => Some(Kind::Named),
        c if time::is_part_name(c) && (c.texts.len() > 1 || (several && c.whole)) => Some(Kind::Part),
        c if c.numbers * 2 <= c.cells => (c.texts.len() > 1 && c.changes > 0).then_some(Kind::Text),
        c if !c.whole || !several => None,
        _ if name.split(|c: char| !c.is_alphanumeric()).any(is_id) => Some(Kind::Id),
        _ => Some(Kind::Number),
    }
}

/// The column that names the series of a long table, and the number of series. `repeats` tells whether timestamps repeat or go back.
pub(super) fn series<T: Table + ?Sized>(
    table: &T,
    sketch: &Sketch,
    time: &[usize],
    repeats: bool,
) -> Result<Option<(usize, String)>, DataError> {
    if !repeats {
        return Ok(None);
    }
    let mut candidates: Vec<(Kind, usize)> =
        sketch.columns.iter().enumerate().filter(|(k, _)| !time.contains(k)).filter_map(|(k, c)| Some((kind(c)?, k))).collect();
    candidates.sort_by_key(|(kind, k)| (*kind, sketch.columns[*k].texts.len(), *k));
    candidates.truncate(CANDIDATES);
    let pairs: Vec<(usize, usize)> = (0..candidates.len()).flat_map(|a| (a + 1..candidates.len()).map(move |b| (a, b))).collect();
    let mut stamps = Count::default();
    let mut singles: Vec<Count> = candidates.iter().map(|_| Count::default()).collect();
    let mut doubles: Vec<Count> = pairs.iter().map(|_| Count::default()).collect();
    let mut all = Count::default();
    let mut values: Vec<Values> = candidates.iter().map(|_| Values::default()).collect();
    let (mut rows, mut header) = (0, sketch.settings.header);
    let skip = Skip { time, texts: &sketch.settings.skip_rows };
    let width = sketch.columns.len();
    table.rows(&sketch.settings, &mut |_, record| {
        if std::mem::take(&mut header) || rows == ROWS || skip.has(record, width) {
            return Ok(());
        }
        rows += 1;
        let stamp = time_text(record, time);
        let cells: Vec<String> = candidates.iter().map(|(_, k)| cell_text(record, *k)).collect();
        stamps.add(hash(&[&stamp]));
        for ((count, values), cell) in singles.iter_mut().zip(&mut values).zip(&cells) {
            count.add(hash(&[&stamp, cell]));
            values.add(cell);
        }
        for (count, (a, b)) in doubles.iter_mut().zip(&pairs) {
            count.add(hash(&[&stamp, &cells[*a], &cells[*b]]));
        }
        let mut whole: Vec<&str> = vec![&stamp];
        whole.extend(cells.iter().map(String::as_str));
        all.add(hash(&whole));
        Ok(())
    })?;
    let name = |at: usize| sketch.columns[candidates[at].1].name.as_str();
    let count = |at: usize| if values[at].counts.len() < DISTINCT { values[at].counts.len().to_string() } else { "many".into() };
    let found = |at: usize| Ok(Some((candidates[at].1, count(at))));
    let is_name = |at: usize| match candidates[at].0 {
        Kind::Named | Kind::Text | Kind::Id => true,
        Kind::Number => values[at].are_names(rows),
        Kind::Part => false,
    };
    let named = (0..candidates.len()).find(|at| candidates[*at].0 == Kind::Named);
    let blocks = |at: &usize| candidates[*at].0 == Kind::Text && values[*at].changes == values[*at].counts.len();
    // Each timestamp occurs once: the series follow each other in time, or the file is not sorted.
    if stamps.repeated == 0 {
        return named.or_else(|| (0..candidates.len()).find(blocks)).map_or(Ok(None), found);
    }
    // A few repeated timestamps are mistakes, unless a column is named as that of the series.
    if stamps.repeated * 20 < rows && named.is_none() {
        return Ok(None);
    }
    let mostly = |at: &usize| singles[*at].repeated * MISTAKES < rows;
    let alone = |at: &usize| is_name(*at) && singles[*at].repeated == 0;
    if let Some(at) = (0..candidates.len()).find(alone).or_else(|| (0..candidates.len()).find(|at| is_name(*at) && mostly(at))) {
        return found(at);
    }
    let quoted = |list: &[usize]| list.iter().map(|at| format!("\"{}\"", name(*at))).collect::<Vec<_>>().join(" and ");
    if let Some(at) = (0..candidates.len()).find(|at| candidates[*at].0 == Kind::Part && mostly(at)) {
        let column = sketch.time.as_ref().map(|choice| choice.names(&sketch.columns).label()).unwrap_or_default();
        return Err(refusal(
            "data.time",
            format!("the timestamps in \"{column}\" repeat, and \"{}\", which looks like a part of them, tells the rows apart", name(at)),
            "write each timestamp into one column, such as 2016-07-31 13:00",
        ));
    }
    let both = (0..pairs.len())
        .find(|p| doubles[*p].repeated == 0 && [pairs[*p].0, pairs[*p].1].iter().all(|at| candidates[*at].0 != Kind::Number));
    let both = both.map(|p| vec![pairs[p].0, pairs[p].1]);
    let names: Vec<usize> = (0..candidates.len()).filter(|at| is_name(*at)).collect();
    if let Some(list) = both.or_else(|| (all.repeated == 0 && names.len() > 2).then_some(names)) {
        return Err(refusal(
            "data.series",
            format!("timestamps repeat, and only the columns {} together tell the rows apart", quoted(&list)),
            "a series has one name: join these columns into one column of the file, such as A_1, and give that one as data.series",
        ));
    }
    // The reader names the rows that repeat.
    let fewest = (0..candidates.len()).filter(|at| is_name(*at)).min_by_key(|at| singles[*at].repeated);
    named.or(fewest.filter(|at| singles[*at].repeated * 2 < stamps.repeated)).map_or(Ok(None), found)
}
