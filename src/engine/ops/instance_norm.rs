//! Instance norm of the targets, and the patches of `[values, mask]` that the embedding reads. The op reads only data, so it has no
//! backward pass.
//!
//! Inputs: values and observed, both `[S, Nx, F]`, observed in {0, 1}. The series are Nc covariates followed by the targets. Attributes:
//! `history` (L), `covariates` (Nc), `patch` (p, divides S), `epsilon` (added to the variance), `active` (0: shift 0, scale 1). Every value
//! is first multiplied by its `observed`. For channel 0 of each target: `shift = mean`, `scale = sqrt(var + epsilon)`, with population
//! statistics of the observed history, or 0 and 1 if nothing was observed; then `x = (x - shift) / scale * observed`. With attribute `last`
//! the shift is the last observed value of the history instead; the scale stays the deviation about the mean.
//!
//! Outputs: features `[T, Nx, 2 p F]`, the values `[p, F]` of the token, flattened, followed by its mask in the same order; history
//! `[Nt, L]`, the normalised channel 0, 0 if unobserved; stats `[Nt, 2]`, shift and scale.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_f32, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Inputs: values, observed. Outputs: features, history of the targets, their shift and scale.
    pub struct InstanceNorm {
        /// Number of history steps, 1 to all.
        pub history: usize,
        /// Number of covariates, the first series.
        pub covariates: usize,
        /// Steps per token; the number divides that of all steps.
        pub patch: usize,
        /// Added to the variance.
        pub epsilon: f64,
        /// Whether the targets are normalised; if not, shift is 0 and scale is 1.
        pub active: bool,
        /// Whether the shift is the last observed value instead of the mean.
        pub last: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "instance_norm",
    summary: "x = (x - mean) / sqrt(var + epsilon) over each target's observed history; patches of x and mask",
    attrs: InstanceNorm::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("it reads data only"),
    twin: Twin::new(twin_forward, no_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/instance_norm.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [values, observed] = exactly(inputs)?;
    if values.shape != observed.shape || values.scope != observed.scope {
        return Err(format!("expected values and observed of the same shape, found {:?} and {:?}", values.shape, observed.shape));
    }
    let [steps, series, channels] = values.shape[..] else {
        return Err(format!("values must be [steps, series, channels], found {:?}", values.shape));
    };
    let InstanceNorm { history, covariates, patch, .. } = InstanceNorm::of(attrs);
    if history == 0 || history > steps {
        return Err(format!("the history must be 1 to {steps} steps, found {history}"));
    }
    if covariates >= series || channels == 0 {
        return Err(format!("{covariates} covariates leave no target among {:?}", values.shape));
    }
    if patch == 0 || !steps.is_multiple_of(patch) {
        return Err(format!("patches of {patch} steps do not divide {steps}"));
    }
    let targets = series - covariates;
    Ok(Inferred {
        outputs: vec![vec![steps / patch, series, 2 * patch * channels], vec![targets, history], vec![targets, 2]],
        ..Inferred::default()
    })
}

fn forward(c: &OpCtx) -> Phase {
    let [steps, series, channels] = c.inputs[0].shape[..] else { panic!("instance_norm: shapes were inferred before") };
    let InstanceNorm { history, covariates, patch, epsilon, active, last } = InstanceNorm::of(c.attrs);
    let (n, targets) = (c.inputs[0].len(), series - covariates);
    let kernel = |entry, count: usize, bindings, cost| KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(count))),
            ("steps", Value::U32(to_u32(steps))),
            ("series", Value::U32(to_u32(series))),
            ("channels", Value::U32(to_u32(channels))),
            ("past", Value::U32(to_u32(history))),
            ("covariates", Value::U32(to_u32(covariates))),
            ("patch_len", Value::U32(to_u32(patch))),
            ("enabled", Value::U32(u32::from(active))),
            ("last", Value::U32(u32::from(last))),
            ("epsilon", Value::F32(to_f32(epsilon))),
        ],
        grid: Grid::Windows { per_window: count, per_group: 64, across: 1 },
        cost,
    };
    let values = || Binding::input("values", Slot::In(0), "values_base");
    let observed = || Binding::input("observed", Slot::In(1), "observed_base");
    Phase {
        kernels: vec![
            kernel(
                "instance_norm_stats",
                targets,
                vec![
                    values(),
                    observed(),
                    Binding::output("history", Slot::Out(1), "history_base"),
                    Binding::output("stats", Slot::Out(2), "stats_base"),
                ],
                Cost::new(12 * targets * history, 3 * targets * history + 2 * targets),
            ),
            kernel(
                "instance_norm_features",
                n,
                vec![
                    values(),
                    observed(),
                    Binding::output("features", Slot::Out(0), "features_base"),
                    Binding::input("stats", Slot::Out(2), "stats_base"),
                ],
                Cost::new(4 * n, 4 * n + 2 * targets),
            ),
        ],
        scratch: vec![],
    }
}

/// Shift and scale of a history of (value, observed) pairs.
fn statistics(past: &[(f64, f64)], epsilon: f64, last: bool) -> (f64, f64) {
    let seen: f64 = past.iter().map(|(_, o)| o).sum();
    let count = seen.max(1.0);
    let mean = past.iter().map(|(v, o)| v * o).sum::<f64>() / count;
    let squares: f64 = past.iter().map(|(v, o)| ((v * o - mean) * o).powi(2)).sum();
    let newest = past.iter().rev().find(|(_, o)| *o != 0.0).map_or(0.0, |(v, _)| *v);
    let shift = if last { newest } else { mean };
    (shift, if seen > 0.0 { (squares / count + epsilon).sqrt() } else { 1.0 })
}

fn twin_forward(t: &mut TwinCall) {
    let (series, channels) = (t.inputs[0].operand.shape[1], t.inputs[0].operand.shape[2]);
    let InstanceNorm { history, covariates, patch, epsilon, active, last } = InstanceNorm::of(t.attrs);
    for w in 0..t.windows {
        let observed = t.inputs[1].window(w);
        let mut x: Vec<f64> = t.inputs[0].window(w).iter().zip(observed).map(|(v, o)| v * o).collect();
        for n in covariates..series {
            let at = |s: usize| (s * series + n) * channels;
            let past: Vec<(f64, f64)> = (0..history).map(|s| (x[at(s)], observed[at(s)])).collect();
            let (shift, scale) = if active { statistics(&past, epsilon, last) } else { (0.0, 1.0) };
            for s in 0..t.inputs[0].operand.shape[0] {
                x[at(s)] = (x[at(s)] - shift) / scale * observed[at(s)];
            }
            let target = n - covariates;
            for s in 0..history {
                t.outputs[1].window_mut(w)[target * history + s] = x[at(s)];
            }
            t.outputs[2].window_mut(w)[2 * target..2 * target + 2].copy_from_slice(&[shift, scale]);
        }
        let width = patch * channels;
        for (row, features) in t.outputs[0].window_mut(w).chunks_mut(2 * width).enumerate() {
            let (token, n) = (row / series, row % series);
            for j in 0..width {
                let from = ((token * patch + j / channels) * series + n) * channels + j % channels;
                features[j] = x[from];
                features[width + j] = observed[from];
            }
        }
    }
}

fn cases() -> Vec<Case> {
    // (history, covariates, patch, on)
    let case =
        |name, shape: [usize; 3], (history, covariates, patch, active): (usize, usize, usize, bool), fills: [Fill; 2], windows| Case {
            name,
            attrs: InstanceNorm { history, covariates, patch, epsilon: 1e-2, active, last: false }.attrs(),
            inputs: vec![CaseInput::data(&shape, fills[0]), CaseInput::data(&shape, fills[1])],
            windows,
            reduction: history,
        };
    let last = |mut case: Case| {
        case.attrs = InstanceNorm { last: true, ..InstanceNorm::of(&case.attrs) }.attrs();
        case
    };
    let usual = [Fill::Normal(1.0), Fill::Mask(0.7)];
    vec![
        last(case("less the last value", [9, 7, 2], (6, 2, 3, true), usual, 3)),
        last(case("less the last value, hardly anything observed", [12, 9, 1], (6, 0, 2, true), [Fill::Normal(1.0), Fill::Mask(0.1)], 3)),
        case("one step", [1, 1, 1], (1, 0, 1, true), [Fill::Normal(1.0), Fill::Mask(1.0)], 1),
        case("a workgroup of values less one", [9, 7, 1], (6, 2, 3, true), usual, 1),
        case("a workgroup of values", [8, 4, 2], (4, 1, 2, true), usual, 3),
        case("a workgroup of targets and one", [4, 68, 1], (2, 3, 2, true), usual, 3),
        case("channels and patches", [24, 5, 3], (16, 2, 8, true), usual, 5),
        case("nothing observed", [12, 3, 2], (8, 1, 4, true), [Fill::Normal(1.0), Fill::Mask(0.0)], 3),
        case("hardly anything observed", [12, 9, 1], (6, 0, 2, true), [Fill::Normal(1.0), Fill::Mask(0.1)], 3),
        case("a flat history", [12, 3, 1], (8, 0, 4, true), [Fill::Constant(3.0), Fill::Mask(0.8)], 3),
        case("switched off", [12, 6, 2], (8, 2, 4, false), usual, 3),
        case("a long history", [288, 3, 1], (192, 1, 8, true), [Fill::Uniform(2.0, 4.0), Fill::Mask(0.9)], 2),
    ]
}
