//! `y[t, n] = base[t, n] + sigmoid(gate[t, n] + pooled_gate[c]) v[c]`, where c is the pooled token of (t, n). The op adds a branch of the
//! hierarchy to every token without copying the pooled tokens to the tokens.
//!
//! Inputs: gate `[T, N, D]` (the part of the gate that depends on x); pooled_gate and v `[1, S G, D]` (the part that depends on v, and v);
//! data per step as for `cluster_mean`: cluster `[N]`, starts `[G + 1]`, members `[N]`; with attribute `base` also base `[T, N, D]`. D is a
//! multiple of 4. Attribute `group_steps`. With `s = sigmoid(..)`: `dgate = dy v s (1 - s)`; `dpooled_gate[c]` is its sum over the tokens
//! of c, `dv[c] = sum dy s`, both gathered in the order of steps and members; dbase = dy. The backward pass recomputes s.

use super::attrs::{Attrs, Operation, operation};
use super::cluster_mean::clusters;
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::expect::expect_count;
use super::twin::{Twin, TwinCall, index_of};
use super::wgsl::wgsl;

operation! {
    /// Inputs: gate, pooled gate, v, cluster, starts, members, and base if the op has one. Output: y.
    pub struct ClusterGate {
        /// Steps per group, at least 1.
        pub group_steps: usize,
        /// Whether the op has an input `base` that it adds to.
        pub base: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "cluster_gate",
    summary: "y[t, n] = base[t, n] + sigmoid(gate[t, n] + pooled_gate[c]) v[c], c the pooled token of (t, n)",
    attrs: ClusterGate::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2, 3, 4, 5],
    keeps_outputs: &[],
    updates: &[],
    data: &[3, 4, 5],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/cluster_gate.wgsl", "lib/step.wgsl");
const BASE: usize = 6;

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let ClusterGate { group_steps, base } = ClusterGate::of(attrs);
    expect_count(inputs, BASE + usize::from(base))?;
    let [t, n, d] = inputs[0].shape[..] else {
        return Err(format!("expected gate [T, N, D], found {:?}", inputs[0].shape));
    };
    if !d.is_multiple_of(4) || group_steps == 0 {
        return Err(format!("the width must be a multiple of 4, found {d}, and a group must have at least one step"));
    }
    let [cluster, starts, members] = [3, 4, 5].map(|i| &inputs[i].shape);
    if *cluster != [n] || *members != [n] || starts.len() != 1 || starts[0] < 2 {
        return Err(format!("expected cluster [{n}], starts [G + 1] and members [{n}], found {cluster:?}, {starts:?} and {members:?}"));
    }
    let pooled = [1, t.div_ceil(group_steps) * (starts[0] - 1), d];
    if inputs[1].shape != pooled || inputs[2].shape != pooled {
        return Err(format!("expected pooled tokens {pooled:?}, found {:?} and {:?}", inputs[1].shape, inputs[2].shape));
    }
    if base && inputs[BASE].shape != inputs[0].shape {
        return Err(format!("expected base of the shape of the gate {:?}, found {:?}", inputs[0].shape, inputs[BASE].shape));
    }
    let windowed = |i: &Operand| i.scope == Scope::Window;
    if !inputs[..3].iter().chain(&inputs[BASE..]).all(windowed) || inputs[3..BASE].iter().any(windowed) {
        return Err("cluster, starts and members must be per step, all other inputs per window".into());
    }
    Ok(Inferred { outputs: vec![inputs[0].shape.clone()], ..Inferred::default() })
}

fn fields(c: &OpCtx, count: usize) -> Vec<Field> {
    let gate = &c.inputs[0].shape;
    vec![
        ("count", Value::U32(to_u32(count))),
        ("quads", Value::U32(to_u32(gate[2] / 4))),
        ("n_steps", Value::U32(to_u32(gate[0]))),
        ("n_nodes", Value::U32(to_u32(gate[1]))),
        ("n_clusters", Value::U32(to_u32(c.inputs[4].len() - 1))),
        ("group_steps", Value::U32(to_u32(ClusterGate::of(c.attrs).group_steps))),
        ("accumulate_gate", c.accumulates(0)),
        ("accumulate_pooled_gate", c.accumulates(1)),
        ("accumulate_v", c.accumulates(2)),
        ("accumulate_base", c.accumulates(BASE)),
    ]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, count: usize, cost: Cost) -> KernelDef {
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: fields(c, count),
        grid: Grid::Windows { per_window: count, per_group: 64, across: 1 },
        cost,
    }
}

fn gates() -> Vec<Binding> {
    vec![
        Binding::input("gate", Slot::In(0), "gate_base"),
        Binding::input("pooled_gate", Slot::In(1), "pooled_gate_base"),
        Binding::input("v", Slot::In(2), "v_base"),
    ]
}

fn forward(c: &OpCtx) -> Phase {
    let (n, pooled, base) = (c.outputs[0].len(), c.inputs[1].len(), ClusterGate::of(c.attrs).base);
    let mut bindings = gates();
    bindings.push(Binding::input("cluster", Slot::In(3), "cluster_base"));
    bindings.push(Binding::output("y", Slot::Out(0), "y_base"));
    if base {
        bindings.push(Binding::input("base", Slot::In(BASE), "base_base"));
    }
    let entry = if base { "cluster_gate_forward_base" } else { "cluster_gate_forward" };
    let cost = Cost::new(6 * n, (2 + usize::from(base)) * n + 2 * pooled);
    Phase { kernels: vec![kernel(c, entry, bindings, n / 4, cost)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let (n, pooled) = (c.outputs[0].len(), c.inputs[1].len());
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    let (mut kernels, mut scratch) = (vec![], vec![]);
    if c.wants(0) {
        let mut bindings = gates();
        bindings.extend([d_y(), Binding::input("cluster", Slot::In(3), "cluster_base")]);
        bindings.push(Binding::output("d_gate", Slot::DIn(0), "d_gate_base"));
        kernels.push(kernel(c, "cluster_gate_backward_gate", bindings, n / 4, Cost::new(8 * n, 3 * n + 2 * pooled)));
    }
    if c.wants(1) || c.wants(2) {
        // One kernel computes both gradients. A gradient that is not needed goes to scratch.
        let mut to = |i: usize| {
            if c.wants(i) {
                return Slot::DIn(i);
            }
            scratch.push((pooled, Scope::Window));
            Slot::Scratch(scratch.len() - 1)
        };
        let mut bindings = gates();
        bindings.extend([
            d_y(),
            Binding::input("starts", Slot::In(4), "starts_base"),
            Binding::input("members", Slot::In(5), "members_base"),
            Binding::output("d_pooled_gate", to(1), "d_pooled_gate_base"),
            Binding::output("d_v", to(2), "d_v_base"),
        ]);
        kernels.push(kernel(c, "cluster_gate_backward_pooled", bindings, pooled / 4, Cost::new(10 * n, 2 * n + 4 * pooled)));
    }
    if ClusterGate::of(c.attrs).base && c.wants(BASE) {
        let bindings = vec![d_y(), Binding::output("d_base", Slot::DIn(BASE), "d_base_base")];
        kernels.push(kernel(c, "cluster_gate_backward_base", bindings, n / 4, Cost::new(0, 2 * n)));
    }
    Phase { kernels, scratch }
}

/// For each element: the index of the element of its pooled token.
fn pooled_elements(t: &TwinCall) -> Vec<usize> {
    let (shape, r) = (&t.inputs[0].operand.shape, ClusterGate::of(t.attrs).group_steps);
    let (n, d, groups) = (shape[1], shape[2], t.inputs[4].data.len() - 1);
    let place = |e: usize| {
        let (step, node) = (e / d / n, e / d % n);
        (step / r * groups + index_of(t.inputs[3].data[node])) * d + e % d
    };
    (0..t.inputs[0].operand.len()).map(place).collect()
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

fn twin_forward(t: &mut TwinCall) {
    let (places, based) = (pooled_elements(t), ClusterGate::of(t.attrs).base);
    for w in 0..t.windows {
        let [gate, pooled_gate, v] = [0, 1, 2].map(|i| t.inputs[i].window(w));
        for (e, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            *y = sigmoid(gate[e] + pooled_gate[places[e]]) * v[places[e]];
            if based {
                *y += t.inputs[BASE].window(w)[e];
            }
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (places, based) = (pooled_elements(t), ClusterGate::of(t.attrs).base);
    for w in 0..t.windows {
        let [gate, pooled_gate, v] = [0, 1, 2].map(|i| t.inputs[i].window(w).to_vec());
        let d_y = t.d_outputs[0].window(w).to_vec();
        for (e, &c) in places.iter().enumerate() {
            let s = sigmoid(gate[e] + pooled_gate[c]);
            let opening = d_y[e] * v[c] * s * (1.0 - s);
            for (i, at, d) in [(0, e, opening), (1, c, opening), (2, c, d_y[e] * s)] {
                if let Some(x) = t.d_input(i, w) {
                    x[at] += d;
                }
            }
            if based && let Some(x) = t.d_input(BASE, w) {
                x[e] += d_y[e];
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [t, n, d]: [usize; 3], r: usize, groups: usize, base: bool, gates: f32, windows| {
        let pooled = [1, t.div_ceil(r) * groups, d];
        let mut inputs = vec![
            CaseInput::window(&[t, n, d], Fill::Normal(gates)),
            CaseInput::window(&pooled, Fill::Normal(gates)),
            CaseInput::window(&pooled, Fill::Normal(1.0)),
        ];
        inputs.extend(clusters(n, groups));
        if base {
            inputs.push(CaseInput::window(&[t, n, d], Fill::Normal(1.0)));
        }
        let attrs = ClusterGate { group_steps: r, base }.attrs();
        Case { name, attrs, inputs, windows, reduction: r * n.div_ceil(groups) }
    };
    vec![
        case("one token", [1, 1, 4], 1, 1, false, 1.0, 1),
        case("a short last group", [5, 6, 4], 2, 3, true, 1.0, 3),
        case("a workgroup of pooled tokens", [4, 16, 16], 2, 8, false, 1.0, 1),
        case("one group holds all steps, saturated", [3, 13, 8], 5, 4, true, 30.0, 2),
        case("many nodes", [7, 197, 16], 4, 50, true, 1.0, 3),
    ]
}
