//! The features of the series graph that the model uses.

use crate::order;
use nalgebra::DMatrix;

use super::spectrum::{Spectrum, rounded};
use super::walks::distances_and_betweenness;
use super::{SeriesGraph, SeriesGraphError};
use crate::config::ModelSettings;
use crate::numbers::to_f32;

/// The number of features of each kind, and the scales of the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureSizes {
    /// Nr.
    pub num_transitions: usize,
    /// Rows of the hop distance table.
    pub max_hop_distance: usize,
    /// Number of spectral features per node.
    pub num_spectral: usize,
    /// Number of random-walk features per node.
    pub num_random_walk: usize,
    /// Number of eigenmaps per node.
    pub num_eigenvectors: usize,
    /// Scales r of the hierarchy.
    pub hierarchy: Vec<usize>,
}

impl From<&ModelSettings> for FeatureSizes {
    fn from(s: &ModelSettings) -> Self {
        Self {
            num_transitions: s.num_transitions,
            max_hop_distance: s.max_hop_distance,
            num_spectral: s.num_spectral,
            num_random_walk: s.num_random_walk,
            num_eigenvectors: s.num_eigenvectors,
            hierarchy: s.hierarchy.clone(),
        }
    }
}

/// Features of a series graph, row-major. Rows of transition nodes are 0, except in `prior` and `clusters`. See sections 3 and 4.1 of
/// docs/model.md.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphFeatures {
    /// N = Nx + Nr.
    pub nodes: usize,
    /// Sizes.
    pub sizes: FeatureSizes,
    /// `[N, N]`, row = receiver, rows sum to 1: weights and self-loops of weight 1; the transition nodes together have one unit of weight.
    pub prior: Vec<f64>,
    /// `[N]`: mean number of hops to all series (Nx for an unreachable one), rounded down, less than `max_hop_distance`.
    pub hop_distance: Vec<u32>,
    /// `[N, 4]`: degree, eigenvector, closeness, betweenness centrality.
    pub centrality: Vec<f64>,
    /// `[N, num_spectral]`: eigenvectors 1.. of the normalised Laplacian; 0 if there are fewer.
    pub spectral: Vec<f64>,
    /// `[N, num_random_walk]`: probabilities that a random walk has returned after 1, 2, .. steps.
    pub random_walk: Vec<f64>,
    /// `[N, num_eigenvectors]`: the first eigenvectors of the normalised Laplacian; 0 if there are fewer.
    pub eigenmaps: Vec<f64>,
    /// For each scale `[N]`: cluster of each node, counted from 0. The transition nodes form the last cluster, ceil(Nx / r).
    pub clusters: Vec<Vec<u32>>,
}

/// [`GraphFeatures`] for the device: the same fields, rounded to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphConstants {
    /// `[N, N]`.
    pub prior: Vec<f32>,
    /// `[N]`.
    pub hop_distance: Vec<u32>,
    /// `[N, 4]`.
    pub centrality: Vec<f32>,
    /// `[N, num_spectral]`.
    pub spectral: Vec<f32>,
    /// `[N, num_random_walk]`.
    pub random_walk: Vec<f32>,
    /// `[N, num_eigenvectors]`.
    pub eigenmaps: Vec<f32>,
    /// For each scale `[N]`.
    pub clusters: Vec<Vec<u32>>,
}

impl GraphConstants {
    /// Selects nodes, in the given order. For size estimates only: the values are not the features of the smaller graph.
    #[must_use]
    pub fn of_nodes(&self, nodes: &[usize]) -> Self {
        let n = self.hop_distance.len();
        let rows = |values: &[f32]| {
            let width = values.len() / n.max(1);
            nodes.iter().flat_map(|&i| values[i * width..(i + 1) * width].iter().copied()).collect::<Vec<f32>>()
        };
        let prior = nodes.iter().flat_map(|&i| nodes.iter().map(move |&j| self.prior[i * n + j])).collect();
        Self {
            prior,
            hop_distance: nodes.iter().map(|&i| self.hop_distance[i]).collect(),
            centrality: rows(&self.centrality),
            spectral: rows(&self.spectral),
            random_walk: rows(&self.random_walk),
            eigenmaps: rows(&self.eigenmaps),
            clusters: self.clusters.iter().map(|c| nodes.iter().map(|&i| c[i]).collect()).collect(),
        }
    }

    /// Features of unknown series: each series receives only from itself, and all features are 0. They differ from the features of a graph
    /// without edges, which distinguish series by their order.
    #[must_use]
    pub fn blank(series: usize, sizes: &FeatureSizes) -> Self {
        let n = series + sizes.num_transitions;
        Self {
            prior: (0..n * n).map(|e| if e / n == e % n { 1.0 } else { 0.0 }).collect(),
            hop_distance: vec![0; n],
            centrality: vec![0.0; 4 * n],
            spectral: vec![0.0; n * sizes.num_spectral],
            random_walk: vec![0.0; n * sizes.num_random_walk],
            eigenmaps: vec![0.0; n * sizes.num_eigenvectors],
            clusters: vec![vec![0; n]; sizes.hierarchy.len()],
        }
    }
}

impl GraphFeatures {
    /// Computes the features. [`super::FeatureCache`] avoids repeated computation.
    ///
    /// # Errors
    /// Fails if the eigenvectors cannot be computed.
    pub fn of(graph: &SeriesGraph, sizes: &FeatureSizes) -> Result<Self, SeriesGraphError> {
        let (m, neighbours) = (graph.len(), graph.neighbours());
        let nodes = m + sizes.num_transitions;
        let degree: Vec<f64> = neighbours.iter().map(|n| n.len() as f64).collect();
        let (distance_sums, betweenness) = distances_and_betweenness(&neighbours);
        let laplacian = Spectrum::of(laplacian(&neighbours, &degree))?;
        let first = laplacian.first_positive();
        let columns = (1 + sizes.num_spectral).max(sizes.num_eigenvectors).max(first.map_or(0, |k| k + 1));
        let vectors = laplacian.canonical(columns);
        let principal = Spectrum::of(adjacency(&neighbours))?.principal();
        let others = m.saturating_sub(1) as f64;
        let mut centrality = vec![0.0; nodes * 4];
        for (i, row) in centrality.chunks_exact_mut(4).take(m).enumerate() {
            let closeness = others / (distance_sums[i] as f64).max(1.0);
            row.copy_from_slice(&[degree[i] / others.max(1.0), principal[i], closeness, betweenness[i]]);
        }
        let top = u32::try_from(sizes.max_hop_distance.saturating_sub(1)).unwrap_or(u32::MAX);
        let hops = |i: usize| if i < m { u32::try_from(distance_sums[i] / m).unwrap_or(u32::MAX).min(top) } else { 0 };
        let fiedler = first.map(|k| vectors[k].as_slice());
        Ok(Self {
            nodes,
            sizes: sizes.clone(),
            prior: prior(graph, sizes.num_transitions),
            hop_distance: (0..nodes).map(hops).collect(),
            centrality,
            spectral: table(nodes, sizes.num_spectral, vectors.get(1..).unwrap_or(&[])),
            random_walk: table(nodes, sizes.num_random_walk, &returns(&laplacian, &degree, sizes.num_random_walk)),
            eigenmaps: table(nodes, sizes.num_eigenvectors, &vectors),
            clusters: sizes.hierarchy.iter().map(|&r| clusters(m, fiedler, r, sizes.num_transitions)).collect(),
        })
    }

    /// The features rounded to f32.
    #[must_use]
    pub fn constants(&self) -> GraphConstants {
        let narrow = |values: &[f64]| values.iter().map(|v| to_f32(*v)).collect();
        GraphConstants {
            prior: narrow(&self.prior),
            hop_distance: self.hop_distance.clone(),
            centrality: narrow(&self.centrality),
            spectral: narrow(&self.spectral),
            random_walk: narrow(&self.random_walk),
            eigenmaps: narrow(&self.eigenmaps),
            clusters: self.clusters.clone(),
        }
    }

    /// Number of clusters of scale number `scale`, including the cluster of the transition nodes.
    #[must_use]
    pub fn num_clusters(&self, scale: usize) -> usize {
        let series = self.nodes - self.sizes.num_transitions;
        series.div_ceil(self.sizes.hierarchy[scale].max(1)) + usize::from(self.sizes.num_transitions > 0)
    }

    /// Approximate memory in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let wide = self.prior.len() + self.centrality.len() + self.spectral.len() + self.random_walk.len() + self.eigenmaps.len();
        let narrow = self.hop_distance.len() + self.clusters.iter().map(Vec::len).sum::<usize>();
        size_of::<Self>() + 8 * wide + 4 * narrow
    }
}

fn adjacency(neighbours: &[Vec<usize>]) -> DMatrix<f64> {
    let mut a = DMatrix::zeros(neighbours.len(), neighbours.len());
    for (i, row) in neighbours.iter().enumerate() {
        row.iter().for_each(|&j| a[(i, j)] = 1.0);
    }
    a
}

/// I - D^-1/2 A D^-1/2; rows of nodes without edges are 0.
fn laplacian(neighbours: &[Vec<usize>], degree: &[f64]) -> DMatrix<f64> {
    let mut l = DMatrix::zeros(neighbours.len(), neighbours.len());
    for (i, row) in neighbours.iter().enumerate() {
        if !row.is_empty() {
            l[(i, i)] = 1.0;
        }
        row.iter().for_each(|&j| l[(i, j)] = -(1.0 / degree[i].sqrt()) * (1.0 / degree[j].sqrt()));
    }
    l
}

fn prior(graph: &SeriesGraph, transitions: usize) -> Vec<f64> {
    let m = graph.len();
    let n = m + transitions;
    let mut prior = vec![0.0; n * n];
    for (i, row) in prior.chunks_exact_mut(n.max(1)).enumerate() {
        let (series, hubs) = row.split_at_mut(m);
        if i < m {
            series.copy_from_slice(&graph.weights()[i * m..(i + 1) * m]);
            hubs.fill(1.0 / transitions.max(1) as f64);
        } else {
            series.fill(1.0);
        }
        row[i] += 1.0;
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|a| *a /= sum);
    }
    prior
}

/// For each number of steps from 1, the probabilities `[Nx]` that a random walk is back at its start.
///
/// With P = D^-1/2 (I - L) D^1/2 and L = V diag(l) V^T, the diagonal of P^t is that of V diag((1 - l)^t) V^T. A walk from a node without
/// edges has return probability 0.
fn returns(laplacian: &Spectrum, degree: &[f64], steps: usize) -> Vec<Vec<f64>> {
    let mut all = vec![vec![0.0; degree.len()]; steps];
    for (k, value) in laplacian.values.iter().enumerate() {
        let column = laplacian.vectors.column(k);
        let mut power = 1.0;
        for step in &mut all {
            power *= 1.0 - value;
            for ((probability, v), d) in step.iter_mut().zip(column.iter()).zip(degree) {
                *probability += if *d > 0.0 { power * v * v } else { 0.0 };
            }
        }
    }
    all.iter_mut().flatten().for_each(|p| *p = p.max(0.0));
    all
}

/// `[nodes, width]` from columns, cut to `width` columns. Missing columns and missing rows are 0.
fn table(nodes: usize, width: usize, columns: &[Vec<f64>]) -> Vec<f64> {
    let mut all = vec![0.0; nodes * width];
    for (k, column) in columns.iter().take(width).enumerate() {
        for (i, value) in column.iter().enumerate() {
            all[i * width + k] = *value;
        }
    }
    all
}

/// Sorts the series by `vector` (rounded to 9 decimals; ties, and a graph without edges, by index) and divides them into ceil(Nx / r) runs
/// of nearly equal length. All transition nodes form one more cluster.
fn clusters(series: usize, vector: Option<&[f64]>, r: usize, transitions: usize) -> Vec<u32> {
    let groups = series.div_ceil(r.max(1));
    let mut order: Vec<usize> = (0..series).collect();
    if let Some(v) = vector {
        // Adding 0 makes -0 and 0 equal.
        let key = |i: usize| rounded(v[i]) + 0.0;
        order::sort_by(&mut order, |&a, &b| key(a).total_cmp(&key(b)));
    }
    let label = |k: usize| u32::try_from(k).expect("fewer than 2^32 clusters");
    let mut all = vec![label(groups); series + transitions];
    for (place, &i) in order.iter().enumerate() {
        all[i] = label(place * groups / series);
    }
    all
}
