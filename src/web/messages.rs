//! Messages to the page. Each type has a counterpart with the same name in `web/protocol.d.ts`.

use super::failure::Failure;
use crate::config::{Config, Metric};
use crate::data::{Dataset, Part};
use crate::evaluate::{Evaluation, WindowForecast};
use crate::experiment::{Experiment, Summary};
use crate::forecast::ForecastTable;
use crate::inspect::drivers::{DriverEdge, DriverGraph};
use crate::inspect::truth::Recovery;
use crate::model::measure::Measure;
use crate::numbers::to_f32;
use crate::plan::Outlook;
use crate::train::Outcome;
use serde::Serialize;

/// A config with its data, ready for training.
#[derive(Serialize)]
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) config: String,
    pub(super) memory: Option<String>,
    pub(super) data: DataView,
    pub(super) plan: Summary,
    pub(super) outlook: Outlook,
    pub(super) losses: LossNames,
    pub(super) step: u64,
    pub(super) finished: bool,
    pub(super) record: Vec<serde_json::Value>,
}

impl Loaded {
    /// The message for a new run.
    pub(super) fn new(experiment: &Experiment, plan: Summary, outlook: Outlook) -> Result<Self, Failure> {
        let config = experiment.config();
        Ok(Self {
            name: config.name.clone(),
            config: config.to_toml()?,
            memory: config.training.memory.clone(),
            data: DataView::new(experiment)?,
            plan,
            outlook,
            losses: LossNames::of(config),
            step: 0,
            finished: false,
            record: vec![],
        })
    }
}

/// What the losses of training and validation measure.
#[derive(Serialize)]
pub(super) struct LossNames {
    training: &'static str,
    validation: &'static str,
}

impl LossNames {
    fn of(config: &Config) -> Self {
        let (settings, density, metric) = (&config.model, config.training.loss, config.validation.metric);
        let training = Measure::of_training(settings, density);
        let validation = match metric {
            Metric::Loss => training,
            Metric::Crps => Measure::Crps,
            Metric::Nll => Measure::Nll,
            Metric::Pinball => Measure::Pinball,
        };
        Self { training: training.name(), validation: validation.name() }
    }
}

/// Information about the data.
#[derive(Serialize)]
pub(super) struct DataView {
    pub(super) file: String,
    pub(super) rows: usize,
    pub(super) segments: usize,
    pub(super) frequency: Option<String>,
    pub(super) missing_cells: usize,
    pub(super) notes: Vec<String>,
    pub(super) targets: Vec<String>,
    pub(super) covariates: Vec<String>,
    pub(super) channels: Vec<String>,
    pub(super) history: usize,
    pub(super) horizon: usize,
    pub(super) first: String,
    pub(super) last: String,
}

impl DataView {
    fn new(experiment: &Experiment) -> Result<Self, Failure> {
        let (config, dataset, (_, refused)) = (experiment.config(), experiment.dataset(), experiment.windows()?);
        let report = dataset.report();
        let mut notes = experiment.notes().to_vec();
        notes.extend(refused.map(|e| format!("the model cannot be evaluated: {e}")));
        let [first, last] = span(dataset);
        Ok(Self {
            file: config.data.path.clone(),
            rows: report.rows,
            segments: report.segments,
            frequency: report.frequency.map(|f| f.to_string()),
            missing_cells: report.missing_cells,
            notes,
            targets: dataset.target_names().to_vec(),
            covariates: dataset.covariate_names().to_vec(),
            channels: dataset.channel_names().to_vec(),
            history: config.window.history,
            horizon: config.window.horizon,
            first,
            last,
        })
    }
}

/// First and last timestamp of a dataset.
fn span(dataset: &Dataset) -> [String; 2] {
    let segments = dataset.segments();
    let last = u32::try_from(segments.len().saturating_sub(1)).unwrap_or(0);
    let rows = segments.last().map_or(1, |s| s.rows.max(1));
    [dataset.format_stamp(0, 0), dataset.format_stamp(last, rows - 1)]
}

/// The result of a call of `train`.
#[derive(Serialize)]
pub(super) struct Trained {
    pub(super) outcome: Outcome,
    pub(super) step: u64,
    pub(super) total: u64,
    pub(super) created_bytes: u64,
    pub(super) best_loss: Option<f64>,
    pub(super) best_step: u64,
}

/// Scores, and the verdict as text.
#[derive(Serialize)]
pub(super) struct Scored {
    #[serde(flatten)]
    pub(super) evaluation: Evaluation,
    pub(super) verdict: Option<String>,
}

/// Events that are specific to the page.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum WebEvent {
    Compiling,
    Scored { done: usize, total: usize },
}

/// One forecast with the true values. Unobserved values become null, since JSON has no NaN.
#[derive(Serialize)]
pub(super) struct ForecastView<'a> {
    part: String,
    window: usize,
    windows: usize,
    origin: &'a str,
    stamps: &'a [String],
    series: &'a [String],
    levels: &'a [f64],
    mean: Vec<Value>,
    std: Vec<Value>,
    quantiles: Vec<Value>,
    history: HistoryView<'a>,
    truth: Vec<Value>,
}

#[derive(Serialize)]
struct HistoryView<'a> {
    stamps: &'a [String],
    values: Vec<Value>,
}

/// A value of a forecast. Nearly all values are exact in f32 and are sent with its digits.
enum Value {
    Narrow(f32),
    Wide(f64),
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Narrow(value) => to.serialize_f32(value),
            Self::Wide(value) => to.serialize_f64(value),
        }
    }
}

/// Values of a table `[.., Nt, each]`.
fn values(table: &ForecastTable, values: &[f64], each: usize) -> Vec<Value> {
    let wide = |at: usize| table.decimals[at / each % table.series.len()].is_some();
    values.iter().enumerate().map(|(at, &value)| if wide(at) { Value::Wide(value) } else { Value::Narrow(to_f32(value)) }).collect()
}

impl<'a> ForecastView<'a> {
    pub(super) fn new(part: Part, window: usize, made: &'a WindowForecast) -> Self {
        let table = &made.forecast.table;
        let history = table.history.as_ref();
        Self {
            part: part.to_string(),
            window,
            windows: made.windows,
            origin: &made.forecast.origin,
            stamps: &table.stamps,
            series: &table.series,
            levels: &table.levels,
            mean: values(table, &table.mean, 1),
            std: table.std.iter().map(|&std| Value::Narrow(to_f32(std))).collect(),
            quantiles: values(table, &table.quantiles, table.levels.len()),
            history: HistoryView {
                stamps: history.map_or(&[], |h| &h.stamps),
                values: history.map_or_else(Vec::new, |h| values(table, &h.values, 1)),
            },
            truth: values(table, table.truth.as_deref().unwrap_or_default(), 1),
        }
    }
}

/// Edges of each target that the page shows.
const EDGES: usize = 12;

/// The learned graph.
#[derive(Default, Serialize)]
pub(super) struct DriversView {
    targets: Vec<String>,
    drivers: Vec<String>,
    strengths: Vec<f32>,
    edges: Vec<DriverEdge>,
    recovery: Option<Recovery>,
}

impl DriversView {
    pub(super) fn new(graph: DriverGraph, recovery: Option<Recovery>) -> Self {
        let mut edges: Vec<DriverEdge> = vec![];
        for edge in graph.edges {
            // They are sorted by target, then by strength.
            let full = edges.len() >= EDGES && edges[edges.len() - EDGES].target == edge.target;
            if !full {
                edges.push(edge);
            }
        }
        let strengths = graph.strengths.values.iter().map(|&v| to_f32(v)).collect();
        Self { targets: graph.strengths.targets, drivers: graph.strengths.drivers, strengths, edges, recovery }
    }
}
