//! The plan of a model: which programs it is made of, for which backend, within which budget.

use super::{Purpose, SessionError};
use crate::config::TrainingSettings;
use crate::executor::Backend;
use crate::graph::{OptimiserSettings, Program, TensorId};
use crate::model::{Mode, ModelShape, build};
use crate::plan::{AdapterClass, Plan, PlanOptions, Planner};

/// What a model is planned for on a backend; `class` overrides the adapter's kernel shapes and costs.
#[must_use]
pub fn plan_options(backend: &Backend, settings: &TrainingSettings, class: Option<&AdapterClass>) -> PlanOptions {
    let mut options = backend.plan_options(settings.batch_size);
    if let Some(class) = class {
        options.class = class.clone();
    }
    let seconds = settings.submit_bound_ms as f64 / 1000.0;
    options.submit_seconds = seconds;
    options.micro_batch = settings.micro_batch;
    options
}

/// Plans a model: training and scoring, or scoring alone. Needs no device.
///
/// # Errors
/// Fails if the model cannot be built, or does not fit the limits or `training.memory`.
pub fn plan(
    shape: &ModelShape,
    settings: &TrainingSettings,
    purpose: Purpose,
    backend: &Backend,
    class: Option<&AdapterClass>,
) -> Result<Plan, SessionError> {
    plan_keeping(shape, settings, purpose, backend, class, &[])
}

/// As [`plan`], with more tensors of the scoring pass that stay readable.
pub(super) fn plan_keeping(
    shape: &ModelShape,
    settings: &TrainingSettings,
    purpose: Purpose,
    backend: &Backend,
    class: Option<&AdapterClass>,
    kept: &[TensorId],
) -> Result<Plan, SessionError> {
    let mut planner = planner_keeping(shape, settings, purpose, &plan_options(backend, settings, class), kept)?;
    Ok(planner.plan(settings.budget()?)?)
}

/// A planner of a model, which knows every plan that could be made. Needs no device.
///
/// # Errors
/// Fails if the model cannot be built, or single windows do not fit the limits.
pub fn planner(shape: &ModelShape, settings: &TrainingSettings, purpose: Purpose, options: &PlanOptions) -> Result<Planner, SessionError> {
    planner_keeping(shape, settings, purpose, options, &[])
}

fn planner_keeping(
    shape: &ModelShape,
    settings: &TrainingSettings,
    purpose: Purpose,
    options: &PlanOptions,
    kept: &[TensorId],
) -> Result<Planner, SessionError> {
    Ok(Planner::new(programs(shape, settings, purpose, options, kept)?)?)
}

/// Training, where it is asked for, and scoring.
fn programs(
    shape: &ModelShape,
    settings: &TrainingSettings,
    purpose: Purpose,
    options: &PlanOptions,
    kept: &[TensorId],
) -> Result<Vec<(Program, PlanOptions)>, SessionError> {
    let mut programs = vec![];
    if purpose == Purpose::Train {
        let model = build(shape, Mode::Train)?;
        let optimiser = OptimiserSettings {
            betas: settings.betas,
            epsilon: settings.epsilon,
            weight_decay: settings.weight_decay,
            clip_norm: settings.clip_norm,
            health: settings.health_every > 0,
        };
        let losses: Vec<_> = model.loss.into_iter().chain(model.penalty).collect();
        programs.push((Program::training(model.graph, &losses, &optimiser)?, options.clone()));
    }
    let model = build(shape, Mode::Score)?;
    let pinned = [model.mixture].into_iter().chain(model.window_losses).chain(kept.iter().copied()).collect();
    // Outputs are read after each pass: a pass is as many windows as a micro-batch holds.
    let batch = settings.micro_batch.map_or(settings.batch_size, |m| m.min(settings.batch_size));
    let options = PlanOptions { batch, whole: true, ..options.clone() };
    programs.push((Program::forward("score", model.graph, pinned), options));
    Ok(programs)
}
