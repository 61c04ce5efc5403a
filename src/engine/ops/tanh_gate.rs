//! `y = u tanh(v)`, where u is the first half and v the second half of a row: the product units of the driver highway.
//!
//! Input: pair `[.., 2 P]`. Output: y `[.., P]`. Backward: `d_u = d_y tanh(v)`, `d_v = d_y u (1 - tanh(v)^2)`. The kernels clamp v to
//! +-15 before tanh, where f32 no longer differs from 1: some implementations of tanh overflow beyond.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Input: pair. Output: y.
    pub struct TanhGate;
}

pub(super) static OP: OpDef = OpDef {
    name: "tanh_gate",
    summary: "y = u tanh(v), (u, v) = pair",
    attrs: TanhGate::ATTRS,
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

const SOURCE: &str = wgsl!("ops/tanh_gate.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [pair] = exactly(inputs)?;
    if pair.last() == 0 || !pair.last().is_multiple_of(2) {
        return Err(format!("the pair must have an even width, found {:?}", pair.shape));
    }
    Ok(Inferred { outputs: vec![pair.with_last(pair.last() / 2)], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>) -> KernelDef {
    let n = c.outputs[0].len();
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(n))),
            ("width", Value::U32(to_u32(c.outputs[0].last()))),
            ("accumulate_pair", c.accumulates(0)),
        ],
        grid: Grid::Windows { per_window: n, per_group: 64, across: 1 },
        cost: Cost::new(10 * n, 5 * n),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![Binding::input("pair", Slot::In(0), "pair_base"), Binding::output("y", Slot::Out(0), "y_base")];
    Phase { kernels: vec![kernel(c, "tanh_gate_forward", bindings)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let bindings = vec![
        Binding::input("pair", Slot::In(0), "pair_base"),
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::output("d_pair", Slot::DIn(0), "d_pair_base"),
    ];
    Phase { kernels: vec![kernel(c, "tanh_gate_backward", bindings)], scratch: vec![] }
}

fn twin_forward(t: &mut TwinCall) {
    let p = t.outputs[0].operand.last();
    let rows = t.inputs[0].data.chunks(2 * p).zip(t.outputs[0].data.chunks_mut(p));
    for (pair, y) in rows {
        for (e, y) in y.iter_mut().enumerate() {
            *y = pair[e] * pair[p + e].tanh();
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let p = t.outputs[0].operand.last();
    let Some(d_pair) = &mut t.d_inputs[0] else { return };
    let rows = t.inputs[0].data.chunks(2 * p).zip(t.d_outputs[0].data.chunks(p)).zip(d_pair.data.chunks_mut(2 * p));
    for ((pair, d_y), d_pair) in rows {
        for (e, d) in d_y.iter().enumerate() {
            let tanh = pair[p + e].tanh();
            d_pair[e] += d * tanh;
            d_pair[p + e] += d * pair[e] * (1.0 - tanh * tanh);
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, rows: usize, p: usize, fill, windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![CaseInput::window(&[rows, 2 * p], fill)],
        windows,
        reduction: 1,
    };
    vec![
        case("one product", 1, 1, Fill::Normal(1.0), 1),
        case("a workgroup less one", 9, 7, Fill::Normal(1.0), 1),
        case("a workgroup", 2, 32, Fill::Normal(2.0), 3),
        case("a workgroup and one", 13, 5, Fill::Normal(1.0), 3),
        case("saturated", 5, 4, Fill::Uniform(-200.0, 200.0), 2),
    ]
}
