//! The state of the training loop on the host, and the stopping conditions.

use crate::config::{TrainingSettings, is_default};
use serde::{Deserialize, Serialize};

/// The state of the training loop on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps completed, without those of the linear start.
    pub step: u64,
    /// Steps of the linear start completed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: u64,
    /// Whether the linear start has ended and was validated, as step 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Whether the factors of the spread were fitted, after training.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calibrated: bool,
    /// Lowest validation score so far.
    pub best_loss: Option<f64>,
    /// Step after which it was reached.
    pub best_step: u64,
    /// Number of validations since then.
    pub stale: u64,
}

impl Progress {
    /// Whether the last `training.patience` validations brought no improvement.
    #[must_use]
    pub fn stopped_early(&self, settings: &TrainingSettings) -> bool {
        settings.patience.is_some_and(|patience| self.stale >= patience)
    }

    /// Whether a run of `total` steps is finished: all of them are done, or it stopped early.
    #[must_use]
    pub fn is_finished(&self, settings: &TrainingSettings, total: u64) -> bool {
        self.step >= total || self.stopped_early(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_validations_without_improvement() {
        let stale = |stale, patience| {
            let progress = Progress { step: 5, stale, ..Progress::default() };
            let settings = TrainingSettings { patience, ..TrainingSettings::default() };
            (progress.stopped_early(&settings), progress.is_finished(&settings, 9), progress.is_finished(&settings, 5))
        };
        assert_eq!(stale(100, None), (false, false, true));
        assert_eq!([0, 1, 2].map(|n| stale(n, Some(1)).0), [false, true, true]);
        assert_eq!([1, 2, 3].map(|n| stale(n, Some(2)).1), [false, true, true]);
    }
}
