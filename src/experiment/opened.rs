//! A stored run, opened to resume, evaluate or inspect it.

use super::{Archive, Experiment, ExperimentError, RunRecord, StoredRun};
use crate::config::Config;
use crate::data::{Dataset, Known, Scaler};
use std::io::Read;
use std::sync::Arc;

/// A stored run.
pub struct Run {
    /// Its files.
    pub stored: StoredRun,
    /// Its record: everything except the config.
    pub record: RunRecord,
    /// Its config. Changes, for instance of the memory budget, apply to this use of the run and are not stored.
    pub config: Config,
    scaler: Arc<Scaler>,
}

impl Run {
    /// Opens a run folder or a run file.
    ///
    /// # Errors
    /// Fails if it is not a run, is damaged, or is newer than this crate.
    #[cfg(feature = "native")]
    pub fn open(path: &std::path::Path) -> Result<Self, ExperimentError> {
        Self::of(StoredRun::open(path)?)
    }

    /// Opens a run file in memory. Messages use `label` as its name.
    ///
    /// # Errors
    /// As [`Run::open`].
    pub fn unpack(label: &str, bytes: &[u8]) -> Result<(Self, Arc<Archive>), ExperimentError> {
        let archive = Arc::new(Archive::unpack(label, bytes)?);
        Ok((Self::of(StoredRun::load(archive.clone())?)?, archive))
    }

    fn of((stored, record): (StoredRun, RunRecord)) -> Result<Self, ExperimentError> {
        let (config, scaler) = (stored.config()?, Arc::new(stored.scaler()?));
        Ok(Self { stored, record, config, scaler })
    }

    /// Replaces the data file name of the record, because a browser does not know paths.
    #[must_use]
    pub fn named(mut self, file: &str) -> Self {
        self.record.data = file.into();
        self
    }

    /// The experiment of the run with data that have its columns.
    ///
    /// # Errors
    /// Fails if the data cannot be used or have other series, or if the graph of the run is damaged.
    pub fn read(self, data: impl Read) -> Result<Experiment, ExperimentError> {
        let dataset = Dataset::read_for(&self.config, data, Some(&self.known()))?;
        self.with(dataset)
    }

    /// The experiment of the run with the data on which it was trained, or with those of another file.
    ///
    /// # Errors
    /// As [`Run::read`], and if the file cannot be read.
    #[cfg(feature = "native")]
    pub fn open_data(self, file: Option<&std::path::Path>) -> Result<Experiment, ExperimentError> {
        let file = file.unwrap_or(&self.record.data).to_owned();
        let dataset = Dataset::open_for(&self.config, &file, Some(&self.known())).map_err(super::error::in_file(&file))?;
        let experiment = self.with(dataset).map_err(super::error::of_file(&file))?;
        Ok(Experiment { file: super::error::place(&file), ..experiment })
    }

    /// What the run knows of its data.
    fn known(&self) -> Known<'_> {
        Known { scaler: &self.scaler, facts: self.record.facts.as_ref() }
    }

    fn with(self, dataset: Dataset) -> Result<Experiment, ExperimentError> {
        let Self { stored, record, config, scaler } = self;
        scaler.check(&dataset)?;
        let graph = stored.graph(&config, &dataset)?;
        Ok(Experiment {
            notes: dataset.report().notes.clone(),
            config: Arc::new(config),
            dataset: Arc::new(dataset),
            scaler,
            graph: Arc::new(graph),
            class: None,
            file: None,
            run: Some((stored, record)),
        })
    }
}
