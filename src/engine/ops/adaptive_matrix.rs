//! The adaptive graph as a matrix `[N, N4]`, row = receiver: `softmax(relu(receive send^T))`, `send = sender + memory W_s^T`,
//! `receive = receiver + memory W_r^T`. N4 is N rounded up to a multiple of 4; the padding is 0.
//!
//! Inputs, all in the parameter buffer: sender `[N, r]`, receiver `[N, r]`, W_s `[r, D]`, W_r `[r, D]`, memory `[N, D]` (a stored tensor
//! without gradient). The forward pass saves the factors send and receive. With A the output and s the scores before relu:
//! `ds_ij = A_ij (dA_ij - sum_j A_ij dA_ij) [s_ij > 0]`, `dreceive = ds send`, `dsend = ds^T receive`, `dW = dfactor^T memory`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: sender, receiver, weight of the senders, weight of the receivers, memory. Output: the matrix.
    pub struct AdaptiveMatrix;
}

pub(super) static OP: OpDef = OpDef {
    name: "adaptive_matrix",
    summary: "A = softmax(relu((receiver + memory W_r^T) (sender + memory W_s^T)^T))",
    attrs: AdaptiveMatrix::ATTRS,
    infer,
    keeps_inputs: &[4],
    keeps_outputs: &[0],
    updates: &[],
    data: &[4],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/adaptive_matrix.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [sender, receiver, w_s, w_r, memory] = exactly(inputs)?;
    let ([n, r], [m, d]) = (&sender.shape[..], &memory.shape[..]) else {
        return Err(format!("expected sender [N, r] and memory [N, D], found {:?} and {:?}", sender.shape, memory.shape));
    };
    if receiver.shape != sender.shape || n != m || w_s.shape != [*r, *d] || w_r.shape != w_s.shape {
        return Err(format!("the shapes of the inputs do not match: {:?}", inputs.iter().map(|i| &i.shape).collect::<Vec<_>>()));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("every input must be per step".into());
    }
    let saved = vec![("factors", vec![2, *n, *r])];
    Ok(Inferred { outputs: vec![vec![*n, n.next_multiple_of(4)]], saved, ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, items: usize, per_group: usize, flops: usize) -> KernelDef {
    let (n, r, d) = (c.inputs[0].shape[0], c.inputs[0].shape[1], c.inputs[4].last());
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(items))),
            ("n_nodes", Value::U32(to_u32(n))),
            ("padded", Value::U32(to_u32(c.outputs[0].last()))),
            ("rank", Value::U32(to_u32(r))),
            ("width", Value::U32(to_u32(d))),
        ],
        grid: Grid::Windows { per_window: items, per_group, across: 1 },
        cost: Cost::new(flops, flops),
    }
}

fn factors() -> Binding {
    Binding::input("factors", Slot::Saved(0), "factors_base")
}

fn forward(c: &OpCtx) -> Phase {
    let (n, r, d) = (c.inputs[0].shape[0], c.inputs[0].shape[1], c.inputs[4].last());
    let weights = [
        (Slot::In(0), "sender_base"),
        (Slot::In(1), "receiver_base"),
        (Slot::In(2), "sender_weight_base"),
        (Slot::In(3), "receiver_weight_base"),
        (Slot::In(4), "memory_base"),
    ];
    let make = vec![Binding::parameters("weights", &weights), Binding::output("factors", Slot::Saved(0), "factors_base")];
    let rows = vec![factors(), Binding::output("y", Slot::Out(0), "y_base")];
    Phase {
        kernels: vec![
            kernel(c, "adaptive_matrix_factors", make, 2 * n * r, 64, 4 * n * r * d),
            kernel(c, "adaptive_matrix_rows", rows, n, 1, 2 * n * n * r),
        ],
        scratch: vec![],
    }
}

fn backward(c: &OpCtx) -> Phase {
    let (n, r, d) = (c.inputs[0].shape[0], c.inputs[0].shape[1], c.inputs[4].last());
    let scores = vec![
        factors(),
        Binding::input("y", Slot::Out(0), "y_base"),
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::output("d_scores", Slot::Scratch(0), "d_scores_base"),
    ];
    let make = vec![
        factors(),
        Binding::input("d_scores", Slot::Scratch(0), "d_scores_base"),
        Binding::output("d_factors", Slot::Scratch(1), "d_factors_base"),
        Binding::gradients("d_weights", &[(Slot::DIn(0), "d_sender_base"), (Slot::DIn(1), "d_receiver_base")]),
    ];
    let weights = vec![
        Binding::parameters("weights", &[(Slot::In(4), "memory_base")]),
        Binding::input("d_factors", Slot::Scratch(1), "d_factors_base"),
        Binding::gradients("d_weights", &[(Slot::DIn(2), "d_sender_weight_base"), (Slot::DIn(3), "d_receiver_weight_base")]),
    ];
    Phase {
        kernels: vec![
            kernel(c, "adaptive_matrix_backward_rows", scores, n, 1, 2 * n * n * r),
            kernel(c, "adaptive_matrix_backward_factors", make, 2 * n * r, 64, 4 * n * n * r),
            kernel(c, "adaptive_matrix_backward_weights", weights, 2 * r * d, 64, 4 * n * r * d),
        ],
        scratch: vec![(n * c.outputs[0].last(), Scope::Step), (2 * n * r, Scope::Step)],
    }
}

/// Factor 0 is send, factor 1 is receive: the node vectors plus the contribution of the memory.
fn factor(t: &TwinCall, which: usize) -> Vec<f64> {
    let (n, r, d) = (t.inputs[0].operand.shape[0], t.inputs[0].operand.shape[1], t.inputs[4].operand.last());
    let (node, weight, memory) = (&t.inputs[which].data, &t.inputs[2 + which].data, &t.inputs[4].data);
    let one = |e: usize| node[e] + (0..d).map(|i| memory[e / r * d + i] * weight[e % r * d + i]).sum::<f64>();
    (0..n * r).map(one).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn twin_forward(t: &mut TwinCall) {
    let (n, r) = (t.inputs[0].operand.shape[0], t.inputs[0].operand.shape[1]);
    let width = t.outputs[0].operand.last();
    let (send, receive) = (factor(t, 0), factor(t, 1));
    t.saved[0].data[..n * r].copy_from_slice(&send);
    t.saved[0].data[n * r..].copy_from_slice(&receive);
    for i in 0..n {
        let s: Vec<f64> = (0..n).map(|j| dot(&receive[i * r..][..r], &send[j * r..][..r]).max(0.0)).collect();
        let most = s.iter().copied().fold(0.0, f64::max);
        let sum: f64 = s.iter().map(|v| (v - most).exp()).sum();
        let row = &mut t.outputs[0].data[i * width..][..width];
        row.fill(0.0);
        row.iter_mut().zip(&s).for_each(|(a, s)| *a = (s - most).exp() / sum);
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (n, r, d) = (t.inputs[0].operand.shape[0], t.inputs[0].operand.shape[1], t.inputs[4].operand.last());
    let width = t.outputs[0].operand.last();
    let factors = t.saved[0].data.clone();
    let (send, receive) = factors.split_at(n * r);
    let mut d_factors = [vec![0.0; n * r], vec![0.0; n * r]];
    for i in 0..n {
        let (a, d_a) = (&t.outputs[0].data[i * width..][..n], &t.d_outputs[0].data[i * width..][..n]);
        let mean = dot(a, d_a);
        for j in (0..n).filter(|j| dot(&receive[i * r..][..r], &send[j * r..][..r]) > 0.0) {
            let d_s = a[j] * (d_a[j] - mean);
            for q in 0..r {
                d_factors[0][j * r + q] += d_s * receive[i * r + q];
                d_factors[1][i * r + q] += d_s * send[j * r + q];
            }
        }
    }
    let memory = t.inputs[4].data.clone();
    for (which, d_factor) in d_factors.iter().enumerate() {
        if let Some(node) = &mut t.d_inputs[which] {
            node.data.iter_mut().zip(d_factor).for_each(|(x, d)| *x += d);
        }
        if let Some(weight) = &mut t.d_inputs[2 + which] {
            for (e, x) in weight.data.iter_mut().enumerate() {
                *x += (0..n).map(|node| d_factor[node * r + e / d] * memory[node * d + e % d]).sum::<f64>();
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [n, r, d]: [usize; 3], spread| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![
            CaseInput::parameter(&[n, r], Fill::Normal(spread)),
            CaseInput::parameter(&[n, r], Fill::Normal(spread)),
            CaseInput::parameter(&[r, d], Fill::Normal(0.3)),
            CaseInput::parameter(&[r, d], Fill::Normal(0.3)),
            CaseInput { grad: false, ..CaseInput::parameter(&[n, d], Fill::Normal(0.5)) },
        ],
        windows: 1,
        reduction: n.max(d) * r,
    };
    vec![
        case("one node", [1, 2, 4], 0.5),
        case("seven nodes", [7, 4, 16], 0.5),
        case("a workgroup less one", [63, 3, 8], 0.3),
        case("a workgroup and one", [65, 5, 4], 0.5),
        case("many nodes", [197, 16, 12], 0.3),
        case("sharp", [14, 8, 8], 2.0),
    ]
}
