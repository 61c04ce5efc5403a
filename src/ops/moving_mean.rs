//! `stored += rate (mean - stored)`, in place, where the step counts: gated by the same flag as the optimiser.
//!
//! Inputs, all once a step: stored and mean of one shape, norm `[4]` as `grad_norm` makes it (its third number: whether all is finite).
//! Attribute `rate`.

use super::def::{
    Attrs, Backward, Binding, Case, CaseInput, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, OpError, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::twin::{Twin, TwinCall, no_backward};

pub(super) static OP: OpDef = OpDef {
    name: "moving_mean",
    summary: "stored += rate (mean - stored), unless the step is bad",
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[0],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("optimiser"),
    twin: Twin { forward: twin_forward, backward: no_backward },
    cases,
};

const SOURCE: &str = concat!(include_str!("../../shaders/ops/moving_mean.wgsl"), include_str!("../../shaders/lib/step.wgsl"));

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, OpError> {
    let wrong = |m: String| Err(OpError::new("moving_mean", m));
    let [stored, mean, norm] = inputs else {
        return wrong(format!("expected 3 inputs, found {}", inputs.len()));
    };
    if stored.shape != mean.shape || norm.shape != [4] {
        return wrong(format!("expected stored and mean alike and norm [4], found {:?}, {:?}, {:?}", stored.shape, mean.shape, norm.shape));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return wrong("everything must exist once a step".into());
    }
    Ok(Inferred::default())
}

fn forward(c: &OpCtx) -> Phase {
    let n = c.inputs[0].len();
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: "moving_mean_update",
            overrides: vec![],
            bindings: vec![
                Binding::output("stored", Slot::In(0), "stored_base"),
                Binding::input("mean", Slot::In(1), "mean_base"),
                Binding::input("norm", Slot::In(2), "norm_base"),
            ],
            params: vec![("count", Value::U32(to_u32(n))), ("rate", Value::F32(c.attrs.f32("rate")))],
            grid: Grid::Windows { per_window: n, per_group: 64, across: 1 },
            cost: Cost::new(3 * n, 3 * n),
        }],
        scratch: vec![],
    }
}

fn twin_forward(t: &mut TwinCall) {
    if t.inputs[2].data[2] == 0.0 {
        return;
    }
    let mean = t.inputs[1].data.clone();
    for (stored, mean) in t.inputs[0].data.iter_mut().zip(mean) {
        *stored += t.attrs.f64("rate") * (mean - *stored);
    }
}

fn cases() -> Vec<Case> {
    let case = |name, n: usize, ok: f32, rate: f64| {
        let input = |n: usize, fill| CaseInput { grad: false, ..CaseInput::step(&[n], fill) };
        Case {
            name,
            attrs: Attrs::new(&[("rate", rate)]),
            inputs: vec![input(n, Fill::Normal(1.0)), input(n, Fill::Normal(1.0)), input(4, Fill::Constant(ok))],
            windows: 1,
            reduction: 2,
        }
    };
    vec![
        case("one", 1, 1.0, 0.1),
        case("a workgroup and one", 65, 1.0, 0.5),
        case("a bad step", 100, 0.0, 0.1),
        case("many", 1000, 1.0, 0.01),
    ]
}
