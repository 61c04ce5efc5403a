//! Benchmarks of the host's work before a run: building the model, autodiff, planning.

use criterion::{Criterion, criterion_group, criterion_main};
use pgat::config::{ModelSettings, TrainingSettings};
use pgat::data::WindowShape;
use pgat::engine::executor::Backend;
use pgat::engine::model::{Mode, ModelShape, build};
use pgat::engine::session::Setup;

fn wind() -> ModelShape {
    let window = WindowShape {
        history: 48,
        horizon: 24,
        num_covariates: 0,
        num_targets: 10,
        num_channels: 5,
        num_calendar: 4,
        ..WindowShape::default()
    };
    ModelShape::new(window, ModelSettings::default())
}

fn planning(c: &mut Criterion) {
    let (shape, settings) = (wind(), TrainingSettings::default());
    let mut group = c.benchmark_group("plan");
    group.sample_size(20);
    group.bench_function("build the model", |b| b.iter(|| build(&shape, Mode::Train).expect("a model")));
    group.bench_function("training and scoring", |b| {
        b.iter(|| Setup::training(shape.clone(), settings.clone()).plan(&Backend::Reference).expect("a plan"));
    });
    group.finish();
}

criterion_group!(benches, planning);
criterion_main!(benches);
