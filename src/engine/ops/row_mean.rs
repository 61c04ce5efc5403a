//! `y[l] = mean of the rows of line l`. x consists of `lines` runs of consecutive rows.
//!
//! Input x `[.., D]`, per window or per step, D a multiple of 4; the number of its rows is a multiple of the attribute `lines`. Output
//! `[lines, D]`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Input: x. Output: y.
    pub struct RowMean {
        /// Number of runs of rows, at least 1; it divides the number of rows.
        pub lines: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "row_mean",
    summary: "y[l] = mean of x over the rows of line l",
    attrs: RowMean::ATTRS,
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

const SOURCE: &str = wgsl!("ops/row_mean.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [x] = exactly(inputs)?;
    let lines = RowMean::of(attrs).lines;
    if lines == 0 || x.is_empty() || !x.rows().is_multiple_of(lines) || !x.last().is_multiple_of(4) {
        return Err(format!("x must have a multiple of {lines} rows and a width that is a multiple of 4, found {:?}", x.shape));
    }
    Ok(Inferred { outputs: vec![vec![lines, x.last()]], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, items: usize) -> KernelDef {
    let rows = c.inputs[0].rows() / RowMean::of(c.attrs).lines;
    let share = 1.0 / rows as f32;
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(items))),
            ("quads", Value::U32(to_u32(c.inputs[0].last() / 4))),
            ("rows", Value::U32(to_u32(rows))),
            ("share", Value::F32(share)),
            ("accumulate_x", c.accumulates(0)),
        ],
        grid: Grid::Windows { per_window: items, per_group: 64, across: 1 },
        cost: Cost::new(c.inputs[0].len(), c.inputs[0].len() + c.outputs[0].len()),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![Binding::input("x", Slot::In(0), "x_base"), Binding::output("y", Slot::Out(0), "y_base")];
    Phase { kernels: vec![kernel(c, "row_mean_forward", bindings, c.outputs[0].len() / 4)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(0) {
        return Phase::default();
    }
    let bindings = vec![Binding::input("d_y", Slot::DOut(0), "d_y_base"), Binding::output("d_x", Slot::DIn(0), "d_x_base")];
    Phase { kernels: vec![kernel(c, "row_mean_backward", bindings, c.inputs[0].len() / 4)], scratch: vec![] }
}

/// Width of x and number of elements per line.
fn extents(t: &TwinCall) -> (usize, usize) {
    (t.inputs[0].operand.last(), t.inputs[0].operand.len() / RowMean::of(t.attrs).lines)
}

fn twin_forward(t: &mut TwinCall) {
    let (d, line) = extents(t);
    t.outputs[0].data.fill(0.0);
    for (e, x) in t.inputs[0].data.iter().enumerate() {
        t.outputs[0].data[e / line * d + e % d] += x * d as f64 / line as f64;
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (d, line) = extents(t);
    if let Some(d_x) = &mut t.d_inputs[0] {
        for (e, x) in d_x.data.iter_mut().enumerate() {
            *x += t.d_outputs[0].data[e / line * d + e % d] * d as f64 / line as f64;
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, lines: usize, rows: usize, width: usize, windows, step: bool| {
        let shape = [lines * rows, width];
        let input = if step { CaseInput::step(&shape, Fill::Normal(1.0)) } else { CaseInput::window(&shape, Fill::Normal(1.0)) };
        Case { name, attrs: RowMean { lines }.attrs(), inputs: vec![input], windows, reduction: rows }
    };
    vec![
        case("one row", 1, 1, 4, 1, false),
        case("one line", 1, 65, 16, 3, false),
        case("a workgroup of lines", 16, 3, 16, 1, true),
        case("a workgroup and one", 65, 2, 4, 1, true),
        case("several windows", 13, 7, 8, 5, false),
    ]
}
