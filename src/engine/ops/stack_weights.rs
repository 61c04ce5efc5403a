//! Packs the weights and biases of several branches into one tensor, as `branches` reads them: for each branch and tap a matrix `[D, D]`
//! (out, in), then for each branch a bias `[D]`. The matrix of a tap is scattered in the weight `[D, D, taps]` of a convolution; here it is
//! contiguous.
//!
//! Inputs, per step: weight and bias of each branch in turn, `[D, D, taps]` or `[D, D]`, and `[D]`; all are parameters. Output: flat.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: weight and bias of each branch in turn. Output: y.
    pub struct StackWeights;
}

pub(super) static OP: OpDef = OpDef {
    name: "stack_weights",
    summary: "y = matrices of all branches and taps, then biases",
    attrs: StackWeights::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/stack_weights.wgsl", "lib/step.wgsl");

/// Number of taps of a weight `[D, D]` or `[D, D, taps]`.
fn taps(weight: &Operand) -> usize {
    weight.shape.get(2).copied().unwrap_or(1)
}

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    if inputs.is_empty() || !inputs.len().is_multiple_of(2) {
        return Err(format!("expected pairs of weight and bias, found {} inputs", inputs.len()));
    }
    let d = inputs[1].len();
    let mut total = 0;
    for pair in inputs.chunks(2) {
        let fits = matches!(pair[0].shape.len(), 2 | 3) && pair[0].shape[..2] == [d, d] && pair[1].shape == [d];
        if !fits || pair.iter().any(|i| i.scope != Scope::Step) {
            return Err(format!("expected [{d}, {d}, taps] and [{d}], found {:?} and {:?}", pair[0].shape, pair[1].shape));
        }
        total += d * d * taps(&pair[0]) + d;
    }
    Ok(Inferred { outputs: vec![vec![total]], ..Inferred::default() })
}

/// For each branch: index of the first element of its matrices and of its bias.
fn places(inputs: &[Operand]) -> Vec<(usize, usize)> {
    let matrices: usize = inputs.iter().step_by(2).map(Operand::len).sum();
    let mut at = 0;
    let place = |(branch, pair): (usize, &[Operand])| {
        let start = at;
        at += pair[0].len();
        (start, matrices + branch * pair[1].len())
    };
    inputs.chunks(2).enumerate().map(place).collect()
}

/// One kernel per branch.
fn kernels(c: &OpCtx, entry: &'static str, bindings: impl Fn(usize) -> Vec<Binding>) -> Phase {
    let kernel = |(branch, (matrix, bias)): (usize, (usize, usize))| {
        let (weight, d) = (&c.inputs[2 * branch], c.inputs[2 * branch + 1].len());
        let items = weight.len() + d;
        KernelDef {
            source: SOURCE.into(),
            entry,
            overrides: vec![],
            bindings: bindings(branch),
            params: vec![
                ("count", Value::U32(to_u32(items))),
                ("width", Value::U32(to_u32(d))),
                ("taps", Value::U32(to_u32(taps(weight)))),
                ("matrix_at", Value::U32(to_u32(matrix))),
                ("bias_at", Value::U32(to_u32(bias))),
            ],
            grid: Grid::Windows { per_window: items, per_group: 64, across: 1 },
            cost: Cost::new(0, 2 * items),
        }
    };
    Phase { kernels: places(c.inputs).into_iter().enumerate().map(kernel).collect(), scratch: vec![] }
}

fn forward(c: &OpCtx) -> Phase {
    kernels(c, "stack_weights_forward", |b| {
        vec![
            Binding::parameters("weights", &[(Slot::In(2 * b), "weight_base"), (Slot::In(2 * b + 1), "bias_base")]),
            Binding::output("y", Slot::Out(0), "y_base"),
        ]
    })
}

fn backward(c: &OpCtx) -> Phase {
    kernels(c, "stack_weights_backward", |b| {
        vec![
            Binding::input("d_y", Slot::DOut(0), "d_y_base"),
            Binding::gradients("d_weights", &[(Slot::DIn(2 * b), "d_weight_base"), (Slot::DIn(2 * b + 1), "d_bias_base")]),
        ]
    })
}

/// For each element of the output: its input, and the index there.
fn sources(inputs: &[Operand]) -> Vec<(usize, usize)> {
    let mut all = vec![(0, 0); inputs.iter().map(Operand::len).sum()];
    for (branch, (matrix, bias)) in places(inputs).into_iter().enumerate() {
        let (taps, d) = (taps(&inputs[2 * branch]), inputs[2 * branch + 1].len());
        for e in 0..taps * d * d {
            all[matrix + e] = (2 * branch, e % (d * d) * taps + e / (d * d));
        }
        for e in 0..d {
            all[bias + e] = (2 * branch + 1, e);
        }
    }
    all
}

fn operands(t: &TwinCall) -> Vec<Operand> {
    t.inputs.iter().map(|i| i.operand.clone()).collect()
}

fn twin_forward(t: &mut TwinCall) {
    for (y, (input, e)) in t.outputs[0].data.iter_mut().zip(sources(&t.inputs.iter().map(|i| i.operand.clone()).collect::<Vec<_>>())) {
        *y = t.inputs[input].data[e];
    }
}

fn twin_backward(t: &mut TwinCall) {
    for (k, (input, e)) in sources(&operands(t)).into_iter().enumerate() {
        if let Some(d) = &mut t.d_inputs[input] {
            d.data[e] += t.d_outputs[0].data[k];
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, d: usize, kernels: &[usize]| {
        let pair = |&taps: &usize| {
            let shape = if taps == 0 { vec![d, d] } else { vec![d, d, taps] };
            [CaseInput::parameter(&shape, Fill::Normal(1.0)), CaseInput::parameter(&[d], Fill::Normal(1.0))]
        };
        Case { name, attrs: Attrs::default(), inputs: kernels.iter().flat_map(pair).collect(), windows: 1, reduction: 1 }
    };
    vec![
        case("one matrix", 4, &[0]),
        case("two kernels", 8, &[1, 3]),
        case("matrices alone", 12, &[0, 0, 0]),
        case("three kernels", 16, &[1, 3, 7]),
    ]
}
