//! Autodiff over whole graphs, without a GPU: on random programs the gradients of the parameters equal finite differences of a weighted sum
//! of all leaves. Other tests prove each op's own backward pass. These tests prove how the gradients of several consumers, of parameters
//! used in several places and of per-step tensors are combined.

use crate::support::random_graph::{inputs, recipes, step};
use pgat::engine::graph::{GraphError, Place, Program, TensorId};
use pgat::engine::ops::add::Add;
use pgat::engine::ops::linear::{Activation, Linear};
use pgat::engine::ops::patch_mean::PatchMean;
use pgat::engine::ops::value_loss::{Loss, ValueLoss};
use pgat::engine::plan::{AdapterClass, BufferRole, Plan, PlanOptions};
use pgat::engine::reference::Reference;
use pgat::engine::selftest::Draw;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::sync::Arc;

const WINDOWS: usize = 3;
const TOLERANCE: f64 = 1e-6;

/// A planned program without optimiser, with its data.
struct Differentiated {
    plan: Arc<Plan>,
    leaves: Vec<TensorId>,
    data: Vec<Vec<f32>>,
    parameters: Vec<f64>,
}

impl Differentiated {
    fn run(&self, parameters: &[f64]) -> Reference {
        let mut reference = Reference::new(self.plan.clone());
        reference.write_buffer(BufferRole::Parameters, parameters);
        reference.run(0, &step(WINDOWS, &self.data));
        reference
    }

    /// The sum of all leaf elements times their given gradients.
    fn terms(&self, parameters: &[f64]) -> Vec<f64> {
        let reference = self.run(parameters);
        let recording = &self.plan.recordings[0];
        let read = |t: TensorId| reference.read(0, t, WINDOWS);
        let weights = |k: usize| {
            let t = recording.program.graph.find(&format!("cotangent.{k}")).expect("each leaf has one");
            read(t)
        };
        self.leaves.iter().enumerate().flat_map(|(k, &t)| read(t).into_iter().zip(weights(k)).map(|(y, w)| y * w)).collect()
    }

    /// The derivative along `direction` by the five-point formula, and the sum of its absolute terms.
    fn slope(&self, direction: &[(usize, f64)], h: f64) -> (f64, f64) {
        let at = |t: f64| {
            let mut moved = self.parameters.clone();
            direction.iter().for_each(|(e, v)| moved[*e] += t * v);
            self.terms(&moved)
        };
        let [near_up, near_down, far_up, far_down] = [h, -h, 2.0 * h, -2.0 * h].map(at);
        let d = |i: usize| (8.0 * (near_up[i] - near_down[i]) - (far_up[i] - far_down[i])) / (12.0 * h);
        (0..near_up.len()).map(d).fold((0.0, 0.0), |(s, a), d| (s + d, a + d.abs()))
    }
}

/// Compares the gradient along one direction. Returns `None` if a kink is too close for every step size.
fn error(program: &Differentiated, direction: &[(usize, f64)], gradients: &[f64]) -> Option<f64> {
    let analytic: f64 = direction.iter().map(|(e, v)| gradients[*e] * v).sum();
    [1e-3, 1e-4, 1e-5].into_iter().find_map(|h| {
        let ((coarse, _), (fine, terms)) = (program.slope(direction, h), program.slope(direction, h / 2.0));
        let allowed = TOLERANCE * (terms + 1e-3);
        ((coarse - fine).abs() <= 0.3 * allowed).then(|| (fine - analytic).abs() / allowed)
    })
}

proptest! {
    #![proptest_config(Config { cases: 64, rng_seed: RngSeed::Fixed(20_260_803), failure_persistence: None, ..Config::default() })]

    #[test]
    fn gradients_are_differences(recipe in recipes(10)) {
        let recipe = crate::support::random_graph::Recipe { trains: false, ..recipe };
        let (plan, leaves) = recipe.plan(PlanOptions::new(WINDOWS, AdapterClass::portable_cpu())).expect("default limits suffice");
        let plan = Arc::new(plan);
        let mut draw = Draw::new(3);
        let graph = &plan.recordings[0].program.graph;
        let parameters = (0..graph.flat_len()).map(|_| 0.4 * draw.normal()).collect();
        let data = inputs(&plan, WINDOWS, 5);
        let program = Differentiated { plan: plan.clone(), leaves, data, parameters };
        let gradients = program.run(&program.parameters).read_buffer(BufferRole::Gradients).to_vec();
        let (mut compared, mut skipped) = (0, 0);
        for (t, start) in graph.parameters() {
            let n = graph.tensors[t].operand.len();
            // The direction touches every element of the parameter, so that an error in any element is visible.
            let scale = 1.0 / f64::from(u32::try_from(n).expect("small")).sqrt();
            let direction: Vec<_> = (start..start + n).map(|e| (e, scale * draw.normal())).collect();
            match error(&program, &direction, &gradients) {
                Some(times) => {
                    prop_assert!(times <= 1.0, "gradient of {}: {times:.2e} times the tolerance off", graph.tensors[t].name);
                    compared += 1;
                }
                None => skipped += 1,
            }
        }
        prop_assert!(compared > 0 && skipped <= 1 + compared / 2, "{compared} compared, {skipped} too close to a kink");
    }
}

fn not_differentiable() -> (pgat::engine::graph::Graph, TensorId, TensorId) {
    let mut graph = pgat::engine::graph::Graph::default();
    let x = graph.input("x", &[4, 3]);
    let w = graph.parameter("w", &[3, 3]);
    let linear = Linear { bias: false, residual: false, activation: Activation::Identity, dropout: 0.0, column0: None };
    let y = graph.apply1(linear, "y", &[x, w]).expect("valid");
    let mean = graph.apply1(PatchMean { patch: 2 }, "mean", &[y]).expect("valid");
    (graph, w, mean)
}

/// A gradient that does not exist is an error that states the reason. It is never silently missing.
#[test]
fn a_missing_gradient_is_an_error() {
    let (mut graph, w, mean) = not_differentiable();
    let seed = graph.input("seed", &[2, 3]);
    let refused = Program::with_gradients("refused", graph, &[(mean, seed)], &[w], vec![]).err().expect("patch_mean has no gradient");
    assert!(matches!(&refused, GraphError::NotDifferentiable { op: "patch_mean", .. }), "{refused}");
    assert!(refused.to_string().contains("it reads data only"), "{refused}");
}

/// An input that an op declares as data has no gradient either.
#[test]
fn a_gradient_of_data_is_an_error() {
    let mut graph = pgat::engine::graph::Graph::default();
    let values = graph.input("values", &[1, 2, 3, 1]);
    let (target, observed) = (graph.input("target", &[2, 3]), graph.input("observed", &[2, 3]));
    let levels = graph.parameter("levels", &[1]);
    let pinball = ValueLoss { kind: Loss::Pinball, delta: 1.0 };
    let loss = graph.apply1(pinball, "loss", &[values, target, observed, levels]).expect("valid");
    let seed = graph.input("seed", &[1]);
    let refused = Program::with_gradients("refused", graph, &[(loss, seed)], &[levels], vec![]).err().expect("levels are data");
    assert!(matches!(&refused, GraphError::NotDifferentiable { op: "value_loss", tensor, .. } if tensor == "levels"), "{refused}");
}

#[test]
fn one_tensor_in_two_roles_is_an_error() {
    let mut graph = pgat::engine::graph::Graph::default();
    let x = graph.input("x", &[2, 4]);
    let refused = graph.apply1(Add, "sum", &[x, x]).expect_err("x stands twice");
    assert!(matches!(refused, GraphError::RepeatedInput { .. }), "{refused}");
}

/// Each gradient is stored where the optimiser reads it: at the offset of its parameter.
#[test]
fn gradients_lie_at_the_offsets_of_their_parameters() {
    let recipe = crate::support::random_graph::Recipe {
        steps: 2,
        nodes: 3,
        quads: 1,
        ops: vec![[0, 3, 1, 0], [0, 4, 1, 0], [3, 4, 0, 0]],
        trains: true,
    };
    let (plan, _) = recipe.plan(PlanOptions::new(WINDOWS, AdapterClass::portable_cpu())).expect("default limits suffice");
    let recording = &plan.recordings[0];
    let mut seen = 0;
    for (i, t) in recording.program.graph.tensors.iter().enumerate() {
        if let Place::Gradient(p) = t.place {
            let (gradient, parameter) = (recording.regions[i].expect("placed"), recording.regions[p].expect("placed"));
            assert_eq!(gradient.offset, parameter.offset, "{}", t.name);
            seen += 1;
        }
    }
    assert!(seen >= 3, "only {seen} gradients");
}
