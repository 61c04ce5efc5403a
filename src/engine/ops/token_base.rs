//! `y[t, n] = node[n] + kind[k(n)] + temporal[t] + adaptive[t, n] + graph[n]`: the part of every token that does not depend on the data;
//! once per step.
//!
//! Inputs, all per step: node `[N, D]`, kind `[3, D]` (rows: covariate, target, transition node), temporal `[T, D]`, with attribute
//! `adaptive` also adaptive `[T, N, D]`, then with attribute `graph` also graph `[N, D]`. All but temporal and graph are parameters. The
//! attributes `covariates` and `targets` are the numbers of the first nodes; the rest are transition nodes. D is a multiple of 4.
//!
//! Backward: `dnode[n] = sum_t dy[t, n]` (the same as dgraph) also goes to scratch, and `dkind[k]` is its sum over the nodes of kind k;
//! dadaptive = dy; `dtemporal[t] = sum_n dy[t, n]`. dtemporal and dgraph are computed if they are needed. The gradients of parameters
//! always are.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::expect::{expect_count, expect_quads};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: node, kind, temporal, then with `adaptive` the adaptive embedding, then with `graph` the encoding of the graph. Output: y.
    pub struct TokenBase {
        /// Number of covariates, the first nodes.
        pub covariates: usize,
        /// Number of targets, the next nodes.
        pub targets: usize,
        /// Whether the op has an adaptive embedding.
        pub adaptive: bool,
        /// Whether the op has an encoding of the graph.
        pub graph: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "token_base",
    summary: "y[t, n] = node[n] + kind[k(n)] + temporal[t] + adaptive[t, n] + graph[n]",
    attrs: TokenBase::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/token_base.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let TokenBase { covariates, targets, adaptive, graph } = TokenBase::of(attrs);
    expect_count(inputs, 3 + usize::from(adaptive) + usize::from(graph))?;
    let [n, d] = inputs[0].shape[..] else {
        return Err(format!("expected node [N, D], found {:?}", inputs[0].shape));
    };
    expect_quads(d)?;
    if inputs[1].shape != [3, d] {
        return Err(format!("expected kind [3, {d}], found {:?}", inputs[1].shape));
    }
    let [t, temporal_width] = inputs[2].shape[..] else {
        return Err(format!("expected temporal [T, {d}], found {:?}", inputs[2].shape));
    };
    if temporal_width != d {
        return Err(format!("expected temporal [T, {d}], found {:?}", inputs[2].shape));
    }
    if adaptive && inputs[3].shape != [t, n, d] {
        return Err(format!("expected adaptive [{t}, {n}, {d}], found {:?}", inputs[3].shape));
    }
    if graph && inputs[index_of_graph(attrs)].shape != [n, d] {
        return Err(format!("expected graph [{n}, {d}], found {:?}", inputs[index_of_graph(attrs)].shape));
    }
    let series = covariates + targets;
    if series > n {
        return Err(format!("found {series} covariates and targets, but only {n} nodes"));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("every input must be per step".into());
    }
    Ok(Inferred { outputs: vec![vec![t, n, d]], ..Inferred::default() })
}

/// Index of the input `graph`, the last one.
fn index_of_graph(attrs: &Attrs) -> usize {
    3 + usize::from(TokenBase::of(attrs).adaptive)
}

fn fields(c: &OpCtx, count: usize) -> Vec<Field> {
    let (y, TokenBase { covariates, targets, adaptive, .. }) = (&c.outputs[0].shape, TokenBase::of(c.attrs));
    vec![
        ("count", Value::U32(to_u32(count))),
        ("quads", Value::U32(to_u32(y[2] / 4))),
        ("n_steps", Value::U32(to_u32(y[0]))),
        ("n_nodes", Value::U32(to_u32(y[1]))),
        ("n_covariates", Value::U32(to_u32(covariates))),
        ("n_series", Value::U32(to_u32(covariates + targets))),
        ("adaptive", Value::U32(u32::from(adaptive))),
        ("accumulate_temporal", c.accumulates(2)),
    ]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, items: usize, cost: Cost) -> KernelDef {
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: fields(c, items),
        grid: Grid::Windows { per_window: items, per_group: 64, across: 1 },
        cost,
    }
}

fn forward(c: &OpCtx) -> Phase {
    let (n, TokenBase { adaptive, graph, .. }) = (c.outputs[0].len(), TokenBase::of(c.attrs));
    let mut weights = vec![(Slot::In(0), "node_base"), (Slot::In(1), "kind_base")];
    if adaptive {
        weights.push((Slot::In(3), "adaptive_base"));
    }
    let mut bindings = vec![
        Binding::parameters("weights", &weights),
        Binding::input("temporal", Slot::In(2), "temporal_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    let mut entry = "token_base_forward";
    if graph {
        entry = "token_base_forward_graph";
        bindings.push(Binding::input("graph", Slot::In(index_of_graph(c.attrs)), "graph_base"));
    }
    let cost = Cost::new(n * (2 + usize::from(adaptive)), n + c.inputs.iter().map(Operand::len).sum::<usize>());
    Phase { kernels: vec![kernel(c, entry, bindings, n / 4, cost)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let (n, node, kind, temporal) = (c.outputs[0].len(), c.inputs[0].len(), c.inputs[1].len(), c.inputs[2].len());
    let adaptive = TokenBase::of(c.attrs).adaptive;
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    let mut by_node = vec![(Slot::DIn(0), "d_node_base")];
    if adaptive {
        by_node.push((Slot::DIn(3), "d_adaptive_base"));
    }
    let mut kernels = vec![
        kernel(
            c,
            "token_base_backward_nodes",
            vec![d_y(), Binding::output("sums", Slot::Scratch(0), "sums_base"), Binding::gradients("d_weights", &by_node)],
            node / 4,
            Cost::new(n * (1 + usize::from(adaptive)), n * (1 + 2 * usize::from(adaptive)) + 3 * node),
        ),
        kernel(
            c,
            "token_base_backward_kinds",
            vec![Binding::input("sums", Slot::Scratch(0), "sums_base"), Binding::gradients("d_weights", &[(Slot::DIn(1), "d_kind_base")])],
            kind / 4,
            Cost::new(node, node + 2 * kind),
        ),
    ];
    if c.wants(2) {
        kernels.push(kernel(
            c,
            "token_base_backward_temporal",
            vec![d_y(), Binding::output("d_temporal", Slot::DIn(2), "d_temporal_base")],
            temporal / 4,
            Cost::new(n, n + temporal),
        ));
    }
    // This gradient is not in one binding with those of the parameters: an accumulator may lie behind d_y.
    let graph = index_of_graph(c.attrs);
    if TokenBase::of(c.attrs).graph && c.wants(graph) {
        kernels.push(kernel(
            c,
            "token_base_backward_graph",
            vec![Binding::input("sums", Slot::Scratch(0), "sums_base"), Binding::output("d_graph", Slot::DIn(graph), "d_graph_base")],
            node / 4,
            Cost::new(node, 3 * node),
        ));
    }
    Phase { kernels, scratch: vec![(node, Scope::Step)] }
}

/// Row of `kind` for node `n`.
fn kind_of(of: &TokenBase, n: usize) -> usize {
    usize::from(n >= of.covariates) + usize::from(n >= of.covariates + of.targets)
}

fn twin_forward(t: &mut TwinCall) {
    let (nodes, d) = (t.inputs[0].operand.shape[0], t.inputs[0].operand.last());
    let (of, graph) = (TokenBase::of(t.attrs), index_of_graph(t.attrs));
    for (e, y) in t.outputs[0].data.iter_mut().enumerate() {
        let (step, n, i) = (e / (nodes * d), e / d % nodes, e % d);
        *y = t.inputs[0].data[n * d + i] + t.inputs[1].data[kind_of(&of, n) * d + i] + t.inputs[2].data[step * d + i];
        if of.adaptive {
            *y += t.inputs[3].data[e];
        }
        if of.graph {
            *y += t.inputs[graph].data[n * d + i];
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (nodes, d) = (t.inputs[0].operand.shape[0], t.inputs[0].operand.last());
    let (of, graph) = (TokenBase::of(t.attrs), index_of_graph(t.attrs));
    let d_y = t.d_outputs[0].data.clone();
    for (e, d_y) in d_y.iter().enumerate() {
        let (step, n, i) = (e / (nodes * d), e / d % nodes, e % d);
        let kind = kind_of(&of, n);
        if let Some(x) = t.d_input(0, 0) {
            x[n * d + i] += d_y;
        }
        if let Some(x) = t.d_input(1, 0) {
            x[kind * d + i] += d_y;
        }
        if let Some(x) = t.d_input(2, 0) {
            x[step * d + i] += d_y;
        }
        if of.adaptive
            && let Some(x) = t.d_input(3, 0)
        {
            x[e] += d_y;
        }
        if of.graph
            && let Some(x) = t.d_input(graph, 0)
        {
            x[n * d + i] += d_y;
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [t, n, d]: [usize; 3], [covariates, targets]: [usize; 2], adaptive: bool, learned: bool| {
        let mut inputs = vec![
            CaseInput::parameter(&[n, d], Fill::Normal(1.0)),
            CaseInput::parameter(&[3, d], Fill::Normal(1.0)),
            CaseInput { grad: learned, ..CaseInput::step(&[t, d], Fill::Uniform(-1.0, 1.0)) },
        ];
        if adaptive {
            inputs.push(CaseInput::parameter(&[t, n, d], Fill::Normal(1.0)));
        }
        let attrs = TokenBase { covariates, targets, adaptive, graph: false }.attrs();
        Case { name, attrs, inputs, windows: 1, reduction: t * n }
    };
    let with_graph = |mut case: Case, learned: bool| {
        let shape = case.inputs[0].shape.clone();
        case.inputs.push(CaseInput { grad: learned, ..CaseInput::step(&shape, Fill::Normal(1.0)) });
        case.attrs = TokenBase { graph: true, ..TokenBase::of(&case.attrs) }.attrs();
        case
    };
    vec![
        with_graph(case("graph encoding", [3, 23, 8], [4, 17], true, true), true),
        with_graph(case("graph encoding alone is learned", [5, 3, 4], [0, 2], false, false), true),
        case("one target", [1, 1, 4], [0, 1], false, true),
        case("a workgroup less one, no transition nodes", [3, 21, 4], [4, 17], true, false),
        case("a workgroup, no covariates", [4, 16, 4], [0, 12], true, true),
        case("a workgroup and one", [5, 13, 4], [3, 6], false, false),
        case("several workgroups", [7, 29, 16], [5, 20], true, true),
        case("many nodes", [2, 197, 32], [1, 192], true, true),
    ]
}
