//! Attention by lag: the op selects the circular lags with the largest correlation for each series, shifts the values by these lags and
//! averages them.
//!
//! Input: qkv `[T, N, 3 D]` (queries, keys, values; D is a multiple of 4), per window. Attribute `lags` (k, at most T). Per node:
//! `R[l] = mean over channels of sum_t q[t + l] k[t]`, indices mod T; the k lags of largest R (the lowest lag first among equals) in
//! descending order; `w = softmax of their R`; `y[t] = sum_i w_i v[t + lag_i]`. Output y `[T, N, D]`; saved: lag and weight `[N, k, 2]`.
//!
//! The sum is computed directly: T^2 D multiply-adds per node, fewer than the projections of the node need while T < 3 D. The backward pass
//! reads only the k lags: `dw_i = sum_t dy[t] . v[t + lag_i]`, `r_i = w_i (dw_i - sum_j w_j dw_j) / D`, `dv[t] = sum_i w_i dy[t - lag_i]`,
//! `dq[t] = sum_i r_i k[t - lag_i]`, `dk[t] = sum_i r_i q[t + lag_i]`. The choice of the lags has no derivative.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, index_of};
use super::wgsl::wgsl;
use crate::order;

operation! {
    /// Input: qkv. Output: y.
    pub struct Autocorrelation {
        /// Number of selected lags, 1 to T.
        pub lags: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "autocorrelation",
    summary: "y[t] = sum_i w_i v[t + lag_i], w = softmax of the largest R[l] = mean_channels sum_t q[t + l] k[t]",
    attrs: Autocorrelation::ATTRS,
    infer,
    keeps_inputs: &[0],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/autocorrelation.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [qkv] = exactly(inputs)?;
    let [t, n, wide] = qkv.shape[..] else {
        return Err(format!("expected qkv [T, N, 3 D], found {:?}", qkv.shape));
    };
    if !wide.is_multiple_of(12) || qkv.scope != Scope::Window {
        return Err(format!("qkv must be per window and D a multiple of 4, found {wide} columns"));
    }
    let k = Autocorrelation::of(attrs).lags;
    if k == 0 || k > t {
        return Err(format!("the number of lags must be 1 to {t}, found {k}"));
    }
    Ok(Inferred { outputs: vec![vec![t, n, wide / 3]], saved: vec![("lags", vec![n, k, 2])], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, count: usize, cost: Cost) -> KernelDef {
    let shape = &c.outputs[0].shape;
    let inverse_width = 1.0 / shape[2] as f32;
    let params: Vec<Field> = vec![
        ("count", Value::U32(to_u32(count))),
        ("n_steps", Value::U32(to_u32(shape[0]))),
        ("n_nodes", Value::U32(to_u32(shape[1]))),
        ("quads", Value::U32(to_u32(shape[2] / 4))),
        ("k", Value::U32(to_u32(Autocorrelation::of(c.attrs).lags))),
        ("inverse_width", Value::F32(inverse_width)),
        ("accumulate_qkv", c.accumulates(0)),
    ];
    let grid = Grid::Windows { per_window: count, per_group: 64, across: 1 };
    KernelDef { source: SOURCE.into(), entry, overrides: vec![], bindings, params, grid, cost }
}

fn qkv() -> Binding {
    Binding::input("qkv", Slot::In(0), "qkv_base")
}

fn forward(c: &OpCtx) -> Phase {
    let shape = &c.outputs[0].shape;
    let ([t, n], y, k) = ([shape[0], shape[1]], c.outputs[0].len(), Autocorrelation::of(c.attrs).lags);
    let scores = || Binding::output("scores", Slot::Scratch(0), "scores_base");
    let kernels = vec![
        kernel(c, "autocorrelation_scores", vec![qkv(), scores()], t * n, Cost::new(2 * t * y, 2 * y + t * n)),
        kernel(
            c,
            "autocorrelation_select",
            vec![scores(), Binding::output("lags", Slot::Saved(0), "lags_base")],
            n,
            Cost::new(k * t * n, t * n),
        ),
        kernel(
            c,
            "autocorrelation_roll",
            vec![qkv(), Binding::input("lags", Slot::Saved(0), "lags_base"), Binding::output("y", Slot::Out(0), "y_base")],
            y / 4,
            Cost::new(2 * k * y, 2 * y),
        ),
    ];
    Phase { kernels, scratch: vec![(t * n, Scope::Window)] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let (y, n, k) = (c.outputs[0].len(), c.outputs[0].shape[1], Autocorrelation::of(c.attrs).lags);
    let lags = || Binding::input("lags", Slot::Saved(0), "lags_base");
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    let kernels = vec![
        kernel(
            c,
            "autocorrelation_backward_weights",
            vec![qkv(), lags(), d_y(), Binding::output("d_lags", Slot::Scratch(0), "d_lags_base")],
            n * k,
            Cost::new(2 * k * y, 2 * y),
        ),
        kernel(
            c,
            "autocorrelation_backward",
            vec![
                qkv(),
                lags(),
                d_y(),
                Binding::input("d_lags", Slot::Scratch(0), "d_lags_base"),
                Binding::output("d_qkv", Slot::DIn(0), "d_qkv_base"),
            ],
            3 * y / 4,
            Cost::new(6 * k * y, 7 * y),
        ),
    ];
    Phase { kernels, scratch: vec![(n * k, Scope::Window)] }
}

/// Sizes, and indices of the elements of q (part 0), k (1) and v (2).
struct Places {
    steps: usize,
    nodes: usize,
    d: usize,
    k: usize,
}

impl Places {
    fn new(t: &TwinCall) -> Self {
        let shape = &t.outputs[0].operand.shape;
        Self { steps: shape[0], nodes: shape[1], d: shape[2], k: Autocorrelation::of(t.attrs).lags }
    }

    fn row(&self, step: usize, n: usize, part: usize) -> usize {
        ((step % self.steps * self.nodes + n) * 3 + part) * self.d
    }

    fn rows<'a>(&self, qkv: &'a [f64], step: usize, n: usize, part: usize) -> &'a [f64] {
        &qkv[self.row(step, n, part)..][..self.d]
    }

    /// The selected lags of node n and their weights.
    fn lags(&self, qkv: &[f64], n: usize) -> Vec<(usize, f64)> {
        let score = |l: usize| {
            let sum: f64 = (0..self.steps).map(|t| dot(self.rows(qkv, t + l, n, 0), self.rows(qkv, t, n, 1))).sum();
            (l, sum / self.d as f64)
        };
        let mut all: Vec<(usize, f64)> = (0..self.steps).map(score).collect();
        order::sort_by(&mut all, |a, b| b.1.total_cmp(&a.1));
        all.truncate(self.k);
        let most = all[0].1;
        let total: f64 = all.iter().map(|l| (l.1 - most).exp()).sum();
        all.into_iter().map(|(l, r)| (l, (r - most).exp() / total)).collect()
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

fn twin_forward(t: &mut TwinCall) {
    let p = Places::new(t);
    for w in 0..t.windows {
        let qkv = t.inputs[0].window(w);
        let (y, kept) = (t.outputs[0].window_mut(w), t.saved[0].window_mut(w));
        y.fill(0.0);
        for n in 0..p.nodes {
            for (i, (lag, weight)) in p.lags(qkv, n).into_iter().enumerate() {
                kept[2 * (n * p.k + i)..][..2].copy_from_slice(&[lag as f64, weight]);
                for step in 0..p.steps {
                    add_scaled(&mut y[(step * p.nodes + n) * p.d..][..p.d], weight, p.rows(qkv, step + lag, n, 2));
                }
            }
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let p = Places::new(t);
    for w in 0..t.windows {
        let (qkv, kept, d_y) = (t.inputs[0].window(w).to_vec(), t.saved[0].window(w).to_vec(), t.d_outputs[0].window(w).to_vec());
        let Some(d) = t.d_input(0, w) else { return };
        let g = |step: usize, n: usize| &d_y[(step % p.steps * p.nodes + n) * p.d..][..p.d];
        for n in 0..p.nodes {
            let lags: Vec<(usize, f64)> = kept[2 * n * p.k..][..2 * p.k].chunks(2).map(|c| (index_of(c[0]), c[1])).collect();
            let d_weight = |lag: usize| (0..p.steps).map(|s| dot(g(s, n), p.rows(&qkv, s + lag, n, 2))).sum::<f64>();
            let d_weights: Vec<f64> = lags.iter().map(|l| d_weight(l.0)).collect();
            let mean: f64 = lags.iter().zip(&d_weights).map(|(l, d)| l.1 * d).sum();
            for (&(lag, weight), d_weight) in lags.iter().zip(&d_weights) {
                let r = weight * (d_weight - mean) / p.d as f64;
                for s in 0..p.steps {
                    add_scaled(&mut d[p.row(s + lag, n, 0)..][..p.d], r, p.rows(&qkv, s, n, 1));
                    add_scaled(&mut d[p.row(s, n, 1)..][..p.d], r, p.rows(&qkv, s + lag, n, 0));
                    add_scaled(&mut d[p.row(s + lag, n, 2)..][..p.d], weight, g(s, n));
                }
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [t, n, d]: [usize; 3], lags: usize, windows| Case {
        name,
        attrs: Autocorrelation { lags }.attrs(),
        inputs: vec![CaseInput::window(&[t, n, 3 * d], Fill::Normal(1.0))],
        windows,
        reduction: t * d,
    };
    // The scores are equal at every lag, so the lowest lags are selected. The op is not differentiable at this point.
    let mut ties = case("equal scores", [6, 3, 4], 2, 2);
    // q and k are the same everywhere, v differs between tokens.
    let values = (0..6 * 3 * 12 * 2).map(|e| if e % 12 < 8 { 0.5 } else { (e * 37 % 101) as f32 / 50.0 }).collect();
    ties.inputs[0].fill = Fill::values(values);
    ties.inputs[0].grad = false;
    vec![
        case("one step", [1, 2, 4], 1, 1),
        case("all lags", [3, 5, 4], 3, 2),
        ties,
        case("a workgroup of nodes", [8, 64, 8], 2, 1),
        case("several windows", [17, 7, 16], 3, 3),
        case("many steps", [66, 3, 8], 4, 3),
    ]
}
