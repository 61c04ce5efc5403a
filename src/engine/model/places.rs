//! The places of the parameters (section 12 of docs/model.md) in the flat buffers.

use super::{Mode, ModelError, ModelShape, build};
use crate::graph::{Graph, TensorId};

/// The place of a parameter in the flat buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterPlace {
    /// Name, as in weight files.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Index of the first element.
    pub start: usize,
    /// Whether it has a gradient and moments; if not, it is stored behind all parameters that have.
    pub trained: bool,
}

/// The places of all parameters of a graph, in the order of weight files.
pub(crate) fn places(graph: &Graph, shape: &ModelShape) -> Vec<ParameterPlace> {
    let place = |(t, start): (TensorId, usize), trained| {
        let tensor = &graph.tensors[t];
        ParameterPlace { name: tensor.name.clone(), shape: tensor.operand.shape.clone(), start, trained }
    };
    let stored = graph.stored_tensors().into_iter().map(|p| place(p, false));
    // The reference has a weight of width 0 if there are no calendar features: its files contain it, and it requires it.
    let empty =
        ParameterPlace { name: "embedding.calendar.weight".into(), shape: vec![shape.settings.d_model, 0], start: 0, trained: false };
    let empty = (shape.window.num_calendar == 0).then_some(empty);
    empty.into_iter().chain(graph.parameters().into_iter().map(|p| place(p, true))).chain(stored).collect()
}

/// Names, shapes and places of a model's parameters, without a session.
///
/// # Errors
/// Fails if the model cannot be built.
pub fn parameter_places(shape: &ModelShape) -> Result<Vec<ParameterPlace>, ModelError> {
    Ok(places(&build(shape, Mode::Score)?.graph, shape))
}
