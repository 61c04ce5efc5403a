//! Tests the kernels on an adapter. Each case of each op runs on the device and on the f64 reference implementation of the op (its "twin"),
//! and every element must agree.
//!
//! `pgat doctor --self-test` and the test suite use this module. Beside the values it checks that outputs are completely overwritten (the
//! arena initially holds NaN), that nothing else is written (guard bands), that a second run gives the same bits, and that neither
//! micro-batches nor chunks change a bit of the sums over windows. Finally, the whole model runs and is compared with results of PyTorch.

use crate::compare::{Mismatch, compare};
use crate::executor::Backend;
use crate::gpu::{Gpu, GpuError, GpuRun};
use crate::graph::{Graph, GraphError, Program, TensorId};
use crate::ops::{Backward, Call, Case, Fill, OpDef, Scope};
use crate::plan::{AdapterClass, BufferRole, Plan, PlanError, PlanOptions, Region};
use crate::random::{box_muller, keys};
use crate::reference::Reference;
use crate::step::StepInput;
use crate::verify::{self, Golden, GroupError, VerifyError};
use std::sync::Arc;

/// A golden file of the whole model, small enough to be part of the program.
#[cfg(feature = "native")]
pub const MODEL: &[u8] = include_bytes!("../../assets/self-test.safetensors");

/// A case failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelfTestError {
    /// Values differ.
    #[error("{op}, {case}: {tensor}: {mismatch}")]
    Mismatch {
        /// Op.
        op: &'static str,
        /// Case.
        case: &'static str,
        /// Tensor.
        tensor: String,
        /// The mismatch.
        mismatch: Mismatch,
    },
    /// Bits that must be equal differ, or bytes outside all tensors were written.
    #[error("{op}, {case}: {what}")]
    Bits {
        /// Op.
        op: &'static str,
        /// Case.
        case: &'static str,
        /// What was found.
        what: String,
    },
    /// The error of the whole model against PyTorch is larger than rounding explains.
    #[error("model: the error of {tensor} is {error:.1e}, above the tolerance {tolerance:.0e}")]
    Model {
        /// Tensor.
        tensor: String,
        /// Its error.
        error: f64,
        /// The tolerance.
        tolerance: f64,
    },
    /// The bits of the whole model depend on the memory budget.
    #[error("model: with micro-batches of one window and recomputed tensors the gradients have different bits")]
    ModelBits,
    /// The whole model cannot be compared.
    #[error("model: {0}")]
    Verify(VerifyError),
    /// The case could not be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The case could not be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// A generator of deterministic test data.
pub struct Draw(u64);

impl Draw {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        let [a, b] = keys(0x5EED, self.0);
        u64::from(a) << 32 | u64::from(b)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        let u = (self.bits() >> 11) as f64;
        u / 9_007_199_254_740_992.0
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let radius = 1.0 - self.uniform();
        box_muller(radius, self.uniform())
    }

    /// `n` values.
    pub fn fill(&mut self, fill: Fill, n: usize) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "test data are f32")]
        let one = |d: &mut Self, i: usize| match fill {
            Fill::Normal(s) => d.normal() as f32 * s,
            Fill::Uniform(a, b) => a + (b - a) * d.uniform() as f32,
            Fill::Mask(p) => f32::from(d.uniform() < f64::from(p)),
            Fill::Constant(v) => v,
            Fill::Values(values) => values[i % values.len()],
        };
        (0..n).map(|i| one(self, i)).collect()
    }
}

/// The program of a case, with its data.
pub struct Prepared {
    /// The program, all results pinned.
    pub program: Program,
    /// Data of the per-window inputs, in their order.
    pub inputs: Vec<Vec<f32>>,
    /// Data of the parameters: the flat buffer.
    pub parameters: Vec<f32>,
    /// Results to compare.
    pub results: Vec<TensorId>,
}

/// Builds the program of a case: one node, and its gradient from random output gradients.
///
/// # Errors
/// Fails if the op does not accept its own case.
pub fn prepare(op: &'static OpDef, case: &Case, seed: u64) -> Result<Prepared, GraphError> {
    let mut draw = Draw::new(seed << 32);
    let mut graph = Graph::default();
    let (mut ids, mut inputs, mut wanted, mut flat) = (vec![], vec![], vec![], vec![]);
    for (i, input) in case.inputs.iter().enumerate() {
        let n: usize = input.shape.iter().product();
        let name = format!("in.{i}");
        let id = if input.scope == Scope::Window {
            inputs.push(draw.fill(input.fill, n * case.windows));
            graph.input(&name, &input.shape)
        } else if input.parameter {
            let values = draw.fill(input.fill, n);
            flat.extend(values);
            flat.resize(flat.len().next_multiple_of(crate::ops::def::PARAMETER_ALIGNMENT), 0.0);
            graph.parameter(&name, &input.shape)
        } else {
            let values = draw.fill(input.fill, n);
            graph.constant(&name, &input.shape, values)
        };
        ids.push(id);
        if input.grad {
            wanted.push(id);
        }
    }
    let outputs = graph.apply(Call { op, attrs: case.attrs.clone() }, "out", &ids)?;
    let mut results: Vec<TensorId> = outputs.clone();
    results.extend(op.updates.iter().map(|&i| ids[i]));
    let differentiable = matches!(op.backward, Backward::Kernels(_));
    let mut seeds = vec![];
    if differentiable {
        for (k, &o) in outputs[..outputs.len() - graph.nodes[0].discrete].iter().enumerate() {
            let operand = graph.tensors[o].operand.clone();
            let name = format!("cotangent.{k}");
            let seed = if operand.scope == Scope::Window {
                inputs.push(draw.fill(Fill::Normal(1.0), operand.len() * case.windows));
                graph.input(&name, &operand.shape)
            } else {
                let values = draw.fill(Fill::Normal(1.0), operand.len());
                graph.constant(&name, &operand.shape, values)
            };
            seeds.push((o, seed));
        }
    }
    let saved = graph.nodes[0].saved.clone();
    let mut program = Program::with_gradients("case", graph, &seeds, if differentiable { &wanted } else { &[] }, vec![])?;
    results.extend(wanted.iter().filter_map(|w| program.gradients.get(w)));
    program.pinned = results.iter().chain(&saved).copied().collect();
    Ok(Prepared { program, inputs, parameters: flat, results })
}

/// Values of the results in the f64 reference implementation.
///
/// # Errors
/// Fails if the case cannot be planned.
pub fn run_reference(op: &'static OpDef, case: &Case, seed: u64) -> Result<Vec<(String, Vec<f64>)>, SelfTestError> {
    let prepared = prepare(op, case, seed)?;
    let results = prepared.results.clone();
    let plan = Arc::new(Plan::new(vec![(prepared.program, PlanOptions::new(case.windows, AdapterClass::portable_cpu()))])?);
    let mut reference = Reference::new(plan.clone());
    if !prepared.parameters.is_empty() {
        reference.write_buffer(BufferRole::Parameters, &prepared.parameters.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
    }
    reference.run(0, &step_input(case, &prepared.inputs));
    let tensors = &plan.recordings[0].program.graph.tensors;
    Ok(results.iter().map(|&t| (tensors[t].name.clone(), reference.read(0, t, case.windows))).collect())
}

fn step_input<'a>(case: &Case, inputs: &'a [Vec<f32>]) -> StepInput<'a> {
    StepInput { windows: case.windows, first_window: 5, keys: [17, 4], learning_rate: 0.01, shrink: 0.02, inverse_count: 0.125, inputs }
}

/// Values of the results on a device, and a description of the first write outside all tensors.
async fn run_device(
    gpu: &Arc<Gpu>,
    op: &'static OpDef,
    case: &Case,
    seed: u64,
    change: impl Fn(&mut PlanOptions),
) -> Result<(Vec<Vec<f32>>, Option<String>), SelfTestError> {
    let prepared = prepare(op, case, seed)?;
    let results = prepared.results.clone();
    let mut options = PlanOptions { limits: gpu.limits, guard_bytes: 256, ..PlanOptions::new(case.windows, gpu.class.clone()) };
    change(&mut options);
    let whole = options.micro_batch.is_none();
    let plan = Arc::new(Plan::new(vec![(prepared.program, options)])?);
    let mut run = GpuRun::new(gpu.clone(), plan.clone()).await?;
    run.upload(BufferRole::Parameters, 0, bytemuck::cast_slice(&prepared.parameters)).await?;
    let pages: Vec<_> = plan.buffers.iter().filter(|b| matches!(b.role, BufferRole::Arena(_))).copied().collect();
    for page in &pages {
        let words = vec![SENTINEL; usize::try_from(page.bytes / 4).unwrap_or(0)];
        run.upload(page.role, 0, bytemuck::cast_slice(&words)).await?;
    }
    run.step(0, &step_input(case, &prepared.inputs)).await?;
    // After several micro-batches, per-window results are those of the last one. So only sums over windows are compared.
    let windows = if whole { case.windows } else { 1 };
    let values = run.read(0, &results, windows).await?;
    let mut stray = None;
    for page in &pages {
        let bytes = run.read_ranges(&[(page.role, 0, page.bytes)]).await?;
        stray = stray.or(touched_outside(&plan, page.role, bytemuck::cast_slice(&bytes)));
    }
    Ok((values, stray))
}

/// A NaN that no kernel writes by chance.
const SENTINEL: u32 = 0x7fc0_dead;

/// Describes the first word outside all tensors that no longer holds the sentinel.
fn touched_outside(plan: &Plan, role: BufferRole, words: &[u32]) -> Option<String> {
    let rec = &plan.recordings[0];
    let regions = rec.regions.iter().flatten().chain(rec.scratch.iter().flatten());
    let inside: Vec<&Region> = regions.filter(|r| r.role == role).collect();
    let owned = |i: u64| inside.iter().any(|r| r.offset <= i && i < r.offset + r.bytes);
    let stray = words.iter().enumerate().find(|(i, w)| **w != SENTINEL && !owned(4 * *i as u64))?;
    Some(format!("byte {} of {role:?} was written, although it belongs to no tensor", 4 * stray.0))
}

/// Tolerance of a case, for f32 sums of `reduction` terms.
#[must_use]
pub fn tolerance(case: &Case) -> f64 {
    1e-5 * (1.0 + (case.reduction as f64).sqrt() / 4.0)
}

/// Runs one case of one op on a device and compares it with the f64 reference. Returns the largest error relative to the tolerance.
///
/// # Errors
/// States what differs.
pub async fn check_case(gpu: &Arc<Gpu>, op: &'static OpDef, case: &Case, seed: u64) -> Result<f64, SelfTestError> {
    let bits = |what: String| SelfTestError::Bits { op: op.name, case: case.name, what };
    let expected = run_reference(op, case, seed)?;
    let (first, stray) = run_device(gpu, op, case, seed, |_| {}).await?;
    if let Some(stray) = stray {
        return Err(bits(stray));
    }
    let mut worst = 0.0_f64;
    for ((tensor, expected), found) in expected.iter().zip(&first) {
        let found: Vec<f64> = found.iter().map(|v| f64::from(*v)).collect();
        let times = compare(expected, &found, tolerance(case), 1e-4, true).map_err(|mismatch| SelfTestError::Mismatch {
            op: op.name,
            case: case.name,
            tensor: tensor.clone(),
            mismatch,
        })?;
        worst = worst.max(times);
    }
    let (again, _) = run_device(gpu, op, case, seed, |_| {}).await?;
    if !same_bits(&first, &again) {
        return Err(bits("a second run gives different bits".into()));
    }
    let (chunked, _) = run_device(gpu, op, case, seed, |o| o.submit_seconds = 1e-12).await?;
    if !same_bits(&first, &chunked) {
        return Err(bits("dispatches of single windows give different bits".into()));
    }
    if case.windows > 1 {
        let (micro, _) = run_device(gpu, op, case, seed, |o| o.micro_batch = Some(1)).await?;
        for (((tensor, _), a), b) in expected.iter().zip(&first).zip(&micro) {
            if a.len() == b.len() && !same_bits(std::slice::from_ref(a), std::slice::from_ref(b)) {
                return Err(bits(format!("micro-batches of one window give different bits of {tensor}")));
            }
        }
    }
    Ok(worst)
}

impl From<VerifyError> for SelfTestError {
    fn from(e: VerifyError) -> Self {
        match e {
            VerifyError::Gpu(e) => e.into(),
            e => Self::Verify(e),
        }
    }
}

/// Runs the whole model, forward and backward. It compares the results with those of PyTorch in a golden file. It then compares the
/// gradients bit by bit with those of a second run within a smaller memory budget: micro-batches of one window, with every tensor
/// recomputed that can be. Returns the largest error relative to its tolerance, and the errors by group.
///
/// # Errors
/// States what differs.
pub async fn check_model(gpu: &Arc<Gpu>, golden: &[u8]) -> Result<(f64, Vec<GroupError>), SelfTestError> {
    let (golden, backend) = (Golden::read(golden)?, Backend::Gpu(gpu.clone()));
    let tolerance = |group: &str| verify::tolerance(&backend, group);
    let report = verify::verify(&golden, &backend, tolerance).await?;
    if let Some(g) = report.above(tolerance) {
        let (tensor, error) = (g.worst.clone().unwrap_or_default(), g.error.unwrap_or(f64::NAN));
        return Err(SelfTestError::Model { tensor, error, tolerance: tolerance(&g.group) });
    }
    let whole = verify::gradients(&golden, &backend, false).await?;
    let cut = verify::gradients(&golden, &backend, true).await?;
    if whole.iter().map(|x| x.to_bits()).ne(cut.iter().map(|x| x.to_bits())) {
        return Err(SelfTestError::ModelBits);
    }
    let worst = report.groups.iter().filter_map(|g| Some(g.error? / tolerance(&g.group))).fold(0.0, f64::max);
    Ok((worst, report.groups))
}

fn same_bits(a: &[Vec<f32>], b: &[Vec<f32>]) -> bool {
    let bits = |v: &[Vec<f32>]| v.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
    bits(a) == bits(b)
}
