//! A model with weights, which evaluates, forecasts and inspects.

use super::{Experiment, ExperimentError, Inspector, StoredRun, Weights};
use crate::config::ModelSettings;
use crate::data::Part;
use crate::evaluate::{EvaluateError, Evaluation, Forecast, ForecastOptions, WindowForecast, evaluate, forecast, forecast_window};
use crate::executor::Backend;
use crate::gpu::GpuError;
use crate::session::{Session, SessionError, Setup};
use crate::train::MOST_LOSSES;

/// Options for loading the model of a run.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The weights to load.
    pub weights: Weights,
    /// Windows per scoring pass, if not `training.batch_size`.
    pub batch: Option<usize>,
    /// Names of the tensors that [`Session::look`] reads.
    pub kept: Vec<String>,
    /// Model settings that replace those of the config, for instance with a part switched off. The weights of this part are ignored.
    pub settings: Option<ModelSettings>,
}

/// A model with weights on a backend.
pub struct Trained {
    experiment: Experiment,
    session: Session,
    parameters: Vec<f32>,
    file: &'static str,
}

impl Experiment {
    /// Loads the model with the weights of the run of this experiment.
    ///
    /// # Errors
    /// Fails if there is no run, it has no weights yet, they are damaged, or the model cannot be created on the backend.
    pub async fn load(&self, backend: Backend, options: &LoadOptions) -> Result<Trained, ExperimentError> {
        self.weights()?;
        let mut shape = self.shape();
        if let Some(settings) = &options.settings {
            shape.settings = settings.clone();
        }
        let mut training = self.config.training.clone();
        if let Some(batch) = options.batch {
            training.batch_size = batch;
            training.micro_batch = None;
        }
        let setup = Setup::scoring(shape, training).of_class(self.class_on(&backend)).keeping(options.kept.clone());
        Trained::of(self.clone(), Session::new(setup, backend).await?, options).await
    }

    /// The files of the run of this experiment.
    ///
    /// # Errors
    /// Fails if there is no run, or the run has no weights yet.
    pub fn weights(&self) -> Result<&StoredRun, ExperimentError> {
        let path = || self.run.as_ref().map_or_else(|| "the experiment".into(), |(stored, _)| stored.path().to_owned());
        let stored = self.run.as_ref().map(|(stored, _)| stored).filter(|stored| stored.has_weights());
        stored.ok_or_else(|| ExperimentError::Untrained(path()))
    }
}

impl Trained {
    pub(super) async fn of(experiment: Experiment, mut session: Session, options: &LoadOptions) -> Result<Self, ExperimentError> {
        let stored = experiment.weights()?;
        let places = session.parameters();
        let parameters = match options.settings {
            Some(_) => stored.shared_weights(places, options.weights)?,
            None => stored.weights(places, options.weights)?,
        };
        let file = stored.weights_file(options.weights);
        session.load_parameters(&parameters).await?;
        Ok(Self { experiment, session, parameters, file })
    }

    /// Config and data.
    #[must_use]
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The name of the file with the weights.
    #[must_use]
    pub fn weights_file(&self) -> &'static str {
        self.file
    }

    /// The weights, in the order of [`Session::parameters`].
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The model on its backend.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The mutable model on its backend.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Evaluates a part in original units, and compares the scores with those of the baselines.
    ///
    /// # Errors
    /// Fails if the part contains no window, or the device fails repeatedly.
    pub async fn evaluate(&mut self, part: Part) -> Result<Evaluation, ExperimentError> {
        self.evaluate_with(part, |_, _| {}).await
    }

    /// As [`Trained::evaluate`]. `progress` gets the number of scored windows and the total number.
    ///
    /// # Errors
    /// As [`Trained::evaluate`].
    pub async fn evaluate_with(&mut self, part: Part, mut progress: impl FnMut(usize, usize)) -> Result<Evaluation, ExperimentError> {
        let e = &self.experiment;
        let score = async |session: &mut Session| evaluate(session, &e.scored(), part, &mut progress).await;
        Ok(with_weights(&mut self.session, &self.parameters, score).await?)
    }

    /// Forecasts the steps after the last observed target of the data, in original units.
    ///
    /// # Errors
    /// Fails if the history is too short, a known-future value is missing, or the device fails repeatedly.
    pub async fn forecast(&mut self, options: &ForecastOptions) -> Result<Forecast, ExperimentError> {
        let e = &self.experiment;
        let make = async |session: &mut Session| forecast(session, &e.scored(), options).await;
        Ok(with_weights(&mut self.session, &self.parameters, make).await?)
    }

    /// Forecasts one window of a part (numbered from 0). The result includes the true values.
    ///
    /// # Errors
    /// Fails if the part has no such window, or the device fails repeatedly.
    pub async fn forecast_window(&mut self, window: (Part, usize), options: &ForecastOptions) -> Result<WindowForecast, ExperimentError> {
        let e = &self.experiment;
        let make = async |session: &mut Session| forecast_window(session, &e.scored(), window, options).await;
        Ok(with_weights(&mut self.session, &self.parameters, make).await?)
    }

    /// An inspector on the same backend.
    #[must_use]
    pub fn inspect(&self, weights: Weights) -> Inspector {
        Inspector::new(self.experiment.clone(), self.session.backend().clone(), weights)
    }
}

/// Calls `score` with these weights on the device. If the device is lost, it repeats the call on a new device.
pub(super) async fn with_weights<T>(
    session: &mut Session,
    parameters: &[f32],
    mut score: impl AsyncFnMut(&mut Session) -> Result<T, EvaluateError>,
) -> Result<T, EvaluateError> {
    let mut losses = 0;
    loop {
        let made = match session.load_parameters(parameters).await {
            Ok(()) => score(session).await,
            Err(e) => Err(e.into()),
        };
        match made {
            Err(EvaluateError::Session(SessionError::Gpu(GpuError::Lost(_)))) if losses < MOST_LOSSES => {
                losses += 1;
                *session = session.reopen().await?;
            }
            other => return other,
        }
    }
}
