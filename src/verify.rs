//! Compares the model with a golden file: inputs, parameters, block outputs, losses and gradients of the PyTorch reference.
//!
//! The file holds `in.*`, `param.*`, `act.*`, `out.*`, `loss.*`, `grad.*` and its sizes as JSON in the metadata `config`.

use crate::compare::{Mismatch, largest_error, magnitude};
use crate::config::ModelSettings;
use crate::data::WindowShape;
use crate::executor::{Backend, Executor};
use crate::gpu::GpuError;
use crate::graph::{GraphError, Program};
use crate::model::graph::ModelGraph;
use crate::model::{Mode, Model, ModelError, ModelShape, build};
use crate::plan::{AdapterClass, BufferRole, Plan, PlanError, PlanOptions};
use crate::series_graph::GraphConstants;
use crate::step::StepInput;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A golden file cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Not a safetensors file, or damaged.
    #[error("the file cannot be read as safetensors: {0}")]
    Format(String),
    /// The metadata do not say what the sizes are.
    #[error("the file's metadata `config` {0}")]
    Config(String),
    /// A tensor that must be there is not.
    #[error("the file has no tensor {0}")]
    Missing(String),
    /// A tensor has another shape than the model says.
    #[error("{name}: the file has {found} elements, the model {expected}")]
    Shape {
        /// Name in the file.
        name: String,
        /// Elements in the model.
        expected: usize,
        /// Elements in the file.
        found: usize,
    },
    /// A tensor cannot be compared.
    #[error("{name}: {mismatch}")]
    Mismatch {
        /// Name in the file.
        name: String,
        /// Why.
        mismatch: Mismatch,
    },
    /// The model of the file cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Its gradient cannot.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// It cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// The tensors of a golden file, in f64.
pub struct Golden {
    /// Sizes and switches.
    pub shape: ModelShape,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

/// Largest error of a group of tensors (`act`, `out`, `loss`, `grad`).
#[derive(Clone, Debug, serde::Serialize)]
pub struct GroupError {
    /// Group.
    pub group: String,
    /// Tensors compared.
    pub tensors: usize,
    /// Largest error, relative to the larger of the tensor's largest magnitude and 1e-4 of its group's.
    pub error: f64,
    /// Tensor in which it is.
    pub worst: String,
}

impl Golden {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// Fails if it is damaged or says no sizes.
    pub fn read(bytes: &[u8]) -> Result<Self, VerifyError> {
        let format = |e: safetensors::SafeTensorError| VerifyError::Format(e.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(format)?;
        let config = metadata.metadata().as_ref().and_then(|m| m.get("config"));
        let config = config.ok_or_else(|| VerifyError::Config("is not there".into()))?;
        let file = SafeTensors::deserialize(bytes).map_err(format)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let values: Vec<f64> = match view.dtype() {
                Dtype::F64 => bytemuck::pod_collect_to_vec(view.data()),
                Dtype::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(view.data()).into_iter().map(f64::from).collect(),
                Dtype::I32 => bytemuck::pod_collect_to_vec::<u8, i32>(view.data()).into_iter().map(f64::from).collect(),
                other => return Err(VerifyError::Format(format!("{name} is {other:?}; F32, F64 and I32 are read"))),
            };
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        let mut golden = Self { shape: shape_of(config)?, tensors };
        golden.shape.features = Arc::new(golden.features()?);
        Ok(golden)
    }

    /// Features of the series graph; what the file does not hold stays as in a graph without edges.
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
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counts")]
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

    /// Extents and values of a tensor.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&(Vec<usize>, Vec<f64>)> {
        self.tensors.get(name)
    }

    fn get(&self, name: &str) -> Result<&(Vec<usize>, Vec<f64>), VerifyError> {
        self.tensors.get(name).ok_or_else(|| VerifyError::Missing(name.into()))
    }

    fn f32(&self, name: &str) -> Result<Vec<f32>, VerifyError> {
        #[expect(clippy::cast_possible_truncation, reason = "the model's inputs are f32")]
        let narrow = |v: &f64| *v as f32;
        Ok(self.get(name)?.1.iter().map(narrow).collect())
    }
}

/// Sizes from the reference's configuration as JSON.
fn shape_of(json: &str) -> Result<ModelShape, VerifyError> {
    let wrong = |e: &dyn std::fmt::Display| VerifyError::Config(format!("cannot be read: {e}"));
    let mut all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).map_err(|e| wrong(&e))?;
    let mut take = |key: &str| -> Result<usize, VerifyError> {
        let value = all.remove(key).and_then(|v| v.as_u64());
        value.and_then(|v| usize::try_from(v).ok()).ok_or_else(|| VerifyError::Config(format!("has no {key}")))
    };
    let window = WindowShape {
        history: take("seq_len")?,
        horizon: take("pred_len")?,
        num_covariates: take("num_covariates")?,
        num_targets: take("num_targets")?,
        num_channels: take("num_channels")?,
        num_calendar: take("num_calendar")?,
    };
    let settings: ModelSettings = serde_json::from_value(all.into()).map_err(|e| wrong(&e))?;
    Ok(ModelShape::new(window, settings))
}

/// Runs the file's model on a backend and compares every tensor that the file holds of it.
///
/// # Errors
/// Fails if the file lacks a tensor, the model cannot be built, or the device fails.
pub async fn verify(golden: &Golden, backend: &Backend) -> Result<Vec<GroupError>, VerifyError> {
    let model = build(&golden.shape, Mode::Score)?;
    let windows = golden.get("in.values")?.0.first().copied().unwrap_or(0);
    let parameters = flat_parameters(golden, &model)?;
    let (executor, recording) = run(golden, backend, model, windows, &parameters).await?;
    let Run { plan, activations, mixture, stats, loss, model_graph } = recording;
    let rec = &plan.recordings[0];
    let mut groups = Groups::default();
    let mut summed: Vec<f64> = vec![];
    for (name, t) in &activations {
        let mut values = executor.read(0, &[*t], windows).await?.remove(0);
        // The scales of the hierarchy add up as they are made; the file holds each alone.
        if name.starts_with("scales.") {
            let all = values.clone();
            values.iter_mut().zip(&summed).for_each(|(v, before)| *v -= before);
            summed = all;
        }
        groups.add(golden, &format!("act.{name}"), &values)?;
    }
    let out = executor.read(0, &[mixture, stats, loss], windows).await?;
    mixture_parts(golden, &out[0], &out[1], windows, &mut groups)?;
    groups.add(golden, "loss.nll", &out[2])?;
    graph_parts(golden, &model_graph, &executor, windows, &mut groups).await?;
    for (t, _) in rec.program.graph.parameters() {
        let name = format!("grad.{}", rec.program.graph.tensors[t].name);
        // What no loss reaches has a gradient of zero; should the reference have another, it shows here.
        let zeros = vec![0.0; rec.program.graph.tensors[t].operand.len()];
        let found = match rec.program.gradients.get(&t) {
            Some(&gradient) => executor.read(0, &[gradient], windows).await?.remove(0),
            None => zeros,
        };
        groups.add(golden, &name, &found)?;
    }
    groups.finish(golden)
}

struct Run {
    plan: Arc<Plan>,
    activations: Vec<(String, usize)>,
    mixture: usize,
    stats: usize,
    loss: usize,
    model_graph: ModelGraph,
}

async fn run(golden: &Golden, backend: &Backend, model: Model, windows: usize, parameters: &[f32]) -> Result<(Executor, Run), VerifyError> {
    let Model { mut graph, activations, mixture, stats, loss, inputs, model_graph, penalty, noise, .. } = model;
    let loss = loss.ok_or_else(|| VerifyError::Missing("loss".into()))?;
    let one = graph.constant("loss.seed", &[1], vec![1.0]);
    let wanted: Vec<_> = graph.parameters().iter().map(|p| p.0).collect();
    let own = [Some(model_graph.gates), model_graph.dynamic, model_graph.adaptive, penalty];
    let pinned = activations.iter().map(|a| a.1).chain([mixture, stats]).chain(own.into_iter().flatten()).collect();
    let seeds: Vec<_> = [loss].into_iter().chain(penalty).map(|l| (l, one)).collect();
    let program = Program::with_gradients("verify", graph, &seeds, &wanted, pinned)?;
    let options = match backend {
        Backend::Gpu(gpu) => PlanOptions { limits: gpu.limits, ..PlanOptions::new(windows, gpu.class.clone()) },
        Backend::Reference => PlanOptions::new(windows, AdapterClass::portable(true)),
    };
    let plan = Arc::new(Plan::new(vec![(program, options)])?);
    let mut executor = Executor::new(backend, plan.clone()).await?;
    executor.write(BufferRole::Parameters, parameters).await?;
    let mut names = vec!["in.values", "in.observed"];
    if inputs.len() > 2 {
        names.push("in.calendar");
    }
    names.extend(["gumbel.0", "gumbel.1"].iter().take(noise.len()));
    names.extend(["in.target", "in.target_observed"]);
    let data = names.iter().map(|n| golden.f32(n)).collect::<Result<Vec<_>, _>>()?;
    let observed: f32 = golden.f32("in.target_observed")?.iter().sum();
    let input =
        StepInput { windows, first_window: 0, keys: [0, 0], learning_rate: 0.0, inverse_count: 1.0 / observed.max(1.0), inputs: &data };
    executor.step(0, &input).await?;
    Ok((executor, Run { plan, activations, mixture, stats, loss, model_graph }))
}

/// Parameters of the file in the order of the flat buffer; each of the file's must have its place.
fn flat_parameters(golden: &Golden, model: &Model) -> Result<Vec<f32>, VerifyError> {
    let graph = &model.graph;
    let mut flat = vec![0.0; graph.parameters_len()];
    for (t, at) in graph.parameters().into_iter().chain(graph.stored_tensors()) {
        let name = format!("param.{}", graph.tensors[t].name);
        let values = golden.f32(&name)?;
        let expected = graph.tensors[t].operand.len();
        if values.len() != expected {
            return Err(VerifyError::Shape { name, expected, found: values.len() });
        }
        flat[at..at + expected].copy_from_slice(&values);
    }
    for (name, (_, values)) in golden.tensors.range("param.".to_owned()..).take_while(|(n, _)| n.starts_with("param.")) {
        if !values.is_empty() && graph.find(&name["param.".len()..]).is_none() {
            return Err(VerifyError::Shape { name: name.clone(), expected: 0, found: values.len() });
        }
    }
    Ok(flat)
}

/// Splits the mixture [B, 3, H, Nt, K] into the file's out.* [B, H, Nt, K], and act.decoder.*: the same before the instance norm is undone.
fn mixture_parts(golden: &Golden, mixture: &[f64], stats: &[f64], windows: usize, groups: &mut Groups) -> Result<(), VerifyError> {
    let (nt, k) = (golden.shape.window.num_targets, golden.shape.settings.outputs().1);
    let part = golden.shape.window.horizon * nt * k;
    let take = |which: usize| -> Vec<f64> {
        (0..windows).flat_map(|w| mixture[(3 * w + which) * part..(3 * w + which + 1) * part].to_vec()).collect()
    };
    let stat = |e: usize| {
        let at = 2 * ((e / part) * nt + (e % part) / k % nt);
        (stats[at], stats[at + 1])
    };
    let (mean, log_std, logit) = (take(0), take(1), take(2));
    let normal: Vec<f64> = mean.iter().enumerate().map(|(e, m)| (m - stat(e).0) / stat(e).1).collect();
    let normal_std: Vec<f64> = log_std.iter().enumerate().map(|(e, l)| l - stat(e).1.ln()).collect();
    groups.add(golden, "act.decoder.0", &normal)?;
    groups.add(golden, "act.decoder.1", &normal_std)?;
    groups.add(golden, "act.decoder.2", &logit)?;
    groups.add(golden, "out.mean", &mean)?;
    groups.add(golden, "out.log_std", &log_std)?;
    groups.add(golden, "out.logit", &logit)
}

/// act.graph.proposals [3, N, N], zeros for those that are absent, act.graph.gates [B, 3] and the penalty.
async fn graph_parts(
    golden: &Golden,
    graph: &ModelGraph,
    executor: &Executor,
    windows: usize,
    groups: &mut Groups,
) -> Result<(), VerifyError> {
    let n = golden.shape.nodes();
    let mut proposals: Vec<f64> = golden.shape.features.prior.iter().map(|v| f64::from(*v)).collect();
    for proposal in [graph.dynamic, graph.adaptive] {
        let Some(t) = proposal else {
            proposals.resize(proposals.len() + n * n, 0.0);
            continue;
        };
        let padded = executor.read(0, &[t], windows).await?.remove(0);
        proposals.extend(padded.chunks(n.next_multiple_of(4)).flat_map(|row| row[..n].to_vec()));
    }
    groups.add(golden, "act.graph.proposals", &proposals)?;
    let gates = executor.read(0, &[graph.gates], windows).await?.remove(0);
    groups.add(golden, "act.graph.gates", &if gates.len() == 3 { gates.repeat(windows) } else { gates })?;
    let penalty = match graph.penalty {
        Some(t) => executor.read(0, &[t], windows).await?.remove(0),
        None => vec![0.0],
    };
    groups.add(golden, "loss.penalty", &penalty)
}

/// Errors so far, each tensor's absolute error with its magnitude.
#[derive(Default)]
struct Groups(Vec<(String, f64, f64)>);

impl Groups {
    fn add(&mut self, golden: &Golden, name: &str, found: &[f64]) -> Result<(), VerifyError> {
        let expected = &golden.get(name)?.1;
        let (error, _) = largest_error(expected, found, 1.0).map_err(|mismatch| VerifyError::Mismatch { name: name.into(), mismatch })?;
        self.0.push((name.into(), error, magnitude(expected)));
        Ok(())
    }

    /// Errors by group; fails if the file holds a result that was not compared.
    fn finish(self, golden: &Golden) -> Result<Vec<GroupError>, VerifyError> {
        let mut all = vec![];
        for group in ["act", "out", "loss", "grad"] {
            let prefix = format!("{group}.");
            let mine: Vec<_> = self.0.iter().filter(|t| t.0.starts_with(&prefix)).collect();
            for (name, (_, values)) in golden.tensors.iter().filter(|t| t.0.starts_with(&prefix)) {
                if !values.is_empty() && !mine.iter().any(|t| &t.0 == name) {
                    return Err(VerifyError::Missing(format!("of the model that would be {name}")));
                }
            }
            let largest = mine.iter().fold(0.0_f64, |m, t| m.max(t.2));
            let relative = |t: &(String, f64, f64)| if t.1 == 0.0 { 0.0 } else { t.1 / t.2.max(1e-4 * largest) };
            let worst = mine.iter().copied().max_by(|a, b| relative(a).total_cmp(&relative(b)));
            if let Some(worst) = worst {
                all.push(GroupError { group: group.into(), tensors: mine.len(), error: relative(worst), worst: worst.0.clone() });
            }
        }
        Ok(all)
    }
}
