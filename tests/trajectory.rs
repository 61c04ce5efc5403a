//! Ten training steps from the start and with the noise of a golden file: losses, gradient norms, and the state afterwards, the moving
//! memory of the graph among it, against PyTorch's AdamW.

use pgat::compare::{largest_error, magnitude};
use pgat::executor::{Backend, Executor};
use pgat::gpu::Gpu;
use pgat::graph::{OptimiserSettings, Program};
use pgat::model::{Mode, build};
use pgat::plan::{AdapterClass, BufferRole, Plan, PlanOptions};
use pgat::step::StepInput;
use pgat::verify::Golden;
use std::sync::Arc;

struct Steps {
    golden: Golden,
    steps: usize,
    windows: usize,
}

impl Steps {
    fn read() -> Self {
        let folder = std::env::var("PGAT_TRAJECTORY");
        let file = folder.unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/trajectory/graph.safetensors").into());
        let golden = Golden::read(&std::fs::read(file).expect("the file is part of the project")).expect("a golden file");
        let shape = golden.tensor("in.values").expect("inputs").0.clone();
        Self { golden, steps: shape[0], windows: shape[1] }
    }

    /// Part `step` of a tensor with a leading axis of steps.
    #[expect(clippy::cast_possible_truncation, reason = "inputs are f32")]
    fn part(&self, name: &str, step: usize) -> Vec<f32> {
        let (shape, values) = self.golden.tensor(name).unwrap_or_else(|| panic!("no {name}"));
        let one = values.len() / shape[0];
        values[step * one..(step + 1) * one].iter().map(|v| *v as f32).collect()
    }
}

fn close(name: &str, expected: &[f64], found: &[f64], limit: f64) {
    let (error, at) = largest_error(expected, found, 1.0).unwrap_or_else(|e| panic!("{name}: {e}"));
    let error = error / magnitude(expected).max(1e-2);
    eprintln!("{name}: {error:e} at {at}");
    assert!(error < limit, "{name}: {error:e} at {at}");
}

fn check(backend: &Backend, limit: f64, micro_batch: Option<usize>) {
    let steps = Steps::read();
    let model = build(&steps.golden.shape, Mode::Train).expect("a model");
    let losses: Vec<_> = model.loss.into_iter().chain(model.penalty).collect();
    let calendar = model.inputs.len() > 2;
    let noise = model.noise.len();
    let penalty = model.penalty.expect("the graph is learned");
    let mut program = Program::training(model.graph, &losses, &OptimiserSettings::default()).expect("gradients");
    program.pinned.push(penalty);
    let graph = &program.graph;
    let norm = graph.find("optimiser.norm").expect("the optimiser");
    let places: Vec<_> = graph.parameters().into_iter().chain(graph.stored_tensors()).collect();
    let mut flat = vec![0.0; graph.parameters_len()];
    for &(t, at) in &places {
        let (_, values) = steps.golden.tensor(&format!("init.{}", graph.tensors[t].name)).expect("a start of every parameter");
        #[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
        flat[at..at + values.len()].iter_mut().zip(values).for_each(|(f, v)| *f = *v as f32);
    }
    let names: Vec<_> = places.iter().map(|&(t, at)| (graph.tensors[t].name.clone(), at, graph.tensors[t].operand.len())).collect();
    let mut options = PlanOptions::new(steps.windows, AdapterClass::portable(true));
    if let Backend::Gpu(gpu) = backend {
        options = PlanOptions { limits: gpu.limits, class: gpu.class.clone(), ..options };
    }
    options.micro_batch = micro_batch;
    let len = flat.len();
    pollster::block_on(async {
        let plan = Arc::new(Plan::new(vec![(program, options)]).expect("a plan"));
        let mut executor = Executor::new(backend, plan).await.expect("an executor");
        executor.write(BufferRole::Parameters, &flat).await.expect("a write");
        for step in 0..steps.steps {
            let mut inputs = vec![steps.part("in.values", step), steps.part("in.observed", step)];
            inputs.extend(calendar.then(|| steps.part("in.calendar", step)));
            inputs.extend((0..noise).map(|i| steps.part(&format!("gumbel.{i}"), step)));
            inputs.extend([steps.part("in.target", step), steps.part("in.target_observed", step)]);
            let observed: f32 = inputs.last().expect("a mask").iter().sum();
            let input = StepInput {
                windows: steps.windows,
                first_window: 0,
                keys: [0, 0],
                learning_rate: 1e-3,
                inverse_count: 1.0 / observed.max(1.0),
                inputs: &inputs,
            };
            executor.step(0, &input).await.expect("a step");
            let read = executor.read(0, &[norm, penalty], 1).await.expect("a read");
            let expected = |name: &str| vec![steps.golden.tensor(name).expect("a result").1[step]];
            close(&format!("step {step} nll"), &expected("step.nll"), &read[0][3..], limit);
            close(&format!("step {step} norm"), &expected("step.grad_norm"), &read[0][..1], limit);
            close(&format!("step {step} penalty"), &expected("step.penalty"), &read[1], limit);
        }
        let after = executor.read_buffers(&[(BufferRole::Parameters, len)]).await.expect("a read").remove(0);
        assert!(names.iter().any(|n| n.0 == "graph.memory"));
        for (name, at, n) in names {
            let (_, expected) = steps.golden.tensor(&format!("param.{name}")).expect("every parameter");
            let found: Vec<f64> = after[at..at + n].iter().map(|v| f64::from(*v)).collect();
            close(&name, expected, &found, limit);
        }
    });
}

#[test]
fn twins_train_as_pytorch() {
    check(&Backend::Reference, 1e-5, None);
}

#[test]
fn kernels_train_as_pytorch() {
    let gpu = Arc::new(pollster::block_on(Gpu::open(std::env::var("PGAT_DEVICE").ok().as_deref())).expect("tests need an adapter"));
    check(&Backend::Gpu(gpu), 2e-3, Some(3));
}
