//! `pgat plan`, and what `train` says before it starts.

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

/// Show what training would take; needs no adapter
///
/// Windows, parameters, memory by buffer, dispatches and predicted time of a step; then what other budgets would cost: the smallest one
/// that works, and time over bytes. Where the model does not fit, what to change: each change was planned.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Config file
    config: PathBuf,
    #[command(flatten)]
    memory: MemoryBudget,
    /// Limits of the device: `webgpu` (what every browser grants), or a JSON file with maxStorageBufferBindingSize, maxBufferSize and
    /// maxStorageBuffersPerShaderStage, as a browser's `adapter.limits` has them
    #[arg(long, value_name = "webgpu|FILE", default_value = "webgpu")]
    limits: String,
    /// Class of adapters to plan for, or a file that `pgat tune` or `pgat bench` wrote [default: portable-cpu]
    #[arg(long, value_name = "NAME|FILE")]
    class: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Warns of what the numbers of windows will lead to. A test part without windows is no error: training needs none.
pub(crate) fn warn_of_windows(experiment: &Experiment) -> anyhow::Result<()> {
    let (windows, refused) = experiment.windows()?;
    let batch = experiment.config().training.batch_size;
    if batch > windows.training {
        let have = thousands(windows.training as u64);
        console::warn(&format!(
            "training.batch_size = {batch} is more than the {have} training windows: a step has {have}, planned is more"
        ));
    }
    if let Some(e) = refused {
        console::warn(&format!("there will be nothing to evaluate: {e}"));
    }
    Ok(())
}

/// A plan in some lines for people.
pub(crate) fn text(summary: &Summary, shape: &ModelShape, backend: Option<&Backend>) -> String {
    let w = &shape.window;
    let count = |n: usize, one: &str, many: &str| format!("{} {}", thousands(n as u64), if n == 1 { one } else { many });
    let micro = if summary.micro_batch < summary.batch { format!(" in micro-batches of {}", summary.micro_batch) } else { String::new() };
    let again = if summary.computed_again > 0 { format!(", {} computed again", ops(summary.computed_again)) } else { String::new() };
    let allowed = summary.budget.map_or_else(String::new, |b| format!(" of {} allowed", bytes(b)));
    let mut rows = vec![
        (
            "series",
            format!(
                "{}, {}, {}; {} rows of history, {} of horizon",
                count(w.num_targets, "target", "targets"),
                count(w.num_covariates, "covariate", "covariates"),
                count(w.num_channels, "channel", "channels"),
                w.history,
                w.horizon
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
            format!("{} on the device ({} bytes){allowed}: {}", bytes(summary.bytes), thousands(summary.bytes), buffers_text(summary)),
        ),
        (
            "a step",
            format!(
                "{} windows{micro}{again}, {}, about {} predicted",
                summary.batch,
                count(summary.dispatches, "dispatch", "dispatches"),
                milliseconds(summary.predicted_ms)
            ),
        ),
        ("steps", thousands(summary.steps)),
    ];
    let (total, data) = (summary.host.total(), summary.host.data);
    rows.push((
        "host",
        format!("at most {}: data {}, state, batch, caches and allowance {}", bytes(total), bytes(data), bytes(total - data)),
    ));
    if let Some(limits) = summary.limits {
        let (binding, buffer) = (thousands(limits.binding_bytes), thousands(limits.buffer_bytes));
        rows.push(("limits", format!("bindings of {binding} and buffers of {buffer} bytes instead of WebGPU's defaults")));
    }
    let adapter = backend.map(context::describe);
    if !adapter.as_ref().is_some_and(|a| a.contains(&summary.class)) {
        rows.push(("class", summary.class.clone()));
    }
    rows.extend(adapter.map(|a| ("adapter", a)));
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(k, v)| vec![k.to_owned(), v]).collect();
    table(&rows, &[0, 1])
}

/// Buffers from the largest down; those below a percent together.
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

/// Everything that `pgat plan` says, as JSON.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    summary: Option<Summary>,
    memory: Outlook,
    /// Class of adapters that it is planned for: another's kernels may take other scratch.
    #[serde(skip)]
    class: String,
    /// Where nothing fits: what to change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    change: Vec<Advice>,
}

fn limits(text: &str) -> anyhow::Result<DeviceLimits> {
    if text == "webgpu" {
        return Ok(DeviceLimits::default());
    }
    let bytes = std::fs::read(text).with_context(|| format!("--limits {text} is neither webgpu nor a file that can be read"))?;
    let limits: DeviceLimits = serde_json::from_slice(&bytes).with_context(|| {
        format!("{text} holds no limits: write maxStorageBufferBindingSize, maxBufferSize, maxStorageBuffersPerShaderStage")
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
            context.say("it does not fit; looking for what to change");
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

/// Budgets, and what they cost.
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
        let _ = writeln!(text, "budget   {allowed}; the smallest that works is {smallest} (--memory {})", size_text(memory.smallest.bytes));
    } else {
        let _ = writeln!(
            text,
            "does not fit: the budget is {allowed}, and the smallest plan takes {smallest} (--memory {})",
            size_text(memory.smallest.bytes)
        );
        let _ = writeln!(text, "\nwhat to change (each was planned):");
        for a in &report.change {
            let planned = a.bytes.map_or_else(String::new, |b| format!(", {} bytes", thousands(b)));
            let _ = match a.to {
                Some(_) if a.key == "training.micro_batch" => writeln!(text, "  {}: leave it out{planned}", a.key),
                Some(to) if a.key == "targets" => {
                    writeln!(text, "  {to} targets instead of {}, about{}", a.from, planned.trim_start_matches(','))
                }
                Some(to) => writeln!(text, "  {} = {to} instead of {}{planned}", a.key, a.from),
                None => writeln!(text, "  {}: no value is enough", a.key),
            };
        }
    }
    let l = &memory.levers;
    let [none, reuse, cut] = [l.none, l.reuse, l.micro_batches].map(thousands);
    let windows = if l.micro_batch == 1 { "one window".to_owned() } else { format!("{} windows", l.micro_batch) };
    let _ = writeln!(text, "levers   {none} bytes with none; {reuse} where tensors share bytes; {cut} in micro-batches of {windows};");
    let _ = writeln!(text, "         {} where ops are computed again too", thousands(memory.smallest.bytes));
    let fastest = memory.curve.iter().map(|o| o.seconds).fold(f64::INFINITY, f64::min);
    let taken = |o: &Offer| report.summary.as_ref().is_some_and(|s| (s.micro_batch, s.computed_again) == (o.micro_batch, o.computed_again));
    let header = ["bytes", "a step", "", "micro-batch", "computed again", ""].map(str::to_owned).to_vec();
    let row = |o: &Offer| {
        let slower = format!("{:+.1} %", 100.0 * (o.seconds / fastest - 1.0));
        let mark = if taken(o) { "<- taken" } else { "" };
        vec![
            thousands(o.bytes),
            milliseconds(1000.0 * o.seconds),
            slower,
            o.micro_batch.to_string(),
            ops(o.computed_again),
            mark.to_owned(),
        ]
    };
    let rows: Vec<_> = std::iter::once(header).chain(memory.curve.iter().map(row)).collect();
    let _ = write!(text, "\n{}", table(&rows, &[5]));
    let _ = writeln!(text, "Within a budget the fastest is taken, and of those predicted within 1 % of it the smallest.");
    let _ = writeln!(text, "\nlargest tensors, bytes for a micro-batch:");
    let row = |t: &LargeTensor| {
        let alike = if t.alike > 1 { format!("and {} more of that size", t.alike - 1) } else { String::new() };
        vec![t.name.clone(), thousands(t.bytes), alike]
    };
    text + &table(&memory.largest.iter().map(row).collect::<Vec<_>>(), &[0, 2])
}

fn ops(n: usize) -> String {
    match n {
        0 => "nothing".into(),
        1 => "1 op".into(),
        n => format!("{n} ops"),
    }
}
