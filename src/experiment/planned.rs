//! An experiment that was planned: it is known what training will take, and nothing was created yet.

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
    /// The plan in numbers.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Where it would run.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Sizes of the model.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Trains a new run to its end, or until the listener stops it. `listener` is told of every step.
    ///
    /// # Errors
    /// Fails if the device refuses or keeps failing, numbers stay bad, or the run cannot be stored.
    pub async fn train(self, stored: StoredRun, listener: &mut dyn FnMut(&Event) -> Control) -> Result<Trained, ExperimentError> {
        let mut training = self.begin(stored).await?;
        training.run(listener).await?;
        training.finish().await
    }

    /// Begins a new run: creates everything on the device and writes the run's first files.
    ///
    /// # Errors
    /// Fails if the device refuses, or the files cannot be written.
    pub async fn begin(self, stored: StoredRun) -> Result<Training, ExperimentError> {
        let (experiment, summary) = (self.experiment, self.summary);
        let session = Session::of_plan(self.setup, self.backend, self.plan).await?;
        let record = RunRecord::new(&experiment.config, &experiment.dataset, &session);
        stored.write_start(&experiment.config, &experiment.scaler, &experiment.graph, &summary, &record)?;
        let experiment = Experiment { run: Some((stored, record)), ..experiment };
        Self::training(experiment, session, None).await
    }

    /// Goes on with the run that the experiment belongs to, from its last checkpoint, or from the start where there is none.
    ///
    /// # Errors
    /// Fails if the experiment belongs to no run, its data are not those that the run was trained on, or the device refuses.
    pub async fn resume(self) -> Result<Training, ExperimentError> {
        let mut experiment = self.experiment;
        experiment.check_rows()?;
        let Some((stored, record)) = &mut experiment.run else { return Err(ExperimentError::Untrained("the experiment".into())) };
        let session = Session::of_plan(self.setup, self.backend, self.plan).await?;
        let state = stored.checkpoint(session.parameters())?;
        let step = state.as_ref().map_or(0, |(_, progress)| progress.step);
        let moved = experiment.file.as_ref().is_some_and(|file| *file != record.data);
        if moved {
            record.data = experiment.file.clone().unwrap_or_default();
        }
        if record.go_on(step, &session) || moved {
            stored.write_record(record)?;
        }
        stored.rewind(step)?;
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
