//! The strongest drivers of each target as the edges of driver attention (section 7a of docs/model.md).
//!
//! Input, per step: edges `[R, Nt, Nx]` of the driver highway. Strength of the edge i -> j: `sqrt(sum_r edges[r, j, i]^2)`, 0 where i is
//! j's own (i = Nx - Nt + j). For each target the k series with the largest strength (ties: the lowest index first);
//! `prob = (strength + 1e-3) / sum over the k`. Attribute `k`. Outputs, as those of `edges`, whole numbers as floats: prob `[Nt, k]`, index
//! `[Nt, k]`, starts `[Nx + 1]`, entries `[Nt k]`. Nothing here has a gradient: the edges learn in the highway alone.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;
use crate::order;

operation! {
    /// Input: edges. Outputs: prob, index, starts, entries.
    pub struct DriverEdges {
        /// Number of senders of a target, 1 to all.
        pub k: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "driver_edges",
    summary: "prob, index = k largest of strength[j, i] = |edges[:, j, i]|, own excluded, + 1e-3, renormalised",
    attrs: DriverEdges::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("the choice of drivers has no gradient"),
    twin: Twin::new(twin_forward, no_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/driver_edges.wgsl", "lib/step.wgsl");
const LEAST: f64 = 1e-3;

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [edges] = exactly(inputs)?;
    let [rank, targets, series] = edges.shape[..] else {
        return Err(format!("edges must be [R, targets, series], found {:?}", edges.shape));
    };
    let k = DriverEdges::of(attrs).k;
    if rank == 0 || targets == 0 || targets > series || k == 0 || k > series || edges.scope != Scope::Step {
        return Err(format!(
            "expected k in 1..={series} and per-step edges with at most {series} targets, found k = {k}, {:?}",
            edges.shape
        ));
    }
    Ok(Inferred {
        outputs: vec![vec![targets, k], vec![targets, k], vec![series + 1], vec![targets * k]],
        discrete: 4,
        ..Inferred::default()
    })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, items: usize) -> KernelDef {
    let [rank, targets, series] = c.inputs[0].shape[..] else { panic!("driver_edges: shapes were inferred before") };
    let k = DriverEdges::of(c.attrs).k;
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(items))),
            ("rank", Value::U32(to_u32(rank))),
            ("targets", Value::U32(to_u32(targets))),
            ("series", Value::U32(to_u32(series))),
            ("k", Value::U32(to_u32(k))),
        ],
        grid: Grid::Windows { per_window: items, per_group: 64, across: 1 },
        cost: Cost::new(2 * c.inputs[0].len() * k, c.inputs[0].len() * k),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let (targets, series) = (c.inputs[0].shape[1], c.inputs[0].shape[2]);
    let choose = vec![
        Binding::parameters("edges", &[(Slot::In(0), "edges_base")]),
        Binding::output("prob", Slot::Out(0), "prob_base"),
        Binding::output("index", Slot::Out(1), "index_base"),
    ];
    let sort = vec![
        Binding::input("index", Slot::Out(1), "index_base"),
        Binding::output("starts", Slot::Out(2), "starts_base"),
        Binding::output("entries", Slot::Out(3), "entries_base"),
    ];
    let kernels = vec![kernel(c, "driver_edges_choose", choose, targets), kernel(c, "driver_edges_by_sender", sort, series + 1)];
    Phase { kernels, scratch: vec![] }
}

/// Strength of every edge `[Nt, Nx]`; a target's edge from itself has 0.
#[must_use]
pub fn strengths(edges: &[f64], shape: &[usize]) -> Vec<f64> {
    let [rank, targets, series] = shape[..] else { panic!("edges have three axes") };
    let covariates = series - targets;
    (0..targets * series)
        .map(|e| {
            if e % series == covariates + e / series {
                return 0.0;
            }
            (0..rank).map(|r| edges[r * targets * series + e].powi(2)).sum::<f64>().sqrt()
        })
        .collect()
}

fn twin_forward(t: &mut TwinCall) {
    let (targets, series, k) = (t.inputs[0].operand.shape[1], t.inputs[0].operand.shape[2], DriverEdges::of(t.attrs).k);
    let strength = strengths(&t.inputs[0].data, &t.inputs[0].operand.shape);
    let mut edges: Vec<(usize, usize)> = vec![];
    for row in 0..targets {
        let of = &strength[row * series..(row + 1) * series];
        let mut order: Vec<usize> = (0..series).collect();
        order::sort_by(&mut order, |&a, &b| of[b].total_cmp(&of[a]).then(a.cmp(&b)));
        let sum: f64 = order[..k].iter().map(|&i| of[i] + LEAST).sum();
        for (slot, &i) in order[..k].iter().enumerate() {
            t.outputs[0].data[row * k + slot] = (of[i] + LEAST) / sum;
            t.outputs[1].data[row * k + slot] = i as f64;
            edges.push((i, row * k + slot));
        }
    }
    order::sort_by_key(&mut edges, |&edge| edge);
    for sender in 0..=series {
        t.outputs[2].data[sender] = edges.iter().filter(|e| e.0 < sender).count() as f64;
    }
    for (entry, (_, edge)) in t.outputs[3].data.iter_mut().zip(edges) {
        *entry = edge as f64;
    }
}

fn cases() -> Vec<Case> {
    let case = |name, shape: [usize; 3], k: usize, fill| Case {
        name,
        attrs: DriverEdges { k }.attrs(),
        inputs: vec![CaseInput { grad: false, ..CaseInput::parameter(&shape, fill) }],
        windows: 1,
        reduction: shape[0],
    };
    vec![
        case("one series", [1, 1, 1], 1, Fill::Normal(1.0)),
        case("two of five", [2, 3, 5], 2, Fill::Normal(1.0)),
        case("all series", [4, 4, 4], 4, Fill::Normal(0.3)),
        case("a workgroup and one", [3, 65, 70], 3, Fill::Normal(1.0)),
        case("ties: every edge is 0", [2, 5, 9], 3, Fill::Constant(0.0)),
        case("ties: some edges are 0", [1, 4, 7], 5, Fill::Values(&[0.0, 0.5, 0.0, 0.25, 0.0])),
    ]
}
