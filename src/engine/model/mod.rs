//! The forecaster that docs/model.md defines. Its blocks are graphs of ops; section 1.5 gives their order. Parameter names (section 12) are
//! those of the reference, so that weights can be exchanged in both directions.

mod autocorrelation;
mod cross_attention;
pub(crate) mod decoder;
pub(crate) mod drivers;
mod embedding;
pub mod graph;
pub mod groups;
mod hierarchy;
pub mod init;
mod layer;
pub mod measure;
mod places;

use crate::config::{Config, DensityLoss, ModelSettings};
use crate::data::{Dataset, SideInputs, WindowShape};
use crate::graph::{Graph, GraphError, TensorId};
use crate::ops::concat_linear::ConcatLinear;
use crate::ops::layer_norm::LayerNorm;
use crate::ops::linear::{Activation, Linear};
use crate::ops::select::Select;
use crate::series_graph::{GraphConstants, KnownGraph};
pub(crate) use places::places;
pub use places::{ParameterPlace, parameter_places};

use graph::ModelGraph;
use init::Init;
use measure::Measure;
use std::ops::Range;
use std::sync::Arc;

/// The model cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The features belong to a different graph.
    #[error("{what} of the series graph has {found} elements, but this model needs {expected}")]
    Features {
        /// Name of the feature.
        what: &'static str,
        /// Number of elements that the model needs.
        expected: usize,
        /// Number of elements found.
        found: usize,
    },
    /// An op does not accept a shape.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// All sizes of the model.
#[derive(Clone, Debug)]
pub struct ModelShape {
    /// Sizes of a window.
    pub window: WindowShape,
    /// Widths and switches.
    pub settings: ModelSettings,
    /// Features of the series graph.
    pub features: Arc<GraphConstants>,
    /// Sizes of the category inputs, and the static inputs.
    pub side: Arc<SideInputs>,
}

impl ModelShape {
    /// The sizes of a config's model, for its data and the graph of their series.
    #[must_use]
    pub fn of(config: &Config, dataset: &Dataset, graph: &KnownGraph) -> Self {
        let (features, side) = (Arc::new(graph.features.constants()), Arc::new(dataset.side_inputs()));
        Self { window: *dataset.shape(), settings: config.model.clone(), features, side }
    }

    /// The sizes of a model without information about its series: each has an edge only from itself, and all have the same features.
    #[must_use]
    pub fn new(window: WindowShape, settings: ModelSettings) -> Self {
        let features = Arc::new(GraphConstants::blank(window.num_series(), &(&settings).into()));
        Self { window, settings, features, side: Arc::default() }
    }

    /// The same model with category inputs and static inputs.
    #[must_use]
    pub fn with_side(self, side: SideInputs) -> Self {
        let window = WindowShape { num_common: side.common.len(), num_own: side.own.len(), ..self.window };
        Self { window, side: Arc::new(side), ..self }
    }

    /// `[N, A]`, the static inputs of all nodes: 0 for hubs.
    fn statics(&self) -> Vec<f32> {
        let (series, nodes) = (self.window.num_series(), self.nodes());
        let width = self.side.statics.len() / series.max(1);
        let mut all = self.side.statics.clone();
        all.resize(nodes * width, 0.0);
        all
    }

    /// T: tokens per node.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.window.steps() / self.settings.patch_len
    }

    /// N: series and transition nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.window.num_series() + self.settings.num_transitions
    }

    /// Fails if the sizes of the features do not match.
    fn check(&self) -> Result<(), ModelError> {
        let (n, s, f) = (self.nodes(), &self.settings, &self.features);
        let mut sizes = vec![
            ("prior", f.prior.len(), n * n),
            ("hop_distance", f.hop_distance.len(), n),
            ("centrality", f.centrality.len(), 4 * n),
            ("spectral", f.spectral.len(), n * s.num_spectral),
            ("random_walk", f.random_walk.len(), n * s.num_random_walk),
            ("eigenmaps", f.eigenmaps.len(), n * s.num_eigenvectors),
            ("clusters", f.clusters.len(), s.hierarchy.len()),
        ];
        sizes.extend(f.clusters.iter().map(|c| ("clusters", c.len(), n)));
        let (w, side) = (&self.window, &self.side);
        sizes.extend([("common", side.common.len(), w.num_common), ("own", side.own.len(), w.num_own)]);
        let width = side.statics.len() / w.num_series().max(1);
        sizes.push(("statics", side.statics.len(), width * w.num_series()));
        match sizes.into_iter().find(|(_, found, expected)| found != expected) {
            Some((what, found, expected)) => Err(ModelError::Features { what, expected, found }),
            None => Ok(()),
        }
    }
}

/// A built model: its graph, and the tensors that callers need.
pub struct Model {
    /// The graph.
    pub graph: Graph,
    /// Initial values of each parameter, in the order of their declaration.
    pub inits: Vec<(TensorId, Init)>,
    /// Inputs of every window: values, observed, then what there is of calendar, common and own categories.
    pub inputs: Vec<TensorId>,
    /// Output `[P, H, Nt, K]` in the units of the values. For a mixture P = 3: means, log standard deviations, logits.
    pub mixture: TensorId,
    /// The same before calibration.
    pub uncalibrated: TensorId,
    /// What the means receive from the driver highway `[Nt, H]`.
    pub drivers: Option<TensorId>,
    /// Shift and scale of the instance norm `[Nt, 2]`.
    pub stats: TensorId,
    /// Outputs of the top-level blocks, with their names in golden files.
    pub activations: Vec<(String, TensorId)>,
    /// The graph for propagation.
    pub model_graph: ModelGraph,
    /// Penalty `[1]` that the learned graph adds to the loss; not for [`Mode::Forecast`].
    pub penalty: Option<TensorId>,
    /// Per-step inputs: noise, drawn for each training step, 0 otherwise.
    pub noise: Vec<TensorId>,
    /// Mean loss `[1]` over the observed targets of the batch; not for [`Mode::Forecast`].
    pub loss: Option<TensorId>,
    /// The loss of each window `[1]`, summed over its observed targets; not for [`Mode::Forecast`].
    pub window_losses: Option<TensorId>,
}

/// A linear map for [`Builder::linear`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dense {
    columns: usize,
    bias: bool,
    activation: Activation,
}

impl Dense {
    /// A map of x without activation to that many columns, with a bias.
    pub(crate) fn to(columns: usize) -> Self {
        Self { columns, bias: true, activation: Activation::Identity }
    }

    /// The same map without bias.
    pub(crate) fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// The same map, applied to the activated x; the activation is computed when x is loaded.
    pub(crate) fn after(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }
}

impl From<usize> for Dense {
    fn from(columns: usize) -> Self {
        Self::to(columns)
    }
}

/// Collects the graph while a model is built.
pub(crate) struct Builder<'a> {
    pub(crate) shape: &'a ModelShape,
    pub(crate) graph: Graph,
    pub(crate) inits: Vec<(TensorId, Init)>,
    pub(crate) dropout: f64,
}

impl Builder<'_> {
    /// D.
    pub(crate) fn width(&self) -> usize {
        self.shape.settings.d_model
    }

    /// Adds a parameter with its initial values.
    pub(crate) fn parameter(&mut self, name: &str, shape: &[usize], init: Init) -> TensorId {
        let id = self.graph.parameter(name, shape);
        self.inits.push((id, init));
        id
    }

    /// `a(x) W^T + b`. A number of columns stands for the plain map to that many columns.
    pub(crate) fn linear(&mut self, name: &str, x: TensorId, map: impl Into<Dense>) -> Result<TensorId, ModelError> {
        let Dense { columns, bias, activation } = map.into();
        let inner = self.graph.tensors[x].operand.last();
        let init = Init::fan_in(inner);
        let mut inputs = vec![x, self.parameter(&format!("{name}.weight"), &[columns, inner], init)];
        if bias {
            inputs.push(self.parameter(&format!("{name}.bias"), &[columns], init));
        }
        let linear = Linear { bias, residual: false, activation, dropout: 0.0, column0: None };
        Ok(self.graph.apply1(linear, name, &inputs)?)
    }

    /// `x W^T`, plus `sum` if there is one.
    pub(crate) fn linear_onto(
        &mut self,
        name: &str,
        x: TensorId,
        columns: usize,
        init: Init,
        sum: Option<TensorId>,
    ) -> Result<TensorId, ModelError> {
        let inner = self.graph.tensors[x].operand.last();
        let weight = self.parameter(&format!("{name}.weight"), &[columns, inner], init);
        let linear = Linear { bias: false, residual: sum.is_some(), activation: Activation::Identity, dropout: 0.0, column0: None };
        let inputs: Vec<TensorId> = [x, weight].into_iter().chain(sum).collect();
        Ok(self.graph.apply1(linear, name, &inputs)?)
    }

    /// `[a, x] W^T + b`, with the width of x.
    pub(crate) fn concat_linear(&mut self, name: &str, a: TensorId, x: TensorId) -> Result<TensorId, ModelError> {
        let d = self.graph.tensors[x].operand.last();
        let init = Init::fan_in(2 * d);
        let weight = self.parameter(&format!("{name}.weight"), &[d, 2 * d], init);
        let bias = self.parameter(&format!("{name}.bias"), &[d], init);
        Ok(self.graph.apply1(ConcatLinear, name, &[a, x, weight, bias])?)
    }

    /// Part of a linear map of several concatenated inputs: the columns of its weight from `column0` on, and its bias if this part adds it.
    pub(crate) fn linear_part(
        &mut self,
        label: &str,
        x: TensorId,
        weight: TensorId,
        column0: usize,
        bias: Option<TensorId>,
    ) -> Result<TensorId, ModelError> {
        let (bias, inputs) = (bias.is_some(), [x, weight].into_iter().chain(bias).collect::<Vec<_>>());
        let linear = Linear { bias, residual: false, activation: Activation::Identity, dropout: 0.0, column0: Some(column0) };
        Ok(self.graph.apply1(linear, label, &inputs)?)
    }

    /// A range of steps and a range of nodes.
    pub(crate) fn select(&mut self, label: &str, x: TensorId, steps: Range<usize>, nodes: Range<usize>) -> Result<TensorId, ModelError> {
        let select = Select { step0: steps.start, steps: steps.len(), node0: nodes.start, nodes: nodes.len() };
        Ok(self.graph.apply1(select, label, &[x])?)
    }

    /// Layer norm of x, or of x + dropout(change).
    pub(crate) fn norm(&mut self, name: &str, x: TensorId, change: Option<TensorId>) -> Result<TensorId, ModelError> {
        self.norm_of_sum(name, x, change, self.dropout)
    }

    /// Layer norm of x, or of x + change with this dropout of the change.
    pub(crate) fn norm_of_sum(&mut self, name: &str, x: TensorId, change: Option<TensorId>, dropout: f64) -> Result<TensorId, ModelError> {
        let d = self.graph.tensors[x].operand.last();
        let gamma = self.parameter(&format!("{name}.weight"), &[d], Init::Constant(1.0));
        let beta = self.parameter(&format!("{name}.bias"), &[d], Init::Constant(0.0));
        let dropout = if change.is_some() { dropout } else { 0.0 };
        let inputs: Vec<_> = [x, gamma, beta].into_iter().chain(change).collect();
        Ok(self.graph.apply1(LayerNorm { residual: change.is_some(), dropout }, name, &inputs)?)
    }
}

/// Purpose of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With dropout and the loss.
    Train,
    /// The linear start: highways and the head's bias alone, with the loss. All parameters are there, so that the flat buffers are those of
    /// [`Mode::Train`].
    Start,
    /// No dropout, with the loss: validation, and comparisons with golden files.
    Score,
    /// No dropout, no loss: no targets are uploaded.
    Forecast,
}

/// Builds the model; the loss of heads with a density is the negative log-likelihood.
///
/// # Errors
/// The same as [`build_for`].
pub fn build(shape: &ModelShape, mode: Mode) -> Result<Model, ModelError> {
    build_for(shape, mode, Measure::of_training(&shape.settings, DensityLoss::Nll))
}

/// Builds the model; its loss is this measure.
///
/// # Errors
/// Fails if the features do not match the sizes of the model, or if an op does not accept a shape.
pub fn build_for(shape: &ModelShape, mode: Mode, measure: Measure) -> Result<Model, ModelError> {
    shape.check()?;
    let dropout = if mode == Mode::Train { shape.settings.dropout } else { 0.0 };
    let mut b = Builder { shape, graph: Graph::default(), inits: vec![], dropout };
    let mut activations = vec![];
    let embedded = embedding::build(&mut b)?;
    activations.push(("embedding".to_owned(), embedded.tokens));
    let mut x = embedded.tokens;
    let model_graph = graph::build(&mut b, x, mode)?;
    for i in 0..shape.settings.n_layers {
        x = layer::build(&mut b, &format!("layers.{i}"), x, &model_graph)?;
        activations.push((format!("layers.{i}"), x));
    }
    if shape.settings.use_hierarchy {
        x = hierarchy::build(&mut b, x, &mut activations)?;
    }
    let edges = shape.settings.use_driver_highway.then(|| drivers::edges(&mut b));
    let targets = targets(&mut b, x, &model_graph, edges, &mut activations)?;
    let decoded = decoder::build(&mut b, targets, &embedded, edges, mode == Mode::Start)?;
    let penalty = model_graph.penalty.filter(|_| mode != Mode::Forecast && mode != Mode::Start);
    let noise = model_graph.noise.clone();
    let loss = if mode == Mode::Forecast { None } else { Some(decoder::loss(&mut b, decoded.mixture, measure)?) };
    let Builder { mut graph, inits, .. } = b;
    if mode == Mode::Start {
        graph.keep_only(&loss.into_iter().collect::<Vec<_>>());
    }
    let window_losses = graph.find(decoder::WINDOW_LOSSES);
    Ok(Model {
        graph,
        inits,
        inputs: embedded.inputs,
        mixture: decoded.mixture,
        uncalibrated: decoded.uncalibrated,
        drivers: decoded.drivers,
        stats: embedded.stats,
        activations,
        model_graph,
        penalty,
        noise,
        loss,
        window_losses,
    })
}

/// Tokens of the target nodes after the blocks for targets, and the index of the first target among their nodes. Without such blocks these
/// are x itself and its first target.
fn targets(
    b: &mut Builder,
    x: TensorId,
    graph: &ModelGraph,
    edges: Option<TensorId>,
    activations: &mut Vec<(String, TensorId)>,
) -> Result<(TensorId, usize), ModelError> {
    let (w, s) = (b.shape.window, b.shape.settings.clone());
    let (first, series, nodes, tokens) = (w.num_covariates, w.num_series(), b.shape.nodes(), b.shape.tokens());
    let drivers = edges.filter(|_| s.use_driver_attention);
    if !s.use_graph_attention && !s.use_autocorr && drivers.is_none() {
        return Ok((x, first));
    }
    let mut targets = b.select("targets", x, 0..tokens, first..series)?;
    let needs_series = s.use_graph_attention || drivers.is_some();
    let senders = if needs_series && first > 0 { b.select("series", x, 0..tokens, 0..series)? } else { targets };
    if s.use_graph_attention {
        let hubs = b.select("transitions", x, 0..tokens, series..nodes)?;
        let hubs = cross_attention::build(b, "to_transition", senders, hubs, &graph.edges[0])?;
        activations.push(("to_transition".into(), hubs));
        targets = cross_attention::build(b, "to_target", hubs, targets, &graph.edges[1])?;
        activations.push(("to_target".into(), targets));
    }
    if let Some(edges) = drivers {
        targets = drivers::attention(b, senders, targets, edges)?;
        activations.push(("driver_attention".into(), targets));
    }
    if s.use_autocorr {
        targets = autocorrelation::build(b, targets)?;
        activations.push(("autocorr".into(), targets));
    }
    Ok((targets, 0))
}
