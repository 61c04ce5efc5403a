//! `a = x[.., ..first]`, `b = x[.., first..]`: splits the last axis in two.
//!
//! Input x `[.., D]`, per window or per step; attribute `first`. The widths of both parts are multiples of 4.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Input: x. Outputs: a, b.
    pub struct Split {
        /// Width of a.
        pub first: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "split",
    summary: "a = x[.., ..first], b = x[.., first..]",
    attrs: Split::ATTRS,
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

const SOURCE: &str = wgsl!("ops/split.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [x] = exactly(inputs)?;
    let (first, d) = (Split::of(attrs).first, x.last());
    if first == 0 || first >= d || !first.is_multiple_of(4) || !d.is_multiple_of(4) {
        return Err(format!("the widths of both parts must be multiples of 4, found {first} of {d} channels"));
    }
    let part = |n: usize| {
        let mut shape = x.shape.clone();
        shape[x.shape.len() - 1] = n;
        shape
    };
    Ok(Inferred { outputs: vec![part(first), part(d - first)], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>) -> KernelDef {
    let n = c.inputs[0].len();
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(n / 4))),
            ("quads", Value::U32(to_u32(c.inputs[0].last() / 4))),
            ("first_quads", Value::U32(to_u32(Split::of(c.attrs).first / 4))),
            ("accumulate_x", c.accumulates(0)),
        ],
        grid: Grid::Windows { per_window: n / 4, per_group: 64, across: 1 },
        cost: Cost::new(0, 2 * n),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![
        Binding::input("x", Slot::In(0), "x_base"),
        Binding::output("a", Slot::Out(0), "a_base"),
        Binding::output("b", Slot::Out(1), "b_base"),
    ];
    Phase { kernels: vec![kernel(c, "split_forward", bindings)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let bindings = vec![
        Binding::input("d_a", Slot::DOut(0), "d_a_base"),
        Binding::input("d_b", Slot::DOut(1), "d_b_base"),
        Binding::output("d_x", Slot::DIn(0), "d_x_base"),
    ];
    Phase { kernels: vec![kernel(c, "split_backward", bindings)], scratch: vec![] }
}

/// The number of the output that element `e` of x goes to, and the index there.
fn place(e: usize, d: usize, first: usize) -> (usize, usize) {
    let (row, i) = (e / d, e % d);
    if i < first { (0, row * first + i) } else { (1, row * (d - first) + i - first) }
}

fn twin_forward(t: &mut TwinCall) {
    let (d, first) = (t.inputs[0].operand.last(), Split::of(t.attrs).first);
    for (e, x) in t.inputs[0].data.iter().enumerate() {
        let (which, at) = place(e, d, first);
        t.outputs[which].data[at] = *x;
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (d, first) = (t.inputs[0].operand.last(), Split::of(t.attrs).first);
    if let Some(d_x) = &mut t.d_inputs[0] {
        for (e, x) in d_x.data.iter_mut().enumerate() {
            let (which, at) = place(e, d, first);
            *x += t.d_outputs[which].data[at];
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, rows: usize, first: usize, rest: usize, windows, step: bool| {
        let shape = [rows, first + rest];
        let input = if step { CaseInput::step(&shape, Fill::Normal(1.0)) } else { CaseInput::window(&shape, Fill::Normal(1.0)) };
        Case { name, attrs: Split { first }.attrs(), inputs: vec![input], windows, reduction: 1 }
    };
    vec![
        case("one row", 1, 4, 4, 1, false),
        case("once a step", 21, 8, 4, 1, true),
        case("several windows", 13, 4, 16, 5, false),
        case("one and two thirds", 65, 16, 32, 2, false),
    ]
}
