//! `y[t, n, i V + v] = 1 where codes[t p + i, n, column] = v + 1, else 0`: the categories of a token, with their places in the patch. A linear
//! map of it adds one row of a table for each step. The op reads only data, so it has no backward pass.
//!
//! Input: codes `[S, Q]` or `[S, N, Q]`; 0 stands for no category. Attributes: `patch` (p, divides S), `column` (less than Q), `size` (V).
//! Output `[S / p, p V]` or `[S / p, N, p V]`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Input: codes. Output: y.
    pub struct OneHot {
        /// Steps per token; the number divides that of all steps.
        pub patch: usize,
        /// Which codes of a step.
        pub column: usize,
        /// Number of categories.
        pub size: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "one_hot",
    summary: "y[t, n, i V + v] = codes[t p + i, n, column] = v + 1 ? 1 : 0",
    attrs: OneHot::ATTRS,
    infer,
    keeps_inputs: &[],
    keeps_outputs: &[],
    updates: &[],
    data: &[],
    random: never_random,
    forward,
    backward: Backward::NotDifferentiable("it reads data only"),
    twin: Twin::new(twin_forward, no_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/one_hot.wgsl", "lib/step.wgsl");

/// Steps, series and codes of each step.
fn extents(codes: &Operand) -> Option<(usize, usize, usize)> {
    match codes.shape[..] {
        [steps, width] => Some((steps, 1, width)),
        [steps, series, width] => Some((steps, series, width)),
        _ => None,
    }
}

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [codes] = exactly(inputs)?;
    let OneHot { patch, column, size } = OneHot::of(attrs);
    let (steps, series, width) = extents(codes).ok_or_else(|| format!("expected codes [S, Q] or [S, N, Q], found {:?}", codes.shape))?;
    if patch == 0 || steps == 0 || !steps.is_multiple_of(patch) || series == 0 {
        return Err(format!("patches of {patch} steps do not divide codes {:?}", codes.shape));
    }
    if column >= width || size == 0 {
        return Err(format!("column {column} of {width} with {size} categories does not exist"));
    }
    let inner = patch * size;
    let output = if codes.shape.len() == 2 { vec![steps / patch, inner] } else { vec![steps / patch, series, inner] };
    Ok(Inferred { outputs: vec![output], ..Inferred::default() })
}

fn forward(c: &OpCtx) -> Phase {
    let OneHot { patch, column, size } = OneHot::of(c.attrs);
    let (_, series, width) = extents(&c.inputs[0]).unwrap_or((0, 1, 1));
    let out = c.outputs[0].len();
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: "one_hot_forward",
            overrides: vec![],
            bindings: vec![Binding::input("x", Slot::In(0), "x_base"), Binding::output("y", Slot::Out(0), "y_base")],
            params: vec![
                ("count", Value::U32(to_u32(out))),
                ("series", Value::U32(to_u32(series))),
                ("width", Value::U32(to_u32(width))),
                ("column", Value::U32(to_u32(column))),
                ("size", Value::U32(to_u32(size))),
                ("patch_len", Value::U32(to_u32(patch))),
            ],
            grid: Grid::Windows { per_window: out, per_group: 64, across: 1 },
            cost: Cost::new(0, c.inputs[0].len() + out),
        }],
        scratch: vec![],
    }
}

fn twin_forward(t: &mut TwinCall) {
    let OneHot { patch, column, size } = OneHot::of(t.attrs);
    let (_, series, width) = extents(&t.inputs[0].operand).unwrap_or((0, 1, 1));
    for w in 0..t.windows {
        let x = t.inputs[0].window(w);
        for (e, y) in t.outputs[0].window_mut(w).iter_mut().enumerate() {
            let (v, i) = (e % size, e / size % patch);
            let (n, token) = (e / (size * patch) % series, e / (size * patch * series));
            let code = x[((token * patch + i) * series + n) * width + column];
            *y = f64::from(u8::from(code == (v + 1) as f64));
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, shape: &[usize], patch, column, size: usize, windows| {
        let codes: Vec<f32> = (0..97_u16).map(|k| f32::from(k * 7 % 5)).collect();
        let inputs = vec![CaseInput::data(shape, Fill::values(codes))];
        Case { name, attrs: OneHot { patch, column, size }.attrs(), inputs, windows, reduction: 1 }
    };
    vec![
        case("one step", &[1, 1], 1, 0, 1, 1),
        case("a workgroup less one", &[21, 1, 1], 3, 0, 3, 1),
        case("a workgroup", &[8, 2, 3], 2, 2, 4, 3),
        case("a workgroup and one", &[13, 2], 1, 1, 5, 2),
        case("several series and windows", &[12, 5, 2], 4, 1, 4, 5),
    ]
}
