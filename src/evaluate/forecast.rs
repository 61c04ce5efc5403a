//! Forecasts of single windows, as tables in original units.

use super::{EvaluateError, ScoredData, distribution, transforms};
use crate::config::ModelSettings;
use crate::data::{Dataset, Part, PartWindows, Scaler, WindowId};
use crate::forecast::table::decimals;
use crate::forecast::{ForecastTable, HistoryTable, Predicted, SampleKey, TargetTransform};
use crate::session::{Session, WindowMixture};

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
/// Fails if the history is too short, a known-future value is missing, a value of the forecast is not finite, or the device is lost.
pub async fn forecast(session: &mut Session, data: &ScoredData<'_>, options: &ForecastOptions) -> Result<Forecast, EvaluateError> {
    let window = data.dataset.forecast_window()?;
    let table = table(session, data, window.id, options).await?;
    Ok(Forecast { origin: window.origin, table })
}

/// Forecasts one window that [`evaluate`](super::evaluate) scores, and adds the observed values.
///
/// # Errors
/// Fails if the part has no such window, a value of the forecast is not finite, or the device is lost.
pub async fn forecast_window(
    session: &mut Session,
    data: &ScoredData<'_>,
    (part, window): (Part, usize),
    options: &ForecastOptions,
) -> Result<WindowForecast, EvaluateError> {
    let dataset = data.dataset;
    let (id, windows) = window_of(dataset, part, window)?;
    let mut table = table(session, data, id, options).await?;
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
    data: &ScoredData<'_>,
    id: WindowId,
    options: &ForecastOptions,
) -> Result<ForecastTable, EvaluateError> {
    let ScoredData { dataset, scaler, config } = *data;
    scaler.check(dataset)?;
    let source = PartWindows::one(dataset.clone(), scaler.clone(), id);
    let mut output = None;
    session.score(&source, &[0], |_, mixture| output = Some(mixture)).await?;
    let first = id.row as usize + dataset.shape().history;
    let stamps = (first..first + dataset.shape().horizon).map(|row| dataset.format_stamp(id.segment, row)).collect();
    let mut table = ForecastTable::new(stamps, dataset.target_names().to_vec(), options.levels.clone());
    table.decimals = (0..table.series.len()).map(|target| shown_decimals(scaler, target)).collect();
    table.check()?;
    if let Some(mixture) = output {
        let distributions = distributions(&table, &mixture, &transforms(scaler, config)?, &config.model)?;
        fill(&mut table, &distributions, id, options);
        table.check_finite()?;
    }
    let rows = id.row as usize..first;
    table.history = Some(HistoryTable {
        stamps: rows.clone().map(|row| dataset.format_stamp(id.segment, row)).collect(),
        values: values(dataset, id, rows),
    });
    Ok(table)
}

/// The decimals of a target whose values have an offset: f32 has too few digits for them.
fn shown_decimals(scaler: &Scaler, target: usize) -> Option<usize> {
    (scaler.target_offset(target) != 0.0).then(|| decimals(scaler.target_scale(target).1))
}

/// The distribution of each value of a window, `[H, Nt]`.
fn distributions(
    table: &ForecastTable,
    mixture: &WindowMixture,
    transforms: &[TargetTransform],
    settings: &ModelSettings,
) -> Result<Vec<Predicted>, EvaluateError> {
    let one =
        |(step, series): (usize, usize)| {
            distribution(mixture, step * transforms.len() + series, settings, &transforms[series])
                .map_err(|source| EvaluateError::Mixture { series: table.series[series].clone(), time: table.stamps[step].clone(), source })
        };
    (0..table.horizon()).flat_map(|step| (0..transforms.len()).map(move |series| (step, series))).map(one).collect()
}

/// Writes the numbers of the distributions `[H, Nt]` and, if requested, samples into the table.
fn fill(table: &mut ForecastTable, distributions: &[Predicted], id: WindowId, options: &ForecastOptions) {
    let targets = table.series.len();
    for (cell, one) in distributions.iter().enumerate() {
        table.set(cell / targets, cell % targets, one);
    }
    if options.samples > 0 {
        let (seed, window) = (options.seed, u64::from(id.segment) << 32 | u64::from(id.row));
        table.fill_samples(options.samples, |sample, step, series| {
            let key = SampleKey { seed, window, series: series as u64, step: step as u64, sample: sample as u64 };
            distributions[step * targets + series].sample(key)
        });
    }
}

/// Targets in original units, NaN if unobserved, `[rows, Nt]`.
fn values(dataset: &Dataset, id: WindowId, rows: std::ops::Range<usize>) -> Vec<f64> {
    let targets = dataset.target_names().len();
    let value = |row: usize, target: usize| dataset.target_value(id.segment, row, target).unwrap_or(f64::NAN);
    rows.flat_map(|row| (0..targets).map(move |target| (row, target))).map(|(row, target)| value(row, target)).collect()
}
