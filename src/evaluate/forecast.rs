//! Forecasts of single windows, as tables in original units.

use super::{EvaluateError, distribution, transforms};
use crate::config::{Config, ModelSettings};
use crate::data::{Dataset, Part, PartWindows, Scaler, WindowId};
use crate::forecast::{ForecastTable, HistoryTable, SampleKey, TargetTransform};
use crate::session::{Session, WindowMixture};
use std::sync::Arc;

/// Options of a forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastOptions {
    /// Quantile levels, ascending.
    pub levels: Vec<f64>,
    /// Number of samples per value.
    pub samples: usize,
    /// Seed of the samples.
    pub seed: u64,
}

impl Default for ForecastOptions {
    /// Median and the central 50, 80 and 90 % intervals, no samples.
    fn default() -> Self {
        Self { levels: vec![0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95], samples: 0, seed: 0 }
    }
}

/// A forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Timestamp of the last row with an observed target.
    pub origin: String,
    /// The forecast values, with the history of the window.
    pub table: ForecastTable,
}

/// A forecast of one window of a part, with the observed values.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowForecast {
    /// Number of windows in the part.
    pub windows: usize,
    /// The forecast; its table contains the truth.
    pub forecast: Forecast,
}

/// Forecasts the steps after the last observed target of a dataset, in original units. Samples of different steps and series are drawn
/// independently, each with its own key, so a seed gives the same samples on every machine.
///
/// # Errors
/// Fails if the history is too short, a known-future value is missing, or the device is lost.
pub async fn forecast(
    session: &mut Session,
    dataset: &Arc<Dataset>,
    scaler: &Arc<Scaler>,
    config: &Config,
    options: &ForecastOptions,
) -> Result<Forecast, EvaluateError> {
    let window = dataset.forecast_window()?;
    let table = table(session, dataset, scaler, config, window.id, options).await?;
    Ok(Forecast { origin: window.origin, table })
}

/// Forecasts one window that [`evaluate`](super::evaluate) scores, and adds the observed values.
///
/// # Errors
/// Fails if the part has no such window, or the device is lost.
pub async fn forecast_window(
    session: &mut Session,
    dataset: &Arc<Dataset>,
    scaler: &Arc<Scaler>,
    config: &Config,
    (part, window): (Part, usize),
    options: &ForecastOptions,
) -> Result<WindowForecast, EvaluateError> {
    let (id, windows) = window_of(dataset, part, window)?;
    let mut table = table(session, dataset, scaler, config, id, options).await?;
    let first = id.row as usize + dataset.shape().history;
    table.truth = Some(values(dataset, id, first..first + dataset.shape().horizon));
    let origin = dataset.format_stamp(id.segment, first - 1);
    Ok(WindowForecast { windows, forecast: Forecast { origin, table } })
}

/// The window with this number in a part, counted from 0, and the number of windows in the part.
///
/// # Errors
/// Fails if the part has no such window.
pub(crate) fn window_of(dataset: &Dataset, part: Part, window: usize) -> Result<(WindowId, usize), EvaluateError> {
    let index = dataset.evaluation_windows(part)?;
    let windows = index.len();
    if windows == 0 {
        return Err(EvaluateError::NoPart(part));
    }
    if window >= windows {
        return Err(EvaluateError::NoWindow { part, window, windows });
    }
    Ok((index.get(window), windows))
}

async fn table(
    session: &mut Session,
    dataset: &Arc<Dataset>,
    scaler: &Arc<Scaler>,
    config: &Config,
    id: WindowId,
    options: &ForecastOptions,
) -> Result<ForecastTable, EvaluateError> {
    scaler.check(dataset)?;
    let source = PartWindows::one(dataset.clone(), scaler.clone(), id);
    let mut output = None;
    session.score(&source, &[0], |_, mixture| output = Some(mixture)).await?;
    let first = id.row as usize + dataset.shape().history;
    let stamps = (first..first + dataset.shape().horizon).map(|row| dataset.format_stamp(id.segment, row)).collect();
    let mut table = ForecastTable::new(stamps, dataset.target_names().to_vec(), options.levels.clone());
    table.check()?;
    if let Some(mixture) = output {
        fill(&mut table, &mixture, &transforms(scaler, config)?, id, &config.model, options)?;
    }
    let rows = id.row as usize..first;
    table.history = Some(HistoryTable {
        stamps: rows.clone().map(|row| dataset.format_stamp(id.segment, row)).collect(),
        values: values(dataset, id, rows),
    });
    Ok(table)
}

fn fill(
    table: &mut ForecastTable,
    mixture: &WindowMixture,
    transforms: &[TargetTransform],
    id: WindowId,
    settings: &ModelSettings,
    options: &ForecastOptions,
) -> Result<(), EvaluateError> {
    let mut distributions = Vec::with_capacity(table.horizon() * transforms.len());
    for step in 0..table.horizon() {
        for (series, transform) in transforms.iter().enumerate() {
            let one = distribution(mixture, step * transforms.len() + series, settings, transform).map_err(|source| {
                EvaluateError::Mixture { series: table.series[series].clone(), time: table.stamps[step].clone(), source }
            })?;
            table.set(step, series, &one);
            distributions.push(one);
        }
    }
    if options.samples > 0 {
        let (seed, window) = (options.seed, u64::from(id.segment) << 32 | u64::from(id.row));
        table.fill_samples(options.samples, |sample, step, series| {
            let key = SampleKey { seed, window, series: series as u64, step: step as u64, sample: sample as u64 };
            distributions[step * transforms.len() + series].sample(key)
        });
    }
    Ok(())
}

/// Targets in original units, NaN if unobserved, `[rows, Nt]`.
fn values(dataset: &Dataset, id: WindowId, rows: std::ops::Range<usize>) -> Vec<f32> {
    let targets = dataset.target_names().len();
    let value = |row: usize, target: usize| dataset.target_value(id.segment, row, target).unwrap_or(f32::NAN);
    rows.flat_map(|row| (0..targets).map(move |target| (row, target))).map(|(row, target)| value(row, target)).collect()
}
