//! A planned experiment: memory and time of training are known, and nothing is created on the device.

use super::{Experiment, ExperimentError, RunRecord, StoredRun, Summary, Trained, Training};
use crate::data::Part;
use crate::executor::Backend;
use crate::plan::Plan;
use crate::session::{Session, Setup, State};
use crate::train::{Control, Event, Progress, Trainer};
use std::sync::Arc;

/// An experiment with its plan.
pub struct Planned {
    pub(super) experiment: Experiment,
    pub(super) backend: Backend,
    pub(super) setup: Setup,
    pub(super) plan: Arc<Plan>,
    pub(super) summary: Summary,
}

impl Planned {
    /// The summary of the plan.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The backend for which it is planned.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The setup of the training session.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Trains a new run to its end, or until the listener stops it. `listener` receives every event.
    ///
    /// # Errors
    /// Fails if an allocation or the device fails, values remain non-finite, or the run cannot be stored.
    pub async fn train(self, stored: StoredRun, listener: &mut dyn FnMut(&Event) -> Control) -> Result<Trained, ExperimentError> {
        let mut training = self.begin(stored).await?;
        training.run(listener).await?;
        training.finish().await
    }

    /// Starts a new run: creates all buffers and kernels on the device, and writes the first files of the run.
    ///
    /// # Errors
    /// Fails if the device fails, or the files cannot be written.
    pub async fn begin(self, stored: StoredRun) -> Result<Training, ExperimentError> {
        let (experiment, summary) = (self.experiment, self.summary);
        let session = Session::of_plan(self.setup, self.backend, self.plan).await?;
        let mut record = RunRecord::new(&experiment.config, &experiment.dataset, &session);
        if let Some(file) = &experiment.file {
            record.data = file.clone();
        }
        stored.write_start(&experiment, &summary, &record)?;
        let experiment = Experiment { run: Some((stored, record)), ..experiment };
        Self::training(experiment, session, None).await
    }

    /// Resumes the run of the experiment from its last checkpoint, or from the start if there is none.
    ///
    /// # Errors
    /// Fails if the experiment has no run, its data are not those on which the run was trained, or the device fails.
    pub async fn resume(self) -> Result<Training, ExperimentError> {
        let mut experiment = self.experiment;
        experiment.check_rows()?;
        experiment.record_data_file()?;
        let Some((stored, record)) = &mut experiment.run else { return Err(ExperimentError::Untrained("the experiment".into())) };
        let session = Session::of_plan(self.setup, self.backend, self.plan).await?;
        let state = stored.checkpoint(session.parameters())?;
        let progress = state.as_ref().map(|(_, progress)| progress.clone()).unwrap_or_default();
        if record.go_on(progress.step, &session) {
            stored.write_record(record)?;
        }
        stored.rewind(&progress)?;
        Self::training(experiment, session, state).await
    }

    async fn training(experiment: Experiment, session: Session, state: Option<(State, Progress)>) -> Result<Training, ExperimentError> {
        let dataset = &experiment.dataset;
        let train = Arc::new(experiment.source(dataset.training_windows()?));
        let validation = Arc::new(experiment.source(dataset.evaluation_windows(Part::Validation)?));
        let mut trainer = Trainer::new(session, train, Some(validation))?;
        if let Some((state, progress)) = state {
            trainer.resume(state, progress).await?;
        }
        Ok(Training::new(experiment, trainer))
    }
}
