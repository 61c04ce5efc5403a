//! What the training loop does before and after the steps of the whole model: the linear start, and the calibration of the spread.

use super::schedule::cycle;
use super::{CalibrationFit, Control, Event, Phase, Store, TrainError, Trainer};
use crate::data::{Permutation, WindowBuffers};
use crate::model::decoder::CALIBRATION;

/// Distinguishes the order of the windows in the linear start from that of the epochs of the whole model.
const START_ORDER: u64 = 0x7374_6172_7400;

impl Trainer {
    /// Runs what is left of the linear start. Its validation score is that of step 0. Returns whether training goes on.
    pub(super) async fn linear_start(
        &mut self,
        store: &mut dyn Store,
        listen: &mut dyn FnMut(&Event) -> Control,
    ) -> Result<bool, TrainError> {
        let s = self.settings().start.clone();
        if s.steps == 0 || self.progress.whole {
            return Ok(true);
        }
        self.reported = (self.progress.start, crate::clock::milliseconds());
        let every = |n: u64, step: u64| n > 0 && step.is_multiple_of(n);
        while self.progress.start < s.steps {
            let step = self.progress.start;
            let rate = s.learning_rate * cycle(step, s.steps);
            let indices = self.start_batch(step, s.batch_size);
            self.session.start_step(&*self.train, &indices, step, rate).await?;
            self.progress.start = step + 1;
            let (done, last) = (step + 1, step + 1 == s.steps);
            if every(self.settings().log_every, done) || last {
                self.report(Phase::Start, rate, store, listen).await?;
            }
            let stop = listen(&Event::Tick { phase: Phase::Start, step: done, total: s.steps }) == Control::Stop;
            if !last && (stop || every(self.settings().checkpoint_every, done)) {
                self.checkpoint(store, listen).await?;
            }
            if stop && !last {
                return Ok(false);
            }
        }
        self.session.renew_optimiser().await?;
        self.progress.whole = true;
        let mut stop = false;
        if self.validation.is_some() {
            self.validate(store, listen, &mut stop).await?;
        }
        self.checkpoint(store, listen).await?;
        self.reported = (self.progress.step, crate::clock::milliseconds());
        Ok(!stop)
    }

    /// Indices of the windows of a step of the linear start, in an order of their own.
    fn start_batch(&self, step: u64, size: usize) -> Vec<usize> {
        let windows = self.train.len();
        let per_epoch = windows.div_ceil(size.max(1)) as u64;
        let order = Permutation::new(windows, self.settings().seed ^ START_ORDER, step / per_epoch);
        let first = usize::try_from(step % per_epoch).unwrap_or(usize::MAX).saturating_mul(size);
        (first..first.saturating_add(size).min(windows)).map(|i| order.get(i)).collect()
    }

    /// Whether the spread is still to be calibrated after the last step.
    pub(super) fn must_calibrate(&self) -> bool {
        self.session.shape().settings.use_calibration && self.validation.is_some() && !self.progress.calibrated
    }

    /// Fits the factors of the spread on the validation windows, with the best weights, and stores these with the factors.
    pub(super) async fn calibrate(&mut self, store: &mut dyn Store, listen: &mut dyn FnMut(&Event) -> Control) -> Result<(), TrainError> {
        let Some(source) = self.validation.clone() else { return Ok(()) };
        let found = match self.best.take() {
            Some(best) => Some(best),
            None => store.stored_best().map_err(TrainError::Store)?,
        };
        // Without a finite validation score there are no best weights to calibrate.
        let Some(mut best) = found else { return Ok(()) };
        let shape = self.session.shape().clone();
        let place = self.session.parameters().iter().find(|p| p.name == CALIBRATION).cloned();
        let Some(place) = place else { return Ok(()) };
        let (w, components) = (shape.window, shape.settings.outputs().1);
        let range = place.start..place.start + w.horizon * w.num_targets;
        best[range.clone()].fill(0.0);
        self.session.load_parameters(&best).await?;
        let mut fit = CalibrationFit::new(w.horizon, w.num_targets, components);
        let mut buffers = WindowBuffers::new(&w);
        let all: Vec<usize> = (0..source.len()).collect();
        self.session
            .score(&*source, &all, |index, mixture| {
                source.fill(index, buffers.as_mut());
                fit.add(&mixture, &buffers.target, &buffers.target_observed);
            })
            .await?;
        #[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
        best[range].iter_mut().zip(fit.factors()).for_each(|(to, f)| *to = f as f32);
        self.progress.calibrated = true;
        store.best(&best, &self.progress).map_err(TrainError::Store)?;
        self.best = Some(best);
        let (before, after) = fit.covered();
        let event = Event::Calibrated { step: self.progress.step, before, after };
        store.record(&event).map_err(TrainError::Store)?;
        listen(&event);
        // Back to the last step's own parameters, which the checkpoint holds.
        let progress = self.progress.clone();
        self.rewind().await?;
        self.progress = progress;
        self.checkpoint(store, listen).await
    }
}
