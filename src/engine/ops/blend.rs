//! `y = w0 a + w1 b`, `w = softmax(blend)`.
//!
//! Inputs, per step: blend `[2]` (parameter), a and b of the same shape. `da = w0 dy`, `db = w1 dy`,
//! `dblend_0 = -dblend_1 = w0 w1 (dy . a - dy . b)`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: blend, a, b. Output: y.
    pub struct Blend;
}

pub(super) static OP: OpDef = OpDef {
    name: "blend",
    summary: "y = w0 a + w1 b, w = softmax(blend)",
    attrs: Blend::ATTRS,
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

const SOURCE: &str = wgsl!("ops/blend.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [blend, a, b] = exactly(inputs)?;
    if blend.shape != [2] || a.shape != b.shape || inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err(format!(
            "expected blend [2], a and b of the same shape, all per step, found {:?}, {:?}, {:?}",
            blend.shape, a.shape, b.shape
        ));
    }
    Ok(Inferred { outputs: vec![a.shape.clone()], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, own: Vec<Binding>, items: usize, per_group: usize) -> KernelDef {
    let n = c.inputs[1].len();
    let mut bindings = vec![Binding::parameters("weights", &[(Slot::In(0), "blend_base")])];
    bindings.extend(own);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![("count", Value::U32(to_u32(items))), ("length", Value::U32(to_u32(n)))],
        grid: Grid::Windows { per_window: items, per_group, across: 1 },
        cost: Cost::new(4 * n, 3 * n),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let n = c.inputs[1].len();
    let own = vec![
        Binding::input("a", Slot::In(1), "a_base"),
        Binding::input("b", Slot::In(2), "b_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    Phase { kernels: vec![kernel(c, "blend_forward", own, n, 64)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let n = c.inputs[1].len();
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    let mut kernels = vec![];
    if c.wants(1) {
        kernels.push(kernel(c, "blend_backward_a", vec![d_y(), Binding::output("d_part", Slot::DIn(1), "d_part_base")], n, 64));
    }
    if c.wants(2) {
        kernels.push(kernel(c, "blend_backward_b", vec![d_y(), Binding::output("d_part", Slot::DIn(2), "d_part_base")], n, 64));
    }
    if c.wants(0) {
        let own = vec![
            Binding::input("a", Slot::In(1), "a_base"),
            Binding::input("b", Slot::In(2), "b_base"),
            d_y(),
            Binding::gradients("d_weights", &[(Slot::DIn(0), "d_blend_base")]),
        ];
        kernels.push(kernel(c, "blend_backward_weights", own, 1, 1));
    }
    Phase { kernels, scratch: vec![] }
}

fn weights(blend: &[f64]) -> [f64; 2] {
    let first = 1.0 / (1.0 + (blend[1] - blend[0]).exp());
    [first, 1.0 - first]
}

fn twin_forward(t: &mut TwinCall) {
    let w = weights(&t.inputs[0].data);
    for (e, y) in t.outputs[0].data.iter_mut().enumerate() {
        *y = w[0] * t.inputs[1].data[e] + w[1] * t.inputs[2].data[e];
    }
}

fn twin_backward(t: &mut TwinCall) {
    let w = weights(&t.inputs[0].data);
    for (e, d_y) in t.d_outputs[0].data.iter().enumerate() {
        for (d_input, w) in t.d_inputs[1..].iter_mut().zip(w) {
            if let Some(d) = d_input {
                d.data[e] += w * d_y;
            }
        }
        if let Some(d) = &mut t.d_inputs[0] {
            let slope = w[0] * w[1] * d_y * (t.inputs[1].data[e] - t.inputs[2].data[e]);
            d.data[0] += slope;
            d.data[1] -= slope;
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, n: usize, learned: bool, blend| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::parameter(&[2], blend),
            CaseInput { grad: learned, ..CaseInput::step(&[n], Fill::Normal(1.0)) },
            CaseInput::step(&[n], Fill::Normal(1.0)),
        ],
        windows: 1,
        reduction: n,
    };
    vec![
        case("one", 1, true, Fill::Normal(1.0)),
        case("a workgroup and one, a is data", 65, false, Fill::Normal(1.0)),
        case("several workgroups", 1000, true, Fill::Normal(2.0)),
        case("equal shares", 257, true, Fill::Constant(0.5)),
    ]
}
