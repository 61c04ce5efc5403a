//! Where the parameters of a model (section 12 of docs/model.md) lie in the flat buffers.

use super::{Mode, ModelError, ModelShape, build};
use crate::graph::{Graph, TensorId};

/// Where a parameter lies in the flat buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterPlace {
    /// Name, as in weight files.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// First element.
    pub start: usize,
    /// Whether it has a gradient and moments; if not, it is stored behind all that have.
    pub trained: bool,
}

/// All of a graph, in the order of weight files.
pub(crate) fn places(graph: &Graph, shape: &ModelShape) -> Vec<ParameterPlace> {
    let place = |(t, start): (TensorId, usize), trained| {
        let tensor = &graph.tensors[t];
        ParameterPlace { name: tensor.name.clone(), shape: tensor.operand.shape.clone(), start, trained }
    };
    let stored = graph.stored_tensors().into_iter().map(|p| place(p, false));
    // The reference has a map of no calendar features too: its files hold it, and it asks for it.
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
