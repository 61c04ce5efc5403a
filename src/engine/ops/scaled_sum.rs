//! `y = a x + b dropout(relu(change))`, where a and b are learned scalars: the residual connection of the cross-attention.
//!
//! Inputs: x and change, both `[.., D]` with D a multiple of 4; a `[1]`, b `[1]` (parameters). Attribute `dropout`. `dx = a dy`,
//! `dchange = b keep relu' dy`, `da = sum dy x`, `db = sum dy dropout(relu(change))`. The last two are summed first per window, by one
//! workgroup, then over the windows in order.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, to_f32, to_u32,
};
use super::expect::{exactly, expect_dropout};
use super::twin::{Twin, TwinCall, drop_threshold, dropout};
use super::wgsl::wgsl;

operation! {
    /// Inputs: x, change, a, b. Output: y.
    pub struct ScaledSum {
        /// Dropout rate of the change, in [0, 1).
        pub dropout: f64,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "scaled_sum",
    summary: "y = a x + b dropout(relu(change))",
    attrs: ScaledSum::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2, 3],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: |a| ScaledSum::of(a).dropout > 0.0,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/scaled_sum.wgsl", "lib/step.wgsl", "lib/random.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [x, change, a, b] = exactly(inputs)?;
    expect_dropout(ScaledSum::of(attrs).dropout)?;
    if x.shape != change.shape || x.scope != Scope::Window || change.scope != Scope::Window {
        return Err(format!("x and change must have the same shape and be per window, found {:?} and {:?}", x.shape, change.shape));
    }
    if !x.last().is_multiple_of(4) || a.len() != 1 || b.len() != 1 {
        return Err(format!("the width must be a multiple of 4, a and b must be [1], found {}, {:?} and {:?}", x.last(), a.shape, b.shape));
    }
    Ok(Inferred { outputs: vec![x.shape.clone()], ..Inferred::default() })
}

fn fields(c: &OpCtx, count: usize) -> Vec<Field> {
    let p = ScaledSum::of(c.attrs).dropout;
    vec![
        ("count", Value::U32(to_u32(count))),
        ("quads_of_window", Value::U32(to_u32(c.inputs[0].len() / 4))),
        ("node", Value::U32(c.node)),
        ("threshold", Value::U32(drop_threshold(p))),
        ("keep_scale", Value::F32(1.0 / (1.0 - to_f32(p)))),
        ("accumulate_x", c.accumulates(0)),
        ("accumulate_change", c.accumulates(1)),
    ]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, count: usize, grid: Grid) -> KernelDef {
    let n = c.inputs[0].len();
    let cost = if matches!(grid, Grid::Fixed { .. }) { Cost::new(2, 4) } else { Cost::new(5 * n, n * (bindings.len() - 1)) };
    KernelDef { source: SOURCE.into(), entry, overrides: vec![], bindings, params: fields(c, count), grid, cost }
}

fn weights(slots: &[(Slot, &'static str)]) -> Binding {
    Binding::parameters("weights", slots)
}

fn x() -> Binding {
    Binding::input("x", Slot::In(0), "x_base")
}

fn change() -> Binding {
    Binding::input("change", Slot::In(1), "change_base")
}

fn by_quads(c: &OpCtx) -> (usize, Grid) {
    let quads = c.inputs[0].len() / 4;
    (quads, Grid::Windows { per_window: quads, per_group: 64, across: 1 })
}

fn forward(c: &OpCtx) -> Phase {
    let (count, grid) = by_quads(c);
    let both = weights(&[(Slot::In(2), "a_base"), (Slot::In(3), "b_base")]);
    let bindings = vec![x(), change(), both, Binding::output("y", Slot::Out(0), "y_base")];
    Phase { kernels: vec![kernel(c, "scaled_sum_forward", bindings, count, grid)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let (count, grid) = by_quads(c);
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    let mut kernels = vec![];
    if c.wants(0) {
        let bindings = vec![d_y(), weights(&[(Slot::In(2), "a_base")]), Binding::output("d_x", Slot::DIn(0), "d_x_base")];
        kernels.push(kernel(c, "scaled_sum_backward_x", bindings, count, grid));
    }
    if c.wants(1) {
        let bindings =
            vec![d_y(), change(), weights(&[(Slot::In(3), "b_base")]), Binding::output("d_change", Slot::DIn(1), "d_change_base")];
        kernels.push(kernel(c, "scaled_sum_backward_change", bindings, count, grid));
    }
    let sums = vec![d_y(), x(), change(), Binding::output("sums", Slot::Scratch(0), "sums_base")];
    let a_window = Grid::Windows { per_window: 1, per_group: 1, across: 1 };
    kernels.push(kernel(c, "scaled_sum_backward_sums", sums, 1, a_window));
    let fold = vec![
        Binding::input("sums", Slot::Scratch(0), "sums_base"),
        Binding::gradients("d_weights", &[(Slot::DIn(2), "d_a_base"), (Slot::DIn(3), "d_b_base")]),
    ];
    kernels.push(kernel(c, "scaled_sum_fold", fold, 1, Grid::Fixed { groups: 1, in_blocks: false }));
    Phase { kernels, scratch: vec![(2, Scope::Window)] }
}

/// dropout(relu(change)) and its derivative, for each element of window `w`.
fn moved(t: &TwinCall, w: usize) -> Vec<(f64, f64)> {
    let p = ScaledSum::of(t.attrs).dropout;
    let one = |(e, v): (usize, &f64)| {
        let keep = dropout(p, e, w, t.node, &t.step);
        (v.max(0.0) * keep, if *v > 0.0 { keep } else { 0.0 })
    };
    t.inputs[1].window(w).iter().enumerate().map(one).collect()
}

fn twin_forward(t: &mut TwinCall) {
    let (a, b) = (t.inputs[2].data[0], t.inputs[3].data[0]);
    for w in 0..t.windows {
        let moved = moved(t, w);
        let x = t.inputs[0].window(w);
        for (e, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            *y = a * x[e] + b * moved[e].0;
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (a, b) = (t.inputs[2].data[0], t.inputs[3].data[0]);
    for w in 0..t.windows {
        let moved = moved(t, w);
        let (x, d_y) = (t.inputs[0].window(w).to_vec(), t.d_outputs[0].window(w).to_vec());
        for (e, d) in d_y.iter().enumerate() {
            let all = [(0, e, a * d), (1, e, b * moved[e].1 * d), (2, 0, d * x[e]), (3, 0, d * moved[e].0)];
            for (i, at, d) in all {
                if let Some(to) = t.d_input(i, w) {
                    to[at] += d;
                }
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, rows: usize, d: usize, p: f64, windows| Case {
        name,
        attrs: ScaledSum { dropout: p }.attrs(),
        inputs: vec![
            CaseInput::window(&[rows, d], Fill::Normal(1.0)),
            CaseInput::window(&[rows, d], Fill::Normal(1.0)),
            CaseInput::parameter(&[1], Fill::Uniform(0.5, 1.5)),
            CaseInput::parameter(&[1], Fill::Uniform(0.5, 1.5)),
        ],
        windows,
        reduction: rows * d * windows,
    };
    vec![
        case("one row", 1, 4, 0.0, 1),
        case("a workgroup less one", 21, 12, 0.25, 3),
        case("a workgroup", 16, 16, 0.0, 1),
        case("a workgroup and one", 13, 20, 0.1, 5),
        case("more than 256 groups of four", 197, 16, 0.1, 3),
    ]
}
