//! `y = softmax over those of the three proposals that are present`; absent proposals get 0.
//!
//! Input: logits `[.., 3]`. Attributes `dynamic` and `adaptive`: whether the second and the third proposal are present; the first always
//! is.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Input: logits. Output: y.
    pub struct GateSoftmax {
        /// Whether the learned graph is present.
        pub dynamic: bool,
        /// Whether the adaptive graph is present.
        pub adaptive: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "gate_softmax",
    summary: "y = softmax(logits of the proposals that are present)",
    attrs: GateSoftmax::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[0],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/gate_softmax.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [x] = exactly(inputs)?;
    if x.last() != 3 {
        return Err(format!("expected logits [.., 3], found {:?}", x.shape));
    }
    Ok(Inferred { outputs: vec![x.shape.clone()], ..Inferred::default() })
}

/// Which of the three are present.
fn present(attrs: &Attrs) -> [bool; 3] {
    let GateSoftmax { dynamic, adaptive } = GateSoftmax::of(attrs);
    [true, dynamic, adaptive]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>) -> KernelDef {
    let rows = c.inputs[0].rows();
    let [_, dynamic, adaptive] = present(c.attrs);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(rows))),
            ("dynamic_graph", Value::U32(u32::from(dynamic))),
            ("adaptive_graph", Value::U32(u32::from(adaptive))),
            ("accumulate_x", c.accumulates(0)),
        ],
        grid: Grid::Windows { per_window: rows, per_group: 64, across: 1 },
        cost: Cost::new(12 * rows, 9 * rows),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![Binding::input("x", Slot::In(0), "x_base"), Binding::output("y", Slot::Out(0), "y_base")];
    Phase { kernels: vec![kernel(c, "gate_softmax_forward", bindings)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let bindings = vec![
        Binding::input("y", Slot::Out(0), "y_base"),
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::output("d_x", Slot::DIn(0), "d_x_base"),
    ];
    Phase { kernels: vec![kernel(c, "gate_softmax_backward", bindings)], scratch: vec![] }
}

fn twin_forward(t: &mut TwinCall) {
    let present = present(t.attrs);
    for (x, y) in t.inputs[0].data.chunks(3).zip(t.outputs[0].data.chunks_mut(3)) {
        let most = (0..3).filter(|&k| present[k]).map(|k| x[k]).fold(f64::MIN, f64::max);
        let e: Vec<f64> = (0..3).map(|k| if present[k] { (x[k] - most).exp() } else { 0.0 }).collect();
        (0..3).for_each(|k| y[k] = e[k] / e.iter().sum::<f64>());
    }
}

fn twin_backward(t: &mut TwinCall) {
    let Some(d_x) = &mut t.d_inputs[0] else { return };
    let rows = t.outputs[0].data.chunks(3).zip(t.d_outputs[0].data.chunks(3));
    for ((y, d_y), d_x) in rows.zip(d_x.data.chunks_mut(3)) {
        let mean: f64 = y.iter().zip(d_y).map(|(y, d)| y * d).sum();
        (0..3).for_each(|k| d_x[k] += y[k] * (d_y[k] - mean));
    }
}

fn cases() -> Vec<Case> {
    let case = |name, windows, [dynamic, adaptive]: [bool; 2], spread| Case {
        name,
        attrs: GateSoftmax { dynamic, adaptive }.attrs(),
        inputs: vec![CaseInput::window(&[1, 3], Fill::Normal(spread))],
        windows,
        reduction: 3,
    };
    vec![
        case("all three", 1, [true, true], 1.0),
        case("no dynamic graph", 65, [false, true], 2.0),
        case("no adaptive graph", 64, [true, false], 2.0),
        case("the prior alone", 3, [false, false], 1.0),
        case("sharp", 197, [true, true], 20.0),
    ]
}
