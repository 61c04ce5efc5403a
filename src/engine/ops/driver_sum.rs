//! Codes that travel along signed graphs: `sum[j]^r = sum_i edges[r, j, i] code[i]^r` (section 9a of docs/model.md).
//!
//! Inputs: code `[Nx, R m]` per window, R pieces of m numbers, piece by piece; edges `[R, Nt, Nx]`, a parameter. Output: sum `[Nt, R m]`.
//! Backward: `d_code[i]^r = sum_j edges[r, j, i] d_sum[j]^r`; `d_edges[r, j, i]` = the sum over windows of `d_sum[j]^r . code[i]^r`, which
//! one invocation per edge adds up in the order of the windows, so that the division of a batch into micro-batches changes no bit.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: code, edges. Output: sum.
    pub struct DriverSum;
}

pub(super) static OP: OpDef = OpDef {
    name: "driver_sum",
    summary: "sum[j]^r = sum_i edges[r, j, i] code[i]^r",
    attrs: DriverSum::ATTRS,
    infer,
    keeps_inputs: &[0, 1],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/driver_sum.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [code, edges] = exactly(inputs)?;
    let ([series, width], [rank, targets, senders]) = (&code.shape[..], &edges.shape[..]) else {
        return Err(format!("expected code [series, R m] and edges [R, targets, series], found {:?} and {:?}", code.shape, edges.shape));
    };
    if series != senders || *rank == 0 || *width == 0 || !width.is_multiple_of(*rank) {
        return Err(format!("code {:?} does not fit edges {:?}", code.shape, edges.shape));
    }
    if edges.scope != Scope::Step {
        return Err("the edges must be per step".into());
    }
    Ok(Inferred { outputs: vec![vec![*targets, *width]], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, count: usize, bindings: Vec<Binding>, grid: Grid) -> KernelDef {
    let (series, width) = (c.inputs[0].shape[0], c.inputs[0].shape[1]);
    let (rank, targets) = (c.inputs[1].shape[0], c.inputs[1].shape[1]);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(count))),
            ("series", Value::U32(to_u32(series))),
            ("targets", Value::U32(to_u32(targets))),
            ("width", Value::U32(to_u32(width))),
            ("piece", Value::U32(to_u32(width / rank))),
            ("accumulate_code", c.accumulates(0)),
        ],
        grid,
        cost: Cost::new(2 * targets * series * width, (targets + series) * width + c.inputs[1].len()),
    }
}

fn edges() -> Binding {
    Binding::parameters("edges", &[(Slot::In(1), "edges_base")])
}

fn forward(c: &OpCtx) -> Phase {
    let n = c.outputs[0].len();
    let bindings = vec![Binding::input("code", Slot::In(0), "code_base"), edges(), Binding::output("sum", Slot::Out(0), "sum_base")];
    let grid = Grid::Windows { per_window: n, per_group: 64, across: 1 };
    Phase { kernels: vec![kernel(c, "driver_sum_forward", n, bindings, grid)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let mut kernels = vec![];
    let d_sum = || Binding::input("d_sum", Slot::DOut(0), "d_sum_base");
    if c.wants(0) {
        let n = c.inputs[0].len();
        let bindings = vec![edges(), d_sum(), Binding::output("d_code", Slot::DIn(0), "d_code_base")];
        kernels.push(kernel(c, "driver_sum_backward_code", n, bindings, Grid::Windows { per_window: n, per_group: 64, across: 1 }));
    }
    if c.wants(1) {
        let n = c.inputs[1].len();
        let bindings = vec![
            Binding::input("code", Slot::In(0), "code_base"),
            d_sum(),
            Binding::gradients("d_edges", &[(Slot::DIn(1), "d_edges_base")]),
        ];
        kernels.push(kernel(c, "driver_sum_backward_edges", n, bindings, Grid::Fixed { groups: n.div_ceil(64), in_blocks: false }));
    }
    Phase { kernels, scratch: vec![] }
}

/// Calls `visit` with the indices of edge, code and sum of every product.
fn products(code: &[usize], edges: &[usize], mut visit: impl FnMut(usize, usize, usize)) {
    let (series, width, piece) = (code[0], code[1], code[1] / edges[0]);
    for j in 0..edges[1] {
        for i in 0..series {
            for k in 0..width {
                visit((k / piece * edges[1] + j) * series + i, i * width + k, j * width + k);
            }
        }
    }
}

fn twin_forward(t: &mut TwinCall) {
    let (code_shape, edges_shape) = (t.inputs[0].operand.shape.clone(), t.inputs[1].operand.shape.clone());
    for w in 0..t.windows {
        let (code, edges) = (t.inputs[0].window(w), &t.inputs[1].data);
        let sum = t.outputs[0].window_mut(w);
        sum.fill(0.0);
        products(&code_shape, &edges_shape, |e, from, to| sum[to] += edges[e] * code[from]);
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (code_shape, edges_shape) = (t.inputs[0].operand.shape.clone(), t.inputs[1].operand.shape.clone());
    for w in 0..t.windows {
        let (code, edges) = (t.inputs[0].window(w).to_vec(), t.inputs[1].data.clone());
        let d_sum = t.d_outputs[0].window(w).to_vec();
        if let Some(d_code) = t.d_input(0, w) {
            products(&code_shape, &edges_shape, |e, from, to| d_code[from] += edges[e] * d_sum[to]);
        }
        if let Some(d_edges) = t.d_input(1, w) {
            products(&code_shape, &edges_shape, |e, from, to| d_edges[e] += code[from] * d_sum[to]);
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [rank, targets, series]: [usize; 3], piece: usize, windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::window(&[series, rank * piece], Fill::Normal(1.0)),
            CaseInput::parameter(&[rank, targets, series], Fill::Normal(0.5)),
        ],
        windows,
        reduction: series.max(piece * windows),
    };
    let mut edges_alone = case("only the edges want a gradient", [2, 3, 5], 3, 2);
    edges_alone.inputs[0].grad = false;
    let mut code_alone = case("only the code wants a gradient", [2, 3, 5], 3, 2);
    code_alone.inputs[1].grad = false;
    vec![
        case("one of each", [1, 1, 1], 1, 1),
        case("a workgroup less one", [3, 3, 7], 7, 1),
        case("a workgroup", [4, 2, 8], 8, 3),
        case("a workgroup and one", [1, 5, 13], 13, 3),
        case("many series", [4, 31, 70], 8, 5),
        edges_alone,
        code_alone,
    ]
}
