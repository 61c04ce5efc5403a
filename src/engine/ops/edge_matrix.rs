//! The learned graph as a matrix `[N, N4]`, row = receiver: the edges of both stages, 0 elsewhere. N4 is N rounded up to a multiple of 4.
//! The padding is 0, so that a kernel can load four neighbours of a row at once.
//!
//! Inputs, per step: prob and index of the stage series -> transitions (`[Nr, k]`), prob and index of the stage transitions -> targets
//! (`[Nt, k']`). The indices are data. Attributes `covariates` and `targets`: the nodes are covariates, targets, transitions, in this
//! order. The backward pass gathers at the edges: `dprob[r, e] = dy[r, index[r, e]]`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: prob and index of the first stage, prob and index of the second. Output: the matrix.
    pub struct EdgeMatrix {
        /// Number of covariates, the first nodes.
        pub covariates: usize,
        /// Number of targets, the next nodes.
        pub targets: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "edge_matrix",
    summary: "y[receiver, sender] = prob of the edge, else 0",
    attrs: EdgeMatrix::ATTRS,
    infer,
    keeps_inputs: &[1, 3],
    keeps_outputs: &[],
    updates: &[],
    data: &[1, 3],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/edge_matrix.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [prob1, index1, prob2, index2] = exactly(inputs)?;
    if prob1.shape != index1.shape || prob2.shape != index2.shape || prob1.shape.len() != 2 || prob2.shape.len() != 2 {
        return Err(format!(
            "expected prob and index [R, k] of each stage, found {:?}",
            inputs.iter().map(|i| &i.shape).collect::<Vec<_>>()
        ));
    }
    let EdgeMatrix { covariates, targets } = EdgeMatrix::of(attrs);
    if prob2.shape[0] != targets || inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err(format!("expected {targets} targets and every input per step, found prob {:?}", prob2.shape));
    }
    let n = covariates + targets + prob1.shape[0];
    Ok(Inferred { outputs: vec![vec![n, n.next_multiple_of(4)]], ..Inferred::default() })
}

/// First row and first column of the edges of each stage.
fn corners(attrs: &Attrs) -> [[usize; 2]; 2] {
    let EdgeMatrix { covariates, targets } = EdgeMatrix::of(attrs);
    let series = covariates + targets;
    [[series, 0], [covariates, series]]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, items: usize, stage: usize) -> KernelDef {
    let y = &c.outputs[0];
    let corners = corners(c.attrs);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(items))),
            ("quads", Value::U32(to_u32(y.last() / 4))),
            ("n_covariates", Value::U32(to_u32(corners[1][0]))),
            ("n_series", Value::U32(to_u32(corners[1][1]))),
            ("k1", Value::U32(to_u32(c.inputs[0].last()))),
            ("k2", Value::U32(to_u32(c.inputs[2].last()))),
            ("stage_k", Value::U32(to_u32(c.inputs[2 * stage].last()))),
            ("stage_row", Value::U32(to_u32(corners[stage][0]))),
            ("stage_column", Value::U32(to_u32(corners[stage][1]))),
        ],
        grid: Grid::Windows { per_window: items, per_group: 64, across: 1 },
        cost: Cost::new(y.len(), y.len()),
    }
}

fn forward(c: &OpCtx) -> Phase {
    let bindings = vec![
        Binding::input("prob1", Slot::In(0), "prob1_base"),
        Binding::input("index1", Slot::In(1), "index1_base"),
        Binding::input("prob2", Slot::In(2), "prob2_base"),
        Binding::input("index2", Slot::In(3), "index2_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    Phase { kernels: vec![kernel(c, "edge_matrix_forward", bindings, c.outputs[0].len() / 4, 0)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let stage = |stage: usize| {
        let bindings = vec![
            Binding::input("index1", Slot::In(2 * stage + 1), "index1_base"),
            Binding::input("d_y", Slot::DOut(0), "d_y_base"),
            Binding::output("d_prob", Slot::DIn(2 * stage), "d_prob_base"),
        ];
        kernel(c, "edge_matrix_backward", bindings, c.inputs[2 * stage].len(), stage)
    };
    Phase { kernels: (0..2).filter(|s| c.wants(2 * s)).map(stage).collect(), scratch: vec![] }
}

/// Index in the matrix of each edge of a stage.
#[expect(clippy::cast_possible_truncation, reason = "small indices, held as floats")]
fn places(t: &TwinCall, stage: usize) -> Vec<usize> {
    let index = &t.inputs[2 * stage + 1];
    let EdgeMatrix { covariates, targets } = EdgeMatrix::of(t.attrs);
    let nodes = covariates + targets + t.inputs[0].operand.shape[0];
    let (k, width) = (index.operand.last(), nodes.next_multiple_of(4));
    let [row, column] = corners(t.attrs)[stage];
    index.data.iter().enumerate().map(|(e, s)| (row + e / k) * width + column + *s as usize).collect()
}

fn twin_forward(t: &mut TwinCall) {
    t.outputs[0].data.fill(0.0);
    for stage in 0..2 {
        for (e, at) in places(t, stage).into_iter().enumerate() {
            t.outputs[0].data[at] += t.inputs[2 * stage].data[e];
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    for stage in 0..2 {
        for (e, at) in places(t, stage).into_iter().enumerate() {
            if let Some(d) = &mut t.d_inputs[2 * stage] {
                d.data[e] += t.d_outputs[0].data[at];
            }
        }
    }
}

fn cases() -> Vec<Case> {
    // Each edge of a row goes to a different sender: the edge's number within the row is the index of the sender.
    let case = |name, [covariates, targets]: [usize; 2], hubs: usize, k: [usize; 2]| {
        let data = |shape: &[usize], fill| CaseInput { grad: false, ..CaseInput::step(shape, fill) };
        let (one, two) = ([hubs, k[0]], [targets, k[1]]);
        Case {
            name,
            attrs: EdgeMatrix { covariates, targets }.attrs(),
            inputs: vec![
                CaseInput::step(&one, Fill::Uniform(0.0, 1.0)),
                data(&one, Fill::Constant(0.0)),
                CaseInput::step(&two, Fill::Uniform(0.0, 1.0)),
                data(&two, Fill::Mask(0.5)),
            ],
            windows: 1,
            reduction: k[0],
        }
    };
    vec![
        case("one target", [0, 1], 2, [1, 1]),
        case("a few", [2, 3], 2, [1, 1]),
        case("a workgroup of nodes", [5, 55], 4, [1, 1]),
        case("two edges to one sender", [1, 65], 3, [2, 2]),
    ]
}
