//! What to change in a config whose smallest plan exceeds a budget: each of micro-batch, batch size, history, number of targets and width on
//! its own. Every answer was planned.

use crate::config::{ModelSettings, TrainingSettings};
use crate::data::WindowShape;
use crate::model::ModelShape;
use crate::plan::PlanOptions;
use crate::session::Setup;
use serde::Serialize;
use std::sync::Arc;

/// A change that makes the model fit, or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What is changed: a key of the config, or `targets`.
    pub key: &'static str,
    /// What it is.
    pub from: usize,
    /// A value that fits, the largest that was found; nothing where none does. For `training.micro_batch`: windows of the plan that fits
    /// where the key is left out.
    pub to: Option<usize>,
    /// Bytes of the smallest plan with that value. Of fewer targets the features of the series graph are not known: then they are near.
    pub bytes: Option<u64>,
}

struct Search<'a> {
    shape: &'a ModelShape,
    training: &'a TrainingSettings,
    options: &'a PlanOptions,
    allowed: u64,
}

/// What to change so that training takes at most `allowed` bytes.
#[must_use]
pub fn advise(shape: &ModelShape, training: &TrainingSettings, options: &PlanOptions, allowed: u64) -> Vec<Advice> {
    let s = Search { shape, training, options, allowed };
    let (window, settings) = (shape.window, &shape.settings);
    // Patches divide history; two heads' halves divide the width.
    let (patch, unit) = (settings.patch_len.max(1), 2 * settings.n_heads.max(1));
    let batch = |v: usize| TrainingSettings { batch_size: v, micro_batch: training.micro_batch.map(|m| m.min(v)), ..training.clone() };
    let resized = |window: WindowShape, d_model: usize| ModelShape {
        window,
        settings: ModelSettings { d_model, ..settings.clone() },
        features: shape.features.clone(),
    };
    let mut all: Vec<Advice> = s.without_micro_batch().into_iter().collect();
    // A batch that is smaller than the micro-batch of the config would be refused.
    let least = training.micro_batch.unwrap_or(1);
    all.push(s.largest("training.batch_size", training.batch_size, 1, |v| (v >= least).then(|| s.fits(shape, &batch(v))).flatten()));
    all.push(s.largest("window.history", window.history, patch, |v| {
        s.fits(&resized(WindowShape { history: v, ..window }, settings.d_model), training)
    }));
    all.push(s.largest("targets", window.num_targets, 1, |v| s.fits(&with_targets(shape, v), training)));
    all.push(s.largest("model.d_model", settings.d_model, unit, |v| s.fits(&resized(window, v), training)));
    all
}

/// The model of its first targets alone.
fn with_targets(shape: &ModelShape, targets: usize) -> ModelShape {
    let window = WindowShape { num_targets: targets, ..shape.window };
    let nodes: Vec<usize> = (0..window.num_series()).chain(shape.window.num_series()..shape.nodes()).collect();
    ModelShape { window, settings: shape.settings.clone(), features: Arc::new(shape.features.of_nodes(&nodes)) }
}

impl Search<'_> {
    /// Bytes of the smallest plan, if it fits.
    fn fits(&self, shape: &ModelShape, training: &TrainingSettings) -> Option<u64> {
        let bytes = |micro_batch: Option<usize>| {
            let options = PlanOptions { batch: training.batch_size, micro_batch, ..self.options.clone() };
            let training = TrainingSettings { micro_batch, ..training.clone() };
            Setup::training(shape.clone(), training).planner(&options).ok()?.smallest().ok().map(|o| o.bytes)
        };
        // Single windows are all but always the smallest, and quicker to search; the whole search where it is close.
        let quick = bytes(training.micro_batch.or(Some(1)))?;
        let close = quick > self.allowed && quick - self.allowed < self.allowed / 20;
        let found = if close && training.micro_batch.is_none() { bytes(None)? } else { quick };
        (found <= self.allowed).then_some(found)
    }

    /// Whether leaving a fixed micro-batch to the planner would do.
    fn without_micro_batch(&self) -> Option<Advice> {
        let from = self.training.micro_batch?;
        let free = TrainingSettings { micro_batch: None, ..self.training.clone() };
        let bytes = self.fits(self.shape, &free)?;
        Some(Advice { key: "training.micro_batch", from, to: Some(1), bytes: Some(bytes) })
    }

    /// The largest multiple of `unit` below `from` whose plan fits, as far as fewer of anything takes less.
    fn largest(&self, key: &'static str, from: usize, unit: usize, fits: impl Fn(usize) -> Option<u64>) -> Advice {
        let mut best = None;
        let (mut low, mut high) = (1, from.div_ceil(unit));
        while low < high {
            let middle = low.midpoint(high);
            if let Some(bytes) = fits(middle * unit) {
                best = Some((middle * unit, bytes));
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Advice { key, from, to: best.map(|b| b.0), bytes: best.map(|b| b.1) }
    }
}
