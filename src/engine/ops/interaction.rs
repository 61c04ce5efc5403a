//! `y = time * u`, `u_i = sum_j W_ij space_j` within each head: one bilinear form per head.
//!
//! Inputs: time and space `[.., D]`, weight `[h, e, e]` (out, in) with D = h e, a parameter. The backward pass recomputes u:
//! `dtime = dy u`, and with `du = dy time`, `dspace_j = sum_i W_ij du_i`, `dW_ij = sum over rows of du_i space_j`, over blocks of rows.

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
    /// Inputs: time, space, weight. Output: y.
    pub struct Interaction;
}

pub(super) static OP: OpDef = OpDef {
    name: "interaction",
    summary: "y = time (W_head space)",
    attrs: Interaction::ATTRS,
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

const SOURCE: &str = wgsl!("ops/interaction.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [time, space, weight] = exactly(inputs)?;
    expect_alike(("time", time), ("space", space))?;
    let [h, e, f] = weight.shape[..] else { return Err(format!("the weight must be [h, e, e], found {:?}", weight.shape)) };
    if e != f || h * e != time.last() {
        return Err(format!("expected a weight [h, e, e] with h e = the width, found {:?} and the width {}", weight.shape, time.last()));
    }
    Ok(Inferred { outputs: vec![time.shape.clone()], ..Inferred::default() })
}

struct Sizes {
    rows: usize,
    heads: usize,
    head_width: usize,
    block: usize,
    blocks: usize,
    partial: usize,
    group: usize,
    quads: bool,
}

fn sizes(c: &OpCtx) -> Sizes {
    let rows = c.inputs[0].rows();
    let (heads, head_width) = (c.inputs[2].shape[0], c.inputs[2].shape[1]);
    let (block, partial) = (block_rows(rows), heads * head_width * head_width);
    let quads = head_width.is_multiple_of(4);
    Sizes { rows, heads, head_width, block, blocks: rows.div_ceil(block), partial, group: partials_in_scratch(partial), quads }
}

fn kernel(c: &OpCtx, tiled: &str, entry: &'static str, bindings: Vec<Binding>, grid: Grid, cost: Cost, stored: Option<usize>) -> KernelDef {
    let s = sizes(c);
    let access = access::text(s.quads, &["time", "space", "weights", "d_y"], &["d_time", "d_space"], &["y", "partial"]);
    let accumulate = stored.is_some_and(|i| c.accumulate.get(i).copied().unwrap_or(false));
    KernelDef {
        source: format!("{access}{SOURCE}{tiled}").into(),
        entry,
        overrides: vec![("accumulate", f64::from(accumulate))],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(s.rows))),
            ("heads", Value::U32(to_u32(s.heads))),
            ("head_width", Value::U32(to_u32(s.head_width))),
            ("block_rows", Value::U32(to_u32(s.block))),
            ("blocks", Value::U32(to_u32(s.blocks))),
            ("group", Value::U32(to_u32(s.group))),
        ],
        grid,
        cost,
    }
}

/// A product over rows, head by head along y.
fn by_rows(
    c: &OpCtx,
    entry: &'static str,
    sides: [matmul::Operand; 2],
    store: &str,
    bindings: Vec<Binding>,
    stored: Option<usize>,
) -> KernelDef {
    let s = sizes(c);
    let tile = c.variants.rows;
    let (per_group, wide) = extent(tile, s.head_width);
    let across = s.head_width.div_ceil(wide);
    let prologue = format!(
        "    head = group.y / {across}u;\n    let i0 = (group.x + params.first) * TILE_ROWS;\n    \
         let j0 = (group.y % {across}u) * TILE_COLUMNS;\n    let s_begin = 0u;\n    let s_end = params.head_width;"
    );
    let [a, b] = sides;
    let m = Matmul { entry, tile, columns: s.head_width, prologue: &prologue, a, b, store, row_sums: None, repeat: Repeat::Once };
    let n = s.rows * s.heads * s.head_width;
    let grid = Grid::Windows { per_window: s.rows, per_group, across: s.heads * across };
    kernel(c, &text(&m), entry, bindings, grid, Cost::new(2 * n * s.head_width, 3 * n + s.partial), stored)
}

fn forward_sides() -> [matmul::Operand<'static>; 2] {
    [matmul::Operand { name: "forward_a", along_s: true }, matmul::Operand { name: "forward_b", along_s: true }]
}

fn weights() -> Binding {
    Binding::parameters("weights", &[(Slot::In(2), "weight_base")])
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![
        Binding::input("time", Slot::In(0), "time_base"),
        Binding::input("space", Slot::In(1), "space_base"),
        weights(),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    Phase { kernels: vec![by_rows(c, "interaction_forward", forward_sides(), "forward_store(", bindings, None)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let s = sizes(c);
    let mut phase = Phase::default();
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    if c.wants(0) {
        let bindings = vec![
            Binding::input("space", Slot::In(1), "space_base"),
            weights(),
            d_y(),
            Binding::output("d_time", Slot::DIn(0), "d_time_base"),
        ];
        phase.kernels.push(by_rows(c, "interaction_backward_time", forward_sides(), "time_store(", bindings, Some(0)));
    }
    if c.wants(1) {
        let sides = [matmul::Operand { name: "backward_a", along_s: true }, matmul::Operand { name: "backward_b", along_s: false }];
        let bindings = vec![
            Binding::input("time", Slot::In(0), "time_base"),
            weights(),
            d_y(),
            Binding::output("d_space", Slot::DIn(1), "d_space_base"),
        ];
        phase.kernels.push(by_rows(c, "interaction_backward_space", sides, "space_store(", bindings, Some(1)));
    }
    if c.wants(2) {
        phase.scratch.push((s.group * s.partial, Scope::Step));
        phase.kernels.extend(backward_weight(c, &s));
    }
    phase
}

fn backward_weight(c: &OpCtx, s: &Sizes) -> [KernelDef; 2] {
    let tile = fit(c.variants.weights, s.head_width);
    let (rows, wide) = extent(tile, s.head_width);
    let across = s.head_width.div_ceil(wide);
    let tiles = across * s.head_width.div_ceil(rows);
    let prologue = format!(
        "    let block = group.x + params.first;\n    if block >= active_windows() * params.blocks {{ return; }}\n    \
         head = group.y / {tiles}u;\n    let tile = group.y % {tiles}u;\n    \
         let in_window = (block % params.blocks) * params.block_rows;\n    \
         let s_begin = (block / params.blocks) * params.count + in_window;\n    \
         let s_end = s_begin + min(params.block_rows, params.count - in_window);\n    \
         let i0 = (tile / {across}u) * TILE_ROWS;\n    let j0 = (tile % {across}u) * TILE_COLUMNS;"
    );
    let m = Matmul {
        entry: "interaction_backward_weight",
        tile,
        columns: s.head_width,
        prologue: &prologue,
        a: matmul::Operand { name: "weight_a", along_s: false },
        b: matmul::Operand { name: "weight_b", along_s: false },
        store: "weight_store(group.x,",
        row_sums: None,
        repeat: Repeat::Once,
    };
    let n = s.rows * s.heads * s.head_width;
    let lanes = if s.quads { 4 } else { 1 };
    [
        kernel(
            c,
            &text(&m),
            "interaction_backward_weight",
            vec![
                Binding::input("time", Slot::In(0), "time_base"),
                Binding::input("space", Slot::In(1), "space_base"),
                Binding::input("d_y", Slot::DOut(0), "d_y_base"),
                Binding::output("partial", Slot::Scratch(0), "partial_base"),
            ],
            Grid::Blocks { per_window: s.blocks, group: s.group, across: s.heads * tiles },
            Cost::new(2 * n * s.head_width, 3 * n + s.blocks * s.partial),
            None,
        ),
        kernel(
            c,
            "",
            "interaction_fold",
            vec![
                Binding::input("partial", Slot::Scratch(0), "partial_base"),
                Binding::gradients("d_weights", &[(Slot::DIn(2), "d_weight_base")]),
            ],
            Grid::Fixed { groups: (s.partial / lanes).div_ceil(64), in_blocks: true },
            Cost::new(s.blocks * s.partial, s.blocks * s.partial),
            None,
        ),
    ]
}

/// u of window `w`.
fn mapped(t: &TwinCall, w: usize) -> Vec<f64> {
    let (e, weight, space) = (t.inputs[2].operand.shape[1], &t.inputs[2].data, t.inputs[1].window(w));
    let d = t.inputs[0].operand.last();
    let one = |at: usize| {
        let (row, head, i) = (at / d * d, at % d / e, at % e);
        (0..e).map(|j| weight[(head * e + i) * e + j] * space[row + head * e + j]).sum()
    };
    (0..space.len()).map(one).collect()
}

fn twin_forward(t: &mut TwinCall) {
    for w in 0..t.windows {
        let u = mapped(t, w);
        let time = t.inputs[0].window(w).to_vec();
        for (at, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            *y = time[at] * u[at];
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (e, d) = (t.inputs[2].operand.shape[1], t.inputs[0].operand.last());
    let weight = t.inputs[2].data.clone();
    for w in 0..t.windows {
        let u = mapped(t, w);
        let [time, space] = [0, 1].map(|i| t.inputs[i].window(w).to_vec());
        let d_y = t.d_outputs[0].window(w).to_vec();
        for (at, d_y) in d_y.iter().enumerate() {
            let (from, matrix) = (at / d * d + at % d / e * e, at % d * e);
            if let Some(d_time) = t.d_input(0, w) {
                d_time[at] += d_y * u[at];
            }
            if let Some(d_space) = t.d_input(1, w) {
                (0..e).for_each(|j| d_space[from + j] += d_y * time[at] * weight[matrix + j]);
            }
            if let Some(d_weight) = t.d_input(2, w) {
                (0..e).for_each(|j| d_weight[matrix + j] += d_y * time[at] * space[from + j]);
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, rows: usize, heads: usize, e: usize, windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::window(&[rows, heads * e], Fill::Normal(1.0)),
            CaseInput::window(&[rows, heads * e], Fill::Normal(1.0)),
            CaseInput::parameter(&[heads, e, e], Fill::Normal(0.5)),
        ],
        windows,
        reduction: e.max(rows * windows),
    };
    let mut alone = case("only space wants a gradient", 9, 2, 4, 2);
    alone.inputs[0].grad = false;
    vec![
        case("one row", 1, 1, 1, 1),
        case("an even width", 37, 3, 6, 3),
        case("quads, a tile of rows", 64, 4, 16, 1),
        case("quads, wide heads", 65, 2, 36, 2),
        case("two blocks a window", 700, 2, 4, 2),
        alone,
    ]
}
