//! A forecast as a table with one entry per step and series, and its CSV output.

use crate::forecast::predictive::Predictive;
use std::io::Write;
use thiserror::Error;

/// The history that a chart shows before the forecast.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryTable {
    /// Timestamps, oldest first, `[L]`.
    pub stamps: Vec<String>,
    /// Values in original units, NaN if unobserved, `[L, Nt]`.
    pub values: Vec<f32>,
}

/// One forecast (one origin) in original units.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForecastTable {
    /// Timestamps of the horizon, `[H]`.
    pub stamps: Vec<String>,
    /// Names of the targets, `[Nt]`.
    pub series: Vec<String>,
    /// Quantile levels, ascending, each in (0, 1), `[Q]`.
    pub levels: Vec<f64>,
    /// Mean, `[H, Nt]`.
    pub mean: Vec<f32>,
    /// Standard deviation, `[H, Nt]`.
    pub std: Vec<f32>,
    /// Quantiles, `[H, Nt, Q]`.
    pub quantiles: Vec<f32>,
    /// Samples, `[S, H, Nt]`.
    pub samples: Option<Vec<f32>>,
    /// Observed history.
    pub history: Option<HistoryTable>,
    /// Observed values of the horizon, if known (NaN where unobserved), `[H, Nt]`.
    pub truth: Option<Vec<f32>>,
}

/// Errors of a table.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableError {
    /// A field has the wrong number of values.
    #[error("the forecast table's {field} has {found} values, expected {expected} for shape {shape}")]
    Length {
        /// Name of the field.
        field: &'static str,
        /// The shape as text.
        shape: &'static str,
        /// Number of values that the shape requires.
        expected: usize,
        /// Number of values found.
        found: usize,
    },
    /// The levels are out of order or out of range.
    #[error("quantile levels must be ascending within (0, 1), found {0:?}")]
    Levels(Vec<f64>),
    /// The forecast has no samples.
    #[error("this forecast has no samples")]
    NoSamples,
    /// The CSV could not be written.
    #[error("the forecast could not be written as CSV")]
    Csv(#[from] csv::Error),
    /// The CSV could not be flushed.
    #[error("the forecast could not be written")]
    Io(#[from] std::io::Error),
}

#[expect(clippy::cast_possible_truncation, reason = "tables hold f32: the model computes in it")]
fn narrow(value: f64) -> f32 {
    value as f32
}

impl ForecastTable {
    /// A table of this shape, filled with NaN, without samples, history or truth.
    pub fn new(stamps: Vec<String>, series: Vec<String>, levels: Vec<f64>) -> Self {
        let cells = stamps.len() * series.len();
        Self {
            mean: vec![f32::NAN; cells],
            std: vec![f32::NAN; cells],
            quantiles: vec![f32::NAN; cells * levels.len()],
            stamps,
            series,
            levels,
            ..Self::default()
        }
    }

    /// H.
    pub fn horizon(&self) -> usize {
        self.stamps.len()
    }

    /// Position of (step, series) in a tensor `[H, Nt]`.
    pub fn cell(&self, step: usize, series: usize) -> usize {
        step * self.series.len() + series
    }

    /// Stores mean, standard deviation and quantiles of the forecast of one value.
    ///
    /// # Panics
    /// Panics if `step` or `series` is out of range.
    pub fn set<P: Predictive + ?Sized>(&mut self, step: usize, series: usize, forecast: &P) {
        let cell = self.cell(step, series);
        self.mean[cell] = narrow(forecast.mean());
        self.std[cell] = narrow(forecast.std());
        for (q, &level) in self.levels.iter().enumerate() {
            self.quantiles[cell * self.levels.len() + q] = narrow(forecast.quantile(level));
        }
    }

    /// Fills `count` samples. `draw(sample, step, series)` returns each value.
    pub fn fill_samples(&mut self, count: usize, mut draw: impl FnMut(usize, usize, usize) -> f64) {
        let mut samples = Vec::with_capacity(count * self.mean.len());
        for sample in 0..count {
            for step in 0..self.horizon() {
                samples.extend((0..self.series.len()).map(|series| narrow(draw(sample, step, series))));
            }
        }
        self.samples = Some(samples);
    }

    /// The quantile of one value at `level`, if the table has that level.
    pub fn quantile(&self, step: usize, series: usize, level: f64) -> Option<f32> {
        let q = self.levels.iter().position(|p| (p - level).abs() < 1e-9)?;
        Some(self.quantiles[self.cell(step, series) * self.levels.len() + q])
    }

    /// Checks that all fields are consistent.
    pub fn check(&self) -> Result<(), TableError> {
        let ascending = self.levels.windows(2).all(|w| w[0] < w[1]);
        if !(ascending && self.levels.iter().all(|&p| p > 0.0 && p < 1.0)) {
            return Err(TableError::Levels(self.levels.clone()));
        }
        let cells = self.horizon() * self.series.len();
        let lengths = [
            ("mean", "[H, Nt]", cells, self.mean.len()),
            ("std", "[H, Nt]", cells, self.std.len()),
            ("quantiles", "[H, Nt, Q]", cells * self.levels.len(), self.quantiles.len()),
            ("truth", "[H, Nt]", cells, self.truth.as_ref().map_or(cells, Vec::len)),
        ];
        let history = self.history.as_ref();
        let past = history.map_or((0, 0), |h| (h.stamps.len() * self.series.len(), h.values.len()));
        for (field, shape, expected, found) in lengths.into_iter().chain([("history", "[L, Nt]", past.0, past.1)]) {
            if expected != found {
                return Err(TableError::Length { field, shape, expected, found });
            }
        }
        if let Some(samples) = &self.samples {
            let (found, rest) = (samples.len(), samples.len().checked_rem(cells).unwrap_or(samples.len()));
            if rest != 0 {
                let expected = found - rest;
                return Err(TableError::Length { field: "samples", shape: "[S, H, Nt]", expected, found });
            }
        }
        Ok(())
    }

    /// Writes the long form, one row per step and series: `time,series,mean,std,q0.05,...`.
    pub fn write_csv(&self, out: impl Write) -> Result<(), TableError> {
        self.check()?;
        let mut csv = csv::Writer::from_writer(out);
        let levels = self.levels.iter().map(|p| format!("q{p}"));
        csv.write_record(["time", "series", "mean", "std"].map(str::to_owned).into_iter().chain(levels))?;
        for (step, stamp) in self.stamps.iter().enumerate() {
            for (series, name) in self.series.iter().enumerate() {
                let cell = self.cell(step, series);
                csv.write_field(stamp)?;
                csv.write_field(name)?;
                let quantiles = &self.quantiles[cell * self.levels.len()..(cell + 1) * self.levels.len()];
                for value in [self.mean[cell], self.std[cell]].iter().chain(quantiles) {
                    csv.write_field(value.to_string())?;
                }
                csv.write_record(None::<&[u8]>)?;
            }
        }
        Ok(csv.flush()?)
    }

    /// Writes the samples, one row per step, series and sample: `time,series,sample,value`. Samples are numbered from 0.
    pub fn write_samples_csv(&self, out: impl Write) -> Result<(), TableError> {
        self.check()?;
        let samples = self.samples.as_ref().ok_or(TableError::NoSamples)?;
        let cells = self.mean.len();
        let count = samples.len().checked_div(cells).unwrap_or(0);
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(["time", "series", "sample", "value"])?;
        for (step, stamp) in self.stamps.iter().enumerate() {
            for (series, name) in self.series.iter().enumerate() {
                for sample in 0..count {
                    let value = samples[sample * cells + self.cell(step, series)];
                    csv.write_record([stamp, name, &sample.to_string(), &value.to_string()])?;
                }
            }
        }
        Ok(csv.flush()?)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
