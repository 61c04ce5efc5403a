//! A golden file: tensors in f64, and the sizes in its metadata.

use super::VerifyError;
use crate::config::ModelSettings;
use crate::data::{SideInputs, WindowShape};
use crate::graph::{Graph, TensorId};
use crate::model::ModelShape;
use crate::ops::Scope;
use crate::plan::Recording;
use crate::series_graph::GraphConstants;
use crate::step::StepInput;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tensors of a golden file, in f64.
pub struct Golden {
    /// Sizes and switches.
    pub shape: ModelShape,
    /// The training loss, if the metadata name it.
    pub loss: Option<String>,
    pub(super) tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Golden {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// Fails if the file is damaged or its metadata contain no sizes.
    pub fn read(bytes: &[u8]) -> Result<Self, VerifyError> {
        let format = |e: safetensors::SafeTensorError| VerifyError::Format(e.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(format)?;
        let config = metadata.metadata().as_ref().and_then(|m| m.get("config"));
        let config = config.cloned();
        let file = SafeTensors::deserialize(bytes).map_err(format)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let values: Vec<f64> = match view.dtype() {
                Dtype::F64 => bytemuck::pod_collect_to_vec(view.data()),
                Dtype::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(view.data()).into_iter().map(f64::from).collect(),
                Dtype::I32 => bytemuck::pod_collect_to_vec::<u8, i32>(view.data()).into_iter().map(f64::from).collect(),
                other => return Err(VerifyError::Format(format!("{name} has the type {other:?}, expected F32, F64 or I32"))),
            };
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        let shape = match &config {
            Some(config) => shape_of(config)?,
            None => shape_of_fit(&tensors).ok_or_else(|| VerifyError::Config("is missing".into()))?,
        };
        let loss = metadata.metadata().as_ref().and_then(|m| m.get("loss")).cloned();
        let mut golden = Self { shape, loss, tensors };
        golden.shape.features = Arc::new(golden.features()?);
        if golden.tensors.contains_key("in.static") {
            Arc::make_mut(&mut golden.shape.side).statics = golden.f32("in.static")?;
        }
        Ok(golden)
    }

    /// Features of the series graph; a feature that the file lacks keeps its default.
    fn features(&self) -> Result<GraphConstants, VerifyError> {
        let mut features = (*self.shape.features).clone();
        let GraphConstants { prior, centrality, spectral, random_walk, eigenmaps, .. } = &mut features;
        let floats =
            [("prior", prior), ("centrality", centrality), ("spectral", spectral), ("random_walk", random_walk), ("eigenmaps", eigenmaps)];
        for (name, to) in floats {
            if self.tensors.contains_key(&format!("in.{name}")) {
                *to = self.f32(&format!("in.{name}"))?;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "small counts")]
        let counts = |t: &(Vec<usize>, Vec<f64>)| t.1.iter().map(|v| *v as u32).collect();
        if let Some(t) = self.tensors.get("in.hop_distance") {
            features.hop_distance = counts(t);
        }
        for (i, clusters) in features.clusters.iter_mut().enumerate() {
            if let Some(t) = self.tensors.get(&format!("in.cluster.{i}")) {
                *clusters = counts(t);
            }
        }
        Ok(features)
    }

    /// Shape and values of a tensor.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&(Vec<usize>, Vec<f64>)> {
        self.tensors.get(name)
    }

    /// Whether the file is a trajectory: it contains `step.*`, and its inputs have a leading axis of steps.
    #[must_use]
    pub fn is_trajectory(&self) -> bool {
        self.tensors.keys().any(|name| name.starts_with("step."))
    }

    /// Whether it is a fit of the calibration, without a model: mixtures, targets and the fitted factors.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        self.tensors.contains_key(FIT)
    }

    /// Whether it is a trajectory of the second generation: the linear start, then the whole model.
    #[must_use]
    pub fn has_two_phases(&self) -> bool {
        self.tensors.contains_key("step.loss")
    }

    /// Number of steps of a trajectory.
    pub(super) fn steps(&self) -> Result<usize, VerifyError> {
        Ok(self.get(if self.has_two_phases() { "step.loss" } else { "step.nll" })?.1.len())
    }

    pub(super) fn get(&self, name: &str) -> Result<&(Vec<usize>, Vec<f64>), VerifyError> {
        self.tensors.get(name).ok_or_else(|| VerifyError::Missing(format!("{name} in the file")))
    }

    pub(super) fn f32(&self, name: &str) -> Result<Vec<f32>, VerifyError> {
        #[expect(clippy::cast_possible_truncation, reason = "the model's inputs are f32")]
        let narrow = |v: &f64| *v as f32;
        Ok(self.get(name)?.1.iter().map(narrow).collect())
    }

    /// Number of windows of the inputs; `axis` is their axis of windows.
    pub(super) fn windows(&self, axis: usize) -> Result<usize, VerifyError> {
        let found = self.get("in.values")?.0.get(axis).copied().unwrap_or(0);
        if found == 0 { Err(VerifyError::Missing("in.values with at least one window in the file".into())) } else { Ok(found) }
    }

    /// The inputs of a recording in a step; for a trajectory, `step` selects one of its steps.
    pub(super) fn inputs(&self, recording: &Recording, windows: usize, step: Option<usize>) -> Result<Vec<Vec<f32>>, VerifyError> {
        let parts = if step.is_some() { self.steps()? } else { 1 };
        let one = |t: TensorId| {
            let tensor = &recording.program.graph.tensors[t];
            let name = match tensor.name.strip_prefix("graph.noise.") {
                Some(stage) => format!("gumbel.{stage}"),
                None => format!("in.{}", tensor.name),
            };
            let times = if tensor.operand.scope == Scope::Window { windows } else { 1 };
            let (len, all) = (tensor.operand.len() * times, self.f32(&name)?);
            if all.len() != len * parts {
                return Err(VerifyError::Shape { name, expected: len * parts, found: all.len() });
            }
            Ok(all[step.unwrap_or(0) * len..][..len].to_vec())
        };
        recording.inputs().into_iter().map(one).collect()
    }

    /// Parameters and stored tensors of the file (`prefix` followed by their names) in the order of the flat buffer. The model must have
    /// each of the file's tensors with this prefix.
    pub(super) fn parameters(&self, graph: &Graph, prefix: &str) -> Result<Vec<f32>, VerifyError> {
        let mut flat = vec![0.0; graph.parameters_len()];
        let mut placed = vec![];
        for (t, at) in graph.parameters().into_iter().chain(graph.stored_tensors()) {
            let name = format!("{prefix}{}", graph.tensors[t].name);
            let values = self.f32(&name)?;
            let expected = graph.tensors[t].operand.len();
            if values.len() != expected {
                return Err(VerifyError::Shape { name, expected, found: values.len() });
            }
            flat[at..at + expected].copy_from_slice(&values);
            placed.push(name);
        }
        for (name, (_, values)) in self.tensors.range(prefix.to_owned()..).take_while(|(n, _)| n.starts_with(prefix)) {
            if !values.is_empty() && !placed.contains(name) {
                return Err(VerifyError::Shape { name: name.clone(), expected: 0, found: values.len() });
            }
        }
        Ok(flat)
    }
}

/// The last input is the mask of observed targets, if there are targets.
pub(super) fn step_input(windows: usize, learning_rate: f32, inputs: &[Vec<f32>]) -> StepInput<'_> {
    let observed: f32 = inputs.last().map_or(0.0, |mask| mask.iter().sum());
    StepInput { windows, first_window: 0, keys: [0, 0], learning_rate, shrink: 0.0, inverse_count: 1.0 / observed.max(1.0), inputs }
}

/// The factors in a file with a fit of the calibration.
const FIT: &str = "out.calibration";

/// Sizes of the mixtures `[B, H, Nt, K]` in a file with a fit of the calibration.
fn shape_of_fit(tensors: &BTreeMap<String, (Vec<usize>, Vec<f64>)>) -> Option<ModelShape> {
    let &[_, horizon, num_targets, components] = &tensors.get("in.mean").filter(|_| tensors.contains_key(FIT))?.0[..] else { return None };
    let window =
        WindowShape { history: 1, horizon, num_covariates: 0, num_targets, num_channels: 1, num_calendar: 0, ..WindowShape::default() };
    Some(ModelShape::new(window, ModelSettings { mdn_components: components, ..ModelSettings::default() }))
}

/// Settings in a TOML file.
#[derive(serde::Deserialize)]
struct Settings {
    model: ModelSettings,
}

/// Sizes from the JSON configuration of the reference.
fn shape_of(json: &str) -> Result<ModelShape, VerifyError> {
    let wrong = |e: &dyn std::fmt::Display| VerifyError::Config(format!("cannot be read: {e}"));
    let mut all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).map_err(|e| wrong(&e))?;
    let mut take = |key: &str| -> Result<usize, VerifyError> {
        let value = all.remove(key).and_then(|v| v.as_u64());
        value.and_then(|v| usize::try_from(v).ok()).ok_or_else(|| VerifyError::Config(format!("has no valid {key}")))
    };
    let window = WindowShape {
        history: take("seq_len")?,
        horizon: take("pred_len")?,
        num_covariates: take("num_covariates")?,
        num_targets: take("num_targets")?,
        num_channels: take("num_channels")?,
        num_calendar: take("num_calendar")?,
        num_common: 0,
        num_own: 0,
    };
    // Sizes of the category inputs; absent in files without them.
    let mut sizes = |key: &str| -> Result<Vec<usize>, VerifyError> {
        let Some(value) = all.remove(key) else { return Ok(vec![]) };
        serde_json::from_value(value).map_err(|_| VerifyError::Config(format!("has no valid {key}")))
    };
    let side = SideInputs { common: sizes("common_sizes")?, own: sizes("own_sizes")?, statics: vec![] };
    all.remove("num_static"); // the tensor tells it
    // As a table of a TOML file: the page holds the code that reads settings once.
    let text = toml::to_string(&serde_json::Map::from_iter([("model".to_owned(), all.into())])).map_err(|e| wrong(&e))?;
    let Settings { model } = toml::from_str(&text).map_err(|e| wrong(&e))?;
    Ok(ModelShape::new(window, model).with_side(side))
}
