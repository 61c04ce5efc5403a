//! Loss of the observed targets of a window for a head that outputs values instead of a density:
//! `loss = sum over observed of mean_q l(y - v_q)`.
//!
//! Inputs: values `[1, H, Nt, Q]`, target `[H, Nt]`, observed `[H, Nt]` in {0, 1}, levels `[Q]` per step (data, no gradient; only pinball
//! reads their values). Attributes: `kind` (0 squared, 1 absolute, 2 Huber, 3 pinball) and `delta` of Huber. Output `[1]`. With e = y - v:
//! `l = e^2`; `|e|`; `e^2 / 2` up to delta and `delta (|e| - delta / 2)` beyond; `max(p e, (p - 1) e)`. The slope at a kink is 0; for the
//! pinball loss at e = 0 it is the left slope.

use super::attrs::{AttrKind, AttrType, Attrs, Operation, chosen, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_f32, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

/// Kind of loss; the shader uses the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// `e^2`.
    Squared = 0,
    /// `|e|`.
    Absolute = 1,
    /// `e^2 / 2` up to delta, `delta (|e| - delta / 2)` beyond.
    Huber = 2,
    /// `max(p e, (p - 1) e)`, where p is the level of the value.
    Pinball = 3,
}

impl AttrType for Loss {
    const KIND: AttrKind = AttrKind::Choice(&["squared", "absolute", "huber", "pinball"]);

    fn numbers(&self) -> Vec<f64> {
        vec![f64::from(*self as u8)]
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        chosen(&[Self::Squared, Self::Absolute, Self::Huber, Self::Pinball], numbers)
    }
}

operation! {
    /// Inputs: values, target, observed, levels. Output: loss of each window.
    pub struct ValueLoss {
        /// Kind of loss.
        pub kind: Loss,
        /// Where the Huber loss becomes linear; the other losses do not use it.
        pub delta: f64,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "value_loss",
    summary: "loss = sum over observed of mean_q l(target - value_q), l squared, absolute, Huber or pinball",
    attrs: ValueLoss::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2, 3],
    keeps_outputs: &[],
    updates: &[],
    data: &[1, 2, 3],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/value_loss.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [values, target, observed, levels] = exactly(inputs)?;
    let [1, steps, targets, q] = values.shape[..] else {
        return Err(format!("the values must be [1, steps, targets, Q], found {:?}", values.shape));
    };
    for (name, other) in [("targets", target), ("observed", observed)] {
        if other.shape != [steps, targets] || other.scope != values.scope {
            return Err(format!("{name} must be [{steps}, {targets}] ({:?}), found {:?} ({:?})", values.scope, other.shape, other.scope));
        }
    }
    if q == 0 || levels.shape != [q] || levels.scope != Scope::Step {
        return Err(format!("expected levels [{q}] per step, found {:?}", levels.shape));
    }
    Ok(Inferred { outputs: vec![vec![1]], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, outer: Vec<Binding>, grid: Grid) -> KernelDef {
    let n = c.inputs[0].len();
    let mut bindings = vec![
        Binding::input("values", Slot::In(0), "values_base"),
        Binding::input("truth", Slot::In(1), "truth_base"),
        Binding::input("observed", Slot::In(2), "observed_base"),
        Binding::input("levels", Slot::In(3), "levels_base"),
    ];
    bindings.extend(outer);
    let ValueLoss { kind, delta } = ValueLoss::of(c.attrs);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(c.inputs[1].len()))),
            ("n_values", Value::U32(to_u32(c.inputs[0].last()))),
            ("kind", Value::U32(kind as u32)),
            ("delta", Value::F32(to_f32(delta))),
            ("accumulate_values", c.accumulates(0)),
        ],
        grid,
        cost: Cost::new(6 * n, 2 * n + 2 * c.inputs[1].len()),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let grid = Grid::Windows { per_window: 1, per_group: 1, across: 1 };
    let bindings = vec![Binding::output("loss", Slot::Out(0), "loss_base")];
    Phase { kernels: vec![kernel(c, "value_loss_forward", bindings, grid)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let grid = Grid::Windows { per_window: c.inputs[1].len(), per_group: 64, across: 1 };
    let bindings = vec![Binding::input("d_loss", Slot::DOut(0), "d_loss_base"), Binding::output("d_values", Slot::DIn(0), "d_values_base")];
    Phase { kernels: vec![kernel(c, "value_loss_backward", bindings, grid)], scratch: vec![] }
}

/// Loss of the error e, and its derivative.
fn loss(kind: Loss, delta: f64, level: f64, e: f64) -> (f64, f64) {
    let sign = if e == 0.0 { 0.0 } else { e.signum() };
    match kind {
        Loss::Squared => (e * e, 2.0 * e),
        Loss::Absolute => (e.abs(), sign),
        Loss::Huber if e.abs() <= delta => (0.5 * e * e, e),
        Loss::Huber => (delta * (e.abs() - 0.5 * delta), delta * sign),
        Loss::Pinball => ((level * e).max((level - 1.0) * e), if e > 0.0 { level } else { level - 1.0 }),
    }
}

/// Calls `visit` for each value of an observed target of window `w`, with the index of the value, its loss and the derivative.
fn each(t: &TwinCall, w: usize, mut visit: impl FnMut(usize, f64, f64)) {
    let q = t.inputs[0].operand.last();
    let ValueLoss { kind, delta } = ValueLoss::of(t.attrs);
    let [values, target, observed] = [0, 1, 2].map(|i| t.inputs[i].window(w));
    let share = 1.0 / q as f64;
    for (e, value) in values.iter().enumerate().filter(|(e, _)| observed[e / q] != 0.0) {
        let (l, slope) = loss(kind, delta, t.inputs[3].data[e % q], target[e / q] - value);
        visit(e, share * l * observed[e / q], share * slope * observed[e / q]);
    }
}

fn twin_forward(t: &mut TwinCall) {
    for w in 0..t.windows {
        let mut total = 0.0;
        each(t, w, |_, l, _| total += l);
        t.outputs[0].window_mut(w)[0] = total;
    }
}

fn twin_backward(t: &mut TwinCall) {
    for w in 0..t.windows {
        let mut d = vec![0.0; t.inputs[0].operand.len()];
        let d_loss = t.d_outputs[0].window(w)[0];
        each(t, w, |e, _, slope| d[e] = -slope * d_loss);
        if let Some(d_values) = t.d_input(0, w) {
            d_values.iter_mut().zip(d).for_each(|(to, d)| *to += d);
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [steps, targets, q]: [usize; 3], kind: Loss, observed, windows| {
        let levels = (0..q).map(|i| (i + 1) as f32 / (q + 1) as f32).collect();
        Case {
            name,
            attrs: ValueLoss { kind, delta: 0.75 }.attrs(),
            inputs: vec![
                CaseInput::window(&[1, steps, targets, q], Fill::Normal(1.0)),
                CaseInput::data(&[steps, targets], Fill::Normal(1.0)),
                CaseInput::data(&[steps, targets], Fill::Mask(observed)),
                CaseInput { grad: false, ..CaseInput::step(&[q], Fill::values(levels)) },
            ],
            windows,
            reduction: steps * targets * q,
        }
    };
    vec![
        case("one value", [1, 1, 1], Loss::Squared, 1.0, 1),
        case("squared", [9, 7, 1], Loss::Squared, 0.8, 3),
        case("absolute", [8, 8, 1], Loss::Absolute, 0.8, 2),
        case("huber", [13, 5, 1], Loss::Huber, 0.8, 3),
        case("pinball", [12, 5, 7], Loss::Pinball, 0.8, 3),
        case("more than 256 targets", [43, 7, 3], Loss::Pinball, 0.7, 2),
        case("nothing observed", [5, 3, 2], Loss::Huber, 0.0, 2),
    ]
}
