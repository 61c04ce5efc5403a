//! `[graph]`: the source of the series graph.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// `[graph]`: the fixed graph of the series. Give one of `edges`, `matrix` and `nearest`. Without them, the graph has no edges.
///
/// ```toml
/// [graph]
/// edges = "edges.csv"   # columns source, target, weight; relative to this file
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GraphSettings {
    /// Edge list: plain or gzip-compressed CSV with the columns `source`, `target` and optionally `weight` (0 or more; 1 if the column is
    /// missing). Series have the same names as in the data. The source acts on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<String>,
    /// Weight matrix: plain or gzip-compressed CSV. It has series names in the header and in the first column, or no names and all series
    /// in node order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    /// Number of edges to each series, computed from the training rows: from the series with the largest absolute correlation. The weight
    /// is the absolute correlation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<usize>,
    /// Whether edges are directed. If false, an edge acts in both directions; if both directions are given, the larger weight is used.
    pub directed: bool,
    /// The meaning of a row of `matrix`.
    pub rows: MatrixRows,
    /// Ignore edges of series that are not in the data; otherwise they are an error.
    pub skip_unknown: bool,
    /// Field separator of the graph file, one character.
    pub delimiter: char,
}

/// The meaning of a row of a matrix file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatrixRows {
    /// Weights with which the series of the row acts on the others (row to column, the usual form of adjacency matrices).
    Sources,
    /// Weights with which the others act on the series of the row.
    Targets,
}

impl Default for GraphSettings {
    fn default() -> Self {
        Self { edges: None, matrix: None, nearest: None, directed: true, rows: MatrixRows::Sources, skip_unknown: false, delimiter: ',' }
    }
}

impl GraphSettings {
    /// The graph file, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.edges.as_deref().or(self.matrix.as_deref())
    }

    /// The settings with which a true graph is read, to compare a learned one with it: an edge list that may name other series.
    #[must_use]
    pub fn of_truth(edges: String) -> Self {
        Self { edges: Some(edges), skip_unknown: true, ..Self::default() }
    }

    /// The mutable path of the graph file, if there is one.
    pub fn path_mut(&mut self) -> Option<&mut String> {
        self.edges.as_mut().or(self.matrix.as_mut())
    }

    /// Whether all values are the defaults, as without the section.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let given = [("edges", self.edges.is_some()), ("matrix", self.matrix.is_some()), ("nearest", self.nearest.is_some())];
        let given: Vec<&str> = given.iter().filter(|g| g.1).map(|g| g.0).collect();
        if given.len() > 1 {
            return Err(ConfigError::invalid("graph", format!("the section gives {}", given.join(" and ")), "keep one of them"));
        }
        if self.nearest == Some(0) {
            return Err(ConfigError::invalid("graph.nearest", "it is 0", "use at least 1, or remove [graph] for no edges"));
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
                Err(ConfigError::invalid(key, format!("the key has no effect without {needs}"), "add it, or remove the key"))
            }
            None => Ok(()),
        }
    }
}
