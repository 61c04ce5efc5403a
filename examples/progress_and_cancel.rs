//! Shows progress, stops a run as Ctrl-C does, scores it, and continues it to the end. On a device the weights are bit-identical to those
//! of a run without the stop. `twins` selects the f64 reference backend, which needs no adapter.
//!
//!     cargo run --release --example progress_and_cancel [-- twins]

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use pgat::{Backend, Config, Control, Event, Experiment, Outcome, Part, StoredRun, Training};
use std::fmt::Write as _;

const CONFIG: &str = r#"
name = "waves"

[data]
path = "in memory"
targets = ["*"]

[window]
history = 12
horizon = 4

[model]
patch_len = 4
d_model = 8
n_heads = 2
n_layers = 1
d_ff = 8
num_transitions = 1

[training]
batch_size = 16
max_steps = 40
log_every = 10
validate_every = 20
"#;

fn table() -> String {
    let mut csv = String::from("a,b\n");
    for row in 0..300_u32 {
        let t = f64::from(row);
        let _ = writeln!(csv, "{:.3},{:.3}", (t / 5.0).sin() + 0.1 * (t * 1.7).sin(), (t / 7.0).cos());
    }
    csv
}

async fn training(backend: Backend) -> Result<Training, pgat::Error> {
    let experiment = Experiment::read(Config::from_toml(CONFIG)?, table().as_bytes(), None)?;
    experiment.plan(backend)?.begin(StoredRun::in_memory("waves")).await
}

/// Prints the events. Stops after the step `stop_after`, if it is given.
fn listener(stop_after: Option<u64>) -> impl FnMut(&Event) -> Control {
    move |event| {
        match event {
            Event::Step { step, loss, ms, .. } => println!("step {step}: loss {loss:.4}, {ms:.1} ms a step"),
            Event::Validation { step, loss, best } => println!("step {step}: validation loss {loss:.4}, best so far: {best}"),
            Event::Tick { step, .. } if Some(*step) == stop_after => return Control::Stop,
            _ => {}
        }
        Control::Continue
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pollster::block_on(async {
        let backend = if std::env::args().any(|a| a == "twins") { Backend::Reference } else { Backend::open(None).await? };
        let mut stopped = training(backend.clone()).await?;
        assert_eq!(stopped.run(&mut listener(Some(25))).await?, Outcome::Stopped);
        let scores = stopped.evaluate(Part::Validation, |done, all| println!("scored {done} of {all} windows")).await?;
        println!("after {} steps: {}", stopped.progress().step, scores.verdict().unwrap_or_default());
        assert_eq!(stopped.run(&mut listener(None)).await?, Outcome::Finished);

        let mut undisturbed = training(backend).await?;
        undisturbed.run(&mut |_| Control::Continue).await?;
        let [a, b] = [stopped.finish().await?, undisturbed.finish().await?];
        // The reference backend computes in f64 and stores f32, so it loses digits at the stop. A device computes and stores f32.
        let same = a.parameters() == b.parameters();
        assert!(same || matches!(a.session().backend(), Backend::Reference), "a stop changed the weights");
        println!(
            "{}",
            if same {
                "the stop changed no bit of the weights"
            } else {
                "the stop changed the last digits, as expected on the reference backend"
            }
        );
        Ok(())
    })
}
