//! The comparator of `verify`, the self-test and the tests. It reports where two tensors differ most, and refuses comparisons that could
//! not fail.

/// Two tensors differ, or cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The tensors have different numbers of elements.
    #[error("expected {expected} elements, found {found}")]
    Length {
        /// Elements of the reference.
        expected: usize,
        /// Elements found.
        found: usize,
    },
    /// The tensors have no elements.
    #[error("there is nothing to compare")]
    Empty,
    /// An element is NaN or infinite.
    #[error("element {index} is {found}, expected {expected}")]
    NotFinite {
        /// Index of the element.
        index: usize,
        /// Value in the reference.
        expected: f64,
        /// Value found.
        found: f64,
    },
    /// The reference is entirely zero, so agreement would prove nothing.
    #[error("the reference is entirely zero")]
    AllZero,
    /// An error is above the tolerance.
    #[error("element {index}: expected {expected:e}, found {found:e}: {times:.1} times the tolerance")]
    Differs {
        /// Index of the element.
        index: usize,
        /// Value in the reference.
        expected: f64,
        /// Value found.
        found: f64,
        /// Error divided by the tolerance.
        times: f64,
    },
}

/// The largest error relative to `scale`, and its index. `scale` must be positive.
///
/// # Errors
/// Fails if the lengths differ, if there is nothing to compare, or if an element of either side is not finite.
pub fn largest_error(expected: &[f64], found: &[f64], scale: f64) -> Result<(f64, usize), Mismatch> {
    if expected.len() != found.len() {
        return Err(Mismatch::Length { expected: expected.len(), found: found.len() });
    }
    if expected.is_empty() {
        return Err(Mismatch::Empty);
    }
    let mut worst = (0.0, 0);
    for (index, (&e, &f)) in expected.iter().zip(found).enumerate() {
        if !e.is_finite() || !f.is_finite() {
            return Err(Mismatch::NotFinite { index, expected: e, found: f });
        }
        let error = (e - f).abs() / scale;
        if error > worst.0 {
            worst = (error, index);
        }
    }
    Ok(worst)
}

/// Largest magnitude of a tensor.
#[must_use]
pub fn magnitude(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Compares element by element: |expected - found| <= tolerance (|expected| + largest magnitude / 8 + floor). Returns the largest error
/// divided by the tolerance. `floor` is for values that are zero except for rounding errors: it is the magnitude of the terms that cancel.
///
/// # Errors
/// States the mismatch. An all-zero reference is an error unless `zero_allowed` is set; then only exact zeros agree with it.
pub fn compare(expected: &[f64], found: &[f64], tolerance: f64, floor: f64, zero_allowed: bool) -> Result<f64, Mismatch> {
    largest_error(expected, found, 1.0)?;
    let largest = magnitude(expected);
    if largest == 0.0 && !zero_allowed {
        return Err(Mismatch::AllZero);
    }
    let mut worst = (0.0, 0);
    for (index, (&e, &f)) in expected.iter().zip(found).enumerate() {
        let allowed = tolerance * (e.abs() + largest / 8.0 + floor);
        let times = if e == f { 0.0 } else { (e - f).abs() / allowed.max(f64::MIN_POSITIVE) };
        if times > worst.0 {
            worst = (times, index);
        }
    }
    let (times, index) = worst;
    if times > 1.0 {
        return Err(Mismatch::Differs { index, expected: expected[index], found: found[index], times });
    }
    Ok(times)
}
