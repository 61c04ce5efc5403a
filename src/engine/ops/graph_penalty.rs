//! Sparsity penalty of the learned graph: `0.01 (mean |a| + mean |b|) + 0.001 sum of the entropy of softmax(row) over all rows of both`.
//!
//! Inputs: two tables of logits, `[R1, S1]` and `[R2, S2]`, parameters. Output `[1]`, per step. With p = softmax(row) and H its entropy,
//! the gradient is d_y times `d_row[j] = 0.01 sign(row[j]) / elements - 0.001 p_j (ln p_j + H)`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: two tables of logits. Output: y.
    pub struct GraphPenalty;
}

pub(super) static OP: OpDef = OpDef {
    name: "graph_penalty",
    summary: "y = 0.01 sum of mean |logits| + 0.001 sum of entropies of softmax(logits)",
    attrs: GraphPenalty::ATTRS,
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

const SOURCE: &str = wgsl!("ops/graph_penalty.wgsl", "lib/step.wgsl");
const MAGNITUDE: f64 = 0.01;
const ENTROPY: f64 = 0.001;

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [a, b] = exactly(inputs)?;
    if a.shape.len() != 2 || b.shape.len() != 2 || a.is_empty() || b.is_empty() || inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err(format!("expected two tables of logits per step, found {:?} and {:?}", a.shape, b.shape));
    }
    Ok(Inferred { outputs: vec![vec![1]], ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, items: usize) -> KernelDef {
    let (a, b) = (&c.inputs[0], &c.inputs[1]);
    #[expect(clippy::cast_possible_truncation, reason = "a share, rounded once")]
    let share = |o: &Operand| (MAGNITUDE / o.len() as f64) as f32;
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(items))),
            ("a_rows", Value::U32(to_u32(a.shape[0]))),
            ("rows", Value::U32(to_u32(a.shape[0] + b.shape[0]))),
            ("a_columns", Value::U32(to_u32(a.shape[1]))),
            ("b_columns", Value::U32(to_u32(b.shape[1]))),
            ("a_share", Value::F32(share(a))),
            ("b_share", Value::F32(share(b))),
        ],
        grid: Grid::Windows { per_window: items, per_group: 64, across: 1 },
        cost: Cost::new(8 * (a.len() + b.len()), 2 * (a.len() + b.len())),
    }
}

fn weights() -> Binding {
    Binding::parameters("weights", &[(Slot::In(0), "a_base"), (Slot::In(1), "b_base")])
}

fn forward(c: &OpCtx) -> Phase {
    let rows = c.inputs[0].shape[0] + c.inputs[1].shape[0];
    let terms = Binding::output("terms", Slot::Scratch(0), "terms_base");
    let total = vec![Binding::input("terms", Slot::Scratch(0), "terms_base"), Binding::output("y", Slot::Out(0), "y_base")];
    Phase {
        kernels: vec![kernel(c, "graph_penalty_rows", vec![weights(), terms], rows), kernel(c, "graph_penalty_total", total, 1)],
        scratch: vec![(rows, Scope::Step)],
    }
}

fn backward(c: &OpCtx) -> Phase {
    let rows = c.inputs[0].shape[0] + c.inputs[1].shape[0];
    let bindings = vec![
        weights(),
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::gradients("d_weights", &[(Slot::DIn(0), "d_a_base"), (Slot::DIn(1), "d_b_base")]),
    ];
    Phase { kernels: vec![kernel(c, "graph_penalty_backward", bindings, rows)], scratch: vec![] }
}

/// The logarithms of softmax(row), and its entropy.
fn log_softmax(row: &[f64]) -> (Vec<f64>, f64) {
    let most = row.iter().copied().fold(f64::MIN, f64::max);
    let sum = most + row.iter().map(|v| (v - most).exp()).sum::<f64>().ln();
    let logs: Vec<f64> = row.iter().map(|v| v - sum).collect();
    let entropy = -logs.iter().map(|l| l.exp() * l).sum::<f64>();
    (logs, entropy)
}

fn twin_forward(t: &mut TwinCall) {
    let one = |i: usize| {
        let table = &t.inputs[i];
        let magnitude = table.data.iter().map(|v| v.abs()).sum::<f64>() / table.data.len() as f64;
        let entropy: f64 = table.data.chunks(table.operand.last()).map(|row| log_softmax(row).1).sum();
        MAGNITUDE * magnitude + ENTROPY * entropy
    };
    t.outputs[0].data[0] = one(0) + one(1);
}

fn twin_backward(t: &mut TwinCall) {
    let d_y = t.d_outputs[0].data[0];
    for (table, d) in t.inputs.iter().zip(&mut t.d_inputs) {
        let (n, columns) = (table.data.len() as f64, table.operand.last());
        let Some(d) = d else { continue };
        for (row, d) in table.data.chunks(columns).zip(d.data.chunks_mut(columns)) {
            let (logs, entropy) = log_softmax(row);
            for (j, d) in d.iter_mut().enumerate() {
                let sign = if row[j] == 0.0 { 0.0 } else { row[j].signum() };
                *d += d_y * (MAGNITUDE * sign / n - ENTROPY * logs[j].exp() * (logs[j] + entropy));
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, a: [usize; 2], b: [usize; 2], spread| Case {
        name,
        attrs: Attrs::default(),
        inputs: vec![CaseInput::parameter(&a, Fill::Normal(spread)), CaseInput::parameter(&b, Fill::Normal(spread))],
        windows: 1,
        reduction: a[0] * a[1] + b[0] * b[1],
    };
    vec![
        case("one edge", [1, 1], [1, 1], 1.0),
        case("a few", [2, 5], [3, 2], 0.1),
        case("a workgroup and one of rows", [4, 61], [61, 4], 1.0),
        case("sharp rows", [7, 30], [29, 7], 10.0),
    ]
}
