//! Continuous ranked probability score (CRPS) of the observed targets of a window under a mixture of Gaussians, in closed form (Grimit et
//! al., 2006): `crps = sum over observed of (sum_k w_k A(y - mean_k, s_k) - 1/2 sum_kl w_k w_l A(mean_k - mean_l, sqrt(s_k^2 + s_l^2)))`,
//! `w = softmax(logit)`, `s = exp(log std)`, `A(d, s) = d erf(d / (s sqrt 2)) + s sqrt(2 / pi) exp(-d^2 / (2 s^2))`.
//!
//! Inputs: mixture `[3, H, Nt, K]` (mean, log std, logit), target `[H, Nt]`, observed `[H, Nt]` in {0, 1} (data, no gradient). Output: crps
//! `[1]`. With `S_kl` the root of both variances and phi the normal density, times d_crps:
//! `d_mean_k = -w_k (erf((y - mean_k) / (s_k sqrt 2)) + sum_l w_l erf((mean_k - mean_l) / (S_kl sqrt 2)))`,
//! `d_log_std_k = 2 w_k (s_k phi((y - mean_k) / s_k) - sum_l w_l phi((mean_k - mean_l) / S_kl) s_k^2 / S_kl)`,
//! `d_logit_k = w_k (g_k - sum_l w_l g_l)`, `g_k = A(y - mean_k, s_k) - sum_l w_l A(mean_k - mean_l, S_kl)`. The kernels compute erf by a
//! rational approximation with an absolute error of 1.5e-7 (Abramowitz and Stegun, 7.1.26).

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;
use crate::numbers::softmax;
use std::f64::consts::{PI, SQRT_2};

operation! {
    /// Inputs: mixture, target, observed. Output: CRPS of each window.
    pub struct MixtureCrps;
}

pub(super) static OP: OpDef = OpDef {
    name: "mixture_crps",
    summary: "crps = sum over observed of sum_k w_k A(y - mean_k, s_k) - 1/2 sum_kl w_k w_l A(mean_k - mean_l, S_kl)",
    attrs: MixtureCrps::ATTRS,
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

const SOURCE: &str = wgsl!("ops/mixture_crps.wgsl", "lib/step.wgsl");

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
            return Err(format!("{name} must be {expected}, found {:?} ({:?})", other.shape, other.scope));
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
    let (n, targets, k) = (c.inputs[0].len(), c.inputs[1].len(), c.inputs[0].last());
    let outer = vec![Binding::output("crps", Slot::Out(0), "crps_base")];
    let grid = Grid::Windows { per_window: 1, per_group: 1, across: 1 };
    let cost = Cost::new(10 * targets * k * (k + 1), n + 2 * targets + 1);
    Phase { kernels: vec![kernel(c, "mixture_crps_forward", outer, grid, cost)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let (n, targets, k) = (c.inputs[0].len(), c.inputs[1].len(), c.inputs[0].last());
    let outer = vec![Binding::input("d_crps", Slot::DOut(0), "d_crps_base"), Binding::output("d_mixture", Slot::DIn(0), "d_mixture_base")];
    let grid = Grid::Windows { per_window: targets, per_group: 64, across: 1 };
    let cost = Cost::new(30 * targets * k * (k + 1), 2 * n + 2 * targets + 1);
    Phase { kernels: vec![kernel(c, "mixture_crps_backward", outer, grid, cost)], scratch: vec![] }
}

/// E|X| of X ~ N(d, s), its derivative by d, and the normal density at d / s.
fn distance(d: f64, s: f64) -> (f64, f64, f64) {
    let z = d / s;
    let (erf, density) = (libm::erf(z / SQRT_2), (-0.5 * z * z).exp() / (2.0 * PI).sqrt());
    (d * erf + 2.0 * s * density, erf, density)
}

/// Means, standard deviations and weights of the components of a target.
struct Components {
    mean: Vec<f64>,
    std: Vec<f64>,
    weight: Vec<f64>,
}

impl Components {
    fn of(mixture: &[f64], count: usize, k: usize, i: usize) -> Self {
        let part = |c: usize| &mixture[(c * count + i) * k..][..k];
        Self { mean: part(0).to_vec(), std: part(1).iter().map(|v| v.exp()).collect(), weight: softmax(part(2)) }
    }

    /// The root of both variances.
    fn joint(&self, a: usize, b: usize) -> f64 {
        self.std[a].hypot(self.std[b])
    }
}

fn twin_forward(t: &mut TwinCall) {
    let (count, k) = (t.inputs[1].operand.len(), t.inputs[0].operand.last());
    for w in 0..t.windows {
        let (mixture, target, observed) = (t.inputs[0].window(w), t.inputs[1].window(w), t.inputs[2].window(w));
        let mut total = 0.0;
        for i in (0..count).filter(|i| observed[*i] != 0.0) {
            let c = Components::of(mixture, count, k, i);
            let mut one = 0.0;
            for a in 0..k {
                one += c.weight[a] * distance(target[i] - c.mean[a], c.std[a]).0;
                for b in 0..k {
                    one -= 0.5 * c.weight[a] * c.weight[b] * distance(c.mean[a] - c.mean[b], c.joint(a, b)).0;
                }
            }
            total += one * observed[i];
        }
        t.outputs[0].window_mut(w)[0] = total;
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (count, k) = (t.inputs[1].operand.len(), t.inputs[0].operand.last());
    for w in 0..t.windows {
        let (mixture, target, observed) = (t.inputs[0].window(w).to_vec(), t.inputs[1].window(w).to_vec(), t.inputs[2].window(w).to_vec());
        let d_crps = t.d_outputs[0].window(w)[0];
        let Some(d_mixture) = t.d_input(0, w) else { return };
        for i in (0..count).filter(|i| observed[*i] != 0.0) {
            let c = Components::of(&mixture, count, k, i);
            let d = d_crps * observed[i];
            let (mut by_mean, mut by_std, mut by_weight) = (vec![0.0; k], vec![0.0; k], vec![0.0; k]);
            for a in 0..k {
                let (value, erf, density) = distance(target[i] - c.mean[a], c.std[a]);
                by_mean[a] -= erf;
                by_std[a] += 2.0 * density * c.std[a];
                by_weight[a] += value;
                for b in 0..k {
                    let joint = c.joint(a, b);
                    let (value, erf, density) = distance(c.mean[a] - c.mean[b], joint);
                    by_mean[a] -= c.weight[b] * erf;
                    by_std[a] -= 2.0 * c.weight[b] * density * c.std[a] * c.std[a] / joint;
                    by_weight[a] -= c.weight[b] * value;
                }
            }
            let centre: f64 = c.weight.iter().zip(&by_weight).map(|(w, g)| w * g).sum();
            for a in 0..k {
                let at = |part: usize| (part * count + i) * k + a;
                d_mixture[at(0)] += d * c.weight[a] * by_mean[a];
                d_mixture[at(1)] += d * c.weight[a] * by_std[a];
                d_mixture[at(2)] += d * c.weight[a] * (by_weight[a] - centre);
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
        reduction: steps * targets * components,
    };
    let usual = (Fill::Normal(1.0), Fill::Normal(1.0), Fill::Mask(0.8));
    vec![
        case("one target, one component", (1, 1, 1), (Fill::Normal(1.0), Fill::Normal(1.0), Fill::Mask(1.0)), 1),
        case("a workgroup less one", (9, 7, 3), usual, 1),
        case("a workgroup", (8, 8, 2), usual, 3),
        case("a workgroup and one", (13, 5, 3), usual, 3),
        case("more than 256 targets, eight components", (43, 6, 8), usual, 2),
        case("nothing observed", (5, 3, 3), (Fill::Normal(1.0), Fill::Constant(0.0), Fill::Mask(0.0)), 3),
        case("the whole range of deviations", (12, 5, 3), (Fill::Uniform(-7.0, 5.0), Fill::Normal(1.0), Fill::Mask(0.7)), 3),
        case("targets far off", (12, 5, 2), (Fill::Normal(1.0), Fill::Normal(30.0), Fill::Mask(0.7)), 3),
        case("equal components", (12, 5, 4), (Fill::Constant(-0.5), Fill::Normal(1.0), Fill::Mask(0.7)), 3),
    ]
}
