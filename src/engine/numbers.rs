//! Conversions between kinds of numbers.

/// Rounds to f32, the precision of data and model.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is the purpose")]
pub(crate) fn to_f32(value: f64) -> f32 {
    value as f32
}
