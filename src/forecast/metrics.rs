//! Streaming scores: one call per (window, step, target). Only sums are stored.

use crate::forecast::predictive::Predictive;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Central intervals whose coverage is measured.
pub const INTERVALS: [f64; 3] = [0.5, 0.8, 0.9];

/// The specification of the scores.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreSpec {
    /// Names of the targets, `[Nt]`.
    pub series: Vec<String>,
    /// Standard deviation of each target's training part in original units, `[Nt]`. Standardised errors are divided by it.
    pub deviation: Vec<f64>,
    /// H.
    pub horizon: usize,
    /// Levels of the pinball loss, each in (0, 1), `[Q]`.
    pub levels: Vec<f64>,
}

/// Errors of a specification.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// The numbers of series and deviations differ.
    #[error("{series} series need {series} training deviations, found {deviation}")]
    Lengths {
        /// Number of series.
        series: usize,
        /// Number of deviations.
        deviation: usize,
    },
    /// A deviation is not positive.
    #[error("the training deviation of series {series:?} is {deviation}, so its errors cannot be standardised")]
    Deviation {
        /// Name of the series.
        series: String,
        /// The deviation.
        deviation: f64,
    },
    /// A quantile level is outside (0, 1).
    #[error("quantile level {0} is not between 0 and 1")]
    Level(f64),
}

/// Mean scores over a set of values. A measure that does not apply, or for which nothing was scored, is `None` (JSON: null) or empty. Units
/// as in [`Scores`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Measures {
    /// Number of observed values scored.
    pub count: u64,
    /// Negative log-likelihood, nats.
    pub nll: Option<f64>,
    /// Continuous ranked probability score.
    pub crps: Option<f64>,
    /// Absolute error of the median.
    pub mae: Option<f64>,
    /// Squared error of the mean.
    pub mse: Option<f64>,
    /// Mean of `pinball` over the levels.
    pub mean_pinball: Option<f64>,
    /// Pinball loss at each level, `[Q]`.
    pub pinball: Vec<f64>,
    /// Fraction of the values inside each central interval, in the order of `intervals`, in [0, 1].
    pub coverage: Vec<f64>,
    /// `mae` after dividing errors by the training deviation.
    pub standardised_mae: Option<f64>,
    /// `mse` after dividing errors by the training deviation.
    pub standardised_mse: Option<f64>,
}

/// The scores of one forecaster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Name of the forecaster.
    pub label: String,
    /// Over all values.
    pub overall: Measures,
    /// Per target, `[Nt]`.
    pub per_series: Vec<Measures>,
    /// Per step of the horizon, `[H]`.
    pub per_step: Vec<Measures>,
}

/// Sums over scored values.
#[derive(Debug, Clone, Default, PartialEq)]
struct Sums {
    count: u64,
    /// Number of values whose forecast had a density.
    with_nll: u64,
    /// Number of values whose forecast had intervals.
    with_intervals: u64,
    nll: f64,
    crps: f64,
    absolute: f64,
    squared: f64,
    standardised_absolute: f64,
    standardised_squared: f64,
    covered: [u64; INTERVALS.len()],
    /// `[Q]`.
    pinball: Vec<f64>,
}

impl Sums {
    fn new(levels: usize) -> Self {
        Self { pinball: vec![0.0; levels], ..Self::default() }
    }

    fn add(&mut self, other: &Sums) {
        self.count += other.count;
        self.with_nll += other.with_nll;
        self.with_intervals += other.with_intervals;
        self.nll += other.nll;
        self.crps += other.crps;
        self.absolute += other.absolute;
        self.squared += other.squared;
        self.standardised_absolute += other.standardised_absolute;
        self.standardised_squared += other.standardised_squared;
        self.covered.iter_mut().zip(&other.covered).for_each(|(a, b)| *a += b);
        self.pinball.iter_mut().zip(&other.pinball).for_each(|(a, b)| *a += b);
    }

    /// Means; `None` if nothing was scored, or if some forecast lacked what the measure needs.
    fn measures(&self) -> Measures {
        let mean_over = |sum: f64, count: u64| (count > 0 && count == self.count).then(|| sum / count as f64);
        let mean = |sum: f64| mean_over(sum, self.count);
        let pinball: Vec<f64> = self.pinball.iter().filter_map(|&sum| mean(sum)).collect();
        let covered = self.covered.map(|n| mean_over(n as f64, self.with_intervals));
        Measures {
            count: self.count,
            nll: mean_over(self.nll, self.with_nll),
            crps: mean(self.crps),
            mae: mean(self.absolute),
            mse: mean(self.squared),
            mean_pinball: (!pinball.is_empty()).then(|| pinball.iter().sum::<f64>() / pinball.len() as f64),
            pinball,
            coverage: covered.into_iter().flatten().collect(),
            standardised_mae: mean(self.standardised_absolute),
            standardised_mse: mean(self.standardised_squared),
        }
    }
}

/// Pinball (quantile) loss of the forecast `quantile` at `level`: (level - 1{y < q}) (y - q).
pub fn pinball(level: f64, quantile: f64, y: f64) -> f64 {
    let error = y - quantile;
    (level * error).max((level - 1.0) * error)
}

/// Running scores of one forecaster: overall, per series, per step.
///
/// NLL (nats), CRPS, MAE of the median, MSE of the mean, pinball loss at each level and coverage of the central [`INTERVALS`] are in
/// original units. For standardised MAE and MSE, errors are divided by the target's training deviation (the long-term forecasting
/// literature reports these). Every observed value has the same weight, regardless of its series or window.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    spec: ScoreSpec,
    /// `[Nt]`.
    per_series: Vec<Sums>,
    /// `[H]`.
    per_step: Vec<Sums>,
    /// Scratch for one value.
    one: Sums,
}

impl Scores {
    /// Empty scores.
    pub fn new(spec: ScoreSpec) -> Result<Self, ScoreError> {
        if spec.series.len() != spec.deviation.len() {
            return Err(ScoreError::Lengths { series: spec.series.len(), deviation: spec.deviation.len() });
        }
        let bad = |d: &f64| !(d.is_finite() && *d > 0.0);
        if let Some(i) = spec.deviation.iter().position(bad) {
            return Err(ScoreError::Deviation { series: spec.series[i].clone(), deviation: spec.deviation[i] });
        }
        if let Some(&level) = spec.levels.iter().find(|&&p| !(p > 0.0 && p < 1.0)) {
            return Err(ScoreError::Level(level));
        }
        let empty = Sums::new(spec.levels.len());
        Ok(Self { per_series: vec![empty.clone(); spec.series.len()], per_step: vec![empty.clone(); spec.horizon], one: empty, spec })
    }

    /// The specification.
    pub fn spec(&self) -> &ScoreSpec {
        &self.spec
    }

    /// Scores one forecast against the observed value. An unobserved value (`None`, or not finite) is skipped.
    ///
    /// # Panics
    /// Panics if `series` or `step` is out of range.
    pub fn add<P: Predictive + ?Sized>(&mut self, series: usize, step: usize, forecast: &P, observed: Option<f64>) {
        let Some(y) = observed.filter(|y| y.is_finite()) else {
            return;
        };
        let deviation = self.spec.deviation[series];
        let mut median = None;
        let one = &mut self.one;
        for (loss, &level) in one.pinball.iter_mut().zip(&self.spec.levels) {
            let quantile = forecast.quantile(level);
            if level == 0.5 {
                median = Some(quantile);
            }
            *loss = pinball(level, quantile, y);
        }
        let nll = forecast.nll(y);
        let intervals = INTERVALS.map(|central| forecast.covers(y, central));
        let absolute = (y - median.unwrap_or_else(|| forecast.quantile(0.5))).abs();
        let squared = (y - forecast.mean()).powi(2);
        one.count = 1;
        one.with_nll = u64::from(nll.is_some());
        one.with_intervals = u64::from(intervals.iter().all(Option::is_some));
        one.nll = nll.unwrap_or(0.0);
        one.crps = forecast.crps(y);
        one.absolute = absolute;
        one.squared = squared;
        one.standardised_absolute = absolute / deviation;
        one.standardised_squared = squared / (deviation * deviation);
        one.covered = intervals.map(|inside| u64::from(inside == Some(true)));
        self.per_series[series].add(one);
        self.per_step[step].add(one);
    }

    /// Adds the sums of another part of the same evaluation.
    ///
    /// # Panics
    /// Panics if the specifications differ.
    pub fn merge(&mut self, other: &Scores) {
        assert_eq!(self.spec, other.spec, "scores of different evaluations cannot be merged");
        self.per_series.iter_mut().zip(&other.per_series).for_each(|(a, b)| a.add(b));
        self.per_step.iter_mut().zip(&other.per_step).for_each(|(a, b)| a.add(b));
    }

    /// The means so far, under the name of the forecaster.
    pub fn finish(&self, label: &str) -> Scored {
        let mut overall = Sums::new(self.spec.levels.len());
        self.per_series.iter().for_each(|s| overall.add(s));
        Scored {
            label: label.to_owned(),
            overall: overall.measures(),
            per_series: self.per_series.iter().map(Sums::measures).collect(),
            per_step: self.per_step.iter().map(Sums::measures).collect(),
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
