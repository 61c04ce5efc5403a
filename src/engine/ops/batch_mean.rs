//! `loss = sum over windows of nll[w] / max(1, observed targets of the batch)`: the mean over the whole batch, independent of its division
//! into micro-batches. Backward: `d_nll[w] = d_loss * inverse_count`.
//!
//! Input: nll `[1]`, per window. Output: loss `[1]`, per step. The output is an accumulator that is zeroed at the start of a step; the
//! terms are added in the order of the windows. The reciprocal of the count is a value of the step.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Input: nll of each window. Output: the loss of the step.
    pub struct BatchMean;
}

pub(super) static OP: OpDef = OpDef {
    name: "batch_mean",
    summary: "loss = sum_w nll[w] / max(1, observed targets of the batch)",
    attrs: BatchMean::ATTRS,
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

const SOURCE: &str = wgsl!("ops/batch_mean.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [nll] = exactly(inputs)?;
    if nll.shape != [1] || nll.scope != Scope::Window {
        return Err(format!("the input must be [1] per window, found {:?} ({:?})", nll.shape, nll.scope));
    }
    Ok(Inferred { outputs: vec![vec![1]], reduces_windows: true, ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, grid: Grid) -> KernelDef {
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![("count", Value::U32(1)), ("accumulate_nll", c.accumulates(0))],
        grid,
        cost: Cost::new(2, 2),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![Binding::input("nll", Slot::In(0), "nll_base"), Binding::output("loss", Slot::Out(0), "loss_base")];
    Phase { kernels: vec![kernel(c, "batch_mean_forward", bindings, Grid::Fixed { groups: 1, in_blocks: false })], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let bindings = vec![Binding::input("d_loss", Slot::DOut(0), "d_loss_base"), Binding::output("d_nll", Slot::DIn(0), "d_nll_base")];
    let grid = Grid::Windows { per_window: 1, per_group: 64, across: 1 };
    Phase { kernels: vec![kernel(c, "batch_mean_backward", bindings, grid)], scratch: vec![] }
}

fn twin_forward(t: &mut TwinCall) {
    for w in 0..t.windows {
        t.outputs[0].data[0] += t.inputs[0].window(w)[0] * f64::from(t.step.inverse_count);
    }
}

fn twin_backward(t: &mut TwinCall) {
    let d = t.d_outputs[0].data[0] * f64::from(t.step.inverse_count);
    for w in 0..t.windows {
        if let Some(d_nll) = t.d_input(0, w) {
            d_nll[0] += d;
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![CaseInput::window(&[1], Fill::Normal(100.0))],
        windows,
        reduction: windows,
    };
    vec![
        case("one window", 1),
        case("five windows", 5),
        case("a workgroup less one", 63),
        case("a workgroup", 64),
        case("a workgroup and one", 65),
        case("many windows", 197),
    ]
}
