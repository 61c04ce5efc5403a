//! `y = LN(x)` or `y = LN(x + dropout(change))` over the last axis (eps 1e-5, population variance), with gain and bias.
//!
//! Inputs: x `[.., D]`, gamma `[D]`, beta `[D]`, and with attribute `residual` also change, in the shape of x. D is a multiple of 4. The
//! forward pass saves mean and 1/std of each row. The backward pass reads x and change and draws the same dropout again.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    block_rows, partials_in_scratch, to_f32, to_u32,
};
use super::expect::{expect_count, expect_dropout, expect_quads};
use super::twin::{Twin, TwinCall, drop_threshold, dropout};
use super::wgsl::wgsl;

operation! {
    /// Inputs: x, gamma, beta, and with `residual` the change. Output: y.
    pub struct LayerNorm {
        /// Whether a change is first added to x.
        pub residual: bool,
        /// Dropout rate of the change, in [0, 1).
        pub dropout: f64,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "layer_norm",
    summary: "y = gamma (z - mean z) / sqrt(var z + 1e-5) + beta, z = x + dropout(change)",
    attrs: LayerNorm::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 3],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: |a| LayerNorm::of(a).dropout > 0.0,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const PLAIN: &str = wgsl!("ops/layer_norm.wgsl", "ops/layer_norm_plain.wgsl", "lib/step.wgsl");
const RESIDUAL: &str = wgsl!("ops/layer_norm.wgsl", "ops/layer_norm_residual.wgsl", "lib/step.wgsl", "lib/random.wgsl");
const EPSILON: f64 = 1e-5;

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let LayerNorm { residual, dropout } = LayerNorm::of(attrs);
    expect_count(inputs, 3 + usize::from(residual))?;
    expect_dropout(dropout)?;
    let d = inputs[0].last();
    expect_quads(d)?;
    if inputs[1].shape != [d] || inputs[2].shape != [d] {
        return Err(format!("gain and bias must be [{d}], found {:?} and {:?}", inputs[1].shape, inputs[2].shape));
    }
    if residual && inputs[3].shape != inputs[0].shape {
        return Err(format!("expected x and change of the same shape, found {:?} and {:?}", inputs[0].shape, inputs[3].shape));
    }
    Ok(Inferred { outputs: vec![inputs[0].shape.clone()], saved: vec![("stats", vec![inputs[0].rows(), 2])], ..Inferred::default() })
}

fn source(attrs: &Attrs) -> &'static str {
    if LayerNorm::of(attrs).residual { RESIDUAL } else { PLAIN }
}

/// The fields of every kernel of the op.
fn fields(c: &OpCtx) -> Vec<(&'static str, Value)> {
    let (rows, width, p) = (c.inputs[0].rows(), c.inputs[0].last(), LayerNorm::of(c.attrs).dropout);
    let block = block_rows(rows);
    vec![
        ("count", Value::U32(to_u32(rows))),
        ("width", Value::U32(to_u32(width))),
        ("node", Value::U32(c.node)),
        ("threshold", Value::U32(drop_threshold(p))),
        ("keep_scale", Value::F32(1.0 / (1.0 - to_f32(p)))),
        ("block_rows", Value::U32(to_u32(block))),
        ("blocks", Value::U32(to_u32(rows.div_ceil(block)))),
        ("group", Value::U32(to_u32(partials_in_scratch(2 * width)))),
        ("accumulate_x", c.accumulates(0)),
        ("accumulate_change", c.accumulates(3)),
    ]
}

fn forward(c: &OpCtx) -> Phase {
    let (rows, n, residual) = (c.inputs[0].rows(), c.inputs[0].len(), LayerNorm::of(c.attrs).residual);
    let mut bindings = vec![
        Binding::input("x", Slot::In(0), "x_base"),
        Binding::parameters("weights", &[(Slot::In(1), "gamma_base"), (Slot::In(2), "beta_base")]),
        Binding::output("y", Slot::Out(0), "y_base"),
        Binding::output("stats", Slot::Saved(0), "stats_base"),
    ];
    if residual {
        bindings.push(Binding::input("change", Slot::In(3), "change_base"));
    }
    Phase {
        kernels: vec![KernelDef {
            source: source(c.attrs).into(),
            entry: "layer_norm_forward",
            overrides: vec![],
            bindings,
            params: fields(c),
            grid: Grid::Windows { per_window: rows, per_group: 64, across: 1 },
            cost: Cost::new(8 * n, n * (2 + usize::from(residual)) + 2 * rows),
        }],
        scratch: vec![],
    }
}

fn backward(c: &OpCtx) -> Phase {
    let (rows, width, n, residual) = (c.inputs[0].rows(), c.inputs[0].last(), c.inputs[0].len(), LayerNorm::of(c.attrs).residual);
    let block = block_rows(rows);
    let group = partials_in_scratch(2 * width);
    let blocks = rows.div_ceil(block);
    let mut scratch = vec![(group * 2 * width, Scope::Step)];
    // One kernel computes all gradients. A gradient that is not needed goes to scratch.
    let mut wanted = |input: usize| {
        if c.wants(input) {
            return Slot::DIn(input);
        }
        scratch.push((n, c.inputs[0].scope));
        Slot::Scratch(scratch.len() - 1)
    };
    let mut bindings = vec![
        Binding::input("x", Slot::In(0), "x_base"),
        Binding::parameters("weights", &[(Slot::In(1), "gamma_base")]),
        Binding::input("stats", Slot::Saved(0), "stats_base"),
        Binding::input("d_y", Slot::DOut(0), "d_y_base"),
        Binding::output("d_x", wanted(0), "d_x_base"),
        Binding::output("partial", Slot::Scratch(0), "partial_base"),
    ];
    if residual {
        bindings.push(Binding::input("change", Slot::In(3), "change_base"));
        bindings.push(Binding::output("d_change", wanted(3), "d_change_base"));
    }
    let kernel = |entry, bindings, grid, cost| KernelDef {
        source: source(c.attrs).into(),
        entry,
        overrides: vec![],
        bindings,
        params: fields(c),
        grid,
        cost,
    };
    Phase {
        kernels: vec![
            kernel(
                "layer_norm_backward",
                bindings,
                Grid::Blocks { per_window: blocks, group, across: 1 },
                Cost::new(16 * n, n * (3 + 2 * usize::from(residual)) + 2 * width * blocks),
            ),
            kernel(
                "layer_norm_fold",
                vec![
                    Binding::input("partial", Slot::Scratch(0), "partial_base"),
                    Binding::gradients("d_weights", &[(Slot::DIn(1), "d_gamma_base"), (Slot::DIn(2), "d_beta_base")]),
                ],
                Grid::Fixed { groups: (2 * width / 4).div_ceil(64), in_blocks: true },
                Cost::new(2 * width * blocks, 2 * width * blocks),
            ),
        ],
        scratch,
    }
}

/// The summands, and mean and 1/std of each row of window `w`.
fn normalise(t: &TwinCall, w: usize) -> (Vec<f64>, Vec<(f64, f64)>) {
    let d = t.inputs[0].operand.last();
    let LayerNorm { residual, dropout: p } = LayerNorm::of(t.attrs);
    let mut z = t.inputs[0].window(w).to_vec();
    if residual {
        for (e, (z, c)) in z.iter_mut().zip(t.inputs[3].window(w)).enumerate() {
            *z += dropout(p, e, w, t.node, &t.step) * c;
        }
    }
    let stats = z
        .chunks(d)
        .map(|r| {
            let mean = r.iter().sum::<f64>() / d as f64;
            let var = r.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / d as f64;
            (mean, 1.0 / (var + EPSILON).sqrt())
        })
        .collect();
    (z, stats)
}

fn twin_forward(t: &mut TwinCall) {
    let d = t.inputs[0].operand.last();
    for w in 0..t.windows {
        let (z, stats) = normalise(t, w);
        let (gamma, beta) = (t.inputs[1].data.clone(), t.inputs[2].data.clone());
        for (e, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            let (mean, rstd) = stats[e / d];
            *y = gamma[e % d] * (z[e] - mean) * rstd + beta[e % d];
        }
        for (s, (mean, rstd)) in t.saved[0].window_mut(w).chunks_mut(2).zip(&stats) {
            s.copy_from_slice(&[*mean, *rstd]);
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let d = t.inputs[0].operand.last();
    let (LayerNorm { residual, dropout: p }, node, step) = (LayerNorm::of(t.attrs), t.node, t.step);
    let gamma = t.inputs[1].data.clone();
    for w in 0..t.windows {
        let (z, stats) = normalise(t, w);
        let d_y = t.d_outputs[0].window(w).to_vec();
        for (r, (mean, rstd)) in stats.iter().enumerate() {
            let at = r * d;
            let h: Vec<f64> = z[at..at + d].iter().map(|z| (z - mean) * rstd).collect();
            let g: Vec<f64> = (0..d).map(|i| d_y[at + i] * gamma[i]).collect();
            let mean_g = g.iter().sum::<f64>() / d as f64;
            let mean_gh = g.iter().zip(&h).map(|(g, h)| g * h).sum::<f64>() / d as f64;
            for i in 0..d {
                let d_z = rstd * (g[i] - mean_g - h[i] * mean_gh);
                if let Some(x) = t.d_input(0, w) {
                    x[at + i] += d_z;
                }
                if residual && let Some(x) = t.d_input(3, w) {
                    x[at + i] += dropout(p, at + i, w, node, &step) * d_z;
                }
                if let Some(x) = t.d_input(1, w) {
                    x[i] += d_y[at + i] * h[i];
                }
                if let Some(x) = t.d_input(2, w) {
                    x[i] += d_y[at + i];
                }
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, rows: usize, width: usize, windows, residual: bool, p: f64| {
        let mut inputs = vec![
            CaseInput::window(&[rows, width], Fill::Normal(1.0)),
            CaseInput::parameter(&[width], Fill::Uniform(0.5, 1.5)),
            CaseInput::parameter(&[width], Fill::Normal(0.5)),
        ];
        if residual {
            inputs.push(CaseInput::window(&[rows, width], Fill::Normal(1.0)));
        }
        let attrs = LayerNorm { residual, dropout: p }.attrs();
        Case { name, attrs, inputs, windows, reduction: width.max(rows * windows) }
    };
    vec![
        case("one row", 1, 4, 1, false, 0.0),
        case("a workgroup less one", 63, 8, 1, false, 0.0),
        case("a workgroup", 64, 16, 1, true, 0.0),
        case("a workgroup and one", 65, 16, 1, true, 0.25),
        case("several windows", 197, 32, 3, true, 0.1),
        case("two blocks a window", 700, 8, 2, false, 0.0),
    ]
}
