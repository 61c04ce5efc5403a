//! `y[t, i] = sum over proposals k of gate_k sum_j A_k[i, j] x[t, j]`: the propagation along the graph. The matrix `sum_k gate_k A_k` of a
//! window is formed tile by tile where it is used and is never stored.
//!
//! Inputs: x `[T, N, D]` per window; gates `[3]` (or `[1, 3]`), per window or per step; the prior `[N, N4]` (data); with attribute
//! `dynamic` the learned graph and with `adaptive` the adaptive graph, both `[N, N4]`, per step. N4 is N rounded up to a multiple of 4; the
//! padding must be 0. D is a multiple of 4.
//!
//! A window is one matrix product: the receivers are the rows, and every pair (step, channel) is a column. Backward: `dx = M^T dy`; with
//! `G[i, j] = sum over t, channels of dy[t, i] x[t, j]` of a window, `dgate_k = sum of A_k G` and `dA_k = sum over windows of gate_k G`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, partials_in_scratch, to_u32,
};
use super::expect::expect_count;
use super::generator::matmul::{self, Matmul, Repeat, extent, fit, text};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: x, gates, prior, then with `dynamic` the learned graph, then with `adaptive` the adaptive graph. Output: y.
    pub struct Propagate {
        /// Whether there is a learned graph.
        pub dynamic: bool,
        /// Whether there is an adaptive graph.
        pub adaptive: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "propagate",
    summary: "y[t] = (sum_k gate_k A_k) x[t]",
    attrs: Propagate::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2, 3, 4],
    keeps_outputs: &[],
    updates: &[],
    data: &[2],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/propagate.wgsl", "lib/step.wgsl");

/// Indices of the inputs that are matrices, each with the index of its gate.
fn matrices(attrs: &Attrs) -> Vec<(usize, usize)> {
    let Propagate { dynamic, adaptive } = Propagate::of(attrs);
    let gates = [Some(0), dynamic.then_some(1), adaptive.then_some(2)];
    gates.into_iter().flatten().enumerate().map(|(i, gate)| (2 + i, gate)).collect()
}

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let wanted = 2 + matrices(attrs).len();
    expect_count(inputs, wanted)?;
    let [_, n, d] = inputs[0].shape[..] else {
        return Err(format!("expected x [T, N, D], found {:?}", inputs[0].shape));
    };
    if inputs[0].scope != Scope::Window || !d.is_multiple_of(4) || inputs[1].len() != 3 {
        return Err(format!(
            "x must be per window, its width a multiple of 4, and there must be 3 gates, found {:?} and {:?}",
            inputs[0].shape, inputs[1].shape
        ));
    }
    let square = [n, n.next_multiple_of(4)];
    if inputs[2..].iter().any(|i| i.shape != square || i.scope != Scope::Step) {
        return Err(format!(
            "the matrices must be {square:?} per step, found {:?}",
            inputs[2..].iter().map(|i| &i.shape).collect::<Vec<_>>()
        ));
    }
    Ok(Inferred { outputs: vec![inputs[0].shape.clone()], ..Inferred::default() })
}

struct Sizes {
    steps: usize,
    nodes: usize,
    padded: usize,
    d: usize,
    /// Columns of the product: the channels of all steps.
    columns: usize,
}

fn sizes(c: &OpCtx) -> Sizes {
    let x = &c.inputs[0].shape;
    Sizes { steps: x[0], nodes: x[1], padded: x[1].next_multiple_of(4), d: x[2], columns: x[0] * x[2] }
}

/// Per-window kernels have `row_tiles` workgroups per window along x.
fn kernel(c: &OpCtx, tiled: &str, entry: &'static str, bindings: Vec<Binding>, row_tiles: usize, grid: Grid, cost: Cost) -> KernelDef {
    let s = sizes(c);
    let stride = if c.inputs[1].scope == Scope::Window { 3 } else { 0 };
    KernelDef {
        source: format!("{SOURCE}{}{tiled}", mix(c.attrs)).into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(row_tiles))),
            ("n_steps", Value::U32(to_u32(s.steps))),
            ("n_nodes", Value::U32(to_u32(s.nodes))),
            ("padded", Value::U32(to_u32(s.padded))),
            ("width", Value::U32(to_u32(s.d))),
            ("gate_stride", Value::U32(stride)),
            ("group", Value::U32(to_u32(partials_in_scratch(s.nodes * s.padded)))),
            ("accumulate_x", c.accumulates(0)),
            ("accumulate_gates", c.accumulates(1)),
        ],
        grid,
        cost,
    }
}

/// Bindings of the matrices that are present.
fn matrix_bindings(c: &OpCtx) -> Vec<Binding> {
    const NAMES: [(&str, &str); 3] = [("prior", "prior_base"), ("dynamic_graph", "dynamic_base"), ("adaptive_graph", "adaptive_base")];
    matrices(c.attrs).into_iter().map(|(input, gate)| Binding::input(NAMES[gate].0, Slot::In(input), NAMES[gate].1)).collect()
}

/// `mixed(q)`: four neighbours of a row of the window's matrix. `weighed(q, v)`: for each matrix, the inner product of these four elements
/// with v.
fn mix(attrs: &Attrs) -> String {
    const LOADS: [(&str, &str); 3] = [
        ("x", "prior[params.prior_base / 4u + q]"),
        ("y", "dynamic_graph[params.dynamic_base / 4u + q]"),
        ("z", "adaptive_graph[params.adaptive_base / 4u + q]"),
    ];
    let there: Vec<_> = matrices(attrs).into_iter().map(|(_, gate)| LOADS[gate]).collect();
    let sum: Vec<_> = there.iter().map(|(part, load)| format!("gate.{part} * {load}")).collect();
    let dots: Vec<_> = LOADS.iter().map(|l| if there.contains(l) { format!("dot({}, v)", l.1) } else { "0.0".into() }).collect();
    format!(
        "fn mixed(q: u32) -> vec4<f32> {{\n    return {};\n}}\n\nfn weighed(q: u32, v: vec4<f32>) -> vec3<f32> {{\n    \
         return vec3<f32>({});\n}}\n",
        sum.join(" + "),
        dots.join(", ")
    )
}

fn gates() -> Binding {
    Binding::input("gates", Slot::In(1), "gates_base")
}

/// The product of the matrix of a window (or its transpose) and its tokens.
fn by_columns(c: &OpCtx, entry: &'static str, transposed: bool, own: Vec<Binding>) -> KernelDef {
    let s = sizes(c);
    let tile = fit(if transposed { c.variants.weights } else { c.variants.rows }, s.nodes);
    let (tall, wide) = extent(tile, s.columns);
    let row_tiles = s.nodes.div_ceil(tall);
    let prologue = "    let item = group.x + params.first;\n    if item >= active_windows() * params.count { return; }\n    \
                    window = item / params.count;\n    gate = gates_of(window);\n    let i0 = (item % params.count) * TILE_ROWS;\n    \
                    let j0 = group.y * TILE_COLUMNS;\n    let s_begin = 0u;\n    let s_end = params.n_nodes;";
    let m = Matmul {
        entry,
        tile,
        columns: s.columns,
        prologue,
        a: matmul::Operand { name: if transposed { "backward_a" } else { "forward_a" }, along_s: !transposed },
        b: matmul::Operand { name: if transposed { "backward_b" } else { "forward_b" }, along_s: false },
        store: if transposed { "backward_store(" } else { "forward_store(" },
        row_sums: None,
        repeat: Repeat::Once,
    };
    let mut bindings = own;
    bindings.push(gates());
    bindings.extend(matrix_bindings(c));
    let n = matrices(c.attrs).len();
    let cost = Cost::new(2 * s.nodes * s.nodes * s.columns, 2 * s.nodes * s.columns + n * s.nodes * s.padded);
    let grid = Grid::Windows { per_window: row_tiles, per_group: 1, across: s.columns.div_ceil(wide) };
    kernel(c, &text(&m), entry, bindings, row_tiles, grid, cost)
}

fn forward(c: &OpCtx) -> Phase {
    let own = vec![Binding::input("x", Slot::In(0), "x_base"), Binding::output("y", Slot::Out(0), "y_base")];
    Phase { kernels: vec![by_columns(c, "propagate_forward", false, own)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let s = sizes(c);
    let mut phase = Phase::default();
    if c.wants(0) {
        let own = vec![Binding::input("d_y", Slot::DOut(0), "d_y_base"), Binding::output("d_x", Slot::DIn(0), "d_x_base")];
        phase.kernels.push(by_columns(c, "propagate_backward_x", true, own));
    }
    let wanted: Vec<_> = matrices(c.attrs).into_iter().filter(|(input, _)| c.wants(*input)).collect();
    if wanted.is_empty() && !c.wants(1) {
        return phase;
    }
    let square = s.nodes * s.padded;
    phase.scratch.push((partials_in_scratch(square) * square, Scope::Step));
    phase.kernels.push(outer(c, &s));
    let partial = || Binding::input("partial", Slot::Scratch(0), "partial_base");
    for (input, gate) in wanted {
        let bindings = vec![partial(), gates(), Binding::output("d_matrix", Slot::DIn(input), "d_matrix_base")];
        let grid = Grid::Fixed { groups: (square / 4).div_ceil(64), in_blocks: true };
        let mut fold = kernel(c, "", "propagate_fold", bindings, 1, grid, Cost::new(2 * square, square));
        fold.overrides.push(("component", if gate == 1 { 1.0 } else { 2.0 }));
        phase.kernels.push(fold);
    }
    if c.wants(1) {
        let mut bindings = vec![partial(), Binding::output("d_gates", Slot::DIn(1), "d_gates_base")];
        bindings.extend(matrix_bindings(c));
        let grid = Grid::Fixed { groups: partials_in_scratch(square), in_blocks: true };
        let cost = Cost::new(6 * square, 4 * square);
        phase.kernels.push(kernel(c, GATES, "propagate_backward_gates", bindings, 1, grid, cost));
    }
    phase
}

const GATES: &str = wgsl!("ops/propagate_gates.wgsl");

/// G of each window of a group, into scratch.
fn outer(c: &OpCtx, s: &Sizes) -> KernelDef {
    let tile = c.variants.rows;
    let (tall, wide) = extent(tile, s.nodes);
    let across = s.nodes.div_ceil(wide);
    let prologue = format!(
        "    window = group.x + params.first;\n    if group.x + params.first >= active_windows() {{ return; }}\n    \
         let i0 = (group.y / {across}u) * TILE_ROWS;\n    let j0 = (group.y % {across}u) * TILE_COLUMNS;\n    let s_begin = 0u;\n    \
         let s_end = params.width;\n    let slice_begin = 0u;\n    let slice_end = params.n_steps;"
    );
    let m = Matmul {
        entry: "propagate_outer",
        tile,
        columns: s.nodes,
        prologue: &prologue,
        a: matmul::Operand { name: "outer_a", along_s: true },
        b: matmul::Operand { name: "outer_b", along_s: true },
        store: "outer_store(group.x,",
        row_sums: None,
        repeat: Repeat::Slices(None),
    };
    let bindings = vec![
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::input("x", Slot::In(0), "x_base"),
        Binding::output("partial", Slot::Scratch(0), "partial_base"),
    ];
    let grid = Grid::Blocks { per_window: 1, group: partials_in_scratch(s.nodes * s.padded), across: across * s.nodes.div_ceil(tall) };
    let cost = Cost::new(2 * s.nodes * s.nodes * s.columns, 2 * s.nodes * s.columns + s.nodes * s.padded);
    kernel(c, &text(&m), "propagate_outer", bindings, 1, grid, cost)
}

/// The gates of a window.
fn gates_of(t: &TwinCall, w: usize) -> Vec<f64> {
    t.inputs[1].window(w).to_vec()
}

fn twin_forward(t: &mut TwinCall) {
    let shape = t.inputs[0].operand.shape.clone();
    let (n, d, width) = (shape[1], shape[2], shape[1].next_multiple_of(4));
    for w in 0..t.windows {
        let gates = gates_of(t, w);
        let mixed: Vec<f64> =
            (0..n * width).map(|e| matrices(t.attrs).into_iter().map(|(i, gate)| gates[gate] * t.inputs[i].data[e]).sum()).collect();
        let x = t.inputs[0].window(w);
        for (e, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            let (step, i, channel) = (e / d / n, e / d % n, e % d);
            *y = (0..n).map(|j| mixed[i * width + j] * x[(step * n + j) * d + channel]).sum();
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let shape = t.inputs[0].operand.shape.clone();
    let (steps, n, d, width) = (shape[0], shape[1], shape[2], shape[1].next_multiple_of(4));
    for w in 0..t.windows {
        let gates = gates_of(t, w);
        let (x, d_y) = (t.inputs[0].window(w).to_vec(), t.d_outputs[0].window(w).to_vec());
        for i in 0..n {
            for j in 0..n {
                let at = i * width + j;
                let (from, to) = (|step: usize| (step * n + i) * d, |step: usize| (step * n + j) * d);
                let mixed: f64 = matrices(t.attrs).into_iter().map(|(input, gate)| gates[gate] * t.inputs[input].data[at]).sum();
                if let Some(d_x) = t.d_input(0, w) {
                    (0..steps * d).for_each(|c| d_x[to(c / d) + c % d] += mixed * d_y[from(c / d) + c % d]);
                }
                let g: f64 = (0..steps * d).map(|c| d_y[from(c / d) + c % d] * x[to(c / d) + c % d]).sum();
                for (input, gate) in matrices(t.attrs) {
                    let a = t.inputs[input].data[at];
                    if let Some(d_gates) = t.d_input(1, w) {
                        d_gates[gate] += a * g;
                    }
                    if let Some(d_matrix) = t.d_input(input, w) {
                        d_matrix[at] += gates[gate] * g;
                    }
                }
            }
        }
    }
}

fn cases() -> Vec<Case> {
    // The padding of a row must be 0, but the test data are random. So the sizes are multiples of 4 here; tests of the model cover other
    // sizes.
    let case = |name, [t, n, d]: [usize; 3], windows, [dynamic, adaptive]: [bool; 2], fixed: bool| {
        let matrix = |grad| CaseInput { grad, ..CaseInput::step(&[n, n.next_multiple_of(4)], Fill::Uniform(0.0, 0.5)) };
        let gates = if fixed {
            CaseInput { grad: false, ..CaseInput::step(&[3], Fill::Uniform(0.1, 0.6)) }
        } else {
            CaseInput::window(&[1, 3], Fill::Uniform(0.1, 0.6))
        };
        let mut inputs = vec![CaseInput::window(&[t, n, d], Fill::Normal(1.0)), gates, matrix(false)];
        inputs.extend([dynamic, adaptive].iter().filter(|there| **there).map(|_| matrix(true)));
        Case { name, attrs: Propagate { dynamic, adaptive }.attrs(), inputs, windows, reduction: (t * d * windows).max(n) }
    };
    vec![
        case("four nodes, the prior alone", [1, 4, 4], 1, [false, false], false),
        case("all three", [3, 8, 8], 3, [true, true], false),
        case("no dynamic graph", [2, 12, 16], 2, [false, true], false),
        case("no adaptive graph, fixed gates", [5, 16, 4], 2, [true, false], true),
        case("tiles of nodes", [2, 68, 36], 2, [true, true], false),
        case("many windows", [3, 8, 4], 70, [true, true], false),
    ]
}
