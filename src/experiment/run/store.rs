//! Writes the output of training to the files of a run.

use super::{AVERAGE, BEST, CHECKPOINT, METRICS, StoredRun, WEIGHTS, Weights};
use crate::model::ParameterPlace;
use crate::session::State;
use crate::train::weights::{Notes, write_state, write_weights};
use crate::train::{Event, Progress, Store, StoreError};

/// Stores checkpoints, best weights and events of a run in its files.
pub struct RunStore {
    pub(super) run: StoredRun,
    pub(super) places: Vec<ParameterPlace>,
    pub(super) notes: Notes,
}

impl RunStore {
    fn notes(&self, progress: &Progress) -> Notes {
        let mut notes = self.notes.clone();
        notes.insert("progress".into(), serde_json::to_string(progress).unwrap_or_default());
        notes
    }
}

impl Store for RunStore {
    fn checkpoint(&mut self, state: &State, progress: &Progress) -> Result<(), StoreError> {
        let notes = self.notes(progress);
        let weights = write_weights(&self.places, &state.parameters, &notes)?;
        self.run.write(WEIGHTS, &weights)?;
        drop(weights);
        if !state.average.is_empty() {
            let average = write_weights(&self.places, &state.average, &notes)?;
            self.run.write(AVERAGE, &average)?;
        }
        let all = write_state(&self.places, state, &notes)?;
        Ok(self.run.write(CHECKPOINT, &all)?)
    }

    fn best(&mut self, parameters: &[f32], progress: &Progress) -> Result<(), StoreError> {
        let weights = write_weights(&self.places, parameters, &self.notes(progress))?;
        Ok(self.run.write(BEST, &weights)?)
    }

    fn record(&mut self, event: &Event) -> Result<(), StoreError> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        Ok(self.run.append(METRICS, line.as_bytes())?)
    }

    fn stored_best(&self) -> Result<Option<Vec<f32>>, StoreError> {
        let stored = self.run.has_best();
        Ok(if stored { Some(self.run.weights(&self.places, Weights::Best)?) } else { None })
    }

    fn rewind(&mut self, progress: &Progress) -> Result<(), StoreError> {
        Ok(self.run.rewind(progress)?)
    }
}
