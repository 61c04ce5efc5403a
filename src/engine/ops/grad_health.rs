//! Statistics of the gradient of each parameter tensor: sum of squares, number of zeros, number of non-finite elements.
//!
//! Inputs, all per step: gradients `[P]` (tensors one after the other, each starting at a multiple of 64 elements), chunks `[C, 2]` and
//! tensors `[N, 2]`, both from `tables`. Output: health `[N, 4]` = (sum of the squares of the finite elements, zeros, non-finite elements,
//! 0). Padding is not counted. A sum beyond the range of f32 becomes the largest f32, so that every output is a finite number. Counts are
//! exact below 2^24. Sums run over chunks of at most 256 gradients and then over the chunks of a tensor, each in a fixed order. There are
//! no barriers, because they are slow on some software adapters.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Inputs: gradients, chunks, tensors. Output: health.
    pub struct GradHealth;
}

pub(super) static OP: OpDef = OpDef {
    name: "grad_health",
    summary: "of each tensor: sum of g^2, how many are zero, how many are not finite",
    attrs: GradHealth::ATTRS,
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

const SOURCE: &str = wgsl!("ops/grad_health.wgsl", "lib/step.wgsl");
/// Largest number of gradients per chunk.
const CHUNK: usize = 256;
/// Tensors start at multiples of this number of elements; the shader has the same constant.
const UNIT: usize = super::def::PARAMETER_ALIGNMENT;
/// Numbers per tensor in the output.
pub(crate) const NUMBERS: usize = 4;

/// The tables for tensors at these places (first element, number of elements): chunks (start / 64, length) and tensors (first chunk, number
/// of chunks).
pub(crate) fn tables(places: &[(usize, usize)]) -> [Vec<f32>; 2] {
    let (mut chunks, mut tensors) = (vec![], vec![]);
    for &(start, length) in places {
        tensors.extend([(chunks.len() / 2) as f32, length.div_ceil(CHUNK) as f32]);
        for from in (0..length).step_by(CHUNK) {
            chunks.extend([((start + from) / UNIT) as f32, CHUNK.min(length - from) as f32]);
        }
    }
    [chunks, tensors]
}

fn infer(inputs: &[Operand], _: &Attrs) -> Result<Inferred, String> {
    let [gradients, chunks, tensors] = exactly(inputs)?;
    if gradients.is_empty() || [chunks, tensors].iter().any(|t| t.shape.len() != 2 || t.last() != 2 || t.is_empty()) {
        let found = [&gradients.shape, &chunks.shape, &tensors.shape];
        return Err(format!("expected gradients, chunks [C, 2] and tensors [N, 2], found {found:?}"));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("every input must be per step".into());
    }
    Ok(Inferred { outputs: vec![vec![tensors.rows(), NUMBERS]], ..Inferred::default() })
}

fn forward(c: &OpCtx) -> Phase {
    let (length, chunks, tensors) = (c.inputs[0].len(), c.inputs[1].rows(), c.inputs[2].rows());
    let kernel = |entry, count: usize, bindings, cost| KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![("count", Value::U32(to_u32(count)))],
        grid: Grid::Windows { per_window: count, per_group: 64, across: 1 },
        cost,
    };
    let partial = Slot::Scratch(0);
    Phase {
        kernels: vec![
            kernel(
                "grad_health_chunks",
                chunks,
                vec![
                    Binding::input("gradients", Slot::In(0), "gradients_base"),
                    Binding::input("chunks", Slot::In(1), "chunks_base"),
                    Binding::output("partial", partial, "partial_base"),
                ],
                Cost::new(4 * length, length + 6 * chunks),
            ),
            kernel(
                "grad_health_tensors",
                tensors,
                vec![
                    Binding::input("tensors", Slot::In(2), "tensors_base"),
                    Binding::input("partial", partial, "partial_base"),
                    Binding::output("health", Slot::Out(0), "health_base"),
                ],
                Cost::new(3 * chunks, 4 * chunks + 6 * tensors),
            ),
        ],
        scratch: vec![(NUMBERS * chunks, Scope::Step)],
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts, held as floats")]
fn twin_forward(t: &mut TwinCall) {
    let [gradients, chunks, tensors] = &t.inputs[..] else { panic!("grad_health takes three inputs") };
    let most = f64::from(f32::MAX);
    for (health, tensor) in t.outputs[0].data.chunks_mut(NUMBERS).zip(tensors.data.chunks(2)) {
        let (first, count) = (tensor[0] as usize, tensor[1] as usize);
        let places = &chunks.data[2 * first..2 * (first + count)];
        let values = places.chunks(2).flat_map(|p| &gradients.data[UNIT * p[0] as usize..][..p[1] as usize]);
        let (finite, wrong): (Vec<f64>, Vec<f64>) = values.partition(|g| g.abs() <= most);
        let squares: f64 = finite.iter().map(|g| g * g).sum();
        let zeros = finite.iter().filter(|g| **g == 0.0).count();
        health.copy_from_slice(&[squares.min(most), zeros as f64, wrong.len() as f64, 0.0]);
    }
}

fn cases() -> Vec<Case> {
    // `sizes` are those of the tensors; `fill` generates the gradients.
    let case = |name, sizes: &[usize], fill| {
        let mut end = 0;
        let place = |&n: &usize| {
            let start = end;
            end += super::def::padded(n);
            (start, n)
        };
        let [chunks, tensors] = tables(&sizes.iter().map(place).collect::<Vec<_>>());
        let input = |shape: &[usize], fill| CaseInput { grad: false, ..CaseInput::step(shape, fill) };
        Case {
            name,
            attrs: Attrs::default(),
            inputs: vec![
                input(&[end], fill),
                input(&[chunks.len() / 2, 2], Fill::values(chunks)),
                input(&[tensors.len() / 2, 2], Fill::values(tensors)),
            ],
            windows: 1,
            reduction: sizes.iter().copied().max().unwrap_or(1),
        }
    };
    let some = Fill::values(vec![0.0, -0.0, 0.5, f32::NAN, -1.0, f32::INFINITY, 2.0, f32::NEG_INFINITY, 0.0, -f32::NAN, 0.25]);
    vec![
        case("one gradient", &[1], Fill::Constant(0.5)),
        case("all gradients zero", &[100, 3], Fill::Constant(0.0)),
        case("small tensors with padding between them", &[1, 3, 63, 64, 65, 2, 4, 5], Fill::Normal(1.0)),
        case("around a chunk", &[255, 256, 257, 511, 512, 513], Fill::Normal(0.1)),
        case("more tensors than a workgroup", &[7; 70], Fill::Mask(0.5)),
        case("more chunks than a workgroup", &[70 * 256 + 3, 9], Fill::Normal(0.01)),
        case("some zeros, some not finite", &[11, 300, 64, 1000], some),
        case("the sum of squares overflows", &[5000, 2], Fill::Constant(1e20)),
        case("infinite gradients", &[300, 1], Fill::Constant(f32::INFINITY)),
        case("gradients that are no numbers", &[300, 1], Fill::Constant(f32::NAN)),
    ]
}
