//! AdamW as PyTorch defines it. It updates flat buffers in place. With g = gradient times clip factor:
//! `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
//! `p = p (1 - rate decay) - rate / c1 m / (sqrt(v) / sqrt(c2) + epsilon)`, `c = 1 - beta^t`.
//!
//! Inputs, all per step: parameters, moment1, moment2, gradients, each `[P]` (P is a multiple of 4; zeros used as padding stay zeros), norm
//! `[4]` from `grad_norm`, state `[8]` = (steps, c1, c2, consecutive bad steps, all bad steps, 0, 0, 0). There are no outputs: the op
//! updates parameters, moments and state. Attributes: `beta1`, `beta2`, `epsilon`, `weight_decay`, `grouped`. The learning rate is a value
//! of the step. With `grouped` there is a seventh input, groups `[G, 4]`: (first element / 4, share of the learning rate, decay, 0), the
//! first elements ascending from 0. Each element follows the last group that begins at or before it, and `weight_decay` is not used. The state carries c from step to step, `c' = beta c + (1 - beta)`, so that the device computes no power. If the flag ok of the
//! norm is 0, only the counters of bad steps change.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_f32, to_u32,
};
use super::expect::{exactly, expect_count};
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Inputs: parameters, moment1, moment2, gradients, norm, state. No outputs.
    pub struct AdamW {
        /// Decay of the first moment, in [0, 1).
        pub beta1: f64,
        /// Decay of the second moment, in [0, 1).
        pub beta2: f64,
        /// Added to the square root of the second moment; above 0.
        pub epsilon: f64,
        /// Decoupled weight decay, relative to the learning rate.
        pub weight_decay: f64,
        /// Whether learning rate and decay depend on the group of the element.
        pub grouped: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "adamw",
    summary: "p = p (1 - rate decay) - rate / c1 m / (sqrt(v / c2) + epsilon), unless the step was bad",
    attrs: AdamW::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[0, 1, 2, 5],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("it is part of the optimiser"),
    twin: Twin::new(twin_forward, no_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/adamw.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let grouped = AdamW::of(attrs).grouped;
    expect_count(inputs, 6 + usize::from(grouped))?;
    let [parameters, moment1, moment2, gradients, norm, state] = exactly(&inputs[..6])?;
    let rest = [moment1, moment2, gradients];
    let n = parameters.len();
    if !n.is_multiple_of(4) || rest.iter().any(|r| r.len() != n) {
        let found = rest.map(Operand::len);
        return Err(format!("parameters, moments and gradients must have the same length, a multiple of 4, found {n} and {found:?}"));
    }
    if norm.shape != [4] || state.shape != [8] {
        return Err(format!("expected norm [4] and state [8], found {:?} and {:?}", norm.shape, state.shape));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("every input must be per step".into());
    }
    if let Some(groups) = inputs.get(6)
        && (groups.is_empty() || groups.shape.len() != 2 || groups.last() != 4)
    {
        return Err(format!("groups must be [G, 4], found {:?}", groups.shape));
    }
    let (unit, AdamW { beta1, beta2, epsilon, .. }) = (0.0..1.0, AdamW::of(attrs));
    if !unit.contains(&beta1) || !unit.contains(&beta2) || to_f32(epsilon) <= 0.0 {
        return Err("betas must be in [0, 1) and epsilon above 0".into());
    }
    Ok(Inferred::default())
}

fn forward(c: &OpCtx) -> Phase {
    let (n, a) = (c.inputs[0].len(), AdamW::of(c.attrs));
    let kernel = |entry, count: usize, bindings, cost| KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(count))),
            ("beta1", Value::F32(to_f32(a.beta1))),
            ("beta2", Value::F32(to_f32(a.beta2))),
            ("one_minus_beta1", Value::F32(one_minus(a.beta1))),
            ("one_minus_beta2", Value::F32(one_minus(a.beta2))),
            ("epsilon", Value::F32(to_f32(a.epsilon))),
            ("weight_decay", Value::F32(to_f32(a.weight_decay))),
            ("n_groups", Value::U32(c.inputs.get(6).map_or(0, |groups| to_u32(groups.rows())))),
        ],
        grid: Grid::Windows { per_window: count, per_group: 64, across: 1 },
        cost,
    };
    let norm = || Binding::input("norm", Slot::In(4), "norm_base");
    let mut bindings = vec![
        Binding::output("parameters", Slot::In(0), "parameters_base"),
        Binding::output("moment1", Slot::In(1), "moment1_base"),
        Binding::output("moment2", Slot::In(2), "moment2_base"),
        Binding::input("gradients", Slot::In(3), "gradients_base"),
        norm(),
        Binding::input("state", Slot::In(5), "state_base"),
    ];
    if a.grouped {
        bindings.push(Binding::input("groups", Slot::In(6), "groups_base"));
    }
    let update = if a.grouped { "adamw_update_groups" } else { "adamw_update" };
    Phase {
        kernels: vec![
            kernel(update, n / 4, bindings, Cost::new(16 * n, 7 * n + 12)),
            kernel("adamw_state", 1, vec![norm(), Binding::output("state", Slot::In(5), "state_base")], Cost::new(6, 20)),
        ],
        scratch: vec![],
    }
}

/// The subtraction is in f64, because in f32 1 - 0.999 keeps only four digits.
#[expect(clippy::cast_possible_truncation, reason = "rounded once, at the end")]
fn one_minus(beta: f64) -> f32 {
    (1.0 - beta) as f32
}

fn twin_forward(t: &mut TwinCall) {
    let groups = t.inputs.get(6).map(|groups| groups.data.clone());
    let [parameters, moment1, moment2, gradients, norm, state] = &mut t.inputs[..6] else { panic!("adamw takes six inputs") };
    let (factor, ok) = (norm.data[1], norm.data[2] != 0.0);
    let state = &mut state.data;
    if !ok {
        state[3] += 1.0;
        state[4] += 1.0;
        return;
    }
    let AdamW { beta1, beta2, epsilon, weight_decay, .. } = AdamW::of(t.attrs);
    let peak = f64::from(t.step.learning_rate);
    state[0] += 1.0;
    state[1] = beta1 * state[1] + 1.0 - beta1;
    state[2] = beta2 * state[2] + 1.0 - beta2;
    state[3] = 0.0;
    for (e, p) in parameters.data.iter_mut().enumerate() {
        let (rate, weight_decay) = match &groups {
            Some(groups) => {
                let mine = groups.chunks(4).take_while(|g| 4.0 * g[0] <= e as f64).last().unwrap_or(&[0.0; 4]);
                (peak * mine[1], mine[2])
            }
            None => (peak, weight_decay),
        };
        let g = gradients.data[e] * factor;
        let (m, v) = (&mut moment1.data[e], &mut moment2.data[e]);
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *p *= 1.0 - rate * weight_decay;
        *p -= rate / state[1] * *m / (v.sqrt() / state[2].sqrt() + epsilon);
    }
}

fn cases() -> Vec<Case> {
    // (moment1, moment2), norm, state
    let case = |name, length: usize, (moment1, moment2), norm, state, weight_decay| {
        let input = |length: usize, fill| CaseInput { grad: false, ..CaseInput::step(&[length], fill) };
        Case {
            name,
            attrs: AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay, grouped: false }.attrs(),
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
    let grouped = |mut case: Case, groups: &'static [f32]| {
        case.attrs = AdamW { grouped: true, ..AdamW::of(&case.attrs) }.attrs();
        case.inputs.push(CaseInput { grad: false, ..CaseInput::step(&[groups.len() / 4, 4], Fill::Values(groups)) });
        case
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
        grouped(case("one group", 260, later, one, Fill::Uniform(0.2, 0.9), 0.5), &[0.0, 0.1, 0.01, 0.0]),
        grouped(
            case("groups of rates and decays", 4092, later, one, Fill::Uniform(0.2, 0.9), 0.5),
            &[0.0, 1.0, 0.01, 0.0, 16.0, 0.1, 0.0, 0.0, 17.0, 0.0, 0.0, 0.0, 700.0, 0.03, 0.1, 0.0],
        ),
        case("a bad first step", 260, start, zero, zero, 0.01),
        case("a bad step under way", 4092, later, zero, Fill::Uniform(0.2, 0.9), 0.01),
    ]
}
