//! `y = a(x) W^T + b (+ residual)` over the last axis; a = identity, relu or tanh-gelu, then dropout.
//!
//! Inputs: x `[.., K]`, weight `[M, K]` (with attribute `sliced` `[M, more]`, of which the K columns from `column0` on are W: a map of
//! several inputs side by side is then a sum of maps), then with attribute `bias` b `[M]`, then with attribute `residual` a tensor shaped
//! like y. The
//! activation is applied where x is loaded: what a layer stores is the pre-activation alone, which backward needs anyway, and the
//! activation's output is recomputed instead of kept (one tensor of [.., K] fewer). Parameter gradients are summed over blocks of rows.

use super::def::{
    Attrs, Backward, Binding, Case, CaseInput, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, OpError, Operand, Phase, Scope, Slot,
    Value, block_rows, partials_in_scratch, to_u32,
};
use super::generator::matmul::{self, Matmul, Repeat, extent, fit, text};
use super::generator::{Broadcast, Tile};
use super::twin::{Twin, TwinCall, drop_threshold, dropout};

pub(super) static OP: OpDef = OpDef {
    name: "linear",
    summary: "y = dropout(a(x)) W^T + b + residual",
    infer,
    keeps_inputs: &[0, 1],
    keeps_outputs: &[],
    updates: &[],
    random: |a| a.f64("dropout") > 0.0,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin { forward: twin_forward, backward: twin_backward },
    cases,
};

const LINEAR: &str = concat!(
    include_str!("../../shaders/ops/linear.wgsl"),
    include_str!("../../shaders/lib/step.wgsl"),
    include_str!("../../shaders/lib/random.wgsl"),
    include_str!("../../shaders/lib/activation.wgsl")
);
const QUADS: &str = include_str!("../../shaders/ops/linear_quads.wgsl");
const SCALARS: &str = include_str!("../../shaders/ops/linear_scalars.wgsl");

fn index_of_residual(attrs: &Attrs) -> usize {
    2 + usize::from(attrs.flag("bias"))
}

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, OpError> {
    let wrong = |m: String| Err(OpError::new("linear", m));
    let wanted = index_of_residual(attrs) + usize::from(attrs.flag("residual"));
    if inputs.len() != wanted {
        return wrong(format!("expected {wanted} inputs, found {}", inputs.len()));
    }
    let k = inputs[0].last();
    let [m, inner] = inputs[1].shape[..] else { return wrong(format!("the weight must be [M, K], found {:?}", inputs[1].shape)) };
    let fits = if attrs.flag("sliced") { attrs.size("column0") + k <= inner } else { inner == k };
    if !fits {
        return wrong(format!("x is {:?}, the weight {:?}: inner extents differ", inputs[0].shape, inputs[1].shape));
    }
    if attrs.flag("bias") && inputs[2].shape != [m] {
        return wrong(format!("the bias must be [{m}], found {:?}", inputs[2].shape));
    }
    let mut shape = inputs[0].shape.clone();
    if let Some(last) = shape.last_mut() {
        *last = m;
    }
    if attrs.flag("residual") && inputs[wanted - 1].shape != shape {
        return wrong(format!("y is {shape:?}, the residual {:?}", inputs[wanted - 1].shape));
    }
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
}

fn sizes(c: &OpCtx) -> Sizes {
    let (rows, inner, columns) = (c.inputs[0].rows(), c.inputs[0].last(), c.inputs[1].shape[0]);
    let block = block_rows(rows);
    let partial = columns * (inner + usize::from(c.attrs.flag("bias")));
    Sizes { rows, inner, columns, block, blocks: rows.div_ceil(block), partial, group: partials_in_scratch(partial) }
}

fn fields(c: &OpCtx) -> Vec<(&'static str, Value)> {
    let s = sizes(c);
    vec![
        ("count", Value::U32(to_u32(s.rows))),
        ("inner", Value::U32(to_u32(s.inner))),
        ("columns", Value::U32(to_u32(s.columns))),
        ("stride", Value::U32(to_u32(c.inputs[1].last()))),
        ("column0", Value::U32(to_u32(column0(c.attrs)))),
        ("node", Value::U32(c.node)),
        ("threshold", Value::U32(drop_threshold(c.attrs.f64("dropout")))),
        ("keep_scale", Value::F32(1.0 / (1.0 - c.attrs.f32("dropout")))),
        ("block_rows", Value::U32(to_u32(s.block))),
        ("blocks", Value::U32(to_u32(s.blocks))),
        ("group", Value::U32(to_u32(s.group))),
        ("has_bias", Value::U32(u32::from(c.attrs.flag("bias")))),
    ]
}

/// First column of W in the weight.
fn column0(attrs: &Attrs) -> usize {
    if attrs.flag("sliced") { attrs.size("column0") } else { 0 }
}

/// Whether every four neighbours along a row can be moved at once.
fn in_quads(c: &OpCtx) -> bool {
    let [m, stride] = [c.inputs[1].shape[0], c.inputs[1].last()];
    [c.inputs[0].last(), m, stride, column0(c.attrs)].iter().all(|n| n.is_multiple_of(4))
}

/// Elements that one invocation of an element-wise kernel takes.
fn lanes(c: &OpCtx) -> usize {
    if in_quads(c) { 4 } else { 1 }
}

/// A kernel; `stored` is the input whose gradient is stored by rows.
fn kernel(c: &OpCtx, tiled: &str, entry: &'static str, bindings: Vec<Binding>, grid: Grid, cost: Cost, stored: Option<usize>) -> KernelDef {
    let elements = if in_quads(c) { QUADS } else { SCALARS };
    let flag = |b: bool| f64::from(u8::from(b));
    let accumulate = stored.is_some_and(|i| c.accumulate.get(i).copied().unwrap_or(false));
    KernelDef {
        source: format!("{elements}{LINEAR}{tiled}").into(),
        entry,
        overrides: vec![
            ("activation", c.attrs.f64("activation")),
            ("drops", flag(c.attrs.flag("dropout"))),
            ("biased", flag(c.attrs.flag("bias"))),
            ("accumulate", flag(accumulate)),
        ],
        bindings,
        params: fields(c),
        grid,
        cost,
    }
}

fn activated(attrs: &Attrs) -> bool {
    attrs.flag("activation") || attrs.flag("dropout")
}

fn parameters(c: &OpCtx) -> Binding {
    let mut slots = vec![(Slot::In(1), "weight_base")];
    if c.attrs.flag("bias") {
        slots.push((Slot::In(2), "bias_base"));
    }
    Binding::parameters("weights", &slots)
}

/// A product over rows of all windows.
fn by_rows(tile: Tile, columns: usize, m: &Matmul) -> (String, usize, usize) {
    let (rows, wide) = extent(tile, columns);
    (text(m), rows, columns.div_ceil(wide))
}

const ROWS_PROLOGUE: &str =
    "    let i0 = (group.x + params.first) * TILE_ROWS;\n    let j0 = group.y * TILE_COLUMNS;\n    let s_begin = 0u;\n";

fn forward(c: &OpCtx) -> Phase {
    let s = sizes(c);
    let residual = c.attrs.flag("residual");
    let tile = c.variants.rows;
    let prologue = format!("{ROWS_PROLOGUE}    let s_end = params.inner;");
    let m = Matmul {
        entry: "linear_forward",
        tile,
        columns: s.columns,
        prologue: &prologue,
        a: matmul::Operand { name: "forward_a", along_s: true },
        b: matmul::Operand { name: "forward_b", along_s: true },
        store: if residual { "forward_residual_store(" } else { "forward_store(" },
        row_sums: None,
        repeat: Repeat::Once,
    };
    let (tiled, per_group, across) = by_rows(tile, s.columns, &m);
    let mut bindings = vec![Binding::input("x", Slot::In(0), "x_base"), parameters(c), Binding::output("y", Slot::Out(0), "y_base")];
    if residual {
        bindings.push(Binding::input("residual", Slot::In(index_of_residual(c.attrs)), "residual_base"));
    }
    let moved = s.rows * (s.inner + s.columns * (1 + usize::from(residual))) + s.partial;
    let grid = Grid::Windows { per_window: s.rows, per_group, across };
    Phase {
        kernels: vec![kernel(c, &tiled, "linear_forward", bindings, grid, Cost::new(2 * s.rows * s.inner * s.columns, moved), None)],
        scratch: vec![],
    }
}

fn backward(c: &OpCtx) -> Phase {
    let s = sizes(c);
    let mut kernels = vec![];
    let residual = index_of_residual(c.attrs);
    if c.wants(residual) && c.attrs.flag("residual") {
        let n = s.rows * s.columns;
        let bindings =
            vec![Binding::input("d_y", Slot::DOut(0), "d_y_base"), Binding::output("d_residual", Slot::DIn(residual), "d_residual_base")];
        let grid = Grid::Windows { per_window: n / lanes(c), per_group: 64, across: 1 };
        kernels.push(kernel(c, "", "linear_backward_residual", bindings, grid, Cost::new(0, 2 * n), Some(residual)));
    }
    if c.wants(0) {
        kernels.push(backward_x(c, &s));
    }
    let mut scratch = vec![];
    if c.wants(1) {
        kernels.extend(backward_weight(c, &s));
        scratch.push((s.group * s.partial, Scope::Step));
    }
    Phase { kernels, scratch }
}

fn backward_x(c: &OpCtx, s: &Sizes) -> KernelDef {
    let tile = c.variants.rows;
    let prologue = format!("{ROWS_PROLOGUE}    let s_end = params.columns;");
    let store = if activated(c.attrs) { "backward_activated_store(" } else { "backward_store(" };
    let m = Matmul {
        entry: "linear_backward_x",
        tile,
        columns: s.inner,
        prologue: &prologue,
        a: matmul::Operand { name: "backward_a", along_s: true },
        b: matmul::Operand { name: "backward_b", along_s: false },
        store,
        row_sums: None,
        repeat: Repeat::Once,
    };
    let (tiled, per_group, across) = by_rows(tile, s.inner, &m);
    let mut bindings = vec![
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::parameters("weights", &[(Slot::In(1), "weight_base")]),
        Binding::output("d_x", Slot::DIn(0), "d_x_base"),
    ];
    if activated(c.attrs) {
        bindings.push(Binding::input("x", Slot::In(0), "x_base"));
    }
    let moved = s.rows * (s.inner * (1 + usize::from(activated(c.attrs))) + s.columns) + s.inner * s.columns;
    let grid = Grid::Windows { per_window: s.rows, per_group, across };
    kernel(c, &tiled, "linear_backward_x", bindings, grid, Cost::new(2 * s.rows * s.inner * s.columns, moved), Some(0))
}

fn backward_weight(c: &OpCtx, s: &Sizes) -> Vec<KernelDef> {
    let tile = fit(c.variants.weights, s.columns);
    let (rows, wide) = extent(tile, s.inner);
    let across = s.inner.div_ceil(wide);
    let pairs = in_quads(c) && tile.broadcast == Broadcast::Subgroup && tile.rows == 2 * tile.lanes;
    let prologue = format!(
        "    let block = group.x + params.first;\n    if block >= active_windows() * params.blocks {{ return; }}\n    \
         let in_window = (block % params.blocks) * params.block_rows;\n    \
         let s_begin = (block / params.blocks) * params.count + in_window;\n    \
         let s_end = s_begin + min(params.block_rows, params.count - in_window);\n    \
         let i0 = (group.y / {across}u) * TILE_ROWS;\n    let j0 = (group.y % {across}u) * TILE_COLUMNS;"
    );
    let m = Matmul {
        entry: "linear_backward_weight",
        tile,
        columns: s.inner,
        prologue: &prologue,
        a: matmul::Operand { name: "weight_a", along_s: false },
        b: matmul::Operand { name: "weight_b", along_s: false },
        store: "weight_store(group.x,",
        row_sums: c.attrs.flag("bias").then_some("bias_store(group.x,"),
        repeat: Repeat::Once,
    };
    let mut gradients = vec![(Slot::DIn(1), "d_weight_base")];
    if c.attrs.flag("bias") {
        gradients.push((Slot::DIn(2), "d_bias_base"));
    }
    let partial = || ("partial", Slot::Scratch(0), "partial_base");
    let (name, slot, base) = partial();
    vec![
        kernel(
            c,
            &text(&m),
            "linear_backward_weight",
            vec![
                Binding::input(if pairs { "d_y_pairs" } else { "d_y" }, Slot::DOut(0), "d_y_base"),
                Binding::input("x", Slot::In(0), "x_base"),
                Binding::output(name, slot, base),
            ],
            Grid::Blocks { per_window: s.blocks, group: s.group, across: across * s.columns.div_ceil(rows) },
            Cost::new(2 * s.rows * s.inner * s.columns, s.rows * (s.inner + s.columns) + s.blocks * s.partial),
            None,
        ),
        kernel(
            c,
            "",
            "linear_fold",
            vec![Binding::input(name, slot, base), Binding::gradients("d_weights", &gradients)],
            Grid::Fixed { groups: (s.partial / lanes(c)).div_ceil(64), in_blocks: true },
            Cost::new(s.blocks * s.partial, s.blocks * s.partial),
            None,
        ),
    ]
}

/// a(x) and a'(x) of PyTorch's relu and tanh-gelu.
fn activation(kind: usize, v: f64) -> (f64, f64) {
    const ROOT: f64 = 0.797_884_560_802_865_4;
    match kind {
        0 => (v, 1.0),
        1 => (v.max(0.0), f64::from(u8::from(v > 0.0))),
        _ => {
            let t = (ROOT * (v + 0.044_715 * v * v * v)).tanh();
            (0.5 * v * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * ROOT * (1.0 + 3.0 * 0.044_715 * v * v))
        }
    }
}

/// a(x) with dropout, and its derivative, element by element of window `w`.
fn activate(t: &TwinCall, w: usize) -> Vec<(f64, f64)> {
    let (kind, p) = (t.attrs.size("activation"), t.attrs.f64("dropout"));
    let one = |(e, v): (usize, &f64)| {
        let keep = dropout(p, e, w, t.node, &t.step);
        let (value, slope) = activation(kind, *v);
        (value * keep, slope * keep)
    };
    t.inputs[0].window(w).iter().enumerate().map(one).collect()
}

fn twin_forward(t: &mut TwinCall) {
    let (k, m) = (t.inputs[0].operand.last(), t.inputs[1].operand.shape[0]);
    let (stride, column0) = (t.inputs[1].operand.last(), column0(t.attrs));
    for w in 0..t.windows {
        let x = activate(t, w);
        let weight = t.inputs[1].data.clone();
        let bias = t.attrs.flag("bias").then(|| t.inputs[2].data.clone());
        let residual = t.attrs.flag("residual").then(|| t.inputs[index_of_residual(t.attrs)].window(w).to_vec());
        for (e, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            let (row, column) = (e / m, e % m);
            *y = (0..k).map(|i| x[row * k + i].0 * weight[column * stride + column0 + i]).sum::<f64>()
                + bias.as_ref().map_or(0.0, |b| b[column])
                + residual.as_ref().map_or(0.0, |r| r[e]);
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (k, m) = (t.inputs[0].operand.last(), t.inputs[1].operand.shape[0]);
    let (stride, column0) = (t.inputs[1].operand.last(), column0(t.attrs));
    let weight = t.inputs[1].data.clone();
    for w in 0..t.windows {
        let x = activate(t, w);
        let d_y = t.d_outputs[0].window(w).to_vec();
        for (e, d) in d_y.iter().enumerate() {
            let (row, column) = (e / m, e % m);
            if let Some(d_x) = t.d_input(0, w) {
                for i in 0..k {
                    d_x[row * k + i] += d * weight[column * stride + column0 + i] * x[row * k + i].1;
                }
            }
            if let Some(d_weight) = t.d_input(1, w) {
                for i in 0..k {
                    d_weight[column * stride + column0 + i] += d * x[row * k + i].0;
                }
            }
            if t.attrs.flag("bias")
                && let Some(d_bias) = t.d_input(2, w)
            {
                d_bias[column] += d;
            }
            if t.attrs.flag("residual")
                && let Some(d_residual) = t.d_input(index_of_residual(t.attrs), w)
            {
                d_residual[e] += d;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [rows, k, m]: [usize; 3], windows, bias: bool, residual: bool, activation: f64, p: f64| {
        let mut inputs = vec![CaseInput::window(&[rows, k], Fill::Normal(1.0)), CaseInput::parameter(&[m, k], Fill::Normal(0.3))];
        if bias {
            inputs.push(CaseInput::parameter(&[m], Fill::Normal(0.5)));
        }
        if residual {
            inputs.push(CaseInput::window(&[rows, m], Fill::Normal(1.0)));
        }
        let flag = |b| f64::from(u8::from(b));
        let attrs = Attrs::new(&[("bias", flag(bias)), ("residual", flag(residual)), ("activation", activation), ("dropout", p)]);
        Case { name, attrs, inputs, windows, reduction: k.max(m).max(rows * windows) }
    };
    let sliced = |mut case: Case, column0: usize, more: usize| {
        case.inputs[1].shape[1] += column0 + more;
        case.attrs.0.extend([("sliced", 1.0), ("column0", f64::from(to_u32(column0)))]);
        case
    };
    vec![
        sliced(case("some columns of a weight", [37, 5, 9], 3, true, false, 0.0, 0.0), 2, 3),
        sliced(case("quads, the last columns of a weight", [65, 16, 32], 2, false, true, 1.0, 0.0), 16, 0),
        case("one by one", [1, 1, 1], 1, true, false, 0.0, 0.0),
        case("a tile", [64, 64, 64], 1, true, false, 0.0, 0.0),
        case("a tile less one", [63, 15, 63], 1, true, true, 0.0, 0.0),
        case("a tile and one", [65, 17, 65], 1, false, false, 1.0, 0.0),
        case("narrow, several windows", [37, 14, 9], 3, true, false, 2.0, 0.0),
        case("wide, relu and dropout", [50, 33, 130], 2, true, false, 1.0, 0.3),
        case("two blocks a window, gelu", [700, 12, 8], 2, true, true, 2.0, 0.1),
        case("many windows", [5, 8, 4], 70, true, false, 0.0, 0.0),
        case("quads, a tile less four, relu", [63, 60, 124], 2, true, true, 1.0, 0.0),
        case("quads, a tile and four, gelu and dropout", [65, 68, 132], 3, true, false, 2.0, 0.2),
        case("quads, two blocks, no bias", [700, 16, 36], 2, false, false, 0.0, 0.0),
    ]
}
