//! `stored += rate (mean - stored)`, in place, unless the step is bad. The flag that gates the optimiser also gates this op.
//!
//! Inputs, all per step: stored and mean of the same shape, norm `[4]` from `grad_norm` (its third number states whether everything is
//! finite). Attribute `rate`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_f32, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Inputs: stored, mean, norm. No outputs.
    pub struct MovingMean {
        /// Weight of the mean.
        pub rate: f64,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "moving_mean",
    summary: "stored += rate (mean - stored), unless the step is bad",
    attrs: MovingMean::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[0],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("it is part of the optimiser"),
    twin: Twin::new(twin_forward, no_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/moving_mean.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [stored, mean, norm] = exactly(inputs)?;
    if stored.shape != mean.shape || norm.shape != [4] {
        return Err(format!(
            "expected stored and mean of the same shape and norm [4], found {:?}, {:?}, {:?}",
            stored.shape, mean.shape, norm.shape
        ));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("every input must be per step".into());
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
            params: vec![("count", Value::U32(to_u32(n))), ("rate", Value::F32(to_f32(MovingMean::of(c.attrs).rate)))],
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
    let (mean, MovingMean { rate }) = (t.inputs[1].data.clone(), MovingMean::of(t.attrs));
    for (stored, mean) in t.inputs[0].data.iter_mut().zip(mean) {
        *stored += rate * (mean - *stored);
    }
}

fn cases() -> Vec<Case> {
    let case = |name, n: usize, ok: f32, rate: f64| {
        let input = |n: usize, fill| CaseInput { grad: false, ..CaseInput::step(&[n], fill) };
        Case {
            name,
            attrs: MovingMean { rate }.attrs(),
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
