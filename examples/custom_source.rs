//! Trains on windows that a source generates on request instead of a table: a simulation, a database, a stream. Uses the engine's
//! interfaces, which any version may change. `twins` selects the f64 reference backend, which needs no adapter.
//!
//!     cargo run --release --example custom_source [-- twins]

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use pgat::Backend;
use pgat::config::{ModelSettings, TrainingSettings};
use pgat::data::{WindowMut, WindowShape, WindowSource};
use pgat::engine::model::ModelShape;
use pgat::engine::session::{Session, Setup};
use pgat::engine::train::Trainer;
use pgat::{Control, Event};
use std::sync::Arc;

/// Damped swings of three pendulums. Each window has another start.
struct Pendulums {
    shape: WindowShape,
    windows: usize,
}

impl Pendulums {
    fn new(windows: usize) -> Self {
        let shape = WindowShape {
            history: 16,
            horizon: 8,
            num_covariates: 0,
            num_targets: 3,
            num_channels: 1,
            num_calendar: 0,
            ..WindowShape::default()
        };
        Self { shape, windows }
    }
}

impl WindowSource for Pendulums {
    fn shape(&self) -> &WindowShape {
        &self.shape
    }

    fn len(&self) -> usize {
        self.windows
    }

    fn fill(&self, index: usize, out: WindowMut<'_>) {
        let (history, targets) = (self.shape.history, self.shape.num_targets);
        for step in 0..self.shape.steps() {
            for target in 0..targets {
                let time = (step as f32 + 0.37 * index as f32) / (2.0 + target as f32);
                let value = time.sin() * (-0.02 * step as f32).exp();
                // [S, N, F]: the values of the horizon are hidden from the model and are its targets [H, Nt].
                let seen = step < history;
                out.values[step * targets + target] = if seen { value } else { 0.0 };
                out.observed[step * targets + target] = f32::from(u8::from(seen));
                if !seen {
                    out.target[(step - history) * targets + target] = value;
                    out.target_observed[(step - history) * targets + target] = 1.0;
                }
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = if std::env::args().any(|a| a == "twins") { Backend::Reference } else { pollster::block_on(Backend::open(None))? };
    let (train, validation) = (Pendulums::new(200), Pendulums::new(40));
    let model = ModelSettings::default().with(|s| {
        s.patch_len = 4;
        s.d_model = 8;
        s.n_heads = 2;
        s.n_layers = 1;
        s.d_ff = 8;
        s.num_transitions = 1;
    });
    let training = TrainingSettings::default().with(|s| {
        s.max_steps = Some(40);
        s.batch_size = 16;
        s.learning_rate = 5e-3;
        s.log_every = 20;
    });
    let setup = Setup::training(ModelShape::new(train.shape, model), training);
    let session = pollster::block_on(Session::new(setup, backend))?;
    let mut trainer = Trainer::new(session, Arc::new(train), Some(Arc::new(validation)))?;
    let outcome = pollster::block_on(trainer.run(&mut (), &mut |event| {
        if let Event::Validation { step, loss, .. } = event {
            println!("step {step}: validation loss {loss:.4}");
        }
        Control::Continue
    }))?;
    println!("{outcome:?} after {} steps; best loss {:.4}", trainer.progress().step, trainer.progress().best_loss.unwrap_or(f64::NAN));
    Ok(())
}
