//! `y[t, c] = mean of calendar[t p .. (t + 1) p, c]`: the calendar features of a token. The op reads only data, so it has no backward pass.
//!
//! Input: calendar `[S, C]`. Attribute: `patch` (p, divides S). Output `[S / p, C]`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Input: calendar. Output: y.
    pub struct PatchMean {
        /// Steps per token; the number divides that of all steps.
        pub patch: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "patch_mean",
    summary: "y[t, c] = mean_i x[t p + i, c]",
    attrs: PatchMean::ATTRS,
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

const SOURCE: &str = wgsl!("ops/patch_mean.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [calendar] = exactly(inputs)?;
    let [steps, width] = calendar.shape[..] else {
        return Err(format!("the calendar must be [steps, features], found {:?}", calendar.shape));
    };
    let patch = PatchMean::of(attrs).patch;
    if patch == 0 || steps == 0 || !steps.is_multiple_of(patch) || width == 0 {
        return Err(format!("patches of {patch} steps do not divide a calendar {:?}", calendar.shape));
    }
    Ok(Inferred { outputs: vec![vec![steps / patch, width]], ..Inferred::default() })
}

fn forward(c: &OpCtx) -> Phase {
    let out = c.outputs[0].len();
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: "patch_mean_forward",
            overrides: vec![],
            bindings: vec![Binding::input("x", Slot::In(0), "x_base"), Binding::output("y", Slot::Out(0), "y_base")],
            params: vec![
                ("count", Value::U32(to_u32(out))),
                ("width", Value::U32(to_u32(c.inputs[0].last()))),
                ("patch_len", Value::U32(to_u32(PatchMean::of(c.attrs).patch))),
            ],
            grid: Grid::Windows { per_window: out, per_group: 64, across: 1 },
            cost: Cost::new(c.inputs[0].len(), c.inputs[0].len() + out),
        }],
        scratch: vec![],
    }
}

fn twin_forward(t: &mut TwinCall) {
    let (width, patch) = (t.inputs[0].operand.last(), PatchMean::of(t.attrs).patch);
    for w in 0..t.windows {
        let x = t.inputs[0].window(w);
        for (e, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            let (token, c) = (e / width, e % width);
            *y = (0..patch).map(|i| x[(token * patch + i) * width + c]).sum::<f64>() / patch as f64;
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, tokens: usize, patch: usize, width: usize, windows| Case {
        name,
        attrs: PatchMean { patch }.attrs(),
        inputs: vec![CaseInput::data(&[tokens * patch, width], Fill::Uniform(-1.0, 1.0))],
        windows,
        reduction: patch,
    };
    vec![
        case("one step", 1, 1, 1, 1),
        case("a workgroup less one", 21, 4, 3, 1),
        case("a workgroup", 16, 8, 4, 1),
        case("a workgroup and one", 13, 3, 5, 3),
        case("several windows", 197, 2, 1, 5),
    ]
}
