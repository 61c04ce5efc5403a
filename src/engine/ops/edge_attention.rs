//! Attention along edges: each receiver attends to the senders of its own edges, per step and head.
//!
//! Inputs: q `[T, R, D]` (receivers), kv `[T, S, 2 D]` (senders, keys first), bias `[T, R, k, h]`; data per step (whole numbers stored as
//! floats): index `[R, k]`, starts `[S + 1]`, entries `[R k]` as for `edge_sum`; with attribute `dynamic` also terms `[R, k, 2, h]` per
//! window (a and the logarithm of a probability, from `edge_terms`) and weight `[1]` (parameter, f). Attribute `heads` (h); D / h is even.
//!
//! `s_e = q . k_e / sqrt(D/h)`, `u_e = s_e + bias_e`, `w_e = a_e + f sigmoid(s_e)` (1 if not dynamic), score_e = `u_e w_e + log p_e` (`u_e`
//! if not dynamic), `alpha = softmax over the edges of the receiver`, `y = sum_e alpha_e v_e`. k can have any value. The forward pass saves
//! s and alpha `[T, R, k, h, 2]`: only a few numbers per edge.
//!
//! Backward, with `c_e = alpha_e (dy . v_e - sum_j alpha_j dy . v_j)`: `du = c w`, `dw = c u`, `ds = du + dw f sigmoid'(s)`. One kernel
//! writes these to scratch for each edge and head. Other kernels gather: dq over the edges of a receiver, dk and dv over those of a sender,
//! `dterms = sum_t (dw, c)`, `df = sum dw sigmoid(s)`, first per window, then over the windows in order.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::edge_sum::{check_edges, edges};
use super::expect::expect_count;
use super::twin::{Twin, TwinCall, index_of};
use super::wgsl::wgsl;

operation! {
    /// Inputs: q, kv, bias, index, starts, entries, and with `dynamic` terms and weight. Output: y.
    pub struct EdgeAttention {
        /// Number of heads; the width of each is even.
        pub heads: usize,
        /// Whether the edge weights depend on the window.
        pub dynamic: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "edge_attention",
    summary: "y[i] = sum_e softmax_e((s_e + bias_e) w_e + log p_e) v_e over the edges of receiver i, s = q k^T / sqrt(D/h)",
    attrs: EdgeAttention::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2, 3, 4, 5, 6, 7],
    keeps_outputs: &[],
    updates: &[],
    data: &[3, 4, 5],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SHARED: &str = wgsl!("ops/edge_attention.wgsl", "lib/step.wgsl");
const TERMS: usize = 6;
const WEIGHT: usize = 7;

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let EdgeAttention { heads: h, dynamic } = EdgeAttention::of(attrs);
    let wanted = if dynamic { 8 } else { 6 };
    expect_count(inputs, wanted)?;
    let ([t, r, d], [_, s, _]) = (&inputs[0].shape[..], &inputs[1].shape[..]) else {
        return Err(format!("expected q [T, R, D] and kv [T, S, 2 D], found {:?} and {:?}", inputs[0].shape, inputs[1].shape));
    };
    if inputs[1].shape != [*t, *s, 2 * d] {
        return Err(format!("expected kv [{t}, {s}, {}], found {:?}", 2 * d, inputs[1].shape));
    }
    if h == 0 || !d.is_multiple_of(2 * h) {
        return Err(format!("the width {d} must be {h} heads of the same even width"));
    }
    let k = check_edges(&inputs[3..6], *s, *r)?;
    if inputs[2].shape != [*t, *r, k, h] {
        return Err(format!("expected bias [{t}, {r}, {k}, {h}], found {:?}", inputs[2].shape));
    }
    if dynamic && (inputs[TERMS].shape != [*r, k, 2, h] || inputs[WEIGHT].len() != 1) {
        return Err(format!(
            "expected terms [{r}, {k}, 2, {h}] and weight [1], found {:?}, {:?}",
            inputs[TERMS].shape, inputs[WEIGHT].shape
        ));
    }
    let windowed = inputs[..3].iter().chain(&inputs[6..wanted.min(7)]).all(|i| i.scope == Scope::Window);
    if !windowed {
        return Err("q, kv, bias and terms must be per window".into());
    }
    Ok(Inferred { outputs: vec![vec![*t, *r, *d]], saved: vec![("edges", vec![*t, *r, k, h, 2])], ..Inferred::default() })
}

/// Number of floats moved at once.
fn lanes(c: &OpCtx) -> usize {
    let width = c.inputs[0].last() / EdgeAttention::of(c.attrs).heads;
    if width.is_multiple_of(4) { 4 } else { 2 }
}

fn fields(c: &OpCtx, count: usize) -> Vec<Field> {
    let (q, edges, heads) = (&c.inputs[0].shape, &c.inputs[3].shape, EdgeAttention::of(c.attrs).heads);
    let width = q[2] / heads;
    let scale = 1.0 / (width as f32).sqrt();
    vec![
        ("count", Value::U32(to_u32(count))),
        ("heads", Value::U32(to_u32(heads))),
        ("parts", Value::U32(to_u32(width / lanes(c)))),
        ("n_steps", Value::U32(to_u32(q[0]))),
        ("n_senders", Value::U32(to_u32(c.inputs[1].shape[1]))),
        ("n_receivers", Value::U32(to_u32(edges[0]))),
        ("k", Value::U32(to_u32(edges[1]))),
        ("scale", Value::F32(scale)),
        ("accumulate_q", c.accumulates(0)),
        ("accumulate_kv", c.accumulates(1)),
        ("accumulate_bias", c.accumulates(2)),
        ("accumulate_terms", c.accumulates(TERMS)),
    ]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, count: usize, grid: Option<Grid>, cost: Cost) -> KernelDef {
    let n = lanes(c);
    KernelDef {
        source: format!("// {n} channels at once.\nalias Vector = vec{n}<f32>;\nconst LANES: u32 = {n}u;\n{SHARED}").into(),
        entry,
        overrides: vec![],
        bindings,
        params: fields(c, count),
        grid: grid.unwrap_or(Grid::Windows { per_window: count, per_group: 64, across: 1 }),
        cost,
    }
}

fn input(name: &'static str, slot: Slot, base: &'static str) -> Binding {
    Binding::input(name, slot, base)
}

fn terms() -> [Binding; 2] {
    [input("terms", Slot::In(TERMS), "terms_base"), Binding::parameters("weights", &[(Slot::In(WEIGHT), "weight_base")])]
}

/// Number of edges of a window times heads, and multiply-adds of one head product over all of them.
fn sizes(c: &OpCtx) -> (usize, usize) {
    let (rows, k) = (c.inputs[0].rows(), c.inputs[3].last());
    (rows * k * EdgeAttention::of(c.attrs).heads, c.inputs[0].len() * k)
}

fn forward(c: &OpCtx) -> Phase {
    let (edges, products) = sizes(c);
    let mut bindings = vec![
        input("q", Slot::In(0), "q_base"),
        input("kv", Slot::In(1), "kv_base"),
        input("bias", Slot::In(2), "bias_base"),
        input("index", Slot::In(3), "index_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
        Binding::output("edges", Slot::Saved(0), "edges_base"),
    ];
    let mut entry = "edge_attention_forward";
    let EdgeAttention { heads, dynamic } = EdgeAttention::of(c.attrs);
    if dynamic {
        entry = "edge_attention_forward_dynamic";
        bindings.extend(terms());
    }
    let count = c.inputs[0].rows() * heads;
    let cost = Cost::new(4 * products + 12 * edges, 2 * c.inputs[0].len() + c.inputs[1].len() + 3 * edges);
    Phase { kernels: vec![kernel(c, entry, bindings, count, None, cost)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let (edges, products) = sizes(c);
    let (EdgeAttention { heads, dynamic }, n) = (EdgeAttention::of(c.attrs), lanes(c));
    let kept = || input("edges", Slot::Saved(0), "edges_base");
    let made = || input("d_edges", Slot::Scratch(0), "d_edges_base");
    let d_y = || input("d_y", Slot::DOut(0), "d_y_base");
    let cost = |products: usize| Cost::new(products + 12 * edges, c.inputs[0].len() + c.inputs[1].len() + 6 * edges);
    let mut bindings = vec![
        input("kv", Slot::In(1), "kv_base"),
        input("index", Slot::In(3), "index_base"),
        kept(),
        d_y(),
        Binding::output("d_edges", Slot::Scratch(0), "d_edges_base"),
    ];
    let mut entry = "edge_attention_backward_edges";
    if dynamic {
        entry = "edge_attention_backward_edges_dynamic";
        bindings.push(input("bias", Slot::In(2), "bias_base"));
        bindings.extend(terms());
    }
    let mut kernels = vec![kernel(c, entry, bindings, c.inputs[0].rows() * heads, None, cost(2 * products))];
    if c.wants(0) {
        let bindings = vec![
            input("kv", Slot::In(1), "kv_base"),
            input("index", Slot::In(3), "index_base"),
            made(),
            Binding::output("d_q", Slot::DIn(0), "d_q_base"),
        ];
        kernels.push(kernel(c, "edge_attention_backward_q", bindings, c.inputs[0].len() / n, None, cost(2 * products)));
    }
    if c.wants(1) {
        let bindings = vec![
            input("q", Slot::In(0), "q_base"),
            input("starts", Slot::In(4), "starts_base"),
            input("entries", Slot::In(5), "entries_base"),
            kept(),
            d_y(),
            made(),
            Binding::output("d_kv", Slot::DIn(1), "d_kv_base"),
        ];
        kernels.push(kernel(c, "edge_attention_backward_kv", bindings, c.inputs[1].len() / 2 / n, None, cost(4 * products)));
    }
    if c.wants(2) {
        let bindings = vec![made(), Binding::output("d_bias", Slot::DIn(2), "d_bias_base")];
        kernels.push(kernel(c, "edge_attention_backward_bias", bindings, edges, None, Cost::new(0, 5 * edges)));
    }
    let mut scratch = vec![(4 * edges, Scope::Window)];
    if dynamic {
        let terms = c.inputs[TERMS].len();
        if c.wants(TERMS) {
            let bindings = vec![made(), Binding::output("d_terms", Slot::DIn(TERMS), "d_terms_base")];
            kernels.push(kernel(c, "edge_attention_backward_terms", bindings, terms / 2, None, Cost::new(2 * edges, 4 * edges + terms)));
        }
        scratch.push((1, Scope::Window));
        let a_window = Grid::Windows { per_window: 1, per_group: 1, across: 1 };
        let bindings = vec![kept(), made(), Binding::output("sums", Slot::Scratch(1), "sums_base")];
        kernels.push(kernel(c, "edge_attention_backward_sums", bindings, edges, Some(a_window), Cost::new(6 * edges, 6 * edges)));
        let bindings =
            vec![input("sums", Slot::Scratch(1), "sums_base"), Binding::gradients("d_weights", &[(Slot::DIn(WEIGHT), "d_weight_base")])];
        let once = Grid::Fixed { groups: 1, in_blocks: false };
        kernels.push(kernel(c, "edge_attention_fold", bindings, 1, Some(once), Cost::new(1, 2)));
    }
    Phase { kernels, scratch }
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
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

/// Sizes of a call, and the layout of its tensors.
struct Places {
    d: usize,
    heads: usize,
    width: usize,
    steps: usize,
    senders: usize,
    receivers: usize,
    k: usize,
    scale: f64,
    index: Vec<usize>,
}

impl Places {
    fn new(t: &TwinCall) -> Self {
        let (q, edges, heads) = (&t.inputs[0].operand.shape, &t.inputs[3].operand.shape, EdgeAttention::of(t.attrs).heads);
        let width = q[2] / heads;
        Self {
            d: q[2],
            heads,
            width,
            steps: q[0],
            senders: t.inputs[1].operand.shape[1],
            receivers: edges[0],
            k: edges[1],
            scale: 1.0 / (width as f64).sqrt(),
            index: t.inputs[3].data.iter().map(|v| index_of(*v)).collect(),
        }
    }

    /// Calls `visit` with step, receiver, head.
    fn each(&self, mut visit: impl FnMut(usize, usize, usize)) {
        for t in 0..self.steps {
            for i in 0..self.receivers {
                (0..self.heads).for_each(|h| visit(t, i, h));
            }
        }
    }

    /// Index of an edge and head among all of a window.
    fn edge(&self, t: usize, i: usize, e: usize, h: usize) -> usize {
        ((t * self.receivers + i) * self.k + e) * self.heads + h
    }

    /// Index of the first element of the head of a receiver in q and y, and of the key of an edge in kv (its value starts d elements
    /// later).
    fn rows(&self, t: usize, i: usize, e: usize, h: usize) -> (usize, usize) {
        let sender = t * self.senders + self.index[i * self.k + e];
        ((t * self.receivers + i) * self.d + h * self.width, sender * 2 * self.d + h * self.width)
    }
}

/// a, log p and f of an edge and head in window `w`: the terms of its weight and score beside s and bias.
fn terms_of(t: &TwinCall, p: &Places, w: usize, i: usize, e: usize, h: usize) -> Option<(f64, f64, f64)> {
    EdgeAttention::of(t.attrs).dynamic.then(|| {
        let (terms, at) = (t.inputs[TERMS].window(w), (i * p.k + e) * 2 * p.heads + h);
        (terms[at], terms[at + p.heads], t.inputs[WEIGHT].data[0])
    })
}

fn twin_forward(t: &mut TwinCall) {
    let p = Places::new(t);
    for w in 0..t.windows {
        let (mut y, mut kept) = (vec![0.0; t.outputs[0].operand.len()], vec![0.0; t.saved[0].operand.len()]);
        let [q, kv, bias] = [0, 1, 2].map(|i| t.inputs[i].window(w));
        p.each(|step, i, h| {
            let score = |e: usize| {
                let (at, key) = p.rows(step, i, e, h);
                let s = p.scale * dot(&q[at..][..p.width], &kv[key..][..p.width]);
                let u = s + bias[p.edge(step, i, e, h)];
                (s, terms_of(t, &p, w, i, e, h).map_or(u, |(a, log_p, f)| u * (a + f * sigmoid(s)) + log_p))
            };
            let scores: Vec<(f64, f64)> = (0..p.k).map(score).collect();
            let most = scores.iter().fold(f64::MIN, |m, s| m.max(s.1));
            let total: f64 = scores.iter().map(|s| (s.1 - most).exp()).sum();
            for (e, (s, score)) in scores.iter().enumerate() {
                let alpha = (score - most).exp() / total;
                let (at, key) = p.rows(step, i, e, h);
                add_scaled(&mut y[at..][..p.width], alpha, &kv[key + p.d..][..p.width]);
                kept[2 * p.edge(step, i, e, h)..][..2].copy_from_slice(&[*s, alpha]);
            }
        });
        t.outputs[0].window_mut(w).copy_from_slice(&y);
        t.saved[0].window_mut(w).copy_from_slice(&kept);
    }
}

fn twin_backward(t: &mut TwinCall) {
    let p = Places::new(t);
    for w in 0..t.windows {
        let [q, kv, bias] = [0, 1, 2].map(|i| t.inputs[i].window(w));
        let (kept, d_y) = (t.saved[0].window(w), t.d_outputs[0].window(w));
        let mut d: Vec<Vec<f64>> = t.inputs.iter().map(|i| vec![0.0; i.operand.len()]).collect();
        p.each(|step, i, h| {
            let d_alpha = |e: usize| {
                let (at, key) = p.rows(step, i, e, h);
                dot(&d_y[at..][..p.width], &kv[key + p.d..][..p.width])
            };
            let mean: f64 = (0..p.k).map(|e| kept[2 * p.edge(step, i, e, h) + 1] * d_alpha(e)).sum();
            for e in 0..p.k {
                let edge = p.edge(step, i, e, h);
                let (s, alpha) = (kept[2 * edge], kept[2 * edge + 1]);
                let c = alpha * (d_alpha(e) - mean);
                let (mut d_s, mut d_u) = (c, c);
                if let Some((a, _, f)) = terms_of(t, &p, w, i, e, h) {
                    let (g, d_w) = (sigmoid(s), c * (s + bias[edge]));
                    d_u = c * (a + f * g);
                    d_s = d_u + d_w * f * g * (1.0 - g);
                    let at = (i * p.k + e) * 2 * p.heads + h;
                    d[TERMS][at] += d_w;
                    d[TERMS][at + p.heads] += c;
                    d[WEIGHT][0] += d_w * g;
                }
                let (at, key) = p.rows(step, i, e, h);
                d[2][edge] += d_u;
                add_scaled(&mut d[0][at..][..p.width], p.scale * d_s, &kv[key..][..p.width]);
                add_scaled(&mut d[1][key..][..p.width], p.scale * d_s, &q[at..][..p.width]);
                add_scaled(&mut d[1][key + p.d..][..p.width], alpha, &d_y[at..][..p.width]);
            }
        });
        for (i, d) in d.iter().enumerate() {
            if let Some(x) = t.d_input(i, w) {
                add_scaled(x, 1.0, d);
            }
        }
    }
}

fn cases() -> Vec<Case> {
    // (steps, heads, width of a head), (senders, receivers, k)
    let case = |name, [t, h, width]: [usize; 3], [s, r, k]: [usize; 3], dynamic: bool, sharp: f32, windows| {
        let d = h * width;
        let mut inputs = vec![
            CaseInput::window(&[t, r, d], Fill::Normal(sharp)),
            CaseInput::window(&[t, s, 2 * d], Fill::Normal(1.0)),
            CaseInput::window(&[t, r, k, h], Fill::Normal(1.0)),
        ];
        inputs.extend(edges(s, r, k));
        if dynamic {
            inputs.push(CaseInput::window(&[r, k, 2, h], Fill::Uniform(-1.5, 0.8)));
            inputs.push(CaseInput::parameter(&[1], Fill::Uniform(0.5, 1.5)));
        }
        let attrs = EdgeAttention { heads: h, dynamic }.attrs();
        Case { name, attrs, inputs, windows, reduction: windows * t * r * k * h }
    };
    vec![
        case("one edge", [1, 2, 2], [1, 1, 1], true, 1.0, 1),
        case("two edges, plain", [3, 2, 2], [3, 4, 2], false, 1.0, 2),
        case("heads of 4", [5, 4, 4], [7, 4, 3], true, 1.0, 3),
        case("a workgroup of heads, plain", [4, 4, 8], [5, 4, 3], false, 1.0, 1),
        case("every sender", [2, 2, 6], [6, 5, 6], true, 1.0, 2),
        case("sharp", [3, 4, 16], [4, 13, 3], true, 4.0, 2),
        case("many receivers", [2, 4, 8], [5, 197, 3], true, 1.0, 3),
        case("many senders, plain", [2, 2, 16], [197, 3, 197], false, 1.0, 2),
    ]
}
