//! The table of operations: what each one computes, how it runs on a GPU, and how its mathematics is checked.
//!
//! One op is one file here plus one WGSL file of the same stem (or text from [`generator`]), and one entry in [`OPS`].
//! Everything else (autodiff, planner, executors, tests, `pgat bench`) walks this table and knows no op by name.

pub mod def;
pub mod generator;
pub mod twin;

mod adamw;
mod add;
mod attention;
mod autocorrelation;
mod batch_mean;
mod cluster_gate;
mod cluster_mean;
mod edge_attention;
mod edge_sum;
mod edge_terms;
mod embed_sum;
mod gate_change;
mod gate_mix;
mod grad_norm;
mod graph_features;
mod instance_norm;
mod layer_norm;
mod linear;
mod mixture_decode;
mod mixture_nll;
mod patch_mean;
mod scaled_sum;
mod select;
mod split;
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
    &add::OP,
    &attention::OP,
    &autocorrelation::OP,
    &batch_mean::OP,
    &cluster_gate::OP,
    &cluster_mean::OP,
    &edge_attention::OP,
    &edge_sum::OP,
    &edge_terms::OP,
    &embed_sum::OP,
    &gate_change::OP,
    &gate_mix::OP,
    &grad_norm::OP,
    &graph_features::OP,
    &instance_norm::OP,
    &layer_norm::OP,
    &linear::OP,
    &mixture_decode::OP,
    &mixture_nll::OP,
    &patch_mean::OP,
    &scaled_sum::OP,
    &select::OP,
    &split::OP,
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
