//! `[model]`: sizes and switches of the model.

use serde::{Deserialize, Serialize};

use super::{ConfigError, WindowSettings};

/// The output of the decoder for each step of a target, and the training loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// A mixture of `mdn_components` normal distributions; the loss is the negative log-likelihood.
    #[default]
    Mixture,
    /// One normal distribution; the loss is the negative log-likelihood.
    Gaussian,
    /// Quantiles at `quantile_levels`; the loss is the mean pinball loss. Crossing quantiles are sorted at the output.
    Quantile,
    /// One number; the loss is `point_loss`.
    Point,
}

/// Loss of the point head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointLoss {
    /// Mean squared error: the model learns the mean.
    #[default]
    Mse,
    /// Mean absolute error: the model learns the median.
    Mae,
    /// Huber loss: squared up to `huber_delta` training standard deviations, absolute beyond.
    Huber,
}

/// `[model]`: sizes and switches of the model. The names are those of the weight files. All parts are on by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ModelSettings {
    /// Rows per token (patch); must divide history and horizon.
    pub patch_len: usize,
    /// Number of learned hub nodes without data.
    pub num_transitions: usize,
    /// Width of each token; a multiple of `2 * n_heads` and of 4.
    pub d_model: usize,
    /// Number of attention heads; even.
    pub n_heads: usize,
    /// Number of spatio-temporal layers.
    pub n_layers: usize,
    /// Hidden width of the feed-forward blocks.
    pub d_ff: usize,
    /// Kernel lengths of the convolutions along the steps; odd.
    pub conv_kernels: Vec<usize>,
    /// Number of graph propagations per layer.
    pub hops: usize,
    /// Number of senders kept per receiver in the dynamic graph.
    pub top_k_edges: usize,
    /// Rank of the adaptive graph.
    pub adaptive_rank: usize,
    /// Update rate of the moving memory of the adaptive graph, 0 to 1.
    pub memory_rate: f64,
    /// Number of eigenmaps of the series graph.
    pub num_eigenvectors: usize,
    /// Number of spectral features per node.
    pub num_spectral: usize,
    /// Number of random-walk features per node.
    pub num_random_walk: usize,
    /// Number of rows in the table of hop distances.
    pub max_hop_distance: usize,
    /// Number of learned frequencies of the adaptive temporal encoding.
    pub num_scales: usize,
    /// Scales of the hierarchy.
    pub hierarchy: Vec<usize>,
    /// Number of lags that autocorrelation attention selects, as a multiple of ln(tokens).
    pub autocorr_factor: f64,
    /// Type of the output: "mixture", "gaussian", "quantile" or "point".
    pub head: Head,
    /// Number of normal components in the mixture.
    pub mdn_components: usize,
    /// Levels of the quantile head in ascending order.
    pub quantile_levels: Vec<f64>,
    /// Loss of the point head: "mse", "mae" or "huber".
    pub point_loss: PointLoss,
    /// Threshold between the squared and the absolute part of the Huber loss, in training standard deviations.
    pub huber_delta: f64,
    /// Dropout probability, 0 to below 1.
    pub dropout: f64,
    /// Variance added in the instance normalisation.
    pub norm_epsilon: f64,
    /// Number of signed series graphs of the driver highway.
    pub driver_rank: usize,
    /// Numbers that a series sends along an edge of one of these graphs.
    pub driver_width: usize,
    /// Number of product units of the driver highway.
    pub driver_products: usize,
    /// Standardise the targets of each window by their own history.
    pub use_instance_norm: bool,
    /// Sinusoidal encoding of the step.
    pub use_temporal_encoding: bool,
    /// Learned blend of sinusoids with learned frequencies.
    pub use_adaptive_temporal: bool,
    /// A learned vector per (step, node).
    pub use_adaptive_embedding: bool,
    /// Eigenmaps of the series graph.
    pub use_structural_encoding: bool,
    /// Distance, centrality, spectral and random-walk features of the nodes in the series graph.
    pub use_graph_encoding: bool,
    /// Learned edges from series to hubs and from hubs to targets.
    pub use_dynamic_graph: bool,
    /// Graph computed from learned node vectors.
    pub use_adaptive_graph: bool,
    /// Learned gates that weight the graph proposals.
    pub use_graph_gate: bool,
    /// Convolutions along the steps.
    pub use_convolution: bool,
    /// Propagation along the edges of the graph.
    pub use_hops: bool,
    /// Gated fusion of interaction and attention.
    pub use_fusion: bool,
    /// Cross-attention from series to hubs and from hubs to targets.
    pub use_graph_attention: bool,
    /// Edge weights that depend on the window.
    pub use_dynamic_edge_weights: bool,
    /// Attention among pooled tokens.
    pub use_hierarchy: bool,
    /// Autocorrelation attention on the tokens of the targets.
    pub use_autocorr: bool,
    /// A linear map from history to horizon, parallel to the model.
    pub use_highway: bool,
    /// Second generation: linear maps from every series to every target along learned sparse graphs, parallel to the model.
    pub use_driver_highway: bool,
    /// Second generation: products of pairs of sums in the driver highway, for dynamics that are not linear.
    pub use_driver_products: bool,
    /// Second generation: attention from the strongest drivers to each target.
    pub use_driver_attention: bool,
    /// Second generation: the driver highway sees covariates and additional channels less the mean of their own history.
    pub use_driver_norm: bool,
    /// Second generation: the instance normalisation subtracts the last observed value instead of the mean.
    pub use_last_norm: bool,
    /// Second generation: after training, factors for the spread of the mixtures are fitted on the validation windows.
    pub use_calibration: bool,
    /// Second generation: the weights of the last map of the decoder start at 0, so that training starts from the highways alone.
    pub use_zero_head: bool,
    /// Penalty on the logits of the learned edges of `use_dynamic_graph`; off in the second generation.
    pub use_logit_penalty: bool,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            patch_len: 1,
            num_transitions: 4,
            d_model: 64,
            n_heads: 4,
            n_layers: 2,
            d_ff: 128,
            conv_kernels: vec![1, 3, 5, 7],
            hops: 3,
            top_k_edges: 3,
            adaptive_rank: 16,
            memory_rate: 0.1,
            num_eigenvectors: 16,
            num_spectral: 32,
            num_random_walk: 16,
            max_hop_distance: 32,
            num_scales: 4,
            hierarchy: vec![2, 4],
            autocorr_factor: 1.0,
            head: Head::Mixture,
            mdn_components: 3,
            quantile_levels: vec![0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95],
            point_loss: PointLoss::Mse,
            huber_delta: 1.0,
            dropout: 0.1,
            norm_epsilon: 1e-2,
            driver_rank: 4,
            driver_width: 8,
            driver_products: 32,
            use_instance_norm: true,
            use_temporal_encoding: true,
            use_adaptive_temporal: true,
            use_adaptive_embedding: true,
            use_structural_encoding: true,
            use_graph_encoding: true,
            use_dynamic_graph: true,
            use_adaptive_graph: true,
            use_graph_gate: true,
            use_convolution: true,
            use_hops: true,
            use_fusion: true,
            use_graph_attention: true,
            use_dynamic_edge_weights: true,
            use_hierarchy: true,
            use_autocorr: true,
            use_highway: true,
            use_driver_highway: false,
            use_driver_products: false,
            use_driver_attention: false,
            use_driver_norm: false,
            use_last_norm: false,
            use_calibration: false,
            use_zero_head: false,
            use_logit_penalty: true,
        }
    }
}

impl ModelSettings {
    /// The kinds of numbers that the head outputs per step of a target, and the count of each kind: mean, log standard deviation and logit
    /// of each component (3, components), or values (1, values).
    #[must_use]
    pub fn outputs(&self) -> (usize, usize) {
        match self.head {
            Head::Mixture => (3, self.mdn_components),
            Head::Gaussian => (3, 1),
            Head::Quantile => (1, self.quantile_levels.len()),
            Head::Point => (1, 1),
        }
    }

    fn validate_head(&self) -> Result<(), ConfigError> {
        let levels = &self.quantile_levels;
        let ascending = levels.windows(2).all(|pair| pair[0] < pair[1]);
        if levels.is_empty() || !ascending || levels.iter().any(|p| !(*p > 0.0 && *p < 1.0)) {
            let found = format!("{levels:?} are not ascending numbers between 0 and 1");
            return Err(ConfigError::invalid("model.quantile_levels", found, "use levels such as [0.1, 0.5, 0.9]"));
        }
        if !(self.huber_delta > 0.0 && self.huber_delta.is_finite()) {
            let found = format!("{} is out of range", self.huber_delta);
            return Err(ConfigError::invalid("model.huber_delta", found, "use a positive number such as 1"));
        }
        Ok(())
    }

    fn validate_drivers(&self) -> Result<(), ConfigError> {
        if self.use_driver_attention && !self.use_driver_highway {
            let hint = "set model.use_driver_highway = true, or model.use_driver_attention = false";
            return Err(ConfigError::invalid(
                "model.use_driver_attention",
                "its edges are those of use_driver_highway, which is false",
                hint,
            ));
        }
        if self.use_calibration && !matches!(self.head, Head::Mixture | Head::Gaussian) {
            let found = "a quantile or point head has no spread to calibrate";
            let hint = "set model.use_calibration = false, or model.head to \"mixture\" or \"gaussian\"";
            return Err(ConfigError::invalid("model.use_calibration", found, hint));
        }
        Ok(())
    }

    /// Whether anything in the model reads the series graph.
    #[must_use]
    pub fn reads_graph(&self) -> bool {
        self.use_hops || self.use_graph_encoding || self.use_structural_encoding || self.use_hierarchy
    }

    /// Switches that are on but have no effect, because the part that reads their output is off; one sentence each.
    #[must_use]
    pub fn idle(&self) -> Vec<String> {
        let pairs = [
            ("use_adaptive_temporal", self.use_adaptive_temporal, "use_temporal_encoding", self.use_temporal_encoding),
            ("use_adaptive_graph", self.use_adaptive_graph, "use_hops", self.use_hops),
            ("use_graph_gate", self.use_graph_gate, "use_hops", self.use_hops),
            (
                "use_dynamic_edge_weights",
                self.use_dynamic_edge_weights,
                "use_graph_attention",
                self.use_graph_attention || self.use_driver_attention,
            ),
            ("use_driver_products", self.use_driver_products, "use_driver_highway", self.use_driver_highway),
            ("use_driver_norm", self.use_driver_norm, "use_driver_highway", self.use_driver_highway),
            ("use_last_norm", self.use_last_norm, "use_instance_norm", self.use_instance_norm),
        ];
        let mut idle: Vec<String> = pairs
            .iter()
            .filter(|(_, on, _, reader)| *on && !reader)
            .map(|(key, _, reader, _)| format!("model.{key} has no effect, since {reader} is false"))
            .collect();
        if self.use_dynamic_graph && !self.use_hops && !self.use_graph_attention && self.use_logit_penalty {
            idle.push("model.use_dynamic_graph affects only its penalty, since use_hops and use_graph_attention are false".into());
        }
        idle
    }

    pub(super) fn validate(&self, window: &WindowSettings) -> Result<(), ConfigError> {
        self.validate_patch(window)?;
        self.validate_width()?;
        self.validate_counts()?;
        self.validate_head()?;
        self.validate_drivers()?;
        let wrong =
            |key, value: f64, range: &str| Err(ConfigError::invalid(key, format!("{value} is out of range"), format!("use {range}")));
        if !(0.0..1.0).contains(&self.dropout) {
            return wrong("model.dropout", self.dropout, "0 or more and less than 1");
        }
        if !(self.norm_epsilon > 0.0 && self.norm_epsilon.is_finite()) {
            return wrong("model.norm_epsilon", self.norm_epsilon, "a positive number such as 0.01");
        }
        if !(0.0..=1.0).contains(&self.memory_rate) {
            return wrong("model.memory_rate", self.memory_rate, "0 to 1");
        }
        if !(self.autocorr_factor > 0.0 && self.autocorr_factor.is_finite()) {
            return wrong("model.autocorr_factor", self.autocorr_factor, "a positive number such as 1");
        }
        Ok(())
    }

    fn validate_patch(&self, window: &WindowSettings) -> Result<(), ConfigError> {
        let common = gcd(window.history, window.horizon);
        if self.patch_len != 0 && common.is_multiple_of(self.patch_len) {
            return Ok(());
        }
        let fits: Vec<String> = (1..=common).filter(|p| common.is_multiple_of(*p)).map(|p| p.to_string()).collect();
        Err(ConfigError::invalid(
            "model.patch_len",
            format!("{} does not divide window.history = {} and window.horizon = {}", self.patch_len, window.history, window.horizon),
            format!("valid values: {}", fits.join(", ")),
        ))
    }

    fn validate_width(&self) -> Result<(), ConfigError> {
        if self.n_heads == 0 || !self.n_heads.is_multiple_of(2) {
            return Err(ConfigError::invalid(
                "model.n_heads",
                format!("{} is not an even number of at least 2", self.n_heads),
                format!("use {} or {}", self.n_heads.saturating_sub(1).max(2), self.n_heads.max(3) + 1),
            ));
        }
        // n_heads is even, so 2 n_heads is a multiple of 4.
        let unit = 2 * self.n_heads;
        if self.d_model == 0 || !self.d_model.is_multiple_of(unit) {
            let below = (self.d_model / unit).max(1) * unit;
            return Err(ConfigError::invalid(
                "model.d_model",
                format!("{} is not a multiple of 2 * n_heads = {unit}", self.d_model),
                format!("use {below} or {}", below + unit),
            ));
        }
        Ok(())
    }

    fn validate_counts(&self) -> Result<(), ConfigError> {
        let counts = [
            ("model.num_transitions", self.num_transitions),
            ("model.n_layers", self.n_layers),
            ("model.d_ff", self.d_ff),
            ("model.hops", self.hops),
            ("model.top_k_edges", self.top_k_edges),
            ("model.adaptive_rank", self.adaptive_rank),
            ("model.num_eigenvectors", self.num_eigenvectors),
            ("model.num_spectral", self.num_spectral),
            ("model.num_random_walk", self.num_random_walk),
            ("model.max_hop_distance", self.max_hop_distance),
            ("model.num_scales", self.num_scales),
            ("model.mdn_components", self.mdn_components),
            ("model.driver_rank", self.driver_rank),
            ("model.driver_width", self.driver_width),
            ("model.driver_products", self.driver_products),
        ];
        for (key, value) in counts {
            if value == 0 {
                return Err(ConfigError::invalid(key, "it is 0", "use at least 1"));
            }
        }
        self.validate_bounds()?;
        if self.conv_kernels.is_empty() || self.conv_kernels.iter().any(|k| k % 2 == 0) {
            return Err(ConfigError::invalid(
                "model.conv_kernels",
                "a length is even, or the list is empty",
                "use odd lengths such as [1, 3, 5, 7]",
            ));
        }
        if self.hierarchy.is_empty() || self.hierarchy.contains(&0) {
            return Err(ConfigError::invalid("model.hierarchy", "a scale is 0, or the list is empty", "use scales such as [2, 4]"));
        }
        Ok(())
    }
}

impl ModelSettings {
    /// Rejects sizes that no device can hold, before any arithmetic with them.
    fn validate_bounds(&self) -> Result<(), ConfigError> {
        let longest = self.conv_kernels.iter().copied().max().unwrap_or(0);
        let bounds = [
            ("model.num_transitions", self.num_transitions, 4096),
            ("model.d_model", self.d_model, 8192),
            ("model.n_layers", self.n_layers, 256),
            ("model.d_ff", self.d_ff, 65_536),
            // The op `branches` binds one packed weight for at most eight branches.
            ("model.hops", self.hops, 8),
            ("model.adaptive_rank", self.adaptive_rank, 4096),
            ("model.num_eigenvectors", self.num_eigenvectors, 65_536),
            ("model.num_spectral", self.num_spectral, 65_536),
            ("model.num_random_walk", self.num_random_walk, 4096),
            ("model.max_hop_distance", self.max_hop_distance, 65_536),
            ("model.num_scales", self.num_scales, 256),
            ("model.mdn_components", self.mdn_components, 4096),
            ("model.driver_rank", self.driver_rank, 1024),
            ("model.driver_width", self.driver_width, 4096),
            ("model.driver_products", self.driver_products, 65_536),
        ];
        if let Some((key, value, most)) = bounds.into_iter().find(|(_, value, most)| value > most) {
            return Err(ConfigError::invalid(key, format!("{value} is out of range"), format!("use at most {most}")));
        }
        if self.conv_kernels.len() > 8 || longest > 4095 {
            return Err(ConfigError::invalid(
                "model.conv_kernels",
                format!("there are {} kernels, the longest with {longest} steps", self.conv_kernels.len()),
                "use at most 8 kernels of at most 4095 steps",
            ));
        }
        Ok(())
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
