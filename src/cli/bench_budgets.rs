//! `pgat bench --budgets`: measures the training step of a config within several memory budgets.

use super::console::{milliseconds, table, thousands};
use super::context::Context;
use super::setting::Setting;
use anyhow::Context as _;
use pgat::bytes::Budget;
use pgat::config::Config;
use pgat::engine::executor::Backend;
use pgat::engine::plan::{AdapterClass, PlanError};
use pgat::engine::session::{Session, Setup};
use serde::Serialize;
use std::time::Instant;

/// The result for a budget.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    /// The text of the budget on the command line.
    budget: String,
    /// Its bytes; none if the budget is unlimited.
    allowed: Option<u64>,
    /// None if no plan fits.
    #[serde(flatten)]
    step: Option<Step>,
}

#[derive(Clone, Debug, Serialize)]
struct Step {
    /// Bytes including the minimum for scoring. Budgets with the same value use the same plan.
    #[serde(skip)]
    offered_bytes: u64,
    planned_bytes: u64,
    created_bytes: u64,
    arena_bytes: u64,
    arena_bound: u64,
    micro_batch: usize,
    computed_again: usize,
    dispatches: usize,
    predicted_ms: f64,
    least_ms: f64,
    median_ms: f64,
    /// Checksum of the bits of all parameters after the last step.
    parameter_bits: u64,
}

/// Measures each budget. Budgets with the same plan are measured once.
pub(super) fn measure(
    context: &Context,
    backend: &Backend,
    config: &Config,
    class: Option<&AdapterClass>,
    budgets: &[String],
    steps: u64,
) -> anyhow::Result<Vec<Measured>> {
    let setting = Setting::of(config)?;
    let setup = Setup::training(setting.shape.clone(), config.training.clone()).of_class(class.cloned());
    let mut planner = setup.planner(&setup.options(backend))?;
    let mut all: Vec<Measured> = vec![];
    for text in budgets {
        let budget = if text == "smallest" {
            Budget::Bytes(planner.smallest()?.bytes)
        } else {
            text.parse().with_context(|| format!("--budgets {text}"))?
        };
        let allowed = (budget != Budget::Unlimited).then_some(budget.bytes());
        let offer = match planner.offer_within(budget) {
            Err(PlanError::Budget { .. }) => None,
            other => Some(other?),
        };
        let known = offer.and_then(|o| all.iter().filter_map(|m| m.step.as_ref()).find(|s| s.offered_bytes == o.bytes).cloned());
        let step = match (known, offer) {
            (Some(step), _) => Some(step),
            (None, None) => None,
            (None, Some(offer)) => {
                context.say(&format!("measuring: {text}, {} bytes", thousands(offer.bytes)));
                let memory = allowed.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
                Some(Step { offered_bytes: offer.bytes, ..one(backend, &setup, &setting, memory, steps)? })
            }
        };
        all.push(Measured { budget: text.clone(), allowed, step });
    }
    Ok(all)
}

fn one(backend: &Backend, setup: &Setup, setting: &Setting, memory: String, steps: u64) -> anyhow::Result<Step> {
    let settings = setup.settings.clone().with(|s| s.memory = Some(memory));
    let session = Session::new(Setup { settings: settings.clone(), ..setup.clone() }, backend.clone());
    let mut session = pollster::block_on(session)?;
    let mut times = vec![];
    for step in 0..=steps {
        let from = Instant::now();
        pollster::block_on(async {
            session.train_step(&setting.source, &setting.indices, 0, step, 0.1 * settings.learning_rate).await?;
            session.report().await
        })?;
        times.push(1000.0 * from.elapsed().as_secs_f64());
    }
    // The first step includes compilation.
    let mut times = times.split_off(1);
    times.sort_by(f64::total_cmp);
    let state = pollster::block_on(session.save(steps + 1))?;
    let plan = session.plan();
    let recording = &plan.recordings[0];
    Ok(Step {
        offered_bytes: 0,
        planned_bytes: plan.bytes(),
        created_bytes: session.executor().created_bytes(),
        arena_bytes: plan.arena_bytes(),
        arena_bound: recording.arena_bound,
        micro_batch: recording.micro_batch,
        computed_again: recording.computed_again(),
        dispatches: recording.dispatch_count(),
        predicted_ms: 1000.0 * recording.seconds(),
        least_ms: times[0],
        median_ms: times[times.len() / 2],
        parameter_bits: state
            .parameters
            .iter()
            .enumerate()
            .fold(0, |sum: u64, (i, p)| sum.wrapping_add((u64::from(p.to_bits()) << 16 ^ i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))),
    })
}

/// The results as a table.
pub(super) fn text(all: &[Measured]) -> String {
    let fastest = all.iter().filter_map(|m| m.step.as_ref()).map(|s| s.least_ms).fold(f64::INFINITY, f64::min);
    let header = ["budget", "bytes", "a step", "slower", "predicted", "micro-batch", "recomputed", "weights"].map(str::to_owned).to_vec();
    let row = |m: &Measured| match &m.step {
        None => vec![m.budget.clone(), "does not fit".into()],
        Some(s) => vec![
            m.budget.clone(),
            thousands(s.planned_bytes),
            milliseconds(s.least_ms),
            format!("{:+.1} %", 100.0 * (s.least_ms / fastest - 1.0)),
            milliseconds(s.predicted_ms),
            thousands(s.micro_batch as u64),
            thousands(s.computed_again as u64),
            format!("{:016x}", s.parameter_bits),
        ],
    };
    let rows: Vec<_> = std::iter::once(header).chain(all.iter().map(row)).collect();
    table(&rows, &[0])
}
