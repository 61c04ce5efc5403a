//! The global norm of the gradient, its clip factor, and whether the step is usable.
//!
//! Inputs: gradients `[P]` and loss `[1]`, both per step. Attribute: `clip_norm` (0: no clipping). Output: norm `[4]` = (L2 norm,
//! `min(1, clip_norm / (norm + 1e-6))` as in `torch.nn.utils.clip_grad_norm_`, ok, loss). ok is 1 if every gradient, the loss and the sum
//! of squares are finite in f32, which is tested on their bits; otherwise ok, norm and factor are 0. Sums run over fixed blocks of 4096
//! gradients and then over the blocks, each in a fixed order.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_f32, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Inputs: gradients, loss. Output: norm.
    pub struct GradNorm {
        /// Largest norm after clipping; 0 for no clipping.
        pub clip_norm: f64,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "grad_norm",
    summary: "norm = (|g|, min(1, clip / (|g| + 1e-6)), all finite, loss)",
    attrs: GradNorm::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("it is part of the optimiser"),
    twin: Twin::new(twin_forward, no_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/grad_norm.wgsl", "lib/step.wgsl");
/// Gradients per workgroup; the shader has the same constant.
const BLOCK: usize = 4096;

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [gradients, loss] = exactly(inputs)?;
    if loss.shape != [1] || gradients.is_empty() {
        return Err(format!("expected gradients and a loss [1], found {:?} and {:?}", gradients.shape, loss.shape));
    }
    if gradients.scope != Scope::Step || loss.scope != Scope::Step {
        return Err("gradients and loss must be per step".into());
    }
    Ok(Inferred { outputs: vec![vec![4]], ..Inferred::default() })
}

fn forward(c: &OpCtx) -> Phase {
    let length = c.inputs[0].len();
    let blocks = length.div_ceil(BLOCK);
    let kernel = |entry, groups: usize, bindings, cost| KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(groups))),
            ("length", Value::U32(to_u32(length))),
            ("blocks", Value::U32(to_u32(blocks))),
            ("clip_norm", Value::F32(to_f32(GradNorm::of(c.attrs).clip_norm))),
        ],
        grid: Grid::Windows { per_window: groups, per_group: 1, across: 1 },
        cost,
    };
    let sums = Slot::Scratch(0);
    Phase {
        kernels: vec![
            kernel(
                "grad_norm_blocks",
                blocks,
                vec![Binding::input("gradients", Slot::In(0), "gradients_base"), Binding::output("block_sums", sums, "block_sums_base")],
                Cost::new(2 * length, length + 2 * blocks),
            ),
            kernel(
                "grad_norm_total",
                1,
                vec![
                    Binding::input("loss", Slot::In(1), "loss_base"),
                    Binding::input("block_sums", sums, "block_sums_base"),
                    Binding::output("norm", Slot::Out(0), "norm_base"),
                ],
                Cost::new(2 * blocks, 2 * blocks + 5),
            ),
        ],
        scratch: vec![(2 * blocks, Scope::Step)],
    }
}

fn twin_forward(t: &mut TwinCall) {
    let (gradients, loss) = (&t.inputs[0].data, t.inputs[1].data[0]);
    let squares: f64 = gradients.iter().map(|g| g * g).sum();
    let finite = |v: f64| v.abs() <= f64::from(f32::MAX);
    let ok = finite(loss) && finite(squares) && gradients.iter().all(|g| finite(*g));
    let (norm, clip) = (squares.sqrt(), GradNorm::of(t.attrs).clip_norm);
    let factor = if clip > 0.0 { (clip / (norm + 1e-6)).min(1.0) } else { 1.0 };
    let verdict = if ok { [norm, factor, 1.0] } else { [0.0; 3] };
    t.outputs[0].data[..3].copy_from_slice(&verdict);
    t.outputs[0].data[3] = loss;
}

fn cases() -> Vec<Case> {
    let case = |name, length: usize, fill, clip_norm| {
        let input = |shape: &[usize], fill| CaseInput { grad: false, ..CaseInput::step(shape, fill) };
        Case {
            name,
            attrs: GradNorm { clip_norm }.attrs(),
            inputs: vec![input(&[length], fill), input(&[1], Fill::Normal(1.0))],
            windows: 1,
            reduction: length,
        }
    };
    vec![
        case("one gradient", 1, Fill::Constant(0.5), 1.0),
        case("all gradients zero", 100, Fill::Constant(0.0), 1.0),
        case("a workgroup less one", 255, Fill::Normal(0.01), 1.0),
        case("a workgroup and one", 257, Fill::Normal(1.0), 1.0),
        case("a block less one, no clipping", 4095, Fill::Normal(1.0), 0.0),
        case("a block, not clipped", 4096, Fill::Normal(0.001), 1.0),
        case("a block and one", 4097, Fill::Normal(1.0), 1.0),
        case("three blocks and five", 3 * 4096 + 5, Fill::Normal(1.0), 0.5),
        case("more than 256 blocks", 257 * 4096 + 3, Fill::Normal(0.1), 1.0),
        case("the sum of squares overflows", 5000, Fill::Constant(1e20), 1.0),
        case("infinite gradients", 5000, Fill::Constant(f32::INFINITY), 1.0),
        case("gradients that are no numbers", 5000, Fill::Constant(f32::NAN), 1.0),
    ]
}
