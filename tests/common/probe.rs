//! One pass of a model over a few windows, without dropout or optimiser: mixture, losses and the gradient of every parameter.

use super::{noise, with_features};
use pgat::config::ModelSettings;
use pgat::data::{WindowMut, WindowShape, WindowSource};
use pgat::engine::executor::{Backend, Executor};
use pgat::engine::graph::{Place, Program};
use pgat::engine::model::{Mode, ModelShape, build, init};
use pgat::engine::plan::{AdapterClass, BufferRole, Plan, PlanOptions};
use pgat::engine::step::StepInput;
use pgat::series_graph::GraphConstants;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model on a series graph with random features and a random prior.
pub(crate) fn full(window: WindowShape, settings: ModelSettings) -> ModelShape {
    let shape = with_features(window, settings);
    let n = shape.nodes();
    let weights: Vec<f32> = (0..n * n).map(|e| 0.1 + (e * 37 % 11) as f32).collect();
    let prior = weights.chunks(n).flat_map(|row| row.iter().map(|w| w / row.iter().sum::<f32>())).collect();
    let features = GraphConstants { prior, ..(*shape.features).clone() };
    ModelShape { features: Arc::new(features), ..shape }
}

/// Values by parameter name, including the stored tensors.
pub(crate) type Named = BTreeMap<String, Vec<f64>>;

/// Windows in the layout of the model's inputs.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) windows: usize,
    pub(crate) values: Vec<f32>,
    pub(crate) observed: Vec<f32>,
    pub(crate) calendar: Vec<f32>,
    pub(crate) target: Vec<f32>,
    pub(crate) target_observed: Vec<f32>,
}

impl Batch {
    pub(crate) fn of(source: &dyn WindowSource, indices: &[usize]) -> Self {
        let s = *source.shape();
        let zeros = |n: usize| vec![0.0_f32; n * indices.len()];
        let mut batch = Self {
            windows: indices.len(),
            values: zeros(s.values_len()),
            observed: zeros(s.values_len()),
            calendar: zeros(s.calendar_len()),
            target: zeros(s.target_len()),
            target_observed: zeros(s.target_len()),
        };
        for (w, &index) in indices.iter().enumerate() {
            let at = |n: usize| w * n..(w + 1) * n;
            let window = WindowMut {
                values: &mut batch.values[at(s.values_len())],
                observed: &mut batch.observed[at(s.values_len())],
                calendar: &mut batch.calendar[at(s.calendar_len())],
                common: &mut [],
                own: &mut [],
                target: &mut batch.target[at(s.target_len())],
                target_observed: &mut batch.target_observed[at(s.target_len())],
            };
            source.fill(index, window);
        }
        batch
    }
}

/// The results of a pass.
pub(crate) struct Found {
    /// `[B, parts, H, Nt, K]`.
    pub(crate) mixture: Vec<f64>,
    /// Shift and scale of the instance norm `[B, Nt, 2]`.
    pub(crate) stats: Vec<f64>,
    /// Mean loss over the observed targets.
    pub(crate) loss: f64,
    /// The penalty term of the learned graph.
    pub(crate) penalty: f64,
    /// Gradients by parameter name. A parameter that no loss depends on has no entry.
    pub(crate) gradients: Named,
    /// Outputs of the blocks, by the names of golden files.
    pub(crate) activations: Named,
    /// Each is `[N, N4]`: the prior, then the learned and the adaptive graph where the model has them.
    pub(crate) proposals: Vec<Vec<f64>>,
    /// `[B, 3]`, or `[3]`.
    pub(crate) gates: Vec<f64>,
    /// Edge probabilities `[R, k]` of both stages, where edges are learned.
    pub(crate) edges: Vec<Vec<f64>>,
}

/// Initial parameters of a model with a small change to each element, so that no value is exactly 0 or 1 (also in `graph.memory`).
pub(crate) fn parameters(shape: &ModelShape, seed: u64) -> Named {
    let model = build(shape, Mode::Score).expect("a model");
    let flat = init::start(&model.graph, &model.inits, seed);
    let places = model.graph.parameters().into_iter().chain(model.graph.stored_tensors());
    let named = places.map(|(t, at)| {
        let tensor = &model.graph.tensors[t];
        let name_seed = tensor.name.bytes().fold(0_usize, |h, b| (h * 31 + usize::from(b)) % 9973);
        let moved = |(e, v): (usize, &f32)| f64::from(v + 0.1 * noise(name_seed + 17 * e));
        (tensor.name.clone(), flat[at..at + tensor.operand.len()].iter().enumerate().map(moved).collect())
    });
    named.collect()
}

/// Runs the model with these parameters. They must include every parameter of the model.
pub(crate) fn pass(shape: &ModelShape, backend: &Backend, parameters: &Named, batch: &Batch) -> Found {
    pollster::block_on(run(shape, backend, parameters, batch))
}

#[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
async fn run(shape: &ModelShape, backend: &Backend, parameters: &Named, batch: &Batch) -> Found {
    let mut model = build(shape, Mode::Score).expect("a model");
    let one = model.graph.constant("loss.seed", &[1], vec![1.0]);
    let mut flat = vec![0.0_f32; model.graph.parameters_len()];
    for (t, at) in model.graph.parameters().into_iter().chain(model.graph.stored_tensors()) {
        let tensor = &model.graph.tensors[t];
        let values = parameters.get(&tensor.name).unwrap_or_else(|| panic!("{} has no values", tensor.name));
        assert_eq!(values.len(), tensor.operand.len(), "{}", tensor.name);
        flat[at..at + values.len()].iter_mut().zip(values).for_each(|(f, v)| *f = *v as f32);
    }
    let loss = model.loss.expect("a model that is scored has a loss");
    let seeds: Vec<_> = [loss].into_iter().chain(model.penalty).map(|l| (l, one)).collect();
    let graph = &model.model_graph;
    let mut proposals = vec![graph.prior];
    proposals.extend(graph.dynamic.iter().chain(&graph.adaptive));
    let edges = [graph.edges[0].prob, graph.edges[1].prob];
    let wanted: Vec<_> = model.graph.parameters().iter().map(|p| p.0).collect();
    let kept: Vec<_> = [model.mixture, model.stats, graph.gates].into_iter().chain(model.activations.iter().map(|a| a.1)).collect();
    let arena = proposals.iter().chain(&edges).copied().filter(|&t| model.graph.tensors[t].place == Place::Arena);
    let pinned = kept.iter().copied().chain(arena).chain(model.penalty).collect();
    let noise: Vec<usize> = model.noise.iter().map(|&t| model.graph.tensors[t].operand.len()).collect();
    let program = Program::with_gradients("probe", model.graph, &seeds, &wanted, pinned).expect("gradients");
    let class = match backend {
        Backend::Gpu(gpu) => gpu.class.clone(),
        Backend::Reference => AdapterClass::portable_cpu(),
    };
    let mut options = PlanOptions::new(batch.windows, class);
    if let Backend::Gpu(gpu) = backend {
        options.limits = gpu.limits;
    }
    let plan = Arc::new(Plan::new(vec![(program, options)]).expect("a plan"));
    let mut executor = Executor::new(backend, plan.clone()).await.expect("an executor");
    executor.write(BufferRole::Parameters, &flat).await.expect("parameters");
    let mut inputs = vec![batch.values.clone(), batch.observed.clone()];
    inputs.extend((!batch.calendar.is_empty()).then(|| batch.calendar.clone()));
    inputs.extend(noise.iter().map(|&n| vec![0.0; n]));
    inputs.extend([batch.target.clone(), batch.target_observed.clone()]);
    let observed: f32 = batch.target_observed.iter().sum();
    let inverse_count = 1.0 / observed.max(1.0);
    let input = StepInput {
        windows: batch.windows,
        first_window: 0,
        keys: [0, 0],
        learning_rate: 0.0,
        shrink: 0.0,
        inverse_count,
        inputs: &inputs,
    };
    executor.step(0, &input).await.expect("a step");
    let read = async |t: usize| executor.read(0, &[t], batch.windows).await.expect("values").remove(0);
    let (mut gradients, mut activations) = (Named::new(), Named::new());
    let program = &plan.recordings[0].program;
    for t in &wanted {
        if let Some(&g) = program.gradients.get(t) {
            let mut values = read(g).await;
            values.truncate(program.graph.tensors[*t].operand.len());
            gradients.insert(program.graph.tensors[*t].name.clone(), values);
        }
    }
    for (name, t) in &model.activations {
        activations.insert(name.clone(), read(*t).await);
    }
    let of = async |list: &[usize]| {
        let mut all = vec![];
        for &t in list {
            all.push(read(t).await);
        }
        all
    };
    Found {
        mixture: read(model.mixture).await,
        stats: read(model.stats).await,
        loss: read(loss).await[0],
        penalty: match model.penalty {
            Some(t) => read(t).await[0],
            None => 0.0,
        },
        gradients,
        activations,
        proposals: of(&proposals).await,
        gates: read(graph.gates).await,
        edges: if shape.settings.use_dynamic_graph { of(&edges).await } else { vec![] },
    }
}

/// Largest absolute value.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Largest difference, relative to the largest value of the first tensor (at least 1).
#[track_caller]
pub(crate) fn change(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|v| v.is_finite()), "not finite");
    a.iter().zip(b).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs())) / largest(a).max(1.0)
}
