//! The features of a node in the fixed graph: four parts, each mapped to width q, side by side; once per step.
//!
//! Inputs: features `[N, 1 + 4 + S + W]` (data: hop distance as a whole number, centralities, spectral, random walk); then parameters:
//! distance `[hops, q]`, and weight and bias of centrality `[q, 4]`, `[q]`, spectral `[q, S]`, `[q]`, random walk `[q, W]`, `[q]`. Output
//! `[N, 4 q]`: `distance[hop]`, `W_c c + b_c`, `W_s s + b_s`, `W_w w + b_w`. There are few nodes and the op runs once per step, so plain
//! loops are fast enough.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::expect::expect_count;
use super::twin::{Twin, TwinCall, index_of};
use super::wgsl::wgsl;

operation! {
    /// Inputs: features, distance, then weight and bias of centrality, of spectral, of random walk. Output: y.
    pub struct GraphFeatures;
}

pub(super) static OP: OpDef = OpDef {
    name: "graph_features",
    summary: "y[n] = [distance[hop], W_c c + b_c, W_s s + b_s, W_w w + b_w]",
    attrs: GraphFeatures::ATTRS,
    infer,
    keeps_inputs: &[0],
    keeps_outputs: &[],
    updates: &[],
    data: &[0],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/graph_features.wgsl", "lib/step.wgsl");
const CENTRALITIES: usize = 4;

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    expect_count(inputs, 8)?;
    let ([n, width], [hops, q]) = (&inputs[0].shape[..], &inputs[1].shape[..]) else {
        return Err(format!("expected features [N, F] and distance [hops, q], found {:?} and {:?}", inputs[0].shape, inputs[1].shape));
    };
    if *hops == 0 || inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("the distance table is empty, or an input is not per step".into());
    }
    let mut total = 1;
    for part in 1..4 {
        let (weight, bias) = (&inputs[2 * part].shape, &inputs[2 * part + 1].shape);
        if weight.len() != 2 || weight[0] != *q || bias != &[*q] {
            return Err(format!("every weight must be [{q}, features] and its bias [{q}], found {weight:?} and {bias:?}"));
        }
        total += weight[1];
    }
    if total != *width || inputs[2].shape[1] != CENTRALITIES {
        return Err(format!("found {width} features per node, but distance, centralities and the weights need {total}"));
    }
    Ok(Inferred { outputs: vec![vec![*n, 4 * q]], ..Inferred::default() })
}

/// First feature and number of features of a part; part 0 is the distance.
fn part(inputs: &[Operand], part: usize) -> (usize, usize) {
    let length = |p: usize| if p == 0 { 1 } else { inputs[2 * p].shape[1] };
    ((0..part).map(length).sum(), length(part))
}

fn fields(c: &OpCtx, count: usize, of: usize) -> Vec<Field> {
    let (first, length) = part(c.inputs, of);
    vec![
        ("count", Value::U32(to_u32(count))),
        ("nodes", Value::U32(to_u32(c.inputs[0].shape[0]))),
        ("features_of_node", Value::U32(to_u32(c.inputs[0].last()))),
        ("quarter", Value::U32(to_u32(c.inputs[1].last()))),
        ("n_spectral", Value::U32(to_u32(part(c.inputs, 2).1))),
        ("n_walk", Value::U32(to_u32(part(c.inputs, 3).1))),
        ("part", Value::U32(to_u32(of))),
        ("first_feature", Value::U32(to_u32(first))),
        ("length", Value::U32(to_u32(length))),
    ]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, count: usize, of: usize, cost: Cost) -> KernelDef {
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: fields(c, count, of),
        grid: Grid::Windows { per_window: count, per_group: 64, across: 1 },
        cost,
    }
}

fn features() -> Binding {
    Binding::input("features", Slot::In(0), "features_base")
}

fn forward(c: &OpCtx) -> Phase {
    let (n, inner) = (c.outputs[0].len(), c.inputs[0].last());
    let weights = [
        (Slot::In(1), "distance_base"),
        (Slot::In(2), "centrality_base"),
        (Slot::In(3), "centrality_bias_base"),
        (Slot::In(4), "spectral_base"),
        (Slot::In(5), "spectral_bias_base"),
        (Slot::In(6), "walk_base"),
        (Slot::In(7), "walk_bias_base"),
    ];
    let bindings = vec![features(), Binding::parameters("weights", &weights), Binding::output("y", Slot::Out(0), "y_base")];
    let cost = Cost::new(n / 2 * inner, n + c.inputs.iter().map(Operand::len).sum::<usize>());
    Phase { kernels: vec![kernel(c, "graph_features_forward", bindings, n, 0, cost)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    let (n, nodes) = (c.outputs[0].len(), c.inputs[0].shape[0]);
    let table = c.inputs[1].len();
    let gradient = Binding::gradients("d_weights", &[(Slot::DIn(1), "d_weight_base")]);
    let mut kernels = vec![kernel(
        c,
        "graph_features_backward_distance",
        vec![features(), d_y(), gradient],
        table,
        0,
        Cost::new(nodes * table, n + table),
    )];
    for of in 1..4 {
        let count = c.inputs[2 * of].len() + c.inputs[2 * of + 1].len();
        let gradients = Binding::gradients("d_weights", &[(Slot::DIn(2 * of), "d_weight_base"), (Slot::DIn(2 * of + 1), "d_bias_base")]);
        let cost = Cost::new(2 * nodes * count, n + 2 * count);
        kernels.push(kernel(c, "graph_features_backward_part", vec![features(), d_y(), gradients], count, of, cost));
    }
    Phase { kernels, scratch: vec![] }
}

fn twin_forward(t: &mut TwinCall) {
    let operands: Vec<Operand> = t.inputs.iter().map(|i| i.operand.clone()).collect();
    let (width, q) = (operands[0].last(), operands[1].last());
    for (e, y) in t.outputs[0].data.iter_mut().enumerate() {
        let (n, of, column) = (e / (4 * q), e % (4 * q) / q, e % q);
        let node = &t.inputs[0].data[n * width..][..width];
        *y = if of == 0 {
            t.inputs[1].data[index_of(node[0]) * q + column]
        } else {
            let (first, length) = part(&operands, of);
            let weight = &t.inputs[2 * of].data[column * length..][..length];
            t.inputs[2 * of + 1].data[column] + node[first..][..length].iter().zip(weight).map(|(f, w)| f * w).sum::<f64>()
        };
    }
}

fn twin_backward(t: &mut TwinCall) {
    let operands: Vec<Operand> = t.inputs.iter().map(|i| i.operand.clone()).collect();
    let (width, q) = (operands[0].last(), operands[1].last());
    let (d_y, features) = (t.d_outputs[0].data.clone(), t.inputs[0].data.clone());
    for (e, d) in d_y.iter().enumerate() {
        let (n, of, column) = (e / (4 * q), e % (4 * q) / q, e % q);
        let node = &features[n * width..][..width];
        if of == 0 {
            if let Some(x) = t.d_input(1, 0) {
                x[index_of(node[0]) * q + column] += d;
            }
            continue;
        }
        let (first, length) = part(&operands, of);
        if let Some(x) = t.d_input(2 * of, 0) {
            for (i, f) in node[first..][..length].iter().enumerate() {
                x[column * length + i] += d * f;
            }
        }
        if let Some(x) = t.d_input(2 * of + 1, 0) {
            x[column] += d;
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, nodes: usize, q: usize, hops: usize, spectral: usize, walk: usize| {
        let width = 1 + CENTRALITIES + spectral + walk;
        // A pattern that is not regular along either axis. The first feature of a node is a whole number below `hops`.
        let feature = |e: usize| if e.is_multiple_of(width) { e / width * 7 % hops } else { e * 37 % 23 };
        let values = (0..nodes * width).map(|e| feature(e) as f32 * if e.is_multiple_of(width) { 1.0 } else { 0.1 }).collect();
        let mut inputs = vec![
            CaseInput { grad: false, ..CaseInput::step(&[nodes, width], Fill::values(values)) },
            CaseInput::parameter(&[hops, q], Fill::Normal(1.0)),
        ];
        for length in [CENTRALITIES, spectral, walk] {
            inputs.push(CaseInput::parameter(&[q, length], Fill::Normal(0.5)));
            inputs.push(CaseInput::parameter(&[q], Fill::Normal(0.5)));
        }
        Case { name, attrs: Attrs::default(), inputs, windows: 1, reduction: nodes + spectral }
    };
    vec![
        case("one node", 1, 1, 1, 1, 1),
        case("a few nodes", 7, 4, 5, 6, 4),
        case("several workgroups", 21, 16, 32, 32, 16),
        case("many nodes", 197, 3, 9, 5, 2),
    ]
}
