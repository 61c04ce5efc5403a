//! The table of operations: what each one computes, how it runs on a GPU, and how its mathematics is checked.
//!
//! One op is one file here plus one WGSL file of the same stem (or text from [`generator`]), and one entry in [`OPS`].
//! Everything else (autodiff, planner, executors, tests, `pgat bench`) walks this table and knows no op by name.

pub mod def;
pub mod generator;
pub mod twin;

mod adamw;
mod adaptive_matrix;
mod add;
mod attention;
mod autocorrelation;
mod batch_mean;
mod blend;
pub(crate) mod branches;
mod cluster_gate;
mod cluster_mean;
mod concat_linear;
mod edge_attention;
mod edge_matrix;
mod edge_sum;
mod edge_terms;
mod edges;
mod embed_sum;
mod gate_change;
mod gate_mix;
mod gate_softmax;
pub(crate) mod grad_health;
mod grad_norm;
mod graph_features;
mod graph_penalty;
mod instance_norm;
mod interaction;
mod layer_norm;
mod linear;
mod mixture_decode;
mod mixture_nll;
mod moving_mean;
mod node_mean;
mod patch_mean;
mod propagate;
mod row_mean;
mod scaled_sum;
mod select;
mod sinusoids;
mod split;
mod stack_weights;
mod step_mean;
mod token_base;
mod value_loss;

pub use def::{
    Access, Attrs, Backward, Binding, Case, CaseInput, Cost, DType, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, OpError, Operand,
    Phase, Scope, Shape, Slot, Value,
};

/// Every operation of the crate, in alphabetical order.
pub static OPS: &[&OpDef] = &[
    &adamw::OP,
    &adaptive_matrix::OP,
    &add::OP,
    &attention::OP,
    &autocorrelation::OP,
    &batch_mean::OP,
    &blend::OP,
    &branches::OP,
    &cluster_gate::OP,
    &cluster_mean::OP,
    &concat_linear::OP,
    &edge_attention::OP,
    &edge_matrix::OP,
    &edge_sum::OP,
    &edge_terms::OP,
    &edges::OP,
    &embed_sum::OP,
    &gate_change::OP,
    &gate_mix::OP,
    &gate_softmax::OP,
    &grad_health::OP,
    &grad_norm::OP,
    &graph_features::OP,
    &graph_penalty::OP,
    &instance_norm::OP,
    &interaction::OP,
    &layer_norm::OP,
    &linear::OP,
    &mixture_decode::OP,
    &mixture_nll::OP,
    &moving_mean::OP,
    &node_mean::OP,
    &patch_mean::OP,
    &propagate::OP,
    &row_mean::OP,
    &scaled_sum::OP,
    &select::OP,
    &sinusoids::OP,
    &split::OP,
    &stack_weights::OP,
    &step_mean::OP,
    &token_base::OP,
    &value_loss::OP,
];

/// The op of that name.
///
/// # Panics
/// Panics if the table has no such op: names are compile-time constants of this crate.
#[must_use]
pub fn op(name: &str) -> &'static OpDef {
    OPS.iter().find(|o| o.name == name).unwrap_or_else(|| panic!("no op is named {name}"))
}
