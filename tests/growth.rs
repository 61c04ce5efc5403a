//! Resident memory of a long run. It is a separate program, because other tests in the same process would be measured too.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod common;

mod support {
    pub(crate) mod not_run;
}

use common::{Waves, bare, gpu, settings};
use pgat::data::WindowShape;
use pgat::engine::executor::Backend;
use pgat::engine::model::ModelShape;
use pgat::engine::session::{Session, Setup};
use pgat::engine::train::{Control, Event, Outcome, Trainer};
use std::sync::Arc;
use support::not_run::not_run;

/// Number of steps, unless `PGAT_GROWTH_STEPS` sets it.
const STEPS: u64 = 10_000;
/// Training steps between two scoring passes.
const TURN: u64 = 50;

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process has a status");
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("a size");
    1024 * line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number")
}

/// A model with almost every switch off: this test measures the host side of a step.
fn tiny() -> (Waves, ModelShape) {
    let window = WindowShape {
        history: 4,
        horizon: 4,
        num_covariates: 0,
        num_targets: 2,
        num_channels: 1,
        num_calendar: 2,
        ..WindowShape::default()
    };
    let settings = bare().with(|s| {
        s.mdn_components = 1;
        s.use_highway = false;
    });
    let source = Waves { shape: window, ..Waves::new(64) };
    (source, ModelShape::new(window, settings))
}

/// The training loop with reports, checkpoints and scoring passes: resident memory grows by less than 1 MiB over the last half, and no
/// buffer is created.
#[test]
fn a_long_run_does_not_grow() {
    if !cfg!(target_os = "linux") {
        return not_run("a_long_run_does_not_grow", "resident memory is read from /proc, which Linux alone has");
    }
    let steps: u64 = std::env::var("PGAT_GROWTH_STEPS").map_or(STEPS, |s| s.parse().expect("a number of steps"));
    let (source, shape) = tiny();
    let backend = gpu();
    let settings = settings().with(|s| {
        s.batch_size = 2;
        s.max_steps = Some(steps);
        s.validate_every = Some(TURN);
        s.checkpoint_every = 10 * TURN;
        s.health_every = TURN;
        s.log_every = 10;
    });
    let session = Session::new(Setup::training(shape, settings), backend.clone());
    let session = pollster::block_on(session).expect("a session");
    let dispatches = session.plan().recordings[0].dispatch_count();
    let Backend::Gpu(gpu) = &backend else { unreachable!("the device was asked for") };
    let counts = gpu.buffer_counts();
    let validation = Waves { windows: 4, ..tiny().0 };
    let mut trainer = Trainer::new(session, Arc::new(source), Some(Arc::new(validation))).expect("a trainer");
    let (start, mut at, mut scored) = (std::time::Instant::now(), vec![resident()], 0);
    let listen = &mut |e: &Event| {
        match e {
            Event::Tick { step, .. } if step % (steps / 10).max(1) == 0 => at.push(resident()),
            Event::Validation { .. } => scored += 1,
            _ => {}
        }
        Control::Continue
    };
    assert_eq!(pollster::block_on(trainer.run(&mut (), listen)).expect("a run"), Outcome::Finished);
    let seconds = start.elapsed().as_secs_f64();
    let kib: Vec<u64> = at.iter().map(|b| b / 1024).collect();
    eprintln!("{steps} steps of {dispatches} dispatches in {seconds:.1} s; resident KiB at each tenth: {kib:?}");
    assert_eq!(scored, steps.div_ceil(TURN));
    let grown = at[at.len() - 1].saturating_sub(at[at.len() / 2]);
    assert!(grown < 1 << 20, "grown by {grown} bytes over the last half; KiB at each tenth: {kib:?}");
    assert_eq!(gpu.buffer_counts(), counts);
}
