//! Measurements of `pgat bench`: the maximum rates of the adapter (ceilings), matrix products, a training step of an encoder layer. Times
//! are the minimum of several runs. Rates are also given as a fraction of the ceiling measured in the same run.

use crate::gpu::probe::{Ceilings, ceilings};
use crate::gpu::{AdapterRecord, Gpu, GpuError, GpuRun};
use crate::graph::{Direction, Graph, GraphError, OptimiserSettings, Program, Section};
use crate::ops::add::Add;
use crate::ops::attention::Attention;
use crate::ops::embed_sum::EmbedSum;
use crate::ops::layer_norm::LayerNorm;
use crate::ops::linear::{Activation, Linear};
use crate::ops::{Case, Fill, OPS, OpDef};
use crate::plan::recording::RecordedPhase;
use crate::plan::{AdapterClass, BufferRole, Plan, PlanError, PlanOptions};
use crate::selftest::{Draw, prepare};
use crate::step::StepInput;
use std::sync::Arc;
use std::time::Instant;

/// Errors of a benchmark.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The graph of a benchmark.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The plan of a benchmark.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// A matrix product.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ProductTime {
    /// `y = x W^T + b`, `dx = dy W` or `dW = dy^T x`.
    pub what: &'static str,
    /// Rows of x.
    pub rows: usize,
    /// Columns of x.
    pub inner: usize,
    /// Columns of y.
    pub columns: usize,
    /// Minimum time in milliseconds.
    pub ms: f64,
    /// 10^9 floating-point operations per second.
    pub gflops: f64,
    /// Fraction of the multiply-add ceiling.
    pub share: f64,
}

/// The time of one op in one direction within a step.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PartTime {
    /// Op.
    pub op: String,
    /// Direction.
    pub direction: Direction,
    /// Dispatches per step.
    pub dispatches: usize,
    /// Milliseconds. Each phase is submitted and awaited separately.
    pub ms: f64,
    /// Fraction of the sum over all parts.
    pub share: f64,
}

/// The time of a training step.
#[derive(Clone, Debug, serde::Serialize)]
pub struct StepTime {
    /// Description of the benchmark.
    pub what: String,
    /// Dispatches per step.
    pub dispatches: usize,
    /// Size of the plan in bytes.
    pub bytes: u64,
    /// Seconds from the start of compilation to the end of the first step.
    pub first_seconds: f64,
    /// Minimum milliseconds of a later step.
    pub ms: f64,
    /// Median milliseconds.
    pub median_ms: f64,
    /// 10^9 floating-point operations per step, from the op counts of the ops.
    pub gflop: f64,
    /// Fraction of the multiply-add ceiling.
    pub share: f64,
    /// Times by op and direction.
    pub parts: Vec<PartTime>,
}

/// The time of a single op. The cases are small, so the results show fixed costs, not rates.
#[derive(Clone, Debug, serde::Serialize)]
pub struct OpTime {
    /// Op.
    pub op: &'static str,
    /// Case.
    pub case: &'static str,
    /// Direction.
    pub direction: Direction,
    /// Dispatches.
    pub dispatches: usize,
    /// Minimum milliseconds, including submit and wait.
    pub ms: f64,
    /// 10^9 floating-point operations per second.
    pub gflops: f64,
    /// 10^9 bytes per second, with each tensor counted once.
    pub gigabytes_per_second: f64,
}

/// All measurements.
#[derive(Clone, Debug, serde::Serialize)]
pub struct BenchReport {
    /// The adapter.
    pub adapter: AdapterRecord,
    /// Class that determines the measured kernel shapes.
    pub class: String,
    /// Maximum rates of the adapter.
    pub ceilings: Ceilings,
    /// A training step of an encoder layer.
    pub encoder: StepTime,
    /// Matrix products.
    pub products: Vec<ProductTime>,
    /// The largest test case of each op.
    pub ops: Vec<OpTime>,
}

/// Rows, inner dimension and columns of the measured products.
pub const PRODUCTS: [[usize; 3]; 6] =
    [[12_288, 64, 64], [12_288, 64, 128], [12_288, 64, 192], [12_288, 64, 256], [12_288, 256, 64], [19_872, 64, 64]];

/// Runs all measurements with the kernel shapes of `class`. `progress` receives the name of each measurement before it starts.
///
/// # Errors
/// Fails if the device reports an error.
pub async fn run(gpu: &Arc<Gpu>, class: &AdapterClass, progress: &mut dyn FnMut(&str)) -> Result<BenchReport, BenchError> {
    progress("ceilings");
    let mut best = ceilings(gpu)?;
    // Runs first, so that the time of its first step includes the compilation of all its kernels.
    progress("encoder layer");
    let mut encoder = encoder(gpu, class).await?;
    best = best.better(&ceilings(gpu)?);
    let mut products = vec![];
    for shape in PRODUCTS {
        for what in ["y = x W^T + b", "dx = dy W", "dW = dy^T x"] {
            progress(&format!("{what}, {shape:?}"));
            products.push(product(gpu, class, what, shape).await?);
            best = best.better(&ceilings(gpu)?);
        }
    }
    let mut ops = vec![];
    for op in OPS {
        progress(op.name);
        ops.extend(op_times(gpu, class, op).await?);
    }
    // Fractions refer to the best rate seen between the measurements, because other load on the machine slows both.
    products.iter_mut().for_each(|p| p.share = p.gflops * 1e9 / best.fma_flops_per_second);
    encoder.share = encoder.gflop * 1e12 / encoder.ms / best.fma_flops_per_second;
    Ok(BenchReport { adapter: gpu.adapter.clone(), class: class.name.clone(), ceilings: best, encoder, products, ops })
}

/// Times of the largest case of an op, forward and backward.
async fn op_times(gpu: &Arc<Gpu>, class: &AdapterClass, op: &'static OpDef) -> Result<Vec<OpTime>, BenchError> {
    let size = |c: &Case| c.windows * c.inputs.iter().map(|i| i.shape.iter().product::<usize>()).sum::<usize>();
    let Some(case) = op.cases().into_iter().max_by_key(size) else { return Ok(vec![]) };
    let prepared = prepare(op, &case, 1)?;
    let options = PlanOptions { limits: gpu.limits, ..PlanOptions::new(case.windows, class.clone()) };
    let plan = Arc::new(Plan::new(vec![(prepared.program, options)])?);
    let mut run = GpuRun::new(gpu.clone(), plan.clone()).await?;
    run.upload(BufferRole::Parameters, 0, bytemuck::cast_slice(&prepared.parameters)).await?;
    run.step(0, &StepInput { windows: case.windows, ..input(&prepared.inputs) }).await?;
    run.finish()?;
    let mut least = run.time_phases(0, case.windows)?;
    for _ in 1..5 {
        for (l, t) in least.iter_mut().zip(run.time_phases(0, case.windows)?) {
            *l = l.min(t);
        }
    }
    let line = |(phase, seconds): (&RecordedPhase, f64)| {
        let windows = if phase.section == Section::Body { case.windows as f64 } else { 1.0 };
        OpTime {
            op: op.name,
            case: case.name,
            direction: phase.direction,
            dispatches: phase.dispatches.len(),
            ms: seconds * 1e3,
            gflops: phase.cost.flops * windows / seconds / 1e9,
            gigabytes_per_second: phase.cost.bytes * windows / seconds / 1e9,
        }
    };
    Ok(plan.recordings[0].phases.iter().zip(least).map(line).collect())
}

/// Milliseconds of the products of one kind: row products, or weight gradients.
///
/// # Errors
/// Fails if the device reports an error.
pub async fn products_ms(gpu: &Arc<Gpu>, class: &AdapterClass, weights: bool) -> Result<f64, BenchError> {
    let kinds: &[&'static str] = if weights { &["dW = dy^T x"] } else { &["y = x W^T + b", "dx = dy W"] };
    let mut total = 0.0;
    for shape in [PRODUCTS[0], PRODUCTS[3], PRODUCTS[4]] {
        for what in kinds {
            total += product(gpu, class, what, shape).await?.ms;
        }
    }
    Ok(total)
}

/// Number of windows into which the rows are divided.
const WINDOWS: usize = 32;

async fn product(
    gpu: &Arc<Gpu>,
    class: &AdapterClass,
    what: &'static str,
    [rows, inner, columns]: [usize; 3],
) -> Result<ProductTime, BenchError> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[rows / WINDOWS, inner]);
    let weight = graph.parameter("weight", &[columns, inner]);
    let bias = graph.parameter("bias", &[columns]);
    let y = graph.apply1(linear(Activation::Identity), "y", &[x, weight, bias])?;
    let seed = graph.input("seed", &[rows / WINDOWS, columns]);
    let wanted: &[usize] = match what {
        "dx = dy W" => &[x],
        "dW = dy^T x" => &[weight, bias],
        _ => &[],
    };
    let program = Program::with_gradients("product", graph, &[(y, seed)], wanted, vec![y])?;
    let options = PlanOptions { limits: gpu.limits, ..PlanOptions::new(WINDOWS, class.clone()) };
    let plan = Arc::new(Plan::new(vec![(program, options)])?);
    let mut run = GpuRun::new(gpu.clone(), plan.clone()).await?;
    let inputs: Vec<Vec<f32>> = [rows * inner, rows * columns].map(|n| vec![0.5; n]).into();
    run.step(0, &input(&inputs)).await?;
    run.finish()?;
    let phase = plan.recordings[0].phases.len() - 1;
    let mut seconds = f64::INFINITY;
    for _ in 0..8 {
        seconds = seconds.min(run.time_phases(0, WINDOWS)?[phase]);
    }
    let flops = 2.0 * (rows * inner * columns) as f64 / seconds;
    Ok(ProductTime { what, rows, inner, columns, ms: seconds * 1e3, gflops: flops / 1e9, share: 0.0 })
}

/// A layer with a bias. `activation` is applied to x when it is loaded.
fn linear(activation: Activation) -> Linear {
    Linear { bias: true, residual: false, activation, dropout: 0.0, column0: None }
}

fn input(inputs: &[Vec<f32>]) -> StepInput<'_> {
    StepInput { windows: WINDOWS, first_window: 0, keys: [1, 2], learning_rate: 1e-3, shrink: 0.0, inverse_count: 1e-4, inputs }
}

/// One encoder layer on 32 windows of 96 steps and 4 nodes: width 64, 4 heads along time, feed-forward width 256, squared distance to a
/// target, AdamW.
fn encoder_program() -> Result<Program, GraphError> {
    use Activation::{Gelu, Identity};
    let (steps, nodes, d, ff) = (96, 4, 64, 256);
    let mut g = Graph::default();
    let series = g.input("series", &[steps, nodes, d]);
    let base = g.parameter("base", &[steps, nodes, d]);
    let x = g.apply1(EmbedSum { calendar: false }, "x", &[base, series])?;
    let dense = |g: &mut Graph, name: &str, x, columns: usize, inner: usize, activation| {
        let weight = g.parameter(&format!("{name}.weight"), &[columns, inner]);
        let bias = g.parameter(&format!("{name}.bias"), &[columns]);
        g.apply1(linear(activation), name, &[x, weight, bias])
    };
    let norm = |g: &mut Graph, name: &str, x, change| {
        let gamma = g.parameter(&format!("{name}.weight"), &[d]);
        let beta = g.parameter(&format!("{name}.bias"), &[d]);
        g.apply1(LayerNorm { residual: true, dropout: 0.1 }, name, &[x, gamma, beta, change])
    };
    let query = dense(&mut g, "query", x, d, d, Identity)?;
    let key_value = dense(&mut g, "key_value", x, 2 * d, d, Identity)?;
    let attended = g.apply1(Attention { heads: 4, time_heads: 4 }, "attention", &[query, key_value])?;
    let out = dense(&mut g, "out", attended, d, d, Identity)?;
    let y = norm(&mut g, "norm1", x, out)?;
    let hidden = dense(&mut g, "ff1", y, ff, d, Identity)?;
    let change = dense(&mut g, "ff2", hidden, d, ff, Gelu)?;
    let z = norm(&mut g, "norm2", y, change)?;
    // Half the squared distance to a target: its gradient is the distance itself.
    let target = g.input("minus_target", &[steps, nodes, d]);
    let distance = g.apply1(Add, "distance", &[z, target])?;
    let loss = g.constant("loss", &[1], vec![0.0]);
    Program::training_from(g, &[(distance, distance)], loss, &OptimiserSettings::default())
}

async fn encoder(gpu: &Arc<Gpu>, class: &AdapterClass) -> Result<StepTime, BenchError> {
    let options = PlanOptions { limits: gpu.limits, ..PlanOptions::new(WINDOWS, class.clone()) };
    let program = encoder_program()?;
    let mut draw = Draw::new(1);
    let mut data = |n: usize, fill| draw.fill(fill, n * WINDOWS);
    let inputs = vec![data(96 * 4 * 64, Fill::Normal(1.0)), data(96 * 4 * 64, Fill::Normal(1.0))];
    let flat = program.graph.flat_len();
    let start = Instant::now();
    let plan = Arc::new(Plan::new(vec![(program, options)])?);
    let mut run = GpuRun::new(gpu.clone(), plan).await?;
    let parameters = draw.fill(Fill::Normal(0.1), flat);
    run.upload(BufferRole::Parameters, 0, bytemuck::cast_slice(&parameters)).await?;
    step_time("encoder layer, 12,288 tokens", &mut run, &inputs, start).await
}

/// Times whole steps of the first recording, then its parts.
async fn step_time(what: &str, run: &mut GpuRun, inputs: &[Vec<f32>], start: Instant) -> Result<StepTime, BenchError> {
    run.step(0, &input(inputs)).await?;
    run.finish()?;
    let first_seconds = start.elapsed().as_secs_f64();
    let mut times = vec![];
    for _ in 0..12 {
        let start = Instant::now();
        run.step(0, &input(inputs)).await?;
        run.finish()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let parts = step_split(run, 0, WINDOWS, 4)?;
    let recording = &run.plan().recordings[0];
    let flops = step_flops(run, 0);
    Ok(StepTime {
        what: what.into(),
        dispatches: recording.dispatch_count(),
        bytes: run.plan().bytes(),
        first_seconds,
        ms: times[0] * 1e3,
        median_ms: times[times.len() / 2] * 1e3,
        gflop: flops / 1e9,
        share: 0.0,
        parts,
    })
}

/// Floating-point operations of a step on a whole batch, from the op counts of the ops.
#[must_use]
pub fn step_flops(run: &GpuRun, recording: usize) -> f64 {
    let recording = &run.plan().recordings[recording];
    let windows = |s: Section| if s == Section::Body { recording.batch as f64 } else { 1.0 };
    recording.phases.iter().map(|p| p.cost.flops * windows(p.section)).sum()
}

/// Times of a step by op and direction, the longest first. Each time is the minimum of `repeats` runs.
///
/// # Errors
/// Fails if the device is lost.
pub fn step_split(run: &GpuRun, recording: usize, windows: usize, repeats: usize) -> Result<Vec<PartTime>, GpuError> {
    let mut least = run.time_phases(recording, windows)?;
    for _ in 1..repeats {
        for (l, t) in least.iter_mut().zip(run.time_phases(recording, windows)?) {
            *l = l.min(t);
        }
    }
    let total: f64 = least.iter().sum();
    let mut parts: Vec<PartTime> = vec![];
    for (phase, seconds) in run.plan().recordings[recording].phases.iter().zip(least) {
        let found = parts.iter().position(|p| p.op == phase.op && p.direction == phase.direction);
        let at = found.unwrap_or_else(|| {
            parts.push(PartTime { op: phase.op.into(), direction: phase.direction, dispatches: 0, ms: 0.0, share: 0.0 });
            parts.len() - 1
        });
        parts[at].dispatches += phase.dispatches.len();
        parts[at].ms += seconds * 1e3;
        parts[at].share += seconds / total;
    }
    parts.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Ok(parts)
}

/// The class of the plan, with factors for the measured ops: the time of the parts of a micro-batch of `windows` windows, divided by the
/// prediction from the rates alone.
#[must_use]
pub fn measured_class(plan: &Plan, parts: &[PartTime], windows: usize) -> AdapterClass {
    let recording = &plan.recordings[0];
    let mut class = plan.class.clone();
    let share = windows as f64 / recording.micro_batch as f64;
    let phases_of = |part: &PartTime| {
        let (op, direction) = (part.op.clone(), part.direction);
        recording.phases.iter().filter(move |p| p.op == op && p.direction == direction)
    };
    // Each phase was submitted and awaited separately, so the shortest time is pure overhead.
    let each = |part: &PartTime| part.ms / 1e3 / phases_of(part).count().max(1) as f64;
    let wait = parts.iter().map(each).fold(f64::INFINITY, f64::min);
    for part in parts {
        let name = AdapterClass::factor_name(&part.op, part.direction);
        let known = plan.class.factors.get(&name).copied().unwrap_or(1.0);
        let phases: Vec<_> = phases_of(part).collect();
        let work = |p: &RecordedPhase| {
            let seconds: f64 = recording.dispatches[p.dispatches.clone()].iter().map(|d| d.seconds).sum();
            seconds * if p.section == Section::Body { share } else { 1.0 }
        };
        let predicted = phases.iter().map(|p| work(p)).sum::<f64>() / known;
        let more = part.dispatches.saturating_sub(phases.len()) as f64 * class.dispatch_seconds;
        let measured = part.ms / 1e3 - phases.len() as f64 * wait - more;
        if predicted > 0.0 {
            // Two digits are enough: more would record the noise of one measurement.
            let factor = (measured.max(0.0) / predicted).clamp(0.01, 100.0);
            class.factors.insert(name, format!("{factor:.1e}").parse().unwrap_or(factor));
        }
    }
    let suffix = "-measured";
    if !class.name.ends_with(suffix) {
        class.name.push_str(suffix);
    }
    class
}

impl BenchReport {
    /// The report as aligned text.
    #[must_use]
    pub fn to_text(&self) -> String {
        use std::fmt::Write;
        let c = &self.ceilings;
        let mut text = format!(
            "{}\nkernel shapes of class {}\nceilings: {:.1} GFLOP/s multiply-add, {:.1} GB/s triad, {:.1} us per empty dispatch\n\n",
            self.adapter,
            self.class,
            c.fma_flops_per_second / 1e9,
            c.triad_bytes_per_second / 1e9,
            c.dispatch_seconds * 1e6
        );
        for p in &self.products {
            let size = format!("{} x {} x {}", p.rows, p.inner, p.columns);
            let _ = writeln!(
                text,
                "{:<14} {size:<18} {:>8.2} ms {:>8.1} GFLOP/s {:>6.1} % of the ceiling",
                p.what,
                p.ms,
                p.gflops,
                100.0 * p.share
            );
        }
        let e = &self.encoder;
        let _ = writeln!(
            text,
            "\n{}: {:.1} ms per step (median {:.1}), {:.2} GFLOP, {:.1} % of the ceiling, {} dispatches, {} bytes; first step {:.1} s",
            e.what,
            e.ms,
            e.median_ms,
            e.gflop,
            100.0 * e.share,
            e.dispatches,
            e.bytes,
            e.first_seconds
        );
        for p in &e.parts {
            let name = format!("{} {}", p.op, if p.direction == Direction::Forward { "forward" } else { "backward" });
            let _ = writeln!(text, "  {name:<28} {:>8.2} ms {:>5.1} % {:>3} dispatches", p.ms, 100.0 * p.share, p.dispatches);
        }
        text.push_str("\nops, largest test case of each, including submit and wait:\n");
        for o in &self.ops {
            let name = format!("{} {}", o.op, if o.direction == Direction::Forward { "forward" } else { "backward" });
            let _ = writeln!(
                text,
                "  {name:<28} {:>8.3} ms {:>8.2} GFLOP/s {:>7.2} GB/s {:>3} dispatches  ({})",
                o.ms, o.gflops, o.gigabytes_per_second, o.dispatches, o.case
            );
        }
        text
    }
}
