//! A forecast as a table with one entry per step and series, and its CSV output.

use crate::forecast::predictive::Predictive;
use crate::numbers::to_f32;
use std::io::Write;
use thiserror::Error;

/// The history that a chart shows before the forecast.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryTable {
    /// Timestamps, oldest first, `[L]`.
    pub stamps: Vec<String>,
    /// Values in original units, NaN if unobserved, `[L, Nt]`.
    pub values: Vec<f64>,
}

/// One forecast (one origin) in original units.
///
/// The model computes in f32, so the values of most series are exact in f32 and are written with the digits of f32. A series whose values
/// lie far from 0, relative to their spread, has numbers that only f64 can tell apart; `decimals` says how many of their decimals count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForecastTable {
    /// Timestamps of the horizon, `[H]`.
    pub stamps: Vec<String>,
    /// Names of the targets, `[Nt]`.
    pub series: Vec<String>,
    /// Decimals with which the values of each series are written, `[Nt]`; `None` for the digits of f32.
    pub decimals: Vec<Option<usize>>,
    /// Quantile levels, ascending, each in (0, 1), `[Q]`.
    pub levels: Vec<f64>,
    /// Mean, `[H, Nt]`.
    pub mean: Vec<f64>,
    /// Standard deviation, `[H, Nt]`. It has no level, so its digits are always those of f32.
    pub std: Vec<f64>,
    /// Quantiles, `[H, Nt, Q]`.
    pub quantiles: Vec<f64>,
    /// Samples, `[S, H, Nt]`.
    pub samples: Option<Vec<f64>>,
    /// Observed history.
    pub history: Option<HistoryTable>,
    /// Observed values of the horizon, if known (NaN where unobserved), `[H, Nt]`.
    pub truth: Option<Vec<f64>>,
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
    /// A value of the forecast is not a finite number in the precision in which it is written.
    #[error(
        "the forecast of \"{series}\" for {time} has {value} as its {what}: the values are too large for f32; divide the column by a power \
         of ten in the file, and train again"
    )]
    NotFinite {
        /// The target.
        series: String,
        /// Timestamp of the step.
        time: String,
        /// "mean", "standard deviation", "0.9 quantile" or "sample".
        what: String,
        /// The value.
        value: f64,
    },
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

/// The decimals with which values are written whose training deviation is `deviation`: as few as keep the rounding below 1e-5 of it.
#[must_use]
pub fn decimals(deviation: f64) -> usize {
    // The rounding is at most 0.5 * 10^-decimals.
    let needed = -(2e-5 * deviation).log10();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of decimals, clamped")]
    let decimals = needed.ceil().clamp(0.0, 300.0) as usize;
    decimals
}

impl ForecastTable {
    /// A table of this shape, filled with NaN, without samples, history or truth.
    pub fn new(stamps: Vec<String>, series: Vec<String>, levels: Vec<f64>) -> Self {
        let cells = stamps.len() * series.len();
        Self {
            mean: vec![f64::NAN; cells],
            std: vec![f64::NAN; cells],
            quantiles: vec![f64::NAN; cells * levels.len()],
            decimals: vec![None; series.len()],
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
        self.mean[cell] = self.rounded(series, forecast.mean());
        self.std[cell] = f64::from(to_f32(forecast.std()));
        for (q, &level) in self.levels.iter().enumerate() {
            self.quantiles[cell * self.levels.len() + q] = self.rounded(series, forecast.quantile(level));
        }
    }

    /// A value in the precision in which the values of this series are written.
    fn rounded(&self, series: usize, value: f64) -> f64 {
        if self.decimals[series].is_some() { value } else { f64::from(to_f32(value)) }
    }

    /// A value of a series as it is written.
    fn text(&self, series: usize, value: f64) -> String {
        match self.decimals[series] {
            Some(decimals) => format!("{value:.decimals$}"),
            None => to_f32(value).to_string(),
        }
    }

    /// Fills `count` samples. `draw(sample, step, series)` returns each value.
    pub fn fill_samples(&mut self, count: usize, mut draw: impl FnMut(usize, usize, usize) -> f64) {
        let mut samples = Vec::with_capacity(count * self.mean.len());
        for sample in 0..count {
            for step in 0..self.horizon() {
                samples.extend((0..self.series.len()).map(|series| self.rounded(series, draw(sample, step, series))));
            }
        }
        self.samples = Some(samples);
    }

    /// The quantile of one value at `level`, if the table has that level.
    pub fn quantile(&self, step: usize, series: usize, level: f64) -> Option<f64> {
        let q = self.levels.iter().position(|p| (p - level).abs() < 1e-9)?;
        Some(self.quantiles[self.cell(step, series) * self.levels.len() + q])
    }

    /// Checks that all values of the forecast are finite numbers.
    ///
    /// # Errors
    /// The first one that is not, with its series and time.
    pub fn check_finite(&self) -> Result<(), TableError> {
        let cells = self.mean.len();
        let refuse = |cell: usize, what: String, value: f64| {
            let (series, time) = (self.series[cell % self.series.len()].clone(), self.stamps[cell / self.series.len()].clone());
            Err(TableError::NotFinite { series, time, what, value })
        };
        for cell in 0..cells {
            let quantiles = (0..self.levels.len()).map(|q| self.quantiles[cell * self.levels.len() + q]);
            let named = quantiles.zip(&self.levels).map(|(value, level)| (format!("{level} quantile"), value));
            let moments = [("mean".to_owned(), self.mean[cell]), ("standard deviation".to_owned(), self.std[cell])];
            if let Some((what, value)) = moments.into_iter().chain(named).find(|(_, value)| !value.is_finite()) {
                return refuse(cell, what, value);
            }
        }
        let samples = self.samples.iter().flatten();
        match samples.enumerate().find(|(_, value)| !value.is_finite()) {
            Some((at, &value)) => refuse(at % cells, "sample".to_owned(), value),
            None => Ok(()),
        }
    }

    /// Checks that all fields are consistent.
    pub fn check(&self) -> Result<(), TableError> {
        let ascending = self.levels.windows(2).all(|w| w[0] < w[1]);
        if !(ascending && self.levels.iter().all(|&p| p > 0.0 && p < 1.0)) {
            return Err(TableError::Levels(self.levels.clone()));
        }
        let cells = self.horizon() * self.series.len();
        let lengths = [
            ("decimals", "[Nt]", self.series.len(), self.decimals.len()),
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
                csv.write_field(self.text(series, self.mean[cell]))?;
                csv.write_field(to_f32(self.std[cell]).to_string())?;
                for &value in quantiles {
                    csv.write_field(self.text(series, value))?;
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
                    csv.write_record([stamp, name, &sample.to_string(), &self.text(series, value)])?;
                }
            }
        }
        Ok(csv.flush()?)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
