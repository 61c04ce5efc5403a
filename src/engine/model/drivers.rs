//! Sections 9a and 7a of docs/model.md: the driver highway, and attention from the strongest drivers to each target.

use super::embedding::Embedded;
use super::graph::Edges;
use super::init::Init;
use super::{Builder, Dense, ModelError, cross_attention};
use crate::graph::TensorId;
use crate::ops::driver_edges::DriverEdges;
use crate::ops::driver_input::DriverInput;
use crate::ops::driver_sum::DriverSum;
use crate::ops::tanh_gate::TanhGate;

/// Name of the parameter with the signed graphs `[R, Nt, Nx]`.
pub(crate) const EDGES: &str = "drivers.edges";

/// The edges, which start at 0. They are shrunk after each step in which they are trained.
pub(super) fn edges(b: &mut Builder) -> TensorId {
    let (w, rank) = (b.shape.window, b.shape.settings.driver_rank);
    let edges = b.parameter(EDGES, &[rank, w.num_targets, w.num_series()], Init::Constant(0.0));
    b.graph.shrinking.push(edges);
    edges
}

/// `[Nt, H]`, what every mean receives from the other series.
pub(super) fn highway(b: &mut Builder, embedded: &Embedded, edges: TensorId) -> Result<TensorId, ModelError> {
    let (w, s) = (b.shape.window, b.shape.settings.clone());
    let width = s.driver_rank * s.driver_width;
    let input = DriverInput { history: w.history, centred: s.use_driver_norm };
    let rows = b.graph.apply1(input, "drivers.input", &[embedded.inputs[0], embedded.inputs[1], embedded.stats])?;
    let code = b.linear("drivers.code", rows, Dense::to(width).without_bias())?;
    let sums = b.graph.apply1(DriverSum, "drivers.sum", &[code, edges])?;
    let y = b.linear("drivers.out", sums, Dense::to(w.horizon).without_bias())?;
    if !s.use_driver_products {
        return Ok(y);
    }
    let pair = b.linear("drivers.pair", sums, Dense::to(2 * s.driver_products).without_bias())?;
    let products = b.graph.apply1(TanhGate, "drivers.products", &[pair])?;
    b.linear_onto("drivers.pair_out", products, w.horizon, Init::fan_in(s.driver_products), Some(y))
}

/// The targets after attention from the k strongest drivers of each. `series`: the tokens of all series as they came into section 7.
pub(super) fn attention(b: &mut Builder, series: TensorId, targets: TensorId, edges: TensorId) -> Result<TensorId, ModelError> {
    let k = b.shape.settings.top_k_edges.min(b.shape.window.num_series());
    let made = b.graph.apply(DriverEdges { k }, "driver_attention.edges", &[edges])?;
    let strongest = Edges { prob: made[0], index: made[1], starts: made[2], entries: made[3] };
    cross_attention::build(b, "driver_attention", series, targets, &strongest)
}
