//! The fixed graph of the series, and the features that the model reads from it.
//!
//! A [`SeriesGraph`] comes from an edge list, a matrix, or the correlations of the training rows (`[graph]` of the configuration), or has
//! no edges. [`GraphFeatures`] are computed from it once, in f64, and stored in a [`FeatureCache`] and with the run ([`KnownGraph`]).
//! Formulas: sections 3 and 4.1 of docs/model.md. Shapes: Nx series, Nr transition nodes, N = Nx + Nr.
//!
//! Files: `read` (edge lists and matrices), `build` (from settings to a graph), `spectrum` (solver-independent eigenvectors), `walks`
//! (distances, betweenness), `features`, `cache`, `store`.
//!
//! Eigenvectors are computed with nalgebra. Compared with faer 0.24 (same accuracy, residuals of 1e-14, even for coinciding eigenvalues),
//! it is slower (2.7 s instead of 0.4 s for 1,000 nodes, once per run), but compiles in a seventh of the time, with a third of the crates,
//! and adds 37 kB to a browser build instead of 300 kB.

mod build;
mod cache;
mod error;
mod features;
mod read;
mod spectrum;
mod store;
mod walks;

#[cfg(test)]
mod tests;

pub use crate::lru::CacheStatistics;
pub use cache::FeatureCache;
pub use error::SeriesGraphError;
pub use features::{FeatureSizes, GraphConstants, GraphFeatures};
pub use store::{GRAPH_VERSION, KnownGraph};

/// A weighted, directed graph of the series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesGraph {
    names: Vec<String>,
    weights: Vec<f64>,
}

impl SeriesGraph {
    /// A graph without edges.
    #[must_use]
    pub fn without_edges(names: Vec<String>) -> Self {
        let weights = vec![0.0; names.len() * names.len()];
        Self { names, weights }
    }

    /// A graph with these weights, `[Nx, Nx]` row-major: row = the series that receives, column = the series that acts on it.
    ///
    /// # Errors
    /// Fails if there are not Nx Nx weights, or if a weight is negative, not finite, or on the diagonal (the prior adds the self-loops).
    pub fn from_weights(names: Vec<String>, weights: Vec<f64>) -> Result<Self, SeriesGraphError> {
        let n = names.len();
        if weights.len() != n * n {
            return Err(SeriesGraphError::Size { found: weights.len(), series: n });
        }
        let bad = |(k, w): (usize, &f64)| !(w.is_finite() && *w >= 0.0) || (*w != 0.0 && k / n == k % n);
        if let Some((k, &weight)) = weights.iter().enumerate().find(|&(k, w)| bad((k, w))) {
            return Err(SeriesGraphError::Weight { target: names[k / n].clone(), source_name: names[k % n].clone(), weight });
        }
        Ok(Self { names, weights })
    }

    /// Nx.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Names of the series in node order: covariates, then targets.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// `[Nx, Nx]`, row = receiver; 0 if there is no edge.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Number of directed edges.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.weights.iter().filter(|w| **w > 0.0).count()
    }

    /// Neighbours of each series in the unweighted, undirected graph, ascending.
    fn neighbours(&self) -> Vec<Vec<usize>> {
        let n = self.len();
        let linked = |i: usize, j: usize| i != j && self.weights[i * n + j] + self.weights[j * n + i] > 0.0;
        (0..n).map(|i| (0..n).filter(|&j| linked(i, j)).collect()).collect()
    }
}
