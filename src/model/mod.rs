//! The forecaster: blocks of MODEL.md as graphs of ops. Parameter names are those of the reference, so that weights move both ways.

mod decoder;
mod embedding;
pub mod features;
pub mod graph;
pub mod init;
mod layer;

use crate::config::{Config, ModelSettings};
use crate::data::{Dataset, WindowShape};
use crate::graph::{Graph, GraphError, TensorId};
use crate::ops::Attrs;
use features::GraphFeatures;
use graph::ModelGraph;
use init::Init;
use std::sync::Arc;

/// The model cannot be built as asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Switches of parts that this version does not have.
    #[error("this version of pgat cannot yet run {0}: set to false in [model]")]
    NotBuilt(String),
    /// Features of another graph.
    #[error("the graph's {what} holds {found} numbers, and this model wants {expected}")]
    Features {
        /// Which.
        what: &'static str,
        /// Numbers wanted.
        expected: usize,
        /// Numbers given.
        found: usize,
    },
    /// An op refused a shape.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// All sizes of the model.
#[derive(Clone, Debug)]
pub struct ModelShape {
    /// What a window is made of.
    pub window: WindowShape,
    /// Widths and switches.
    pub settings: ModelSettings,
    /// What is known of the series graph.
    pub features: Arc<GraphFeatures>,
}

impl ModelShape {
    /// Sizes of a config's model on its data.
    #[must_use]
    pub fn of(config: &Config, dataset: &Dataset) -> Self {
        Self::new(*dataset.shape(), config.model.clone())
    }

    /// Of these sizes, on a graph without edges.
    #[must_use]
    pub fn new(window: WindowShape, settings: ModelSettings) -> Self {
        let features = Arc::new(GraphFeatures::plain(&window, &settings));
        Self { window, settings, features }
    }

    /// T: tokens of a node.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.window.steps() / self.settings.patch_len
    }

    /// N: series and transition nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.window.num_series() + self.settings.num_transitions
    }

    /// Fails if a switch is on whose part is not there, or features are of another size: nothing is skipped quietly.
    ///
    /// # Errors
    /// Names the switches, or the features.
    pub fn supported(&self) -> Result<(), ModelError> {
        let s = &self.settings;
        let missing = [
            ("use_structural_encoding", s.use_structural_encoding),
            ("use_graph_encoding", s.use_graph_encoding),
            ("use_graph_attention", s.use_graph_attention),
            ("use_hierarchy", s.use_hierarchy),
            ("use_autocorr", s.use_autocorr),
        ];
        let (n, prior) = (self.nodes(), self.features.prior.len());
        if prior != n * n {
            return Err(ModelError::Features { what: "prior", expected: n * n, found: prior });
        }
        let on: Vec<&str> = missing.iter().filter(|m| m.1).map(|m| m.0).collect();
        if on.is_empty() { Ok(()) } else { Err(ModelError::NotBuilt(on.join(", "))) }
    }
}

/// A built model: its graph and the tensors that others look for.
pub struct Model {
    /// The graph.
    pub graph: Graph,
    /// Start of each parameter, in order of declaration.
    pub inits: Vec<(TensorId, Init)>,
    /// Inputs of every window: values, observed, then calendar if there is one.
    pub inputs: Vec<TensorId>,
    /// Mixture [3, H, Nt, K] in the units of the values: means, log standard deviations, logits.
    pub mixture: TensorId,
    /// Shift and scale of the instance norm [Nt, 2].
    pub stats: TensorId,
    /// Outputs of the top-level blocks, by the names of golden files.
    pub activations: Vec<(String, TensorId)>,
    /// The graph that information moves on.
    pub model_graph: ModelGraph,
    /// What the learned graph adds to the loss [1], where built with one.
    pub penalty: Option<TensorId>,
    /// Inputs of a step: noise, drawn anew for each training step, 0 otherwise.
    pub noise: Vec<TensorId>,
    /// Mean negative log-likelihood [1], where built with one.
    pub loss: Option<TensorId>,
}

/// What is added to while a model is built.
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

    /// A parameter with its start.
    pub(crate) fn parameter(&mut self, name: &str, shape: &[usize], init: Init) -> TensorId {
        let id = self.graph.parameter(name, shape);
        self.inits.push((id, init));
        id
    }

    /// `x W^T + b`, x activated as it is loaded (0 none, 1 relu, 2 gelu) and dropped out.
    pub(crate) fn linear(
        &mut self,
        name: &str,
        x: TensorId,
        columns: usize,
        bias: bool,
        activation: u8,
        dropout: f64,
    ) -> Result<TensorId, ModelError> {
        let inner = self.graph.tensors[x].operand.last();
        let init = Init::fan_in(inner);
        let mut inputs = vec![x, self.parameter(&format!("{name}.weight"), &[columns, inner], init)];
        if bias {
            inputs.push(self.parameter(&format!("{name}.bias"), &[columns], init));
        }
        let attrs = Attrs::new(&[
            ("bias", f64::from(u8::from(bias))),
            ("residual", 0.0),
            ("activation", f64::from(activation)),
            ("dropout", dropout),
        ]);
        Ok(self.graph.apply1("linear", name, attrs, &inputs)?)
    }

    /// `[a, x] W^T + b`, as wide as x.
    pub(crate) fn concat_linear(&mut self, name: &str, a: TensorId, x: TensorId) -> Result<TensorId, ModelError> {
        let d = self.graph.tensors[x].operand.last();
        let init = Init::fan_in(2 * d);
        let weight = self.parameter(&format!("{name}.weight"), &[d, 2 * d], init);
        let bias = self.parameter(&format!("{name}.bias"), &[d], init);
        Ok(self.graph.apply1("concat_linear", name, Attrs::default(), &[a, x, weight, bias])?)
    }

    /// Layer norm of x, or of x + dropout(change).
    pub(crate) fn norm(&mut self, name: &str, x: TensorId, change: Option<TensorId>) -> Result<TensorId, ModelError> {
        let d = self.graph.tensors[x].operand.last();
        let gamma = self.parameter(&format!("{name}.weight"), &[d], Init::Constant(1.0));
        let beta = self.parameter(&format!("{name}.bias"), &[d], Init::Constant(0.0));
        let dropout = if change.is_some() { self.dropout } else { 0.0 };
        let attrs = Attrs::new(&[("residual", f64::from(u8::from(change.is_some()))), ("dropout", dropout)]);
        let inputs: Vec<_> = [x, gamma, beta].into_iter().chain(change).collect();
        Ok(self.graph.apply1("layer_norm", name, attrs, &inputs)?)
    }
}

/// How a model is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With dropout and the loss.
    Train,
    /// No dropout, with the loss: validation, and comparisons with golden files.
    Score,
    /// No dropout, no loss: no targets are uploaded.
    Forecast,
}

/// Builds the model.
///
/// # Errors
/// Fails if a switch is on whose part is not there, or sizes do not fit.
pub fn build(shape: &ModelShape, mode: Mode) -> Result<Model, ModelError> {
    shape.supported()?;
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
    let mixture = decoder::build(&mut b, x, &embedded)?;
    let penalty = model_graph.penalty.filter(|_| mode != Mode::Forecast);
    let noise = model_graph.noise.clone();
    let loss = if mode == Mode::Forecast { None } else { Some(decoder::loss(&mut b, mixture)?) };
    let Builder { graph, inits, .. } = b;
    Ok(Model { graph, inits, inputs: embedded.inputs, mixture, stats: embedded.stats, activations, model_graph, penalty, noise, loss })
}
