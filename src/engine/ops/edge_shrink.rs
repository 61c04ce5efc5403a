//! The proximal step of the driver edges (section 9a of docs/model.md), after the optimiser's step and in place: every group
//! `edges[:, j, i]`, i not j's own, loses `shrink` of its norm: `edges[:, j, i] *= max(0, 1 - shrink / max(norm, 1e-12))`. `shrink`, the
//! learning rate of the edges times lambda, is a value of the step; with 0, or after a bad step, nothing changes.
//!
//! Inputs, all per step: parameters `[P]` flat; norm `[4]` from `grad_norm` (its third number states whether everything is finite).
//! Attributes: `start` (index of the first element of the edges `[R, Nt, Nx]`), `rank`, `targets`, `series`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Inputs: parameters, norm. No outputs.
    pub struct EdgeShrink {
        /// Index of the first element of the edges in the parameters.
        pub start: usize,
        /// R.
        pub rank: usize,
        /// Nt.
        pub targets: usize,
        /// Nx.
        pub series: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "edge_shrink",
    summary: "edges[:, j, i] *= max(0, 1 - shrink / max(|edges[:, j, i]|, 1e-12)), i not j's own, unless the step is bad",
    attrs: EdgeShrink::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[0],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("it is part of the optimiser"),
    twin: Twin::new(twin_forward, no_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/edge_shrink.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [parameters, norm] = exactly(inputs)?;
    let EdgeShrink { start, rank, targets, series } = EdgeShrink::of(attrs);
    if targets == 0 || targets > series || rank == 0 || start + rank * targets * series > parameters.len() || norm.shape != [4] {
        return Err(format!(
            "edges [{rank}, {targets}, {series}] from {start} on do not lie in {:?}, or the norm {:?} is not [4]",
            parameters.shape, norm.shape
        ));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("every input must be per step".into());
    }
    Ok(Inferred::default())
}

fn forward(c: &OpCtx) -> Phase {
    let EdgeShrink { start, rank, targets, series } = EdgeShrink::of(c.attrs);
    let (n, groups) = (rank * targets * series, targets * series);
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: "edge_shrink_update",
            overrides: vec![],
            bindings: vec![Binding::output("parameters", Slot::In(0), "parameters_base"), Binding::input("norm", Slot::In(1), "norm_base")],
            params: vec![
                ("count", Value::U32(to_u32(groups))),
                ("start", Value::U32(to_u32(start))),
                ("rank", Value::U32(to_u32(rank))),
                ("series", Value::U32(to_u32(series))),
                ("covariates", Value::U32(to_u32(series - targets))),
            ],
            grid: Grid::Windows { per_window: groups, per_group: 64, across: 1 },
            cost: Cost::new(3 * n, 2 * n),
        }],
        scratch: vec![],
    }
}

fn twin_forward(t: &mut TwinCall) {
    let (amount, ok) = (f64::from(t.step.shrink), t.inputs[1].data[2] != 0.0);
    if amount == 0.0 || !ok {
        return;
    }
    let EdgeShrink { start, rank, targets, series } = EdgeShrink::of(t.attrs);
    let edges = &mut t.inputs[0].data[start..];
    for j in 0..targets {
        for i in (0..series).filter(|i| *i != series - targets + j) {
            let at = |r: usize| (r * targets + j) * series + i;
            let norm = (0..rank).map(|r| edges[at(r)].powi(2)).sum::<f64>().sqrt();
            let keep = (1.0 - amount / norm.max(1e-12)).max(0.0);
            (0..rank).for_each(|r| edges[at(r)] *= keep);
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, (length, start): (usize, usize), [rank, targets, series]: [usize; 3], fill, ok| {
        let input = |n: usize, fill| CaseInput { grad: false, ..CaseInput::step(&[n], fill) };
        Case {
            name,
            attrs: EdgeShrink { start, rank, targets, series }.attrs(),
            inputs: vec![input(length, fill), input(4, Fill::Constant(ok))],
            windows: 1,
            reduction: rank,
        }
    };
    vec![
        case("one edge, a target's own", (4, 0), [1, 1, 1], Fill::Normal(1.0), 1.0),
        case("edges between other parameters", (128, 64), [2, 3, 5], Fill::Normal(0.02), 1.0),
        case("a workgroup and one", (512, 64), [4, 5, 13], Fill::Normal(0.02), 1.0),
        case("edges at 0 stay", (128, 0), [2, 3, 5], Fill::Constant(0.0), 1.0),
        case("a bad step", (128, 64), [2, 3, 5], Fill::Normal(0.02), 0.0),
    ]
}
