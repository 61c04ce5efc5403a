//! The output of the decoder's head as a mixture in the units of the data, `step = token * p + position`:
//! `mean = (head mean + highway[n, step]) scale + shift`, `log_std = clamp(head, -7, 5) + ln scale`, `logit = head logit`.
//!
//! Inputs: head `[Th, Nt, 3 p K]` (last axis `[3, p, K]`: mean, log std, logit), stats `[Nt, 2]` (shift, scale; data, no gradient), and
//! with attribute `highway` also highway `[Nt, H]`, H = Th p. Attributes: `patch` (p), `components` (K), `highway` (0 or 1). Output:
//! mixture `[3, H, Nt, K]`. With attribute `values`, for heads without a density, there are only means: head `[Th, Nt, p K]`, output
//! `[1, H, Nt, K]`. Backward: `d_head = (d_mean scale, d_log_std where -7 <= head <= 5, d_logit)`,
//! `d_highway[n, step] = sum_k d_mean scale`.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::expect_count;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: head, stats, and with `highway` the highway. Output: the mixture.
    pub struct MixtureDecode {
        /// Steps per token.
        pub patch: usize,
        /// Components of the mixture, or values per step.
        pub components: usize,
        /// Whether there is a highway.
        pub highway: bool,
        /// Whether there are only means, for heads without a density.
        pub values: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "mixture_decode",
    summary: "mean = (head + highway) scale + shift, log_std = clamp(head, -7, 5) + ln scale, logit",
    attrs: MixtureDecode::ATTRS,
    infer,
    keeps_inputs: &[0, 1],
    keeps_outputs: &[],
    updates: &[],
    data: &[1],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/mixture_decode.wgsl", "lib/step.wgsl");
const LOG_STD: std::ops::RangeInclusive<f64> = -7.0..=5.0;

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let MixtureDecode { patch, components, highway, .. } = MixtureDecode::of(attrs);
    let parts = parts(attrs);
    expect_count(inputs, 2 + usize::from(highway))?;
    let [tokens, targets, width] = inputs[0].shape[..] else {
        return Err(format!("the head must be [tokens, targets, {parts} p K], found {:?}", inputs[0].shape));
    };
    if width == 0 || width != parts * patch * components {
        let wanted = parts * patch * components;
        return Err(format!("the head must be {wanted} wide ({parts} x {patch} steps x {components}), found {width}"));
    }
    if inputs[1].shape != [targets, 2] {
        return Err(format!("shift and scale must be [{targets}, 2], found {:?}", inputs[1].shape));
    }
    let steps = tokens * patch;
    if highway && inputs[2].shape != [targets, steps] {
        return Err(format!("the highway must be [{targets}, {steps}], found {:?}", inputs[2].shape));
    }
    if inputs.iter().any(|i| i.scope != inputs[0].scope) {
        return Err("the inputs must all be per window or all per step".into());
    }
    Ok(Inferred { outputs: vec![vec![parts, steps, targets, components]], ..Inferred::default() })
}

/// Numbers per component: mean, log std and logit, or only the mean.
fn parts(attrs: &Attrs) -> usize {
    if MixtureDecode::of(attrs).values { 1 } else { 3 }
}

/// A kernel with one invocation per item; `count` is the number of items.
fn kernel(c: &OpCtx, entry: &'static str, count: usize, bindings: Vec<Binding>, cost: Cost) -> KernelDef {
    let MixtureDecode { patch, components, .. } = MixtureDecode::of(c.attrs);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(count))),
            ("steps", Value::U32(to_u32(c.inputs[0].shape[0] * patch))),
            ("targets", Value::U32(to_u32(c.inputs[0].shape[1]))),
            ("components", Value::U32(to_u32(components))),
            ("patch_len", Value::U32(to_u32(patch))),
            ("parts", Value::U32(to_u32(parts(c.attrs)))),
            ("accumulate_head", c.accumulates(0)),
            ("accumulate_highway", c.accumulates(2)),
        ],
        grid: Grid::Windows { per_window: count, per_group: 64, across: 1 },
        cost,
    }
}

fn forward(c: &OpCtx) -> Phase {
    let n = c.inputs[0].len();
    let mut bindings = vec![
        Binding::input("head", Slot::In(0), "head_base"),
        Binding::input("stats", Slot::In(1), "stats_base"),
        Binding::output("mixture", Slot::Out(0), "mixture_base"),
    ];
    let mut entry = "mixture_decode_forward";
    if MixtureDecode::of(c.attrs).highway {
        entry = "mixture_decode_forward_highway";
        bindings.push(Binding::input("highway", Slot::In(2), "highway_base"));
    }
    let moved = 2 * n + c.inputs[1..].iter().map(Operand::len).sum::<usize>();
    Phase { kernels: vec![kernel(c, entry, n / parts(c.attrs), bindings, Cost::new(3 * n, moved))], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let (n, parts) = (c.inputs[0].len(), parts(c.attrs));
    let stats = || Binding::input("stats", Slot::In(1), "stats_base");
    let d_mixture = || Binding::input("d_mixture", Slot::DOut(0), "d_mixture_base");
    let mut kernels = vec![];
    if c.wants(0) {
        let bindings = vec![
            Binding::input("head", Slot::In(0), "head_base"),
            stats(),
            d_mixture(),
            Binding::output("d_head", Slot::DIn(0), "d_head_base"),
        ];
        kernels.push(kernel(c, "mixture_decode_backward_head", n / parts, bindings, Cost::new(n, 2 * n + n / parts + c.inputs[1].len())));
    }
    if MixtureDecode::of(c.attrs).highway && c.wants(2) {
        let count = c.inputs[2].len();
        let bindings = vec![stats(), d_mixture(), Binding::output("d_highway", Slot::DIn(2), "d_highway_base")];
        let cost = Cost::new(n / parts + count, n / parts + count + c.inputs[1].len());
        kernels.push(kernel(c, "mixture_decode_backward_highway", count, bindings, cost));
    }
    Phase { kernels, scratch: vec![] }
}

/// One component of one step of one target: the indices of its mean in head and in mixture, of the target, and of its element of the
/// highway.
struct Place {
    head: usize,
    mixture: usize,
    target: usize,
    highway: usize,
}

/// All places of a window, and the strides between mean, log std and logit in head and in mixture.
fn places(t: &TwinCall) -> (Vec<Place>, usize, usize) {
    let (MixtureDecode { patch, components, .. }, parts) = (MixtureDecode::of(t.attrs), parts(t.attrs));
    let (tokens, targets) = (t.inputs[0].operand.shape[0], t.inputs[0].operand.shape[1]);
    let mut all = vec![];
    for step in 0..tokens * patch {
        for target in 0..targets {
            for k in 0..components {
                all.push(Place {
                    head: ((step / patch) * targets + target) * parts * patch * components + (step % patch) * components + k,
                    mixture: (step * targets + target) * components + k,
                    target,
                    highway: target * tokens * patch + step,
                });
            }
        }
    }
    (all, patch * components, tokens * patch * targets * components)
}

fn twin_forward(t: &mut TwinCall) {
    let (all, head_apart, apart) = places(t);
    let MixtureDecode { highway, values, .. } = MixtureDecode::of(t.attrs);
    for w in 0..t.windows {
        let (head, stats) = (t.inputs[0].window(w), t.inputs[1].window(w));
        let out = t.outputs[0].window_mut(w);
        for q in &all {
            let (shift, scale) = (stats[2 * q.target], stats[2 * q.target + 1]);
            let added = if highway { t.inputs[2].window(w)[q.highway] } else { 0.0 };
            out[q.mixture] = (head[q.head] + added) * scale + shift;
            if values {
                continue;
            }
            out[q.mixture + apart] = head[q.head + head_apart].clamp(*LOG_STD.start(), *LOG_STD.end()) + scale.ln();
            out[q.mixture + 2 * apart] = head[q.head + 2 * head_apart];
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (all, head_apart, apart) = places(t);
    let MixtureDecode { highway, values, .. } = MixtureDecode::of(t.attrs);
    for w in 0..t.windows {
        let (head, stats) = (t.inputs[0].window(w).to_vec(), t.inputs[1].window(w).to_vec());
        let d = t.d_outputs[0].window(w).to_vec();
        if let Some(d_head) = t.d_input(0, w) {
            for q in &all {
                d_head[q.head] += d[q.mixture] * stats[2 * q.target + 1];
                if values {
                    continue;
                }
                if LOG_STD.contains(&head[q.head + head_apart]) {
                    d_head[q.head + head_apart] += d[q.mixture + apart];
                }
                d_head[q.head + 2 * head_apart] += d[q.mixture + 2 * apart];
            }
        }
        if highway && let Some(d_highway) = t.d_input(2, w) {
            for q in &all {
                d_highway[q.highway] += d[q.mixture] * stats[2 * q.target + 1];
            }
        }
    }
}

fn cases() -> Vec<Case> {
    // (tokens, targets, patch, components)
    let case = |name, (tokens, targets, patch, components): (usize, usize, usize, usize), highway: bool, scale, windows| {
        let mut inputs = vec![
            CaseInput::window(&[tokens, targets, 3 * patch * components], Fill::Normal(scale)),
            CaseInput::data(&[targets, 2], Fill::Uniform(0.1, 2.0)),
        ];
        if highway {
            inputs.push(CaseInput::window(&[targets, tokens * patch], Fill::Normal(1.0)));
        }
        let attrs = MixtureDecode { patch, components, highway, values: false }.attrs();
        Case { name, attrs, inputs, windows, reduction: components }
    };
    let values = |mut case: Case| {
        *case.inputs[0].shape.last_mut().expect("a head has a width") /= 3;
        case.attrs = MixtureDecode { values: true, ..MixtureDecode::of(&case.attrs) }.attrs();
        case
    };
    let mut highway_alone = case("only the highway wants a gradient", (2, 3, 2, 2), true, 1.0, 3);
    highway_alone.inputs[0].grad = false;
    let mut head_alone = case("only the head wants a gradient", (2, 3, 2, 2), true, 1.0, 3);
    head_alone.inputs[2].grad = false;
    vec![
        case("one number of each", (1, 1, 1, 1), false, 1.0, 1),
        case("a workgroup less one", (3, 7, 1, 3), true, 1.0, 1),
        case("a workgroup", (4, 2, 4, 2), true, 1.0, 3),
        case("a workgroup and one", (13, 5, 1, 1), false, 1.0, 3),
        case("patches, both clamps at work", (3, 11, 4, 3), true, 8.0, 5),
        case("eight components, no highway", (2, 3, 8, 8), false, 4.0, 3),
        highway_alone,
        head_alone,
        values(case("one value a step, highway", (3, 7, 2, 1), true, 1.0, 3)),
        values(case("three values a step", (5, 13, 1, 3), false, 1.0, 2)),
    ]
}
