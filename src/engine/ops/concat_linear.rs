//! `y = [a, x] W^T + b` over the last axis, without the concatenation: W is `[M, 2 K]`, its left half multiplies a, its right half x.
//!
//! Inputs: a `[.., K]`, x of the same shape, weight `[M, 2 K]`, bias `[M]`. Parameter gradients are summed over blocks of rows, first for
//! one half of W, then for the other. The gates of the fusion and of the hierarchy use this op.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    block_rows, never_random, partials_in_scratch, to_u32,
};
use super::expect::{exactly, expect_alike};
use super::generator::access;
use super::generator::matmul::{self, Matmul, Repeat, extent, fit, text};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: a, x, weight, bias. Output: y.
    pub struct ConcatLinear;
}

pub(super) static OP: OpDef = OpDef {
    name: "concat_linear",
    summary: "y = [a, x] W^T + b",
    attrs: ConcatLinear::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/concat_linear.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [a, x, weight, bias] = exactly(inputs)?;
    expect_alike(("a", a), ("x", x))?;
    let [m, inner] = weight.shape[..] else { return Err(format!("the weight must be [M, 2 K], found {:?}", weight.shape)) };
    if inner != 2 * a.last() || bias.shape != [m] {
        return Err(format!("expected a weight [M, {}] and a bias [M], found {:?} and {:?}", 2 * a.last(), weight.shape, bias.shape));
    }
    let shape = a.with_last(m);
    Ok(Inferred { outputs: vec![shape], ..Inferred::default() })
}

struct Sizes {
    rows: usize,
    inner: usize,
    columns: usize,
    block: usize,
    blocks: usize,
    partial: usize,
    group: usize,
    quads: bool,
}

fn sizes(c: &OpCtx) -> Sizes {
    let (rows, inner, columns) = (c.inputs[0].rows(), c.inputs[0].last(), c.inputs[2].shape[0]);
    let block = block_rows(rows);
    let partial = columns * (inner + 1);
    let quads = inner.is_multiple_of(4) && columns.is_multiple_of(4);
    Sizes { rows, inner, columns, block, blocks: rows.div_ceil(block), partial, group: partials_in_scratch(partial), quads }
}

/// A kernel. `half` is the half of W that it uses; `stored` means that it stores the gradient of the input of that half.
fn kernel(
    c: &OpCtx,
    tiled: &str,
    entry: &'static str,
    bindings: Vec<Binding>,
    (grid, cost): (Grid, Cost),
    half: usize,
    stored: bool,
) -> KernelDef {
    let s = sizes(c);
    let access = access::text(s.quads, &["a", "x", "weights", "d_y"], &["d_x"], &["y", "partial"]);
    let accumulate = stored && c.accumulate.get(half).copied().unwrap_or(false);
    KernelDef {
        source: format!("{access}{SOURCE}{tiled}").into(),
        entry,
        overrides: vec![("accumulate", f64::from(accumulate)), ("half", if half == 0 { 0.0 } else { 1.0 })],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(s.rows))),
            ("inner", Value::U32(to_u32(s.inner))),
            ("columns", Value::U32(to_u32(s.columns))),
            ("block_rows", Value::U32(to_u32(s.block))),
            ("blocks", Value::U32(to_u32(s.blocks))),
            ("group", Value::U32(to_u32(s.group))),
        ],
        grid,
        cost,
    }
}

const ROWS_PROLOGUE: &str =
    "    let i0 = (group.x + params.first) * TILE_ROWS;\n    let j0 = group.y * TILE_COLUMNS;\n    let s_begin = 0u;\n";

fn forward(c: &OpCtx) -> Phase {
    let s = sizes(c);
    let tile = c.variants.rows;
    let prologue = format!("{ROWS_PROLOGUE}    let s_end = params.inner;");
    let m = Matmul {
        entry: "concat_linear_forward",
        tile,
        columns: s.columns,
        prologue: &prologue,
        a: matmul::Operand { name: "forward_a", along_s: true },
        b: matmul::Operand { name: "forward_b", along_s: true },
        store: "forward_store(",
        row_sums: None,
        repeat: Repeat::Each(2),
    };
    let (per_group, wide) = extent(tile, s.columns);
    let bindings = vec![
        Binding::input("a", Slot::In(0), "a_base"),
        Binding::input("x", Slot::In(1), "x_base"),
        Binding::parameters("weights", &[(Slot::In(2), "weight_base"), (Slot::In(3), "bias_base")]),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    let grid = Grid::Windows { per_window: s.rows, per_group, across: s.columns.div_ceil(wide) };
    let cost = Cost::new(4 * s.rows * s.inner * s.columns, s.rows * (2 * s.inner + s.columns) + 2 * s.partial);
    Phase { kernels: vec![kernel(c, &text(&m), "concat_linear_forward", bindings, (grid, cost), 0, false)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let s = sizes(c);
    let mut kernels: Vec<KernelDef> = (0..2).filter(|half| c.wants(*half)).map(|half| backward_x(c, &s, half)).collect();
    let mut scratch = vec![];
    if c.wants(2) {
        scratch.push((s.group * s.partial, Scope::Step));
        (0..2).for_each(|half| kernels.extend(backward_weight(c, &s, half)));
    }
    Phase { kernels, scratch }
}

fn backward_x(c: &OpCtx, s: &Sizes, half: usize) -> KernelDef {
    let tile = c.variants.rows;
    let prologue = format!("{ROWS_PROLOGUE}    let s_end = params.columns;");
    let m = Matmul {
        entry: "concat_linear_backward_x",
        tile,
        columns: s.inner,
        prologue: &prologue,
        a: matmul::Operand { name: "backward_a", along_s: true },
        b: matmul::Operand { name: "backward_b", along_s: false },
        store: "backward_store(",
        row_sums: None,
        repeat: Repeat::Once,
    };
    let (per_group, wide) = extent(tile, s.inner);
    let bindings = vec![
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::parameters("weights", &[(Slot::In(2), "weight_base")]),
        Binding::output("d_x", Slot::DIn(half), "d_x_base"),
    ];
    let grid = Grid::Windows { per_window: s.rows, per_group, across: s.inner.div_ceil(wide) };
    let cost = Cost::new(2 * s.rows * s.inner * s.columns, s.rows * (s.inner + s.columns) + s.partial);
    kernel(c, &text(&m), "concat_linear_backward_x", bindings, (grid, cost), half, true)
}

fn backward_weight(c: &OpCtx, s: &Sizes, half: usize) -> [KernelDef; 2] {
    let tile = fit(c.variants.weights, s.columns);
    let (rows, wide) = extent(tile, s.inner);
    let across = s.inner.div_ceil(wide);
    let prologue = format!(
        "    let block = group.x + params.first;\n    if block >= active_windows() * params.blocks {{ return; }}\n    \
         let in_window = (block % params.blocks) * params.block_rows;\n    \
         let s_begin = (block / params.blocks) * params.count + in_window;\n    \
         let s_end = s_begin + min(params.block_rows, params.count - in_window);\n    \
         let i0 = (group.y / {across}u) * TILE_ROWS;\n    let j0 = (group.y % {across}u) * TILE_COLUMNS;"
    );
    let m = Matmul {
        entry: "concat_linear_backward_weight",
        tile,
        columns: s.inner,
        prologue: &prologue,
        a: matmul::Operand { name: "weight_a", along_s: false },
        b: matmul::Operand { name: "weight_b", along_s: false },
        store: "weight_store(group.x,",
        // The bias gradient is needed only once. Both halves reserve room for it, so that their partial sums have the same layout.
        row_sums: Some("bias_store(group.x,"),
        repeat: Repeat::Once,
    };
    let lanes = if s.quads { 4 } else { 1 };
    [
        kernel(
            c,
            &text(&m),
            "concat_linear_backward_weight",
            vec![
                Binding::input("d_y", Slot::DOut(0), "d_y_base"),
                Binding::input("x", Slot::In(half), "x_base"),
                Binding::output("partial", Slot::Scratch(0), "partial_base"),
            ],
            (
                Grid::Blocks { per_window: s.blocks, group: s.group, across: across * s.columns.div_ceil(rows) },
                Cost::new(2 * s.rows * s.inner * s.columns, s.rows * (s.inner + s.columns) + s.blocks * s.partial),
            ),
            half,
            false,
        ),
        kernel(
            c,
            "",
            "concat_linear_fold",
            vec![
                Binding::input("partial", Slot::Scratch(0), "partial_base"),
                Binding::gradients("d_weights", &[(Slot::DIn(2), "d_weight_base"), (Slot::DIn(3), "d_bias_base")]),
            ],
            (
                Grid::Fixed { groups: (s.partial / lanes).div_ceil(64), in_blocks: true },
                Cost::new(s.blocks * s.partial, s.blocks * s.partial),
            ),
            half,
            false,
        ),
    ]
}

fn twin_forward(t: &mut TwinCall) {
    let (k, m) = (t.inputs[0].operand.last(), t.inputs[2].operand.shape[0]);
    for w in 0..t.windows {
        let [a, x] = [0, 1].map(|i| t.inputs[i].window(w).to_vec());
        let (weight, bias) = (t.inputs[2].data.clone(), t.inputs[3].data.clone());
        for (e, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            let (row, matrix) = (e / m * k, &weight[e % m * 2 * k..][..2 * k]);
            *y = bias[e % m] + (0..k).map(|i| a[row + i] * matrix[i] + x[row + i] * matrix[k + i]).sum::<f64>();
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (k, m) = (t.inputs[0].operand.last(), t.inputs[2].operand.shape[0]);
    let weight = t.inputs[2].data.clone();
    for w in 0..t.windows {
        let sides = [0, 1].map(|i| t.inputs[i].window(w).to_vec());
        let d_y = t.d_outputs[0].window(w).to_vec();
        for (e, d) in d_y.iter().enumerate() {
            let (row, at) = (e / m * k, e % m * 2 * k);
            for half in 0..2 {
                if let Some(d_x) = t.d_input(half, w) {
                    (0..k).for_each(|i| d_x[row + i] += d * weight[at + half * k + i]);
                }
                if let Some(d_weight) = t.d_input(2, w) {
                    (0..k).for_each(|i| d_weight[at + half * k + i] += d * sides[half][row + i]);
                }
            }
            if let Some(d_bias) = t.d_input(3, w) {
                d_bias[e % m] += d;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [rows, k, m]: [usize; 3], windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::window(&[rows, k], Fill::Normal(1.0)),
            CaseInput::window(&[rows, k], Fill::Normal(1.0)),
            CaseInput::parameter(&[m, 2 * k], Fill::Normal(0.3)),
            CaseInput::parameter(&[m], Fill::Normal(0.5)),
        ],
        windows,
        reduction: (2 * k).max(m).max(rows * windows),
    };
    let mut alone = case("only x wants a gradient", [9, 8, 8], 2);
    alone.inputs[0].grad = false;
    vec![
        case("one by one", [1, 1, 1], 1),
        case("odd extents", [37, 14, 9], 3),
        case("quads, a tile", [64, 64, 64], 1),
        case("quads, a tile and four", [65, 68, 36], 2),
        case("two blocks a window", [700, 8, 12], 2),
        alone,
    ]
}
