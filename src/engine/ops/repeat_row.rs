//! A row of parameters, repeated for every token and node of a window: what the decoder's head outputs when only its bias is trained.
//!
//! Inputs: like, any per-window tensor (data; it only makes the output per window); row `[C]`, a parameter. Attributes: `tokens`, `nodes`.
//! Output: rows `[tokens, nodes, C]`. Backward: `d_row` = the sum of `d_rows` over tokens, nodes and windows. One kernel sums each window
//! into scratch, the next one adds the windows in order, so that the division of a batch into micro-batches changes no bit.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: like, row. Output: rows.
    pub struct RepeatRow {
        /// Number of tokens.
        pub tokens: usize,
        /// Number of nodes.
        pub nodes: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "repeat_row",
    summary: "rows[t, n] = row",
    attrs: RepeatRow::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[],
    data: &[0],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/repeat_row.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [like, row] = exactly(inputs)?;
    let RepeatRow { tokens, nodes } = RepeatRow::of(attrs);
    let [width] = row.shape[..] else { return Err(format!("the row must be [C], found {:?}", row.shape)) };
    if tokens * nodes * width == 0 || row.scope != Scope::Step || like.scope != Scope::Window {
        return Err(format!(
            "expected a per-step row and a per-window tensor, found {:?} ({:?}) and {:?}, for {tokens} x {nodes} rows",
            row.shape, row.scope, like.scope
        ));
    }
    Ok(Inferred { outputs: vec![vec![tokens, nodes, width]], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, count: usize, bindings: Vec<Binding>, grid: Grid, cost: Cost) -> KernelDef {
    let RepeatRow { tokens, nodes } = RepeatRow::of(c.attrs);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(count))),
            ("width", Value::U32(to_u32(c.inputs[1].len()))),
            ("repeats", Value::U32(to_u32(tokens * nodes))),
        ],
        grid,
        cost,
    }
}

fn forward(c: &OpCtx) -> Phase {
    let RepeatRow { tokens, nodes } = RepeatRow::of(c.attrs);
    let n = tokens * nodes * c.inputs[1].len();
    let bindings = vec![Binding::parameters("row", &[(Slot::In(1), "row_base")]), Binding::output("rows", Slot::Out(0), "rows_base")];
    let grid = Grid::Windows { per_window: n, per_group: 64, across: 1 };
    Phase { kernels: vec![kernel(c, "repeat_row_forward", n, bindings, grid, Cost::new(0, 2 * n))], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    if !c.wants(1) {
        return Phase::default();
    }
    let RepeatRow { tokens, nodes } = RepeatRow::of(c.attrs);
    let (width, n) = (c.inputs[1].len(), tokens * nodes * c.inputs[1].len());
    let sum = vec![Binding::input("d_rows", Slot::DOut(0), "d_rows_base"), Binding::output("partial", Slot::Scratch(0), "partial_base")];
    let fold =
        vec![Binding::input("partial", Slot::Scratch(0), "partial_base"), Binding::gradients("d_row", &[(Slot::DIn(1), "d_row_base")])];
    Phase {
        kernels: vec![
            kernel(c, "repeat_row_backward", width, sum, Grid::Windows { per_window: width, per_group: 64, across: 1 }, Cost::new(n, n)),
            kernel(
                c,
                "repeat_row_fold",
                width,
                fold,
                Grid::Fixed { groups: width.div_ceil(64), in_blocks: false },
                Cost::new(width, width),
            ),
        ],
        scratch: vec![(width, Scope::Window)],
    }
}

fn twin_forward(t: &mut TwinCall) {
    let row = t.inputs[1].data.clone();
    for w in 0..t.windows {
        t.outputs[0].window_mut(w).chunks_mut(row.len()).for_each(|to| to.copy_from_slice(&row));
    }
}

fn twin_backward(t: &mut TwinCall) {
    let width = t.inputs[1].operand.len();
    for w in 0..t.windows {
        let d_rows = t.d_outputs[0].window(w).to_vec();
        if let Some(d_row) = t.d_input(1, w) {
            d_rows.chunks(width).for_each(|d| d_row.iter_mut().zip(d).for_each(|(to, d)| *to += d));
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [tokens, nodes, width]: [usize; 3], windows| Case {
        name,
        attrs: RepeatRow { tokens, nodes }.attrs(),
        inputs: vec![CaseInput::data(&[3], Fill::Normal(1.0)), CaseInput::parameter(&[width], Fill::Normal(1.0))],
        windows,
        reduction: tokens * nodes * windows,
    };
    vec![
        case("one number", [1, 1, 1], 1),
        case("a workgroup less one", [3, 3, 7], 2),
        case("a workgroup wide", [2, 3, 64], 3),
        case("a workgroup and one wide", [5, 2, 65], 3),
        case("many rows", [24, 31, 9], 5),
    ]
}
