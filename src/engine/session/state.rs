//! Data that is transferred between host and device: the training state, reports of steps, mixtures.

/// The complete training state. The flat buffers are in the order of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps run so far, including skipped ones.
    pub step: u64,
    /// Parameters.
    pub parameters: Vec<f32>,
    /// First moments.
    pub moment1: Vec<f32>,
    /// Second moments.
    pub moment2: Vec<f32>,
    /// Counters of the optimiser.
    pub optimiser: Vec<f32>,
    /// Moving mean of the parameters; empty if there is none.
    pub average: Vec<f32>,
}

/// Report of the last step.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct StepReport {
    /// Mean negative log-likelihood of the batch, in standardised units.
    pub loss: f32,
    /// Global norm of the gradient before clipping; 0 if the loss or the gradient was not finite.
    pub grad_norm: f32,
    /// Number of consecutive steps with a non-finite loss or gradient. These steps leave the parameters unchanged.
    pub bad_in_a_row: u32,
    /// Total number of such steps.
    pub bad: u32,
}

/// The forecast of one window in standardised units; each field has shape `[H, Nt, K]`. Heads without a density fill only `mean`.
#[derive(Clone, Debug)]
pub struct WindowMixture {
    /// Means; for the quantile and point heads, the values.
    pub mean: Vec<f32>,
    /// Logarithms of the standard deviations.
    pub log_std: Vec<f32>,
    /// Logits of the mixture weights.
    pub logit: Vec<f32>,
}

/// Splits a mixture of shape `[parts, H, Nt, K]`, with 3 parts or 1 part.
pub(super) fn split(mixture: &[f64], parts: usize) -> WindowMixture {
    let n = mixture.len() / parts;
    #[expect(clippy::cast_possible_truncation, reason = "the device computes in f32")]
    let part = |i: usize| mixture.iter().skip(i * n).take(n).map(|v| *v as f32).collect();
    WindowMixture { mean: part(0), log_std: part(1), logit: part(2) }
}
