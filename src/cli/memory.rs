//! `pgat inspect RUN memory`.

use super::budget::MemoryBudget;
use super::console::{self, bytes, table, thousands};
use super::context::Context;
use super::open;
use super::out::write_files;
use pgat::engine::executor::{Backend, Executor};
use pgat::engine::gpu::AdapterRecord;
use pgat::engine::plan::map::{ArenaMap, MapBox};
use pgat::engine::plan::{BufferRole, Plan};
use pgat::engine::session::Session;
use pgat::experiment::Run;
use pgat::inspect::memory::picture;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Data file to read [default: the file that the run was trained on]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    memory: MemoryBudget,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write a picture of a training step (memory.svg) and the result as JSON (memory.json) to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The memory of the model on a device.
#[derive(Serialize)]
struct Memory {
    /// Adapter class of the plan.
    class: String,
    /// The adapter on which the buffers were created; none if they are only planned.
    adapter: Option<AdapterRecord>,
    planned_bytes: u64,
    created_bytes: Option<u64>,
    /// Bytes that wgpu's allocator reserves for all buffers, in whole blocks of driver memory, where wgpu reports them.
    reserved_bytes: Option<u64>,
    buffers: Vec<Buffer>,
    /// The arena during a training step, and during a scoring pass.
    arena: Vec<ArenaMap>,
}

#[derive(Serialize)]
struct Buffer {
    name: String,
    planned_bytes: u64,
    created_bytes: Option<u64>,
}

/// The buffers created on a device.
struct Made {
    adapter: AdapterRecord,
    by_role: BTreeMap<BufferRole, u64>,
    reserved: Option<u64>,
}

impl Memory {
    fn new(plan: &Plan, made: Option<Made>) -> Self {
        let buffer = |role: BufferRole, planned_bytes| {
            let created_bytes = made.as_ref().map(|m| m.by_role.get(&role).copied().unwrap_or(0));
            Buffer { name: role.to_string(), planned_bytes, created_bytes }
        };
        Self {
            class: plan.class.name.clone(),
            planned_bytes: plan.bytes(),
            created_bytes: made.as_ref().map(|m| m.by_role.values().sum()),
            reserved_bytes: made.as_ref().and_then(|m| m.reserved),
            buffers: plan.buffers.iter().map(|b| buffer(b.role, b.bytes)).collect(),
            arena: (0..plan.recordings.len()).map(|i| ArenaMap::new(plan, i)).collect(),
            adapter: made.map(|m| m.adapter),
        }
    }
}

/// The selected backend. If none was selected and there is no adapter, only the plan is shown.
fn backend(context: &Context) -> anyhow::Result<Backend> {
    match context.open() {
        Err(e) if context.backend.is_none() && context.device.is_none() => {
            console::warn(&format!("showing only the plan; no buffers are allocated: {e}"));
            Ok(Backend::Reference)
        }
        other => other,
    }
}

pub(crate) fn run(context: &Context, mut run: Run, options: &Options) -> anyhow::Result<()> {
    options.memory.apply(&mut run.config.training);
    let experiment = open::run_data(run, options.data.as_deref())?;
    let backend = backend(context)?;
    let setup = experiment.setup(&backend);
    let (plan, made) = if let Backend::Gpu(gpu) = &backend {
        let session = pollster::block_on(Session::new(setup, backend.clone()))?;
        let by_role = match session.executor() {
            Executor::Gpu(run) => run.created_by_role(),
            Executor::Reference(_) => BTreeMap::new(),
        };
        (session.plan().clone(), Some(Made { adapter: gpu.adapter.clone(), by_role, reserved: gpu.reserved_bytes() }))
    } else {
        (Arc::new(setup.plan(&backend)?), None)
    };
    let memory = Memory::new(&plan, made);
    let svg = picture(&memory.arena[0], &format!("{}: memory of a training step", experiment.config().name));
    let json = serde_json::to_string_pretty(&memory)? + "\n";
    write_files(context, options.out.as_deref(), &[("memory.svg", &svg), ("memory.json", &json)])?;
    if options.json { console::result(&json) } else { console::result(&text(&memory)) }
}

/// Number of tensors that are listed.
const NAMED: usize = 12;

fn text(memory: &Memory) -> String {
    let mut text = match &memory.adapter {
        Some(adapter) => format!("Planned for class {} and allocated on {adapter}\n", memory.class),
        None => format!("Planned for class {}; not allocated on a device\n", memory.class),
    };
    let row = |name: &str, planned, created: Option<u64>| {
        [Some(name.to_owned()), Some(bytes(planned)), Some(thousands(planned)), created.map(thousands)].into_iter().flatten().collect()
    };
    let head = ["buffer", "planned", "bytes", "created"].map(str::to_owned);
    let mut rows: Vec<Vec<String>> = vec![head[..if memory.created_bytes.is_some() { 4 } else { 3 }].to_vec()];
    rows.extend(memory.buffers.iter().map(|b| row(&b.name, b.planned_bytes, b.created_bytes)));
    rows.push(row("all", memory.planned_bytes, memory.created_bytes));
    text += &table(&rows, &[0]);
    if let Some(reserved) = memory.reserved_bytes {
        text += &format!("wgpu's allocator reserves {} ({} bytes) in blocks.\n", bytes(reserved), thousands(reserved));
    }
    for map in &memory.arena {
        text += &arena_text(map);
    }
    text + &memory.arena.first().map_or_else(String::new, alive_text)
}

/// A description of a program.
fn what(map: &ArenaMap) -> &'static str {
    if map.program == "train" { "a training step" } else { "a scoring pass" }
}

/// A summary of the arena in a step, on two lines.
fn arena_text(map: &ArenaMap) -> String {
    let what = what(map);
    let pages = if map.pages.len() == 1 { "1 page".to_owned() } else { format!("{} pages", map.pages.len()) };
    let used: u64 = map.pages.iter().map(|p| p.used_bytes).sum();
    let high = map.high_water;
    let at =
        map.phases.get(high.phase).map_or_else(String::new, |p| format!(", in phase {} of {}: {}", high.phase, map.phases.len(), p.label));
    format!(
        "\nArena in {what} of {} windows, in micro-batches of {}: {} used of {} in {pages}, {:.3} times the lower bound of {}\n\
         Peak memory: {} ({} bytes){at}\n",
        thousands(map.batch as u64),
        thousands(map.micro_batch as u64),
        bytes(used),
        bytes(map.arena_bytes()),
        used as f64 / map.lower_bound.max(1) as f64,
        bytes(map.lower_bound),
        bytes(high.bytes),
        thousands(high.bytes),
    )
}

/// The largest live tensors at the peak.
fn alive_text(map: &ArenaMap) -> String {
    let alive = map.alive(map.high_water.phase);
    let sum = |boxes: &[&MapBox]| boxes.iter().map(|b| b.aligned_bytes()).sum::<u64>();
    let mut rows = vec![["bytes", "share", "kind", "tensor", "from", "to"].map(str::to_owned).to_vec()];
    for b in alive.iter().take(NAMED) {
        let share = 100.0 * b.aligned_bytes() as f64 / map.high_water.bytes.max(1) as f64;
        let ends = [b.first, b.last].map(|phase| map.phases[phase].label.clone());
        rows.push([vec![bytes(b.bytes), format!("{share:.1} %"), b.kind.name().into(), b.name.clone()], ends.to_vec()].concat());
    }
    let mut text = format!("\nLive tensors at the memory peak of {}, largest first\n{}", what(map), table(&rows, &[2, 3, 4, 5]));
    if alive.len() > NAMED {
        text += &format!("and {} more with {}\n", alive.len() - NAMED, bytes(sum(&alive[NAMED..])));
    }
    text
}
