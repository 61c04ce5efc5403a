//! `--memory`: the budget of a command.

use pgat::bytes::{Budget, NoBudget};
use pgat::config::TrainingSettings;

/// Bytes on the device.
#[derive(clap::Args)]
pub(crate) struct MemoryBudget {
    /// Bytes that all buffers on the device together may take, such as 256MiB or 1.5GiB, or unlimited; the fastest plan within them is taken,
    /// and the result does not depend on it [default: `training.memory` of the config, else 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = size, allow_hyphen_values = true)]
    memory: Option<String>,
}

/// Checks a size, and keeps its text for the config.
fn size(text: &str) -> Result<String, NoBudget> {
    text.parse::<Budget>().map(|_| text.to_owned())
}

impl MemoryBudget {
    /// Puts the budget into the settings, if one is given.
    pub(crate) fn apply(&self, settings: &mut TrainingSettings) {
        if let Some(memory) = &self.memory {
            settings.memory = Some(memory.clone());
        }
    }
}
