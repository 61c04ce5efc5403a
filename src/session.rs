//! A model on a backend: training and scoring plans over one set of buffers, and the state that moves between host and device.

use crate::config::{ConfigError, TrainingSettings};
use crate::data::{WindowBuffers, WindowMut, WindowShape, WindowSource};
use crate::executor::{Backend, Executor};
use crate::gpu::GpuError;
use crate::graph::{Graph, GraphError, HEALTH, OptimiserSettings, Program, STATE_LEN, TensorId};
use crate::health::{GradientHealth, by_group};
use crate::model::init::start;
use crate::model::{Mode, ModelError, ModelShape, build};
use crate::ops::def::{Scope, to_u32};
use crate::plan::{AdapterClass, BufferRole, Plan, PlanError, PlanOptions, Planner};
use crate::step::{StepInput, keys};
use std::sync::Arc;

/// A session cannot be made or went wrong.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The model cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Its gradient cannot.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// It does not fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The budget is no size.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// A tensor that the model does not make.
    #[error("this model has no tensor {0}")]
    NoTensor(String),
    /// Weights of another model.
    #[error("the weights hold {found} numbers, and this model has {expected}")]
    Weights {
        /// Numbers in the flat buffer of this model.
        expected: usize,
        /// Numbers given.
        found: usize,
    },
}

/// Everything that training carries from step to step; flat buffers in the order of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps tried, bad ones included.
    pub step: u64,
    /// Parameters.
    pub parameters: Vec<f32>,
    /// First moments.
    pub moment1: Vec<f32>,
    /// Second moments.
    pub moment2: Vec<f32>,
    /// Optimiser's counters.
    pub optimiser: Vec<f32>,
}

/// What a read-back tells of the last step.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct StepReport {
    /// Mean negative log-likelihood of the batch, in standardised units.
    pub loss: f32,
    /// Global norm of the gradient before clipping; 0 where something was not finite.
    pub grad_norm: f32,
    /// Steps in a row whose loss or gradient was not finite; the parameters were left alone.
    pub bad_in_a_row: u32,
    /// Such steps in all.
    pub bad: u32,
}

/// Where a parameter lies in the flat buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterPlace {
    /// Name, as in weight files.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// First element.
    pub start: usize,
    /// Whether it has a gradient and moments; if not, it is stored behind all that have.
    pub trained: bool,
}

/// One window's forecast, in standardised units: each [H, Nt, K]. Heads without a density give values alone.
#[derive(Clone, Debug)]
pub struct WindowMixture {
    /// Means; values of the quantile and point heads.
    pub mean: Vec<f32>,
    /// Logarithms of the standard deviations.
    pub log_std: Vec<f32>,
    /// Logits of the weights.
    pub logit: Vec<f32>,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Training and scoring.
    Train,
    /// Scoring alone: no gradients, no optimiser.
    Score,
}

/// A model on a backend.
pub struct Session {
    shape: ModelShape,
    settings: TrainingSettings,
    backend: Backend,
    plan: Arc<Plan>,
    executor: Executor,
    purpose: Purpose,
    places: Vec<ParameterPlace>,
    initial: Vec<f32>,
    trained_len: usize,
    train_loss: Option<(TensorId, TensorId)>,
    mixture: TensorId,
    window_losses: TensorId,
    /// Tensors that stay readable beside the mixture, and whether each is made once a step.
    kept: Vec<(TensorId, bool)>,
    batch: HostBatch,
}

/// A batch on the host, reused from step to step.
struct HostBatch {
    shape: WindowShape,
    windows: usize,
    observed: f32,
    /// Elements of each noise input.
    noise: Vec<usize>,
    inputs: Vec<Vec<f32>>,
}

impl HostBatch {
    fn new(shape: &WindowShape, noise: Vec<usize>) -> Self {
        Self { shape: *shape, windows: 0, observed: 0.0, noise, inputs: vec![] }
    }

    /// Fills the inputs of a recording (values, observed, calendar if any, noise if any, target, its mask) with these windows of a
    /// source. Without keys there is no noise: 0.
    fn fill(&mut self, source: &dyn WindowSource, indices: &[usize], keys: Option<[u32; 2]>) {
        // The batch before goes first: only one is held.
        self.inputs.clear();
        let s = &self.shape;
        let lens = [s.values_len(), s.values_len(), s.calendar_len(), s.target_len(), s.target_len()];
        let mut all: [Vec<f32>; 5] = lens.map(|n| vec![0.0; n * indices.len()]);
        let [values, observed, calendar, target, target_observed] = all.each_mut();
        for (w, &index) in indices.iter().enumerate() {
            let window = WindowMut {
                values: &mut values[w * lens[0]..(w + 1) * lens[0]],
                observed: &mut observed[w * lens[1]..(w + 1) * lens[1]],
                calendar: &mut calendar[w * lens[2]..(w + 1) * lens[2]],
                target: &mut target[w * lens[3]..(w + 1) * lens[3]],
                target_observed: &mut target_observed[w * lens[4]..(w + 1) * lens[4]],
            };
            source.fill(index, window);
        }
        self.windows = indices.len();
        self.observed = all[4].iter().sum();
        let [values, observed, calendar, target, target_observed] = all;
        self.inputs = vec![values, observed];
        if s.num_calendar > 0 {
            self.inputs.push(calendar);
        }
        for (i, &n) in self.noise.iter().enumerate() {
            self.inputs.push(keys.map_or_else(|| vec![0.0; n], |k| gumbel(k, i, n)));
        }
        self.inputs.extend([target, target_observed]);
    }

    fn step_input(&self, first_window: usize, keys: [u32; 2], learning_rate: f64) -> StepInput<'_> {
        #[expect(clippy::cast_possible_truncation, reason = "uniforms are f32")]
        let learning_rate = learning_rate as f32;
        StepInput {
            windows: self.windows,
            first_window: to_u32(first_window),
            keys,
            learning_rate,
            inverse_count: 1.0 / self.observed.max(1.0),
            inputs: &self.inputs,
        }
    }
}

/// Gumbel noise of a step's graph number `which`: -ln(-ln u), in f64, keyed by the step's keys and the element.
fn gumbel(step_keys: [u32; 2], which: usize, n: usize) -> Vec<f32> {
    let stream = keys(u64::from(step_keys[0]) << 32 | u64::from(step_keys[1]), 0x6775_6d62_656c + which as u64);
    let seed = u64::from(stream[0]) << 32 | u64::from(stream[1]);
    #[expect(clippy::cast_possible_truncation, reason = "the kernels read f32")]
    let one = |element: u64| {
        let [a, b] = keys(seed, element);
        // 52 bits and a half: never 0 or 1.
        let u = ((f64::from(a >> 6) * 67_108_864.0 + f64::from(b >> 6)) + 0.5) / 4_503_599_627_370_496.0;
        (-(-u.ln()).ln()) as f32
    };
    (0..n as u64).map(one).collect()
}

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
fn plan_keeping(
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

fn places(graph: &Graph, shape: &ModelShape) -> Vec<ParameterPlace> {
    let place = |(t, start): (TensorId, usize), trained| {
        let tensor = &graph.tensors[t];
        ParameterPlace { name: tensor.name.clone(), shape: tensor.operand.shape.clone(), start, trained }
    };
    let stored = graph.stored_tensors().into_iter().map(|p| place(p, false));
    // The reference has a map of no calendar features too: its files hold it, and it asks for it.
    let empty =
        ParameterPlace { name: "embedding.calendar.weight".into(), shape: vec![shape.settings.d_model, 0], start: 0, trained: false };
    let empty = (shape.window.num_calendar == 0).then_some(empty);
    empty.into_iter().chain(graph.parameters().into_iter().map(|p| place(p, true))).chain(stored).collect()
}

/// Names, shapes and places of a model's parameters, without a session.
///
/// # Errors
/// Fails if the model cannot be built.
pub fn parameter_places(shape: &ModelShape) -> Result<Vec<ParameterPlace>, SessionError> {
    Ok(places(&build(shape, Mode::Score)?.graph, shape))
}

impl Session {
    /// Plans the model and makes everything on the backend, parameters at their start. `class` overrides the adapter's kernel shapes.
    ///
    /// # Errors
    /// Fails if the model cannot be built or planned, or the device refuses.
    pub async fn new(
        shape: ModelShape,
        settings: TrainingSettings,
        purpose: Purpose,
        backend: Backend,
        class: Option<&AdapterClass>,
    ) -> Result<Self, SessionError> {
        Self::keeping(shape, settings, purpose, backend, class, &[]).await
    }

    /// As [`Session::new`], and tensors of the scoring pass, by their names in the model's graph, can be read with [`Session::look`].
    ///
    /// # Errors
    /// As [`Session::new`]; and if the model has no tensor of that name.
    pub async fn keeping(
        shape: ModelShape,
        settings: TrainingSettings,
        purpose: Purpose,
        backend: Backend,
        class: Option<&AdapterClass>,
        names: &[String],
    ) -> Result<Self, SessionError> {
        let model = build(&shape, Mode::Score)?;
        let find = |name: &String| model.graph.find(name).ok_or_else(|| SessionError::NoTensor(name.clone()));
        let kept = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let plan = Arc::new(plan_keeping(&shape, &settings, purpose, &backend, class, &kept)?);
        let kept = kept.into_iter().map(|t| (t, model.graph.tensors[t].operand.scope == Scope::Step)).collect();
        let initial = start(&model.graph, &model.inits, settings.seed);
        let places = places(&model.graph, &shape);
        let find = |recording: usize, name: &str| plan.recordings[recording].program.graph.find(name);
        let train_loss = find(0, "loss").zip(find(0, "optimiser.norm")).filter(|_| purpose == Purpose::Train);
        let executor = Executor::new(&backend, plan.clone()).await?;
        let noise = model.noise.iter().map(|&t| model.graph.tensors[t].operand.len()).collect();
        let batch = HostBatch::new(&shape.window, noise);
        let mut session = Self {
            mixture: model.mixture,
            window_losses: model.window_losses.unwrap_or_default(),
            shape,
            settings,
            backend,
            plan,
            executor,
            purpose,
            places,
            initial,
            trained_len: model.graph.flat_len(),
            train_loss,
            kept,
            batch,
        };
        let state = session.initial_state();
        session.load(&state).await?;
        Ok(session)
    }

    /// Sizes of the model.
    #[must_use]
    pub fn shape(&self) -> &ModelShape {
        &self.shape
    }

    /// Where it runs.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The executor, for benchmarks and tests.
    #[must_use]
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Names, shapes and places of the parameters.
    #[must_use]
    pub fn parameters(&self) -> &[ParameterPlace] {
        &self.places
    }

    /// The state before the first step: parameters drawn from the seed.
    #[must_use]
    pub fn initial_state(&self) -> State {
        let zeros = if self.purpose == Purpose::Train { vec![0.0; self.trained_len] } else { vec![] };
        State {
            step: 0,
            parameters: self.initial.clone(),
            moment1: zeros.clone(),
            moment2: zeros,
            optimiser: if self.purpose == Purpose::Train { vec![0.0; STATE_LEN] } else { vec![] },
        }
    }

    /// Puts a state on the device.
    ///
    /// # Errors
    /// Fails if it belongs to a model of another size, or the device is lost.
    pub async fn load(&mut self, state: &State) -> Result<(), SessionError> {
        self.load_parameters(&state.parameters).await?;
        if self.purpose == Purpose::Train {
            for (role, data) in
                [(BufferRole::Moment1, &state.moment1), (BufferRole::Moment2, &state.moment2), (BufferRole::State, &state.optimiser)]
            {
                self.executor.write(role, data).await?;
            }
        }
        Ok(())
    }

    /// Puts parameters alone on the device.
    ///
    /// # Errors
    /// Fails if they belong to a model of another size, or the device is lost.
    pub async fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), SessionError> {
        if parameters.len() != self.initial.len() {
            return Err(SessionError::Weights { expected: self.initial.len(), found: parameters.len() });
        }
        Ok(self.executor.write(BufferRole::Parameters, parameters).await?)
    }

    /// Reads the state back. `step` is the caller's count.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn save(&self, step: u64) -> Result<State, SessionError> {
        let n = self.trained_len;
        let buffers = [
            (BufferRole::Parameters, self.initial.len()),
            (BufferRole::Moment1, n),
            (BufferRole::Moment2, n),
            (BufferRole::State, STATE_LEN),
        ];
        let mut read = self.executor.read_buffers(&buffers).await?.into_iter();
        let mut next = || read.next().unwrap_or_default();
        Ok(State { step, parameters: next(), moment1: next(), moment2: next(), optimiser: next() })
    }

    /// One training step on these windows of a source. `first_window` is the index of the first in the epoch's order.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn train_step(
        &mut self,
        source: &dyn WindowSource,
        indices: &[usize],
        first_window: usize,
        step: u64,
        learning_rate: f64,
    ) -> Result<(), SessionError> {
        let keys = keys(self.settings.seed, step);
        self.batch.fill(source, indices, Some(keys));
        let input = self.batch.step_input(first_window, keys, learning_rate);
        Ok(self.executor.step(0, &input).await?)
    }

    /// What the last training step did.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn report(&self) -> Result<StepReport, SessionError> {
        let Some((_, norm)) = self.train_loss else {
            return Ok(StepReport { loss: 0.0, grad_norm: 0.0, bad_in_a_row: 0, bad: 0 });
        };
        let norm = &self.executor.read(0, &[norm], 1).await?[0];
        let state = &self.executor.read_buffers(&[(BufferRole::State, STATE_LEN)]).await?[0];
        #[expect(clippy::cast_possible_truncation, reason = "f32 on the device; counters are small")]
        Ok(StepReport { loss: norm[3] as f32, grad_norm: norm[0] as f32, bad_in_a_row: state[3] as u32, bad: state[4] as u32 })
    }

    /// What the gradient of the last training step was, by groups of parameters and before the clip; nothing if it was not looked at.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn gradient_health(&self) -> Result<Option<GradientHealth>, SessionError> {
        let found = self.plan.recordings[0].program.graph.find(HEALTH);
        let Some(tensor) = found.filter(|_| self.purpose == Purpose::Train) else { return Ok(None) };
        let numbers = self.executor.read(0, &[tensor], 1).await?.remove(0);
        Ok(Some(by_group(&self.places, &numbers)))
    }

    /// Scores windows of a source in order, `visit` getting each window's index and mixture. Returns the mean negative log-likelihood
    /// over all observed targets, in standardised units.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn score(
        &mut self,
        source: &dyn WindowSource,
        indices: &[usize],
        mut visit: impl FnMut(usize, WindowMixture),
    ) -> Result<f64, SessionError> {
        let recording = self.plan.recordings.len() - 1;
        let batch = self.plan.recordings[recording].batch;
        let (mut total, mut count) = (0.0, 0.0);
        for part in indices.chunks(batch) {
            self.batch.fill(source, part, None);
            let input = self.batch.step_input(0, [0, 0], 0.0);
            self.executor.step(recording, &input).await?;
            let read = self.executor.read(recording, &[self.mixture, self.window_losses], part.len()).await?;
            // Window by window: how many a pass takes, which is the budget's affair, changes no bit of the mean.
            total += read[1].iter().sum::<f64>();
            count += f64::from(self.batch.observed);
            let one = read[0].len() / part.len();
            let parts = self.shape.settings.outputs().0;
            for (w, &index) in part.iter().enumerate() {
                visit(index, split(&read[0][w * one..(w + 1) * one], parts));
            }
        }
        Ok(total / f64::max(count, 1.0))
    }

    /// Runs windows of a source in order, `visit` getting each window's index and the tensors that this session keeps, in f64.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn look(
        &mut self,
        source: &dyn WindowSource,
        indices: &[usize],
        mut visit: impl FnMut(usize, Vec<&[f64]>),
    ) -> Result<(), SessionError> {
        let recording = self.plan.recordings.len() - 1;
        let batch = self.plan.recordings[recording].batch;
        let tensors: Vec<TensorId> = self.kept.iter().map(|k| k.0).collect();
        for part in indices.chunks(batch) {
            self.batch.fill(source, part, None);
            let input = self.batch.step_input(0, [0, 0], 0.0);
            self.executor.step(recording, &input).await?;
            let read = self.executor.read(recording, &tensors, part.len()).await?;
            for (w, &index) in part.iter().enumerate() {
                let window = |(values, &(_, once)): (&'_ Vec<f64>, &(TensorId, bool))| {
                    let one = values.len() / part.len();
                    if once { 0..values.len() } else { w * one..(w + 1) * one }
                };
                let parts = read.iter().zip(&self.kept).map(|both| &both.0[window(both)]);
                visit(index, parts.collect());
            }
        }
        Ok(())
    }

    /// Buffers for one window, for callers that fill their own.
    #[must_use]
    pub fn window_buffers(&self) -> WindowBuffers {
        WindowBuffers::new(&self.shape.window)
    }
}

/// Splits [parts, H, Nt, K], 3 or 1 parts.
fn split(mixture: &[f64], parts: usize) -> WindowMixture {
    let n = mixture.len() / parts;
    #[expect(clippy::cast_possible_truncation, reason = "the device computes in f32")]
    let part = |i: usize| mixture.iter().skip(i * n).take(n).map(|v| *v as f32).collect();
    WindowMixture { mean: part(0), log_std: part(1), logit: part(2) }
}
