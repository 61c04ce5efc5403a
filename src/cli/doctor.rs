//! `pgat doctor`.

use super::console::{bytes, duration};
use super::context::{BackendKind, Context};
use super::progress::Progress;
use super::{Ending, console};
use pgat::engine::gpu::device::{Found, adapters};
use pgat::engine::gpu::{AdapterRecord, Gpu, GpuError};
use pgat::engine::ops::{OPS, OpDef};
use pgat::engine::selftest::{MODEL, check_case, check_model};
use pgat::engine::verify::GroupError;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// List the adapters and show which one is used
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Test the adapter: compare every test case of every op with the f64 reference implementation on the CPU, and the whole model with
    /// PyTorch. The exit status is 1 if a comparison fails
    #[arg(long)]
    self_test: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The adapters, and the results of the self-test.
#[derive(Serialize)]
struct Findings {
    pgat: &'static str,
    adapters: Vec<Adapter>,
    /// Index of the adapter that is used.
    used: Option<usize>,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_test: Option<Vec<Tested>>,
}

#[derive(Serialize)]
struct Adapter {
    #[serde(flatten)]
    record: AdapterRecord,
    buffer_bytes: u64,
    binding_bytes: u64,
    storage_buffers: u32,
    /// Minimum and maximum number of lanes of a subgroup, if the adapter has subgroups.
    subgroup: Option<[u32; 2]>,
    shader_f16: bool,
    timestamp_query: bool,
}

/// The results of an op. The whole model counts as an op with one case.
#[derive(Serialize)]
struct Tested {
    op: &'static str,
    cases: usize,
    /// Largest error, as a fraction of its tolerance.
    worst: f64,
    seconds: f64,
    failures: Vec<String>,
    /// Errors by group, for the whole model only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupError>,
}

fn examine(found: &Found) -> Adapter {
    let (info, limits, features) = (&found.info, found.adapter.limits(), found.adapter.features());
    let subgroup = features.contains(wgpu::Features::SUBGROUP).then_some([info.subgroup_min_size, info.subgroup_max_size]);
    Adapter {
        record: found.record(),
        buffer_bytes: limits.max_buffer_size,
        binding_bytes: limits.max_storage_buffer_binding_size,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        subgroup,
        shader_f16: features.contains(wgpu::Features::SHADER_F16),
        timestamp_query: features.contains(wgpu::Features::TIMESTAMP_QUERY),
    }
}

/// The index of the adapter that is used, and the reason.
fn choose(found: &[Adapter], wanted: Option<&str>) -> (Option<usize>, String) {
    let Some(first) = found.first() else { return (None, "no adapter found".into()) };
    match wanted {
        Some(wanted) => {
            let matches = |a: &Adapter| a.record.to_string().to_lowercase().contains(&wanted.to_lowercase());
            match found.iter().position(matches) {
                Some(i) => (Some(i), format!("the first adapter that matches --device {wanted}")),
                None => (None, format!("no adapter matches --device {wanted}")),
            }
        }
        None if found.len() == 1 => (Some(0), "the only adapter".into()),
        None => (Some(0), format!("{}; the order of preference is discrete, integrated, virtual, other, cpu", first.record.kind)),
    }
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let found = pollster::block_on(adapters());
    let all: Vec<Adapter> = found.iter().map(examine).collect();
    let (used, reason) = choose(&all, context.device.as_deref());
    let mut findings = Findings { pgat: env!("CARGO_PKG_VERSION"), adapters: all, used, reason, self_test: None };
    if !options.json {
        console::result(&text(&findings))?;
    }
    if context.backend == Some(BackendKind::Reference) {
        context.say("note: --backend reference uses no adapter");
    }
    let Some(used) = used else {
        if options.json {
            console::json(&findings)?;
        }
        let Some(wanted) = context.device.clone().filter(|_| !found.is_empty()) else { return Err(GpuError::NoAdapter.into()) };
        let found = found.iter().map(|f| f.record().to_string()).collect::<Vec<_>>().join("; ");
        return Err(GpuError::NoSuchAdapter { wanted, found }.into());
    };
    // An adapter in the list may still fail to provide a device.
    let gpu = Arc::new(pollster::block_on(Gpu::of(&found[used]))?);
    let mut passed = true;
    if options.self_test {
        let tested = self_test(context, &gpu, options.json)?;
        passed = tested.iter().all(|t| t.failures.is_empty());
        findings.self_test = Some(tested);
    }
    if options.json {
        console::json(&findings)?;
    }
    Ok(if passed { Ending::Done } else { Ending::Negative })
}

fn text(findings: &Findings) -> String {
    let mut text = format!("pgat {}\n", findings.pgat);
    for (i, a) in findings.adapters.iter().enumerate() {
        let (r, yes) = (&a.record, |b: bool| if b { "yes" } else { "no" });
        let subgroup = match a.subgroup {
            None => "none".into(),
            Some([least, most]) if least == most => format!("with {least} lanes"),
            Some([least, most]) => format!("with {least} to {most} lanes"),
        };
        let limits = format!("buffer {}, binding {}, storage buffers {}", bytes(a.buffer_bytes), bytes(a.binding_bytes), a.storage_buffers);
        let rows = [
            ("type", format!("{}, {}", r.kind, r.backend)),
            ("driver", format!("{} {}", r.driver, r.driver_info)),
            ("class", r.class.clone()),
            ("limits", limits),
            ("features", format!("subgroups {subgroup}, shader-f16 {}, timestamp-query {}", yes(a.shader_f16), yes(a.timestamp_query))),
        ];
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(k, v)| vec![String::new(), k.to_owned(), v]).collect();
        text += &format!("\n{}. {}\n{}", i + 1, r.name, console::table(&rows, &[0, 1, 2]));
    }
    match findings.used {
        Some(i) => text += &format!("\nused: {}. {} ({})\n", i + 1, findings.adapters[i].record.name, findings.reason),
        None => text += &format!("\nadapter: {}\n", findings.reason),
    }
    text
}

/// Tests every case of every op, and prints a line after each op.
fn self_test(context: &Context, gpu: &Arc<Gpu>, json: bool) -> anyhow::Result<Vec<Tested>> {
    let (mut all, started) = (vec![], Instant::now());
    let cases: usize = OPS.iter().map(|op| op.cases().len()).sum();
    let mut progress = Progress::new(1 + cases as u64, 0, context.quiet);
    let tell = |progress: &Progress, text: &str| if json { Ok(()) } else { progress.aside(|| console::result(text)) };
    tell(&progress, "\nself-test: cases, largest error as a fraction of its tolerance, time\n")?;
    let mut done = 0;
    for op in OPS {
        let tested = test_op(gpu, op, |i| progress.at(done + i, op.name.into()));
        done += tested.cases as u64;
        tell(&progress, &line(&tested))?;
        all.push(tested);
    }
    progress.at(done, "model".into());
    let tested = test_model(gpu);
    tell(&progress, &line(&tested))?;
    all.push(tested);
    let failed = all.iter().filter(|t| !t.failures.is_empty()).count();
    let verdict = if failed == 0 {
        "passed: all ops agree with the f64 reference implementation, and the model agrees with PyTorch".into()
    } else {
        format!("{failed} FAILED")
    };
    progress.finish();
    tell(&progress, &format!("{verdict} ({})\n", duration(started.elapsed().as_secs_f64())))?;
    Ok(all)
}

fn test_op(gpu: &Arc<Gpu>, op: &'static OpDef, mut at: impl FnMut(u64)) -> Tested {
    let (cases, started) = (op.cases(), Instant::now());
    let mut tested = Tested { op: op.name, cases: cases.len(), worst: 0.0, seconds: 0.0, failures: vec![], groups: vec![] };
    for (case, number) in cases.iter().zip(1..) {
        at(number - 1);
        match pollster::block_on(check_case(gpu, op, case, number)) {
            Ok(worst) => tested.worst = tested.worst.max(worst),
            Err(e) => tested.failures.push(e.to_string()),
        }
    }
    tested.seconds = started.elapsed().as_secs_f64();
    tested
}

fn test_model(gpu: &Arc<Gpu>) -> Tested {
    let started = Instant::now();
    let mut tested = Tested { op: "model", cases: 1, worst: 0.0, seconds: 0.0, failures: vec![], groups: vec![] };
    match pollster::block_on(check_model(gpu, MODEL)) {
        Ok((worst, groups)) => (tested.worst, tested.groups) = (worst, groups),
        Err(e) => tested.failures.push(e.to_string()),
    }
    tested.seconds = started.elapsed().as_secs_f64();
    tested
}

fn line(t: &Tested) -> String {
    let verdict = if t.failures.is_empty() { "ok" } else { "FAILED" };
    let mut text = format!("  {:<16}{:>4}  {:>6.3}  {:>6.1} s  {verdict}\n", t.op, t.cases, t.worst, t.seconds);
    let errors: Vec<_> = t.groups.iter().filter_map(|g| Some(format!("{} {:.1e}", g.group, g.error?))).collect();
    if !errors.is_empty() {
        text += &format!("    largest errors: {}; bit-identical within two memory budgets\n", errors.join(", "));
    }
    for failure in &t.failures {
        text += &format!("    {failure}\n");
    }
    text
}
