//! One step of a golden file: every output, loss and gradient.

use super::golden::step_input;
use super::groups::Groups;
use super::{Golden, Report, VerifyError, ties};
use crate::executor::{Backend, Executor};
use crate::graph::{Program, TensorId};
use crate::model::graph::ModelGraph;
use crate::model::measure::Measure;
use crate::model::{Mode, Model, build_for};
use crate::plan::recompute::{Links, computing_again};
use crate::plan::{BufferRole, Plan, PlanOptions};
use std::sync::Arc;

/// Runs the model of the file on a backend and compares every tensor of the file.
pub(super) async fn verify_step(golden: &Golden, backend: &Backend) -> Result<Report, VerifyError> {
    let windows = golden.windows(0)?;
    let ties = ties::of_step(golden, windows).await?;
    let (executor, recording) = run(golden, backend, windows, Pass::default()).await?;
    let Run { plan, activations, mixture, uncalibrated, drivers, stats, loss, model_graph } = recording;
    let rec = &plan.recordings[0];
    let mut groups = Groups::default();
    let mut summed: Vec<f64> = vec![];
    for (name, t) in &activations {
        let mut values = executor.read(0, &[*t], windows).await?.remove(0);
        // The model adds the scales of the hierarchy to a running sum; the file contains each alone.
        if name.starts_with("scales.") {
            let all = values.clone();
            values.iter_mut().zip(&summed).for_each(|(v, before)| *v -= before);
            summed = all;
        }
        groups.add(golden, &format!("act.{name}"), &values)?;
    }
    let out = executor.read(0, &[mixture, stats, loss, uncalibrated], windows).await?;
    let driven = match drivers {
        Some(t) => executor.read(0, &[t], windows).await?.remove(0),
        None => vec![],
    };
    if drivers.is_some() {
        groups.add(golden, "act.drivers", &by_step(golden, &driven))?;
    }
    decoder_parts(golden, &out[3], &out[1], &driven, &mut groups)?;
    for (part, name) in ["mean", "log_std", "logit"].into_iter().enumerate() {
        groups.add(golden, &format!("out.{name}"), &taken(golden, &out[0], part))?;
    }
    groups.add(golden, "loss.nll", &out[2])?;
    graph_parts(golden, &model_graph, &executor, windows, &mut groups).await?;
    for (t, _) in rec.program.graph.parameters() {
        let name = format!("grad.{}", rec.program.graph.tensors[t].name);
        groups.add(golden, &name, &gradient(&rec.program, t, &executor, windows).await?)?;
    }
    let mut families = vec!["act", "out", "loss", "grad"];
    if golden.tensor("loss.crps").is_some() {
        crps_parts(golden, backend, windows, &mut groups).await?;
        families.push("crps_grad");
    }
    groups.void(|name| ties.iter().any(|t| t.voids(name)));
    Ok(Report { groups: groups.finish(golden, &families)?, ties })
}

/// `loss.crps`, and its gradients of `decoder.*` and `drivers.*`.
async fn crps_parts(golden: &Golden, backend: &Backend, windows: usize, groups: &mut Groups) -> Result<(), VerifyError> {
    let pass = Pass { crps: true, tight: false };
    let (executor, Run { plan, loss, .. }) = run(golden, backend, windows, pass).await?;
    groups.add(golden, "loss.crps", &executor.read(0, &[loss], windows).await?[0])?;
    let program = &plan.recordings[0].program;
    for (t, _) in program.graph.parameters() {
        let name = &program.graph.tensors[t].name;
        if name.starts_with("decoder.") || name.starts_with("drivers.") {
            groups.add(golden, &format!("crps_grad.{name}"), &gradient(program, t, &executor, windows).await?)?;
        }
    }
    Ok(())
}

/// The gradient of a parameter.
async fn gradient(program: &Program, t: TensorId, executor: &Executor, windows: usize) -> Result<Vec<f64>, VerifyError> {
    let mut found = match program.gradients.get(&t) {
        Some(&gradient) => executor.read(0, &[gradient], windows).await?.remove(0),
        // A parameter that no loss depends on has a zero gradient. This comparison detects it if the reference has a different gradient.
        None => vec![],
    };
    // The gradient of a parameter with several uses includes the padding of the parameter.
    found.resize(program.graph.tensors[t].operand.len(), 0.0);
    Ok(found)
}

/// Gradients of all parameters, one after the other: in one micro-batch without recomputation, or, with `tight`, in micro-batches of one
/// window with every tensor recomputed that can be.
///
/// # Errors
/// The same as [`verify`](super::verify).
pub async fn gradients(golden: &Golden, backend: &Backend, tight: bool) -> Result<Vec<f64>, VerifyError> {
    let windows = golden.windows(0)?;
    let (executor, run) = run(golden, backend, windows, Pass { tight, ..Pass::default() }).await?;
    let program = &run.plan.recordings[0].program;
    let wanted: Vec<_> = program.graph.parameters().iter().filter_map(|p| program.gradients.get(&p.0).copied()).collect();
    Ok(executor.read(0, &wanted, windows).await?.concat())
}

struct Run {
    plan: Arc<Plan>,
    activations: Vec<(String, usize)>,
    mixture: usize,
    uncalibrated: usize,
    drivers: Option<usize>,
    stats: usize,
    loss: usize,
    model_graph: ModelGraph,
}

/// The loss of a pass, and whether it runs in micro-batches of one window and computes again whatever it can.
#[derive(Clone, Copy, Default)]
struct Pass {
    crps: bool,
    tight: bool,
}

async fn run(golden: &Golden, backend: &Backend, windows: usize, pass: Pass) -> Result<(Executor, Run), VerifyError> {
    let Pass { crps, tight } = pass;
    let Model { mut graph, activations, mixture, uncalibrated, drivers, stats, loss, model_graph, penalty, .. } =
        build_for(&golden.shape, Mode::Score, if crps { Measure::Crps } else { Measure::Nll })?;
    // The penalty is part of the gradients of the likelihood alone.
    let penalty = penalty.filter(|_| !crps);
    let parameters = golden.parameters(&graph, "param.")?;
    let loss = loss.ok_or_else(|| VerifyError::Missing("loss in the model".into()))?;
    let one = graph.constant("loss.seed", &[1], vec![1.0]);
    let wanted: Vec<_> = graph.parameters().iter().map(|p| p.0).collect();
    let own = [Some(model_graph.gates), model_graph.dynamic, model_graph.adaptive, penalty];
    let results = [mixture, uncalibrated, stats].into_iter().chain(drivers);
    let pinned = activations.iter().map(|a| a.1).chain(results).chain(own.into_iter().flatten()).collect();
    let seeds: Vec<_> = [loss].into_iter().chain(penalty).map(|l| (l, one)).collect();
    let mut program = Program::with_gradients("verify", graph, &seeds, &wanted, if tight { vec![] } else { pinned })?;
    if tight {
        let again = Links::new(&program).candidates();
        program = computing_again(program, &again);
    }
    let micro_batch = tight.then_some(1);
    let options = PlanOptions { micro_batch, ..backend.plan_options(windows) };
    let plan = Arc::new(Plan::new(vec![(program, options)])?);
    let mut executor = Executor::new(backend, plan.clone()).await?;
    executor.write(BufferRole::Parameters, &parameters).await?;
    let inputs = golden.inputs(&plan.recordings[0], windows, None)?;
    executor.step(0, &step_input(windows, 0.0, &inputs)).await?;
    Ok((executor, Run { plan, activations, mixture, uncalibrated, drivers, stats, loss, model_graph }))
}

/// Part `which` of mixtures `[B, 3, H, Nt, K]`: `[B, H, Nt, K]`.
fn taken(golden: &Golden, mixture: &[f64], which: usize) -> Vec<f64> {
    let w = golden.shape.window;
    let part = w.horizon * w.num_targets * golden.shape.settings.outputs().1;
    mixture.chunks(3 * part).flat_map(|all| all[which * part..(which + 1) * part].to_vec()).collect()
}

/// `[B, Nt, H]` as `[B, H, Nt]`.
fn by_step(golden: &Golden, rows: &[f64]) -> Vec<f64> {
    let (h, nt) = (golden.shape.window.horizon, golden.shape.window.num_targets);
    rows.chunks(h * nt).flat_map(|window| (0..h * nt).map(|e| window[e % nt * h + e / nt])).collect()
}

/// `act.decoder.*`: the mixture before the instance norm is undone, and without what the means receive from the driver highway.
fn decoder_parts(golden: &Golden, mixture: &[f64], stats: &[f64], driven: &[f64], groups: &mut Groups) -> Result<(), VerifyError> {
    let (nt, k) = (golden.shape.window.num_targets, golden.shape.settings.outputs().1);
    let part = golden.shape.window.horizon * nt * k;
    let stat = |e: usize| {
        let at = 2 * ((e / part) * nt + (e % part) / k % nt);
        (stats[at], stats[at + 1])
    };
    let driven = by_step(golden, driven);
    let y = |e: usize| driven.get(e / k).copied().unwrap_or(0.0);
    let mean: Vec<f64> = taken(golden, mixture, 0).iter().enumerate().map(|(e, m)| (m - stat(e).0) / stat(e).1 - y(e)).collect();
    let log_std: Vec<f64> = taken(golden, mixture, 1).iter().enumerate().map(|(e, l)| l - stat(e).1.ln()).collect();
    groups.add(golden, "act.decoder.0", &mean)?;
    groups.add(golden, "act.decoder.1", &log_std)?;
    groups.add(golden, "act.decoder.2", &taken(golden, mixture, 2))
}

/// `act.graph.proposals` `[3, N, N]`, with zeros for absent proposals, `act.graph.gates` `[B, 3]` and the penalty.
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
