//! The option `--memory`.

use pgat::bytes::{Budget, NoBudget};
use pgat::config::TrainingSettings;

/// The memory budget on the device.
#[derive(clap::Args)]
pub(crate) struct MemoryBudget {
    /// Memory budget for all buffers on the device, such as 256MiB, 1.5GiB or unlimited. The fastest plan that fits is used; the results do
    /// not depend on it [default: `training.memory` of the config, otherwise 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = size, allow_hyphen_values = true)]
    memory: Option<String>,
}

/// Checks a size and keeps its text for the config.
fn size(text: &str) -> Result<String, NoBudget> {
    text.parse::<Budget>().map(|_| text.to_owned())
}

impl MemoryBudget {
    /// Sets the budget in the settings, if one is given.
    pub(crate) fn apply(&self, settings: &mut TrainingSettings) {
        if let Some(memory) = &self.memory {
            settings.memory = Some(memory.clone());
        }
    }
}
