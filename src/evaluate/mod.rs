//! Scores and forecasts of a trained session in original units, for the command line and the browser. Requires no files.

mod error;
mod forecast;
mod units;

use crate::config::{Config, ModelSettings};
use crate::data::{Dataset, Pace, Part, PartWindows, Scaler, WindowIndex};
use crate::forecast::{Baselines, Report, ScoreSpec, Scored, Scores, TargetTransform};
use crate::session::{Session, WindowMixture};
use serde::Serialize;
use std::sync::Arc;

pub use error::EvaluateError;
pub(crate) use forecast::window_of;
pub use forecast::{Forecast, ForecastOptions, WindowForecast, forecast, forecast_window};
pub(crate) use units::distribution;
pub use units::transforms;

/// The data on which a model is scored.
#[derive(Clone, Copy)]
pub struct ScoredData<'a> {
    /// The data.
    pub dataset: &'a Arc<Dataset>,
    /// Means and standard deviations of the training rows.
    pub scaler: &'a Arc<Scaler>,
    /// The config: parts, windows, levels, bounds.
    pub config: &'a Config,
}

/// Scores of a model and its baselines.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// "validation" or "test".
    pub part: String,
    /// Number of scored windows.
    pub windows: usize,
    /// Origin (last row of the history) of the first window.
    pub first_origin: String,
    /// Origin of the last window.
    pub last_origin: String,
    /// Mean negative log-likelihood of the model in standardised units, as reported by training and validation.
    pub standardised_nll: Option<f64>,
    /// The scores.
    #[serde(flatten)]
    pub report: Report,
}

impl Evaluation {
    /// A sentence on whether the model beats its reference, and by how much; see [`Report::verdict`].
    #[must_use]
    pub fn verdict(&self) -> Option<String> {
        self.report.verdict()
    }
}

/// Checks that a target has a value in the horizon of at least one of the windows of a part that `[evaluation]` selects. A part without
/// windows passes; [`evaluate`] refuses it.
///
/// # Errors
/// Fails if there is nothing to score, or the part contains no window.
pub fn check_observed(dataset: &Dataset, part: Part) -> Result<(), EvaluateError> {
    let index = dataset.evaluation_windows(part)?;
    if index.is_empty() || any_observed(dataset, &index) {
        return Ok(());
    }
    let skipped = any_observed(dataset, &dataset.windows(part, Pace { stride: 1, origin: None })?);
    Err(if skipped {
        EvaluateError::NothingObserved {
            place: format!("the forecast steps that [evaluation] selects from the {part} part"),
            advice: "set another evaluation.stride or evaluation.origin",
        }
    } else {
        let advice = "give data with values of the targets in these rows, or set other rows in [split]";
        EvaluateError::NothingObserved { place: format!("the {part} part"), advice }
    })
}

/// Whether a target has a value in the horizon of one of the windows.
fn any_observed(dataset: &Dataset, index: &WindowIndex) -> bool {
    let shape = dataset.shape();
    index.iter().any(|id| {
        let first = id.row as usize + shape.history;
        let seen = |row: usize| (0..shape.num_targets).any(|target| dataset.target_value(id.segment, row, target).is_some());
        (first..first + shape.horizon).any(seen)
    })
}

/// Scores the windows of a part that `[evaluation]` selects, in original units, together with the baselines on the same windows. `progress`
/// receives the number of completed windows and the total. Memory does not grow with the number of windows.
///
/// # Errors
/// Fails if the part has no window or no value to score, the device is lost, or the model's output is not a distribution.
#[cfg_attr(feature = "native", tracing::instrument(level = "info", skip_all, fields(part = %part)))]
pub async fn evaluate(
    session: &mut Session,
    data: &ScoredData<'_>,
    part: Part,
    mut progress: impl FnMut(usize, usize),
) -> Result<Evaluation, EvaluateError> {
    let ScoredData { dataset, scaler, config } = *data;
    scaler.check(dataset)?;
    let index = dataset.evaluation_windows(part)?;
    if index.is_empty() {
        return Err(EvaluateError::NoPart(part));
    }
    check_observed(dataset, part)?;
    let judge = Judge::new(dataset, scaler, config, &index)?;
    let source = PartWindows::new(dataset.clone(), scaler.clone(), index.clone());
    let mut totals = judge.empty()?;
    progress(0, index.len());
    let most = block_windows(session);
    for first in (0..index.len()).step_by(most) {
        let block: Vec<usize> = (first..(first + most).min(index.len())).collect();
        let mut outputs = Vec::with_capacity(block.len());
        session.score(&source, &block, |i, mixture| outputs.push((i, mixture))).await?;
        judge.add(&outputs, &mut totals)?;
        progress(first + block.len(), index.len());
    }
    let labels = std::iter::once("model".to_owned()).chain(judge.baselines.kinds().iter().map(|k| judge.baselines.label(*k)));
    let scored: Vec<Scored> = totals.iter().zip(labels).map(|(s, label)| s.finish(&label)).collect();
    let origin = |i: usize| {
        let id = index.get(i);
        dataset.format_stamp(id.segment, id.row as usize + dataset.shape().history - 1)
    };
    Ok(Evaluation {
        part: part.to_string(),
        windows: index.len(),
        first_origin: origin(0),
        last_origin: origin(index.len() - 1),
        standardised_nll: standardised_nll(&scored[0], &judge.spec),
        report: Report::new(&judge.spec, scored),
    })
}

/// Maximum bytes of mixtures in memory at a time.
const BLOCK_BYTES: usize = 16 << 20;
/// Windows per work item of a thread. Sums are merged item by item, so the order of additions depends on this constant, not on the number
/// of cores.
const PIECE: usize = 4;

/// Windows per block that the host scores: as many whole batches as fit into [`BLOCK_BYTES`].
fn block_windows(session: &Session) -> usize {
    let (shape, batch) = (session.shape(), session.plan().recordings.last().map_or(1, |r| r.batch.max(1)));
    let (parts, components) = shape.settings.outputs();
    let window_bytes = 4 * parts * components * shape.window.target_len();
    let batches = BLOCK_BYTES / (window_bytes * batch).max(1);
    batch * batches.clamp(1, 8)
}

/// Converts from original to standardised units: with x = mean + std z, the density of x is the density of z divided by std.
fn standardised_nll(model: &Scored, spec: &ScoreSpec) -> Option<f64> {
    let parts = model.per_series.iter().zip(&spec.deviation).filter(|(m, _)| m.count > 0);
    let (mut sum, mut count) = (0.0, 0.0);
    for (measures, deviation) in parts {
        sum += measures.count as f64 * (measures.nll? - deviation.ln());
        count += measures.count as f64;
    }
    (count > 0.0).then(|| sum / count)
}

/// Everything that scoring needs in addition to the model's output.
struct Judge<'a> {
    dataset: &'a Dataset,
    index: &'a WindowIndex,
    settings: &'a ModelSettings,
    transforms: Vec<TargetTransform>,
    baselines: Baselines,
    spec: ScoreSpec,
}

impl<'a> Judge<'a> {
    fn new(dataset: &'a Dataset, scaler: &Scaler, config: &'a Config, index: &'a WindowIndex) -> Result<Self, EvaluateError> {
        let targets = dataset.target_names().len();
        let training = (0..targets).map(|t| dataset.training_values(t)).collect::<Result<Vec<_>, _>>()?;
        let hidden = vec![config.data.hide_history; targets];
        let offsets: Vec<f64> = (0..targets).map(|t| scaler.target_offset(t)).collect();
        let spec = ScoreSpec {
            series: dataset.target_names().to_vec(),
            deviation: (0..targets).map(|t| scaler.target_scale(t).1).collect(),
            horizon: dataset.shape().horizon,
            levels: config.evaluation.levels.values(),
        };
        Ok(Self {
            dataset,
            index,
            settings: &config.model,
            transforms: transforms(scaler, config)?,
            baselines: Baselines::new(dataset.season(), dataset.rows(), &hidden, &offsets, training)?,
            spec,
        })
    }

    /// Empty scores: those of the model, then those of each baseline.
    fn empty(&self) -> Result<Vec<Scores>, EvaluateError> {
        let empty = Scores::new(self.spec.clone())?;
        Ok(vec![empty; 1 + self.baselines.kinds().len()])
    }

    fn add(&self, outputs: &[(usize, WindowMixture)], totals: &mut [Scores]) -> Result<(), EvaluateError> {
        let pieces: Vec<_> = outputs.chunks(PIECE).collect();
        for scores in map_in_order(&pieces, |piece| self.piece(piece)) {
            totals.iter_mut().zip(&scores?).for_each(|(total, s)| total.merge(s));
        }
        Ok(())
    }

    fn piece(&self, outputs: &[(usize, WindowMixture)]) -> Result<Vec<Scores>, EvaluateError> {
        let mut all = self.empty()?;
        for (window, mixture) in outputs {
            self.window(*window, mixture, &mut all)?;
        }
        Ok(all)
    }

    fn window(&self, window: usize, mixture: &WindowMixture, all: &mut [Scores]) -> Result<(), EvaluateError> {
        let id = self.index.get(window);
        let shape = self.dataset.shape();
        let origin = id.row as usize + shape.history;
        let history = |window: usize, target: usize, back: usize| {
            let id = self.index.get(window);
            let row = (id.row as usize + shape.history - 1).checked_sub(back)?;
            self.dataset.target_value(id.segment, row, target)
        };
        let (model, others) = all.split_at_mut(1);
        for step in 0..shape.horizon {
            for (target, transform) in self.transforms.iter().enumerate() {
                let Some(truth) = self.dataset.target_value(id.segment, origin + step, target) else { continue };
                let forecast = distribution(mixture, step * shape.num_targets + target, self.settings, transform).map_err(|source| {
                    EvaluateError::Mixture {
                        series: self.spec.series[target].clone(),
                        time: self.dataset.format_stamp(id.segment, origin + step),
                        source,
                    }
                })?;
                model[0].add(target, step, &forecast, Some(truth));
                for (kind, scores) in self.baselines.kinds().iter().zip(others.iter_mut()) {
                    let forecast = self.baselines.forecast(*kind, &history, window, target, step);
                    scores.add(target, step, &forecast, Some(truth));
                }
            }
        }
        Ok(())
    }
}

/// Applies `f` to every item on all cores. The results are in the order of the items.
#[cfg(feature = "native")]
fn map_in_order<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mine = vec![];
        while let Some((i, item)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, items.get(i)?))) {
            mine.push((i, f(item)));
        }
        mine
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |t: std::thread::ScopedJoinHandle<'_, _>| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        running.into_iter().flat_map(join).collect()
    });
    all.sort_by_key(|r| r.0);
    all.into_iter().map(|r| r.1).collect()
}

/// Applies `f` to every item on one thread: a web page has no threads with shared memory.
#[cfg(not(feature = "native"))]
fn map_in_order<T, R>(items: &[T], f: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(f).collect()
}

#[cfg(all(test, feature = "native"))]
#[path = "offset_tests.rs"]
mod offset_tests;
