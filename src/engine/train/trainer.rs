//! The training loop: steps, read-backs, validation, early stopping, checkpoints, and recovery of a lost device with bit-identical results.

use super::schedule::learning_rate;
use super::{Control, Event, Outcome, Phase, Progress, Store, TrainError};
use crate::clock::milliseconds;
use crate::config::TrainingSettings;
use crate::data::{Permutation, WindowSource};
use crate::gpu::GpuError;
use crate::session::{Session, SessionError, State};
use std::sync::Arc;

/// A training run.
pub struct Trainer {
    pub(super) session: Session,
    pub(super) train: Arc<dyn WindowSource>,
    pub(super) validation: Option<Arc<dyn WindowSource>>,
    total: u64,
    pub(super) progress: Progress,
    good: (State, Progress),
    pub(super) best: Option<Vec<f32>>,
    pub(super) reported: (u64, f64),
}

/// Maximum number of device losses that are tolerated without a step, or a scoring pass, in between.
pub(crate) const MOST_LOSSES: u32 = 3;

impl Trainer {
    /// A run from the initial state of the session, with the settings of the session.
    ///
    /// # Errors
    /// Fails if there are no training windows, or if early stopping is requested without a validation part.
    pub fn new(session: Session, train: Arc<dyn WindowSource>, validation: Option<Arc<dyn WindowSource>>) -> Result<Self, TrainError> {
        let settings = &session.setup().settings;
        let validation = validation.filter(|v| !v.is_empty());
        TrainError::check(settings, train.len(), validation.as_ref().map_or(0, |v| v.len()))?;
        let total = settings.total_steps(train.len());
        let good = (session.initial_state(), Progress::default());
        Ok(Self { session, train, validation, total, progress: Progress::default(), good, best: None, reported: (0, 0.0) })
    }

    pub(super) fn settings(&self) -> &TrainingSettings {
        &self.session.setup().settings
    }

    /// Resumes from a stored state.
    ///
    /// # Errors
    /// Fails if the state belongs to another model, or if the device is lost.
    pub async fn resume(&mut self, state: State, progress: Progress) -> Result<(), TrainError> {
        self.session.load(&state).await?;
        self.progress = progress.clone();
        self.good = (state, progress);
        Ok(())
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session, for scoring after training.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Returns the session and drops the rest.
    #[must_use]
    pub fn into_session(self) -> Session {
        self.session
    }

    /// Total number of steps.
    #[must_use]
    pub fn total_steps(&self) -> u64 {
        self.total
    }

    /// The progress of the loop.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The last stored state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.good.0
    }

    /// Parameters with the lowest validation loss of this run, if there was a validation since the run was started or resumed.
    #[must_use]
    pub fn best(&self) -> Option<&[f32]> {
        self.best.as_deref()
    }

    /// Whether all steps are complete, or training stopped early, and the spread is calibrated if it should be.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.progress.is_finished(self.settings(), self.total) && !self.must_calibrate()
    }

    /// Trains until the last step, an early stop, or a stop request of the listener. A finished run is left unchanged. If the device is
    /// lost, a new one is opened, and training resumes from the last stored state with bit-identical results.
    ///
    /// # Errors
    /// Fails if the device is lost repeatedly, if loss or gradient stay non-finite, or if the run cannot be stored.
    pub async fn run(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<Outcome, TrainError> {
        let (mut losses, mut at) = (0, self.progress.step);
        loop {
            self.reported = (self.progress.step, milliseconds());
            let reason = match self.steps(store, listen).await {
                Err(TrainError::Session(SessionError::Gpu(GpuError::Lost(reason)))) => reason,
                other => return other,
            };
            losses = if self.progress.step > at { 1 } else { losses + 1 };
            at = self.good.1.step;
            if losses > MOST_LOSSES {
                return Err(TrainError::KeepsFailing { times: losses, reason });
            }
            self.recover().await?;
            store.rewind(&self.progress).map_err(TrainError::Store)?;
            let event = Event::Restarted { step: self.progress.step, reason };
            store.record(&event).map_err(TrainError::Store)?;
            listen(&event);
        }
    }

    /// Opens a new device to replace a lost one, and loads the last stored state.
    ///
    /// # Errors
    /// Fails if no device is available.
    pub async fn recover(&mut self) -> Result<(), TrainError> {
        self.session = self.session.reopen().await?;
        self.rewind().await
    }

    /// Returns to the last stored state: after an error, or after other parameters were scored.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn rewind(&mut self) -> Result<(), TrainError> {
        self.session.load(&self.good.0).await?;
        self.progress = self.good.1.clone();
        Ok(())
    }

    async fn steps(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<Outcome, TrainError> {
        if !self.linear_start(store, listen).await? {
            return Ok(Outcome::Stopped);
        }
        let outcome = self.whole_steps(store, listen).await?;
        if outcome != Outcome::Stopped && self.must_calibrate() {
            self.calibrate(store, listen).await?;
        }
        Ok(outcome)
    }

    async fn whole_steps(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<Outcome, TrainError> {
        if self.progress.stopped_early(self.settings()) {
            return Ok(Outcome::EarlyStop);
        }
        let per_epoch = self.settings().steps_per_epoch(self.train.len());
        let every = |n: u64, step: u64| n > 0 && step.is_multiple_of(n);
        while self.progress.step < self.total {
            let step = self.progress.step;
            let rate = learning_rate(self.settings(), step, self.total);
            let (indices, first) = self.batch(step, per_epoch);
            self.session.train_step(&*self.train, &indices, first, step, rate).await?;
            self.progress.step = step + 1;
            let (done, last) = (step + 1, step + 1 == self.total);
            if every(self.settings().log_every, done) || last {
                self.report(Phase::Whole, rate, store, listen).await?;
            }
            if every(self.settings().health_every, done) {
                self.health(store, listen).await?;
            }
            let mut stop = listen(&Event::Tick { phase: Phase::Whole, step: done, total: self.total }) == Control::Stop;
            let mut early = false;
            if (every(self.settings().validate_every.unwrap_or(per_epoch), done) || last) && self.validation.is_some() {
                early = self.validate(store, listen, &mut stop).await?;
            }
            if stop || early || every(self.settings().checkpoint_every, done) || last {
                self.checkpoint(store, listen).await?;
            }
            if early {
                return Ok(Outcome::EarlyStop);
            }
            if stop && !last {
                return Ok(Outcome::Stopped);
            }
        }
        Ok(Outcome::Finished)
    }

    /// Indices of the windows of a step, and the index of the first one in the order of the epoch.
    fn batch(&self, step: u64, per_epoch: u64) -> (Vec<usize>, usize) {
        let order = Permutation::new(self.train.len(), self.settings().seed, step / per_epoch);
        let size = self.settings().batch_size;
        let first = usize::try_from(step % per_epoch).unwrap_or(usize::MAX) * size;
        ((first..(first + size).min(self.train.len())).map(|i| order.get(i)).collect(), first)
    }

    /// Records the gradient statistics of the last step.
    async fn health(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<(), TrainError> {
        if let Some(gradients) = self.session.gradient_health().await? {
            let event = Event::Gradients { step: self.progress.step, gradients };
            store.record(&event).map_err(TrainError::Store)?;
            listen(&event);
        }
        Ok(())
    }

    pub(super) async fn report(
        &mut self,
        phase: Phase,
        learning_rate: f64,
        store: &mut dyn Store,
        listen: &mut dyn FnMut(&Event) -> Control,
    ) -> Result<(), TrainError> {
        let report = self.session.report().await?;
        let step = if phase == Phase::Start { self.progress.start } else { self.progress.step };
        let now = milliseconds();
        let ms = (now - self.reported.1) / (step - self.reported.0).max(1) as f64;
        self.reported = (step, now);
        let event = Event::Step { phase, step, loss: report.loss, grad_norm: report.grad_norm, learning_rate, bad: report.bad, ms };
        store.record(&event).map_err(TrainError::Store)?;
        listen(&event);
        if u64::from(report.bad_in_a_row) >= self.settings().max_bad_steps.max(1) {
            return Err(TrainError::NotFinite { step, in_a_row: report.bad_in_a_row, bad: report.bad });
        }
        Ok(())
    }

    /// Scores the validation part. Returns whether to stop early.
    #[cfg_attr(feature = "native", tracing::instrument(level = "info", skip_all, fields(step = self.progress.step)))]
    pub(super) async fn validate(
        &mut self,
        store: &mut dyn Store,
        listen: &mut dyn FnMut(&Event) -> Control,
        stop: &mut bool,
    ) -> Result<bool, TrainError> {
        let Some(source) = self.validation.clone() else { return Ok(false) };
        let all: Vec<usize> = (0..source.len()).collect();
        let loss = self.session.score(&*source, &all, |_, _| {}).await?;
        let best = loss.is_finite() && self.progress.best_loss.is_none_or(|b| loss < b);
        let step = self.progress.step;
        if best {
            self.progress = Progress { best_loss: Some(loss), best_step: step, stale: 0, ..self.progress.clone() };
            let parameters = self.session.scored_parameters().await?;
            store.best(&parameters, &self.progress).map_err(TrainError::Store)?;
            self.best = Some(parameters);
        } else {
            self.progress.stale += 1;
        }
        let event = Event::Validation { step, loss, best };
        store.record(&event).map_err(TrainError::Store)?;
        *stop |= listen(&event) == Control::Stop;
        // Validation time does not count as step time.
        self.reported = (step, milliseconds());
        Ok(self.progress.stopped_early(self.settings()))
    }

    #[cfg_attr(feature = "native", tracing::instrument(level = "debug", skip_all, fields(step = self.progress.step)))]
    pub(super) async fn checkpoint(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<(), TrainError> {
        let state = self.session.save(self.progress.step).await?;
        store.checkpoint(&state, &self.progress).map_err(TrainError::Store)?;
        self.good = (state, self.progress.clone());
        let event = Event::Checkpoint { step: self.progress.step };
        listen(&event);
        Ok(())
    }
}
