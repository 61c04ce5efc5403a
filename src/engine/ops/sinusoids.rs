//! Sinusoids at learned speeds: `y[t, j, 2i] = sin(speed_j a[t, i])`, `y[t, j, 2i + 1] = cos`, with angles `a[t, i] = t 10000^(-2i/D)`.
//!
//! Inputs, per step: speed `[S]` (parameter), angles `[T, D / 2]` (data, computed by the host). Output `[T, S, D]`. WGSL allows large
//! errors of sin and cos, so the shader reduces the angle to an eighth of a turn and uses its own polynomials (shaders/lib/turn.wgsl).
//! `dspeed_j = sum over t, i of a[t, i] (cos dy[2i] - sin dy[2i + 1])`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: speed, angles. Output: y.
    pub struct Sinusoids;
}

pub(super) static OP: OpDef = OpDef {
    name: "sinusoids",
    summary: "y[t, j, 2i], y[t, j, 2i + 1] = sin, cos of speed_j angle[t, i]",
    attrs: Sinusoids::ATTRS,
    infer,
    keeps_inputs: &[1],
    keeps_outputs: &[0],
    updates: &[],
    data: &[1],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/sinusoids.wgsl", "lib/turn.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [speed, angles] = exactly(inputs)?;
    let ([s], [t, half]) = (&speed.shape[..], &angles.shape[..]) else {
        return Err(format!("expected speed [S] and angles [T, D / 2], found {:?} and {:?}", speed.shape, angles.shape));
    };
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("every input must be per step".into());
    }
    Ok(Inferred { outputs: vec![vec![*t, *s, 2 * half]], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, items: usize, per_group: usize) -> KernelDef {
    let (s, t, half) = (c.inputs[0].len(), c.inputs[1].shape[0], c.inputs[1].shape[1]);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(items))),
            ("n_speeds", Value::U32(to_u32(s))),
            ("n_steps", Value::U32(to_u32(t))),
            ("half_width", Value::U32(to_u32(half))),
        ],
        grid: Grid::Windows { per_window: items, per_group, across: 1 },
        cost: Cost::new(30 * s * t * half, 4 * s * t * half),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![
        Binding::parameters("speed", &[(Slot::In(0), "speed_base")]),
        Binding::input("angles", Slot::In(1), "angles_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    Phase { kernels: vec![kernel(c, "sinusoids_forward", bindings, c.outputs[0].len() / 2, 64)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let bindings = vec![
        Binding::input("angles", Slot::In(1), "angles_base"),
        Binding::input("y", Slot::Out(0), "y_base"),
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::gradients("d_speed", &[(Slot::DIn(0), "d_speed_base")]),
    ];
    Phase { kernels: vec![kernel(c, "sinusoids_backward", bindings, c.inputs[0].len(), 1)], scratch: vec![] }
}

fn twin_forward(t: &mut TwinCall) {
    let (s, half) = (t.inputs[0].data.len(), t.inputs[1].operand.last());
    for (e, pair) in t.outputs[0].data.chunks_mut(2).enumerate() {
        let (step, j, i) = (e / half / s, e / half % s, e % half);
        let (sin, cos) = (t.inputs[0].data[j] * t.inputs[1].data[step * half + i]).sin_cos();
        pair.copy_from_slice(&[sin, cos]);
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (s, half) = (t.inputs[0].data.len(), t.inputs[1].operand.last());
    let Some(d_speed) = &mut t.d_inputs[0] else { return };
    for (e, (y, d_y)) in t.outputs[0].data.chunks(2).zip(t.d_outputs[0].data.chunks(2)).enumerate() {
        let (step, j, i) = (e / half / s, e / half % s, e % half);
        d_speed.data[j] += t.inputs[1].data[step * half + i] * (y[1] * d_y[0] - y[0] * d_y[1]);
    }
}

fn cases() -> Vec<Case> {
    let case = |name, s: usize, t: usize, half: usize, largest| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::parameter(&[s], Fill::Uniform(-1.0, 1.0)),
            CaseInput { grad: false, ..CaseInput::step(&[t, half], Fill::Uniform(0.0, largest)) },
        ],
        windows: 1,
        reduction: t * half,
    };
    vec![
        case("one angle", 1, 1, 1, 1.0),
        case("small angles", 4, 6, 8, 3.0),
        case("a workgroup and one", 5, 13, 1, 20.0),
        case("several turns", 3, 24, 32, 40.0),
    ]
}
