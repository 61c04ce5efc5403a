//! The inputs of a step, and the division of a batch into micro-batches. Both executors use them.

use crate::ops::def::to_u32;
use crate::ops::twin::StepValues;
use crate::plan::Recording;

/// One batch on the host.
#[derive(Clone, Copy, Debug)]
pub struct StepInput<'a> {
    /// Number of windows, at most the batch of the recording.
    pub windows: usize,
    /// Index of the first window in the order of the epoch. It is a key of the random numbers.
    pub first_window: u32,
    /// Keys from [`crate::random::keys`].
    pub keys: [u32; 2],
    /// Learning rate.
    pub learning_rate: f32,
    /// What the proximal step takes from the norm of every driver edge; 0: no such step.
    pub shrink: f32,
    /// `1 / max(1, observed targets of the batch)`.
    pub inverse_count: f32,
    /// For each input of the recording, in its order: the values of all windows, concatenated (a single value set if the input exists once
    /// per step).
    pub inputs: &'a [Vec<f32>],
}

impl StepInput<'_> {
    /// First window and number of windows of each micro-batch, with at most `most` windows each.
    #[must_use]
    pub fn micro_batches(&self, most: usize) -> Vec<(usize, usize)> {
        (0..self.windows.div_ceil(most)).map(|i| (i * most, most.min(self.windows - i * most))).collect()
    }

    /// Step values for prologue and epilogue, followed by those for each micro-batch.
    #[must_use]
    pub fn step_values(&self, recording: &Recording) -> Vec<StepValues> {
        let inverse_windows = 1.0 / self.windows.max(1) as f32;
        let values = |first: usize, windows: usize| StepValues {
            windows: to_u32(windows),
            first_window: self.first_window.wrapping_add(to_u32(first)),
            key0: self.keys[0],
            key1: self.keys[1],
            learning_rate: self.learning_rate,
            shrink: self.shrink,
            inverse_count: self.inverse_count,
            inverse_windows,
        };
        let mut all = vec![values(0, 1)];
        all.extend(self.micro_batches(recording.micro_batch).into_iter().map(|(first, n)| values(first, n)));
        all
    }
}
