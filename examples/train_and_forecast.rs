//! Trains on a table in memory, scores the test part and forecasts the steps after the table. Reads and writes no files.
//!
//!     cargo run --release --example train_and_forecast              on the best adapter
//!     cargo run --release --example train_and_forecast -- twins     on the f64 reference backend, which needs no adapter

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use pgat::{Backend, Config, Control, Experiment, ForecastOptions, Part, StoredRun};
use std::fmt::Write as _;

const CONFIG: &str = r#"
name = "tides"

[data]
path = "in memory"
time = "time"
targets = ["low", "high"]

[window]
history = 24
horizon = 6

[model]
patch_len = 6
d_model = 8
n_heads = 2
n_layers = 1
d_ff = 8
num_transitions = 1

[training]
batch_size = 16
max_steps = 60
learning_rate = 5e-3
"#;

/// Hourly rows of two series.
fn table() -> String {
    let mut csv = String::from("time,low,high\n");
    for hour in 0..600_u32 {
        let t = f64::from(hour) * std::f64::consts::TAU / 12.4;
        let (low, high) = (1.0 + 0.5 * t.sin(), 4.0 + (t + 0.3).sin() + 0.2 * (t / 14.0).sin());
        let _ = writeln!(csv, "2024-03-{:02} {:02}:00,{low:.3},{high:.3}", 1 + hour / 24, hour % 24);
    }
    csv
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pollster::block_on(async {
        let backend = if std::env::args().any(|a| a == "twins") { Backend::Reference } else { Backend::open(None).await? };
        let experiment = Experiment::read(Config::from_toml(CONFIG)?, table().as_bytes(), None)?;
        let planned = experiment.plan(backend)?;
        println!("{} bytes on the device, {} steps", planned.summary().bytes, planned.summary().steps);
        let mut trained = planned.train(StoredRun::in_memory("tides"), &mut |_| Control::Continue).await?;
        println!("{}", trained.evaluate(Part::Test).await?.verdict().unwrap_or_default());
        let forecast = trained.forecast(&ForecastOptions { levels: vec![0.1, 0.5, 0.9], ..ForecastOptions::default() }).await?;
        println!("after {}:", forecast.origin);
        forecast.table.write_csv(std::io::stdout())?;
        Ok(())
    })
}
