//! A trajectory of the second generation: the linear start, then the whole model, with the moving mean of the parameters. Losses, gradient
//! norms, the parameters after both phases and their mean are compared with those of PyTorch's `AdamW`.

use super::golden::step_input;
use super::groups::Groups;
use super::ties::Choices;
use super::{Golden, GroupError, Report, Tie, VerifyError};
use crate::config::{DensityLoss, StartSettings, TrainingSettings};
use crate::executor::{Backend, Executor};
use crate::graph::STATE_LEN;
use crate::plan::BufferRole;
use crate::session::Setup;
use crate::step::StepInput;
use std::sync::Arc;

/// Steps of the linear start in such a file.
const START: usize = 6;
/// The edges are shrunk after the steps behind this share of the linear start.
const SHRINK_AFTER: f64 = 1.0 / 3.0;

/// The settings with which the files were made; learning rates are constant.
fn settings(golden: &Golden, windows: usize, micro_batch: Option<usize>) -> TrainingSettings {
    let loss = if golden.loss.as_deref() == Some("crps") { DensityLoss::Crps } else { DensityLoss::Nll };
    TrainingSettings {
        batch_size: windows,
        micro_batch,
        loss,
        learning_rate: 1e-3,
        weight_decay: 1e-2,
        decay_matrices_only: true,
        highway_rate: 0.1,
        edge_rate: 0.03,
        average: 0.99,
        health_every: 0,
        start: StartSettings { steps: START as u64, batch_size: windows, shrink_after: SHRINK_AFTER, ..StartSettings::default() },
        ..TrainingSettings::default()
    }
}

/// The results of training; parameters and stored tensors by name.
#[derive(Default)]
struct Trained {
    loss: Vec<f64>,
    norm: Vec<f64>,
    start: Vec<(String, Vec<f64>)>,
    after: Vec<(String, Vec<f64>)>,
    average: Vec<(String, Vec<f64>)>,
    ties: Vec<Tie>,
}

/// Trains as the file specifies, in micro-batches of `micro_batch` windows. Ties excuse a difference as in a trajectory of the first
/// generation.
///
/// # Errors
/// The same as [`verify`](super::verify).
pub(super) async fn verify_two_phases(
    golden: &Golden,
    backend: &Backend,
    micro_batch: Option<usize>,
    limit: impl Fn(&str) -> f64,
) -> Result<Report, VerifyError> {
    let found = train(golden, backend, micro_batch, false).await?;
    let ties = train(golden, &Backend::Reference, None, true).await?.ties;
    Report::of_trajectory(ties, limit, |void_from| compare(golden, &found, void_from))
}

fn compare(golden: &Golden, found: &Trained, void_from: Option<usize>) -> Result<Vec<GroupError>, VerifyError> {
    let mut groups = Groups::default();
    for (name, values) in [("step.loss", &found.loss), ("step.grad_norm", &found.norm)] {
        groups.add_start(golden, name, values, void_from.unwrap_or(values.len()))?;
    }
    for (prefix, all) in [("linear", &found.start), ("param", &found.after), ("average", &found.average)] {
        for (name, values) in all {
            groups.add(golden, &format!("{prefix}.{name}"), values)?;
        }
    }
    groups.void(|name| void_from.is_some() && (name.starts_with("param.") || name.starts_with("average.")));
    groups.finish(golden, &["step", "linear", "param", "average"])
}

async fn train(golden: &Golden, backend: &Backend, micro_batch: Option<usize>, want_ties: bool) -> Result<Trained, VerifyError> {
    let windows = golden.windows(1)?;
    let s = settings(golden, windows, micro_batch);
    let setup = Setup::training(golden.shape.clone(), s.clone());
    let plan = Arc::new(setup.plan(backend).map_err(|e| VerifyError::Training(e.to_string()))?);
    let graph = &plan.recordings[0].program.graph;
    let choices = Choices::of(graph);
    let first = golden.parameters(graph, "init.")?;
    let mut executor = Executor::new(backend, plan.clone()).await?;
    for role in [BufferRole::Parameters, BufferRole::Average] {
        executor.write(role, &first).await?;
    }
    let norms = [0, 1].map(|r| plan.recordings[r].program.graph.find("optimiser.norm"));
    let mut made = Trained::default();
    let trained = graph.flat_len();
    let all: Vec<_> = graph.parameters().into_iter().chain(graph.stored_tensors()).collect();
    let named = |flat: &[f32], stored: bool| -> Vec<(String, Vec<f64>)> {
        let kept = all.iter().filter(|(_, at)| stored || *at < trained);
        let one = |&(t, at): &(usize, usize)| {
            let values = flat[at..at + graph.tensors[t].operand.len()].iter().map(|v| f64::from(*v)).collect();
            (graph.tensors[t].name.clone(), values)
        };
        kept.map(one).collect()
    };
    let (mut flat, steps) = (first, golden.steps()?);
    for step in 0..steps {
        let (recording, rate, shrink) = if step < START {
            (1, s.start.learning_rate, s.start_shrink(s.start.learning_rate, step as u64))
        } else {
            (0, s.learning_rate, s.shrink(s.learning_rate))
        };
        if step == START {
            made.start = named(&flat, true);
            for (role, n) in [(BufferRole::Moment1, trained), (BufferRole::Moment2, trained), (BufferRole::State, STATE_LEN)] {
                executor.write(role, &vec![0.0; n]).await?;
            }
        }
        let inputs = golden.inputs(&plan.recordings[recording], windows, Some(step))?;
        if want_ties && recording == 0 {
            made.ties.extend(choices.edges(&plan.recordings[0], &flat, &inputs, Some(step)));
        }
        #[expect(clippy::cast_possible_truncation, reason = "rates are f32 on a device")]
        let input = StepInput { shrink: shrink as f32, ..step_input(windows, rate as f32, &inputs) };
        executor.step(recording, &input).await?;
        let norm = norms[recording].ok_or_else(|| VerifyError::Missing("optimiser.norm in the training step".into()))?;
        let read = executor.read(recording, &[norm], 1).await?.remove(0);
        made.norm.push(read[0]);
        made.loss.push(read[3]);
        if want_ties || step + 1 == START || step + 1 == steps {
            flat = executor.read_buffers(&[(BufferRole::Parameters, flat.len())]).await?.remove(0);
        }
    }
    made.after = named(&flat, true);
    let average = executor.read_buffers(&[(BufferRole::Average, flat.len())]).await?.remove(0);
    made.average = named(&average, false);
    Ok(made)
}
