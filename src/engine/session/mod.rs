//! A model on a backend: training and scoring plans over one set of buffers, and the state that is transferred between host and device.

mod batch;
mod setup;
mod state;

use crate::config::ConfigError;
use crate::data::{WindowBuffers, WindowSource};
use crate::executor::{Backend, Executor};
use crate::gpu::GpuError;
use crate::graph::{GraphError, HEALTH, STATE_LEN, TensorId};
use crate::health::{GradientHealth, by_group};
use crate::model::init::start;
use crate::model::measure::Measure;
use crate::model::{Mode, ModelError, ModelShape, ParameterPlace, build, places};
use crate::ops::Scope;
use crate::plan::{BufferRole, Plan, PlanError};
use crate::random::keys;
use batch::HostBatch;
use state::split;
use std::sync::Arc;

pub use setup::{Purpose, Setup};
pub use state::{State, StepReport, WindowMixture};

/// Errors of a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The model cannot be built.
    #[error("{0}")]
    Model(#[from] ModelError),
    /// The gradient of the model cannot be built.
    #[error("{0}")]
    Graph(#[from] GraphError),
    /// The model does not fit into the limits or the budget.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// The budget is not a valid size.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The device failed.
    #[error("{0}")]
    Gpu(#[from] GpuError),
    /// The model does not produce this tensor.
    #[error("this model has no tensor {0}")]
    NoTensor(String),
    /// The weights belong to another model.
    #[error("the weights have {found} values, but this model needs {expected}")]
    Weights {
        /// Number of values in the flat parameter buffer of this model.
        expected: usize,
        /// Number of values found.
        found: usize,
    },
}

/// A model on a backend.
pub struct Session {
    setup: Setup,
    backend: Backend,
    plan: Arc<Plan>,
    executor: Executor,
    places: Vec<ParameterPlace>,
    initial: Vec<f32>,
    trained_len: usize,
    /// Recording of the last training step.
    stepped: usize,
    mixture: TensorId,
    window_losses: TensorId,
    /// Tensors that stay readable in addition to the mixture, and whether each exists once per step.
    kept: Vec<(TensorId, bool)>,
    batch: HostBatch,
}

impl Session {
    /// Plans the model and creates its buffers and kernels on the backend, with the initial parameters.
    ///
    /// # Errors
    /// Fails if the model cannot be built or planned, if it lacks a tensor in [`Setup::kept`], or if the device reports an error.
    pub async fn new(setup: Setup, backend: Backend) -> Result<Self, SessionError> {
        let plan = Arc::new(setup.plan(&backend)?);
        Self::of_plan(setup, backend, plan).await
    }

    /// Like [`Session::new`], with the plan that [`Setup::plan`] returned for this backend.
    ///
    /// # Errors
    /// Fails if the device reports an error.
    pub async fn of_plan(setup: Setup, backend: Backend, plan: Arc<Plan>) -> Result<Self, SessionError> {
        let model = build(&setup.shape, Mode::Score)?;
        let kept = setup.kept.iter().filter_map(|name| model.graph.find(name));
        let kept = kept.map(|t| (t, model.graph.tensors[t].operand.scope == Scope::Step)).collect();
        let noise = model.noise.iter().map(|&t| model.graph.tensors[t].operand.len()).collect();
        let mut session = Self {
            mixture: model.mixture,
            window_losses: model.window_losses.unwrap_or_default(),
            initial: start(&model.graph, &model.inits, setup.settings.seed),
            places: places(&model.graph, &setup.shape),
            batch: HostBatch::new(&setup.shape.window, noise),
            executor: Executor::new(&backend, plan.clone()).await?,
            trained_len: model.graph.flat_len(),
            setup,
            backend,
            plan,
            stepped: 0,
            kept,
        };
        let state = session.initial_state();
        session.load(&state).await?;
        Ok(session)
    }

    /// The same model on a new device that replaces a lost one, with the same kernel shapes and the initial parameters.
    ///
    /// # Errors
    /// Fails if no device is available. The f64 reference backend never fails.
    pub async fn reopen(&self) -> Result<Self, SessionError> {
        let backend = match &self.backend {
            Backend::Gpu(gpu) => Backend::Gpu(Arc::new(gpu.reopen().await?)),
            #[cfg(feature = "twins")]
            Backend::Reference => Backend::Reference,
        };
        Self::new(self.setup.clone().of_class(Some(self.plan.class.clone())), backend).await
    }

    /// The setup of this session.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Sizes of the model.
    #[must_use]
    pub fn shape(&self) -> &ModelShape {
        &self.setup.shape
    }

    /// The backend that runs the model.
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

    /// Names, shapes and offsets of the parameters.
    #[must_use]
    pub fn parameters(&self) -> &[ParameterPlace] {
        &self.places
    }

    /// The state before the first step: parameters initialised from the seed.
    #[must_use]
    pub fn initial_state(&self) -> State {
        let zeros = if self.setup.purpose == Purpose::Train { vec![0.0; self.trained_len] } else { vec![] };
        State {
            step: 0,
            parameters: self.initial.clone(),
            moment1: zeros.clone(),
            moment2: zeros,
            optimiser: if self.setup.purpose == Purpose::Train { vec![0.0; STATE_LEN] } else { vec![] },
            average: if self.setup.averages() { self.initial.clone() } else { vec![] },
        }
    }

    /// Uploads a state to the device.
    ///
    /// # Errors
    /// Fails if the state belongs to a model of another size, or if the device is lost.
    pub async fn load(&mut self, state: &State) -> Result<(), SessionError> {
        self.check_len(&state.parameters)?;
        self.executor.write(BufferRole::Parameters, &state.parameters).await?;
        if self.setup.averages() {
            self.load_parameters(&state.average).await?;
        }
        if self.setup.purpose == Purpose::Train {
            for (role, data) in
                [(BufferRole::Moment1, &state.moment1), (BufferRole::Moment2, &state.moment2), (BufferRole::State, &state.optimiser)]
            {
                self.executor.write(role, data).await?;
            }
        }
        Ok(())
    }

    /// Uploads the parameters for scoring to the device.
    ///
    /// # Errors
    /// Fails if they belong to a model of another size, or if the device is lost.
    pub async fn load_parameters(&mut self, parameters: &[f32]) -> Result<(), SessionError> {
        self.check_len(parameters)?;
        Ok(self.executor.write(self.scored_role(), parameters).await?)
    }

    fn check_len(&self, parameters: &[f32]) -> Result<(), SessionError> {
        let (expected, found) = (self.initial.len(), parameters.len());
        if found == expected { Ok(()) } else { Err(SessionError::Weights { expected, found }) }
    }

    /// The buffer that the scoring pass reads.
    fn scored_role(&self) -> BufferRole {
        if self.setup.averages() { BufferRole::Average } else { BufferRole::Parameters }
    }

    /// Reads back the parameters that the scoring pass reads: their moving mean, if there is one.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn scored_parameters(&self) -> Result<Vec<f32>, SessionError> {
        Ok(self.executor.read_buffers(&[(self.scored_role(), self.initial.len())]).await?.remove(0))
    }

    /// Reads the state back. `step` is the step count of the caller.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn save(&self, step: u64) -> Result<State, SessionError> {
        let n = self.trained_len;
        let mut buffers = vec![
            (BufferRole::Parameters, self.initial.len()),
            (BufferRole::Moment1, n),
            (BufferRole::Moment2, n),
            (BufferRole::State, STATE_LEN),
        ];
        if self.setup.averages() {
            buffers.push((BufferRole::Average, self.initial.len()));
        }
        let mut read = self.executor.read_buffers(&buffers).await?.into_iter();
        let mut next = || read.next().unwrap_or_default();
        Ok(State { step, parameters: next(), moment1: next(), moment2: next(), optimiser: next(), average: next() })
    }

    /// Runs one training step on the given windows of a source. `first_window` is the index of the first one in the order of the epoch.
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
        let keys = keys(self.setup.settings.seed, step);
        self.batch.fill(source, indices, Some(keys));
        let shrink = self.setup.settings.shrink(learning_rate);
        let input = self.batch.step_input(first_window, keys, [learning_rate, shrink]);
        self.stepped = 0;
        Ok(self.executor.step(0, &input).await?)
    }

    /// Runs step `step` (from 0) of the linear start on the given windows of a source.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn start_step(
        &mut self,
        source: &dyn WindowSource,
        indices: &[usize],
        step: u64,
        learning_rate: f64,
    ) -> Result<(), SessionError> {
        // Nothing in the linear start is random.
        self.batch.fill(source, indices, None);
        let shrink = self.setup.settings.start_shrink(learning_rate, step);
        let input = self.batch.step_input(0, [0, 0], [learning_rate, shrink]);
        self.stepped = 1;
        Ok(self.executor.step(1, &input).await?)
    }

    /// Ends the linear start: moments and counters are 0 again, on the device too. Parameters and their moving mean stay.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn renew_optimiser(&mut self) -> Result<(), SessionError> {
        for (role, n) in [(BufferRole::Moment1, self.trained_len), (BufferRole::Moment2, self.trained_len), (BufferRole::State, STATE_LEN)]
        {
            self.executor.write(role, &vec![0.0; n]).await?;
        }
        Ok(())
    }

    /// Reads the report of the last training step.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn report(&self) -> Result<StepReport, SessionError> {
        let found = self.plan.recordings[self.stepped].program.graph.find("optimiser.norm");
        let Some(norm) = found.filter(|_| self.setup.purpose == Purpose::Train) else {
            return Ok(StepReport { loss: 0.0, grad_norm: 0.0, bad_in_a_row: 0, bad: 0 });
        };
        let norm = &self.executor.read(self.stepped, &[norm], 1).await?[0];
        let state = &self.executor.read_buffers(&[(BufferRole::State, STATE_LEN)]).await?[0];
        #[expect(clippy::cast_possible_truncation, reason = "f32 on the device; counters are small")]
        Ok(StepReport { loss: norm[3] as f32, grad_norm: norm[0] as f32, bad_in_a_row: state[3] as u32, bad: state[4] as u32 })
    }

    /// The gradient statistics of the last training step by parameter group, before clipping; `None` if they were not measured.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn gradient_health(&self) -> Result<Option<GradientHealth>, SessionError> {
        let found = self.plan.recordings[0].program.graph.find(HEALTH);
        let Some(tensor) = found.filter(|_| self.setup.purpose == Purpose::Train) else { return Ok(None) };
        let numbers = self.executor.read(0, &[tensor], 1).await?.remove(0);
        Ok(Some(by_group(&self.places, &numbers)))
    }

    /// Scores windows of a source in order. `visit` receives the index and the mixture of each window. Returns the mean of
    /// [`Setup::metric`] over all observed targets, in standardised units.
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
            let input = self.batch.step_input(0, [0, 0], [0.0; 2]);
            self.executor.step(recording, &input).await?;
            let read = self.executor.read(recording, &[self.mixture, self.window_losses], part.len()).await?;
            // Sum window by window, so that the number of windows per pass, which depends on the budget, changes no bit of the mean.
            total += read[1].iter().sum::<f64>();
            count += f64::from(self.batch.observed);
            let one = read[0].len() / part.len();
            let parts = self.setup.shape.settings.outputs().0;
            for (w, &index) in part.iter().enumerate() {
                visit(index, split(&read[0][w * one..(w + 1) * one], parts));
            }
        }
        let setup = &self.setup;
        let (_, factor) = Measure::of_validation(&setup.shape.settings, setup.settings.loss, setup.metric);
        Ok(factor * total / f64::max(count, 1.0))
    }

    /// Runs windows of a source in order. `visit` receives the index of each window and the tensors that this session keeps, in f64.
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
            let input = self.batch.step_input(0, [0, 0], [0.0; 2]);
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

    /// Buffers for one window, for callers that fill them themselves.
    #[must_use]
    pub fn window_buffers(&self) -> WindowBuffers {
        WindowBuffers::new(&self.setup.shape.window)
    }
}
