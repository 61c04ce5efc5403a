//! What is known of the fixed series graph before training: MODEL.md section 3.

use crate::config::ModelSettings;
use crate::data::WindowShape;

/// Features of the series graph, row-major; rows of transition nodes are 0.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphFeatures {
    /// [N, N], row-stochastic, row = receiver.
    pub prior: Vec<f32>,
    /// [N]: mean hop distance, rounded down, below `max_hop_distance`.
    pub hop_distance: Vec<u32>,
    /// [N, 4]: degree, eigenvector, closeness, betweenness.
    pub centrality: Vec<f32>,
    /// [N, `num_spectral`].
    pub spectral: Vec<f32>,
    /// [N, `num_random_walk`].
    pub random_walk: Vec<f32>,
    /// [N, `num_eigenvectors`].
    pub eigenmaps: Vec<f32>,
    /// For each scale of the hierarchy [N]: cluster of each node.
    pub clusters: Vec<Vec<u32>>,
}

impl GraphFeatures {
    /// Of a graph without edges: every node listens to itself, all in one cluster.
    #[must_use]
    pub fn plain(window: &WindowShape, settings: &ModelSettings) -> Self {
        let n = window.num_series() + settings.num_transitions;
        let mut prior = vec![0.0; n * n];
        for i in 0..n {
            prior[i * n + i] = 1.0;
        }
        Self {
            prior,
            hop_distance: vec![0; n],
            centrality: vec![0.0; 4 * n],
            spectral: vec![0.0; n * settings.num_spectral],
            random_walk: vec![0.0; n * settings.num_random_walk],
            eigenmaps: vec![0.0; n * settings.num_eigenvectors],
            clusters: vec![vec![0; n]; settings.hierarchy.len()],
        }
    }
}
