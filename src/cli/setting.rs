//! What a measurement computes: a model on a batch.

use super::open;
use pgat::config::Config;
use pgat::data::{PartWindows, Scaler};
use pgat::model::ModelShape;
use std::sync::Arc;

/// A config's model and a batch of its windows.
pub(crate) struct Setting {
    pub(crate) shape: ModelShape,
    pub(crate) source: PartWindows,
    pub(crate) indices: Vec<usize>,
}

impl Setting {
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        let dataset = open::dataset(config, config.data.path.as_ref())?;
        let scaler = Arc::new(Scaler::fit(&dataset)?.0);
        let shape = ModelShape::of(config, &dataset, &open::graph(config, &dataset)?.0);
        let source = PartWindows::new(dataset.clone(), scaler, dataset.training_windows()?);
        let indices = (0..config.training.batch_size.min(source.index.len())).collect();
        Ok(Self { shape, source, indices })
    }
}
