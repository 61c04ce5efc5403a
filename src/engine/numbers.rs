//! Conversions between kinds of numbers, and weights of logits.

/// Rounds to f32, the precision of data and model.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is the purpose")]
pub(crate) fn to_f32(value: f64) -> f32 {
    value as f32
}

/// Softmax of logits, relative to the largest.
#[must_use]
pub(crate) fn softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.iter().map(|v| (v - most).exp()).sum();
    logits.iter().map(|v| (v - most).exp() / total).collect()
}
