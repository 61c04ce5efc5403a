//! `y = x + scale * sum over branches k of relu(z_k)`, `z_k[t] = b_k + sum over taps of W_k,tap source_k[t + tap - taps_k / 2]`, with zeros
//! beyond the first and last step. This is the multi-scale convolution (x is the source of every branch) and the multi-hop map (each branch
//! has its own source and one tap).
//!
//! Inputs: x `[T, N, D]`, weights (from `stack_weights`, per step), and with attribute `sources` a source `[T, N, D]` for each branch.
//! Attribute `taps`: the number of taps of each branch, odd. The scale is 1 / branches. D is a multiple of 4.
//!
//! The op is an implicit matrix product: for each tap, rows shifted by whole steps times a matrix. All branches of a convolution run in one
//! dispatch, tap after tap, and only their sum is stored. The forward pass saves the signs of the relus: one word per four channels, four
//! bits per branch. Backward: `dz_k = scale dy [z_k > 0]`, `dx = dy + sum of W_k,tap^T dz_k` shifted back,
//! `dW_k,tap = sum over rows of dz_k source_k^T`, over blocks of rows.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    block_rows, never_random, partials_in_scratch, to_f32, to_u32,
};
use super::expect::expect_count;
use super::generator::matmul::{self, Fold, Matmul, Repeat, extent, fit, text};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;
use std::fmt::Write as _;
use std::ops::Range;

operation! {
    /// Inputs: x, stacked weights, and one source per branch if the branches have their own. Output: y.
    pub struct Branches {
        /// Number of taps of each branch, odd; 1 to 8 branches.
        pub taps: Vec<usize>,
        /// Whether each branch has its own source; otherwise all read x.
        pub sources: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "branches",
    summary: "y = x + scale sum_k relu(b_k + sum_tap W_k,tap shifted source_k)",
    attrs: Branches::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/branches.wgsl", "lib/step.wgsl");
/// Largest number of branches: four bits per branch fill a word.
const MOST: usize = 8;

impl Branches {
    /// Factor of the sum over branches: it makes the sum a mean.
    fn scale(&self) -> f64 {
        1.0 / self.taps.len() as f64
    }

    /// Index of the input that is the source of a branch.
    fn source_of(&self, branch: usize) -> usize {
        if self.sources { 2 + branch } else { 0 }
    }
}

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let Branches { taps, sources } = Branches::of(attrs);
    let branches = taps.len();
    if branches == 0 || branches > MOST {
        return Err(format!("the number of branches must be 1 to {MOST}, found {branches}"));
    }
    expect_count(inputs, 2 + if sources { branches } else { 0 })?;
    let [_, _, d] = inputs[0].shape[..] else {
        return Err(format!("expected x [T, N, D], found {:?}", inputs[0].shape));
    };
    if taps.iter().any(|t| t % 2 == 0 || (sources && *t != 1)) {
        return Err(format!("the taps must be odd, and 1 if branches have their own sources, found {taps:?}"));
    }
    let weights = taps.iter().sum::<usize>() * d * d + branches * d;
    if inputs[1].shape != [weights] || inputs[1].scope != Scope::Step || !d.is_multiple_of(4) {
        return Err(format!("expected weights [{weights}], per step, and a width that is a multiple of 4, found {:?}", inputs[1].shape));
    }
    let others = inputs[2..].iter().chain([&inputs[0]]);
    if others.clone().any(|o| o.shape != inputs[0].shape || o.scope != Scope::Window) {
        return Err(format!("x and sources must be {:?}, per window", inputs[0].shape));
    }
    let signs = vec![inputs[0].shape[0], inputs[0].shape[1], d / 4];
    Ok(Inferred { outputs: vec![inputs[0].shape.clone()], saved: vec![("signs", signs)], ..Inferred::default() })
}

/// The branches of one dispatch; they all have the same source.
struct Part {
    branches: Range<usize>,
    slices: Range<usize>,
    /// Index of the input that is their source.
    source: usize,
}

/// One part if all branches read x, otherwise one part per branch.
fn parts(attrs: &Attrs) -> Vec<Part> {
    let Branches { taps, sources } = Branches::of(attrs);
    if !sources {
        return vec![Part { branches: 0..taps.len(), slices: 0..taps.iter().sum(), source: 0 }];
    }
    (0..taps.len()).map(|k| Part { branches: k..k + 1, slices: k..k + 1, source: 2 + k }).collect()
}

struct Sizes {
    rows: usize,
    nodes: usize,
    d: usize,
    block: usize,
    blocks: usize,
}

fn sizes(c: &OpCtx) -> Sizes {
    let (rows, d) = (c.inputs[0].rows(), c.inputs[0].last());
    let block = block_rows(rows);
    Sizes { rows, nodes: c.inputs[0].shape[1], d, block, blocks: rows.div_ceil(block) }
}

/// Number of elements of the matrices and biases of a part.
fn partial(part: &Part, d: usize) -> usize {
    part.slices.len() * d * d + part.branches.len() * d
}

/// WGSL functions that describe slices (a slice is one tap of one branch): its branch, its shift in steps, and whether it is the last slice
/// of its branch.
fn slice_functions(attrs: &Attrs) -> String {
    let Branches { taps, .. } = Branches::of(attrs);
    let ends: Vec<usize> = taps.iter().scan(0, |end, t| Some(std::mem::replace(end, *end + t) + t)).collect();
    let mut out = String::new();
    let mut function = |head: &str, value: &dyn Fn(usize) -> String| {
        let _ = writeln!(out, "{head} {{");
        for (k, end) in ends.iter().enumerate() {
            let line = if k + 1 < ends.len() {
                format!("    if s < {end}u {{ return {}; }}\n", value(k))
            } else {
                format!("    return {};\n}}\n", value(k))
            };
            out.push_str(&line);
        }
    };
    function("fn branch_of(s: u32) -> u32", &|k| format!("{k}u"));
    function("fn steps_of(s: u32) -> i32", &|k| format!("i32(s) - {}", ends[k] - taps[k] + taps[k] / 2));
    function("fn branch_ends(s: u32) -> bool", &|k| format!("s == {}u", ends[k] - 1));
    out
}

fn kernel(
    c: &OpCtx,
    part: &Part,
    tiled: &str,
    entry: &'static str,
    bindings: Vec<Binding>,
    (grid, cost): (Grid, Cost),
    stored: Option<usize>,
) -> KernelDef {
    let s = sizes(c);
    let accumulate = stored.is_some_and(|i| c.accumulate.get(i).copied().unwrap_or(false));
    let of = Branches::of(c.attrs);
    let slices: usize = of.taps.iter().sum();
    let residual = part.source == 0 || part.branches.start == 0;
    KernelDef {
        source: format!("{SOURCE}{}{tiled}", slice_functions(c.attrs)).into(),
        entry,
        overrides: vec![
            ("accumulate", f64::from(accumulate)),
            ("first_part", f64::from(residual)),
            ("residual", f64::from(part.source == 0)),
        ],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(s.rows))),
            ("n_nodes", Value::U32(to_u32(s.nodes))),
            ("width", Value::U32(to_u32(s.d))),
            ("scale", Value::F32(to_f32(of.scale()))),
            ("slice0", Value::U32(to_u32(part.slices.start))),
            ("slices", Value::U32(to_u32(part.slices.len()))),
            ("branch0", Value::U32(to_u32(part.branches.start))),
            ("branches", Value::U32(to_u32(part.branches.len()))),
            ("bias_at", Value::U32(to_u32(slices * s.d * s.d))),
            ("block_rows", Value::U32(to_u32(s.block))),
            ("blocks", Value::U32(to_u32(s.blocks))),
            ("group", Value::U32(to_u32(partials_in_scratch(partial(part, s.d))))),
        ],
        grid,
        cost,
    }
}

const ROWS_PROLOGUE: &str = "    let i0 = (group.x + params.first) * TILE_ROWS;\n    let j0 = group.y * TILE_COLUMNS;\n    let s_begin = 0u;\n    \
                             let s_end = params.width;\n    let slice_begin = params.slice0;\n    let slice_end = slice_begin + params.slices;";

fn forward(c: &OpCtx) -> Phase {
    let s = sizes(c);
    let tile = c.variants.rows;
    let (per_group, wide) = extent(tile, s.d);
    let m = Matmul {
        entry: "branches_forward",
        tile,
        columns: s.d,
        prologue: ROWS_PROLOGUE,
        a: matmul::Operand { name: "forward_a", along_s: true },
        b: matmul::Operand { name: "forward_b", along_s: true },
        store: "forward_store(",
        row_sums: None,
        repeat: Repeat::Slices(Some(Fold { ends: "branch_ends", value: "branch_value", bits: "branch_bits" })),
    };
    let tiled = text(&m);
    let one = |part: &Part| {
        let mut bindings = vec![
            Binding::input("source", Slot::In(part.source), "source_base"),
            Binding::input("weights", Slot::In(1), "weights_base"),
            Binding::output("y", Slot::Out(0), "y_base"),
            Binding::output("signs", Slot::Saved(0), "signs_base"),
        ];
        let base = part.source != 0 && part.branches.start == 0;
        if base {
            bindings.push(Binding::input("x", Slot::In(0), "x_base"));
        }
        let tiled = if base { tiled.replace("forward_store(", "forward_base_store(") } else { tiled.clone() };
        let grid = Grid::Windows { per_window: s.rows, per_group, across: s.d.div_ceil(wide) };
        let n = part.slices.len();
        kernel(
            c,
            part,
            &tiled,
            "branches_forward",
            bindings,
            (grid, Cost::new(2 * s.rows * s.d * s.d * n, s.rows * s.d * 3 + partial(part, s.d))),
            None,
        )
    };
    Phase { kernels: parts(c.attrs).iter().map(one).collect(), scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let s = sizes(c);
    let parts = parts(c.attrs);
    let mut kernels = vec![];
    if Branches::of(c.attrs).sources && c.wants(0) {
        let n = s.rows * s.d;
        let bindings = vec![Binding::input("d_y", Slot::DOut(0), "d_y_base"), Binding::output("d_source", Slot::DIn(0), "d_source_base")];
        let grid = Grid::Windows { per_window: n / 4, per_group: 64, across: 1 };
        kernels.push(kernel(c, &parts[0], "", "branches_backward_residual", bindings, (grid, Cost::new(0, 2 * n)), Some(0)));
    }
    for part in &parts {
        if c.wants(part.source) {
            kernels.push(backward_source(c, &s, part));
        }
    }
    let mut scratch = vec![];
    if c.wants(1) {
        let largest = parts.iter().map(|p| partials_in_scratch(partial(p, s.d)) * partial(p, s.d)).max().unwrap_or(0);
        scratch.push((largest, Scope::Step));
        parts.iter().for_each(|part| kernels.extend(backward_weights(c, &s, part)));
    }
    Phase { kernels, scratch }
}

fn backward_source(c: &OpCtx, s: &Sizes, part: &Part) -> KernelDef {
    let tile = c.variants.rows;
    let (per_group, wide) = extent(tile, s.d);
    let m = Matmul {
        entry: "branches_backward_source",
        tile,
        columns: s.d,
        prologue: ROWS_PROLOGUE,
        a: matmul::Operand { name: "backward_a", along_s: true },
        b: matmul::Operand { name: "backward_b", along_s: false },
        store: "backward_store(",
        row_sums: None,
        repeat: Repeat::Slices(None),
    };
    let bindings = vec![
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::input("signs", Slot::Saved(0), "signs_base"),
        Binding::input("weights", Slot::In(1), "weights_base"),
        Binding::output("d_source", Slot::DIn(part.source), "d_source_base"),
    ];
    let grid = Grid::Windows { per_window: s.rows, per_group, across: s.d.div_ceil(wide) };
    let cost = Cost::new(2 * s.rows * s.d * s.d * part.slices.len(), s.rows * s.d * 3 + partial(part, s.d));
    kernel(c, part, &text(&m), "branches_backward_source", bindings, (grid, cost), Some(part.source))
}

fn backward_weights(c: &OpCtx, s: &Sizes, part: &Part) -> [KernelDef; 2] {
    let tile = fit(c.variants.weights, s.d);
    let (rows, wide) = extent(tile, s.d);
    let across = s.d.div_ceil(wide);
    let tiles = across * s.d.div_ceil(rows);
    // A tap sees only rows whose shifted row is in the same window. The range of s ensures this, so that no load needs a guard.
    let prologue = format!(
        "    let block = group.x + params.first;\n    if block >= active_windows() * params.blocks {{ return; }}\n    \
         slice = params.slice0 + group.y / {tiles}u;\n    let tile = group.y % {tiles}u;\n    \
         let moved = steps_of(params.slice0 + group.y / {tiles}u) * i32(params.n_nodes);\n    \
         let in_window = (block % params.blocks) * params.block_rows;\n    \
         let window_row = i32((block / params.blocks) * params.count);\n    \
         let block_begin = window_row + i32(in_window);\n    \
         let block_end = block_begin + i32(min(params.block_rows, params.count - in_window));\n    \
         let s_begin = u32(max(block_begin, window_row - moved));\n    \
         let s_end = max(s_begin, u32(max(min(block_end, window_row + i32(params.count) - moved), 0)));\n    \
         let i0 = (tile / {across}u) * TILE_ROWS;\n    let j0 = (tile % {across}u) * TILE_COLUMNS;"
    );
    let m = Matmul {
        entry: "branches_backward_weights",
        tile,
        columns: s.d,
        prologue: &prologue,
        a: matmul::Operand { name: "weight_a", along_s: false },
        b: matmul::Operand { name: "weight_b", along_s: false },
        store: "weight_store(group.x,",
        row_sums: Some("bias_store(group.x,"),
        repeat: Repeat::Once,
    };
    let (elements, n) = (partial(part, s.d), part.slices.len());
    let group = partials_in_scratch(elements);
    [
        kernel(
            c,
            part,
            &text(&m),
            "branches_backward_weights",
            vec![
                Binding::input("d_y", Slot::DOut(0), "d_y_base"),
                Binding::input("signs", Slot::Saved(0), "signs_base"),
                Binding::input("source", Slot::In(part.source), "source_base"),
                Binding::output("partial", Slot::Scratch(0), "partial_base"),
            ],
            (
                Grid::Blocks { per_window: s.blocks, group, across: n * tiles },
                Cost::new(2 * s.rows * s.d * s.d * n, 2 * n * s.rows * s.d + s.blocks * elements),
            ),
            None,
        ),
        kernel(
            c,
            part,
            "",
            "branches_fold",
            vec![Binding::input("partial", Slot::Scratch(0), "partial_base"), Binding::output("d_weights", Slot::DIn(1), "d_weights_base")],
            (Grid::Fixed { groups: (elements / 4).div_ceil(64), in_blocks: true }, Cost::new(s.blocks * elements, s.blocks * elements)),
            None,
        ),
    ]
}

/// Calls `each` with (branch, slice, row, source row) for every tap that lies within a window of `rows` rows.
fn each_tap(taps: &[usize], rows: usize, nodes: usize, mut each: impl FnMut(usize, usize, usize, usize)) {
    let mut slice = 0;
    for (branch, &taps) in taps.iter().enumerate() {
        for tap in 0..taps {
            for row in 0..rows {
                if let Some(from) = (row + tap * nodes).checked_sub(taps / 2 * nodes).filter(|from| *from < rows) {
                    each(branch, slice, row, from);
                }
            }
            slice += 1;
        }
    }
}

/// The values before relu of each branch in window `w`.
fn values(t: &TwinCall, w: usize) -> Vec<Vec<f64>> {
    let (rows, nodes, d) = (t.inputs[0].operand.rows(), t.inputs[0].operand.shape[1], t.inputs[0].operand.last());
    let of = Branches::of(t.attrs);
    let branches = of.taps.len();
    let weights = &t.inputs[1].data;
    let biases = &weights[weights.len() - branches * d..];
    let mut z: Vec<Vec<f64>> = (0..branches).map(|k| (0..rows * d).map(|e| biases[k * d + e % d]).collect()).collect();
    each_tap(&of.taps, rows, nodes, |branch, slice, row, from| {
        let source = t.inputs[of.source_of(branch)].window(w);
        for o in 0..d {
            let matrix = &weights[(slice * d + o) * d..][..d];
            z[branch][row * d + o] += matrix.iter().zip(&source[from * d..]).map(|(a, b)| a * b).sum::<f64>();
        }
    });
    z
}

fn twin_forward(t: &mut TwinCall) {
    let scale = Branches::of(t.attrs).scale();
    for w in 0..t.windows {
        let z = values(t, w);
        let x = t.inputs[0].window(w).to_vec();
        for (e, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            *y = x[e] + scale * z.iter().map(|z| z[e].max(0.0)).sum::<f64>();
        }
        for (q, word) in t.saved[0].window_mut(w).iter_mut().enumerate() {
            let bit = |k: usize, i: usize| if z[k][4 * q + i] > 0.0 { 1_u32 << (4 * k + i) } else { 0 };
            *word = f64::from((0..z.len()).flat_map(|k| (0..4).map(move |i| (k, i))).map(|(k, i)| bit(k, i)).sum::<u32>());
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "words of bits, held as floats")]
fn twin_backward(t: &mut TwinCall) {
    let (rows, nodes, d) = (t.inputs[0].operand.rows(), t.inputs[0].operand.shape[1], t.inputs[0].operand.last());
    let of = Branches::of(t.attrs);
    let (branches, scale) = (of.taps.len(), of.scale());
    let weights = t.inputs[1].data.clone();
    let bias_at = weights.len() - branches * d;
    for w in 0..t.windows {
        let (signs, d_y) = (t.saved[0].window(w).to_vec(), t.d_outputs[0].window(w).to_vec());
        let d_z = |k: usize, e: usize| if (signs[e / 4] as u32) >> (4 * k + e % 4) & 1 == 1 { scale * d_y[e] } else { 0.0 };
        let sources: Vec<Vec<f64>> = (0..branches).map(|k| t.inputs[of.source_of(k)].window(w).to_vec()).collect();
        if let Some(d_x) = t.d_input(0, w) {
            d_x.iter_mut().zip(&d_y).for_each(|(x, d)| *x += d);
        }
        for k in 0..branches {
            if let Some(d_weights) = t.d_input(1, w) {
                (0..rows * d).for_each(|e| d_weights[bias_at + k * d + e % d] += d_z(k, e));
            }
        }
        each_tap(&of.taps, rows, nodes, |k, slice, row, from| {
            for o in 0..d {
                let (g, at) = (d_z(k, row * d + o), (slice * d + o) * d);
                if let Some(d_source) = t.d_input(of.source_of(k), w) {
                    (0..d).for_each(|i| d_source[from * d + i] += g * weights[at + i]);
                }
                if let Some(d_weights) = t.d_input(1, w) {
                    (0..d).for_each(|i| d_weights[at + i] += g * sources[k][from * d + i]);
                }
            }
        });
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [t, n, d]: [usize; 3], kernels: &[usize], windows, sources: bool| {
        let attrs = Branches { taps: kernels.to_vec(), sources }.attrs();
        let weights = kernels.iter().map(|k| k * d * d + d).sum();
        let mut inputs = vec![CaseInput::window(&[t, n, d], Fill::Normal(1.0)), CaseInput::step(&[weights], Fill::Normal(0.2))];
        if sources {
            inputs.extend(kernels.iter().map(|_| CaseInput::window(&[t, n, d], Fill::Normal(1.0))));
        }
        let most = kernels.iter().max().copied().unwrap_or(1);
        Case { name, attrs, inputs, windows, reduction: (most * d).max(t * n * windows) }
    };
    let mut fixed = case("one source wants no gradient", [3, 2, 8], &[1, 1], 2, true);
    fixed.inputs[2].grad = false;
    vec![
        case("one token", [1, 1, 4], &[1], 1, false),
        case("fewer steps than taps", [2, 3, 8], &[1, 3, 5, 7], 2, false),
        case("four kernels, a tile of rows", [16, 4, 16], &[1, 3, 5, 7], 1, false),
        case("a tile and one, three kernels", [13, 5, 36], &[1, 3, 7], 2, false),
        case("two blocks a window", [50, 14, 8], &[3, 1], 2, false),
        case("eight kernels", [5, 2, 4], &[1, 3, 1, 5, 3, 1, 3, 1], 3, false),
        case("two hops", [3, 4, 8], &[1, 1], 3, true),
        case("three hops, a tile and four", [5, 13, 68], &[1, 1, 1], 1, true),
        fixed,
    ]
}
