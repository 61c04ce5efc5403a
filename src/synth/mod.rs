//! Synthetic data as in the original research system: waves that drive targets, with the true graph.
//!
//! `t` = 0 .. rows - 1, U uniform, N normal. Per wave: A0 ~ U(0.9, 1), v0 ~ U(-1, 1), f ~ U(0.005, 0.02), phi ~ U(0, 2 pi);
//! A(t) = clip(A0 + cumsum(0.01 U(-1, 1)), 0.9, 1); v(t) = clip(v0 + cumsum(0.05 U(-1, 1)), -1, 1);
//! wave(t) = A sin(2 pi f t + phi + v) + 0.03 N. M ~ U(-0.6, 0.6) [waves, targets]; b = waves M;
//! target = b + sin(b / 2) + 0.2 cos(b / 4) + 0.1 sin(linspace(0, 6 pi, rows)) + 0.02 N.
//!
//! Two options are new: a fraction of zeros in M, and lags, with which b(t) sums `M_ij` `wave_i`(t - `lag_ij`). Both use a separate random
//! stream, so that the waves and the other weights are the same as without these options for the same seed. SplitMix64 draws the numbers in
//! the order of this text. They are the same on every machine, but differ from those of numpy with the same seed.

mod waves;
mod write;

#[cfg(test)]
mod tests;

use crate::calendar::{Frequency, Stamp, parse_stamp};
use crate::random::Stream;
use waves::{between, wave};

/// Settings of the synthetic data. The defaults are those of the original system.
#[derive(Debug, Clone, PartialEq)]
pub struct SynthSettings {
    /// Number of rows; at least 2.
    pub rows: usize,
    /// Number of driving waves; at least 1.
    pub waves: usize,
    /// Number of targets; at least 1.
    pub targets: usize,
    /// Time step between rows.
    pub frequency: Frequency,
    /// Timestamp of the first row.
    pub start: Stamp,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Maximum lag in rows with which a wave acts on a target. Each pair gets a random lag from 1 to this value; 0 means no lags, as in the
    /// original.
    pub lags: usize,
    /// Fraction of zeros in M, 0 to 1; 0 in the original.
    pub sparsity: f64,
}

impl Default for SynthSettings {
    fn default() -> Self {
        Self {
            rows: 4096,
            waves: 7,
            targets: 3,
            frequency: Frequency::HOUR,
            start: parse_stamp("2020-01-01").unwrap_or(0),
            seed: 42,
            lags: 0,
            sparsity: 0.0,
        }
    }
}

/// Invalid settings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SynthError {
    /// A number is too small.
    #[error("{name} is {found}; use at least {least}")]
    TooFew {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: usize,
        /// The minimum.
        least: usize,
    },
    /// The table is too large.
    #[error("{rows} rows of {series} series are too many; use at most {most} values in total")]
    TooMany {
        /// Rows plus maximum lag.
        rows: usize,
        /// Waves plus targets.
        series: usize,
        /// The maximum number of values.
        most: usize,
    },
    /// The sparsity is not a fraction.
    #[error("sparsity is {0}; use the fraction of wave-target pairs without effect, 0 to 1")]
    Sparsity(f64),
}

/// Maximum number of values.
const MOST: usize = 1 << 28;

/// The effect of a wave on a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Driver {
    /// Its weight in M; 0 without an effect.
    pub weight: f64,
    /// Its lag in rows.
    pub lag: usize,
}

/// Synthetic data with the true graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Synthetic {
    settings: SynthSettings,
    /// The waves, each `[rows]`.
    pub waves: Vec<Vec<f64>>,
    /// The targets, each `[rows]`.
    pub targets: Vec<Vec<f64>>,
    /// M with lags: `drivers[wave][target]`.
    pub drivers: Vec<Vec<Driver>>,
}

impl Synthetic {
    /// Generates the data.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn new(settings: SynthSettings) -> Result<Self, SynthError> {
        check(&settings)?;
        let SynthSettings { rows, lags, .. } = settings;
        let mut stream = Stream::new(settings.seed);
        // The waves start `lags` rows earlier, because the first rows of the targets depend on them.
        let long: Vec<Vec<f64>> = (0..settings.waves).map(|_| wave(&mut stream, lags, rows).values).collect();
        let drivers = drivers(&settings, &mut stream);
        let mut targets = vec![vec![0.0; rows]; settings.targets];
        for (j, target) in targets.iter_mut().enumerate() {
            for (wave, row) in long.iter().zip(&drivers) {
                let Driver { weight, lag } = row[j];
                target.iter_mut().zip(&wave[lags - lag..]).for_each(|(b, w)| *b += weight * w);
            }
        }
        // The noise is drawn in row-major order of [rows, targets].
        for t in 0..rows {
            for target in &mut targets {
                target[t] = response(target[t]) + trend(t, rows) + 0.02 * stream.normal();
            }
        }
        let waves = long.into_iter().map(|mut wave| wave.split_off(lags)).collect();
        Ok(Self { settings, waves, targets, drivers })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &SynthSettings {
        &self.settings
    }
}

fn check(s: &SynthSettings) -> Result<(), SynthError> {
    for (name, found, least) in [("rows", s.rows, 2), ("waves", s.waves, 1), ("targets", s.targets, 1)] {
        if found < least {
            return Err(SynthError::TooFew { name, found, least });
        }
    }
    let (rows, series) = (s.rows.saturating_add(s.lags), s.waves.saturating_add(s.targets));
    if rows.saturating_mul(series) > MOST || s.waves.saturating_mul(s.targets) > MOST {
        return Err(SynthError::TooMany { rows, series, most: MOST });
    }
    if !(0.0..=1.0).contains(&s.sparsity) {
        return Err(SynthError::Sparsity(s.sparsity));
    }
    Ok(())
}

/// M with zeros and lags.
fn drivers(s: &SynthSettings, stream: &mut Stream) -> Vec<Vec<Driver>> {
    let pairs = s.waves * s.targets;
    let mut flat: Vec<Driver> = (0..pairs).map(|_| Driver { weight: between(stream, -0.6, 0.6), lag: 0 }).collect();
    let mut aside = Stream::new(!s.seed);
    #[expect(clippy::cast_possible_truncation, reason = "a share of a count")]
    let zeros = (s.sparsity * pairs as f64).round() as usize;
    let mut order: Vec<usize> = (0..pairs).collect();
    for k in 0..zeros {
        order.swap(k, k + below(&mut aside, pairs - k));
        flat[order[k]].weight = 0.0;
    }
    if s.lags > 0 {
        flat.iter_mut().for_each(|driver| driver.lag = 1 + below(&mut aside, s.lags));
    }
    flat.chunks_exact(s.targets).map(<[Driver]>::to_vec).collect()
}

/// The response of a target to the sum of its drivers. It increases monotonically.
fn response(b: f64) -> f64 {
    b + (b / 2.0).sin() + 0.2 * (b / 4.0).cos()
}

/// The slow wave that is common to all targets.
fn trend(t: usize, rows: usize) -> f64 {
    0.1 * (6.0 * std::f64::consts::PI * t as f64 / (rows - 1) as f64).sin()
}

/// A random number less than `count`.
#[expect(clippy::cast_possible_truncation, reason = "a uniform number below 1 of a count")]
fn below(stream: &mut Stream, count: usize) -> usize {
    ((stream.uniform() * count as f64) as usize).min(count - 1)
}

/// Parses a frequency of the original system: a short name of pandas (H, T, D, W, M, ..) or a frequency of this crate.
///
/// # Errors
/// Advice on the valid forms.
pub fn original_frequency(text: &str) -> Result<Frequency, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[split..] {
        "T" | "t" => "min",
        "S" => "s",
        "M" | "m" | "MS" | "ME" => "mo",
        "Q" | "q" | "QS" | "QE" => return original_frequency("3M"),
        "A" | "a" | "Y" | "YS" | "YE" => "y",
        "B" | "b" => return Err("business days are not supported; use D, so that weekends are gaps in the data".into()),
        other => other,
    };
    format!("{}{unit}", &text[..split]).parse()
}
