//! Which columns are targets, drivers, or unused.

use std::collections::BTreeSet;

use super::column::{Column, Odd};
use super::{Sketch, time};
use crate::config::KnownFuture;
use crate::data::DataError;

/// Words in names of columns whose future is known: forecasts, holidays, plans.
const KNOWN_WORDS: [&str; 12] =
    ["forecast", "fcst", "prognos", "holiday", "weekend", "promo", "planned", "schedule", "dayahead", "day_ahead", "known", "is_"];
/// Names of columns with the day of the week.
const WEEKDAYS: [&str; 6] = ["dow", "weekday", "dayofweek", "day_of_week", "week_day", "wochentag"];
/// Words in names of drivers.
const DRIVER_WORDS: [&str; 3] = ["covariate", "exog", "driver"];
/// Greatest share of cells that are neither numbers nor missing, in percent.
const MOST_ODD: usize = 10;
/// Rows by which drivers reach beyond the targets at least.
const TAIL: usize = 2;
/// They do not reach beyond more than this part of the rows.
const TAIL_SHARE: usize = 5;

/// A driver of all series.
#[derive(Debug, Clone)]
pub(super) struct Driver {
    pub(super) name: String,
    pub(super) known: KnownFuture,
    pub(super) why: &'static str,
}

/// A driver of each series: the name of the channel and the pattern of its columns.
#[derive(Debug, Clone)]
pub(super) struct OwnDriver {
    pub(super) name: String,
    pub(super) pattern: String,
    pub(super) known: KnownFuture,
}

/// The use of the columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    /// Names or patterns; `*` for all other columns.
    pub(super) targets: Vec<String>,
    pub(super) exclude: Vec<String>,
    pub(super) covariates: Vec<Driver>,
    pub(super) channels: Vec<OwnDriver>,
    /// Texts that mean a missing value besides the default ones.
    pub(super) missing: Vec<String>,
    /// Columns and series that are not used, each with the reason.
    pub(super) left_out: Vec<(String, String)>,
    /// Whether all targets are counts.
    pub(super) counts: bool,
    pub(super) notes: Vec<String>,
}

impl Roles {
    pub(super) fn of(sketch: &Sketch) -> Result<Self, DataError> {
        let mut roles = Self::default();
        let used: BTreeSet<usize> = sketch.time.iter().flat_map(|time| time.columns.iter().copied()).collect();
        let series = sketch.settings.series.as_deref();
        let rest: Vec<&Column> = sketch
            .columns
            .iter()
            .enumerate()
            .filter(|(k, c)| !used.contains(k) && Some(c.name.as_str()) != series)
            .map(|(_, c)| c)
            .collect();
        let numbers = roles.numbers(&rest)?;
        let (kept, left_out) = roles.without_indices(sketch, &numbers);
        if kept.is_empty() {
            return Err(super::refusal(
                "data.targets",
                format!("none of the {} columns is a series of numbers", sketch.columns.len()),
                "give a file with one row per time step and one column per series, or a long table with a column for the series",
            ));
        }
        let unused: BTreeSet<&str> = rest.iter().map(|c| c.name.as_str()).filter(|name| !kept.iter().any(|c| c.name == *name)).collect();
        roles.assign(sketch, &kept);
        let starred = roles.targets == ["*"];
        let constant: Vec<(String, String)> = roles.left_out.iter().filter(|(name, _)| left_out.contains(name.as_str())).cloned().collect();
        if !constant.is_empty() && (!starred || series.is_some()) {
            roles.notes.push(format!("these columns are constant and are not used: {}", self::listed(&constant)));
        }
        if starred {
            // The reader leaves out constant and empty columns itself.
            roles.exclude = unused.iter().filter(|name| !left_out.contains(*name)).map(|name| (*name).to_owned()).collect();
        }
        if series.is_some() && starred {
            roles.targets = kept.iter().map(|c| c.name.clone()).collect();
            roles.exclude.clear();
        }
        Ok(roles)
    }

    /// The columns of numbers. Other texts in them must mean missing values.
    fn numbers<'a>(&mut self, rest: &[&'a Column]) -> Result<Vec<&'a Column>, DataError> {
        let mut missing: BTreeSet<String> = BTreeSet::new();
        let mut texts = vec![];
        let mut numbers = vec![];
        for &column in rest {
            if column.cells == 0 {
                self.notes.push(format!("\"{}\" is empty and is not used", column.name));
                self.left_out.push((column.name.clone(), "empty".into()));
                continue;
            }
            if !column.is_number() {
                let example = column.odd.first().map_or_else(String::new, |odd| format!(" (line {}: \"{}\")", odd.line, odd.text));
                texts.push(format!("\"{}\"{example}", column.name));
                self.left_out.push((column.name.clone(), "text".into()));
                continue;
            }
            missing.extend(column.tokens.iter().map(|odd| odd.text.clone()));
            self.odd(column, &mut missing)?;
            numbers.push(column);
        }
        if !texts.is_empty() {
            let advice = "categories can drive a forecast: kind = \"category\" in data.covariates or data.channels";
            self.notes.push(format!("these columns hold text and are not used: {} ({advice})", texts.join(", ")));
        }
        let plain = |token: &String| ["NA", "NaN", "nan", "null"].contains(&token.as_str());
        if missing.iter().any(|token| !plain(token)) {
            let listed: Vec<String> = missing.iter().map(|token| format!("\"{token}\"")).collect();
            self.notes.push(format!("these texts among numbers are taken as missing values: {}", listed.join(", ")));
            self.missing = missing.into_iter().collect();
        }
        Ok(numbers)
    }

    /// Cells that are neither numbers nor usual texts for missing values.
    fn odd(&mut self, column: &Column, missing: &mut BTreeSet<String>) -> Result<(), DataError> {
        let Some(Odd { text, line }) = column.odd.first() else { return Ok(()) };
        let like_number = column.odd.iter().find(|odd| odd.text.bytes().any(|b| b.is_ascii_digit()));
        if let Some(Odd { text, line }) = like_number.or_else(|| (column.odd_count * 100 > MOST_ODD * column.cells).then(|| &column.odd[0]))
        {
            return Err(DataError::Cell {
                line: *line,
                column: column.name.clone(),
                text: crate::data::shortened(text),
                problem: "not a number",
                advice: format!(
                    "{} of {} cells of the column are numbers: correct the cell, leave it empty, or remove the column",
                    column.numbers, column.cells
                ),
            });
        }
        self.notes.push(format!(
            "\"{}\", line {line}: \"{text}\" is taken as a missing value, because {} of {} cells are numbers",
            column.name, column.numbers, column.cells
        ));
        missing.extend(column.odd.iter().map(|odd| odd.text.clone()));
        Ok(())
    }

    /// The columns that are no indices, years or other numbers that only rise. Also the names of constant columns.
    fn without_indices<'a>(&mut self, sketch: &Sketch, numbers: &[&'a Column]) -> (Vec<&'a Column>, BTreeSet<&'a str>) {
        let long = sketch.settings.series.is_some();
        let parts: Vec<&str> = time::parts(&sketch.columns).into_iter().map(|k| sketch.columns[k].name.as_str()).collect();
        let many_parts = parts.len() > 1;
        let mut left_out = BTreeSet::new();
        let mut never = vec![];
        let mut rising = vec![];
        let mut kept = vec![];
        for &column in numbers {
            let name = column.name.to_lowercase();
            let mut never = |why: &str| never.push((column.name.clone(), why.to_owned()));
            if column.least == column.greatest && numbers.len() > 1 {
                left_out.insert(column.name.as_str());
                self.left_out.push((column.name.clone(), format!("always {}", column.least)));
            } else if column.name.is_empty() || name.starts_with("unnamed") {
                never("a column without a name");
            } else if column.is_index() {
                never("it counts the rows");
            } else if parts.contains(&column.name.as_str()) && (many_parts || name == "year") {
                never("a part of the timestamp");
            } else if !long && column.is_monotone() && column.numbers == sketch.rows {
                rising.push(column);
            } else {
                kept.push(column);
            }
        }
        if kept.is_empty() {
            // The only series of a file may rise in every row.
            kept = std::mem::take(&mut rising);
        }
        never.extend(rising.iter().map(|c| (c.name.clone(), "whole numbers that rise in every row".to_owned())));
        if !never.is_empty() {
            let listed = listed(&never);
            self.notes.push(format!("these columns are not forecast: {listed}; list them in data.targets if they are series"));
            self.left_out.extend(never);
        }
        (kept, left_out)
    }

    /// Leaves out columns, or series of a long table, that the reader cannot use, each with the reason. Whether this changed anything.
    pub(super) fn leave_out(&mut self, long: bool, unusable: &[(String, String)]) -> bool {
        let before = self.left_out.len();
        let own: Vec<String> = self.channels.iter().map(|own| format!("_{}", own.pattern)).collect();
        for (name, why) in unusable {
            // A driver without values takes its series with it.
            let series = own.iter().find_map(|suffix| name.strip_suffix(suffix.as_str())).filter(|_| long);
            let name = &series.unwrap_or(name).to_owned();
            let used = self.targets.len() + self.covariates.len();
            if long {
                if self.exclude.contains(name) {
                    continue;
                }
                self.exclude.push(name.clone());
            } else {
                self.covariates.retain(|driver| driver.name != *name);
                if self.targets.len() > 1 {
                    self.targets.retain(|target| target != name);
                }
                if self.targets.len() + self.covariates.len() == used {
                    continue;
                }
            }
            self.left_out.push((name.clone(), format!("{why} in the training rows")));
        }
        let new = &self.left_out[before..];
        if !new.is_empty() {
            let what = if long { "series" } else { "columns" };
            self.notes.push(format!("these {what} are left out: {}", listed(new)));
        }
        before < self.left_out.len()
    }

    /// Leaves out columns of a long table that no series can use, and targets of single series. Returns whether that changes anything.
    pub(super) fn leave_out_of_long(&mut self, columns: &[(String, String)], series: &[(String, String)]) -> bool {
        let before = self.targets.len();
        for (name, why) in columns.iter().take(before.saturating_sub(1)) {
            self.targets.retain(|target| target != name);
            self.left_out.push((name.clone(), format!("{why} in the training rows")));
            self.notes.push(format!("\"{name}\" is not used: {why} in the training rows"));
        }
        self.leave_out(true, series) || self.targets.len() < before
    }

    /// Targets and drivers.
    fn assign(&mut self, sketch: &Sketch, kept: &[&Column]) {
        let word = |column: &Column, words: &[&str]| words.iter().any(|word| column.name.to_lowercase().contains(word));
        let targeted = kept.iter().any(|c| word(c, &["target"]));
        // The columns unique_id, ds and y of NeuralForecast and its relatives.
        let series = sketch.settings.series.as_deref();
        let is_ds = sketch.settings.time.as_ref().is_some_and(|time| time.names() == ["ds"]);
        let nixtla = (is_ds || series == Some("unique_id")) && kept.iter().any(|c| c.name == "y");
        // The last row with a value, in order of time.
        let end = |c: &Column| if sketch.descending { sketch.rows.checked_sub(1 + c.first?) } else { c.last };
        let ends: BTreeSet<usize> = kept.iter().filter_map(|c| end(c)).collect();
        let tail = match (ends.len(), ends.first(), ends.last()) {
            (2, Some(&early), Some(&late)) if sketch.settings.series.is_none() => {
                // A series with other holes, or one that ended long ago, is no target that waits for its future.
                let waits = |c: &&Column| end(c) != Some(early) || c.is_whole();
                let short = (early + TAIL..=early + sketch.rows / TAIL_SHARE).contains(&late);
                (short && kept.iter().all(waits)).then_some(late)
            }
            _ => None,
        };
        let role = |column: &Column| -> Option<(KnownFuture, &'static str)> {
            let reaches = tail.is_some() && end(column) == tail;
            if (targeted && word(column, &["target"])) || (nixtla && column.name == "y") {
                None
            } else if reaches {
                Some((KnownFuture::Yes, "it has values after the last ones of the targets"))
            } else if word(column, &KNOWN_WORDS) || WEEKDAYS.contains(&column.name.to_lowercase().as_str()) {
                Some((KnownFuture::Partial, "by its name, its future is known"))
            } else if nixtla {
                Some((KnownFuture::No, "the target is y; set known_future if its future is known"))
            } else if word(column, &DRIVER_WORDS) || targeted {
                Some((KnownFuture::No, if targeted { "other columns are named target" } else { "by its name" }))
            } else {
                None
            }
        };
        let all: Vec<(&Column, Option<(KnownFuture, &'static str)>)> = kept.iter().map(|c| (*c, role(c))).collect();
        let targets: Vec<&Column> = all.iter().filter(|(_, role)| role.is_none()).map(|(c, _)| *c).collect();
        if targets.is_empty() || targets.len() == kept.len() {
            self.targets = vec!["*".into()];
            self.counts = kept.iter().all(|c| c.is_counts());
            return;
        }
        self.counts = targets.iter().all(|c| c.is_counts());
        let drivers: Vec<(&Column, (KnownFuture, &'static str))> = all.into_iter().filter_map(|(c, role)| Some((c, role?))).collect();
        let names: Vec<&str> = targets.iter().map(|c| c.name.as_str()).collect();
        let patterned = pattern_of(&names).filter(|_| names.len() > 1);
        let mut shared = vec![];
        let ids = patterned.as_ref().map(|(_, ids)| ids.clone()).unwrap_or_default();
        let mut done: BTreeSet<String> = BTreeSet::new();
        for (column, (known, why)) in &drivers {
            // In a long table, each series has its own values.
            if series.is_some() {
                self.channels.push(OwnDriver { name: column.name.clone(), pattern: column.name.clone(), known: *known });
                continue;
            }
            let own = patterns(&column.name).into_iter().find(|(prefix, id, suffix)| {
                let named = |id: &String| drivers.iter().any(|(c, _)| c.name == format!("{prefix}{id}{suffix}"));
                ids.len() > 1 && ids.contains(id) && ids.iter().all(named)
            });
            match own {
                Some((prefix, _, suffix)) => {
                    let pattern = format!("{prefix}{{i}}{suffix}");
                    if done.insert(pattern.clone()) {
                        let name = format!("{prefix}{suffix}").trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
                        let name = if name.is_empty() || self.channels.iter().any(|c| c.name == name) {
                            pattern.replace("{i}", "i")
                        } else {
                            name
                        };
                        self.channels.push(OwnDriver { name, pattern, known: *known });
                    }
                }
                None => shared.push(Driver { name: column.name.clone(), known: *known, why }),
            }
        }
        self.covariates = shared;
        self.targets = match patterned {
            Some((pattern, _)) if !self.channels.is_empty() && series.is_none() => vec![pattern],
            _ => names.iter().map(|name| (*name).to_owned()).collect(),
        };
        self.notes.push(format!(
            "{} columns are drivers of the other {}; check data.covariates and data.channels",
            drivers.len(),
            names.len()
        ));
    }
}

/// Names with their reasons.
pub(super) fn listed(list: &[(String, String)]) -> String {
    list.iter().map(|(name, why)| format!("\"{name}\" ({why})")).collect::<Vec<_>>().join(", ")
}

/// The ways to split a name at a group of digits: text before, digits, text after.
fn patterns(name: &str) -> Vec<(String, String, String)> {
    let mut all = vec![];
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            all.push((name[..at].to_owned(), name[at..at + digits].to_owned(), name[at + digits..].to_owned()));
        }
        // Bytes that are no digits may be parts of a letter, but a group of digits begins and ends between letters.
        at += digits.max(1);
    }
    all
}

/// The pattern with `{i}` that names have in common, and the texts for `{i}`.
fn pattern_of(names: &[&str]) -> Option<(String, Vec<String>)> {
    patterns(names.first()?).into_iter().find_map(|(prefix, _, suffix)| {
        let id = |name: &&str| {
            let id = name.strip_prefix(prefix.as_str())?.strip_suffix(suffix.as_str())?;
            (!id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())).then(|| id.to_owned())
        };
        let ids: Vec<String> = names.iter().map(id).collect::<Option<_>>()?;
        let whole = names.len() > 1 && ids.len() == names.len();
        whole.then(|| (format!("{prefix}{{i}}{suffix}"), ids))
    })
}
