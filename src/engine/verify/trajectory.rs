//! Training steps from the initial parameters and with the inputs of a golden file. Losses, gradient norms and the final state, including
//! the moving memory of the graph, are compared with those of PyTorch's `AdamW`.

use super::golden::step_input;
use super::groups::Groups;
use super::ties::Choices;
use super::{Golden, GroupError, Report, Tie, VerifyError};
use crate::executor::{Backend, Executor};
use crate::graph::{OptimiserSettings, Program};
use crate::model::{Mode, build};
use crate::plan::{BufferRole, Plan, PlanOptions};
use std::sync::Arc;

const LEARNING_RATE: f32 = 1e-3;

/// The results of training.
struct Trained {
    nll: Vec<f64>,
    penalty: Vec<f64>,
    norm: Vec<f64>,
    /// Parameters and stored tensors by name.
    after: Vec<(String, Vec<f64>)>,
    ties: Vec<Tie>,
}

/// Trains as the file specifies, in micro-batches of `micro_batch` windows, and compares the losses and the final parameters.
///
/// # Errors
/// The same as [`verify`](super::verify).
pub async fn verify_trajectory(
    golden: &Golden,
    backend: &Backend,
    micro_batch: Option<usize>,
    limit: impl Fn(&str) -> f64,
) -> Result<Report, VerifyError> {
    let found = train(golden, backend, micro_batch, false).await?;
    let ties = train(golden, &Backend::Reference, None, true).await?.ties;
    Report::of_trajectory(ties, limit, |void_from| compare(golden, &found, void_from))
}

/// Compares the steps before `void_from`, and the final parameters if nothing is void.
fn compare(golden: &Golden, found: &Trained, void_from: Option<usize>) -> Result<Vec<GroupError>, VerifyError> {
    let mut groups = Groups::default();
    for (name, values) in [("step.nll", &found.nll), ("step.penalty", &found.penalty), ("step.grad_norm", &found.norm)] {
        groups.add_start(golden, name, values, void_from.unwrap_or(values.len()))?;
    }
    for (name, values) in &found.after {
        groups.add(golden, &format!("param.{name}"), values)?;
    }
    groups.void(|name| void_from.is_some() && name.starts_with("param."));
    groups.finish(golden, &["step", "param"])
}

async fn train(golden: &Golden, backend: &Backend, micro_batch: Option<usize>, want_ties: bool) -> Result<Trained, VerifyError> {
    let (steps, windows) = (golden.steps()?, golden.windows(1)?);
    let model = build(&golden.shape, Mode::Train)?;
    let losses: Vec<_> = model.loss.into_iter().chain(model.penalty).collect();
    let penalty = model.penalty;
    let mut program = Program::training(model.graph, &losses, &OptimiserSettings::default())?;
    let choices = Choices::of(&program.graph);
    program.pinned.extend(penalty.into_iter().chain(choices.pinned()));
    let norm = program.graph.find("optimiser.norm").ok_or_else(|| VerifyError::Missing("optimiser.norm in the training step".into()))?;
    let start = golden.parameters(&program.graph, "init.")?;
    let options = PlanOptions { micro_batch, ..backend.plan_options(windows) };
    let plan = Arc::new(Plan::new(vec![(program, options)])?);
    let (recording, len) = (&plan.recordings[0], start.len());
    let graph = &recording.program.graph;
    let mut executor = Executor::new(backend, plan.clone()).await?;
    executor.write(BufferRole::Parameters, &start).await?;
    let mut made = Trained { nll: vec![], penalty: vec![], norm: vec![], after: vec![], ties: vec![] };
    let mut flat = start;
    for step in 0..steps {
        let inputs = golden.inputs(recording, windows, Some(step))?;
        if want_ties {
            made.ties.extend(choices.edges(recording, &flat, &inputs, Some(step)));
        }
        executor.step(0, &step_input(windows, LEARNING_RATE, &inputs)).await?;
        if want_ties {
            made.ties.extend(choices.lags(graph, &executor, windows, Some(step)).await?);
            flat = executor.read_buffers(&[(BufferRole::Parameters, len)]).await?.remove(0);
        }
        let read = executor.read(0, &[norm], 1).await?.remove(0);
        made.norm.push(read[0]);
        made.nll.push(read[3]);
        made.penalty.push(match penalty {
            Some(t) => executor.read(0, &[t], 1).await?[0][0],
            None => 0.0,
        });
    }
    let after = executor.read_buffers(&[(BufferRole::Parameters, len)]).await?.remove(0);
    for (t, at) in graph.parameters().into_iter().chain(graph.stored_tensors()) {
        let values = after[at..at + graph.tensors[t].operand.len()].iter().map(|v| f64::from(*v)).collect();
        made.after.push((graph.tensors[t].name.clone(), values));
    }
    Ok(made)
}
