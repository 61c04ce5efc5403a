//! What moves between host and device: the state of training, reports of steps, mixtures.

/// Everything that training carries from step to step; flat buffers in the order of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps tried, bad ones included.
    pub step: u64,
    /// Parameters.
    pub parameters: Vec<f32>,
    /// First moments.
    pub moment1: Vec<f32>,
    /// Second moments.
    pub moment2: Vec<f32>,
    /// Optimiser's counters.
    pub optimiser: Vec<f32>,
}

/// What a read-back tells of the last step.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct StepReport {
    /// Mean negative log-likelihood of the batch, in standardised units.
    pub loss: f32,
    /// Global norm of the gradient before clipping; 0 where something was not finite.
    pub grad_norm: f32,
    /// Steps in a row whose loss or gradient was not finite; the parameters were left alone.
    pub bad_in_a_row: u32,
    /// Such steps in all.
    pub bad: u32,
}

/// One window's forecast, in standardised units: each [H, Nt, K]. Heads without a density give values alone.
#[derive(Clone, Debug)]
pub struct WindowMixture {
    /// Means; values of the quantile and point heads.
    pub mean: Vec<f32>,
    /// Logarithms of the standard deviations.
    pub log_std: Vec<f32>,
    /// Logits of the weights.
    pub logit: Vec<f32>,
}

/// Splits [parts, H, Nt, K], 3 or 1 parts.
pub(super) fn split(mixture: &[f64], parts: usize) -> WindowMixture {
    let n = mixture.len() / parts;
    #[expect(clippy::cast_possible_truncation, reason = "the device computes in f32")]
    let part = |i: usize| mixture.iter().skip(i * n).take(n).map(|v| *v as f32).collect();
    WindowMixture { mean: part(0), log_std: part(1), logit: part(2) }
}
