//! `y = a(x) W^T + b (+ residual)` over the last axis. a is the identity, relu or tanh-gelu, followed by dropout.
//!
//! Inputs: x `[.., K]`, weight `[M, K]` (with attribute `column0` the weight is `[M, more]`, and W is the K columns that start there: a map
//! of several concatenated inputs is then a sum of maps), then with attribute `bias` b `[M]`, then with attribute `residual` a tensor in
//! the shape of y. The activation is applied when x is loaded. So a layer stores only the pre-activation, which the backward pass needs
//! anyway, and the output of the activation is recomputed instead of saved (one tensor of `[.., K]` less). Parameter gradients are summed
//! over blocks of rows.

use super::attrs::{AttrKind, AttrType, Attrs, Operation, chosen, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    block_rows, partials_in_scratch, to_f32, to_u32,
};
use super::expect::{expect_count, expect_dropout};
use super::generator::matmul::{self, Matmul, Repeat, extent, fit, text};
use super::generator::{Broadcast, Tile};
use super::twin::{Twin, TwinCall, drop_threshold, dropout};
use super::wgsl::wgsl;

/// The activation that is applied when x is loaded; the shader uses the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x itself.
    Identity = 0,
    /// `max(x, 0)`.
    Relu = 1,
    /// GELU in its tanh form.
    Gelu = 2,
}

impl AttrType for Activation {
    const KIND: AttrKind = AttrKind::Choice(&["identity", "relu", "gelu"]);

    fn numbers(&self) -> Vec<f64> {
        vec![f64::from(*self as u8)]
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        chosen(&[Self::Identity, Self::Relu, Self::Gelu], numbers)
    }
}

operation! {
    /// Inputs: x, weight, then with `bias` the bias, then with `residual` the residual. Output: y.
    pub struct Linear {
        /// Whether the map has a bias.
        pub bias: bool,
        /// Whether a tensor in the shape of y is added.
        pub residual: bool,
        /// The activation that is applied when x is loaded.
        pub activation: Activation,
        /// Dropout rate of the activated x, in [0, 1).
        pub dropout: f64,
        /// First column of W, if the weight is for several concatenated inputs; otherwise the weight is W.
        pub column0: Option<usize>,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "linear",
    summary: "y = dropout(a(x)) W^T + b + residual",
    attrs: Linear::ATTRS,
    infer,
    keeps_inputs: &[0, 1],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: |a| Linear::of(a).dropout > 0.0,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const LINEAR: &str = wgsl!("ops/linear.wgsl", "lib/step.wgsl", "lib/random.wgsl", "lib/activation.wgsl");
const QUADS: &str = wgsl!("ops/linear_quads.wgsl");
const SCALARS: &str = wgsl!("ops/linear_scalars.wgsl");

impl Linear {
    /// Index of the input `residual`, if the op has one.
    fn residual_at(&self) -> usize {
        2 + usize::from(self.bias)
    }

    /// Whether activation or dropout changes x.
    fn changes_x(&self) -> bool {
        self.activation != Activation::Identity || self.dropout > 0.0
    }

    /// First column of W in the weight.
    fn first_column(&self) -> usize {
        self.column0.unwrap_or(0)
    }
}

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let of = Linear::of(attrs);
    expect_count(inputs, of.residual_at() + usize::from(of.residual))?;
    expect_dropout(of.dropout)?;
    let k = inputs[0].last();
    let [m, inner] = inputs[1].shape[..] else { return Err(format!("the weight must be [M, K], found {:?}", inputs[1].shape)) };
    let fits = of.column0.map_or(inner == k, |column0| column0 + k <= inner);
    if !fits {
        return Err(format!("the inner extents differ: x is {:?}, the weight is {:?}", inputs[0].shape, inputs[1].shape));
    }
    if of.bias && inputs[2].shape != [m] {
        return Err(format!("the bias must be [{m}], found {:?}", inputs[2].shape));
    }
    let shape = inputs[0].with_last(m);
    if of.residual && inputs[of.residual_at()].shape != shape {
        return Err(format!("the residual must be {shape:?}, found {:?}", inputs[of.residual_at()].shape));
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
    let partial = columns * (inner + usize::from(Linear::of(c.attrs).bias));
    Sizes { rows, inner, columns, block, blocks: rows.div_ceil(block), partial, group: partials_in_scratch(partial) }
}

fn fields(c: &OpCtx) -> Vec<(&'static str, Value)> {
    let (s, of) = (sizes(c), Linear::of(c.attrs));
    vec![
        ("count", Value::U32(to_u32(s.rows))),
        ("inner", Value::U32(to_u32(s.inner))),
        ("columns", Value::U32(to_u32(s.columns))),
        ("stride", Value::U32(to_u32(c.inputs[1].last()))),
        ("column0", Value::U32(to_u32(of.first_column()))),
        ("node", Value::U32(c.node)),
        ("threshold", Value::U32(drop_threshold(of.dropout))),
        ("keep_scale", Value::F32(1.0 / (1.0 - to_f32(of.dropout)))),
        ("block_rows", Value::U32(to_u32(s.block))),
        ("blocks", Value::U32(to_u32(s.blocks))),
        ("group", Value::U32(to_u32(s.group))),
        ("has_bias", Value::U32(u32::from(of.bias))),
    ]
}

/// Whether four neighbours of a row can always be moved at once.
fn in_quads(c: &OpCtx) -> bool {
    let [m, stride] = [c.inputs[1].shape[0], c.inputs[1].last()];
    [c.inputs[0].last(), m, stride, Linear::of(c.attrs).first_column()].iter().all(|n| n.is_multiple_of(4))
}

/// Number of elements per invocation of an element-wise kernel.
fn lanes(c: &OpCtx) -> usize {
    if in_quads(c) { 4 } else { 1 }
}

/// A kernel; `stored` is the index of the input whose gradient it stores by rows.
fn kernel(c: &OpCtx, tiled: &str, entry: &'static str, bindings: Vec<Binding>, grid: Grid, cost: Cost, stored: Option<usize>) -> KernelDef {
    let elements = if in_quads(c) { QUADS } else { SCALARS };
    let of = Linear::of(c.attrs);
    let accumulate = stored.is_some_and(|i| c.accumulate.get(i).copied().unwrap_or(false));
    KernelDef {
        source: format!("{elements}{LINEAR}{tiled}").into(),
        entry,
        overrides: vec![
            ("activation", f64::from(of.activation as u8)),
            ("drops", f64::from(of.dropout > 0.0)),
            ("biased", f64::from(of.bias)),
            ("accumulate", f64::from(accumulate)),
        ],
        bindings,
        params: fields(c),
        grid,
        cost,
    }
}

fn parameters(c: &OpCtx) -> Binding {
    let mut slots = vec![(Slot::In(1), "weight_base")];
    if Linear::of(c.attrs).bias {
        slots.push((Slot::In(2), "bias_base"));
    }
    Binding::parameters("weights", &slots)
}

/// A product over the rows of all windows.
fn by_rows(tile: Tile, columns: usize, m: &Matmul) -> (String, usize, usize) {
    let (rows, wide) = extent(tile, columns);
    (text(m), rows, columns.div_ceil(wide))
}

const ROWS_PROLOGUE: &str =
    "    let i0 = (group.x + params.first) * TILE_ROWS;\n    let j0 = group.y * TILE_COLUMNS;\n    let s_begin = 0u;\n";

fn forward(c: &OpCtx) -> Phase {
    let (s, of) = (sizes(c), Linear::of(c.attrs));
    let tile = c.variants.rows;
    let prologue = format!("{ROWS_PROLOGUE}    let s_end = params.inner;");
    let m = Matmul {
        entry: "linear_forward",
        tile,
        columns: s.columns,
        prologue: &prologue,
        a: matmul::Operand { name: "forward_a", along_s: true },
        b: matmul::Operand { name: "forward_b", along_s: true },
        store: if of.residual { "forward_residual_store(" } else { "forward_store(" },
        row_sums: None,
        repeat: Repeat::Once,
    };
    let (tiled, per_group, across) = by_rows(tile, s.columns, &m);
    let mut bindings = vec![Binding::input("x", Slot::In(0), "x_base"), parameters(c), Binding::output("y", Slot::Out(0), "y_base")];
    if of.residual {
        bindings.push(Binding::input("residual", Slot::In(of.residual_at()), "residual_base"));
    }
    let moved = s.rows * (s.inner + s.columns * (1 + usize::from(of.residual))) + s.partial;
    let grid = Grid::Windows { per_window: s.rows, per_group, across };
    Phase {
        kernels: vec![kernel(c, &tiled, "linear_forward", bindings, grid, Cost::new(2 * s.rows * s.inner * s.columns, moved), None)],
        scratch: vec![],
    }
}

fn backward(c: &OpCtx) -> Phase {
    let (s, of) = (sizes(c), Linear::of(c.attrs));
    let mut kernels = vec![];
    let residual = of.residual_at();
    if of.residual && c.wants(residual) {
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
    let (tile, changed) = (c.variants.rows, Linear::of(c.attrs).changes_x());
    let prologue = format!("{ROWS_PROLOGUE}    let s_end = params.columns;");
    let store = if changed { "backward_activated_store(" } else { "backward_store(" };
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
    if changed {
        bindings.push(Binding::input("x", Slot::In(0), "x_base"));
    }
    let moved = s.rows * (s.inner * (1 + usize::from(changed)) + s.columns) + s.inner * s.columns;
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
        row_sums: Linear::of(c.attrs).bias.then_some("bias_store(group.x,"),
        repeat: Repeat::Once,
    };
    let mut gradients = vec![(Slot::DIn(1), "d_weight_base")];
    if Linear::of(c.attrs).bias {
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

/// a(x) and a'(x) of relu and tanh-gelu as PyTorch defines them.
fn activation(kind: Activation, v: f64) -> (f64, f64) {
    const ROOT: f64 = 0.797_884_560_802_865_4;
    match kind {
        Activation::Identity => (v, 1.0),
        Activation::Relu => (v.max(0.0), f64::from(v > 0.0)),
        Activation::Gelu => {
            let t = (ROOT * (v + 0.044_715 * v * v * v)).tanh();
            (0.5 * v * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * ROOT * (1.0 + 3.0 * 0.044_715 * v * v))
        }
    }
}

/// a(x) with dropout, and its derivative, for each element of window `w`.
fn activate(t: &TwinCall, w: usize) -> Vec<(f64, f64)> {
    let Linear { activation: kind, dropout: p, .. } = Linear::of(t.attrs);
    let one = |(e, v): (usize, &f64)| {
        let keep = dropout(p, e, w, t.node, &t.step);
        let (value, slope) = activation(kind, *v);
        (value * keep, slope * keep)
    };
    t.inputs[0].window(w).iter().enumerate().map(one).collect()
}

fn twin_forward(t: &mut TwinCall) {
    let (k, m) = (t.inputs[0].operand.last(), t.inputs[1].operand.shape[0]);
    let (stride, of) = (t.inputs[1].operand.last(), Linear::of(t.attrs));
    let column0 = of.first_column();
    for w in 0..t.windows {
        let x = activate(t, w);
        let weight = t.inputs[1].data.clone();
        let bias = of.bias.then(|| t.inputs[2].data.clone());
        let residual = of.residual.then(|| t.inputs[of.residual_at()].window(w).to_vec());
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
    let (stride, of) = (t.inputs[1].operand.last(), Linear::of(t.attrs));
    let column0 = of.first_column();
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
            if of.bias
                && let Some(d_bias) = t.d_input(2, w)
            {
                d_bias[column] += d;
            }
            if of.residual
                && let Some(d_residual) = t.d_input(of.residual_at(), w)
            {
                d_residual[e] += d;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    use Activation::{Gelu, Identity, Relu};
    let case = |name, [rows, k, m]: [usize; 3], windows, bias: bool, residual: bool, activation: Activation, p: f64| {
        let mut inputs = vec![CaseInput::window(&[rows, k], Fill::Normal(1.0)), CaseInput::parameter(&[m, k], Fill::Normal(0.3))];
        if bias {
            inputs.push(CaseInput::parameter(&[m], Fill::Normal(0.5)));
        }
        if residual {
            inputs.push(CaseInput::window(&[rows, m], Fill::Normal(1.0)));
        }
        let attrs = Linear { bias, residual, activation, dropout: p, column0: None }.attrs();
        Case { name, attrs, inputs, windows, reduction: k.max(m).max(rows * windows) }
    };
    let sliced = |mut case: Case, column0: usize, more: usize| {
        case.inputs[1].shape[1] += column0 + more;
        case.attrs = Linear { column0: Some(column0), ..Linear::of(&case.attrs) }.attrs();
        case
    };
    vec![
        sliced(case("some columns of a weight", [37, 5, 9], 3, true, false, Identity, 0.0), 2, 3),
        sliced(case("quads, the last columns of a weight", [65, 16, 32], 2, false, true, Relu, 0.0), 16, 0),
        case("one by one", [1, 1, 1], 1, true, false, Identity, 0.0),
        case("a tile", [64, 64, 64], 1, true, false, Identity, 0.0),
        case("a tile less one", [63, 15, 63], 1, true, true, Identity, 0.0),
        case("a tile and one", [65, 17, 65], 1, false, false, Relu, 0.0),
        case("narrow, several windows", [37, 14, 9], 3, true, false, Gelu, 0.0),
        case("wide, relu and dropout", [50, 33, 130], 2, true, false, Relu, 0.3),
        case("two blocks a window, gelu", [700, 12, 8], 2, true, true, Gelu, 0.1),
        case("many windows", [5, 8, 4], 70, true, false, Identity, 0.0),
        case("quads, a tile less four, relu", [63, 60, 124], 2, true, true, Relu, 0.0),
        case("quads, a tile and four, gelu and dropout", [65, 68, 132], 3, true, false, Gelu, 0.2),
        case("quads, two blocks, no bias", [700, 16, 36], 2, false, false, Identity, 0.0),
    ]
}
