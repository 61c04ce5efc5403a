//! `y = s (mixed - x)` with `s = sigmoid(g)`, element by element: the gated change at the end of the fusion.
//!
//! Inputs g, mixed, x, all `[.., D]`, D a multiple of 4. `d_g = d_y (mixed - x) s (1 - s)`, `d_mixed = d_y s`, `d_x = -d_y s`. The backward
//! pass recomputes s.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::{exactly, expect_alike, expect_quads};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: g, mixed, x. Output: y.
    pub struct GateChange;
}

pub(super) static OP: OpDef = OpDef {
    name: "gate_change",
    summary: "y = sigmoid(g) (mixed - x)",
    attrs: GateChange::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/gate_change.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [g, mixed, x] = exactly(inputs)?;
    for (name, other) in [("mixed", mixed), ("x", x)] {
        expect_alike(("g", g), (name, other))?;
    }
    expect_quads(g.last())?;
    Ok(Inferred { outputs: vec![g.shape.clone()], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>) -> KernelDef {
    let n = c.inputs[0].len();
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        cost: Cost::new(n * (4 + bindings.len()), n * bindings.len()),
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(n / 4))),
            ("accumulate_g", c.accumulates(0)),
            ("accumulate_mixed", c.accumulates(1)),
            ("accumulate_x", c.accumulates(2)),
        ],
        grid: Grid::Windows { per_window: n / 4, per_group: 64, across: 1 },
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![
        Binding::input("g", Slot::In(0), "g_base"),
        Binding::input("mixed", Slot::In(1), "mixed_base"),
        Binding::input("x", Slot::In(2), "x_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    Phase { kernels: vec![kernel(c, "gate_change_forward", bindings)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    let g = || Binding::input("g", Slot::In(0), "g_base");
    let mixed = || Binding::input("mixed", Slot::In(1), "mixed_base");
    let x = || Binding::input("x", Slot::In(2), "x_base");
    let d_g = || Binding::output("d_g", Slot::DIn(0), "d_g_base");
    let d_mixed = || Binding::output("d_mixed", Slot::DIn(1), "d_mixed_base");
    let d_x = || Binding::output("d_x", Slot::DIn(2), "d_x_base");
    let mut kernels = vec![];
    if c.wants(0) && c.wants(1) && c.wants(2) {
        kernels.push(kernel(c, "gate_change_backward", vec![d_y(), g(), mixed(), x(), d_g(), d_mixed(), d_x()]));
    } else {
        if c.wants(0) {
            kernels.push(kernel(c, "gate_change_backward_g", vec![d_y(), g(), mixed(), x(), d_g()]));
        }
        if c.wants(1) {
            kernels.push(kernel(c, "gate_change_backward_mixed", vec![d_y(), g(), d_mixed()]));
        }
        if c.wants(2) {
            kernels.push(kernel(c, "gate_change_backward_x", vec![d_y(), g(), d_x()]));
        }
    }
    Phase { kernels, scratch: vec![] }
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

fn twin_forward(t: &mut TwinCall) {
    for (e, y) in t.outputs[0].data.iter_mut().enumerate() {
        *y = sigmoid(t.inputs[0].data[e]) * (t.inputs[1].data[e] - t.inputs[2].data[e]);
    }
}

fn twin_backward(t: &mut TwinCall) {
    for (e, d_y) in t.d_outputs[0].data.iter().enumerate() {
        let s = sigmoid(t.inputs[0].data[e]);
        let difference = t.inputs[1].data[e] - t.inputs[2].data[e];
        for (d_input, d) in t.d_inputs.iter_mut().zip([difference * s * (1.0 - s), s, -s]) {
            if let Some(d_input) = d_input {
                d_input.data[e] += d_y * d;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, rows: usize, width: usize, windows, gate| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::window(&[rows, width], gate),
            CaseInput::window(&[rows, width], Fill::Normal(1.0)),
            CaseInput::window(&[rows, width], Fill::Normal(1.0)),
        ],
        windows,
        reduction: 2,
    };
    let mut two_wanted = case("the gate wants no gradient", 3, 8, 3, Fill::Normal(1.0));
    two_wanted.inputs[0].grad = false;
    let mut one_wanted = case("only the gate wants a gradient", 3, 8, 3, Fill::Normal(1.0));
    one_wanted.inputs[1].grad = false;
    one_wanted.inputs[2].grad = false;
    vec![
        case("one group of four", 1, 4, 1, Fill::Normal(1.0)),
        case("a workgroup less one", 63, 4, 1, Fill::Normal(1.0)),
        case("a workgroup", 16, 16, 1, Fill::Normal(2.0)),
        case("a workgroup and one", 65, 4, 3, Fill::Normal(2.0)),
        case("several windows, saturated gates", 197, 8, 5, Fill::Uniform(-100.0, 100.0)),
        two_wanted,
        one_wanted,
    ]
}
