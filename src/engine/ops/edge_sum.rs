//! `y[t, i, e] = a[t, index[i, e]] + b[t, i] (+ log max(prob[i, e], 1e-12))`: the contributions of the sender and the receiver of an edge.
//!
//! Inputs: a `[T, S, C]` (senders), b `[T, R, C]` (receivers); per step and data (whole numbers stored as floats): index `[R, k]`, the
//! sender of each edge, and the same edges ordered by sender: starts `[S + 1]`, entries `[R k]` (the edges `i k + e` of sender s are
//! `entries[starts[s] .. starts[s + 1]]`, ordered by receiver); with attribute `log_prob` also prob `[R, k]` (per step). Output
//! `[T, R, k, C]`. The backward pass gathers: da over the edges of a sender, db over those of a receiver; `dprob = sum dy / prob` over
//! steps, channels and windows (0 below 1e-12), first per window, then over the windows in order.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::expect::{exactly, expect_count};
use super::twin::{Twin, TwinCall, index_of};
use super::wgsl::wgsl;
use crate::order;

operation! {
    /// Inputs: a of the senders, b of the receivers, index, starts, entries, and with `log_prob` prob. Output: y.
    pub struct EdgeSum {
        /// Whether the logarithm of the probability is added.
        pub log_prob: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "edge_sum",
    summary: "y[t, i, e] = a[t, index[i, e]] + b[t, i] + log prob[i, e]",
    attrs: EdgeSum::ATTRS,
    infer,
    keeps_inputs: &[2, 3, 4, 5],
    keeps_outputs: &[],
    updates: &[],
    data: &[2, 3, 4],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SHARED: &str = wgsl!("ops/edge_sum.wgsl", "lib/step.wgsl");
const PROB: usize = 5;
/// Lower limit of the argument of the logarithm.
pub(super) const LEAST_PROBABILITY: f64 = 1e-12;

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let EdgeSum { log_prob } = EdgeSum::of(attrs);
    expect_count(inputs, PROB + usize::from(log_prob))?;
    let ([t, s, c], [t_b, r, c_b]) = (&inputs[0].shape[..], &inputs[1].shape[..]) else {
        return Err(format!("expected a [T, S, C] and b [T, R, C], found {:?} and {:?}", inputs[0].shape, inputs[1].shape));
    };
    if t != t_b || c != c_b || inputs[..2].iter().any(|i| i.scope != Scope::Window) {
        return Err(format!(
            "a and b must be per window and have the same steps and channels, found {:?} and {:?}",
            inputs[0].shape, inputs[1].shape
        ));
    }
    let k = check_edges(&inputs[2..5], *s, *r)?;
    if log_prob && (inputs[PROB].shape != [*r, k] || inputs[PROB].scope != Scope::Step) {
        return Err(format!("expected prob [{r}, {k}] per step, found {:?}", inputs[PROB].shape));
    }
    Ok(Inferred { outputs: vec![vec![*t, *r, k, *c]], ..Inferred::default() })
}

/// Checks index, starts and entries of edges from `s` senders to `r` receivers. Returns the number of edges per receiver.
pub(super) fn check_edges(edges: &[Operand], s: usize, r: usize) -> Result<usize, String> {
    let [index, starts, entries] = exactly(edges)?;
    let k = index.last();
    if index.shape != [r, k] || starts.shape != [s + 1] || entries.shape != [r * k] || edges.iter().any(|e| e.scope != Scope::Step) {
        return Err(format!(
            "expected index [{r}, k], starts [{}], entries [{r} k] per step, found {:?}, {:?}, {:?}",
            s + 1,
            index.shape,
            starts.shape,
            entries.shape
        ));
    }
    Ok(k)
}

/// Number of floats moved at once.
fn lanes(c: &OpCtx) -> usize {
    let width = c.inputs[0].last();
    [4, 2, 1].into_iter().find(|l| width.is_multiple_of(*l)).unwrap_or(1)
}

fn source(lanes: usize) -> String {
    let (vector, sum) = match lanes {
        4 => ("vec4<f32>", "v.x + v.y + v.z + v.w"),
        2 => ("vec2<f32>", "v.x + v.y"),
        _ => ("f32", "v"),
    };
    format!(
        "// {lanes} channels at once.\nalias Vector = {vector};\nconst LANES: u32 = {lanes}u;\n\
         fn sum_of(v: Vector) -> f32 {{ return {sum}; }}\n{SHARED}"
    )
}

fn fields(c: &OpCtx, count: usize) -> Vec<Field> {
    let (a, edges) = (&c.inputs[0].shape, &c.inputs[2].shape);
    vec![
        ("count", Value::U32(to_u32(count))),
        ("parts", Value::U32(to_u32(a[2] / lanes(c)))),
        ("n_steps", Value::U32(to_u32(a[0]))),
        ("n_senders", Value::U32(to_u32(a[1]))),
        ("n_receivers", Value::U32(to_u32(edges[0]))),
        ("k", Value::U32(to_u32(edges[1]))),
        ("accumulate_a", c.accumulates(0)),
        ("accumulate_b", c.accumulates(1)),
    ]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, count: usize, grid: Option<Grid>) -> KernelDef {
    let n = c.outputs[0].len();
    let cost = Cost::new(n, n + c.inputs[0].len() + c.inputs[1].len());
    let cost = if matches!(grid, Some(Grid::Fixed { .. })) { Cost::new(2 * count, 3 * count) } else { cost };
    KernelDef {
        source: source(lanes(c)).into(),
        entry,
        overrides: vec![],
        bindings,
        params: fields(c, count),
        grid: grid.unwrap_or(Grid::Windows { per_window: count, per_group: 64, across: 1 }),
        cost,
    }
}

fn forward(c: &OpCtx) -> Phase {
    let mut bindings = vec![
        Binding::input("a", Slot::In(0), "a_base"),
        Binding::input("b", Slot::In(1), "b_base"),
        Binding::input("index", Slot::In(2), "index_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    let mut entry = "edge_sum_forward";
    if EdgeSum::of(c.attrs).log_prob {
        entry = "edge_sum_forward_prob";
        bindings.push(Binding::input("prob", Slot::In(PROB), "prob_base"));
    }
    Phase { kernels: vec![kernel(c, entry, bindings, c.outputs[0].len() / lanes(c), None)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    let (mut kernels, mut scratch) = (vec![], vec![]);
    if c.wants(0) {
        let bindings = vec![
            d_y(),
            Binding::input("starts", Slot::In(3), "starts_base"),
            Binding::input("entries", Slot::In(4), "entries_base"),
            Binding::output("d_a", Slot::DIn(0), "d_a_base"),
        ];
        kernels.push(kernel(c, "edge_sum_backward_a", bindings, c.inputs[0].len() / lanes(c), None));
    }
    if c.wants(1) {
        let bindings = vec![d_y(), Binding::output("d_b", Slot::DIn(1), "d_b_base")];
        kernels.push(kernel(c, "edge_sum_backward_b", bindings, c.inputs[1].len() / lanes(c), None));
    }
    if EdgeSum::of(c.attrs).log_prob && c.wants(PROB) {
        let edges = c.inputs[PROB].len();
        scratch.push((edges, Scope::Window));
        let sums = Binding::output("sums", Slot::Scratch(0), "sums_base");
        kernels.push(kernel(c, "edge_sum_backward_sums", vec![d_y(), sums], edges, None));
        let bindings = vec![
            Binding::input("sums", Slot::Scratch(0), "sums_base"),
            Binding::input("prob", Slot::In(PROB), "prob_base"),
            Binding::output("d_prob", Slot::DIn(PROB), "d_prob_base"),
        ];
        let grid = Grid::Fixed { groups: edges.div_ceil(64), in_blocks: false };
        kernels.push(kernel(c, "edge_sum_fold", bindings, edges, Some(grid)));
    }
    Phase { kernels, scratch }
}

/// For each element of y in a window: the index of its element of a, that of b, and its edge.
fn places(t: &TwinCall) -> Vec<(usize, usize, usize)> {
    let (a, edges) = (&t.inputs[0].operand.shape, &t.inputs[2].operand.shape);
    let (s, c, r, k) = (a[1], a[2], edges[0], edges[1]);
    let place = |e: usize| {
        let (channel, edge, step) = (e % c, e / c % (r * k), e / c / (r * k));
        let sender = index_of(t.inputs[2].data[edge]);
        ((step * s + sender) * c + channel, (step * r + edge / k) * c + channel, edge)
    };
    (0..t.outputs[0].operand.len()).map(place).collect()
}

fn twin_forward(t: &mut TwinCall) {
    let (places, log_prob) = (places(t), EdgeSum::of(t.attrs).log_prob);
    for w in 0..t.windows {
        let (a, b) = (t.inputs[0].window(w), t.inputs[1].window(w));
        for (y, &(i, j, edge)) in t.outputs[0].window_mut(w).iter_mut().zip(&places) {
            *y = a[i] + b[j];
            if log_prob {
                *y += t.inputs[PROB].data[edge].max(LEAST_PROBABILITY).ln();
            }
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (places, log_prob) = (places(t), EdgeSum::of(t.attrs).log_prob);
    for w in 0..t.windows {
        let d_y = t.d_outputs[0].window(w).to_vec();
        for (d, &(i, j, edge)) in d_y.iter().zip(&places) {
            if let Some(x) = t.d_input(0, w) {
                x[i] += d;
            }
            if let Some(x) = t.d_input(1, w) {
                x[j] += d;
            }
            if log_prob {
                let p = t.inputs[PROB].data[edge];
                if let Some(x) = t.d_input(PROB, w).filter(|_| p >= LEAST_PROBABILITY) {
                    x[edge] += d / p;
                }
            }
        }
    }
}

/// Test data: `k` edges for each of `r` receivers, from `s` senders: index, starts, entries. One sender has many edges, others may have
/// none.
pub(super) fn edges(s: usize, r: usize, k: usize) -> [CaseInput; 3] {
    let index: Vec<usize> = (0..r * k).map(|e| (e / k * 5 + e % k * (1 + e / k % 2)) % s).collect();
    let mut entries: Vec<usize> = (0..r * k).collect();
    order::sort_by_key(&mut entries, |&e| index[e]);
    let starts = (0..=s).map(|j| index.iter().filter(|&&i| i < j).count() as f32).collect();
    let data = |shape: &[usize], values: Vec<f32>| CaseInput { grad: false, ..CaseInput::step(shape, Fill::values(values)) };
    [
        data(&[r, k], index.iter().map(|i| *i as f32).collect()),
        data(&[s + 1], starts),
        data(&[r * k], entries.iter().map(|e| *e as f32).collect()),
    ]
}

fn cases() -> Vec<Case> {
    // (steps, channels), (senders, receivers, k)
    let case = |name, [t, c]: [usize; 2], [s, r, k]: [usize; 3], prob: Option<Fill>, windows| {
        let mut inputs = vec![CaseInput::window(&[t, s, c], Fill::Normal(1.0)), CaseInput::window(&[t, r, c], Fill::Normal(1.0))];
        inputs.extend(edges(s, r, k));
        if let Some(fill) = prob {
            inputs.push(CaseInput::step(&[r, k], fill));
        }
        let attrs = EdgeSum { log_prob: prob.is_some() }.attrs();
        Case { name, attrs, inputs, windows, reduction: windows * t * c }
    };
    let usual = Some(Fill::Uniform(0.1, 1.0));
    // The slope of the logarithm is 0 below the lower limit of the probability. Finite differences cannot detect this.
    let mut none_left = case("no probability left", [2, 2], [3, 2, 2], Some(Fill::Constant(0.0)), 2);
    none_left.inputs[PROB].grad = false;
    vec![
        case("one edge", [1, 1], [1, 1, 1], usual, 1),
        case("two heads", [3, 2], [7, 4, 3], usual, 3),
        case("four heads", [5, 4], [4, 13, 2], usual, 2),
        case("wide, once a window", [1, 16], [20, 4, 3], None, 3),
        case("every sender", [2, 3], [6, 5, 6], usual, 2),
        none_left,
        case("many receivers", [3, 4], [5, 197, 3], usual, 3),
    ]
}
