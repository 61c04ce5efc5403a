//! The moving mean of the weights (section 11 of docs/model.md), in place: `average += (1 - e) (parameters - average)`,
//! `e = min(most, (1 + k) / (ramp + k))`, k the number of good steps. Stored tensors behind the trained parameters are copied. With attribute
//! `copies` (the linear start) everything is copied. A bad step changes nothing.
//!
//! Inputs, all per step: average and parameters `[P]` (trained parameters, then stored tensors; P is a multiple of 4), norm `[4]` from
//! `grad_norm` (its third number states whether everything is finite), state `[8]` of the optimiser after its step (its first number is k).
//! Attributes: `trained` (number of elements that are averaged, a multiple of 4), `copies`, `most`, `ramp`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_f32, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Inputs: average, parameters, norm, state. No outputs.
    pub struct MovingAverage {
        /// Number of elements that are averaged; the others are copied.
        pub trained: usize,
        /// Whether all elements are copied.
        pub copies: bool,
        /// Largest share of the old mean, in [0, 1).
        pub most: f64,
        /// Number of steps over which this share grows; at least 1.
        pub ramp: f64,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "moving_average",
    summary: "average += (1 - e) (parameters - average), e = min(most, (1 + k) / (ramp + k)), unless the step is bad",
    attrs: MovingAverage::ATTRS,
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

const SOURCE: &str = wgsl!("ops/moving_average.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [average, parameters, norm, state] = exactly(inputs)?;
    let (n, MovingAverage { trained, most, ramp, .. }) = (average.len(), MovingAverage::of(attrs));
    if !(0.0..1.0).contains(&most) || ramp < 1.0 {
        return Err(format!("most must be in [0, 1) and ramp at least 1, found {most} and {ramp}"));
    }
    if parameters.len() != n || !n.is_multiple_of(4) || !trained.is_multiple_of(4) || trained > n {
        return Err(format!(
            "average and parameters must have the same length, a multiple of 4 and at least the {trained} trained elements, found {n} and {}",
            parameters.len()
        ));
    }
    if norm.shape != [4] || state.shape != [8] {
        return Err(format!("expected norm [4] and state [8], found {:?} and {:?}", norm.shape, state.shape));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("every input must be per step".into());
    }
    Ok(Inferred::default())
}

fn forward(c: &OpCtx) -> Phase {
    let (n, MovingAverage { trained, copies, most, ramp }) = (c.inputs[0].len(), MovingAverage::of(c.attrs));
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: "moving_average_update",
            overrides: vec![],
            bindings: vec![
                Binding::output("average", Slot::In(0), "average_base"),
                Binding::input("parameters", Slot::In(1), "parameters_base"),
                Binding::input("norm", Slot::In(2), "norm_base"),
                Binding::input("state", Slot::In(3), "state_base"),
            ],
            params: vec![
                ("count", Value::U32(to_u32(n / 4))),
                ("trained", Value::U32(if copies { 0 } else { to_u32(trained / 4) })),
                ("least", Value::F32(to_f32(1.0 - most))),
                ("ramp", Value::F32(to_f32(ramp))),
            ],
            grid: Grid::Windows { per_window: n / 4, per_group: 64, across: 1 },
            cost: Cost::new(3 * n, 3 * n),
        }],
        scratch: vec![],
    }
}

fn twin_forward(t: &mut TwinCall) {
    if t.inputs[2].data[2] == 0.0 {
        return;
    }
    let (parameters, k, MovingAverage { trained, copies, most, ramp }) =
        (t.inputs[1].data.clone(), t.inputs[3].data[0], MovingAverage::of(t.attrs));
    let keep = f64::min(most, (1.0 + k) / (ramp + k));
    for (e, (average, p)) in t.inputs[0].data.iter_mut().zip(parameters).enumerate() {
        *average = if copies || e >= trained { p } else { *average + (1.0 - keep) * (p - *average) };
    }
}

fn cases() -> Vec<Case> {
    let case = |name, n: usize, trained: usize, copies: bool, ok: f32, state| {
        let input = |n: usize, fill| CaseInput { grad: false, ..CaseInput::step(&[n], fill) };
        Case {
            name,
            attrs: MovingAverage { trained, copies, most: 0.99, ramp: 10.0 }.attrs(),
            inputs: vec![
                input(n, Fill::Normal(1.0)),
                input(n, Fill::Normal(1.0)),
                input(4, Fill::Constant(ok)),
                input(8, Fill::Constant(state)),
            ],
            windows: 1,
            reduction: 2,
        }
    };
    vec![
        case("the first step", 4, 4, false, 1.0, 1.0),
        case("a workgroup and one, stored tensors are copied", 260, 192, false, 1.0, 7.0),
        case("long after, the ramp has ended", 1024, 1024, false, 1.0, 5000.0),
        case("the linear start copies", 260, 192, true, 1.0, 7.0),
        case("a bad step", 260, 192, false, 0.0, 7.0),
    ]
}
