//! Window lengths and model sizes: they fit the file, and training takes minutes on the adapter.

use super::roles::Roles;
use super::write::{Draft, text};
use super::{Sketch, Starter, Table, checked};
use crate::config::{Config, ModelSettings, TrainingSettings};
use crate::data::{DataError, Dataset, WindowShape};
use crate::executor::Backend;
use crate::model::ModelShape;
use crate::session::Setup;

/// Predicts the seconds of a training step; none if this is not known.
pub type Predict<'a> = &'a mut dyn FnMut(&WindowShape, &ModelSettings, &TrainingSettings) -> Option<f64>;

/// Training of a first config should take at most this long.
const SECONDS: f64 = 600.0;
/// Longest season whose length the windows have.
const LONGEST_SEASON: usize = 96;
/// Evaluated windows of the test part, about.
const SCORED: usize = 300;

/// Sizes of the model and of training, from the largest: (width, heads, layers, hidden width, transition nodes, batch, steps).
const LADDER: [[usize; 7]; 7] = [
    [32, 4, 2, 64, 2, 32, 600],
    [32, 4, 1, 64, 2, 32, 600],
    [16, 2, 1, 32, 2, 32, 600],
    [16, 2, 1, 32, 2, 16, 400],
    [8, 2, 1, 16, 2, 16, 400],
    [8, 2, 1, 16, 1, 8, 300],
    [8, 2, 1, 16, 1, 4, 200],
];

/// Lengths of a window and of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) history: usize,
    pub(super) horizon: usize,
    pub(super) patch: usize,
}

impl Lengths {
    /// Two seasons of history and one of horizon, or shorter for a short file.
    fn of(rows: usize, season: usize) -> Self {
        let horizon = season.clamp(2, LONGEST_SEASON).min(rows / 20).max(1);
        Self::with(2 * horizon, horizon)
    }

    fn with(history: usize, horizon: usize) -> Self {
        let patch = (1..=horizon.min(12)).rev().find(|p| horizon.is_multiple_of(*p) && history.is_multiple_of(*p)).unwrap_or(1);
        Self { history, horizon, patch }
    }
}

/// Sizes of model and training, and what they were chosen by.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    pub(super) rung: [usize; 7],
    pub(super) why: String,
}

impl Sizes {
    /// The largest sizes with which training takes at most [`SECONDS`].
    fn of(shape: WindowShape, config: &Config, lengths: &mut Lengths, predict: Predict<'_>) -> Self {
        let mut last = None;
        for (k, rung) in LADDER.iter().enumerate() {
            let mut shape = shape;
            if k >= 3 && lengths.history > lengths.horizon {
                *lengths = Lengths::with(lengths.horizon, lengths.horizon);
            }
            (shape.history, shape.horizon) = (lengths.history, lengths.horizon);
            let [width, heads, layers, hidden, transitions, batch, steps] = *rung;
            let model = config.model.clone().with(|m| {
                (m.patch_len, m.d_model, m.n_heads) = (lengths.patch, width, heads);
                (m.n_layers, m.d_ff, m.num_transitions) = (layers, hidden, transitions);
            });
            let training = config.training.clone().with(|t| (t.batch_size, t.max_steps) = (batch, Some(steps as u64)));
            let Some(seconds) = predict(&shape, &model, &training) else {
                return Self { rung: LADDER[0], why: "a small model; the time of a step is not known here".into() };
            };
            let total = seconds * steps as f64;
            let why = format!("predicted for this adapter: {} a step, {} in all", duration(seconds), duration(total));
            last = Some(Self { rung: *rung, why });
            if total <= SECONDS {
                break;
            }
        }
        last.unwrap_or_else(|| Self { rung: LADDER[0], why: String::new() })
    }
}

/// A duration with two digits.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", (1000.0 * s).max(1.0)),
        s if s < 90.0 => format!("{s:.1} s"),
        s if s < 5400.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}

/// Notes gaps, and fills them if they are short.
pub(super) fn note_gaps(sketch: &mut Sketch, gaps: usize, longest: i64) {
    sketch.longest_gap = usize::try_from(longest).unwrap_or(usize::MAX);
    sketch.gaps = gaps;
}

/// Finds lengths and sizes with which the config reads the file, and writes it.
pub(super) fn fitted<T: Table + ?Sized>(
    table: &T,
    file: &str,
    mut sketch: Sketch,
    mut roles: Roles,
    predict: Predict<'_>,
) -> Result<Starter, DataError> {
    let shortest = Lengths::with(1, 1);
    // The shortest windows find everything else that is wrong with the file.
    let mut first = loop {
        match read(table, &sketch, &Draft::new(file, &roles, shortest)) {
            Err(DataError::UnusableSeries { columns, series }) if roles.leave_out_of_long(&columns, &series) => {}
            Err(DataError::Unusable { columns }) if roles.leave_out(sketch.settings.series.is_some(), &columns) => {}
            other => break other,
        }
    };
    let mut draft = Draft::new(file, &roles, shortest);
    if matches!(first, Err(DataError::TooFewRows { .. })) && fill_gaps(&mut sketch) {
        first = read(table, &sketch, &draft);
    }
    let (mut dataset, _) = first?;
    let season = dataset.season();
    draft.season = dataset.frequency().map(|frequency| (frequency, season));
    draft.stride = (dataset.rows() / 5 / SCORED).max(1);
    draft.lengths = Lengths::of(dataset.rows(), season);
    let mut filled = sketch.settings.max_gap > 0;
    let config = loop {
        match read(table, &sketch, &draft) {
            Ok((read, config)) => {
                dataset = read;
                break config;
            }
            Err(DataError::TooFewRows { .. }) if !filled && fill_gaps(&mut sketch) => filled = true,
            Err(DataError::TooFewRows { .. }) if draft.lengths != shortest => {
                let horizon = (draft.lengths.horizon / 2).max(1);
                draft.lengths = Lengths::with((2 * horizon).min((draft.lengths.history / 2).max(1)), horizon);
            }
            Err(e) => return Err(e),
        }
    };
    let mut lengths = draft.lengths;
    let sizes = Sizes::of(*dataset.shape(), &config, &mut lengths, predict);
    (draft.lengths, draft.sizes) = (lengths, Some(sizes));
    let (dataset, _) = read(table, &sketch, &draft)?;
    let known: Vec<String> = draft.left_out.iter().map(|(name, _)| name.clone()).collect();
    draft.left_out.extend(dataset.report().left_out.iter().filter(|(name, _)| !known.contains(name)).cloned());
    let mut notes = sketch.notes.clone();
    notes.extend(roles.notes.iter().cloned());
    notes.extend(describe(&dataset, &draft));
    notes.extend(dataset.report().notes.iter().filter(|note| note.contains("left out")).cloned());
    Ok(Starter { config: text(&sketch, &draft), notes })
}

/// The dataset and the config of a draft.
fn read<T: Table + ?Sized>(table: &T, sketch: &Sketch, draft: &Draft<'_>) -> Result<(Dataset, Config), DataError> {
    let config = Config::from_toml(&text(sketch, draft))?;
    Ok((checked(table, &config)?, config))
}

/// Fills gaps that are at most a season long, if there are any that are not filled.
fn fill_gaps(sketch: &mut Sketch) -> bool {
    if sketch.gaps == 0 || sketch.settings.max_gap > 0 || sketch.longest_gap > 2 * LONGEST_SEASON {
        return false;
    }
    sketch.settings.max_gap = sketch.longest_gap;
    sketch.notes.push(format!(
        "{} gaps of at most {} rows leave no rows for windows; they are filled with unobserved rows (data.max_gap)",
        sketch.gaps, sketch.longest_gap
    ));
    true
}

fn describe(dataset: &Dataset, draft: &Draft<'_>) -> Vec<String> {
    let mut notes = vec![];
    if let Some((frequency, season)) = draft.season {
        notes.push(format!("a row every {frequency}; a season has {season} rows"));
    } else {
        notes.push("rows are steps of equal length, and there are no calendar features".into());
    }
    let shape = dataset.shape();
    notes.push(format!("{} targets to forecast, {} drivers", shape.num_targets, shape.num_covariates + draft.roles.channels.len()));
    if let Some(sizes) = &draft.sizes {
        notes.push(sizes.why.clone());
    }
    notes
}

/// Predicts the seconds of a training step on a backend, as `pgat plan` does.
#[must_use]
pub fn predicted(backend: &Backend, shape: &WindowShape, model: &ModelSettings, training: &TrainingSettings) -> Option<f64> {
    let setup = Setup::training(ModelShape::new(*shape, model.clone()), training.clone());
    let plan = setup.plan(backend).ok()?;
    let steps = training.max_steps.unwrap_or(1).max(1) as f64;
    let start = if training.start.steps > 0 { plan.recordings.get(1).map_or(0.0, |r| r.seconds()) } else { 0.0 };
    // The time of the linear start is spread over the steps of the whole model.
    plan.recordings.first().map(|recording| recording.seconds() + start * training.start.steps as f64 / steps)
}
