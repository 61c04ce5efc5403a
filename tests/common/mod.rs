//! A small source of windows made by formula, and a tiny model on it.

pub(crate) mod probe;

use pgat::config::{ModelSettings, Schedule, TrainingSettings};
use pgat::data::{WindowMut, WindowShape, WindowSource};
use pgat::engine::executor::Backend;
use pgat::engine::gpu::Gpu;
use pgat::engine::model::ModelShape;
use pgat::engine::session::{Session, Setup};
use pgat::series_graph::GraphConstants;
use std::sync::Arc;

/// Sines of different phase with a covariate, some values missing.
pub(crate) struct Waves {
    pub(crate) shape: WindowShape,
    pub(crate) windows: usize,
    /// Windows whose values are infinite.
    pub(crate) poisoned: Option<usize>,
}

impl Waves {
    pub(crate) fn new(windows: usize) -> Self {
        let shape = WindowShape { history: 8, horizon: 4, num_covariates: 1, num_targets: 3, num_channels: 2, num_calendar: 2 };
        Self { shape, windows, poisoned: None }
    }
}

fn noise(i: usize) -> f32 {
    ((i as f32 * 12.9898).sin() * 43758.547).fract()
}

impl WindowSource for Waves {
    fn shape(&self) -> &WindowShape {
        &self.shape
    }

    fn len(&self) -> usize {
        self.windows
    }

    fn fill(&self, index: usize, out: WindowMut<'_>) {
        let s = &self.shape;
        let (nx, f) = (s.num_series(), s.num_channels);
        for t in 0..s.steps() {
            let time = (index * 3 + t) as f32;
            out.calendar[2 * t] = (time / 4.0).sin();
            out.calendar[2 * t + 1] = (time / 4.0).cos();
            for n in 0..nx {
                let wave = |k: f32| (time / 3.0 + n as f32 + k).sin() + 0.1 * noise(index * 1000 + t * 10 + n);
                for c in 0..f {
                    let at = (t * nx + n) * f + c;
                    let known = c > 0 || n < s.num_covariates || t < s.history;
                    let seen = known && !(index + t + n).is_multiple_of(7);
                    out.observed[at] = f32::from(u8::from(seen));
                    out.values[at] = if seen { wave(c as f32) } else { 0.0 };
                    if self.poisoned == Some(index) && seen {
                        out.values[at] = f32::INFINITY;
                    }
                }
                if t >= s.history && n >= s.num_covariates {
                    let at = (t - s.history) * s.num_targets + n - s.num_covariates;
                    out.target[at] = wave(0.0);
                    out.target_observed[at] = f32::from(u8::from(!(index + t).is_multiple_of(5)));
                }
            }
        }
    }
}

pub(crate) fn model_shape(window: &WindowShape) -> ModelShape {
    with_features(*window, all_on())
}

/// A small model with every switch on.
pub(crate) fn all_on() -> ModelSettings {
    ModelSettings {
        patch_len: 2,
        num_transitions: 1,
        d_model: 16,
        n_heads: 4,
        n_layers: 1,
        d_ff: 24,
        dropout: 0.2,
        conv_kernels: vec![1, 3],
        hops: 2,
        top_k_edges: 2,
        adaptive_rank: 4,
        num_scales: 2,
        num_spectral: 3,
        num_random_walk: 2,
        num_eigenvectors: 4,
        max_hop_distance: 4,
        hierarchy: vec![2, 4],
        use_adaptive_temporal: true,
        use_dynamic_graph: true,
        use_adaptive_graph: true,
        use_graph_gate: true,
        use_convolution: true,
        use_hops: true,
        use_fusion: true,
        use_structural_encoding: true,
        use_graph_encoding: true,
        use_graph_attention: true,
        use_dynamic_edge_weights: true,
        use_hierarchy: true,
        use_autocorr: true,
        ..ModelSettings::default()
    }
}

/// A model with hardly any part.
pub(crate) fn bare() -> ModelSettings {
    ModelSettings {
        patch_len: 4,
        num_transitions: 0,
        d_model: 4,
        n_heads: 2,
        n_layers: 1,
        d_ff: 4,
        use_dynamic_graph: false,
        use_adaptive_graph: false,
        use_graph_gate: false,
        use_convolution: false,
        use_hops: false,
        use_fusion: false,
        use_structural_encoding: false,
        use_graph_encoding: false,
        use_graph_attention: false,
        use_dynamic_edge_weights: false,
        use_hierarchy: false,
        use_autocorr: false,
        use_temporal_encoding: false,
        use_adaptive_temporal: false,
        use_adaptive_embedding: false,
        ..ModelSettings::default()
    }
}

/// A model on a series graph whose features are random.
pub(crate) fn with_features(window: WindowShape, settings: ModelSettings) -> ModelShape {
    let plain = ModelShape::new(window, settings);
    let (n, s) = (plain.nodes(), &plain.settings);
    let values = |of_node: usize, seed: usize| (0..n * of_node).map(|i| noise(i + 100 * seed)).collect();
    let nodes = u32::try_from(n).expect("few nodes");
    let features = GraphConstants {
        hop_distance: (0..nodes).map(|i| i % 4).collect(),
        centrality: values(4, 1),
        spectral: values(s.num_spectral, 2),
        random_walk: values(s.num_random_walk, 3),
        eigenmaps: values(s.num_eigenvectors, 4),
        clusters: vec![(0..nodes).map(|i| i * 2 % 3).collect(), (0..nodes).map(|i| u32::from(i > 2)).collect()],
        ..(*plain.features).clone()
    };
    ModelShape { features: Arc::new(features), ..plain }
}

pub(crate) fn settings() -> TrainingSettings {
    TrainingSettings {
        batch_size: 16,
        max_steps: Some(24),
        learning_rate: 5e-3,
        schedule: Schedule::OneCycle,
        log_every: 4,
        checkpoint_every: 6,
        health_every: 5,
        validate_every: Some(8),
        ..TrainingSettings::default()
    }
}

pub(crate) fn gpu() -> Backend {
    let device = std::env::var("PGAT_DEVICE").ok();
    Backend::Gpu(Arc::new(pollster::block_on(Gpu::open(device.as_deref())).expect("tests need an adapter")))
}

pub(crate) fn session(backend: &Backend, settings: &TrainingSettings) -> Session {
    let shape = model_shape(&Waves::new(1).shape);
    pollster::block_on(Session::new(Setup::training(shape, settings.clone()), backend.clone())).expect("a session")
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}
