//! Weights as safetensors, under the parameter names of the reference implementation. The metadata holds the names of the series, because
//! node vectors belong to names, not to positions.

use crate::model::ParameterPlace;
use crate::session::State;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use std::collections::{BTreeMap, HashMap};

/// Format version of the weight files and checkpoints that this crate writes, and the newest version that it reads.
pub const WEIGHTS_VERSION: u32 = 1;

/// Errors of weight files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Not a safetensors file, or a damaged one.
    #[error("the weights cannot be read as safetensors: {0}")]
    Format(String),
    /// Written by a newer version.
    #[error("the weights have format version {found}; this pgat reads up to {WEIGHTS_VERSION}: update pgat")]
    Newer {
        /// Version found.
        found: u32,
    },
    /// A tensor is missing or has another shape.
    #[error("{name}: the model needs shape {expected:?}, the weights have {found}")]
    Tensor {
        /// Name.
        name: String,
        /// Shape in the model.
        expected: Vec<usize>,
        /// What was found.
        found: String,
    },
    /// The model does not have this tensor.
    #[error("the weights contain {0}, which this model does not have")]
    Unknown(String),
}

/// Metadata of a file.
pub type Notes = BTreeMap<String, String>;

fn views<'a>(places: &'a [ParameterPlace], prefix: &'a str, flat: &'a [f32]) -> Vec<(String, TensorView<'a>)> {
    let one = |p: &'a ParameterPlace| {
        let n: usize = p.shape.iter().product();
        let bytes = bytemuck::cast_slice(&flat[p.start..p.start + n]);
        TensorView::new(Dtype::F32, p.shape.clone(), bytes).ok().map(|v| (format!("{prefix}{}", p.name), v))
    };
    places.iter().filter_map(one).collect()
}

/// The parameters that have moments.
fn trained(places: &[ParameterPlace]) -> Vec<ParameterPlace> {
    places.iter().filter(|p| p.trained).cloned().collect()
}

/// The metadata of a file: one entry, `pgat`, with a JSON object of strings. The format stores entries in no fixed order, so a single entry
/// ensures that equal runs write equal files.
fn metadata(notes: &Notes) -> HashMap<String, String> {
    let mut all = notes.clone();
    all.insert("format_version".into(), WEIGHTS_VERSION.to_string());
    all.insert("writer".into(), concat!("pgat ", env!("CARGO_PKG_VERSION")).into());
    HashMap::from([("pgat".into(), serde_json::to_string(&all).unwrap_or_default())])
}

/// A file that holds only parameters. The reference implementation can load it by name.
///
/// # Errors
/// Fails only if the file would be too large for its format.
pub fn write_weights(places: &[ParameterPlace], parameters: &[f32], notes: &Notes) -> Result<Vec<u8>, WeightsError> {
    serialize(views(places, "", parameters), Some(metadata(notes))).map_err(|e| WeightsError::Format(e.to_string()))
}

/// A file with the complete training state.
///
/// # Errors
/// Fails only if the file would be too large for its format.
pub fn write_state(places: &[ParameterPlace], state: &State, notes: &Notes) -> Result<Vec<u8>, WeightsError> {
    let mut all = views(places, "param.", &state.parameters);
    let trained = trained(places);
    all.extend(views(&trained, "moment1.", &state.moment1));
    all.extend(views(&trained, "moment2.", &state.moment2));
    if !state.average.is_empty() {
        all.extend(views(places, "average.", &state.average));
    }
    let counters = TensorView::new(Dtype::F32, vec![state.optimiser.len()], bytemuck::cast_slice(&state.optimiser));
    all.push(("optimiser.state".into(), counters.map_err(|e| WeightsError::Format(e.to_string()))?));
    let mut notes = notes.clone();
    notes.insert("step".into(), state.step.to_string());
    serialize(all, Some(metadata(&notes))).map_err(|e| WeightsError::Format(e.to_string()))
}

fn open(bytes: &[u8]) -> Result<(SafeTensors<'_>, Notes), WeightsError> {
    let format = |e: safetensors::SafeTensorError| WeightsError::Format(e.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(format)?;
    // Files of the reference implementation contain only tensors and have no such entry.
    let notes: Notes = match metadata.metadata().as_ref().and_then(|m| m.get("pgat")) {
        Some(text) => serde_json::from_str(text).map_err(|e| WeightsError::Format(format!("metadata: {e}")))?,
        None => Notes::new(),
    };
    let found = notes.get("format_version").and_then(|v| v.parse().ok()).unwrap_or(1);
    if found > WEIGHTS_VERSION {
        return Err(WeightsError::Newer { found });
    }
    Ok((SafeTensors::deserialize(bytes).map_err(format)?, notes))
}

/// The flat buffer of the tensors under `prefix`, each with the shape that the model requires.
fn flat(file: &SafeTensors, places: &[ParameterPlace], prefix: &str) -> Result<Vec<f32>, WeightsError> {
    let end = places.last().map_or(0, |p| p.start + crate::ops::def::padded(p.shape.iter().product()));
    let mut all = vec![0.0; end];
    for p in places {
        let name = format!("{prefix}{}", p.name);
        let wrong = |found: String| WeightsError::Tensor { name: name.clone(), expected: p.shape.clone(), found };
        // A tensor without elements may be missing: files of older versions lack it.
        if p.shape.contains(&0) && file.tensor(&name).is_err() {
            continue;
        }
        let view = file.tensor(&name).map_err(|_| wrong("no such tensor".into()))?;
        if view.dtype() != Dtype::F32 || view.shape() != p.shape {
            return Err(wrong(format!("{:?} of {:?}", view.shape(), view.dtype())));
        }
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
        all[p.start..p.start + values.len()].copy_from_slice(&values);
    }
    Ok(all)
}

/// Reads parameters and notes of a weight file.
///
/// # Errors
/// Fails if the file is damaged, has a newer version, or belongs to another model.
pub fn read_weights(bytes: &[u8], places: &[ParameterPlace]) -> Result<(Vec<f32>, Notes), WeightsError> {
    let (file, notes) = open(bytes)?;
    if let Some(unknown) = file.names().into_iter().find(|n| !places.iter().any(|p| p.name == *n)) {
        return Err(WeightsError::Unknown(unknown.to_owned()));
    }
    Ok((flat(&file, places, "")?, notes))
}

/// Reads the parameters that a smaller model shares with the model of the file. Additional tensors in the file are ignored.
///
/// # Errors
/// Fails if the file is damaged, has a newer version, or lacks a tensor of the model.
pub fn read_shared_weights(bytes: &[u8], places: &[ParameterPlace]) -> Result<Vec<f32>, WeightsError> {
    flat(&open(bytes)?.0, places, "")
}

/// Reads state and notes of a checkpoint.
///
/// # Errors
/// Fails if the file is damaged, has a newer version, or belongs to another model.
pub fn read_state(bytes: &[u8], places: &[ParameterPlace]) -> Result<(State, Notes), WeightsError> {
    let (file, notes) = open(bytes)?;
    let step = notes.get("step").and_then(|s| s.parse().ok());
    let step = step.ok_or_else(|| WeightsError::Format("the checkpoint has no valid step in its metadata".into()))?;
    let counters = file.tensor("optimiser.state").map_err(|e| WeightsError::Format(e.to_string()))?;
    let trained = trained(places);
    let state = State {
        step,
        parameters: flat(&file, places, "param.")?,
        moment1: flat(&file, &trained, "moment1.")?,
        moment2: flat(&file, &trained, "moment2.")?,
        optimiser: bytemuck::pod_collect_to_vec(counters.data()),
        average: if file.names().iter().any(|n| n.starts_with("average.")) { flat(&file, places, "average.")? } else { vec![] },
    };
    Ok((state, notes))
}
