//! From header and configuration to columns: the fields to read, the stored columns, and the column of each input.

use std::collections::{BTreeSet, HashMap};

use super::error::DataError;
use super::expression::Expression;
use crate::config::suggest::{nearest, nearest_few};
use crate::config::{Channel, Covariate, DataSettings};

/// The fields to read from each row, and the columns to store.
#[derive(Debug)]
pub(super) struct Schema {
    /// Field of the time column.
    pub(super) time: Option<Field>,
    /// The fields with required numbers.
    pub(super) fields: Vec<Field>,
    /// The stored columns.
    pub(super) columns: Vec<Column>,
    /// The column of each input.
    pub(super) layout: Layout,
}

/// A field of the file.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Index in the header.
    pub(super) index: usize,
    /// Name in the header.
    pub(super) name: String,
}

/// A stored column.
#[derive(Debug)]
pub(super) struct Column {
    /// Column name or expression.
    pub(super) label: String,
    /// The source of its values.
    pub(super) source: Source,
}

/// The source of the values of a column. Numbers are indices into [`Schema::fields`].
#[derive(Debug)]
pub(super) enum Source {
    Field(usize),
    Expression { expression: Expression, inputs: Vec<usize> },
}

/// The column of each input: Nx series (covariates, then targets) with F channels.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// Names of the Nc covariates.
    pub(super) covariates: Vec<String>,
    /// Names of the Nt targets.
    pub(super) targets: Vec<String>,
    /// Names of channels 1..F.
    pub(super) channels: Vec<String>,
    /// The text that `{i}` matched, for each target.
    pub(super) bindings: Vec<Option<String>>,
    /// `[Nx, F]`; `None` if there is no input (channels of covariates).
    pub(super) slots: Vec<Option<Slot>>,
}

/// One input of the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// Index of the stored column.
    pub(super) column: usize,
    /// Whether its values in the horizon are inputs.
    pub(super) known_future: bool,
    /// Whether its values in the history are hidden, that is, not inputs.
    pub(super) hidden: bool,
}

impl Schema {
    /// The schema for a header.
    pub(super) fn new(header: &[String], settings: &DataSettings) -> Result<Self, DataError> {
        let mut builder = Builder::new(header);
        let time = match &settings.time {
            Some(name) => Some(Field { index: builder.index("data.time", name)?, name: name.clone() }),
            None => None,
        };
        let covariates = builder.covariates(&settings.covariates)?;
        let targets = builder.targets(settings, time.as_ref())?;
        builder.protect_targets(&targets, settings.hide_history);
        let mut layout = Layout { channels: settings.channels.iter().map(|c| c.name.clone()).collect(), ..Layout::default() };
        for (name, covariate) in covariates {
            let slot = builder.slot("data.covariates", covariate, None)?;
            layout.covariates.push(name);
            layout.slots.push(Some(slot));
            layout.slots.extend(settings.channels.iter().map(|_| None));
        }
        for (name, binding) in targets {
            let column = builder.column_of_field("data.targets", &name)?;
            layout.slots.push(Some(Slot { column, known_future: false, hidden: settings.hide_history }));
            for channel in &settings.channels {
                let place = format!("data.channels, \"{}\"", channel.name);
                layout.slots.push(Some(builder.slot(&place, channel.into(), binding.as_deref())?));
            }
            layout.targets.push(name);
            layout.bindings.push(binding);
        }
        Ok(Self { time, fields: builder.fields, columns: builder.columns, layout })
    }
}

/// A column or an expression as declared by a covariate or channel.
#[derive(Clone, Copy)]
struct Declared<'a> {
    column: Option<&'a str>,
    expression: Option<&'a str>,
    known_future: bool,
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
    positions: HashMap<&'h str, usize>,
    fields: Vec<Field>,
    field_of: HashMap<usize, usize>,
    columns: Vec<Column>,
    column_of: HashMap<String, usize>,
    /// Header indices of the targets. Known-future inputs must not read them. With a hidden history, no input must read them.
    targets: BTreeSet<usize>,
    hide_history: bool,
}

impl<'h> Builder<'h> {
    fn new(header: &'h [String]) -> Self {
        Self {
            header,
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
        if let Some(&index) = self.positions.get(name) {
            return Ok(index);
        }
        let names = || self.header.iter().map(String::as_str);
        let hint = match nearest(name, names()) {
            Some(best) => format!("did you mean \"{best}\"?"),
            None => format!("the nearest are {}", quoted(&nearest_few(name, names(), 5))),
        };
        Err(DataError::UnknownColumn { place: place.to_string(), name: name.to_string(), hint })
    }

    /// The covariates with expanded patterns: name and declaration of each.
    fn covariates<'c>(&self, declared: &'c [Covariate]) -> Result<Vec<(String, Declared<'c>)>, DataError>
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

    /// The targets with expanded patterns and `*`: column name and the text that `{i}` matched.
    fn targets(&mut self, settings: &DataSettings, time: Option<&Field>) -> Result<Vec<(String, Option<String>)>, DataError> {
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
            used.extend(time.map(|field| field.index));
            used.extend(self.inputs_of_drivers(settings, &all)?);
            let rest: Vec<_> = (0..self.header.len()).filter(|i| !used.contains(i)).map(|i| (i, None)).collect();
            all.splice(at..at, rest);
        }
        if all.is_empty() {
            return Err(DataError::schema("data.targets", "no column remains for \"*\"", "list the targets by name"));
        }
        let mut seen = BTreeSet::new();
        for (index, _) in &all {
            let name = &self.header[*index];
            if time.is_some_and(|field| field.index == *index) {
                return Err(DataError::schema("data.targets", format!("\"{name}\" is the time column"), "remove it"));
            }
            if !seen.insert(*index) {
                return Err(DataError::schema("data.targets", format!("\"{name}\" is listed twice"), "list it once"));
            }
        }
        Ok(all.into_iter().map(|(index, binding)| (self.header[index].clone(), binding)).collect())
    }

    /// Header indices that the covariates, and the channels of the given targets, read.
    fn inputs_of_drivers(&self, settings: &DataSettings, targets: &[(usize, Option<String>)]) -> Result<BTreeSet<usize>, DataError> {
        let mut used = BTreeSet::new();
        for (_, covariate) in self.covariates(&settings.covariates)? {
            used.extend(self.resolve("data.covariates", covariate, None)?.1);
        }
        for channel in &settings.channels {
            let place = format!("data.channels, \"{}\"", channel.name);
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

    fn protect_targets(&mut self, targets: &[(String, Option<String>)], hide_history: bool) {
        self.targets = targets.iter().filter_map(|(name, _)| self.positions.get(name.as_str()).copied()).collect();
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
            found.sort_by_key(|(_, i)| i.parse::<u64>().unwrap_or(u64::MAX));
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
            let index = self.index(place, &label)?;
            return Ok((label, vec![index], None));
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
        let inputs = expression.names().iter().map(|name| self.index(place, name)).collect::<Result<_, _>>()?;
        Ok((label, inputs, Some(expression)))
    }

    /// The stored column of a covariate or channel.
    fn slot(&mut self, place: &str, declared: Declared<'_>, binding: Option<&str>) -> Result<Slot, DataError> {
        let (label, inputs, expression) = self.resolve(place, declared, binding)?;
        if let Some(leak) = inputs.iter().find(|index| self.targets.contains(index)) {
            let name = &self.header[*leak];
            if declared.known_future {
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
            None => self.column_of_field(place, &label)?,
            Some(expression) => {
                let inputs = inputs.into_iter().map(|index| self.field(index)).collect();
                // A column can have the same name as the text of an expression.
                self.column(format!("={label}"), label, Source::Expression { expression, inputs })
            }
        };
        Ok(Slot { column, known_future: declared.known_future, hidden: false })
    }

    fn column_of_field(&mut self, place: &str, name: &str) -> Result<usize, DataError> {
        let index = self.index(place, name)?;
        let field = self.field(index);
        Ok(self.column(name.to_string(), name.to_string(), Source::Field(field)))
    }

    /// The index of the stored column with this key. A new column is added.
    fn column(&mut self, key: String, label: String, source: Source) -> usize {
        let columns = &mut self.columns;
        *self.column_of.entry(key).or_insert_with(|| {
            columns.push(Column { label, source });
            columns.len() - 1
        })
    }

    fn field(&mut self, index: usize) -> usize {
        let (fields, header) = (&mut self.fields, self.header);
        *self.field_of.entry(index).or_insert_with(|| {
            fields.push(Field { index, name: header[index].clone() });
            fields.len() - 1
        })
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
