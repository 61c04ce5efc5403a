//! What training tells while it goes on, and what it is told.

use crate::health::GradientHealth;
use serde::Serialize;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A step was submitted.
    Tick {
        /// Steps done.
        step: u64,
        /// Steps in all.
        total: u64,
    },
    /// A step was read back.
    Step {
        /// Steps done.
        step: u64,
        /// Mean negative log-likelihood of the batch, standardised units.
        loss: f32,
        /// Norm of the gradient before clipping.
        grad_norm: f32,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Steps so far that were skipped because something was not finite.
        bad: u32,
        /// Milliseconds a step since the last report.
        ms: f64,
    },
    /// The gradient of a step was looked at, before the clip.
    Gradients {
        /// Steps done.
        step: u64,
        /// By groups of parameters.
        gradients: GradientHealth,
    },
    /// The validation part was scored.
    Validation {
        /// Steps done.
        step: u64,
        /// Mean negative log-likelihood, standardised units.
        loss: f64,
        /// Whether it is the lowest so far.
        best: bool,
    },
    /// A checkpoint was stored.
    Checkpoint {
        /// Steps done.
        step: u64,
    },
    /// The device was lost; training goes on from the last stored state.
    Restarted {
        /// Steps done in that state.
        step: u64,
        /// What the driver said.
        reason: String,
    },
}

/// The listener's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Store a checkpoint and return.
    Stop,
}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All steps were done.
    Finished,
    /// The validation loss had not fallen for `patience` validations.
    EarlyStop,
    /// The listener asked for it.
    Stopped,
}
