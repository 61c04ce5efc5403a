//! The plan of a model: its programs, for a backend and within a budget.

use super::SessionError;
use crate::config::{Metric, TrainingSettings};
use crate::executor::Backend;
use crate::graph::{Averaging, OptimiserSettings, Program, TensorId};
use crate::model::measure::Measure;
use crate::model::{Mode, ModelShape, build_for, groups};
use crate::plan::{AdapterClass, Plan, PlanOptions, Planner};

/// The purpose of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Training and scoring.
    Train,
    /// Scoring only: no gradients, no optimiser.
    Score,
}

/// A model and its settings: everything that its plan depends on, except the backend.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Sizes of the model.
    pub shape: ModelShape,
    /// Batch size, memory budget and optimiser settings.
    pub settings: TrainingSettings,
    /// Purpose.
    pub purpose: Purpose,
    /// Kernel shapes and costs that replace those of the adapter.
    pub class: Option<AdapterClass>,
    /// What the scoring pass computes.
    pub metric: Metric,
    /// Names of the tensors of the scoring pass that [`Session::look`](super::Session::look) reads.
    pub kept: Vec<String>,
}

impl Setup {
    /// A setup for training and scoring.
    #[must_use]
    pub fn training(shape: ModelShape, settings: TrainingSettings) -> Self {
        Self { shape, settings, purpose: Purpose::Train, class: None, metric: Metric::Loss, kept: vec![] }
    }

    /// A setup for scoring only.
    #[must_use]
    pub fn scoring(shape: ModelShape, settings: TrainingSettings) -> Self {
        Self { purpose: Purpose::Score, ..Self::training(shape, settings) }
    }

    /// Sets what the scoring pass computes.
    #[must_use]
    pub fn judged_by(self, metric: Metric) -> Self {
        Self { metric, ..self }
    }

    /// Whether training keeps a moving mean of the parameters, which the scoring pass reads.
    #[must_use]
    pub fn averages(&self) -> bool {
        self.purpose == Purpose::Train && self.settings.average > 0.0
    }

    /// Whether training begins with a linear start.
    #[must_use]
    pub fn starts_linear(&self) -> bool {
        self.purpose == Purpose::Train && self.settings.start.steps > 0
    }

    /// Replaces kernel shapes and costs, if `class` is given.
    #[must_use]
    pub fn of_class(self, class: Option<AdapterClass>) -> Self {
        Self { class, ..self }
    }

    /// Sets the names of the tensors that stay readable.
    #[must_use]
    pub fn keeping(self, kept: Vec<String>) -> Self {
        Self { kept, ..self }
    }

    /// The plan options for a backend.
    #[must_use]
    pub fn options(&self, backend: &Backend) -> PlanOptions {
        let mut options = backend.plan_options(self.settings.batch_size);
        if let Some(class) = &self.class {
            options.class = class.clone();
        }
        options.submit_seconds = self.settings.submit_bound_ms as f64 / 1000.0;
        options.micro_batch = self.settings.micro_batch;
        options
    }

    /// A planner for all possible plans. Requires no device.
    ///
    /// # Errors
    /// Fails if the model cannot be built, or if single windows do not fit into the limits.
    pub fn planner(&self, options: &PlanOptions) -> Result<Planner, SessionError> {
        Ok(Planner::new(self.programs(options)?)?)
    }

    /// The plan within `training.memory`. Requires no device.
    ///
    /// # Errors
    /// Fails if the model cannot be built, or if it does not fit into the limits or the budget.
    #[cfg_attr(feature = "native", tracing::instrument(level = "info", skip_all, fields(batch = self.settings.batch_size, bytes, micro_batch)))]
    pub fn plan(&self, backend: &Backend) -> Result<Plan, SessionError> {
        let plan = self.planner(&self.options(backend))?.plan(self.settings.budget()?)?;
        let span = tracing::Span::current();
        span.record("bytes", plan.bytes());
        span.record("micro_batch", plan.recordings[0].micro_batch);
        Ok(plan)
    }

    /// The training program and that of the linear start, if requested, and the scoring program, which is the last.
    fn programs(&self, options: &PlanOptions) -> Result<Vec<(Program, PlanOptions)>, SessionError> {
        let settings = &self.settings;
        let mut programs = vec![];
        if self.purpose == Purpose::Train {
            programs.push((self.whole()?, options.clone()));
        }
        if self.starts_linear() {
            programs.push((self.start()?, PlanOptions { batch: settings.start.batch_size, ..options.clone() }));
        }
        let (measure, _) = Measure::of_validation(&self.shape.settings, settings.loss, self.metric);
        let model = build_for(&self.shape, Mode::Score, measure)?;
        let find = |name: &String| model.graph.find(name).ok_or_else(|| SessionError::NoTensor(name.clone()));
        let kept = self.kept.iter().map(find).collect::<Result<Vec<TensorId>, _>>()?;
        let pinned = [model.mixture].into_iter().chain(model.window_losses).chain(kept).collect();
        // Outputs are read after each pass, so the batch of a pass is one micro-batch.
        let batch = settings.micro_batch.map_or(settings.batch_size, |m| m.min(settings.batch_size));
        let options = PlanOptions { batch, whole: true, ..options.clone() };
        programs.push((Program::forward("score", model.graph, pinned).reading_average(self.averages()), options));
        Ok(programs)
    }

    /// A training step of the whole model.
    fn whole(&self) -> Result<Program, SessionError> {
        let s = &self.settings;
        let model = build_for(&self.shape, Mode::Train, Measure::of_training(&self.shape.settings, s.loss))?;
        let losses: Vec<_> = model.loss.into_iter().chain(model.penalty).collect();
        let averaging = if self.averages() { Averaging::Follows { most: s.average, ramp: s.average_ramp } } else { Averaging::None };
        let optimiser = OptimiserSettings {
            health: s.health_every > 0,
            groups: groups::whole(&model.graph, s),
            averaging,
            weight_decay: s.weight_decay,
            ..self.optimiser()
        };
        Ok(Program::training(model.graph, &losses, &optimiser)?)
    }

    /// A step of the linear start, over the same flat buffers.
    fn start(&self) -> Result<Program, SessionError> {
        let s = &self.settings;
        let model = build_for(&self.shape, Mode::Start, Measure::of_training(&self.shape.settings, s.loss))?;
        let losses: Vec<_> = model.loss.into_iter().collect();
        let averaging = if self.averages() { Averaging::Copies } else { Averaging::None };
        let optimiser = OptimiserSettings { health: false, groups: groups::start(&model.graph, s), averaging, ..self.optimiser() };
        Ok(Program { name: "start", ..Program::training(model.graph, &losses, &optimiser)? })
    }

    fn optimiser(&self) -> OptimiserSettings {
        let s = &self.settings;
        OptimiserSettings { betas: s.betas, epsilon: s.epsilon, clip_norm: s.clip_norm, ..OptimiserSettings::default() }
    }
}
