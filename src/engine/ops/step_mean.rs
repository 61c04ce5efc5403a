//! `y[n] = mean over steps of x[t, n]`. Input x `[T, N, D]`, output `[1, N, D]`, D a multiple of 4. Backward: `dx[t, n] = dy[n] / T`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::{exactly, expect_quads};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Input: x. Output: y.
    pub struct StepMean;
}

pub(super) static OP: OpDef = OpDef {
    name: "step_mean",
    summary: "y[n] = mean over steps of x[t, n]",
    attrs: StepMean::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/step_mean.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [x] = exactly(inputs)?;
    let [_, n, d] = x.shape[..] else {
        return Err(format!("expected x [T, N, D], found {:?}", x.shape));
    };
    expect_quads(d)?;
    Ok(Inferred { outputs: vec![vec![1, n, d]], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, count: usize) -> KernelDef {
    let (x, y) = (c.inputs[0].len(), c.outputs[0].len());
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(count))),
            ("n_steps", Value::U32(to_u32(c.inputs[0].shape[0]))),
            ("quads_of_step", Value::U32(to_u32(y / 4))),
            ("accumulate_x", c.accumulates(0)),
        ],
        grid: Grid::Windows { per_window: count, per_group: 64, across: 1 },
        cost: Cost::new(x, x + y),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![Binding::input("x", Slot::In(0), "x_base"), Binding::output("y", Slot::Out(0), "y_base")];
    Phase { kernels: vec![kernel(c, "step_mean_forward", bindings, c.outputs[0].len() / 4)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let bindings = vec![Binding::input("d_y", Slot::DOut(0), "d_y_base"), Binding::output("d_x", Slot::DIn(0), "d_x_base")];
    Phase { kernels: vec![kernel(c, "step_mean_backward", bindings, c.inputs[0].len() / 4)], scratch: vec![] }
}

fn twin_forward(t: &mut TwinCall) {
    let steps = t.inputs[0].operand.shape[0];
    for w in 0..t.windows {
        let (x, y) = (t.inputs[0].window(w), t.outputs[0].window_mut(w));
        let row = y.len();
        for (e, y) in y.iter_mut().enumerate() {
            *y = (0..steps).map(|s| x[s * row + e]).sum::<f64>() / steps as f64;
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let steps = t.inputs[0].operand.shape[0] as f64;
    for w in 0..t.windows {
        let d_y = t.d_outputs[0].window(w).to_vec();
        if let Some(d_x) = t.d_input(0, w) {
            for (e, d) in d_x.iter_mut().enumerate() {
                *d += d_y[e % d_y.len()] / steps;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [t, n, d]: [usize; 3], windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![CaseInput::window(&[t, n, d], Fill::Normal(1.0))],
        windows,
        reduction: t,
    };
    vec![
        case("one token", [1, 1, 4], 1),
        case("a workgroup less one", [3, 21, 12], 2),
        case("a workgroup", [5, 16, 16], 1),
        case("a workgroup and one", [12, 13, 20], 3),
        case("many nodes", [7, 197, 16], 3),
    ]
}
