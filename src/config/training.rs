//! `[training]`: optimiser, schedule, checkpoints.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::bytes::Budget;

/// Number of epochs if neither `epochs` nor `max_steps` is given.
const DEFAULT_EPOCHS: u64 = 10;

/// `[training]`: optimiser, schedule, checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TrainingSettings {
    /// Seed of all random numbers; less than 2^63.
    pub seed: u64,
    /// Windows per optimiser step.
    pub batch_size: usize,
    /// Windows per micro-batch, that is, on the device at once. Default: selected by the memory budget. The result does not depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// Passes over the training windows. With `max_steps`, training ends at the smaller of the two. Without both, training runs 10 epochs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Maximum number of optimiser steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Maximum learning rate.
    pub learning_rate: f64,
    /// Learning rate schedule.
    pub schedule: Schedule,
    /// Number of linear warm-up steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<u64>,
    /// Warm-up as a fraction of all steps, as an alternative to `warmup_steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_fraction: Option<f64>,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Loss of the mixture and gaussian heads: "nll" or "crps".
    pub loss: DensityLoss,
    /// Whether weight decay spares biases, norms, scalars, node vectors and the edges of the driver highway.
    pub decay_matrices_only: bool,
    /// Learning rate of the two highways, as a share of the learning rate.
    pub highway_rate: f64,
    /// Learning rate of the edges of the driver highway, as a share of the learning rate.
    pub edge_rate: f64,
    /// Lambda: after each step, every edge of the driver highway loses lambda times its learning rate of its norm. 0: edges are not shrunk.
    pub edge_penalty: f64,
    /// Share of the old value in the moving mean of the weights, with which the model is validated and forecasts; 0 disables the mean.
    pub average: f64,
    /// Number of steps over which this share grows: in step k it is at most (1 + k) / (average_ramp + k).
    pub average_ramp: f64,
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Value added to the root of the second moment.
    pub epsilon: f64,
    /// Maximum global norm of the gradient; larger gradients are clipped.
    pub clip_norm: f64,
    /// Steps between validations. Default: the steps of an epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_every: Option<u64>,
    /// Early stopping: number of consecutive validations without improvement after which training stops. Default: no early stopping. Needs
    /// a validation part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between reports of the loss.
    pub log_every: u64,
    /// Steps between records of the gradient of each parameter group: norm, zeros, non-finite values. 0 disables the records.
    pub health_every: u64,
    /// Number of consecutive non-finite steps after which training fails.
    pub max_bad_steps: u64,
    /// Upper bound in milliseconds on the predicted time of one submission to the device.
    pub submit_bound_ms: u64,
    /// Memory budget for all buffers on the device, such as "256MiB", or "unlimited". Default: 1 GiB. The fastest plan within the budget
    /// is used. The result is bit-identical for every budget.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "size_of_any")]
    pub memory: Option<String>,
    /// Rows between the starts of consecutive training windows.
    pub train_stride: usize,
    /// The linear start.
    pub start: StartSettings,
}

/// `[training.start]`: the linear start. The first steps train the highways and the bias of the head alone; the other blocks are not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct StartSettings {
    /// Number of steps; 0: no linear start.
    pub steps: u64,
    /// Windows per step.
    pub batch_size: usize,
    /// Maximum learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay, except of the edges.
    pub weight_decay: f64,
    /// Learning rate of the edges of the driver highway, as a share of the learning rate.
    pub edge_rate: f64,
    /// Share of the steps after which edges are shrunk.
    pub shrink_after: f64,
}

impl Default for StartSettings {
    fn default() -> Self {
        Self { steps: 0, batch_size: 64, learning_rate: 3e-3, weight_decay: 1e-3, edge_rate: 0.1, shrink_after: 0.2 }
    }
}

/// Loss of heads with a density.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DensityLoss {
    /// Negative log-likelihood.
    #[default]
    Nll,
    /// Continuous ranked probability score.
    Crps,
}

/// The learning rate over the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Constant after the warm-up.
    Constant,
    /// Decreases along half a cosine after the warm-up.
    Cosine,
    /// Increases and decreases once.
    OneCycle,
    /// Increases linearly over the first 15 % of all steps, then decreases along half a cosine, never below a thousandth.
    Cycle,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            seed: 0,
            batch_size: 32,
            micro_batch: None,
            epochs: None,
            max_steps: None,
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            warmup_steps: None,
            warmup_fraction: None,
            weight_decay: 0.01,
            loss: DensityLoss::Nll,
            decay_matrices_only: false,
            highway_rate: 1.0,
            edge_rate: 1.0,
            edge_penalty: 0.3,
            average: 0.0,
            average_ramp: 10.0,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            clip_norm: 1.0,
            validate_every: None,
            patience: None,
            checkpoint_every: 200,
            log_every: 10,
            health_every: 100,
            max_bad_steps: 5,
            submit_bound_ms: 500,
            memory: None,
            train_stride: 1,
            start: StartSettings::default(),
        }
    }
}

impl TrainingSettings {
    /// What the proximal step takes from the norm of every edge of the driver highway after a step of the whole model with this learning
    /// rate.
    #[must_use]
    pub fn shrink(&self, rate: f64) -> f64 {
        rate * self.edge_rate * self.edge_penalty
    }

    /// The same after step `step` (from 0) of the linear start: 0 in the first share of its steps.
    #[must_use]
    pub fn start_shrink(&self, rate: f64, step: u64) -> f64 {
        let shrinks = (step + 1) as f64 > self.start.shrink_after * self.start.steps as f64;
        if shrinks { rate * self.start.edge_rate * self.edge_penalty } else { 0.0 }
    }

    /// Optimiser steps per pass over `windows` training windows. A smaller last batch is a step too.
    #[must_use]
    pub fn steps_per_epoch(&self, windows: usize) -> u64 {
        windows.div_ceil(self.batch_size.max(1)) as u64
    }

    /// Optimiser steps of the whole run over `windows` training windows.
    #[must_use]
    pub fn total_steps(&self, windows: usize) -> u64 {
        let all = |epochs: u64| epochs.saturating_mul(self.steps_per_epoch(windows));
        match (self.epochs, self.max_steps) {
            (Some(epochs), Some(steps)) => all(epochs).min(steps),
            (None, Some(steps)) => steps,
            (Some(epochs), None) => all(epochs),
            (None, None) => all(DEFAULT_EPOCHS),
        }
    }

    /// Number of warm-up steps in a run of `total` steps; 0 without warm-up.
    #[must_use]
    pub fn warmup(&self, total: u64) -> u64 {
        match (self.warmup_steps, self.warmup_fraction) {
            (Some(steps), _) => steps.min(total),
            (None, Some(fraction)) => {
                #[expect(clippy::cast_possible_truncation, reason = "a fraction within 0 and 1 of a step count far below 2^53")]
                let steps = (total as f64 * fraction).round() as u64;
                steps.min(total)
            }
            (None, None) => 0,
        }
    }

    /// The memory budget for all buffers on the device.
    ///
    /// # Errors
    /// When the text is not a valid size.
    pub fn budget(&self) -> Result<Budget, ConfigError> {
        let Some(text) = self.memory.as_deref() else { return Ok(Budget::Default) };
        text.parse().map_err(|_| {
            ConfigError::invalid(
                "training.memory",
                format!("\"{text}\" is not a valid size"),
                "use a number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as \"256MiB\", or \"unlimited\"",
            )
        })
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        self.budget()?;
        self.validate_counts()?;
        if self.warmup_steps.is_some() && self.warmup_fraction.is_some() {
            return Err(ConfigError::invalid("training", "warmup_steps and warmup_fraction are both given", "keep one of them"));
        }
        let unit = 0.0..1.0;
        let checks = [
            ("training.learning_rate", self.learning_rate > 0.0, self.learning_rate, "a positive number such as 0.001"),
            ("training.weight_decay", self.weight_decay >= 0.0, self.weight_decay, "0 or more"),
            ("training.betas", unit.contains(&self.betas[0]), self.betas[0], "0 or more and less than 1"),
            ("training.betas", unit.contains(&self.betas[1]), self.betas[1], "0 or more and less than 1"),
            ("training.epsilon", self.epsilon > 0.0, self.epsilon, "a positive number such as 1e-8"),
            ("training.clip_norm", self.clip_norm > 0.0, self.clip_norm, "a positive number such as 1"),
            ("training.highway_rate", self.highway_rate >= 0.0, self.highway_rate, "0 or more, such as 0.1"),
            ("training.edge_rate", self.edge_rate >= 0.0, self.edge_rate, "0 or more, such as 0.03"),
            ("training.edge_penalty", self.edge_penalty >= 0.0, self.edge_penalty, "0 or more, such as 0.3"),
            ("training.average", unit.contains(&self.average), self.average, "0 or more and less than 1, such as 0.99"),
            ("training.average_ramp", self.average_ramp >= 1.0, self.average_ramp, "1 or more, such as 10"),
            ("training.start.learning_rate", self.start.learning_rate > 0.0, self.start.learning_rate, "a positive number such as 0.003"),
            ("training.start.weight_decay", self.start.weight_decay >= 0.0, self.start.weight_decay, "0 or more"),
            ("training.start.edge_rate", self.start.edge_rate >= 0.0, self.start.edge_rate, "0 or more, such as 0.1"),
            ("training.start.shrink_after", (0.0..=1.0).contains(&self.start.shrink_after), self.start.shrink_after, "0 to 1"),
            (
                "training.warmup_fraction",
                self.warmup_fraction.is_none_or(|f| (0.0..=1.0).contains(&f)),
                self.warmup_fraction.unwrap_or(0.0),
                "0 to 1",
            ),
        ];
        for (key, good, value, range) in checks {
            if !good || !value.is_finite() {
                return Err(ConfigError::invalid(key, format!("{value} is out of range"), format!("use {range}")));
            }
        }
        Ok(())
    }

    fn validate_counts(&self) -> Result<(), ConfigError> {
        let counts = [
            ("training.batch_size", self.batch_size as u64),
            ("training.start.batch_size", self.start.batch_size as u64),
            ("training.micro_batch", self.micro_batch.map_or(1, |m| m as u64)),
            ("training.epochs", self.epochs.unwrap_or(1)),
            ("training.max_steps", self.max_steps.unwrap_or(1)),
            ("training.validate_every", self.validate_every.unwrap_or(1)),
            ("training.patience", self.patience.unwrap_or(1)),
            ("training.checkpoint_every", self.checkpoint_every),
            ("training.log_every", self.log_every),
            ("training.max_bad_steps", self.max_bad_steps),
            ("training.submit_bound_ms", self.submit_bound_ms),
            ("training.train_stride", self.train_stride as u64),
        ];
        for (key, value) in counts {
            if value == 0 {
                return Err(ConfigError::invalid(key, "it is 0", "use at least 1, or remove the key to use its default"));
            }
        }
        if i64::try_from(self.seed).is_err() {
            return Err(ConfigError::invalid("training.seed", "it is too large for TOML", "use a seed less than 2^63"));
        }
        if self.micro_batch.is_some_and(|m| m > self.batch_size) {
            return Err(ConfigError::invalid(
                "training.micro_batch",
                format!("it is larger than batch_size = {}", self.batch_size),
                "use at most the batch size",
            ));
        }
        Ok(())
    }
}

/// Reads a size as text or as a number of bytes.
fn size_of_any<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Text(String),
        Bytes(u64),
    }
    let size = Option::<Size>::deserialize(deserializer).map_err(|_| {
        serde::de::Error::custom("training.memory is not a valid size; use for instance \"256MiB\", \"2GiB\" or \"unlimited\"")
    })?;
    Ok(size.map(|size| match size {
        Size::Text(text) => text,
        Size::Bytes(bytes) => bytes.to_string(),
    }))
}
