//! `y = a + b`. Both tensors have the same shape and scope; their last axis is a multiple of 4. `d_a = d_b = d_y`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::{exactly, expect_alike, expect_quads};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: a, b. Output: y.
    pub struct Add;
}

pub(super) static OP: OpDef = OpDef {
    name: "add",
    summary: "y = a + b",
    attrs: Add::ATTRS,
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

const SOURCE: &str = wgsl!("ops/add.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [a, b] = exactly(inputs)?;
    expect_alike(("a", a), ("b", b))?;
    expect_quads(a.last())?;
    Ok(Inferred { outputs: vec![a.shape.clone()], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>) -> KernelDef {
    let n = c.inputs[0].len();
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        cost: Cost::new(n, n * bindings.len()),
        bindings,
        params: vec![("count", Value::U32(to_u32(n / 4))), ("accumulate_a", c.accumulates(0)), ("accumulate_b", c.accumulates(1))],
        grid: Grid::Windows { per_window: n / 4, per_group: 64, across: 1 },
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![
        Binding::input("a", Slot::In(0), "a_base"),
        Binding::input("b", Slot::In(1), "b_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    Phase { kernels: vec![kernel(c, "add_forward", bindings)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let entry = match (c.wants(0), c.wants(1)) {
        (true, true) => "add_backward",
        (true, false) => "add_backward_a",
        (false, true) => "add_backward_b",
        (false, false) => return Phase::default(),
    };
    let mut bindings = vec![Binding::input("d_y", Slot::DOut(0), "d_y_base")];
    if c.wants(0) {
        bindings.push(Binding::output("d_a", Slot::DIn(0), "d_a_base"));
    }
    if c.wants(1) {
        bindings.push(Binding::output("d_b", Slot::DIn(1), "d_b_base"));
    }
    Phase { kernels: vec![kernel(c, entry, bindings)], scratch: vec![] }
}

fn twin_forward(t: &mut TwinCall) {
    for (e, y) in t.outputs[0].data.iter_mut().enumerate() {
        *y = t.inputs[0].data[e] + t.inputs[1].data[e];
    }
}

fn twin_backward(t: &mut TwinCall) {
    for d_input in t.d_inputs.iter_mut().flatten() {
        for (d, d_y) in d_input.data.iter_mut().zip(&t.d_outputs[0].data) {
            *d += d_y;
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, rows: usize, width: usize, windows, make: fn(&[usize], Fill) -> CaseInput| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![make(&[rows, width], Fill::Normal(1.0)), make(&[rows, width], Fill::Normal(2.0))],
        windows,
        reduction: 2,
    };
    let mut one_wanted = case("only b wants a gradient", 3, 8, 3, CaseInput::window);
    one_wanted.inputs[0].grad = false;
    vec![
        case("one group of four", 1, 4, 1, CaseInput::window),
        case("a workgroup less one", 63, 4, 1, CaseInput::window),
        case("a workgroup", 16, 16, 1, CaseInput::window),
        case("a workgroup and one", 65, 4, 3, CaseInput::window),
        case("several windows", 197, 8, 5, CaseInput::window),
        case("once a step", 197, 8, 1, CaseInput::step),
        one_wanted,
    ]
}
