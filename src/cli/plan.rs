//! `pgat plan`, and the plan that `pgat train` prints before it starts.

use super::budget::MemoryBudget;
use super::console::{bytes, milliseconds, table, thousands};
use super::context::{self, Context};
use super::{Ending, console, open};
use anyhow::Context as _;
use pgat::advise::{Advice, advise};
use pgat::bytes::size_text;
use pgat::engine::executor::Backend;
use pgat::engine::model::ModelShape;
use pgat::engine::plan::{DeviceLimits, LargeTensor, Offer, Outlook, PlanError, PlanOptions};
use pgat::experiment::{BufferSummary, Experiment, Summary};
use serde::Serialize;
use std::path::PathBuf;

/// Show the memory and time that training needs; needs no adapter
///
/// Prints the numbers of windows and parameters, the memory by buffer, and the dispatches and predicted time of a step. It then shows the
/// smallest memory budget that works, and the predicted time within other budgets. If the model does not fit the budget, it lists changes
/// of the config that make it fit; each change was planned.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Config file
    config: PathBuf,
    #[command(flatten)]
    memory: MemoryBudget,
    /// Device limits: `webgpu` (those that every browser guarantees), or a JSON file with maxStorageBufferBindingSize, maxBufferSize and
    /// maxStorageBuffersPerShaderStage, as in `adapter.limits` of a browser
    #[arg(long, value_name = "webgpu|FILE", default_value = "webgpu")]
    limits: String,
    /// Kernel shapes and costs: an adapter class, or a file written by `pgat tune` or `pgat bench` [default: portable-cpu]
    #[arg(long, value_name = "NAME|FILE")]
    class: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Warns of unusual numbers of windows. A test part without windows is not an error, since training does not need one.
pub(crate) fn warn_of_windows(experiment: &Experiment) -> anyhow::Result<()> {
    let (windows, refused) = experiment.windows()?;
    let batch = experiment.config().training.batch_size;
    if batch > windows.training {
        let (batch, have) = (thousands(batch as u64), thousands(windows.training as u64));
        console::warn(&format!(
            "training.batch_size = {batch} is more than the {have} training windows: a step uses {have}, but memory is planned for {batch}"
        ));
    }
    if let Some(e) = refused {
        console::warn(&format!("the model cannot be evaluated: {e}"));
    }
    Ok(())
}

/// A plan as text.
pub(crate) fn text(summary: &Summary, shape: &ModelShape, backend: Option<&Backend>) -> String {
    let w = &shape.window;
    let count = |n: usize, one: &str, many: &str| format!("{} {}", thousands(n as u64), if n == 1 { one } else { many });
    let cut = |micro_batch: usize| format!(" in micro-batches of {}", thousands(micro_batch as u64));
    let micro = if summary.micro_batch < summary.batch { cut(summary.micro_batch) } else { String::new() };
    let again = if summary.computed_again > 0 { format!(", {} recomputed", ops(summary.computed_again)) } else { String::new() };
    let allowed = summary.budget.map_or_else(String::new, |b| format!(", budget {}", bytes(b)));
    let mut rows = vec![
        (
            "series",
            format!(
                "{}, {}, {}; {} rows of history, {} of horizon",
                count(w.num_targets, "target", "targets"),
                count(w.num_covariates, "covariate", "covariates"),
                count(w.num_channels, "channel", "channels"),
                thousands(w.history as u64),
                thousands(w.horizon as u64)
            ),
        ),
        (
            "windows",
            format!(
                "{} training, {} validation, {} test",
                thousands(summary.windows.training as u64),
                thousands(summary.windows.validation as u64),
                thousands(summary.windows.test as u64)
            ),
        ),
        ("model", format!("{} parameters", thousands(summary.parameters as u64))),
        (
            "memory",
            format!("{} in device buffers ({} bytes{allowed}): {}", bytes(summary.bytes), thousands(summary.bytes), buffers_text(summary)),
        ),
        (
            "a step",
            format!(
                "{}{micro}{again}, {}, predicted time {}",
                count(summary.batch, "window", "windows"),
                count(summary.dispatches, "dispatch", "dispatches"),
                milliseconds(summary.predicted_ms)
            ),
        ),
        (
            "steps",
            match summary.start_steps {
                0 => thousands(summary.steps),
                start => format!("{} of the linear start, which are shorter, then {}", thousands(start), thousands(summary.steps)),
            },
        ),
    ];
    let (total, data) = (summary.host.total(), summary.host.data);
    rows.push((
        "host",
        format!(
            "at most {} of host memory: data {}; training state, batch, caches and a fixed allowance together {}",
            bytes(total),
            bytes(data),
            bytes(total - data)
        ),
    ));
    if let Some(limits) = summary.limits {
        let (binding, buffer) = (thousands(limits.binding_bytes), thousands(limits.buffer_bytes));
        rows.push(("limits", format!("bindings of up to {binding} bytes, buffers of up to {buffer} bytes, instead of WebGPU's defaults")));
    }
    let adapter = backend.map(context::describe);
    if !adapter.as_ref().is_some_and(|a| a.contains(&summary.class)) {
        rows.push(("class", summary.class.clone()));
    }
    rows.extend(adapter.map(|a| ("adapter", a)));
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(k, v)| vec![k.to_owned(), v]).collect();
    table(&rows, &[0, 1])
}

/// Buffers, the largest first. Those below 1 % of all bytes are summed.
fn buffers_text(summary: &Summary) -> String {
    let mut sums: Vec<BufferSummary> = vec![];
    for b in &summary.buffers {
        // Pages of the arena and slots of the staging ring are numbered.
        let kind = b.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
        match sums.iter_mut().find(|s| s.name == kind) {
            Some(sum) => sum.bytes += b.bytes,
            None => sums.push(BufferSummary { name: kind.to_owned(), bytes: b.bytes }),
        }
    }
    sums.sort_by_key(|b| std::cmp::Reverse(b.bytes));
    let (large, small): (Vec<BufferSummary>, Vec<BufferSummary>) = sums.into_iter().partition(|b| b.bytes >= summary.bytes / 100);
    let mut parts: Vec<String> = large.iter().map(|b| format!("{} {}", b.name, bytes(b.bytes))).collect();
    if !small.is_empty() {
        parts.push(format!("{} others {}", small.len(), bytes(small.iter().map(|b| b.bytes).sum())));
    }
    parts.join(", ")
}

/// The result of `pgat plan` as JSON.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    summary: Option<Summary>,
    memory: Outlook,
    /// Adapter class of the plan. The kernels of another class may need a different amount of scratch memory.
    #[serde(skip)]
    class: String,
    /// Changes of the config that make the model fit, if it does not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    change: Vec<Advice>,
}

fn limits(text: &str) -> anyhow::Result<DeviceLimits> {
    if text == "webgpu" {
        return Ok(DeviceLimits::default());
    }
    let bytes = std::fs::read(text).with_context(|| format!("--limits {text} is neither webgpu nor a readable file"))?;
    let limits: DeviceLimits = serde_json::from_slice(&bytes).with_context(|| {
        format!("{text} does not contain limits; give maxStorageBufferBindingSize, maxBufferSize and maxStorageBuffersPerShaderStage")
    })?;
    limits.check().map_err(|e| anyhow::anyhow!("{text}: {e}"))?;
    Ok(limits)
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let mut config = open::config(&options.config)?;
    options.memory.apply(&mut config.training);
    let class = options.class.as_deref().map(context::class).transpose()?;
    let experiment = Experiment::open(config)?.of_class(class);
    open::notes(context, &experiment);
    warn_of_windows(&experiment)?;
    let setup = experiment.setup(&Backend::Reference);
    let target = PlanOptions { limits: limits(&options.limits)?, ..setup.options(&Backend::Reference) };
    let (memory, made) = experiment.outlook(&target)?;
    let (summary, change, ending) = match made {
        Ok(summary) => (Some(summary), vec![], Ending::Done),
        Err(PlanError::Budget { allowed, .. }) => {
            context.say("the model does not fit the budget; searching for changes that make it fit");
            (None, advise(&setup.shape, &setup.settings, &target, allowed), Ending::Negative)
        }
        Err(e) => return Err(e.into()),
    };
    let report = Report { summary, memory, class: target.class.name.clone(), change };
    if options.json {
        console::json(&report)?;
        return Ok(ending);
    }
    let mut said = report.summary.as_ref().map_or_else(String::new, |s| format!("{}\n", text(s, &setup.shape, None)));
    said += &outlook_text(&report);
    console::result(&said)?;
    Ok(ending)
}

/// Memory budgets and the predicted time within them.
fn outlook_text(report: &Report) -> String {
    use std::fmt::Write;
    let memory = &report.memory;
    let mut text = String::new();
    if report.summary.is_none() {
        let _ = writeln!(text, "class    {}", report.class);
    }
    let allowed = memory.budget.map_or_else(|| "unlimited".to_owned(), |b| format!("{} bytes", thousands(b)));
    let smallest = format!("{} bytes", thousands(memory.smallest.bytes));
    if memory.fits {
        let _ = writeln!(text, "budget   {allowed}; the smallest possible is {smallest} (--memory {})", size_text(memory.smallest.bytes));
    } else {
        let _ = writeln!(
            text,
            "does not fit: the budget is {allowed}, but the smallest plan takes {smallest} (--memory {})",
            size_text(memory.smallest.bytes)
        );
        let _ = writeln!(text, "\nchanges that make it fit (each one alone; each was planned):");
        for a in &report.change {
            let planned = a.bytes.map_or_else(String::new, |b| format!(": {} bytes", thousands(b)));
            let _ = match a.to {
                Some(_) if a.key == "training.micro_batch" => writeln!(text, "  remove {}{planned}", a.key),
                Some(to) if a.key == "targets" => {
                    writeln!(text, "  {to} targets instead of {}: about{}", a.from, planned.trim_start_matches(':'))
                }
                Some(to) => writeln!(text, "  {} = {to} instead of {}{planned}", a.key, a.from),
                None => writeln!(text, "  {}: no value makes it fit", a.key),
            };
        }
    }
    let l = &memory.levers;
    let [none, reuse, cut] = [l.none, l.reuse, l.micro_batches].map(thousands);
    let windows = if l.micro_batch == 1 { "one window".to_owned() } else { format!("{} windows", thousands(l.micro_batch as u64)) };
    let _ = writeln!(text, "savings  {none} bytes without any; {reuse} with memory reuse; {cut} also with micro-batches of {windows};");
    let _ = writeln!(text, "         {} in the smallest plan, also with recomputation", thousands(memory.smallest.bytes));
    let fastest = memory.curve.iter().map(|o| o.seconds).fold(f64::INFINITY, f64::min);
    let taken = |o: &Offer| report.summary.as_ref().is_some_and(|s| (s.micro_batch, s.computed_again) == (o.micro_batch, o.computed_again));
    let header = ["bytes", "a step", "slower", "micro-batch", "recomputed", ""].map(str::to_owned).to_vec();
    let row = |o: &Offer| {
        let slower = format!("{:+.1} %", 100.0 * (o.seconds / fastest - 1.0));
        let mark = if taken(o) { "<- used" } else { "" };
        vec![
            thousands(o.bytes),
            milliseconds(1000.0 * o.seconds),
            slower,
            thousands(o.micro_batch as u64),
            ops(o.computed_again),
            mark.to_owned(),
        ]
    };
    let rows: Vec<_> = std::iter::once(header).chain(memory.curve.iter().map(row)).collect();
    let _ = write!(text, "\n{}", table(&rows, &[5]));
    let _ = writeln!(text, "Within a budget, the fastest plan is used; among plans predicted within 1 % of it, the smallest.");
    let _ = writeln!(text, "\nlargest tensors, bytes per micro-batch:");
    let row = |t: &LargeTensor| {
        let alike = if t.alike > 1 { format!("and {} more of this size", t.alike - 1) } else { String::new() };
        vec![t.name.clone(), thousands(t.bytes), alike]
    };
    text + &table(&memory.largest.iter().map(row).collect::<Vec<_>>(), &[0, 2])
}

fn ops(n: usize) -> String {
    match n {
        0 => "none".into(),
        1 => "1 op".into(),
        n => format!("{n} ops"),
    }
}
