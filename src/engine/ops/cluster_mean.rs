//! `y[s, g] = mean of x over the steps of group s and the nodes of cluster g`: tokens pooled over time and nodes.
//!
//! Inputs: x `[T, N, D]`; per step and data (whole numbers stored as floats): cluster `[N]`, and the same as a list: starts `[G + 1]`,
//! members `[N]` (the nodes of cluster g are `members[starts[g] .. starts[g + 1]]`). D is a multiple of 4. Attribute `group_steps` (r):
//! step t is in group floor(t / r); the last group may be shorter. Output `[1, S G, D]`, S = ceil(T / r), all pooled tokens in one line.
//! Backward: `dx[t, n] = dy[s, g] / (steps of s * nodes of g)`, a gather.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::expect::{exactly, expect_quads};
use super::twin::{Twin, TwinCall, index_of};
use super::wgsl::wgsl;
use crate::order;

operation! {
    /// Inputs: x, cluster, starts, members. Output: the pooled tokens.
    pub struct ClusterMean {
        /// Steps per group, at least 1.
        pub group_steps: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "cluster_mean",
    summary: "y[s, g] = mean of x over the steps of group s and the nodes of cluster g",
    attrs: ClusterMean::ATTRS,
    infer,
    keeps_inputs: &[1, 2],
    keeps_outputs: &[],
    updates: &[],
    data: &[1, 2, 3],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/cluster_mean.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [x, cluster, starts, members] = exactly(inputs)?;
    let [t, n, d] = x.shape[..] else {
        return Err(format!("expected x [T, N, D], found {:?}", x.shape));
    };
    expect_quads(d)?;
    if cluster.shape != [n] || members.shape != [n] || starts.shape.len() != 1 || starts.len() < 2 {
        return Err(format!(
            "expected cluster [{n}], starts [G + 1] and members [{n}], found {:?}, {:?} and {:?}",
            cluster.shape, starts.shape, members.shape
        ));
    }
    let ClusterMean { group_steps } = ClusterMean::of(attrs);
    if inputs[1..].iter().any(|i| i.scope != Scope::Step) || group_steps == 0 {
        return Err("cluster, starts and members must be per step, and a group must have at least one step".into());
    }
    let pooled = t.div_ceil(group_steps) * (starts.len() - 1);
    Ok(Inferred { outputs: vec![vec![1, pooled, d]], ..Inferred::default() })
}

fn fields(c: &OpCtx, count: usize) -> Vec<Field> {
    let x = &c.inputs[0].shape;
    vec![
        ("count", Value::U32(to_u32(count))),
        ("quads", Value::U32(to_u32(x[2] / 4))),
        ("n_steps", Value::U32(to_u32(x[0]))),
        ("n_nodes", Value::U32(to_u32(x[1]))),
        ("n_clusters", Value::U32(to_u32(c.inputs[2].len() - 1))),
        ("group_steps", Value::U32(to_u32(ClusterMean::of(c.attrs).group_steps))),
        ("accumulate_x", c.accumulates(0)),
    ]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, count: usize) -> KernelDef {
    let (x, y) = (c.inputs[0].len(), c.outputs[0].len());
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: fields(c, count),
        grid: Grid::Windows { per_window: count, per_group: 64, across: 1 },
        cost: Cost::new(x, x + y),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![
        Binding::input("x", Slot::In(0), "x_base"),
        Binding::input("starts", Slot::In(2), "starts_base"),
        Binding::input("members", Slot::In(3), "members_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    Phase { kernels: vec![kernel(c, "cluster_mean_forward", bindings, c.outputs[0].len() / 4)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let bindings = vec![
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::input("cluster", Slot::In(1), "cluster_base"),
        Binding::input("starts", Slot::In(2), "starts_base"),
        Binding::output("d_x", Slot::DIn(0), "d_x_base"),
    ];
    Phase { kernels: vec![kernel(c, "cluster_mean_backward", bindings, c.inputs[0].len() / 4)], scratch: vec![] }
}

/// For each token: the index of its pooled token, and its weight in the mean.
fn places(t: &TwinCall) -> Vec<(usize, f64)> {
    let (shape, r) = (&t.inputs[0].operand.shape, ClusterMean::of(t.attrs).group_steps);
    let starts = &t.inputs[2].data;
    let place = |token: usize| {
        let (step, node) = (token / shape[1], token % shape[1]);
        let (group, cluster) = (step / r, index_of(t.inputs[1].data[node]));
        let steps = r.min(shape[0] - group * r) as f64;
        (group * (starts.len() - 1) + cluster, 1.0 / (steps * (starts[cluster + 1] - starts[cluster])))
    };
    (0..shape[0] * shape[1]).map(place).collect()
}

fn twin_forward(t: &mut TwinCall) {
    let (places, d) = (places(t), t.inputs[0].operand.last());
    for w in 0..t.windows {
        let x = t.inputs[0].window(w);
        let y = t.outputs[0].window_mut(w);
        y.fill(0.0);
        for (token, (to, share)) in places.iter().enumerate() {
            for i in 0..d {
                y[to * d + i] += share * x[token * d + i];
            }
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (places, d) = (places(t), t.inputs[0].operand.last());
    for w in 0..t.windows {
        let d_y = t.d_outputs[0].window(w).to_vec();
        if let Some(d_x) = t.d_input(0, w) {
            for (token, (to, share)) in places.iter().enumerate() {
                for i in 0..d {
                    d_x[token * d + i] += share * d_y[to * d + i];
                }
            }
        }
    }
}

/// Test data: clusters of `n` nodes as [`OP`] takes them.
pub(super) fn clusters(n: usize, groups: usize) -> [CaseInput; 3] {
    // The clusters are not in the order of the nodes, and none is empty because 7 and the number of nodes have no common divisor.
    let cluster: Vec<usize> = (0..n).map(|i| i * 7 % n * groups / n).collect();
    let mut members: Vec<usize> = (0..n).collect();
    order::sort_by_key(&mut members, |&i| cluster[i]);
    let starts = (0..=groups).map(|g| cluster.iter().filter(|&&c| c < g).count() as f32).collect();
    let data = |shape: usize, values: Vec<f32>| CaseInput { grad: false, ..CaseInput::step(&[shape], Fill::values(values)) };
    [data(n, cluster.iter().map(|c| *c as f32).collect()), data(groups + 1, starts), data(n, members.iter().map(|m| *m as f32).collect())]
}

fn cases() -> Vec<Case> {
    let case = |name, [t, n, d]: [usize; 3], r: usize, groups: usize, windows| {
        let [cluster, starts, members] = clusters(n, groups);
        Case {
            name,
            attrs: ClusterMean { group_steps: r }.attrs(),
            inputs: vec![CaseInput::window(&[t, n, d], Fill::Normal(1.0)), cluster, starts, members],
            windows,
            reduction: r * n / groups,
        }
    };
    vec![
        case("one token", [1, 1, 4], 1, 1, 1),
        case("a short last group", [5, 6, 4], 2, 3, 3),
        case("a workgroup of pooled tokens", [4, 16, 16], 2, 8, 1),
        case("one group holds all steps", [3, 13, 8], 5, 4, 2),
        case("many nodes", [7, 197, 16], 4, 50, 3),
    ]
}
