//! The table of operations: what each op computes, how it runs on a GPU, and how its mathematics is tested.
//!
//! An op is one file here, one WGSL file of the same stem (or text from [`generator`]), and one entry in [`OPS`]. Everything else
//! (autodiff, planner, executors, tests, `pgat bench`) iterates over this table and refers to no op by name.

pub mod attrs;
pub mod def;
mod expect;
pub mod generator;
pub mod twin;
pub(crate) mod wgsl;

pub mod adamw;
pub mod adaptive_matrix;
pub mod add;
pub mod attention;
pub mod autocorrelation;
pub mod batch_mean;
pub mod blend;
pub mod branches;
pub mod calibrate;
pub mod cluster_gate;
pub mod cluster_mean;
pub mod concat_linear;
pub mod driver_edges;
pub mod driver_input;
pub mod driver_sum;
pub mod edge_attention;
pub mod edge_matrix;
pub mod edge_shrink;
pub mod edge_sum;
pub mod edge_terms;
pub mod edges;
pub mod embed_sum;
pub mod gate_change;
pub mod gate_mix;
pub mod gate_softmax;
pub mod grad_health;
pub mod grad_norm;
pub mod graph_features;
pub mod graph_penalty;
pub mod instance_norm;
pub mod interaction;
pub mod layer_norm;
pub mod linear;
pub mod mixture_crps;
pub mod mixture_decode;
pub mod mixture_nll;
pub mod moving_average;
pub mod moving_mean;
pub mod node_mean;
pub mod one_hot;
pub mod patch_mean;
pub mod propagate;
pub mod repeat_row;
pub mod row_mean;
pub mod scaled_sum;
pub mod select;
pub mod sinusoids;
pub mod split;
pub mod stack_weights;
pub mod step_mean;
pub mod tanh_gate;
pub mod token_base;
pub mod value_loss;

pub use attrs::{AttrDef, AttrKind, Attrs, Call, Operation, Times};
pub use def::{
    Access, Backward, Binding, Case, CaseInput, Cost, DType, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, OpError, Operand, Phase,
    Scope, Shape, Slot, Value,
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
    &calibrate::OP,
    &cluster_gate::OP,
    &cluster_mean::OP,
    &concat_linear::OP,
    &driver_edges::OP,
    &driver_input::OP,
    &driver_sum::OP,
    &edge_attention::OP,
    &edge_matrix::OP,
    &edge_shrink::OP,
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
    &mixture_crps::OP,
    &mixture_decode::OP,
    &mixture_nll::OP,
    &moving_average::OP,
    &moving_mean::OP,
    &node_mean::OP,
    &one_hot::OP,
    &patch_mean::OP,
    &propagate::OP,
    &repeat_row::OP,
    &row_mean::OP,
    &scaled_sum::OP,
    &select::OP,
    &sinusoids::OP,
    &split::OP,
    &stack_weights::OP,
    &step_mean::OP,
    &tanh_gate::OP,
    &token_base::OP,
    &value_loss::OP,
];

/// The op of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static OpDef> {
    OPS.iter().find(|o| o.name == name).copied()
}
