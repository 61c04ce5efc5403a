//! Builds a graph from settings.

use super::read::{Reader, some_names};
use super::{SeriesGraph, SeriesGraphError};
use crate::config::GraphSettings;
use crate::data::Dataset;
use crate::order;

impl SeriesGraph {
    /// The graph that `settings` describe for the series of `dataset`, and notes for the user. `file` holds the contents of the file at
    /// [`GraphSettings::path`], plain or gzip-compressed.
    ///
    /// Correlations use only the training rows.
    ///
    /// # Errors
    /// Fails if the file is not valid; the error names the line and what to do.
    pub fn build(settings: &GraphSettings, dataset: &Dataset, file: Option<&[u8]>) -> Result<(Self, Vec<String>), SeriesGraphError> {
        let names: Vec<String> = dataset.series_names().map(str::to_owned).collect();
        let (mut weights, mut notes) = if let Some(count) = settings.nearest {
            nearest(count, names.len(), &dataset.training_correlations()?)
        } else if let Some(path) = settings.path() {
            let bytes = file.ok_or_else(|| SeriesGraphError::NoBytes(path.to_owned()))?;
            let mut reader = Reader::new(settings, &names);
            if settings.edges.is_some() {
                reader.edges(bytes)?
            } else {
                reader.matrix(bytes)?
            }
            (reader.weights, reader.notes)
        } else {
            return Ok((Self::without_edges(names), vec![]));
        };
        if !settings.directed {
            notes.extend(symmetrise(&mut weights, names.len()));
        }
        let graph = Self::from_weights(names, weights)?;
        notes.extend(graph.lonely());
        Ok((graph, notes))
    }

    /// Like [`SeriesGraph::build`], but reads the file at [`GraphSettings::path`].
    ///
    /// # Errors
    /// As [`SeriesGraph::build`]; also fails if the file cannot be read.
    #[cfg(feature = "native")]
    pub fn open(settings: &GraphSettings, dataset: &Dataset) -> Result<(Self, Vec<String>), SeriesGraphError> {
        let read = |path: &str| std::fs::read(path).map_err(|source| SeriesGraphError::Open { path: path.into(), source });
        let bytes = settings.path().map(read).transpose()?;
        Self::build(settings, dataset, bytes.as_deref())
    }

    /// Notes about series without edges and about a disconnected graph.
    fn lonely(&self) -> Vec<String> {
        let neighbours = self.neighbours();
        let alone: Vec<&str> = self.names.iter().zip(&neighbours).filter(|(_, n)| n.is_empty()).map(|(name, _)| name.as_str()).collect();
        let mut piece = vec![usize::MAX; self.len()];
        let mut pieces = 0;
        for start in (0..self.len()).filter(|&i| !neighbours[i].is_empty()) {
            if piece[start] == usize::MAX {
                let mut open = vec![start];
                while let Some(i) = open.pop() {
                    if std::mem::replace(&mut piece[i], pieces) == usize::MAX {
                        open.extend(neighbours[i].iter().filter(|&&j| piece[j] == usize::MAX));
                    }
                }
                pieces += 1;
            }
        }
        let mut notes = vec![];
        if pieces == 0 && self.len() > 1 {
            notes.push("the series graph has no edges: its features distinguish series only by their order".into());
        } else if !alone.is_empty() {
            notes.push(format!(
                "series without edges in the graph: {}; the model connects them only through learned graphs",
                some_names(alone.into_iter())
            ));
        }
        if pieces > 1 {
            notes.push(format!("the series graph has {pieces} disconnected components"));
        }
        notes
    }
}

/// Links each series to the `count` others with the largest absolute correlation. The node order breaks ties.
fn nearest(count: usize, n: usize, correlations: &[f64]) -> (Vec<f64>, Vec<String>) {
    let mut weights = vec![0.0; n * n];
    for (i, row) in weights.chunks_exact_mut(n.max(1)).enumerate() {
        let strength = |j: usize| correlations[i * n + j].abs();
        let mut others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
        order::sort_by(&mut others, |&a, &b| strength(b).total_cmp(&strength(a)));
        for j in others.into_iter().take(count) {
            row[j] = strength(j);
        }
    }
    let mut notes = vec![];
    if count >= n {
        notes.push(format!("graph.nearest = {count}, but there are {n} series: each series is linked to all others"));
    }
    (weights, notes)
}

/// Sets both weights of each pair to the larger one.
fn symmetrise(weights: &mut [f64], n: usize) -> Option<String> {
    let mut differ = 0;
    for i in 0..n {
        for j in 0..i {
            let (a, b) = (weights[i * n + j], weights[j * n + i]);
            differ += usize::from(a > 0.0 && b > 0.0 && a != b);
            (weights[i * n + j], weights[j * n + i]) = (a.max(b), a.max(b));
        }
    }
    (differ > 0)
        .then(|| format!("{differ} pairs have different weights in the two directions: the larger one is used (graph.directed = false)"))
}
