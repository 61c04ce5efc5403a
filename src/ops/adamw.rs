//! AdamW as PyTorch has it, over flat buffers, updated in place. With g = gradient times clip factor:
//! `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
//! `p = p (1 - rate decay) - rate / c1 m / (sqrt(v) / sqrt(c2) + epsilon)`, `c = 1 - beta^t`.
//!
//! Inputs, all once a step: parameters, moment1, moment2, gradients, each `[P]` (a multiple of 4; zeros used as padding stay zeros),
//! norm `[4]` as `grad_norm` makes it, state `[8]` = (steps, c1, c2, bad steps in a row, bad steps in all, 0, 0, 0). There are no outputs:
//! parameters, moments and state are updated. Attributes: `beta1`, `beta2`, `epsilon`, `weight_decay`; the rate is a value of the step.
//! c is carried from step to step, `c' = beta c + (1 - beta)`, so that no power is taken on the device. Where the norm is not ok, only
//! the counters of bad steps change.

use super::def::{
    Attrs, Backward, Binding, Case, CaseInput, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, OpError, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::twin::{Twin, TwinCall, no_backward};

pub(super) static OP: OpDef = OpDef {
    name: "adamw",
    summary: "p = p (1 - rate decay) - rate / c1 m / (sqrt(v / c2) + epsilon), unless the step was bad",
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[0, 1, 2, 5],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("optimiser"),
    twin: Twin { forward: twin_forward, backward: no_backward },
    cases,
};

const SOURCE: &str = concat!(include_str!("../../shaders/ops/adamw.wgsl"), include_str!("../../shaders/lib/step.wgsl"));

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, OpError> {
    let wrong = |m: String| Err(OpError::new("adamw", m));
    let [parameters, rest @ .., norm, state] = inputs else {
        return wrong(format!("expected 6 inputs, found {}", inputs.len()));
    };
    if rest.len() != 3 {
        return wrong(format!("expected 6 inputs, found {}", inputs.len()));
    }
    let n = parameters.len();
    if !n.is_multiple_of(4) || rest.iter().any(|r| r.len() != n) {
        let found: Vec<_> = rest.iter().map(Operand::len).collect();
        return wrong(format!("parameters, moments and gradients must have one length, a multiple of 4, found {n} and {found:?}"));
    }
    if norm.shape != [4] || state.shape != [8] {
        return wrong(format!("expected norm [4] and state [8], found {:?} and {:?}", norm.shape, state.shape));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return wrong("everything must exist once a step".into());
    }
    let unit = 0.0..1.0;
    if !unit.contains(&attrs.f64("beta1")) || !unit.contains(&attrs.f64("beta2")) || attrs.f32("epsilon") <= 0.0 {
        return wrong("betas must be in [0, 1) and epsilon above 0".into());
    }
    Ok(Inferred::default())
}

fn forward(c: &OpCtx) -> Phase {
    let n = c.inputs[0].len();
    let kernel = |entry, count: usize, bindings, cost| KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(count))),
            ("beta1", Value::F32(c.attrs.f32("beta1"))),
            ("beta2", Value::F32(c.attrs.f32("beta2"))),
            ("one_minus_beta1", Value::F32(one_minus(c.attrs.f64("beta1")))),
            ("one_minus_beta2", Value::F32(one_minus(c.attrs.f64("beta2")))),
            ("epsilon", Value::F32(c.attrs.f32("epsilon"))),
            ("weight_decay", Value::F32(c.attrs.f32("weight_decay"))),
        ],
        grid: Grid::Windows { per_window: count, per_group: 64, across: 1 },
        cost,
    };
    let norm = || Binding::input("norm", Slot::In(4), "norm_base");
    Phase {
        kernels: vec![
            kernel(
                "adamw_update",
                n / 4,
                vec![
                    Binding::output("parameters", Slot::In(0), "parameters_base"),
                    Binding::output("moment1", Slot::In(1), "moment1_base"),
                    Binding::output("moment2", Slot::In(2), "moment2_base"),
                    Binding::input("gradients", Slot::In(3), "gradients_base"),
                    norm(),
                    Binding::input("state", Slot::In(5), "state_base"),
                ],
                Cost::new(16 * n, 7 * n + 12),
            ),
            kernel("adamw_state", 1, vec![norm(), Binding::output("state", Slot::In(5), "state_base")], Cost::new(6, 20)),
        ],
        scratch: vec![],
    }
}

/// Subtracted in f64: in f32 1 - 0.999 keeps only four digits.
#[expect(clippy::cast_possible_truncation, reason = "rounded once, at the end")]
fn one_minus(beta: f64) -> f32 {
    (1.0 - beta) as f32
}

fn twin_forward(t: &mut TwinCall) {
    let [parameters, moment1, moment2, gradients, norm, state] = &mut t.inputs[..] else { panic!("adamw: six inputs") };
    let (factor, ok) = (norm.data[1], norm.data[2] != 0.0);
    let state = &mut state.data;
    if !ok {
        state[3] += 1.0;
        state[4] += 1.0;
        return;
    }
    let (beta1, beta2) = (t.attrs.f64("beta1"), t.attrs.f64("beta2"));
    let rate = f64::from(t.step.learning_rate);
    state[0] += 1.0;
    state[1] = beta1 * state[1] + 1.0 - beta1;
    state[2] = beta2 * state[2] + 1.0 - beta2;
    state[3] = 0.0;
    for (e, p) in parameters.data.iter_mut().enumerate() {
        let g = gradients.data[e] * factor;
        let (m, v) = (&mut moment1.data[e], &mut moment2.data[e]);
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *p *= 1.0 - rate * t.attrs.f64("weight_decay");
        *p -= rate / state[1] * *m / (v.sqrt() / state[2].sqrt() + t.attrs.f64("epsilon"));
    }
}

fn cases() -> Vec<Case> {
    // (moment1, moment2), norm, state
    let case = |name, length: usize, (moment1, moment2), norm, state, weight_decay| {
        let input = |length: usize, fill| CaseInput { grad: false, ..CaseInput::step(&[length], fill) };
        let attrs = [("beta1", 0.9), ("beta2", 0.999), ("epsilon", 1e-8), ("weight_decay", weight_decay)];
        Case {
            name,
            attrs: Attrs::new(&attrs),
            inputs: vec![
                input(length, Fill::Normal(1.0)),
                input(length, moment1),
                input(length, moment2),
                input(length, Fill::Normal(0.1)),
                input(4, norm),
                input(8, state),
            ],
            windows: 1,
            reduction: 4,
        }
    };
    let start = (Fill::Constant(0.0), Fill::Constant(0.0));
    let later = (Fill::Normal(0.1), Fill::Uniform(0.001, 0.1));
    let (zero, one) = (Fill::Constant(0.0), Fill::Constant(1.0));
    vec![
        case("first step", 4, start, one, zero, 0.01),
        case("a workgroup less one", 252, start, Fill::Constant(0.5), zero, 0.0),
        case("a workgroup, under way", 256, later, one, Fill::Uniform(0.2, 0.9), 0.01),
        case("a workgroup and one", 260, later, Fill::Constant(0.25), Fill::Constant(0.5), 0.1),
        case("long after, corrections are 1", 4092, later, one, one, 0.01),
        case("several blocks", 3 * 4096 + 4, later, Fill::Uniform(0.1, 1.0), Fill::Uniform(0.2, 0.9), 0.01),
        case("a bad first step", 260, start, zero, zero, 0.01),
        case("a bad step under way", 4092, later, zero, Fill::Uniform(0.2, 0.9), 0.01),
    ]
}
