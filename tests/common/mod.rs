//! A small source of windows that a formula generates, and a tiny model for it.

pub(crate) mod probe;

use pgat::config::{ModelSettings, Schedule, TrainingSettings};
use pgat::data::{SideInputs, WindowMut, WindowShape, WindowSource};
use pgat::engine::executor::Backend;
use pgat::engine::gpu::Gpu;
use pgat::engine::model::ModelShape;
use pgat::engine::session::{Session, Setup};
use pgat::series_graph::GraphConstants;
use std::sync::Arc;

/// Sines with different phases, a covariate, and some missing values.
pub(crate) struct Waves {
    pub(crate) shape: WindowShape,
    pub(crate) windows: usize,
    /// Windows whose values are infinite.
    pub(crate) poisoned: Option<usize>,
}

impl Waves {
    pub(crate) fn new(windows: usize) -> Self {
        let shape = WindowShape {
            history: 8,
            horizon: 4,
            num_covariates: 1,
            num_targets: 3,
            num_channels: 2,
            num_calendar: 2,
            ..WindowShape::default()
        };
        Self { shape, windows, poisoned: None }
    }

    /// The same windows, with categories.
    pub(crate) fn with_categories(windows: usize) -> Self {
        let plain = Self::new(windows);
        let side = side_inputs();
        Self { shape: WindowShape { num_common: side.common.len(), num_own: side.own.len(), ..plain.shape }, ..plain }
    }
}

/// Category inputs and static inputs for [`Waves::with_categories`]. Two nodes have static inputs of 0.
pub(crate) fn side_inputs() -> SideInputs {
    SideInputs { common: vec![3], own: vec![2, 4], statics: vec![0.0, 0.0, 0.5, -1.0, -1.5, 1.0, 0.0, 0.0] }
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
            if s.num_common > 0 {
                out.common[t] = ((index * 3 + t) % 4) as f32;
            }
            out.calendar[2 * t] = (time / 4.0).sin();
            out.calendar[2 * t + 1] = (time / 4.0).cos();
            for n in 0..nx {
                let wave = |k: f32| (time / 3.0 + n as f32 + k).sin() + 0.1 * noise(index * 1000 + t * 10 + n);
                for q in 0..s.num_own {
                    out.own[(t * nx + n) * s.num_own + q] = ((index + t / 2 + n) % (3 + q)) as f32;
                }
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
    ModelSettings::default().with(|s| {
        s.patch_len = 2;
        s.num_transitions = 1;
        s.d_model = 16;
        s.n_heads = 4;
        s.n_layers = 1;
        s.d_ff = 24;
        s.dropout = 0.2;
        s.conv_kernels = vec![1, 3];
        s.hops = 2;
        s.top_k_edges = 2;
        s.adaptive_rank = 4;
        s.num_scales = 2;
        s.num_spectral = 3;
        s.num_random_walk = 2;
        s.num_eigenvectors = 4;
        s.max_hop_distance = 4;
        s.hierarchy = vec![2, 4];
        s.use_adaptive_temporal = true;
        s.use_dynamic_graph = true;
        s.use_adaptive_graph = true;
        s.use_graph_gate = true;
        s.use_convolution = true;
        s.use_hops = true;
        s.use_fusion = true;
        s.use_structural_encoding = true;
        s.use_graph_encoding = true;
        s.use_graph_attention = true;
        s.use_dynamic_edge_weights = true;
        s.use_hierarchy = true;
        s.use_autocorr = true;
    })
}

/// A model with almost every switch off.
pub(crate) fn bare() -> ModelSettings {
    ModelSettings::default().with(|s| {
        s.patch_len = 4;
        s.num_transitions = 0;
        s.d_model = 4;
        s.n_heads = 2;
        s.n_layers = 1;
        s.d_ff = 4;
        s.use_dynamic_graph = false;
        s.use_adaptive_graph = false;
        s.use_graph_gate = false;
        s.use_convolution = false;
        s.use_hops = false;
        s.use_fusion = false;
        s.use_structural_encoding = false;
        s.use_graph_encoding = false;
        s.use_graph_attention = false;
        s.use_dynamic_edge_weights = false;
        s.use_hierarchy = false;
        s.use_autocorr = false;
        s.use_temporal_encoding = false;
        s.use_adaptive_temporal = false;
        s.use_adaptive_embedding = false;
    })
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
    TrainingSettings::default().with(|s| {
        s.batch_size = 16;
        s.max_steps = Some(24);
        s.learning_rate = 5e-3;
        s.schedule = Schedule::OneCycle;
        s.log_every = 4;
        s.checkpoint_every = 6;
        s.health_every = 5;
        s.validate_every = Some(8);
    })
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
