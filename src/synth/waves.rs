//! The driving waves.

use std::f64::consts::TAU;

use crate::random::Stream;

/// A wave and its components.
#[cfg_attr(not(test), expect(dead_code, reason = "tests examine the components"))]
pub(super) struct Wave {
    /// Amplitude A(t), 0.9 to 1.
    pub(super) amplitude: Vec<f64>,
    /// Phase drift v(t), -1 to 1.
    pub(super) drift: Vec<f64>,
    /// Cycles per row.
    pub(super) frequency: f64,
    /// Phase at row 0, without drift.
    pub(super) phase: f64,
    pub(super) values: Vec<f64>,
}

pub(super) fn between(stream: &mut Stream, low: f64, high: f64) -> f64 {
    low + (high - low) * stream.uniform()
}

/// Draws a wave for the rows `-before` .. `rows`.
pub(super) fn wave(stream: &mut Stream, before: usize, rows: usize) -> Wave {
    let (a0, v0) = (between(stream, 0.9, 1.0), between(stream, -1.0, 1.0));
    let (frequency, phase) = (between(stream, 0.005, 0.02), between(stream, 0.0, TAU));
    let mut walk = |start: f64, step: f64, low: f64, high: f64| {
        let mut sum = start;
        let mut next = || {
            sum += step * between(stream, -1.0, 1.0);
            sum.clamp(low, high)
        };
        (0..before + rows).map(|_| next()).collect::<Vec<f64>>()
    };
    let (amplitude, drift) = (walk(a0, 0.01, 0.9, 1.0), walk(v0, 0.05, -1.0, 1.0));
    let value = |(k, (a, v)): (usize, (&f64, &f64))| {
        let t = k as f64 - before as f64;
        a * (TAU * frequency * t + phase + v).sin() + 0.03 * stream.normal()
    };
    let values = amplitude.iter().zip(&drift).enumerate().map(value).collect();
    Wave { amplitude, drift, frequency, phase, values }
}
