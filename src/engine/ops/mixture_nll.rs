//! Negative log-likelihood of the observed targets of a window under a mixture of Gaussians, by log-sum-exp:
//! `nll = sum over observed of (lse_k logit_k - lse_k term_k)`, `term_k = logit_k - z_k^2 / 2 - log_std_k - ln(2 pi) / 2`,
//! `z_k = (y - mean_k) / std_k`.
//!
//! Inputs: mixture `[3, H, Nt, K]` (mean, log std, logit), target `[H, Nt]`, observed `[H, Nt]` in {0, 1} (data, no gradient). Output: nll
//! `[1]`. With `r = softmax(term)` and `w = softmax(logit)`, times d_nll: `d_mean = -r z / std`, `d_log_std = r (1 - z^2)`,
//! `d_logit = w - r`; all are 0 if the target is unobserved. Nothing is saved: the backward pass recomputes the log-sums.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: mixture, target, observed. Output: nll of each window.
    pub struct MixtureNll;
}

pub(super) static OP: OpDef = OpDef {
    name: "mixture_nll",
    summary: "nll = -sum over observed of ln sum_k softmax(logit)_k N(target; mean_k, std_k)",
    attrs: MixtureNll::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2],
    keeps_outputs: &[],
    updates: &[],
    data: &[1, 2],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/mixture_nll.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [mixture, target, observed] = exactly(inputs)?;
    let [3, steps, targets, components] = mixture.shape[..] else {
        return Err(format!("the mixture must be [3, steps, targets, components], found {:?}", mixture.shape));
    };
    if components == 0 {
        return Err("a mixture needs at least one component".into());
    }
    for (name, other) in [("targets", target), ("observed", observed)] {
        if other.shape != [steps, targets] || other.scope != mixture.scope {
            let expected = format!("[{steps}, {targets}] ({:?})", mixture.scope);
            return Err(format!("with {components} components {name} must be {expected}, found {:?} ({:?})", other.shape, other.scope));
        }
    }
    Ok(Inferred { outputs: vec![vec![1]], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, outer: Vec<Binding>, grid: Grid, cost: Cost) -> KernelDef {
    let mut bindings = vec![
        Binding::input("mixture", Slot::In(0), "mixture_base"),
        Binding::input("truth", Slot::In(1), "truth_base"),
        Binding::input("observed", Slot::In(2), "observed_base"),
    ];
    bindings.extend(outer);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(c.inputs[1].len()))),
            ("components", Value::U32(to_u32(c.inputs[0].last()))),
            ("accumulate_mixture", c.accumulates(0)),
        ],
        grid,
        cost,
    }
}

fn forward(c: &OpCtx) -> Phase {
    let (n, targets) = (c.inputs[0].len(), c.inputs[1].len());
    let outer = vec![Binding::output("nll", Slot::Out(0), "nll_base")];
    let grid = Grid::Windows { per_window: 1, per_group: 1, across: 1 };
    Phase { kernels: vec![kernel(c, "mixture_nll_forward", outer, grid, Cost::new(16 * n, n + 2 * targets + 1))], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let (n, targets) = (c.inputs[0].len(), c.inputs[1].len());
    let outer = vec![Binding::input("d_nll", Slot::DOut(0), "d_nll_base"), Binding::output("d_mixture", Slot::DIn(0), "d_mixture_base")];
    let grid = Grid::Windows { per_window: targets, per_group: 64, across: 1 };
    Phase { kernels: vec![kernel(c, "mixture_nll_backward", outer, grid, Cost::new(28 * n, 2 * n + 2 * targets + 1))], scratch: vec![] }
}

fn log_sum_exp(terms: &[f64]) -> f64 {
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + terms.iter().map(|v| (v - most).exp()).sum::<f64>().ln()
}

/// Scores, standard deviations, terms and logits of the components of a target's mixture.
struct Scored {
    z: Vec<f64>,
    std: Vec<f64>,
    terms: Vec<f64>,
    logits: Vec<f64>,
}

/// The mixture components of target `i` of `count`, at the value `y`.
fn scored(mixture: &[f64], count: usize, components: usize, i: usize, y: f64) -> Scored {
    let part = |c: usize| &mixture[(c * count + i) * components..][..components];
    let std: Vec<f64> = part(1).iter().map(|v| v.exp()).collect();
    let z: Vec<f64> = part(0).iter().zip(&std).map(|(mean, std)| (y - mean) / std).collect();
    let constant = 0.5 * std::f64::consts::TAU.ln();
    let terms = (0..components).map(|k| part(2)[k] - 0.5 * z[k] * z[k] - part(1)[k] - constant).collect();
    Scored { z, std, terms, logits: part(2).to_vec() }
}

fn twin_forward(t: &mut TwinCall) {
    let (count, components) = (t.inputs[1].operand.len(), t.inputs[0].operand.last());
    for w in 0..t.windows {
        let (mixture, target, observed) = (t.inputs[0].window(w), t.inputs[1].window(w), t.inputs[2].window(w));
        let mut total = 0.0;
        for i in (0..count).filter(|i| observed[*i] != 0.0) {
            let s = scored(mixture, count, components, i, target[i]);
            total += (log_sum_exp(&s.logits) - log_sum_exp(&s.terms)) * observed[i];
        }
        t.outputs[0].window_mut(w)[0] = total;
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (count, components) = (t.inputs[1].operand.len(), t.inputs[0].operand.last());
    for w in 0..t.windows {
        let (mixture, target, observed) = (t.inputs[0].window(w).to_vec(), t.inputs[1].window(w).to_vec(), t.inputs[2].window(w).to_vec());
        let d_nll = t.d_outputs[0].window(w)[0];
        let Some(d_mixture) = t.d_input(0, w) else { return };
        for i in (0..count).filter(|i| observed[*i] != 0.0) {
            let s = scored(&mixture, count, components, i, target[i]);
            let (logits, terms) = (log_sum_exp(&s.logits), log_sum_exp(&s.terms));
            let d = d_nll * observed[i];
            for k in 0..components {
                let r = (s.terms[k] - terms).exp();
                let at = |c: usize| (c * count + i) * components + k;
                d_mixture[at(0)] -= d * r * s.z[k] / s.std[k];
                d_mixture[at(1)] += d * r * (1.0 - s.z[k] * s.z[k]);
                d_mixture[at(2)] += d * ((s.logits[k] - logits).exp() - r);
            }
        }
    }
}

fn cases() -> Vec<Case> {
    // (steps, targets, components), (mixture, target, observed)
    let case = |name, (steps, targets, components): (usize, usize, usize), (mixture, target, observed), windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::window(&[3, steps, targets, components], mixture),
            CaseInput::data(&[steps, targets], target),
            CaseInput::data(&[steps, targets], observed),
        ],
        windows,
        reduction: steps * targets,
    };
    let usual = (Fill::Normal(1.0), Fill::Normal(1.0), Fill::Mask(0.8));
    vec![
        case("one target, one component", (1, 1, 1), (Fill::Normal(1.0), Fill::Normal(1.0), Fill::Mask(1.0)), 1),
        case("a workgroup less one", (9, 7, 3), usual, 1),
        case("a workgroup", (8, 8, 2), usual, 3),
        case("a workgroup and one", (13, 5, 3), usual, 3),
        case("several windows", (197, 1, 3), usual, 5),
        case("more than 256 targets, eight components", (43, 6, 8), usual, 2),
        case("nothing observed", (5, 3, 3), (Fill::Normal(1.0), Fill::Constant(0.0), Fill::Mask(0.0)), 3),
        case("the whole range of deviations", (12, 5, 3), (Fill::Uniform(-7.0, 5.0), Fill::Normal(1.0), Fill::Mask(0.7)), 3),
        case("targets far off", (12, 5, 2), (Fill::Normal(1.0), Fill::Normal(1000.0), Fill::Mask(0.7)), 3),
        case("equal components", (12, 5, 4), (Fill::Constant(-0.5), Fill::Normal(1.0), Fill::Mask(0.7)), 3),
    ]
}
