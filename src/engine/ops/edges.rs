//! One stage of the learned graph: for each receiver the k most likely senders and their renormalised probabilities.
//! `z = (logits + noise) / clamp(exp(log_temperature), 0.1, 10)`; the k largest z of each row (ties: the lowest index first);
//! `prob = softmax over those k` (the same as the softmax over all senders, renormalised).
//!
//! Inputs, per step: logits `[R, S]` (parameter), noise `[R, S]` (data: Gumbel in training, otherwise 0), log_temperature `[]` (parameter).
//! Attribute `k`. Outputs: prob `[R, k]`, and, without gradient, whole numbers as floats: index `[R, k]`, starts `[S + 1]`, entries
//! `[R k]`. Edges are numbered e = receiver * k + slot. The edges of sender s are `entries[starts[s] .. starts[s + 1]]`, ordered by
//! receiver. Backward passes use this list to gather over the edges of a sender.
//!
//! The backward pass reads only the edges: `dz = prob (dprob - prob . dprob)`, `dlogits[index] += dz / tau`, `dlog_temperature -= sum dz z`
//! unless the temperature is beyond the limits of the clamp.

use super::attrs::{Attrs, Operation, operation};
use super::def::{
    Backward, Binding, Case, CaseInput, Cases, Cost, Fill, Grid, Inferred, KernelDef, OpCtx, OpDef, Operand, Phase, Scope, Slot, Value,
    never_random, to_u32,
};
use super::expect::exactly;
use super::twin::{Twin, TwinCall};
use super::wgsl::wgsl;
use crate::order;

operation! {
    /// Inputs: logits, noise, log_temperature. Outputs: prob, index, starts, entries.
    pub struct Edges {
        /// Number of senders of a receiver, 1 to all.
        pub k: usize,
    }
}

pub(super) static OP: OpDef = OpDef {
    name: "edges",
    summary: "prob, index = k largest of softmax((logits + noise) / tau), renormalised",
    attrs: Edges::ATTRS,
    infer,
    keeps_inputs: &[0, 1, 2],
    keeps_outputs: &[0, 1],
    updates: &[],
    data: &[1],
    random: never_random,
    forward,
    backward: Backward::Kernels(backward),
    twin: Twin::new(twin_forward, twin_backward),
    cases: Cases::new(cases),
};

const SOURCE: &str = wgsl!("ops/edges.wgsl", "lib/step.wgsl");
const COLDEST: f64 = 0.1;
const HOTTEST: f64 = 10.0;

fn infer(inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, String> {
    let [logits, noise, log_temperature] = exactly(inputs)?;
    let [r, s] = logits.shape[..] else {
        return Err(format!("expected logits [R, S], found {:?}", logits.shape));
    };
    let k = Edges::of(attrs).k;
    if noise.shape != logits.shape || log_temperature.len() != 1 || k == 0 || k > s || r == 0 {
        return Err(format!(
            "expected k in 1..={s} for logits [{r}, {s}], noise of their shape and one temperature, found k = {k}, {:?} and {:?}",
            noise.shape, log_temperature.shape
        ));
    }
    if inputs.iter().any(|i| i.scope != Scope::Step) {
        return Err("every input must be per step".into());
    }
    Ok(Inferred { outputs: vec![vec![r, k], vec![r, k], vec![s + 1], vec![r * k]], discrete: 3, ..Inferred::default() })
}

fn kernel(c: &OpCtx, entry: &'static str, bindings: Vec<Binding>, items: usize) -> KernelDef {
    let (r, s, k) = (c.inputs[0].shape[0], c.inputs[0].shape[1], Edges::of(c.attrs).k);
    KernelDef {
        source: SOURCE.into(),
        entry,
        overrides: vec![],
        bindings,
        params: vec![
            ("count", Value::U32(to_u32(items))),
            ("receivers", Value::U32(to_u32(r))),
            ("senders", Value::U32(to_u32(s))),
            ("k", Value::U32(to_u32(k))),
        ],
        grid: Grid::Windows { per_window: items, per_group: 64, across: 1 },
        cost: Cost::new(2 * r * s * k, 2 * r * s * k),
    }
}

fn weights() -> Binding {
    Binding::parameters("weights", &[(Slot::In(0), "logits_base"), (Slot::In(2), "log_temperature_base")])
}

fn forward(c: &OpCtx) -> Phase {
    let (r, s) = (c.inputs[0].shape[0], c.inputs[0].shape[1]);
    let choose = vec![
        weights(),
        Binding::input("noise", Slot::In(1), "noise_base"),
        Binding::output("prob", Slot::Out(0), "prob_base"),
        Binding::output("index", Slot::Out(1), "index_base"),
    ];
    let sort = vec![
        Binding::input("index", Slot::Out(1), "index_base"),
        Binding::output("starts", Slot::Out(2), "starts_base"),
        Binding::output("entries", Slot::Out(3), "entries_base"),
    ];
    Phase { kernels: vec![kernel(c, "edges_choose", choose, r), kernel(c, "edges_by_sender", sort, s + 1)], scratch: vec![] }
}

fn backward(c: &OpCtx) -> Phase {
    let r = c.inputs[0].shape[0];
    let rows = vec![
        weights(),
        Binding::input("noise", Slot::In(1), "noise_base"),
        Binding::input("prob", Slot::Out(0), "prob_base"),
        Binding::input("index", Slot::Out(1), "index_base"),
        Binding::input("d_prob", Slot::DOut(0), "d_prob_base"),
        Binding::gradients("d_weights", &[(Slot::DIn(0), "d_logits_base")]),
        Binding::output("terms", Slot::Scratch(0), "terms_base"),
    ];
    let temperature = vec![
        Binding::parameters("weights", &[(Slot::In(2), "log_temperature_base")]),
        Binding::input("terms", Slot::Scratch(0), "terms_base"),
        Binding::gradients("d_weights", &[(Slot::DIn(2), "d_log_temperature_base")]),
    ];
    Phase {
        kernels: vec![kernel(c, "edges_backward", rows, r), kernel(c, "edges_backward_temperature", temperature, 1)],
        scratch: vec![(r, Scope::Step)],
    }
}

/// The clamped temperature, and whether the clamp passes the gradient.
fn temperature(log: f64) -> (f64, bool) {
    let tau = log.exp();
    (tau.clamp(COLDEST, HOTTEST), (COLDEST..=HOTTEST).contains(&tau))
}

fn twin_forward(t: &mut TwinCall) {
    let (r, s, k) = (t.inputs[0].operand.shape[0], t.inputs[0].operand.shape[1], Edges::of(t.attrs).k);
    let (tau, _) = temperature(t.inputs[2].data[0]);
    let mut edges: Vec<(usize, usize)> = vec![];
    for row in 0..r {
        let z: Vec<f64> = (0..s).map(|j| (t.inputs[0].data[row * s + j] + t.inputs[1].data[row * s + j]) / tau).collect();
        let mut order: Vec<usize> = (0..s).collect();
        order::sort_by(&mut order, |&a, &b| z[b].total_cmp(&z[a]));
        let sum: f64 = order[..k].iter().map(|&j| (z[j] - z[order[0]]).exp()).sum();
        for (slot, &j) in order[..k].iter().enumerate() {
            t.outputs[0].data[row * k + slot] = (z[j] - z[order[0]]).exp() / sum;
            t.outputs[1].data[row * k + slot] = j as f64;
            edges.push((j, row * k + slot));
        }
    }
    order::sort_by_key(&mut edges, |&edge| edge);
    for sender in 0..=s {
        t.outputs[2].data[sender] = edges.iter().filter(|e| e.0 < sender).count() as f64;
    }
    for (entry, (_, edge)) in t.outputs[3].data.iter_mut().zip(edges) {
        *entry = edge as f64;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "small indices, held as floats")]
fn twin_backward(t: &mut TwinCall) {
    let (s, k) = (t.inputs[0].operand.shape[1], Edges::of(t.attrs).k);
    let (tau, passes) = temperature(t.inputs[2].data[0]);
    let rows = t.outputs[0].data.chunks(k).zip(t.d_outputs[0].data.chunks(k)).enumerate();
    for (row, (prob, d_prob)) in rows {
        let mean: f64 = prob.iter().zip(d_prob).map(|(p, d)| p * d).sum();
        for slot in 0..k {
            let at = row * s + t.outputs[1].data[row * k + slot] as usize;
            let d_z = prob[slot] * (d_prob[slot] - mean);
            if let Some(d) = &mut t.d_inputs[0] {
                d.data[at] += d_z / tau;
            }
            if let Some(d) = &mut t.d_inputs[2]
                && passes
            {
                d.data[0] -= d_z * (t.inputs[0].data[at] + t.inputs[1].data[at]) / tau;
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |name, [r, s]: [usize; 2], k: usize, log_temperature, noise| Case {
        name,
        attrs: Edges { k }.attrs(),
        inputs: vec![
            CaseInput::parameter(&[r, s], Fill::Normal(1.0)),
            CaseInput { grad: false, ..CaseInput::step(&[r, s], noise) },
            CaseInput::parameter(&[], Fill::Constant(log_temperature)),
        ],
        windows: 1,
        reduction: r.max(s),
    };
    let (gumbel, none) = (Fill::Normal(1.2), Fill::Constant(0.0));
    vec![
        case("one edge", [1, 1], 1, 0.0, none),
        case("two of five", [3, 5], 2, 0.3, gumbel),
        case("all senders", [65, 4], 4, -0.5, gumbel),
        case("a workgroup of receivers", [64, 7], 3, 0.1, none),
        case("many senders", [4, 207], 3, 0.0, gumbel),
        case("hotter than the clamp", [9, 11], 3, 3.0, gumbel),
        case("colder than the clamp", [5, 6], 2, -3.0, gumbel),
    ]
}
