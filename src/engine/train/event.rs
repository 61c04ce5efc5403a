//! Events that training reports, and the answers of the listener.

use crate::health::GradientHealth;
use serde::Serialize;

/// A phase of training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The linear start.
    Start,
    /// The whole model.
    #[default]
    Whole,
}

impl Phase {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

/// An event of training.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A step was submitted.
    Tick {
        /// The phase, whose steps are counted from 0.
        #[serde(skip_serializing_if = "Phase::is_whole")]
        phase: Phase,
        /// Steps completed.
        step: u64,
        /// Total number of steps.
        total: u64,
    },
    /// The report of a step was read back.
    Step {
        /// The phase, whose steps are counted from 0.
        #[serde(skip_serializing_if = "Phase::is_whole")]
        phase: Phase,
        /// Steps completed.
        step: u64,
        /// Mean loss of the batch, in standardised units.
        loss: f32,
        /// Norm of the gradient before clipping.
        grad_norm: f32,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Steps so far that were skipped because loss or gradient was not finite.
        bad: u32,
        /// Milliseconds per step since the last report.
        ms: f64,
    },
    /// The gradient of a step was measured, before clipping.
    Gradients {
        /// Steps completed.
        step: u64,
        /// Statistics by parameter group.
        gradients: GradientHealth,
    },
    /// The validation part was scored.
    Validation {
        /// Steps completed.
        step: u64,
        /// Mean of `validation.metric`, in standardised units. Step 0 is the linear start.
        loss: f64,
        /// Whether it is the lowest so far.
        best: bool,
    },
    /// The factors of the spread were fitted on the validation windows.
    Calibrated {
        /// Steps completed.
        step: u64,
        /// Share of the observed targets of the validation windows inside the central 80 % interval before.
        before: f64,
        /// The same after.
        after: f64,
    },
    /// A checkpoint was stored.
    Checkpoint {
        /// Steps completed.
        step: u64,
    },
    /// The device was lost; training resumes from the last stored state.
    Restarted {
        /// Steps completed in that state.
        step: u64,
        /// Message of the driver.
        reason: String,
    },
}

/// The answer of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Continue training.
    Continue,
    /// Store a checkpoint and return.
    Stop,
}

/// The reason why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// All steps are complete.
    Finished,
    /// The validation loss did not improve for `patience` validations.
    EarlyStop,
    /// The listener requested it.
    Stopped,
}
