//! From header and configuration to columns: the fields to read, the stored columns, and the column of each input.

use crate::order;
use std::collections::{BTreeSet, HashMap};

use super::error::DataError;
use super::expression::Expression;
use super::layout::{CategorySlot, Column, Field, Layout, Slot, Source};
use super::long::LongNames;
use super::scaler::Scaler;
use super::words::Declaration;
use crate::config::suggest::{nearest, nearest_few};
use crate::config::{CellKind, Channel, Covariate, DataSettings, KnownFuture, StaticSettings};
use crate::names::one_form;

/// The fields to read from each row, and the columns to store.
#[derive(Debug)]
pub(super) struct Schema {
    /// Fields of the time columns; empty without a time column.
    pub(super) time: Vec<Field>,
    /// The fields with required numbers.
    pub(super) fields: Vec<Field>,
    /// The stored columns.
    pub(super) columns: Vec<Column>,
    /// The column of each input.
    pub(super) layout: Layout,
}

/// The series of a run. A file that is read for the run gives exactly these, in this order.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownSeries<'a> {
    pub(super) covariates: &'a [String],
    pub(super) targets: &'a [String],
}

impl Schema {
    /// The schema for a header. `long` describes the columns made from a long table.
    pub(super) fn new(
        header: &[String],
        settings: &DataSettings,
        long: Option<&LongNames>,
        known: Option<KnownSeries<'_>>,
    ) -> Result<Self, DataError> {
        let mut builder = Builder::new(header, long);
        let time = match &settings.time {
            Some(_) if long.is_some() => vec![],
            Some(columns) => builder.time(columns.names())?,
            None => vec![],
        };
        let mut covariates = builder.covariates(numbers(&settings.covariates))?;
        let mut targets = builder.targets(settings, &time)?;
        if let Some(known) = known {
            covariates = picked("data.covariates", covariates, known.covariates, |c| c.0.clone())?;
            targets = picked("data.targets", targets, known.targets, |t| header[t.0].clone())?;
        }
        builder.protect_targets(&targets, settings.hide_history);
        let channels: Vec<&Channel> = settings.channels.iter().filter(|c| c.kind == CellKind::Number).collect();
        let mut layout = Layout { channels: channels.iter().map(|c| c.name.clone()).collect(), ..Layout::default() };
        for (name, covariate) in covariates {
            let slot = builder.slot("data.covariates", covariate, None, None)?;
            layout.covariates.push(name);
            layout.slots.push(Some(slot));
            layout.slots.extend(channels.iter().map(|_| None));
        }
        builder.common_categories(settings, &mut layout)?;
        let first = layout.declared.len();
        let own: Vec<&Channel> = settings.channels.iter().filter(|c| c.kind == CellKind::Category).collect();
        let declaration = |c: &&Channel| Declaration { name: c.name.clone(), place: "data.channels", unseen: c.unseen };
        layout.declared.extend(own.iter().map(declaration));
        for (index, binding) in targets {
            let name = header[index].clone();
            let column = builder.column_of_field(index, None);
            layout.slots.push(Some(Slot { column, known_future: KnownFuture::No, hidden: settings.hide_history }));
            for &channel in &channels {
                layout.slots.push(Some(builder.slot(&channel_place(channel), channel.into(), binding.as_deref(), None)?));
            }
            for (words, &channel) in (first..).zip(&own) {
                let slot = builder.slot(&channel_place(channel), channel.into(), binding.as_deref(), Some(words))?;
                layout.own.push(CategorySlot { slot, words });
            }
            layout.targets.push(name);
            layout.bindings.push(binding);
        }
        Ok(Self { time, fields: builder.fields, columns: builder.columns, layout })
    }

    /// The errors about all names in the settings that are no columns of a header.
    pub(super) fn unknown(header: &[String], settings: &DataSettings) -> Vec<DataError> {
        let builder = Builder::new(header, None);
        let mut found: Vec<Result<(), DataError>> = vec![];
        let times = settings.time.as_ref().map_or(&[][..], |time| time.names());
        found.extend(times.iter().map(|name| builder.index("data.time", name).map(drop)));
        found.extend(settings.series.iter().map(|name| builder.index("data.series", name).map(drop)));
        for name in settings.targets.iter().filter(|name| *name != "*") {
            let is_pattern = name.contains("{i}");
            found.push(if is_pattern {
                builder.expand("data.targets", name).map(drop)
            } else {
                builder.index("data.targets", name).map(drop)
            });
        }
        for covariate in &settings.covariates {
            let all = builder.covariates([covariate]);
            found
                .push(all.and_then(|all| all.into_iter().try_for_each(|(_, one)| builder.resolve("data.covariates", one, None).map(drop))));
        }
        for channel in &settings.channels {
            let (place, declared) = (channel_place(channel), Declared::from(channel));
            // The columns of a pattern depend on the targets.
            if !declared.column.or(declared.expression).is_some_and(|text| text.contains("{i}")) {
                found.push(builder.resolve(&place, declared, None).map(drop));
            }
        }
        found.into_iter().filter_map(Result::err).filter(|e| matches!(e, DataError::UnknownColumn { .. })).collect()
    }

    /// The offset of each stored column in the run to which a scaler belongs.
    pub(super) fn offsets(&self, scaler: &Scaler) -> Vec<f64> {
        scaler.column_offsets(&self.layout.slots, self.columns.len())
    }

    /// Whether the star of data.targets gave the target with this name.
    pub(super) fn is_starred(settings: &DataSettings, name: &str) -> bool {
        settings.targets.iter().any(|t| t == "*") && !settings.targets.iter().any(|t| one_form(t) == name)
    }
}

/// The covariates with numbers.
fn numbers(covariates: &[Covariate]) -> impl Iterator<Item = &Covariate> {
    covariates.iter().filter(|c| c.kind == CellKind::Number)
}

/// Where a channel is declared.
fn channel_place(channel: &Channel) -> String {
    format!("data.channels, \"{}\"", channel.name)
}

/// The items with these names, in this order.
fn picked<T>(place: &str, items: Vec<T>, names: &[String], name: impl Fn(&T) -> String) -> Result<Vec<T>, DataError> {
    let mut items: HashMap<String, T> = items.into_iter().map(|item| (name(&item), item)).collect();
    let one = |wanted: &String| {
        items.remove(wanted).ok_or_else(|| DataError::UnknownColumn {
            place: place.to_owned(),
            name: wanted.clone(),
            hint: "the run was trained with it; add it to the file".into(),
        })
    };
    names.iter().map(one).collect()
}

/// Whether a name matches a pattern with `*` for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last)
}

/// A column or an expression as declared by a covariate or channel.
#[derive(Clone, Copy)]
struct Declared<'a> {
    column: Option<&'a str>,
    expression: Option<&'a str>,
    known_future: KnownFuture,
}

impl<'a> From<&'a Channel> for Declared<'a> {
    fn from(c: &'a Channel) -> Self {
        Self { column: c.column.as_deref(), expression: c.expression.as_deref(), known_future: c.known_future }
    }
}

impl<'a> From<&'a Covariate> for Declared<'a> {
    fn from(c: &'a Covariate) -> Self {
        Self { column: c.column.as_deref(), expression: c.expression.as_deref(), known_future: c.known_future }
    }
}

struct Builder<'h> {
    header: &'h [String],
    long: Option<&'h LongNames>,
    positions: HashMap<&'h str, usize>,
    fields: Vec<Field>,
    field_of: HashMap<(usize, Option<usize>), usize>,
    columns: Vec<Column>,
    column_of: HashMap<String, usize>,
    /// Header indices of the targets. Known-future inputs must not read them. With a hidden history, no input must read them.
    targets: BTreeSet<usize>,
    hide_history: bool,
}

impl<'h> Builder<'h> {
    fn new(header: &'h [String], long: Option<&'h LongNames>) -> Self {
        Self {
            header,
            long,
            positions: header.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect(),
            fields: vec![],
            field_of: HashMap::new(),
            columns: vec![],
            column_of: HashMap::new(),
            targets: BTreeSet::new(),
            hide_history: false,
        }
    }

    /// The index of a column in the header.
    fn index(&self, place: &str, name: &str) -> Result<usize, DataError> {
        if let Some(&index) = self.positions.get(name).or_else(|| self.positions.get(one_form(name).as_str())) {
            return Ok(index);
        }
        let names = || self.header.iter().map(String::as_str);
        let hint = match nearest(name, names()) {
            Some(best) => format!("did you mean \"{best}\"?"),
            None => format!("the nearest are {}", quoted(&nearest_few(name, names(), 5))),
        };
        Err(DataError::UnknownColumn { place: place.to_string(), name: name.to_string(), hint })
    }

    /// The index of an input of a driver. In a long table, a driver of a series reads the columns of this series.
    fn input(&self, place: &str, name: &str, binding: Option<&str>) -> Result<usize, DataError> {
        let own = self.long.zip(binding).and_then(|(long, series)| self.positions.get(long.column(series, name).as_str()));
        own.map_or_else(|| self.index(place, name), |&index| Ok(index))
    }

    /// The fields of the time columns.
    fn time(&self, names: &[String]) -> Result<Vec<Field>, DataError> {
        let field = |name: &String| Ok(Field::number(self.index("data.time", name)?, name.clone()));
        names.iter().map(field).collect()
    }

    /// The covariates with expanded patterns: name and declaration of each.
    fn covariates<'c>(&self, declared: impl IntoIterator<Item = &'c Covariate>) -> Result<Vec<(String, Declared<'c>)>, DataError>
    where
        'h: 'c,
    {
        let mut all = vec![];
        for covariate in declared {
            match &covariate.column {
                Some(pattern) if pattern.contains("{i}") => {
                    for (index, _) in self.expand("data.covariates", pattern)? {
                        let name = self.header[index].as_str();
                        all.push((name.to_string(), Declared { column: Some(name), ..covariate.into() }));
                    }
                }
                _ => {
                    let name = covariate.name.as_ref().or(covariate.column.as_ref());
                    all.push((name.cloned().unwrap_or_default(), covariate.into()));
                }
            }
        }
        Ok(all)
    }

    /// The targets with expanded patterns and `*`: index in the header and the text that `{i}` matched.
    fn targets(&mut self, settings: &DataSettings, time: &[Field]) -> Result<Vec<(usize, Option<String>)>, DataError> {
        if let Some(long) = self.long {
            let all = long.targets().map(|(series, name)| Ok((self.index("data.series", &name)?, Some(series.to_owned()))));
            let all: Vec<_> = all.collect::<Result<_, DataError>>()?;
            if all.is_empty() {
                let problem = "data.exclude leaves out every series of the long table";
                return Err(DataError::schema("data.targets", problem, "leave out fewer, or check data.series"));
            }
            return Ok(all);
        }
        let mut all: Vec<(usize, Option<String>)> = vec![];
        let mut star_at = None;
        for name in &settings.targets {
            if name == "*" {
                star_at = Some(all.len());
            } else if name.contains("{i}") {
                all.extend(self.expand("data.targets", name)?.into_iter().map(|(index, i)| (index, Some(i))));
            } else {
                all.push((self.index("data.targets", name)?, None));
            }
        }
        if let Some(at) = star_at {
            let mut used: BTreeSet<usize> = all.iter().map(|&(index, _)| index).collect();
            used.extend(time.iter().map(|field| field.index));
            used.extend(self.inputs_of_drivers(settings, &all)?);
            used.extend(self.excluded(&settings.exclude));
            let inside = settings.statics.iter().filter(|statics| statics.path.is_none());
            for name in inside.flat_map(StaticSettings::columns) {
                used.insert(self.index("data.static", name)?);
            }
            let rest: Vec<_> = (0..self.header.len()).filter(|i| !used.contains(i)).map(|i| (i, None)).collect();
            all.splice(at..at, rest);
        }
        if all.is_empty() {
            return Err(DataError::schema("data.targets", "no column remains for \"*\"", "list the targets by name"));
        }
        let mut seen = BTreeSet::new();
        for (index, _) in &all {
            let name = &self.header[*index];
            if time.iter().any(|field| field.index == *index) {
                return Err(DataError::schema("data.targets", format!("\"{name}\" is the time column"), "remove it"));
            }
            if !seen.insert(*index) {
                return Err(DataError::schema("data.targets", format!("\"{name}\" is listed twice"), "list it once"));
            }
        }
        Ok(all)
    }

    /// The header indices that the patterns of data.exclude match. A later file need not have these columns.
    fn excluded(&self, patterns: &[String]) -> BTreeSet<usize> {
        let forms: Vec<String> = patterns.iter().map(|pattern| one_form(pattern)).collect();
        let is = |name: &String| forms.iter().any(|form| matches(form, name));
        self.header.iter().enumerate().filter(|(_, name)| is(name)).map(|(index, _)| index).collect()
    }

    /// Header indices that the covariates, and the channels of the given targets, read.
    fn inputs_of_drivers(&self, settings: &DataSettings, targets: &[(usize, Option<String>)]) -> Result<BTreeSet<usize>, DataError> {
        let mut used = BTreeSet::new();
        for (_, covariate) in self.covariates(&settings.covariates)? {
            used.extend(self.resolve("data.covariates", covariate, None)?.1);
        }
        for channel in &settings.channels {
            let place = channel_place(channel);
            for binding in targets.iter().map(|(_, binding)| binding.as_deref()).chain([None]) {
                let declared = Declared::from(channel);
                let shared = !declared.column.or(declared.expression).is_some_and(|text| text.contains("{i}"));
                if shared || binding.is_some() {
                    used.extend(self.resolve(&place, declared, binding)?.1);
                }
            }
        }
        Ok(used)
    }

    /// The inputs with categories that are common to all series.
    fn common_categories(&mut self, settings: &DataSettings, layout: &mut Layout) -> Result<(), DataError> {
        for covariate in settings.covariates.iter().filter(|c| c.kind == CellKind::Category) {
            let words = layout.declared.len();
            for (name, declared) in self.covariates([covariate])? {
                let slot = self.slot("data.covariates", declared, None, Some(words))?;
                layout.common.push(CategorySlot { slot, words });
                layout.declared.push(Declaration { name, place: "data.covariates", unseen: covariate.unseen });
            }
        }
        Ok(())
    }

    fn protect_targets(&mut self, targets: &[(usize, Option<String>)], hide_history: bool) {
        self.targets = targets.iter().map(|&(index, _)| index).collect();
        self.hide_history = hide_history;
    }

    /// The columns that match a pattern and the text that `{i}` matched, in numeric order if all texts are numbers, otherwise in the order
    /// of the header.
    fn expand(&self, place: &str, pattern: &str) -> Result<Vec<(usize, String)>, DataError> {
        let (prefix, suffix) = pattern.split_once("{i}").unwrap_or((pattern, ""));
        if suffix.contains("{i}") {
            return Err(DataError::schema(place, format!("\"{pattern}\" contains {{i}} twice"), "use it once"));
        }
        let matched = |name: &'h str| name.strip_prefix(prefix)?.strip_suffix(suffix).filter(|i| !i.is_empty());
        let mut found: Vec<(usize, String)> =
            (self.header.iter().enumerate()).filter_map(|(index, name)| Some((index, matched(name)?.to_string()))).collect();
        if found.is_empty() {
            let near = nearest_few(&pattern.replace("{i}", ""), self.header.iter().map(String::as_str), 5);
            let hint = format!("no column matches the pattern; the nearest are {}", quoted(&near));
            return Err(DataError::UnknownColumn { place: place.to_string(), name: pattern.to_string(), hint });
        }
        if found.iter().all(|(_, i)| i.len() < 18 && i.bytes().all(|b| b.is_ascii_digit())) {
            order::sort_by_key(&mut found, |(_, i)| i.parse::<u64>().unwrap_or(u64::MAX));
        }
        Ok(found)
    }

    /// The label of a declared source with `{i}` replaced, the header indices that it reads, and its expression.
    fn resolve(
        &self,
        place: &str,
        declared: Declared<'_>,
        binding: Option<&str>,
    ) -> Result<(String, Vec<usize>, Option<Expression>), DataError> {
        let text = declared.column.or(declared.expression).unwrap_or_default();
        let label = match binding {
            _ if self.long.is_some() => text.to_string(),
            Some(i) => text.replace("{i}", i),
            None if text.contains("{i}") => {
                return Err(DataError::schema(
                    place,
                    format!("\"{text}\" contains {{i}}, but its target is not given by a pattern"),
                    "write the target as a pattern with {i}, or declare the driver as a covariate",
                ));
            }
            None => text.to_string(),
        };
        if declared.expression.is_none() {
            let index = self.input(place, &label, binding)?;
            return Ok((self.header[index].clone(), vec![index], None));
        }
        let expression = Expression::parse(&label).map_err(|why| {
            DataError::schema(
                place,
                format!("the expression {label} cannot be parsed ({why})"),
                "use for instance hypot(u, v) or sqrt(u^2 + v^2); put unusual column names in braces",
            )
        })?;
        if expression.names().is_empty() {
            return Err(DataError::schema(place, format!("the expression {label} contains no column"), "use at least one column"));
        }
        let inputs = expression.names().iter().map(|name| self.input(place, name, binding)).collect::<Result<_, _>>()?;
        let label = match (self.long, binding) {
            (Some(_), Some(series)) => format!("{label} of {series}"),
            _ => label,
        };
        Ok((label, inputs, Some(expression)))
    }

    /// The stored column of a covariate or channel.
    fn slot(&mut self, place: &str, declared: Declared<'_>, binding: Option<&str>, words: Option<usize>) -> Result<Slot, DataError> {
        let (label, inputs, expression) = self.resolve(place, declared, binding)?;
        if let Some(leak) = inputs.iter().find(|index| self.targets.contains(index)) {
            let name = &self.header[*leak];
            if declared.known_future.is_known() {
                return Err(DataError::schema(
                    place,
                    format!("it is known_future but reads the target \"{name}\", whose future is unknown"),
                    "remove known_future, or do not read the target",
                ));
            }
            if self.hide_history {
                return Err(DataError::schema(
                    place,
                    format!("it reads the target \"{name}\", whose history is hidden by data.hide_history"),
                    "remove it, or remove hide_history",
                ));
            }
        }
        let column = match expression {
            None => self.column_of_field(inputs[0], words),
            Some(expression) => {
                let inputs = inputs.into_iter().map(|index| self.field(index, None)).collect();
                // A column can have the same name as the text of an expression.
                self.column(format!("={label}"), label, Source::Expression { expression, inputs })
            }
        };
        Ok(Slot { column, known_future: declared.known_future, hidden: false })
    }

    fn column_of_field(&mut self, index: usize, words: Option<usize>) -> usize {
        let field = self.field(index, words);
        let name = self.header[index].clone();
        let key = words.map_or_else(|| name.clone(), |words| format!("{name}#{words}"));
        self.column(key, name, Source::Field(field))
    }

    /// The index of the stored column with this key. A new column is added.
    fn column(&mut self, key: String, label: String, source: Source) -> usize {
        let columns = &mut self.columns;
        *self.column_of.entry(key).or_insert_with(|| {
            columns.push(Column { label, source });
            columns.len() - 1
        })
    }

    fn field(&mut self, index: usize, words: Option<usize>) -> usize {
        let (fields, header) = (&mut self.fields, self.header);
        *self.field_of.entry((index, words)).or_insert_with(|| {
            fields.push(Field { index, name: header[index].clone(), words });
            fields.len() - 1
        })
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
