//! The terms of the weight and the score of an edge that do not depend on the tokens of a step:
//! `y[i, e, 0] = weight sigmoid(structure[i, e])`, `y[i, e, 1] = log max(prob[i, e], 1e-12)`, the latter the same for every head.
//!
//! Inputs: structure `[1, R, k, h]` (per window), prob `[R, k]` (per step), weight `[1]` (parameter). Output `[R, k, 2, h]`. Backward:
//! `dstructure = dy0 weight s (1 - s)`. dweight and dprob are sums over heads (dweight over edges too), first per window, then over the
//! windows in order; dprob is 0 below 1e-12.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::edge_sum::LEAST_PROBABILITY;
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: structure, prob, weight. Output: y.
    pub struct EdgeTerms;
}

pub(super) static OP: OpDef = OpDef {
    name: "edge_terms",
    summary: "y[i, e] = [weight sigmoid(structure[i, e]), log max(prob[i, e], 1e-12)]",
    attrs: EdgeTerms::ATTRS,
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

const SOURCE: &str = wgsl!("ops/edge_terms.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [structure, prob, weight] = exactly(inputs)?;
    let [1, r, k, h] = structure.shape[..] else {
        return Err(format!("expected structure [1, R, k, h], found {:?}", structure.shape));
    };
    if structure.scope != Scope::Window || prob.shape != [r, k] || prob.scope != Scope::Step || weight.len() != 1 {
        return Err(format!("expected prob [{r}, {k}] per step and weight [1], found {:?} and {:?}", prob.shape, weight.shape));
    }
    Ok(Inferred { outputs: vec![vec![r, k, 2, h]], ..Inferred::default() })
}

fn fields(c: &OpCtx, count: usize) -> Vec<Field> {
    vec![
        ("count", Value::U32(to_u32(count))),
        ("edges", Value::U32(to_u32(c.inputs[1].len()))),
        ("heads", Value::U32(to_u32(c.inputs[0].last()))),
        ("accumulate_structure", c.accumulates(0)),
    ]
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, count: usize, grid: Option<Grid>) -> KernelDef {
    let n = c.outputs[0].len();
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: fields(c, count),
        grid: grid.unwrap_or(Grid::Windows { per_window: count, per_group: 64, across: 1 }),
        cost: Cost::new(6 * n, 2 * n),
    }
}

fn structure() -> Binding {
    Binding::input("structure", Slot::In(0), "structure_base")
}

fn weight() -> Binding {
    Binding::parameters("weights", &[(Slot::In(2), "weight_base")])
}

fn forward(c: &OpCtx) -> Phase {
    let prob = Binding::input("prob", Slot::In(1), "prob_base");
    let bindings = vec![structure(), prob, weight(), Binding::output("y", Slot::Out(0), "y_base")];
    Phase { kernels: vec![kernel(c, "edge_terms_forward", bindings, c.inputs[0].len(), None)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let d_y = || Binding::input("d_y", Slot::DOut(0), "d_y_base");
    let sums = || Binding::input("sums", Slot::Scratch(0), "sums_base");
    let edges = c.inputs[1].len();
    let mut kernels = vec![];
    if c.wants(0) {
        let bindings = vec![d_y(), structure(), weight(), Binding::output("d_structure", Slot::DIn(0), "d_structure_base")];
        kernels.push(kernel(c, "edge_terms_backward_structure", bindings, c.inputs[0].len(), None));
    }
    let bindings = vec![d_y(), structure(), Binding::output("sums", Slot::Scratch(0), "sums_base")];
    kernels.push(kernel(c, "edge_terms_backward_sums", bindings, edges, None));
    if c.wants(1) {
        let bindings =
            vec![sums(), Binding::input("prob", Slot::In(1), "prob_base"), Binding::output("d_prob", Slot::DIn(1), "d_prob_base")];
        let grid = Grid::Fixed { groups: edges.div_ceil(64), in_blocks: false };
        kernels.push(kernel(c, "edge_terms_fold_prob", bindings, edges, Some(grid)));
    }
    let bindings = vec![sums(), Binding::gradients("d_weights", &[(Slot::DIn(2), "d_weight_base")])];
    kernels.push(kernel(c, "edge_terms_fold_weight", bindings, 1, Some(Grid::Fixed { groups: 1, in_blocks: false })));
    Phase { kernels, scratch: vec![(2 * edges, Scope::Window)] }
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

fn twin_forward(t: &mut TwinCall) {
    let (h, weight) = (t.inputs[0].operand.last(), t.inputs[2].data[0]);
    for w in 0..t.windows {
        let structure = t.inputs[0].window(w);
        let y = t.outputs[0].window_mut(w);
        for (e, v) in structure.iter().enumerate() {
            let at = e / h * 2 * h + e % h;
            y[at] = weight * sigmoid(*v);
            y[at + h] = t.inputs[1].data[e / h].max(LEAST_PROBABILITY).ln();
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (h, weight) = (t.inputs[0].operand.last(), t.inputs[2].data[0]);
    for w in 0..t.windows {
        let (structure, d_y) = (t.inputs[0].window(w).to_vec(), t.d_outputs[0].window(w).to_vec());
        for (e, v) in structure.iter().enumerate() {
            let (at, s, p) = (e / h * 2 * h + e % h, sigmoid(*v), t.inputs[1].data[e / h]);
            if let Some(x) = t.d_input(0, w) {
                x[e] += d_y[at] * weight * s * (1.0 - s);
            }
            if let Some(x) = t.d_input(1, w).filter(|_| p >= LEAST_PROBABILITY) {
                x[e / h] += d_y[at + h] / p;
            }
            if let Some(x) = t.d_input(2, w) {
                x[0] += d_y[at] * s;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [r, k, h]: [usize; 3], prob: Fill, windows| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::window(&[1, r, k, h], Fill::Normal(2.0)),
            CaseInput::step(&[r, k], prob),
            CaseInput::parameter(&[1], Fill::Uniform(0.5, 1.5)),
        ],
        windows,
        reduction: windows * r * k * h,
    };
    let usual = Fill::Uniform(0.1, 1.0);
    // The slope of the logarithm is 0 below the lower limit of the probability. Finite differences cannot detect this.
    let mut none_left = case("no probability left", [3, 2, 2], Fill::Constant(0.0), 2);
    none_left.inputs[1].grad = false;
    vec![
        case("one edge", [1, 1, 2], usual, 1),
        case("a workgroup of edges", [16, 4, 4], usual, 3),
        none_left,
        case("a workgroup and one", [13, 5, 8], usual, 5),
        case("many receivers", [197, 3, 4], usual, 3),
    ]
}
