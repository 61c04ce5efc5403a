//! Parses YAML into keys and values.

use std::fmt;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::MigrateError;
use crate::config::suggest::nearest;

/// Headings that can group keys.
const GROUPS: [&str; 4] = ["model", "memory", "data", "training"];

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Whole(i64),
    Real(f64),
    Text(String),
    List(Vec<Value>),
    Other,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(v) => write!(f, "{v}"),
            Self::Whole(v) => write!(f, "{v}"),
            Self::Real(v) => write!(f, "{v}"),
            Self::Text(v) => write!(f, "\"{v}\""),
            Self::List(v) => write!(f, "[{}]", v.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Self::Other => f.write_str("a nested block"),
        }
    }
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Value,
}

/// The keys of an old configuration. A key without a value (null) is treated as missing.
#[derive(Debug, Default)]
pub(super) struct Old {
    entries: Vec<Entry>,
}

impl Old {
    pub(super) fn read(text: &str) -> Result<Self, MigrateError> {
        let yaml = |e: saphyr::ScanError| MigrateError::Yaml { line: e.marker().line(), problem: e.info().to_owned() };
        let documents = MarkedYaml::load_from_str(text.trim_start_matches('\u{feff}')).map_err(yaml)?;
        let mut old = Self::default();
        for document in &documents {
            old.add(document, true)?;
        }
        if old.entries.is_empty() { Err(MigrateError::NoKeys) } else { Ok(old) }
    }

    /// Adds the keys of a block and of the groups in it.
    fn add(&mut self, node: &MarkedYaml, outer: bool) -> Result<(), MigrateError> {
        let YamlData::Mapping(map) = &node.data else { return Ok(()) };
        for (key, value) in map {
            let (line, name) = (key.span.start.line(), text(key));
            if outer && matches!(value.data, YamlData::Mapping(_)) && GROUPS.contains(&name.to_lowercase().as_str()) {
                self.add(value, false)?;
                continue;
            }
            if let Some(before) = self.get(&name) {
                return Err(MigrateError::Yaml { line, problem: format!("the key {name} is also on line {}", before.line) });
            }
            if let Some(value) = convert(value) {
                self.entries.push(Entry { key: name, line, value });
            }
        }
        Ok(())
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.key == key)
    }

    /// Returns one error for all unknown keys.
    pub(super) fn check_keys(&self, known: impl Iterator<Item = &'static str> + Clone) -> Result<(), MigrateError> {
        let unknown = self.entries.iter().filter(|e| !known.clone().any(|k| k == e.key));
        let say = |e: &Entry| match nearest(&e.key, known.clone()) {
            Some(best) => format!("line {}: unknown key `{}` (did you mean `{best}`?)", e.line, e.key),
            None => format!("line {}: unknown key `{}` (the original system has no such key)", e.line, e.key),
        };
        let unknown: Vec<String> = unknown.map(say).collect();
        if unknown.is_empty() { Ok(()) } else { Err(MigrateError::Unknown(unknown)) }
    }

    /// The value of a key, or its default.
    pub(super) fn value(&self, key: &str, default: Option<&str>) -> Option<Entry> {
        let written = self.get(key).cloned();
        written.or_else(|| {
            default.map(|d| Entry { key: key.into(), line: 0, value: scalar(&Scalar::parse_from_cow(d.into())).unwrap_or(Value::Other) })
        })
    }
}

impl Entry {
    pub(super) fn wrong(&self, problem: &str) -> MigrateError {
        MigrateError::Value { line: self.line, key: self.key.clone(), found: self.value.to_string(), problem: problem.into() }
    }

    /// A count.
    pub(super) fn whole(&self) -> Result<usize, MigrateError> {
        let found = match self.value {
            Value::Whole(v) => usize::try_from(v).ok(),
            _ => None,
        };
        found.ok_or_else(|| self.wrong("not a whole number of 0 or more"))
    }

    pub(super) fn real(&self) -> Result<f64, MigrateError> {
        match &self.value {
            Value::Whole(v) => Ok(*v as f64),
            Value::Real(v) if v.is_finite() => Ok(*v),
            _ => Err(self.wrong("not a number")),
        }
    }

    /// A switch, including the words of YAML 1.1.
    pub(super) fn switch(&self) -> Result<bool, MigrateError> {
        let word = |text: &str| match text.to_lowercase().as_str() {
            "yes" | "on" | "true" => Some(true),
            "no" | "off" | "false" => Some(false),
            _ => None,
        };
        let found = match &self.value {
            Value::Bool(v) => Some(*v),
            Value::Whole(v @ (0 | 1)) => Some(*v == 1),
            Value::Text(text) => word(text),
            _ => None,
        };
        found.ok_or_else(|| self.wrong("neither true nor false"))
    }

    pub(super) fn text(&self) -> Result<String, MigrateError> {
        match &self.value {
            Value::Text(v) => Ok(v.trim().to_owned()),
            Value::Whole(v) => Ok(v.to_string()),
            _ => Err(self.wrong("not text")),
        }
    }

    /// A list of texts, or one text with commas.
    pub(super) fn texts(&self) -> Result<Vec<String>, MigrateError> {
        let all = match &self.value {
            Value::List(values) => values.iter().map(|v| Self { value: v.clone(), ..self.clone() }.text()).collect::<Result<_, _>>()?,
            _ => self.text()?.split(',').map(|t| t.trim().to_owned()).collect::<Vec<_>>(),
        };
        Ok(all.into_iter().filter(|t| !t.is_empty()).collect())
    }

    /// A list of numbers, or one number.
    pub(super) fn reals(&self) -> Result<Vec<f64>, MigrateError> {
        match &self.value {
            Value::List(values) => values.iter().map(|v| Self { value: v.clone(), ..self.clone() }.real()).collect(),
            _ => Ok(vec![self.real()?]),
        }
    }
}

fn text(node: &MarkedYaml) -> String {
    match convert(node) {
        Some(Value::Text(text)) => text,
        Some(other) => other.to_string(),
        None => "null".into(),
    }
}

fn convert(node: &MarkedYaml) -> Option<Value> {
    match &node.data {
        YamlData::Value(value) => scalar(value),
        YamlData::Sequence(values) => Some(Value::List(values.iter().filter_map(convert).collect())),
        _ => Some(Value::Other),
    }
}

fn scalar(value: &Scalar) -> Option<Value> {
    Some(match value {
        Scalar::Null => return None,
        Scalar::Boolean(v) => Value::Bool(*v),
        Scalar::Integer(v) => Value::Whole(*v),
        Scalar::FloatingPoint(v) => Value::Real(v.into_inner()),
        Scalar::String(v) => Value::Text(v.to_string()),
    })
}
