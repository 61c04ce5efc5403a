//! The defaults of the two generations of the model, and what only one of them knows.

use super::{Config, ConfigError, DensityLoss, Head, Metric};
use toml::{Table, Value};

/// The configuration of a file of version 2: its keys, and the second generation's defaults for those that it does not give.
///
/// # Errors
/// As the configuration itself; it was read without these defaults before.
pub(super) fn with_defaults(file: Table) -> Result<Config, ConfigError> {
    let text = include_str!("generation2.toml");
    let mut defaults: Table = toml::from_str(text).map_err(|e| ConfigError::from_toml(text, &e))?;
    let head = file.get("model").and_then(|m| m.get("head")).and_then(Value::as_str).unwrap_or("mixture");
    if !["mixture", "gaussian"].contains(&head)
        && let Some(model) = defaults.get_mut("model").and_then(Value::as_table_mut)
    {
        // The other heads have no spread to calibrate.
        model.remove("use_calibration");
    }
    merge(&mut defaults, file);
    // As text, so that the page holds the code that reads a configuration once.
    let merged = toml::to_string(&defaults)?;
    toml::from_str(&merged).map_err(|e| ConfigError::from_toml(&merged, &e))
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Settings of training and validation that the head of the model cannot serve.
///
/// # Errors
/// Names the first such setting.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let Config { model, training, validation, .. } = config;
    let head = match model.head {
        Head::Mixture | Head::Gaussian => None,
        Head::Quantile => Some("quantile"),
        Head::Point => Some("point"),
    };
    if let Some(head) = head {
        if training.loss == DensityLoss::Crps {
            let found = format!("the {head} head has no density and its own loss");
            return Err(ConfigError::invalid("training.loss", found, "remove training.loss, or set model.head = \"mixture\""));
        }
        if validation.metric == Metric::Nll {
            let found = format!("the {head} head has no density");
            return Err(ConfigError::invalid("validation.metric", found, "use \"crps\", \"pinball\" or \"loss\""));
        }
    }
    if training.start.steps > 0 && !model.use_zero_head {
        let found = "without use_zero_head the whole model does not start where the linear start ends";
        return Err(ConfigError::invalid("training.start.steps", found, "set model.use_zero_head = true, or training.start.steps = 0"));
    }
    Ok(())
}
