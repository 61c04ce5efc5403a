//! `y = sigmoid(g1) a + sigmoid(g2) b`, element by element: the two gated paths of the fusion.
//!
//! Inputs g1, a, g2, b, all `[.., D]`, D a multiple of 4. With `s = sigmoid(g)` each pair has `d_g = d_y v s (1 - s)`, `d_v = d_y s`. The
//! backward pass runs one kernel per pair, because one kernel for both would need nine bindings.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::{exactly, expect_alike, expect_quads};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: g1, a, g2, b. Output: y.
    pub struct GateMix;
}

pub(super) static OP: OpDef = OpDef {
    name: "gate_mix",
    summary: "y = sigmoid(g1) a + sigmoid(g2) b",
    attrs: GateMix::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2, 3],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/gate_mix.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [g1, a, g2, b] = exactly(inputs)?;
    for (name, other) in [("a", a), ("g2", g2), ("b", b)] {
        expect_alike(("g1", g1), (name, other))?;
    }
    expect_quads(g1.last())?;
    Ok(Inferred { outputs: vec![g1.shape.clone()], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, accumulate: [Value; 2]) -> KernelDef {
    let n = c.inputs[0].len();
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        cost: Cost::new(10 * n, n * bindings.len()),
        bindings,
        params: vec![("count", Value::U32(to_u32(n / 4))), ("accumulate_gate", accumulate[0]), ("accumulate_value", accumulate[1])],
        grid: Grid::Windows { per_window: n / 4, per_group: 64, across: 1 },
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![
        Binding::input("g1", Slot::In(0), "g1_base"),
        Binding::input("a", Slot::In(1), "a_base"),
        Binding::input("g2", Slot::In(2), "g2_base"),
        Binding::input("b", Slot::In(3), "b_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    Phase { kernels: vec![kernel(c, "gate_mix_forward", bindings, [Value::U32(0); 2])], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let mut kernels = vec![];
    for (gate, value) in [(0, 1), (2, 3)] {
        let entry = match (c.wants(gate), c.wants(value)) {
            (true, true) => "gate_mix_backward",
            (true, false) => "gate_mix_backward_gate",
            (false, true) => "gate_mix_backward_value",
            (false, false) => continue,
        };
        let mut bindings = vec![Binding::input("d_y", Slot::DOut(0), "d_y_base"), Binding::input("gate", Slot::In(gate), "gate_base")];
        if c.wants(gate) {
            bindings.push(Binding::input("value", Slot::In(value), "value_base"));
            bindings.push(Binding::output("d_gate", Slot::DIn(gate), "d_gate_base"));
        }
        if c.wants(value) {
            bindings.push(Binding::output("d_value", Slot::DIn(value), "d_value_base"));
        }
        kernels.push(kernel(c, entry, bindings, [c.accumulates(gate), c.accumulates(value)]));
    }
    Phase { kernels, scratch: vec![] }
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

fn twin_forward(t: &mut TwinCall) {
    let [g1, a, g2, b] = [0, 1, 2, 3].map(|i| &t.inputs[i].data);
    for (e, y) in t.outputs[0].data.iter_mut().enumerate() {
        *y = sigmoid(g1[e]) * a[e] + sigmoid(g2[e]) * b[e];
    }
}

fn twin_backward(t: &mut TwinCall) {
    for (e, d_y) in t.d_outputs[0].data.iter().enumerate() {
        for (gate, value) in [(0, 1), (2, 3)] {
            let s = sigmoid(t.inputs[gate].data[e]);
            if let Some(d) = &mut t.d_inputs[gate] {
                d.data[e] += d_y * t.inputs[value].data[e] * s * (1.0 - s);
            }
            if let Some(d) = &mut t.d_inputs[value] {
                d.data[e] += d_y * s;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, rows: usize, width: usize, windows, gates| {
        let input = |fill| CaseInput::window(&[rows, width], fill);
        Case {
            name,
            attrs: Attrs::default(),
            inputs: vec![input(gates), input(Fill::Normal(1.0)), input(gates), input(Fill::Normal(1.0))],
            windows,
            reduction: 2,
        }
    };
    let mut mixed_wants = case("a gate and a value want no gradient", 3, 8, 3, Fill::Normal(1.0));
    mixed_wants.inputs[0].grad = false;
    mixed_wants.inputs[3].grad = false;
    vec![
        case("one group of four", 1, 4, 1, Fill::Normal(1.0)),
        case("a workgroup less one", 63, 4, 1, Fill::Normal(1.0)),
        case("a workgroup", 16, 16, 1, Fill::Normal(2.0)),
        case("a workgroup and one", 65, 4, 3, Fill::Normal(2.0)),
        case("several windows, saturated gates", 197, 8, 5, Fill::Uniform(-100.0, 100.0)),
        mixed_wants,
    ]
}
