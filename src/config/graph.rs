//! `[graph]`: where the series graph comes from.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// `[graph]`: the fixed graph of the series. One of `edges`, `matrix` and `nearest`; without any, a graph without edges.
///
/// ```toml
/// [graph]
/// edges = "edges.csv"   # columns source, target, weight; relative to this file
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GraphSettings {
    /// Edge list: CSV or gzip'd CSV with the columns `source`, `target` and, if edges differ in strength, `weight` (0 or more).
    /// Series are named as in the data. The source acts on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<String>,
    /// Matrix of weights: CSV or gzip'd CSV with names in header and first column, or with neither and series in node order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    /// Built from the training rows: an edge to each series from the so many others that correlate most with it, whatever the sign;
    /// its weight is the absolute correlation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<usize>,
    /// False: an edge acts both ways, with the greater weight where both directions are given.
    pub directed: bool,
    /// What a row of `matrix` holds.
    pub rows: MatrixRows,
    /// Leave out edges of series that are not in the data, instead of refusing them.
    pub skip_unknown: bool,
    /// Field separator of the file, one character.
    pub delimiter: char,
}

/// What a row of a matrix file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatrixRows {
    /// Weights by which the row's series acts on others (row to column, as adjacency matrices mostly are).
    Sources,
    /// Weights by which others act on the row's series.
    Targets,
}

impl Default for GraphSettings {
    fn default() -> Self {
        Self { edges: None, matrix: None, nearest: None, directed: true, rows: MatrixRows::Sources, skip_unknown: false, delimiter: ',' }
    }
}

impl GraphSettings {
    /// The file with the graph, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.edges.as_deref().or(self.matrix.as_deref())
    }

    /// The file with the graph, to be changed.
    pub fn path_mut(&mut self) -> Option<&mut String> {
        self.edges.as_mut().or(self.matrix.as_mut())
    }

    /// Whether everything is as it is without the section.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let given = [("edges", self.edges.is_some()), ("matrix", self.matrix.is_some()), ("nearest", self.nearest.is_some())];
        let given: Vec<&str> = given.iter().filter(|g| g.1).map(|g| g.0).collect();
        if given.len() > 1 {
            return Err(ConfigError::invalid("graph", format!("it gives {}", given.join(" and ")), "keep one of them"));
        }
        if self.nearest == Some(0) {
            return Err(ConfigError::invalid("graph.nearest", "it is 0", "use at least 1, or drop [graph] for no edges"));
        }
        if !self.delimiter.is_ascii() || self.delimiter == '"' {
            return Err(ConfigError::invalid(
                "graph.delimiter",
                format!("{:?} cannot separate fields", self.delimiter),
                "use \",\", \";\", \"\\t\" or another ASCII character",
            ));
        }
        let d = Self::default();
        let useless = [
            ("graph.rows", self.rows != d.rows && self.matrix.is_none(), "matrix"),
            ("graph.skip_unknown", self.skip_unknown && self.path().is_none(), "edges or matrix"),
            ("graph.delimiter", self.delimiter != d.delimiter && self.path().is_none(), "edges or matrix"),
            ("graph.directed", !self.directed && given.is_empty(), "edges, matrix or nearest"),
        ];
        match useless.iter().find(|u| u.1) {
            Some((key, _, needs)) => {
                Err(ConfigError::invalid(key, format!("it means nothing without {needs}"), "add that, or drop the key"))
            }
            None => Ok(()),
        }
    }
}
