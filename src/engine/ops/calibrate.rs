//! A mixture whose spread is multiplied by exp(f) about its own mean (section 9b of docs/model.md):
//! `centre = sum_k softmax(logit)_k mean_k`, `mean'_k = centre + exp(f) (mean_k - centre)`, `log_std'_k = log_std_k + f`, `logit' = logit`.
//!
//! Inputs: mixture `[3, H, Nt, K]` (mean, log std, logit); factor `[H, Nt]`, f, per step (fitted after training: no gradient). Output: the
//! mixture. Backward, with `D = sum_k d_mean'_k` and w the weights: `d_mean_k = exp(f) d_mean'_k + (1 - exp(f)) w_k D`,
//! `d_logit_k = d_logit'_k + (1 - exp(f)) w_k (mean_k - centre) D`, `d_log_std = d_log_std'`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;
use crate::numbers::softmax;

operation! {
    /// Inputs: mixture, factor. Output: the mixture.
    pub struct Calibrate;
}

pub(super) static OP: OpDef = OpDef {
    name: "calibrate",
    summary: "mean' = centre + exp(f) (mean - centre), log_std' = log_std + f, centre = sum_k softmax(logit)_k mean_k",
    attrs: Calibrate::ATTRS,
    infer,
    keeps_inputs: &[0, 1],
    keeps_outputs: &[],
    updates: &[],
    data: &[1],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/calibrate.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [mixture, factor] = exactly(inputs)?;
    let [3, steps, targets, components] = mixture.shape[..] else {
        return Err(format!("the mixture must be [3, steps, targets, components], found {:?}", mixture.shape));
    };
    if components == 0 || factor.shape != [steps, targets] || factor.scope != Scope::Step {
        return Err(format!("the factor must be [{steps}, {targets}] (Step), found {:?} ({:?})", factor.shape, factor.scope));
    }
    Ok(Inferred { outputs: vec![mixture.shape.clone()], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, outer: Vec<Binding>) -> KernelDef {
    let (n, items) = (c.inputs[0].len(), c.inputs[1].len());
    let bindings = [Binding::input("mixture", Slot::In(0), "mixture_base"), Binding::parameters("factor", &[(Slot::In(1), "factor_base")])];
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings: bindings.into_iter().chain(outer).collect(),
        params: vec![
            ("count", Value::U32(to_u32(items))),
            ("components", Value::U32(to_u32(c.inputs[0].last()))),
            ("accumulate_mixture", c.accumulates(0)),
        ],
        grid: Grid::Windows { per_window: items, per_group: 64, across: 1 },
        cost: Cost::new(6 * n, 3 * n + items),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let outer = vec![Binding::output("calibrated", Slot::Out(0), "calibrated_base")];
    Phase { kernels: vec![kernel(c, "calibrate_forward", outer)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let outer = vec![
        Binding::input("d_calibrated", Slot::DOut(0), "d_calibrated_base"),
        Binding::output("d_mixture", Slot::DIn(0), "d_mixture_base"),
    ];
    Phase { kernels: vec![kernel(c, "calibrate_backward", outer)], scratch: vec![] }
}

fn twin_forward(t: &mut TwinCall) {
    let (count, k) = (t.inputs[1].operand.len(), t.inputs[0].operand.last());
    for w in 0..t.windows {
        let mixture = t.inputs[0].window(w).to_vec();
        let out = t.outputs[0].window_mut(w);
        for i in 0..count {
            let part = |c: usize| (c * count + i) * k..(c * count + i + 1) * k;
            let (mean, f) = (&mixture[part(0)], t.inputs[1].data[i]);
            let centre: f64 = softmax(&mixture[part(2)]).iter().zip(mean).map(|(w, m)| w * m).sum();
            out[part(0)].iter_mut().zip(mean).for_each(|(to, m)| *to = centre + f.exp() * (m - centre));
            out[part(1)].iter_mut().zip(&mixture[part(1)]).for_each(|(to, s)| *to = s + f);
            out[part(2)].copy_from_slice(&mixture[part(2)]);
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (count, k) = (t.inputs[1].operand.len(), t.inputs[0].operand.last());
    let factor = t.inputs[1].data.clone();
    for w in 0..t.windows {
        let (mixture, d) = (t.inputs[0].window(w).to_vec(), t.d_outputs[0].window(w).to_vec());
        let Some(d_mixture) = t.d_input(0, w) else { return };
        for (i, f) in factor.iter().enumerate().take(count) {
            let at = |c: usize, e: usize| (c * count + i) * k + e;
            let share = softmax(&mixture[at(2, 0)..at(2, 0) + k]);
            let centre: f64 = (0..k).map(|e| share[e] * mixture[at(0, e)]).sum();
            let total: f64 = (0..k).map(|e| d[at(0, e)]).sum();
            let grown = f.exp();
            for e in 0..k {
                d_mixture[at(0, e)] += grown * d[at(0, e)] + (1.0 - grown) * share[e] * total;
                d_mixture[at(1, e)] += d[at(1, e)];
                d_mixture[at(2, e)] += d[at(2, e)] + (1.0 - grown) * share[e] * (mixture[at(0, e)] - centre) * total;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [steps, targets, components]: [usize; 3], factor, windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::window(&[3, steps, targets, components], Fill::Normal(1.0)),
            CaseInput { grad: false, ..CaseInput::parameter(&[steps, targets], factor) },
        ],
        windows,
        reduction: components,
    };
    let usual = Fill::Uniform(-0.4, 0.6);
    vec![
        case("one component", [1, 1, 1], usual, 1),
        case("a workgroup less one", [9, 7, 3], usual, 1),
        case("a workgroup", [8, 8, 2], usual, 3),
        case("a workgroup and one", [13, 5, 3], usual, 3),
        case("eight components", [5, 3, 8], usual, 5),
        case("not fitted", [6, 4, 3], Fill::Constant(0.0), 2),
    ]
}
