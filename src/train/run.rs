//! The training loop: steps, read-backs, validation, early stopping, checkpoints, and a lost device rebuilt with the same numbers.

use super::schedule::learning_rate;
use crate::config::TrainingSettings;
use crate::data::{Permutation, WindowSource};
use crate::executor::Backend;
use crate::gpu::{Gpu, GpuError};
use crate::health::GradientHealth;
use crate::session::{Session, SessionError, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the loop remembers beside the state on the device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Lowest validation loss so far.
    pub best_loss: Option<f64>,
    /// Step after which it was measured.
    pub best_step: u64,
    /// Validations since then.
    pub stale: u64,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A step was submitted.
    Tick {
        /// Steps done.
        step: u64,
        /// Steps in all.
        total: u64,
    },
    /// A step was read back.
    Step {
        /// Steps done.
        step: u64,
        /// Mean negative log-likelihood of the batch, standardised units.
        loss: f32,
        /// Norm of the gradient before clipping.
        grad_norm: f32,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Steps so far that were skipped because something was not finite.
        bad: u32,
        /// Milliseconds a step since the last report.
        ms: f64,
    },
    /// The gradient of a step was looked at, before the clip.
    Gradients {
        /// Steps done.
        step: u64,
        /// By groups of parameters.
        gradients: GradientHealth,
    },
    /// The validation part was scored.
    Validation {
        /// Steps done.
        step: u64,
        /// Mean negative log-likelihood, standardised units.
        loss: f64,
        /// Whether it is the lowest so far.
        best: bool,
    },
    /// A checkpoint was stored.
    Checkpoint {
        /// Steps done.
        step: u64,
    },
    /// The device was lost; training goes on from the last stored state.
    Restarted {
        /// Steps done in that state.
        step: u64,
        /// What the driver said.
        reason: String,
    },
}

/// The listener's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Store a checkpoint and return.
    Stop,
}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All steps were done.
    Finished,
    /// The validation loss had not fallen for `patience` validations.
    EarlyStop,
    /// The listener asked for it.
    Stopped,
}

/// Where a run is kept: a folder, a browser's storage, or nowhere.
pub trait Store {
    /// Keeps everything that training carries; all or nothing.
    ///
    /// # Errors
    /// Says why it could not be stored.
    fn checkpoint(&mut self, state: &State, progress: &Progress) -> Result<(), String>;
    /// Keeps the parameters with the lowest validation loss.
    ///
    /// # Errors
    /// Says why they could not be stored.
    fn best(&mut self, parameters: &[f32], progress: &Progress) -> Result<(), String>;
    /// Keeps a line of the record.
    ///
    /// # Errors
    /// Says why it could not be stored.
    fn record(&mut self, event: &Event) -> Result<(), String>;
    /// Forgets lines of the record after that step.
    ///
    /// # Errors
    /// Says why it could not be done.
    fn rewind(&mut self, step: u64) -> Result<(), String>;
}

/// Keeps nothing.
impl Store for () {
    fn checkpoint(&mut self, _: &State, _: &Progress) -> Result<(), String> {
        Ok(())
    }
    fn best(&mut self, _: &[f32], _: &Progress) -> Result<(), String> {
        Ok(())
    }
    fn record(&mut self, _: &Event) -> Result<(), String> {
        Ok(())
    }
    fn rewind(&mut self, _: u64) -> Result<(), String> {
        Ok(())
    }
}

/// Training failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The model, the plan or the device.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Loss or gradient were not finite for too long. The last good state is stored.
    #[error(
        "loss or gradient were not finite in {in_a_row} steps in a row (at step {step}; {bad} in all); the parameters were left as they \
         were before. Try a lower training.learning_rate or a longer warm-up, and look for extreme values in the data"
    )]
    NotFinite {
        /// Step at which it was seen.
        step: u64,
        /// Such steps in a row.
        in_a_row: u32,
        /// Such steps in all.
        bad: u32,
    },
    /// The run could not be stored.
    #[error("the run could not be stored: {0}")]
    Store(String),
    /// There are no training windows.
    #[error("the training part has no window")]
    Empty,
    /// The device was lost again and again without a step in between.
    #[error("the device was lost {times} times without progress, last: {reason}")]
    KeepsFailing {
        /// How often.
        times: u32,
        /// What the driver said.
        reason: String,
    },
}

/// A run of training.
pub struct Trainer {
    session: Session,
    settings: TrainingSettings,
    train: Arc<dyn WindowSource>,
    validation: Option<Arc<dyn WindowSource>>,
    device: Option<String>,
    total: u64,
    progress: Progress,
    good: (State, Progress),
    best: Option<Vec<f32>>,
    clock: fn() -> f64,
    reported: (u64, f64),
}

/// Losses of a device without a step in between that are borne.
const MOST_LOSSES: u32 = 3;

impl Trainer {
    /// A run from the session's start. `clock` gives milliseconds; `device` is what the adapter was chosen by, should it be lost.
    ///
    /// # Errors
    /// Fails if there is nothing to train on.
    pub fn new(
        session: Session,
        settings: TrainingSettings,
        train: Arc<dyn WindowSource>,
        validation: Option<Arc<dyn WindowSource>>,
        device: Option<String>,
        clock: fn() -> f64,
    ) -> Result<Self, TrainError> {
        if train.is_empty() {
            return Err(TrainError::Empty);
        }
        let total = settings.total_steps(train.len());
        let good = (session.initial_state(), Progress::default());
        let validation = validation.filter(|v| !v.is_empty());
        Ok(Self {
            session,
            settings,
            train,
            validation,
            device,
            total,
            progress: Progress::default(),
            good,
            best: None,
            clock,
            reported: (0, 0.0),
        })
    }

    /// Goes on from a stored state.
    ///
    /// # Errors
    /// Fails if the state is of another model or the device is lost.
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

    /// Steps in all.
    #[must_use]
    pub fn total_steps(&self) -> u64 {
        self.total
    }

    /// What the loop remembers.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The last stored state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.good.0
    }

    /// Parameters with the lowest validation loss of this run, if anything was validated since it was started or resumed.
    #[must_use]
    pub fn best(&self) -> Option<&[f32]> {
        self.best.as_deref()
    }

    /// Trains to the end, to an early stop, or until the listener stops it. A lost device is opened anew, and training goes on from the
    /// last stored state to the same bits.
    ///
    /// # Errors
    /// Fails if the device keeps failing, numbers stay bad, or the run cannot be stored.
    pub async fn run(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<Outcome, TrainError> {
        let (mut losses, mut at) = (0, self.progress.step);
        loop {
            self.reported = (self.progress.step, (self.clock)());
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
            store.rewind(self.progress.step).map_err(TrainError::Store)?;
            let event = Event::Restarted { step: self.progress.step, reason };
            store.record(&event).map_err(TrainError::Store)?;
            listen(&event);
        }
    }

    /// Opens a new device in the place of a lost one, with the last stored state.
    ///
    /// # Errors
    /// Fails if there is no device any more.
    pub async fn recover(&mut self) -> Result<(), TrainError> {
        let gpu = Gpu::open(self.device.as_deref()).await.map_err(SessionError::from)?;
        let class = self.session.plan().class.clone();
        let purpose = crate::session::Purpose::Train;
        let backend = Backend::Gpu(Arc::new(gpu));
        self.session = Session::new(self.session.shape().clone(), self.settings.clone(), purpose, backend, Some(&class)).await?;
        self.rewind().await
    }

    /// Goes back to the last stored state: after an error, or after other parameters were scored.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn rewind(&mut self) -> Result<(), TrainError> {
        self.session.load(&self.good.0).await?;
        self.progress = self.good.1.clone();
        Ok(())
    }

    async fn steps(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<Outcome, TrainError> {
        let per_epoch = self.settings.steps_per_epoch(self.train.len());
        let every = |n: u64, step: u64| n > 0 && step.is_multiple_of(n);
        while self.progress.step < self.total {
            let step = self.progress.step;
            let rate = learning_rate(&self.settings, step, self.total);
            let (indices, first) = self.batch(step, per_epoch);
            self.session.train_step(&*self.train, &indices, first, step, rate).await?;
            self.progress.step = step + 1;
            let (done, last) = (step + 1, step + 1 == self.total);
            if every(self.settings.log_every, done) || last {
                self.report(rate, store, listen).await?;
            }
            if every(self.settings.health_every, done) {
                self.health(store, listen).await?;
            }
            let mut stop = listen(&Event::Tick { step: done, total: self.total }) == Control::Stop;
            let mut early = false;
            if (every(self.settings.validate_every.unwrap_or(per_epoch), done) || last) && self.validation.is_some() {
                early = self.validate(store, listen, &mut stop).await?;
            }
            if stop || early || every(self.settings.checkpoint_every, done) || last {
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

    /// Indices of a step's windows, and the index of the first in the epoch's order.
    fn batch(&self, step: u64, per_epoch: u64) -> (Vec<usize>, usize) {
        let order = Permutation::new(self.train.len(), self.settings.seed, step / per_epoch);
        let size = self.settings.batch_size;
        let first = usize::try_from(step % per_epoch).unwrap_or(usize::MAX) * size;
        ((first..(first + size).min(self.train.len())).map(|i| order.get(i)).collect(), first)
    }

    /// Records what the last step's gradient was.
    async fn health(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<(), TrainError> {
        if let Some(gradients) = self.session.gradient_health().await? {
            let event = Event::Gradients { step: self.progress.step, gradients };
            store.record(&event).map_err(TrainError::Store)?;
            listen(&event);
        }
        Ok(())
    }

    async fn report(
        &mut self,
        learning_rate: f64,
        store: &mut dyn Store,
        listen: &mut dyn FnMut(&Event) -> Control,
    ) -> Result<(), TrainError> {
        let report = self.session.report().await?;
        let (step, now) = (self.progress.step, (self.clock)());
        let ms = (now - self.reported.1) / (step - self.reported.0).max(1) as f64;
        self.reported = (step, now);
        let event = Event::Step { step, loss: report.loss, grad_norm: report.grad_norm, learning_rate, bad: report.bad, ms };
        store.record(&event).map_err(TrainError::Store)?;
        listen(&event);
        if u64::from(report.bad_in_a_row) >= self.settings.max_bad_steps.max(1) {
            return Err(TrainError::NotFinite { step, in_a_row: report.bad_in_a_row, bad: report.bad });
        }
        Ok(())
    }

    /// Scores the validation part; whether to stop early.
    async fn validate(
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
            self.progress = Progress { step, best_loss: Some(loss), best_step: step, stale: 0 };
            let parameters = self.session.save(step).await?.parameters;
            store.best(&parameters, &self.progress).map_err(TrainError::Store)?;
            self.best = Some(parameters);
        } else {
            self.progress.stale += 1;
        }
        let event = Event::Validation { step, loss, best };
        store.record(&event).map_err(TrainError::Store)?;
        *stop |= listen(&event) == Control::Stop;
        // Validation time is not a step's.
        self.reported = (step, (self.clock)());
        Ok(self.settings.patience.is_some_and(|p| self.progress.stale > p))
    }

    async fn checkpoint(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<(), TrainError> {
        let state = self.session.save(self.progress.step).await?;
        store.checkpoint(&state, &self.progress).map_err(TrainError::Store)?;
        self.good = (state, self.progress.clone());
        let event = Event::Checkpoint { step: self.progress.step };
        listen(&event);
        Ok(())
    }
}
