//! The comparator behind `verify`, the self-test and the tests: it says where two tensors differ most, and refuses comparisons that
//! could not fail.

/// Two tensors do not agree, or cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// Different numbers of elements.
    #[error("expected {expected} elements, found {found}")]
    Length {
        /// Elements of the reference.
        expected: usize,
        /// Elements found.
        found: usize,
    },
    /// Nothing to compare.
    #[error("there is nothing to compare")]
    Empty,
    /// NaN or infinity.
    #[error("element {index} is {found}, expected {expected}")]
    NotFinite {
        /// Where.
        index: usize,
        /// Reference.
        expected: f64,
        /// Found.
        found: f64,
    },
    /// The reference is zero throughout: agreement would prove nothing.
    #[error("the reference is zero throughout")]
    AllZero,
    /// Too far apart.
    #[error("element {index}: expected {expected:e}, found {found:e}: {times:.1} times the tolerance")]
    Differs {
        /// Where.
        index: usize,
        /// Reference.
        expected: f64,
        /// Found.
        found: f64,
        /// Error over tolerance.
        times: f64,
    },
}

/// The largest error relative to `scale`, and where. `scale` must be positive.
///
/// # Errors
/// Fails on wrong lengths, nothing to compare, and what is not finite on either side.
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
/// over the tolerance. `floor` is for what is zero but for rounding: the magnitude of the terms that cancel.
///
/// # Errors
/// Says what is wrong; an all-zero reference is refused unless `zero_allowed`, and then zeros are expected exactly.
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
