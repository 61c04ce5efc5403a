//! Trains a small model for 2,000 steps and scores in between; fails if resident memory grows by 1 MiB or more over the last half.
//!
//!     cargo run --release --example memory_growth [STEPS]
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use pgat::config::Config;
use pgat::data::{Dataset, Part, PartWindows, Scaler, WindowSource};
use pgat::executor::Backend;
use pgat::gpu::Gpu;
use pgat::model::ModelShape;
use pgat::session::{Purpose, Session};
use std::sync::Arc;

/// Resident bytes of this process (Linux).
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib * 1024)
}

async fn run(steps: usize) -> Result<bool, Box<dyn std::error::Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/weather/config.toml");
    let mut config = Config::open(path.as_ref())?;
    config.model.d_model = 8;
    config.model.n_heads = 2;
    config.model.n_layers = 1;
    config.model.d_ff = 16;
    config.training.batch_size = 4;
    let data = Arc::new(Dataset::open(&config, &config.data_path(path.as_ref()))?);
    let scaler = Arc::new(Scaler::fit(&data)?.0);
    let train = PartWindows::new(data.clone(), scaler.clone(), data.training_windows()?);
    let validation = PartWindows::new(data.clone(), scaler, data.evaluation_windows(Part::Validation)?);
    let shape = ModelShape::new(*data.shape(), config.model.clone());
    let backend = Backend::Gpu(Arc::new(Gpu::open(None).await?));
    let mut session = Session::new(shape, config.training.clone(), Purpose::Train, backend, None).await?;
    let mut half = 0;
    for step in 0..steps {
        if step == steps / 2 {
            half = resident()?;
        }
        let first = (4 * step) % (train.len() - 4);
        session.train_step(&train, &[first, first + 1, first + 2, first + 3], first, step as u64, 1e-3).await?;
        if step % 10 == 9 {
            session.report().await?;
            session.score(&validation, &[step % validation.len()], |_, _| {}).await?;
        }
    }
    let end = resident()?;
    let grown = end.saturating_sub(half);
    println!("{steps} steps: resident {half} bytes half way, {end} at the end: grown by {grown} bytes");
    Ok(grown < 1 << 20)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps = std::env::args().nth(1).map_or(Ok(2000), |s| s.parse())?;
    if pollster::block_on(run(steps))? { Ok(()) } else { Err("resident memory grew by 1 MiB or more".into()) }
}
