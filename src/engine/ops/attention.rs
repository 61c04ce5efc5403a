//! Axial attention: some heads attend along the steps of a node, the others across the nodes of a step.
//!
//! Inputs, both per window or both per step: q `[T, N, D]`; kv `[T, N, 2 D]`, keys first. Attributes: `heads`, which divides D, and
//! `time_heads`. The first `time_heads` heads attend along steps. Head h owns the columns `h D/heads ..` of q, k, v and y. Along a line
//! (the steps of a node, or the nodes of a step):
//!
//! `s_ij = q_i . k_j / sqrt(D/heads)`, `lse_i = log sum_j exp s_ij`, `p_ij = exp(s_ij - lse_i)`, `y_i = sum_j p_ij v_j`.
//!
//! The forward pass streams over j with a running maximum and a running sum and saves lse `[T, N, heads]`. The backward pass recomputes p
//! from it. With `delta_i = dy_i . y_i` and `ds_ij = p_ij (dy_i . v_j - delta_i)`:
//!
//! `dq_i = scale sum_j ds_ij k_j`, `dk_j = scale sum_i ds_ij q_i`, `dv_j = sum_i p_ij dy_i`.
//!
//! No tensor of T x T or N x N elements is stored. Each kernel has one dispatch for each axis that has heads.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::expect::exactly;
use super::generator::attention as text;
use super::twin::{Twin, TwinCall};
use std::ops::Range;

operation! {
    /// Inputs: q, kv. Output: y.
    pub struct Attention {
        /// Number of heads; it divides the width.
        pub heads: usize,
        /// Number of heads that attend along steps, the first ones; the others attend across nodes.
        pub time_heads: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "attention",
    summary: "y = softmax(q k^T / sqrt(D/heads)) v, along steps for the first time_heads heads, across nodes for the others",
    attrs: Attention::ATTRS,
    infer,
    keeps_inputs: &[0, 1],
    keeps_outputs: &[0],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [q, kv] = exactly(inputs)?;
    let [t, n, d] = q.shape[..] else {
        return Err(format!("expected q [T, N, D], found {:?}", q.shape));
    };
    if kv.shape != [t, n, 2 * d] {
        return Err(format!("expected kv [{t}, {n}, {}], found {:?}", 2 * d, kv.shape));
    }
    let Attention { heads, time_heads } = Attention::of(attrs);
    if heads == 0 || !d.is_multiple_of(heads) {
        return Err(format!("{heads} heads do not divide the width {d}"));
    }
    if time_heads > heads {
        return Err(format!("at most {heads} heads can attend along steps, found {time_heads}"));
    }
    if q.scope != kv.scope {
        return Err("q and kv must both be per window or both per step".into());
    }
    Ok(Inferred { outputs: vec![q.shape.clone()], saved: vec![("lse", vec![t, n, heads])], ..Inferred::default() })
}

/// The lines along one axis, and the heads that attend along them.
struct Axis {
    heads: Range<usize>,
    lines: usize,
    length: usize,
    line_stride: usize,
    position_stride: usize,
    /// Whether neighbouring lines are neighbouring tokens.
    lines_first: bool,
}

/// The axes that have heads.
fn axes(q: &Operand, attrs: &Attrs) -> Vec<Axis> {
    let (t, n) = (q.shape[0], q.shape[1]);
    let Attention { heads, time_heads } = Attention::of(attrs);
    let time = Axis { heads: 0..time_heads, lines: n, length: t, line_stride: 1, position_stride: n, lines_first: true };
    let nodes = Axis { heads: time_heads..heads, lines: t, length: n, line_stride: n, position_stride: 1, lines_first: false };
    [time, nodes].into_iter().filter(|a| !a.heads.is_empty()).collect()
}

/// One kernel on one axis. `pair_flops` is per pair of query and key, `elements` moved is per token; both are for one head.
fn kernel(c: &OpCtx, axis: &Axis, entry: &'static str, bindings: Vec<Binding>, pair_flops: usize, elements: usize) -> KernelDef {
    let (heads, tokens) = (Attention::of(c.attrs).heads, c.inputs[0].rows());
    let head_width = c.inputs[0].last() / heads;
    let rows = text::rows(c.variants, head_width, axis.length);
    let accumulate = [0, 1].map(|i| c.accumulate.get(i).copied().unwrap_or(false) && c.wants(i));
    let chunks = axis.length.div_ceil(rows);
    let count = axis.lines * chunks;
    let scale = 1.0 / (head_width as f32).sqrt();
    let params: Vec<Field> = vec![
        ("count", Value::U32(to_u32(count))),
        ("heads", Value::U32(to_u32(heads))),
        ("head0", Value::U32(to_u32(axis.heads.start))),
        ("tokens", Value::U32(to_u32(tokens))),
        ("lines", Value::U32(to_u32(axis.lines))),
        ("length", Value::U32(to_u32(axis.length))),
        ("line_stride", Value::U32(to_u32(axis.line_stride))),
        ("position_stride", Value::U32(to_u32(axis.position_stride))),
        ("chunks", Value::U32(to_u32(chunks))),
        ("rows", Value::U32(to_u32(rows))),
        ("parts", Value::U32(to_u32(text::parts(head_width)))),
        ("lines_first", Value::U32(u32::from(axis.lines_first))),
        ("scale", Value::F32(scale)),
    ];
    let across = axis.heads.len();
    KernelDef {
        source: text::source(head_width, rows, accumulate).into(),
        entry,
        overrides: vec![],
        bindings,
        params,
        grid: Grid::Windows { per_window: count, per_group: 64, across },
        cost: Cost::new(across * tokens * axis.length * pair_flops, across * tokens * elements),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let width = c.inputs[0].last() / Attention::of(c.attrs).heads;
    let bindings = || {
        vec![
            Binding::input("q", Slot::In(0), "q_base"),
            Binding::input("kv", Slot::In(1), "kv_base"),
            Binding::output("y", Slot::Out(0), "y_base"),
            Binding::output("lse", Slot::Saved(0), "lse_base"),
        ]
    };
    let kernels =
        axes(&c.inputs[0], c.attrs).iter().map(|a| kernel(c, a, "attention_forward", bindings(), 5 * width + 6, 4 * width + 1)).collect();
    Phase { kernels, scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let (tokens, heads) = (c.inputs[0].rows(), Attention::of(c.attrs).heads);
    let width = c.inputs[0].last() / heads;
    let mut scratch = vec![(tokens * heads, c.inputs[0].scope)];
    // The kernel of dq computes delta, which dkv needs. If no gradient of q is needed, dq goes to scratch.
    let d_q = if c.wants(0) { Slot::DIn(0) } else { Slot::Scratch(1) };
    if !c.wants(0) {
        scratch.push((c.inputs[0].len(), c.inputs[0].scope));
    }
    let dq = || {
        vec![
            Binding::input("q", Slot::In(0), "q_base"),
            Binding::input("kv", Slot::In(1), "kv_base"),
            Binding::input("y", Slot::Out(0), "y_base"),
            Binding::input("lse", Slot::Saved(0), "lse_base"),
            Binding::input("d_y", Slot::DOut(0), "d_y_base"),
            Binding::output("d_q", d_q, "d_q_base"),
            Binding::output("delta", Slot::Scratch(0), "delta_base"),
        ]
    };
    let dkv = || {
        vec![
            Binding::input("q", Slot::In(0), "q_base"),
            Binding::input("kv", Slot::In(1), "kv_base"),
            Binding::input("lse", Slot::Saved(0), "lse_base"),
            Binding::input("d_y", Slot::DOut(0), "d_y_base"),
            Binding::output("d_kv", Slot::DIn(1), "d_kv_base"),
            Binding::input("delta", Slot::Scratch(0), "delta_base"),
        ]
    };
    let mut kernels = vec![];
    for axis in axes(&c.inputs[0], c.attrs) {
        kernels.push(kernel(c, &axis, "attention_dq", dq(), 6 * width + 4, 6 * width + 2));
        if c.wants(1) {
            kernels.push(kernel(c, &axis, "attention_dkv", dkv(), 8 * width + 4, 6 * width + 2));
        }
    }
    Phase { kernels, scratch }
}

/// For each line and each of its heads: calls `line` with the head, its width, and the tokens of the line.
fn each_line(q: &Operand, attrs: &Attrs, mut line: impl FnMut(usize, usize, &[usize])) {
    let width = q.last() / Attention::of(attrs).heads;
    for axis in axes(q, attrs) {
        for l in 0..axis.lines {
            let tokens: Vec<usize> = (0..axis.length).map(|p| l * axis.line_stride + p * axis.position_stride).collect();
            for head in axis.heads.clone() {
                line(head, width, &tokens);
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `to += factor * from`.
fn add_scaled(to: &mut [f64], factor: f64, from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

fn scale(head_width: usize) -> f64 {
    1.0 / (head_width as f64).sqrt()
}

fn twin_forward(t: &mut TwinCall) {
    let (operand, heads) = (t.inputs[0].operand.clone(), Attention::of(t.attrs).heads);
    let d = operand.last();
    for w in 0..t.windows {
        let (q, kv) = (t.inputs[0].window(w), t.inputs[1].window(w));
        let (y, lse) = (t.outputs[0].window_mut(w), t.saved[0].window_mut(w));
        each_line(&operand, t.attrs, |head, width, tokens| {
            let column = head * width;
            for &i in tokens {
                let q_i = &q[i * d + column..][..width];
                let s: Vec<f64> = tokens.iter().map(|j| scale(width) * dot(q_i, &kv[j * 2 * d + column..][..width])).collect();
                let most = s.iter().copied().fold(f64::MIN, f64::max);
                let sum = most + s.iter().map(|s| (s - most).exp()).sum::<f64>().ln();
                lse[i * heads + head] = sum;
                let y_i = &mut y[i * d + column..][..width];
                y_i.fill(0.0);
                for (j, s) in tokens.iter().zip(&s) {
                    add_scaled(y_i, (s - sum).exp(), &kv[j * 2 * d + d + column..][..width]);
                }
            }
        });
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (operand, heads) = (t.inputs[0].operand.clone(), Attention::of(t.attrs).heads);
    let d = operand.last();
    for w in 0..t.windows {
        let (q, kv, lse) = (t.inputs[0].window(w), t.inputs[1].window(w), t.saved[0].window(w));
        let (y, d_y) = (t.outputs[0].window(w), t.d_outputs[0].window(w));
        let (mut d_q, mut d_kv) = (vec![0.0; q.len()], vec![0.0; kv.len()]);
        each_line(&operand, t.attrs, |head, width, tokens| {
            let column = head * width;
            for &i in tokens {
                let row = i * d + column..i * d + column + width;
                let (q_i, g_i) = (&q[row.clone()], &d_y[row.clone()]);
                let delta = dot(g_i, &y[row.clone()]);
                for &j in tokens {
                    let (k_at, v_at) = (j * 2 * d + column, j * 2 * d + d + column);
                    let k_j = &kv[k_at..][..width];
                    let p = (scale(width) * dot(q_i, k_j) - lse[i * heads + head]).exp();
                    let ds = p * (dot(g_i, &kv[v_at..][..width]) - delta);
                    add_scaled(&mut d_q[row.clone()], scale(width) * ds, k_j);
                    add_scaled(&mut d_kv[k_at..][..width], scale(width) * ds, q_i);
                    add_scaled(&mut d_kv[v_at..][..width], p, g_i);
                }
            }
        });
        for (i, d) in [d_q, d_kv].iter().enumerate() {
            if let Some(x) = t.d_input(i, w) {
                add_scaled(x, 1.0, d);
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [t, n]: [usize; 2], [heads, time_heads, width]: [usize; 3], windows, q: f32, k: Fill| {
        let d = heads * width;
        Case {
            name,
            attrs: Attention { heads, time_heads }.attrs(),
            inputs: vec![CaseInput::window(&[t, n, d], Fill::Normal(q)), CaseInput::window(&[t, n, 2 * d], k)],
            windows,
            reduction: t.max(n) * width,
        }
    };
    let normal = Fill::Normal(1.0);
    let mut once = case("once a step", [7, 3], [1, 1, 16], 1, 1.0, normal);
    once.inputs.iter_mut().for_each(|i| i.scope = Scope::Step);
    vec![
        once,
        case("one token", [1, 1], [2, 1, 2], 1, 1.0, normal),
        case("heads of 4, both axes", [5, 7], [4, 2, 4], 3, 1.0, normal),
        case("along steps only, a workgroup less one", [9, 63], [2, 2, 8], 1, 1.0, normal),
        case("across nodes only", [3, 65], [2, 0, 2], 1, 1.0, normal),
        case("a workgroup of lines", [12, 64], [4, 2, 16], 1, 1.0, normal),
        case("many nodes, several windows", [4, 197], [2, 1, 16], 3, 1.0, normal),
        case("many steps", [66, 3], [4, 2, 8], 5, 1.0, normal),
        case("heads of 32", [6, 21], [2, 1, 32], 2, 1.0, normal),
        case("heads of 64", [13, 5], [2, 1, 64], 2, 1.0, normal),
        case("an odd width", [5, 6], [2, 1, 3], 2, 1.0, normal),
        case("sharp: large scores", [17, 19], [4, 2, 16], 2, 6.0, normal),
        case("flat: equal keys and values", [10, 11], [2, 1, 8], 2, 1.0, Fill::Constant(0.5)),
    ]
}
