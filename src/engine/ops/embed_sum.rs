//! `y[t, n] = base[t, n] + (n < Nx ? series[t, n] : 0) + calendar[t]`: the sum of the parts of a token.
//!
//! Inputs: base `[T, N, D]` (per step), series `[T, Nx, D]` (per window, Nx <= N), and with attribute `calendar` also calendar `[T, D]`
//! (per window). D is a multiple of 4. Backward: dbase is the sum of dy over the windows in order; dseries is dy of the first Nx nodes;
//! dcalendar is the sum of dy over the nodes.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Field, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot,
    Value, never_random, to_u32,
};
use super::expect::{expect_count, expect_quads};
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;

operation! {
    /// Inputs: base, series, and with `calendar` the calendar. Output: y.
    pub struct EmbedSum {
        /// Whether there are calendar features.
        pub calendar: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "embed_sum",
    summary: "y[t, n] = base[t, n] + (n < Nx ? series[t, n] : 0) + calendar[t]",
    attrs: EmbedSum::ATTRS,
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

const SOURCE: &str = wgsl!("ops/embed_sum.wgsl", "lib/step.wgsl");
/// Workgroup size of `embed_sum_backward_base`, whose grid is not split.
const BASE_GROUP: usize = 256;

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let EmbedSum { calendar } = EmbedSum::of(attrs);
    expect_count(inputs, 2 + usize::from(calendar))?;
    let [t, n, d] = inputs[0].shape[..] else {
        return Err(format!("expected base [T, N, D], found {:?}", inputs[0].shape));
    };
    expect_quads(d)?;
    let series = &inputs[1].shape;
    if series.len() != 3 || series[0] != t || series[1] == 0 || series[1] > n || series[2] != d {
        return Err(format!("expected series [{t}, 1..={n}, {d}], found {series:?}"));
    }
    if calendar && inputs[2].shape != [t, d] {
        return Err(format!("expected calendar [{t}, {d}], found {:?}", inputs[2].shape));
    }
    if inputs[0].scope != Scope::Step || inputs[1..].iter().any(|i| i.scope != Scope::Window) {
        return Err("base must be per step, series and calendar per window".into());
    }
    Ok(Inferred { outputs: vec![vec![t, n, d]], ..Inferred::default() })
}

fn fields(c: &OpCtx, count: usize) -> Vec<Field> {
    let (base, series) = (&c.inputs[0].shape, &c.inputs[1].shape);
    vec![
        ("count", Value::U32(to_u32(count))),
        ("quads", Value::U32(to_u32(base[2] / 4))),
        ("n_nodes", Value::U32(to_u32(base[1]))),
        ("n_series", Value::U32(to_u32(series[1]))),
        ("accumulate_series", c.accumulates(1)),
        ("accumulate_calendar", c.accumulates(2)),
    ]
}

fn forward(c: &OpCtx) -> Phase {
    let (n, calendar) = (c.outputs[0].len(), EmbedSum::of(c.attrs).calendar);
    let mut bindings = vec![
        Binding::input("base", Slot::In(0), "base_base"),
        Binding::input("series", Slot::In(1), "series_base"),
        Binding::output("y", Slot::Out(0), "y_base"),
    ];
    if calendar {
        bindings.push(Binding::input("calendar", Slot::In(2), "calendar_base"));
    }
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: if calendar { "embed_sum_forward_calendar" } else { "embed_sum_forward" },
            overrides: vec![],
            bindings,
            params: fields(c, n / 4),
            grid: Grid::Windows { per_window: n / 4, per_group: 64, across: 1 },
            cost: Cost::new(n * (1 + usize::from(calendar)), n + c.inputs.iter().map(Operand::len).sum::<usize>()),
        }],
        scratch: vec![],
    }
}

fn backward(c: &OpCtx) -> Phase {
    let n = c.outputs[0].len();
    let kernel = |entry, d_input, count, grid, cost| KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings: vec![Binding::input("d_y", Slot::DOut(0), "d_y_base"), d_input],
        params: fields(c, count),
        grid,
        cost,
    };
    let per_window = |items| Grid::Windows { per_window: items, per_group: 64, across: 1 };
    let mut kernels = vec![];
    if c.wants(0) {
        kernels.push(kernel(
            "embed_sum_backward_base",
            Binding::output("d_base", Slot::DIn(0), "d_base_base"),
            n / 4,
            Grid::Fixed { groups: (n / 4).div_ceil(BASE_GROUP), in_blocks: false },
            Cost::new(n, n),
        ));
    }
    if c.wants(1) {
        let items = c.inputs[1].len() / 4;
        kernels.push(kernel(
            "embed_sum_backward_series",
            Binding::output("d_series", Slot::DIn(1), "d_series_base"),
            items,
            per_window(items),
            Cost::new(0, 8 * items),
        ));
    }
    if c.wants(2) {
        let items = c.inputs[2].len() / 4;
        kernels.push(kernel(
            "embed_sum_backward_calendar",
            Binding::output("d_calendar", Slot::DIn(2), "d_calendar_base"),
            items,
            per_window(items),
            Cost::new(n, n + 4 * items),
        ));
    }
    Phase { kernels, scratch: vec![] }
}

/// Number of steps, nodes, series, and the width.
fn extents(t: &TwinCall) -> (usize, usize, usize, usize) {
    let base = &t.inputs[0].operand.shape;
    (base[0], base[1], t.inputs[1].operand.shape[1], base[2])
}

fn twin_forward(t: &mut TwinCall) {
    let (steps, nodes, series, d) = extents(t);
    let EmbedSum { calendar } = EmbedSum::of(t.attrs);
    for w in 0..t.windows {
        for step in 0..steps {
            for n in 0..nodes {
                for i in 0..d {
                    let e = (step * nodes + n) * d + i;
                    let mut y = t.inputs[0].data[e];
                    if n < series {
                        y += t.inputs[1].window(w)[(step * series + n) * d + i];
                    }
                    if calendar {
                        y += t.inputs[2].window(w)[step * d + i];
                    }
                    t.outputs[0].window_mut(w)[e] = y;
                }
            }
        }
    }
}

fn twin_backward(t: &mut TwinCall) {
    let (steps, nodes, series, d) = extents(t);
    let EmbedSum { calendar } = EmbedSum::of(t.attrs);
    for w in 0..t.windows {
        for step in 0..steps {
            for n in 0..nodes {
                for i in 0..d {
                    let e = (step * nodes + n) * d + i;
                    let d_y = t.d_outputs[0].window(w)[e];
                    if let Some(base) = t.d_input(0, w) {
                        base[e] += d_y;
                    }
                    if n < series
                        && let Some(x) = t.d_input(1, w)
                    {
                        x[(step * series + n) * d + i] += d_y;
                    }
                    if calendar && let Some(x) = t.d_input(2, w) {
                        x[step * d + i] += d_y;
                    }
                }
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [t, n, series, d]: [usize; 4], windows, calendar: bool| {
        let mut inputs = vec![CaseInput::step(&[t, n, d], Fill::Normal(1.0)), CaseInput::window(&[t, series, d], Fill::Normal(1.0))];
        if calendar {
            inputs.push(CaseInput::window(&[t, d], Fill::Normal(1.0)));
        }
        let attrs = EmbedSum { calendar }.attrs();
        Case { name, attrs, inputs, windows, reduction: windows.max(n) }
    };
    vec![
        case("one token", [1, 1, 1, 4], 1, false),
        case("a workgroup less one", [3, 21, 20, 4], 1, false),
        case("a workgroup", [4, 16, 16, 4], 3, true),
        case("a workgroup and one", [5, 13, 9, 4], 5, true),
        case("several windows", [4, 18, 14, 16], 3, true),
        case("many nodes, no calendar", [2, 197, 190, 8], 3, false),
        case("many nodes", [3, 197, 1, 32], 2, true),
    ]
}
