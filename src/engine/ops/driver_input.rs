//! The rows that the driver highway reads: each series as one row over all steps (section 9a of docs/model.md). The op reads only data, so
//! it has no backward pass.
//!
//! Inputs: values and observed, both `[S, Nx, F]`, observed in {0, 1}; stats `[Nt, 2]`, shift and scale of the instance norm. The series
//! are Nc covariates followed by the targets. Every value is first multiplied by its `observed`. Channel 0 of a target becomes
//! `(x - shift) / scale * observed`. With attribute `centred`, every other value becomes `(x - mean) * observed`, where the mean is that of
//! the observed history of its series and channel (`sum / max(1, number)`). Attributes: `history` (L), `centred`.
//!
//! Output: rows `[Nx, S F]`, channel fastest.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Slot, Value,
    never_random, to_u32,
};
use super::expect::{exactly, expect_alike};
use super::twin::{Twin, TwinCall, no_backward};
use super::wgsl::wgsl;

operation! {
    /// Inputs: values, observed, stats. Output: rows.
    pub struct DriverInput {
        /// Number of history steps, 1 to all.
        pub history: usize,
        /// Whether all values but those of the targets themselves lose the mean of their history.
        pub centred: bool,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "driver_input",
    summary: "rows[n] = values of series n over all steps; targets normalised, the others less their history's mean if centred",
    attrs: DriverInput::ATTRS,
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

const SOURCE: &str = wgsl!("ops/driver_input.wgsl", "lib/step.wgsl");

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [values, observed, stats] = exactly(inputs)?;
    expect_alike(("values", values), ("observed", observed))?;
    let [steps, series, channels] = values.shape[..] else {
        return Err(format!("values must be [steps, series, channels], found {:?}", values.shape));
    };
    let [targets, 2] = stats.shape[..] else { return Err(format!("shift and scale must be [targets, 2], found {:?}", stats.shape)) };
    if targets == 0 || targets > series || stats.scope != values.scope {
        return Err(format!("expected 1 to {series} targets in the scope of the values, found {:?} ({:?})", stats.shape, stats.scope));
    }
    let history = DriverInput::of(attrs).history;
    if history == 0 || history > steps {
        return Err(format!("the history must be 1 to {steps} steps, found {history}"));
    }
    Ok(Inferred { outputs: vec![vec![series, steps * channels]], ..Inferred::default() })
}

fn forward(c: &OpCtx) -> Phase {
    let [steps, series, channels] = c.inputs[0].shape[..] else { panic!("driver_input: shapes were inferred before") };
    let DriverInput { history, centred } = DriverInput::of(c.attrs);
    let (n, items, targets) = (c.inputs[0].len(), series * channels, c.inputs[2].shape[0]);
    Phase {
        kernels: vec![KernelDef {
            source: SOURCE.into(),
            entry: "driver_input_forward",
            overrides: vec![],
            bindings: vec![
                Binding::input("values", Slot::In(0), "values_base"),
                Binding::input("observed", Slot::In(1), "observed_base"),
                Binding::input("stats", Slot::In(2), "stats_base"),
                Binding::output("rows", Slot::Out(0), "rows_base"),
            ],
            params: vec![
                ("count", Value::U32(to_u32(items))),
                ("steps", Value::U32(to_u32(steps))),
                ("series", Value::U32(to_u32(series))),
                ("channels", Value::U32(to_u32(channels))),
                ("past", Value::U32(to_u32(history))),
                ("covariates", Value::U32(to_u32(series - targets))),
                ("centred", Value::U32(u32::from(centred))),
            ],
            grid: Grid::Windows { per_window: items, per_group: 64, across: 1 },
            cost: Cost::new(5 * n, 3 * n + 2 * targets),
        }],
        scratch: vec![],
    }
}

fn twin_forward(t: &mut TwinCall) {
    let [steps, series, channels] = t.inputs[0].operand.shape[..] else { panic!("values have three axes") };
    let DriverInput { history, centred } = DriverInput::of(t.attrs);
    let covariates = series - t.inputs[2].operand.shape[0];
    for w in 0..t.windows {
        let observed = t.inputs[1].window(w).to_vec();
        let x: Vec<f64> = t.inputs[0].window(w).iter().zip(&observed).map(|(v, o)| v * o).collect();
        let stats = t.inputs[2].window(w).to_vec();
        let rows = t.outputs[0].window_mut(w);
        for (n, row) in rows.chunks_mut(steps * channels).enumerate() {
            for f in 0..channels {
                let at = |s: usize| (s * series + n) * channels + f;
                let (shift, scale) = if f == 0 && n >= covariates {
                    (stats[2 * (n - covariates)], stats[2 * (n - covariates) + 1])
                } else if centred {
                    let seen: f64 = (0..history).map(|s| observed[at(s)]).sum();
                    ((0..history).map(|s| x[at(s)]).sum::<f64>() / seen.max(1.0), 1.0)
                } else {
                    (0.0, 1.0)
                };
                for s in 0..steps {
                    row[s * channels + f] = (x[at(s)] - shift) / scale * observed[at(s)];
                }
            }
        }
    }
}

fn cases() -> Vec<Case> {
    // [steps, series, channels], (history, targets, centred)
    let case = |name, shape: [usize; 3], (history, targets, centred): (usize, usize, bool), seen, windows| Case {
        name,
        attrs: DriverInput { history, centred }.attrs(),
        inputs: vec![
            CaseInput::data(&shape, Fill::Normal(1.0)),
            CaseInput::data(&shape, Fill::Mask(seen)),
            CaseInput::data(&[targets, 2], Fill::Uniform(0.5, 2.0)),
        ],
        windows,
        reduction: history,
    };
    vec![
        case("one value", [1, 1, 1], (1, 1, false), 1.0, 1),
        case("a workgroup less one", [6, 21, 3], (4, 5, true), 0.8, 1),
        case("a workgroup", [5, 32, 2], (3, 32, true), 0.8, 3),
        case("a workgroup and one", [4, 65, 1], (2, 3, false), 0.8, 3),
        case("a long history", [200, 3, 2], (150, 1, true), 0.9, 2),
        case("nothing observed", [12, 3, 2], (8, 2, true), 0.0, 3),
        case("hardly anything observed", [12, 9, 1], (6, 4, true), 0.1, 3),
    ]
}
