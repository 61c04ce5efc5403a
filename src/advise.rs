//! Changes of a config whose smallest plan exceeds a memory budget. It changes one of micro-batch, batch size, history, number of targets
//! and width at a time, and plans each change.

use crate::config::{ModelSettings, TrainingSettings};
use crate::data::{SideInputs, WindowShape};
use crate::model::ModelShape;
use crate::plan::PlanOptions;
use crate::session::Setup;
use serde::Serialize;
use std::sync::Arc;

/// A change of one value, and whether it makes the model fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The changed key of the config, or `targets`.
    pub key: &'static str,
    /// The current value.
    pub from: usize,
    /// The largest value that fits; none if no value fits. For `training.micro_batch`: the micro-batch of the plan that fits if the key is
    /// removed.
    pub to: Option<usize>,
    /// Bytes of the smallest plan with this value. For fewer targets, the features of the series graph are not known, so that the value is
    /// approximate.
    pub bytes: Option<u64>,
}

struct Search<'a> {
    shape: &'a ModelShape,
    training: &'a TrainingSettings,
    options: &'a PlanOptions,
    allowed: u64,
}

/// Changes of the config with which training takes at most `allowed` bytes.
#[must_use]
pub fn advise(shape: &ModelShape, training: &TrainingSettings, options: &PlanOptions, allowed: u64) -> Vec<Advice> {
    let s = Search { shape, training, options, allowed };
    let (window, settings) = (shape.window, &shape.settings);
    // The patch length must divide the history. Twice the number of heads must divide the width.
    let (patch, unit) = (settings.patch_len.max(1), 2 * settings.n_heads.max(1));
    let batch = |v: usize| TrainingSettings { batch_size: v, micro_batch: training.micro_batch.map(|m| m.min(v)), ..training.clone() };
    let resized = |window: WindowShape, d_model: usize| ModelShape {
        window,
        settings: ModelSettings { d_model, ..settings.clone() },
        ..shape.clone()
    };
    let mut all: Vec<Advice> = s.without_micro_batch().into_iter().collect();
    // A batch smaller than the micro-batch of the config is an error.
    let least = training.micro_batch.unwrap_or(1);
    all.push(s.largest("training.batch_size", training.batch_size, 1, |v| (v >= least).then(|| s.fits(shape, &batch(v))).flatten()));
    all.push(s.largest("window.history", window.history, patch, |v| {
        s.fits(&resized(WindowShape { history: v, ..window }, settings.d_model), training)
    }));
    all.push(s.largest("targets", window.num_targets, 1, |v| s.fits(&with_targets(shape, v), training)));
    all.push(s.largest("model.d_model", settings.d_model, unit, |v| s.fits(&resized(window, v), training)));
    all
}

/// The model with only its first targets.
fn with_targets(shape: &ModelShape, targets: usize) -> ModelShape {
    let window = WindowShape { num_targets: targets, ..shape.window };
    let nodes: Vec<usize> = (0..window.num_series()).chain(shape.window.num_series()..shape.nodes()).collect();
    let width = shape.side.statics.len() / shape.window.num_series().max(1);
    let side = SideInputs { statics: shape.side.statics[..width * window.num_series()].to_vec(), ..(*shape.side).clone() };
    ModelShape { window, side: Arc::new(side), features: Arc::new(shape.features.of_nodes(&nodes)), settings: shape.settings.clone() }
}

impl Search<'_> {
    /// Bytes of the smallest plan, if it fits.
    fn fits(&self, shape: &ModelShape, training: &TrainingSettings) -> Option<u64> {
        let bytes = |micro_batch: Option<usize>| {
            let options = PlanOptions { batch: training.batch_size, micro_batch, ..self.options.clone() };
            let training = TrainingSettings { micro_batch, ..training.clone() };
            Setup::training(shape.clone(), training).planner(&options).ok()?.smallest().ok().map(|o| o.bytes)
        };
        // Micro-batches of single windows almost always give the smallest plan and are faster to search. The full search runs only if the
        // result is close to the budget.
        let quick = bytes(training.micro_batch.or(Some(1)))?;
        let close = quick > self.allowed && quick - self.allowed < self.allowed / 20;
        let found = if close && training.micro_batch.is_none() { bytes(None)? } else { quick };
        (found <= self.allowed).then_some(found)
    }

    /// Whether the model fits if the planner selects the micro-batch.
    fn without_micro_batch(&self) -> Option<Advice> {
        let from = self.training.micro_batch?;
        let free = TrainingSettings { micro_batch: None, ..self.training.clone() };
        let bytes = self.fits(self.shape, &free)?;
        Some(Advice { key: "training.micro_batch", from, to: Some(1), bytes: Some(bytes) })
    }

    /// The largest multiple of `unit` below `from` whose plan fits, assuming that a smaller value takes less memory.
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
