//! `y[n] = mean over the windows of the whole batch and over steps of x[t, n]`: the mean that the memory of the graph follows.
//!
//! Input x `[T, N, D]` per window, D a multiple of 4. Output `[N, D]`, per step: an accumulator that is zeroed at the start of a step;
//! windows are added in order. The reciprocal of the number of windows is a value of the step.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Input: x. Output: y.
    pub struct NodeMean;
}

pub(super) static OP: OpDef = OpDef {
    name: "node_mean",
    summary: "y[n] = mean over windows and steps of x[t, n]",
    attrs: NodeMean::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("a moving mean follows values, not gradients"),
    twin: Twin::new(twin_forward, no_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/node_mean.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [x] = exactly(inputs)?;
    let [t, n, d] = x.shape[..] else {
        return Err(format!("expected x [T, N, D], found {:?}", x.shape));
    };
    if t == 0 || !d.is_multiple_of(4) || x.scope != Scope::Window {
        return Err(format!("x must be per window and its width a multiple of 4, found {:?} ({:?})", x.shape, x.scope));
    }
    Ok(Inferred { outputs: vec![vec![n, d]], reduces_windows: true, ..Inferred::default() })
}

fn forward(c: &OpCtx) -> Phase {
    let (x, quads) = (&c.inputs[0], c.outputs[0].len() / 4);
    let share = 1.0 / x.shape[0] as f32;
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: "node_mean_forward",
            overrides: vec![],
            bindings: vec![Binding::input("x", Slot::In(0), "x_base"), Binding::output("y", Slot::Out(0), "y_base")],
            params: vec![("count", Value::U32(to_u32(quads))), ("n_steps", Value::U32(to_u32(x.shape[0]))), ("share", Value::F32(share))],
            grid: Grid::Fixed { groups: quads.div_ceil(64), in_blocks: false },
            cost: Cost::new(x.len(), x.len()),
        }],
        scratch: vec![],
    }
}

fn twin_forward(t: &mut TwinCall) {
    let n = t.outputs[0].operand.len();
    let share = f64::from(t.step.inverse_windows) / t.inputs[0].operand.shape[0] as f64;
    for (e, x) in t.inputs[0].data.iter().enumerate() {
        t.outputs[0].data[e % n] += x * share;
    }
}

fn cases() -> Vec<Case> {
    let case = |name, shape: [usize; 3], windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![CaseInput::data(&shape, Fill::Normal(1.0))],
        windows,
        reduction: shape[0] * windows,
    };
    vec![
        case("one token", [1, 1, 4], 1),
        case("a workgroup", [3, 16, 16], 1),
        case("a workgroup and one, several windows", [5, 65, 4], 5),
        case("many windows", [7, 3, 8], 65),
    ]
}
