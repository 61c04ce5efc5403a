//! What to change in a config whose smallest plan exceeds a budget: each of batch size, history, number of targets and width on its own, as
//! far as it must go, and every answer was planned.

use crate::config::{Config, TrainingSettings};
use crate::data::WindowShape;
use crate::model::ModelShape;
use crate::plan::PlanOptions;
use crate::session::{Purpose, planner};
use serde::Serialize;

/// A change that makes the model fit, or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What is changed: a key of the config, or `targets`.
    pub key: &'static str,
    /// What it is.
    pub from: usize,
    /// The largest value that fits; nothing where none does.
    pub to: Option<usize>,
    /// Bytes of the smallest plan with that value; with the least value, where none fits.
    pub bytes: Option<u64>,
}

/// Bytes of the smallest plan on single windows, if there is one.
fn smallest(shape: &ModelShape, settings: &TrainingSettings, options: &PlanOptions) -> Option<u64> {
    let options = PlanOptions { batch: settings.batch_size, micro_batch: Some(1), ..options.clone() };
    let settings = TrainingSettings { micro_batch: Some(1), ..settings.clone() };
    planner(shape, &settings, Purpose::Train, &options).ok()?.smallest().ok().map(|o| o.bytes)
}

/// What to change so that training takes at most `allowed` bytes.
#[must_use]
pub fn advise(config: &Config, shape: &ModelShape, options: &PlanOptions, allowed: u64) -> Vec<Advice> {
    let (window, settings, training) = (shape.window, &shape.settings, &config.training);
    let of = |window: WindowShape, d_model: usize| {
        let settings = crate::config::ModelSettings { d_model, ..settings.clone() };
        smallest(&ModelShape::new(window, settings), training, options)
    };
    // Patches divide history; two heads' halves divide the width.
    let (patch, unit) = (settings.patch_len.max(1), 2 * settings.n_heads.max(1));
    let steps = |from: usize, unit: usize| (1..from.div_ceil(unit)).map(|k| k * unit).collect::<Vec<_>>();
    vec![
        search("training.batch_size", training.batch_size, &steps(training.batch_size, 1), allowed, |v| {
            smallest(shape, &TrainingSettings { batch_size: v, ..training.clone() }, options)
        }),
        search("window.history", window.history, &steps(window.history, patch), allowed, |v| {
            of(WindowShape { history: v, ..window }, settings.d_model)
        }),
        search("targets", window.num_targets, &steps(window.num_targets, 1), allowed, |v| {
            of(WindowShape { num_targets: v, ..window }, settings.d_model)
        }),
        search("model.d_model", settings.d_model, &steps(settings.d_model, unit), allowed, |v| of(window, v)),
    ]
}

/// The largest of ascending values whose plan fits: fewer of anything takes less.
fn search(key: &'static str, from: usize, values: &[usize], allowed: u64, bytes: impl Fn(usize) -> Option<u64>) -> Advice {
    let fits = |b: &Option<u64>| b.is_some_and(|b| b <= allowed);
    let mut best: Option<(usize, Option<u64>)> = None;
    let (mut low, mut high) = (0, values.len());
    let mut least = None;
    while low < high {
        let middle = low.midpoint(high);
        let found = bytes(values[middle]);
        if fits(&found) {
            best = Some((values[middle], found));
            low = middle + 1;
        } else {
            high = middle;
            least = found.or(least);
        }
    }
    match best {
        Some((to, bytes)) => Advice { key, from, to: Some(to), bytes },
        None => Advice { key, from, to: None, bytes: least },
    }
}
