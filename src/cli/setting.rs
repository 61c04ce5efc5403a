//! The model and the batch of a measurement.

use pgat::config::Config;
use pgat::data::PartWindows;
use pgat::engine::model::ModelShape;
use pgat::experiment::Experiment;

/// The model of a config and a batch of its windows.
pub(crate) struct Setting {
    pub(crate) shape: ModelShape,
    pub(crate) source: PartWindows,
    pub(crate) indices: Vec<usize>,
}

impl Setting {
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        let experiment = Experiment::open(config.clone())?;
        let (shape, source) = (experiment.shape(), experiment.training_windows()?);
        let indices = (0..config.training.batch_size.min(source.index.len())).collect();
        Ok(Self { shape, source, indices })
    }
}
