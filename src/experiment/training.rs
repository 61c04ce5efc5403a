//! A run under way.

use super::trained::with_weights;
use super::{Experiment, ExperimentError, LoadOptions, RunStore, StoredRun, Trained, Weights};
use crate::data::Part;
use crate::evaluate::{EvaluateError, Evaluation, ForecastOptions, WindowForecast, evaluate, forecast_window};
use crate::session::Session;
use crate::train::{Control, Event, Outcome, Progress, Trainer};

/// A run that is compiled on a device: it can be run, paused, scored in between, and run on.
pub struct Training {
    experiment: Experiment,
    trainer: Trainer,
    /// Whether the device holds other numbers than the last stored state.
    ahead: bool,
}

impl Training {
    pub(super) fn new(experiment: Experiment, trainer: Trainer) -> Self {
        Self { experiment, trainer, ahead: false }
    }

    /// Config and data.
    #[must_use]
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The model on its device.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.trainer.session()
    }

    /// Steps in all.
    #[must_use]
    pub fn total_steps(&self) -> u64 {
        self.trainer.total_steps()
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        self.trainer.progress()
    }

    /// Whether all steps are done, or it stopped early.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.trainer.is_finished()
    }

    /// The run's files.
    ///
    /// # Panics
    /// Never: a training belongs to a run from its first moment on.
    #[must_use]
    pub fn stored(&self) -> &StoredRun {
        &self.experiment.run.as_ref().expect("a training belongs to a run").0
    }

    fn store(&self) -> RunStore {
        self.stored().store(self.session().parameters().to_vec(), &self.experiment.series())
    }

    /// Trains to the end, to an early stop, or until the listener stops it; then it can be run on. After an error it goes on from the last
    /// stored state.
    ///
    /// # Errors
    /// Fails if the device keeps failing, numbers stay bad, or the run cannot be stored.
    pub async fn run(&mut self, listener: &mut dyn FnMut(&Event) -> Control) -> Result<Outcome, ExperimentError> {
        if std::mem::take(&mut self.ahead) {
            self.trainer.rewind().await?;
        }
        let mut store = self.store();
        self.ahead = true;
        let outcome = self.trainer.run(&mut store, listener).await?;
        self.ahead = false;
        Ok(outcome)
    }

    /// Calls `score` with the best weights so far on the device; again on a new device if that is lost meanwhile.
    async fn with_best<T>(&mut self, score: impl AsyncFnMut(&mut Session) -> Result<T, EvaluateError>) -> Result<T, ExperimentError> {
        let stored = self.stored().clone();
        if !stored.has_weights() {
            return Err(ExperimentError::Untrained(stored.path().to_owned()));
        }
        let best = stored.weights(self.session().parameters(), Weights::Best)?;
        self.ahead = true;
        Ok(with_weights(self.trainer.session_mut(), &best, score).await?)
    }

    /// Scores a part with the best weights so far. `progress` gets the windows done and the windows in all.
    ///
    /// # Errors
    /// Fails if there are no weights yet, the part holds no window, or the device keeps failing.
    pub async fn evaluate(&mut self, part: Part, mut progress: impl FnMut(usize, usize)) -> Result<Evaluation, ExperimentError> {
        let e = self.experiment.clone();
        self.with_best(async |session| evaluate(session, &e.dataset, &e.scaler, &e.config, part, &mut progress).await).await
    }

    /// Forecasts one window of a part with the best weights so far, beside what came after.
    ///
    /// # Errors
    /// As [`Training::evaluate`].
    pub async fn forecast_window(&mut self, window: (Part, usize), options: &ForecastOptions) -> Result<WindowForecast, ExperimentError> {
        let e = self.experiment.clone();
        self.with_best(async |session| forecast_window(session, &e.dataset, &e.scaler, &e.config, window, options).await).await
    }

    /// The model with the best weights of the run.
    ///
    /// # Errors
    /// Fails if there are none yet, or the device is lost.
    pub async fn finish(self) -> Result<Trained, ExperimentError> {
        Trained::of(self.experiment, self.trainer.into_session(), &LoadOptions::default()).await
    }
}
