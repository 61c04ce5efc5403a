//! The contribution of each part of the model: the loss on windows of a part with one switch off at a time and unchanged weights. A model
//! trained without the part might reach the same loss; this measures what the trained model depends on.

use super::{InspectError, field};
use crate::config::{Config, ModelSettings};
use crate::data::{Dataset, PartWindows, Scaler};
use crate::evaluate::{EvaluateError, distribution, transforms};
use crate::forecast::Predictive as _;
use crate::session::Session;
use serde::Serialize;
use serde_json::Value;

/// Scores on the inspected windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Worth {
    /// The training loss without the penalty of the graph; for heads with a density, the mean negative log-likelihood in standardised
    /// units.
    pub loss: f64,
    /// Mean CRPS, in units of the training deviation of each target.
    pub crps: f64,
}

/// A switch of the model and its effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Switch {
    /// Key in `[model]`.
    pub key: String,
    /// Whether the run was trained with it.
    pub on: bool,
    /// Scores with the switch off; `None` if it is already off, or cannot be switched off alone.
    pub without: Option<Worth>,
    /// Loss with the switch off minus loss of the full model. Above 0, the part improves the model.
    pub change: Option<f64>,
    /// The reason why it cannot be switched off alone.
    pub why_not: Option<String>,
}

/// All switches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Features {
    /// "validation" or "test".
    pub part: String,
    /// Number of scored windows.
    pub windows: usize,
    /// Scores of the unchanged model.
    pub with_all: Worth,
    /// The scored switches, the largest change first, followed by those that were not scored.
    pub switches: Vec<Switch>,
}

/// Switches of initial values and of the loss: a trained model does not depend on them.
const OF_TRAINING: [&str; 2] = ["use_logit_penalty", "use_zero_head"];

/// Keys in `[model]` that switch a part of the model, in alphabetical order, and whether each is on.
#[must_use]
pub fn switches(settings: &ModelSettings) -> Vec<(String, bool)> {
    let Ok(Value::Object(all)) = serde_json::to_value(settings) else { return vec![] };
    let all = all.into_iter().filter(|(key, _)| key.starts_with("use_") && !OF_TRAINING.contains(&key.as_str()));
    all.filter_map(|(key, on)| on.as_bool().map(|on| (key, on))).collect()
}

/// The settings with one switch off; `None` if there is no such switch.
#[must_use]
pub fn without(settings: &ModelSettings, key: &str) -> Option<ModelSettings> {
    let mut all = serde_json::to_value(settings).ok()?;
    *all.get_mut(key).filter(|v| v.is_boolean())? = Value::Bool(false);
    serde_json::from_value(all).ok()
}

/// Scores of the model of a session on the given windows.
///
/// # Errors
/// Fails if no value is observed, the device is lost, or the model's output is not a distribution.
pub async fn worth(session: &mut Session, source: &PartWindows, config: &Config, windows: &[usize]) -> Result<Worth, InspectError> {
    let (dataset, scaler): (&Dataset, &Scaler) = (&source.dataset, &source.scaler);
    let (transforms, shape, settings) = (transforms(scaler, config)?, *dataset.shape(), session.shape().settings.clone());
    let (mut sum, mut count, mut wrong) = (0.0, 0_usize, None);
    let loss = session.score(source, windows, |window, mixture| {
        let id = source.id(window);
        for (cell, (step, target)) in (0..shape.horizon).flat_map(|step| (0..shape.num_targets).map(move |t| (step, t))).enumerate() {
            let row = id.row as usize + shape.history + step;
            let Some(truth) = dataset.target_value(id.segment, row, target) else { continue };
            match distribution(&mixture, cell, &settings, &transforms[target]) {
                Ok(predicted) => {
                    sum += predicted.crps(truth) / scaler.target_scale(target).1;
                    count += 1;
                }
                Err(source) => {
                    let (series, time) = (dataset.target_names()[target].clone(), dataset.format_stamp(id.segment, row));
                    wrong = Some(EvaluateError::Mixture { series, time, source });
                }
            }
        }
    });
    let loss = loss.await?;
    match wrong {
        Some(wrong) => Err(wrong.into()),
        None if count == 0 => Err(nothing_observed(windows.len()).into()),
        None => Ok(Worth { loss, crps: sum / count as f64 }),
    }
}

fn nothing_observed(windows: usize) -> EvaluateError {
    let place = format!("the forecast steps of the {windows} windows");
    EvaluateError::NothingObserved { place, advice: "give data with values of the targets in these rows, or set other rows in [split]" }
}

impl Features {
    /// Combines the scores of the unchanged model with those for each switch: `None` if the switch is already off, an error text if it
    /// cannot be switched off alone.
    #[must_use]
    pub fn new(part: String, windows: usize, with_all: Worth, scored: Vec<(String, Option<Result<Worth, String>>)>) -> Self {
        let switch = |(key, outcome): (String, Option<Result<Worth, String>>)| {
            let (on, without, why_not) = match outcome {
                None => (false, None, None),
                Some(Ok(worth)) => (true, Some(worth), None),
                Some(Err(why)) => (true, None, Some(why)),
            };
            Switch { key, on, without, change: without.map(|w| w.loss - with_all.loss), why_not }
        };
        let mut switches: Vec<Switch> = scored.into_iter().map(switch).collect();
        switches.sort_by(|a, b| b.change.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.change.unwrap_or(f64::NEG_INFINITY)));
        Self { part, windows, with_all, switches }
    }

    /// The table as CSV: switch, on, loss and CRPS without it, change of the loss.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = format!("switch,on,loss,crps,change\n,,{:.6},{:.6},\n", self.with_all.loss, self.with_all.crps);
        for s in &self.switches {
            let number = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:.6}"));
            let scores = [s.without.map(|w| w.loss), s.without.map(|w| w.crps), s.change].map(number).join(",");
            text += &format!("{},{},{scores}\n", field(&s.key), s.on);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_of_the_model_is_found_and_can_be_turned() {
        let settings = ModelSettings::default();
        let all = switches(&settings);
        // Those of the first generation are on, those of the second off.
        assert!(all.iter().filter(|s| s.1).count() >= 17 && all.iter().filter(|s| !s.1).count() >= 6, "{all:?}");
        assert!(!all.iter().any(|s| OF_TRAINING.contains(&s.0.as_str())));
        for (key, on) in &all {
            let off = switches(&without(&settings, key).expect("a switch"));
            let changed: Vec<_> = all.iter().zip(&off).filter(|(a, b)| a != b).map(|(a, _)| a.0.clone()).collect();
            assert_eq!(changed, if *on { vec![key.clone()] } else { vec![] });
        }
        assert!(without(&settings, "patch_len").is_none() && without(&settings, "use_magic").is_none());
    }

    #[test]
    fn what_matters_most_comes_first() {
        let worth = |loss| Worth { loss, crps: 0.5 };
        let scored = vec![
            ("use_a".into(), Some(Ok(worth(1.1)))),
            ("use_b".into(), None),
            ("use_c".into(), Some(Ok(worth(2.0)))),
            ("use_d".into(), Some(Err("no".into()))),
        ];
        let features = Features::new("test".into(), 3, worth(1.0), scored);
        let keys: Vec<_> = features.switches.iter().map(|s| s.key.as_str()).collect();
        assert_eq!(keys, ["use_c", "use_a", "use_b", "use_d"]);
        assert!((features.switches[0].change.expect("a change") - 1.0).abs() < 1e-12);
    }
}
