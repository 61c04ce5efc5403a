//! `y[t, n] = x[step0 + t, node0 + n]`: a range of steps and a range of nodes, with all channels.
//!
//! Input: x `[T, N, D]`, D a multiple of 4. Output `[steps, nodes, D]`. Attributes `step0`, `steps`, `node0`, `nodes`. The backward pass
//! writes dy into these ranges and zeros elsewhere.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::{exactly, expect_quads};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Input: x. Output: y.
    pub struct Select {
        /// First step.
        pub step0: usize,
        /// Number of steps, at least 1.
        pub steps: usize,
        /// First node.
        pub node0: usize,
        /// Number of nodes, at least 1.
        pub nodes: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "select",
    summary: "y = x[step0 .. step0 + steps, node0 .. node0 + nodes]",
    attrs: Select::ATTRS,
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

const SOURCE: &str = wgsl!("ops/select.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [x] = exactly(inputs)?;
    let [t, n, d] = x.shape[..] else {
        return Err(format!("expected x [T, N, D], found {:?}", x.shape));
    };
    expect_quads(d)?;
    let Select { step0, steps, node0, nodes } = Select::of(attrs);
    for (axis, extent, first, count) in [("step", t, step0, steps), ("node", n, node0, nodes)] {
        if count == 0 || first + count > extent {
            return Err(format!("the {axis}s {first}..{} must be a non-empty part of 0..{extent}", first + count));
        }
    }
    Ok(Inferred { outputs: vec![vec![steps, nodes, d]], ..Inferred::default() })
}

fn fields(c: &OpCtx, count: usize) -> Vec<Field> {
    let (x, Select { step0, steps, node0, nodes }) = (&c.inputs[0].shape, Select::of(c.attrs));
    vec![
        ("count", Value::U32(to_u32(count))),
        ("quads", Value::U32(to_u32(x[2] / 4))),
        ("x_steps", Value::U32(to_u32(x[0]))),
        ("x_nodes", Value::U32(to_u32(x[1]))),
        ("step0", Value::U32(to_u32(step0))),
        ("steps", Value::U32(to_u32(steps))),
        ("node0", Value::U32(to_u32(node0))),
        ("nodes", Value::U32(to_u32(nodes))),
        ("accumulate_x", c.accumulates(0)),
    ]
}

fn forward(c: &OpCtx) -> Phase {
    let n = c.outputs[0].len();
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: "select_forward",
            overrides: vec![],
            bindings: vec![Binding::input("x", Slot::In(0), "x_base"), Binding::output("y", Slot::Out(0), "y_base")],
            params: fields(c, n / 4),
            grid: Grid::Windows { per_window: n / 4, per_group: 64, across: 1 },
            cost: Cost::new(0, 2 * n),
        }],
        scratch: vec![],
    }
}

fn backward(c: &OpCtx) -> Phase {
    let (x, y) = (c.inputs[0].len(), c.outputs[0].len());
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: "select_backward",
            overrides: vec![],
            bindings: vec![Binding::input("d_y", Slot::DOut(0), "d_y_base"), Binding::output("d_x", Slot::DIn(0), "d_x_base")],
            params: fields(c, x / 4),
            grid: Grid::Windows { per_window: x / 4, per_group: 64, across: 1 },
            cost: Cost::new(0, x + y),
        }],
        scratch: vec![],
    }
}

/// For each element of y in a window: the index of its element of x.
fn sources(t: &TwinCall) -> Vec<usize> {
    let x = &t.inputs[0].operand.shape;
    let Select { step0, steps, node0, nodes } = Select::of(t.attrs);
    let mut from = Vec::with_capacity(steps * nodes * x[2]);
    for step in step0..step0 + steps {
        for node in node0..node0 + nodes {
            from.extend((0..x[2]).map(|i| (step * x[1] + node) * x[2] + i));
        }
    }
    from
}

fn twin_forward(t: &mut TwinCall) {
    let from = sources(t);
    for w in 0..t.windows {
        let x = t.inputs[0].window(w);
        for (y, &e) in t.outputs[0].window_mut(w).iter_mut().zip(&from) {
            *y = x[e];
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let from = sources(t);
    for w in 0..t.windows {
        let d_y = t.d_outputs[0].window(w).to_vec();
        if let Some(d_x) = t.d_input(0, w) {
            for (&e, d) in from.iter().zip(d_y) {
                d_x[e] += d;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [t, n, d]: [usize; 3], [step0, steps]: [usize; 2], [node0, nodes]: [usize; 2], windows| Case {
        name,
        attrs: Select { step0, steps, node0, nodes }.attrs(),
        inputs: vec![CaseInput::window(&[t, n, d], Fill::Normal(1.0))],
        windows,
        reduction: 1,
    };
    vec![
        case("one token of one", [1, 1, 4], [0, 1], [0, 1], 1),
        case("everything", [4, 16, 4], [0, 4], [0, 16], 1),
        case("last step, a workgroup less one", [3, 63, 4], [2, 1], [0, 63], 1),
        case("last nodes, a workgroup and one", [5, 15, 4], [0, 5], [2, 13], 2),
        case("a box inside, several windows", [7, 9, 16], [3, 2], [4, 3], 3),
        case("targets of the horizon", [6, 34, 32], [3, 3], [1, 30], 5),
    ]
}
