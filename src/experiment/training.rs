//! A run in progress.

use super::trained::with_weights;
use super::{Experiment, ExperimentError, LoadOptions, RunStore, StoredRun, Trained, Weights};
use crate::config::GraphSettings;
use crate::data::Part;
use crate::evaluate::{EvaluateError, Evaluation, ForecastOptions, WindowForecast, evaluate, forecast_window};
use crate::inspect::drivers::DriverGraph;
use crate::inspect::truth::{Recovery, recovery};
use crate::series_graph::SeriesGraph;
use crate::session::Session;
use crate::train::{Control, Event, Outcome, Progress, Trainer};

/// A run that is compiled on a device. It can be run, paused, evaluated in between, and continued.
pub struct Training {
    experiment: Experiment,
    trainer: Trainer,
    /// Whether the parameters on the device differ from the last stored state.
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

    /// Total number of steps.
    #[must_use]
    pub fn total_steps(&self) -> u64 {
        self.trainer.total_steps()
    }

    /// The progress so far.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        self.trainer.progress()
    }

    /// Whether all steps are done, or training stopped early.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.trainer.is_finished()
    }

    /// The files of the run.
    ///
    /// # Panics
    /// Never, because a training always has a run.
    #[must_use]
    pub fn stored(&self) -> &StoredRun {
        &self.experiment.run.as_ref().expect("a training belongs to a run").0
    }

    fn store(&self) -> RunStore {
        self.stored().store(self.session().parameters().to_vec(), &self.experiment.series())
    }

    /// Trains to the end, to an early stop, or until the listener stops it. A stopped training can be continued. After an error, the next
    /// call continues from the last stored state.
    ///
    /// # Errors
    /// Fails if the device fails repeatedly, values remain non-finite, or the run cannot be stored.
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

    /// Calls `score` with the best weights so far on the device. If the device is lost, it repeats the call on a new device.
    async fn with_best<T>(&mut self, score: impl AsyncFnMut(&mut Session) -> Result<T, EvaluateError>) -> Result<T, ExperimentError> {
        let stored = self.stored().clone();
        if !stored.has_weights() {
            return Err(ExperimentError::Untrained(stored.path().to_owned()));
        }
        let best = stored.weights(self.session().parameters(), Weights::Best)?;
        self.ahead = true;
        Ok(with_weights(self.trainer.session_mut(), &best, score).await?)
    }

    /// Evaluates a part with the best weights so far. `progress` gets the number of scored windows and the total number.
    ///
    /// # Errors
    /// Fails if there are no weights yet, the part contains no window, or the device fails repeatedly.
    pub async fn evaluate(&mut self, part: Part, mut progress: impl FnMut(usize, usize)) -> Result<Evaluation, ExperimentError> {
        let e = self.experiment.clone();
        self.with_best(async |session| evaluate(session, &e.scored(), part, &mut progress).await).await
    }

    /// Forecasts one window of a part with the best weights so far. The result includes the true values.
    ///
    /// # Errors
    /// As [`Training::evaluate`].
    pub async fn forecast_window(&mut self, window: (Part, usize), options: &ForecastOptions) -> Result<WindowForecast, ExperimentError> {
        let e = self.experiment.clone();
        self.with_best(async |session| forecast_window(session, &e.scored(), window, options).await).await
    }

    /// The edges of the driver highway in the best weights so far, and how well they recover the edges of a true graph: the bytes of an edge
    /// list (source, target, weight).
    ///
    /// # Errors
    /// Fails if there are no weights yet, the model has no driver highway, or the edge list cannot be used.
    pub fn drivers(&self, truth: Option<&[u8]>) -> Result<(DriverGraph, Option<Recovery>), ExperimentError> {
        let places = self.session().parameters();
        let best = self.stored().weights(places, Weights::Best)?;
        let graph = DriverGraph::of(&self.experiment.shape(), &self.experiment.series(), places, &best)?;
        let Some(bytes) = truth else { return Ok((graph, None)) };
        let settings = GraphSettings::of_truth("the file".into());
        let truth = SeriesGraph::build(&settings, self.experiment.dataset(), Some(bytes));
        let (truth, _) = truth.map_err(|source| ExperimentError::Graph { place: "the file".into(), source })?;
        let found = recovery(&graph.strengths, &truth, &graph.candidates(|_| true))?;
        Ok((graph, Some(found)))
    }

    /// Returns the model with the best weights of the run.
    ///
    /// # Errors
    /// Fails if there are no weights yet, or the device is lost.
    pub async fn finish(self) -> Result<Trained, ExperimentError> {
        Trained::of(self.experiment, self.trainer.into_session(), &LoadOptions::default()).await
    }
}
