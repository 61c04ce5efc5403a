//! Training on the adapter: bits, memory bounds, and the behaviour on failures.

use crate::common::{Waves, bits, gpu, model_shape, session, settings};
use pgat::config::TrainingSettings;
use pgat::data::WindowSource;
use pgat::engine::executor::{Backend, Executor};
use pgat::engine::gpu::{GpuError, GpuRun};
use pgat::engine::plan::{DeviceLimits, Plan, PlanOptions};
use pgat::engine::session::{Session, Setup, State};
use pgat::engine::train::{Control, Event, Outcome, Progress, Store, StoreError, TrainError, Trainer};
use std::sync::Arc;

/// 70 windows: the last batch of an epoch of 16 is short.
const WINDOWS: usize = 70;

fn trainer(backend: &Backend, settings: &TrainingSettings) -> Trainer {
    let validation: Arc<Waves> = Arc::new(Waves::new(20));
    let train: Arc<Waves> = Arc::new(Waves::new(WINDOWS));
    Trainer::new(session(backend, settings), train, Some(validation)).expect("a trainer")
}

fn run(backend: &Backend, settings: &TrainingSettings) -> State {
    let mut trainer = trainer(backend, settings);
    let outcome = pollster::block_on(trainer.run(&mut (), &mut |_| Control::Continue)).expect("a run");
    assert_eq!(outcome, Outcome::Finished);
    trainer.state().clone()
}

fn assert_same(a: &State, b: &State, what: &str) {
    for (name, x, y) in [
        ("parameters", &a.parameters, &b.parameters),
        ("moment1", &a.moment1, &b.moment1),
        ("moment2", &a.moment2, &b.moment2),
        ("optimiser", &a.optimiser, &b.optimiser),
    ] {
        let differ = bits(x).iter().zip(bits(y)).filter(|(x, y)| **x != *y).count();
        assert_eq!(differ, 0, "{what}: {differ} of {} {name} differ in bits", x.len());
    }
}

/// One seed on one adapter gives one result, for any number of micro-batches and submits. Another seed gives another result.
#[test]
fn the_budget_changes_no_bit() {
    let backend = gpu();
    let whole = run(&backend, &settings());
    assert!(whole.parameters.iter().all(|v| v.is_finite()));
    assert_same(&whole, &run(&backend, &settings()), "a second run");
    for micro in [1, 2, 5, 16] {
        let settings = settings().with(|s| s.micro_batch = Some(micro));
        assert_same(&whole, &run(&backend, &settings), &format!("micro-batches of {micro}"));
    }
    let cut = settings().with(|s| s.submit_bound_ms = 0);
    assert_same(&whole, &run(&backend, &cut), "a submit a dispatch");
    let other = run(&backend, &settings().with(|s| s.seed = 1));
    assert_ne!(bits(&whole.parameters), bits(&other.parameters));
}

/// The twins (f64 reference implementations of the ops) and the kernels take the same steps.
#[test]
fn the_twins_train_alike() {
    let losses = |backend: &Backend| {
        let mut all = vec![];
        let settings = settings().with(|s| {
            s.log_every = 1;
            s.max_steps = Some(20);
        });
        let mut trainer = trainer(backend, &settings);
        let listen = &mut |e: &Event| {
            if let Event::Step { loss, .. } = e {
                all.push(f64::from(*loss));
            }
            Control::Continue
        };
        pollster::block_on(trainer.run(&mut (), listen)).expect("a run");
        all
    };
    let (device, twins) = (losses(&gpu()), losses(&Backend::Reference));
    assert_eq!(device.len(), 20);
    for (step, (d, t)) in device.iter().zip(&twins).enumerate() {
        assert!((d - t).abs() < 1e-4 * t.abs().max(1.0), "step {step}: {d} on the device, {t} on the twins");
    }
    assert!(twins[19] < twins[0] - 0.2, "nothing was learnt: {twins:?}");
}

/// The created buffers are the planned ones. Nothing is created after compilation.
#[test]
fn planned_bytes_are_created_bytes() {
    let backend = gpu();
    let mut trainer = trainer(&backend, &settings());
    let counts = |t: &Trainer| match t.session().executor() {
        Executor::Gpu(run) => (run.created_bytes(), run.created_buffers()),
        Executor::Reference(_) => unreachable!("the device was asked for"),
    };
    let before = counts(&trainer);
    let plan = trainer.session().plan().clone();
    assert_eq!(before, (plan.bytes(), plan.buffers.len()));
    assert_eq!(plan.bytes(), plan.buffers.iter().map(|b| b.bytes).sum::<u64>());
    let Backend::Gpu(gpu) = &backend else { unreachable!("the device was asked for") };
    let device = gpu.buffer_counts();
    assert_eq!(device.created_bytes, plan.bytes());
    pollster::block_on(trainer.run(&mut (), &mut |_| Control::Continue)).expect("a run");
    assert_eq!(before, counts(&trainer), "training or validation created buffers");
    assert_eq!(device, gpu.buffer_counts(), "training or validation created buffers");
}

/// A device that is destroyed during training is reopened, and the run ends with the bits of an undisturbed one.
#[test]
fn a_lost_device_changes_no_bit() {
    let undisturbed = run(&gpu(), &settings());
    for at in [1, 8, 13, 23] {
        let backend = gpu();
        let mut trainer = trainer(&backend, &settings());
        let (mut destroyed, mut restarted) = (false, None);
        let listen = &mut |e: &Event| {
            match e {
                Event::Tick { step, .. } if *step == at && !destroyed => {
                    destroyed = true;
                    if let Backend::Gpu(gpu) = &backend {
                        gpu.destroy();
                    }
                }
                Event::Restarted { step, .. } => restarted = Some(*step),
                _ => {}
            }
            Control::Continue
        };
        let outcome = pollster::block_on(trainer.run(&mut (), listen)).expect("a run");
        assert_eq!(outcome, Outcome::Finished);
        assert_eq!(restarted, Some(at / 6 * 6), "from the last checkpoint before {at}");
        assert_same(&undisturbed, trainer.state(), &format!("device lost at step {at}"));
    }
}

/// Keeps the last checkpoint in memory.
#[derive(Default)]
struct Memory {
    last: Option<(State, Progress)>,
}

impl Store for Memory {
    fn checkpoint(&mut self, state: &State, progress: &Progress) -> Result<(), StoreError> {
        self.last = Some((state.clone(), progress.clone()));
        Ok(())
    }
    fn best(&mut self, _: &[f32], _: &Progress) -> Result<(), StoreError> {
        Ok(())
    }
    fn record(&mut self, _: &Event) -> Result<(), StoreError> {
        Ok(())
    }
    fn stored_best(&self) -> Result<Option<Vec<f32>>, StoreError> {
        Ok(None)
    }
    fn rewind(&mut self, _: &Progress) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A run that is stopped at any step and resumed from its checkpoint ends with the same bits and the same validation state.
#[test]
fn resuming_changes_no_bit() {
    let backend = gpu();
    let mut whole = trainer(&backend, &settings());
    pollster::block_on(whole.run(&mut (), &mut |_| Control::Continue)).expect("a run");
    for at in [1, 5, 9, 17] {
        let mut memory = Memory::default();
        let mut first = trainer(&backend, &settings());
        let stop = &mut |e: &Event| match e {
            Event::Tick { step, .. } if *step == at => Control::Stop,
            _ => Control::Continue,
        };
        assert_eq!(pollster::block_on(first.run(&mut memory, stop)).expect("a run"), Outcome::Stopped);
        let (state, progress) = memory.last.clone().expect("a checkpoint");
        assert_eq!(state.step, at);
        let mut second = trainer(&backend, &settings());
        pollster::block_on(second.resume(state, progress)).expect("resumed");
        pollster::block_on(second.run(&mut memory, &mut |_| Control::Continue)).expect("a run");
        assert_same(whole.state(), second.state(), &format!("stopped at {at}"));
        assert_eq!(whole.progress(), second.progress());
    }
}

/// A run whose validation loss never falls: the learning rate has no effect on the weights, and nothing else changes.
fn standing_still(patience: Option<u64>) -> Trainer {
    let settings = settings().with(|s| {
        s.patience = patience;
        s.learning_rate = 1e-30;
        s.max_steps = Some(12);
        s.validate_every = Some(2);
        s.checkpoint_every = 100;
    });
    let mut shape = model_shape(&Waves::new(1).shape);
    shape.settings.memory_rate = 0.0;
    let session = pollster::block_on(Session::new(Setup::training(shape, settings), gpu())).expect("a session");
    Trainer::new(session, Arc::new(Waves::new(WINDOWS)), Some(Arc::new(Waves::new(20)))).expect("a trainer")
}

fn go_on(_: &Event) -> Control {
    Control::Continue
}

/// `patience` is the number of validations without improvement after which training stops. The first validation is always the best so far.
#[test]
fn patience_is_what_it_says() {
    for (patience, outcome, step) in [
        (None, Outcome::Finished, 12),
        (Some(1), Outcome::EarlyStop, 4),
        (Some(3), Outcome::EarlyStop, 8),
        (Some(9), Outcome::Finished, 12),
    ] {
        let mut trainer = standing_still(patience);
        assert!(!trainer.is_finished());
        assert_eq!(pollster::block_on(trainer.run(&mut (), &mut go_on)).expect("a run"), outcome, "{patience:?}");
        assert_eq!((trainer.progress().step, trainer.progress().best_step), (step, 2), "{patience:?}");
        assert!(trainer.is_finished());
        // Running a finished run again changes nothing.
        let state = trainer.state().clone();
        assert_eq!(pollster::block_on(trainer.run(&mut (), &mut go_on)).expect("a run"), outcome, "{patience:?}");
        assert_same(&state, trainer.state(), "run once more");
        assert_eq!(trainer.state().step, step);
    }
}

/// Validations without improvement before a pause still count after it.
#[test]
fn patience_survives_a_resume() {
    let mut memory = Memory::default();
    let mut first = standing_still(Some(2));
    let stop = &mut |e: &Event| if matches!(e, Event::Tick { step: 5, .. }) { Control::Stop } else { Control::Continue };
    assert_eq!(pollster::block_on(first.run(&mut memory, stop)).expect("a run"), Outcome::Stopped);
    assert_eq!(first.progress().stale, 1);
    let (state, progress) = memory.last.clone().expect("a checkpoint");
    let mut second = standing_still(Some(2));
    pollster::block_on(second.resume(state, progress)).expect("resumed");
    assert_eq!(pollster::block_on(second.run(&mut memory, &mut go_on)).expect("a run"), Outcome::EarlyStop);
    assert_eq!(second.progress().step, 6);
    let (state, progress) = memory.last.clone().expect("a checkpoint");
    let mut third = standing_still(Some(2));
    pollster::block_on(third.resume(state, progress)).expect("resumed");
    assert!(third.is_finished());
    let none = &mut |e: &Event| unreachable!("a finished run does nothing: {e:?}");
    assert_eq!(pollster::block_on(third.run(&mut memory, none)).expect("a run"), Outcome::EarlyStop);
}

#[test]
fn patience_without_validation_is_an_error() {
    let settings = settings().with(|s| s.patience = Some(5));
    let nothing: Arc<Waves> = Arc::new(Waves::new(0));
    for validation in [None, Some(nothing as Arc<dyn WindowSource>)] {
        let error =
            Trainer::new(session(&Backend::Reference, &settings), Arc::new(Waves::new(WINDOWS)), validation).err().expect("refused");
        assert!(matches!(error, TrainError::NothingToValidate) && error.to_string().contains("training.patience"), "{error}");
    }
}

/// Infinite values in the data: no step changes the parameters, and the run ends with a clear error.
#[test]
fn bad_numbers_never_reach_the_parameters() {
    let backend = gpu();
    let settings = settings().with(|s| {
        s.log_every = 1;
        s.max_bad_steps = 3;
        s.batch_size = 1;
    });
    let source = Waves { poisoned: Some(0), ..Waves::new(1) };
    let mut trainer = Trainer::new(session(&backend, &settings), Arc::new(source), None).expect("a trainer");
    let start = trainer.session().initial_state();
    let error = pollster::block_on(trainer.run(&mut (), &mut |_| Control::Continue)).expect_err("bad numbers");
    let TrainError::NotFinite { step, in_a_row, .. } = error else { panic!("{error}") };
    assert_eq!((step, in_a_row), (3, 3));
    let state = pollster::block_on(trainer.session().save(3)).expect("the state");
    assert_eq!(bits(&state.parameters), bits(&start.parameters));
    assert!(state.moment1.iter().chain(&state.moment2).all(|v| *v == 0.0));
}

/// One bad batch among good ones is skipped, and training continues.
#[test]
fn one_bad_batch_is_skipped() {
    let backend = gpu();
    let settings = settings().with(|s| {
        s.log_every = 1;
        s.max_bad_steps = 3;
        s.batch_size = 8;
        s.max_steps = Some(16);
    });
    let source = Waves { poisoned: Some(3), ..Waves::new(64) };
    let mut trainer = Trainer::new(session(&backend, &settings), Arc::new(source), None).expect("a trainer");
    let mut bad = 0;
    let listen = &mut |e: &Event| {
        if let Event::Step { bad: b, .. } = e {
            bad = *b;
        }
        Control::Continue
    };
    assert_eq!(pollster::block_on(trainer.run(&mut (), listen)).expect("a run"), Outcome::Finished);
    assert_eq!(bad, 2, "one batch in each of two epochs");
    assert!(trainer.state().parameters.iter().all(|v| v.is_finite()));
    assert!((f64::from(trainer.state().optimiser[0]) - 14.0).abs() < 1e-6, "skipped steps are not counted by the optimiser");
}

/// An error names the buffer that the device refuses, with its size.
#[test]
fn a_refused_buffer_is_named() {
    let Backend::Gpu(gpu) = gpu() else { unreachable!("the device was asked for") };
    let shape = model_shape(&Waves::new(1).shape);
    let model = pgat::engine::model::build(&shape, pgat::engine::model::Mode::Score).expect("a model");
    let program = pgat::engine::graph::Program::forward("too large", model.graph, vec![model.mixture]);
    // Limits above those of the device, as if it had reported more memory than it has.
    let limits = DeviceLimits { buffer_bytes: 8 << 30, ..DeviceLimits::default() };
    let options = PlanOptions { limits, ..PlanOptions::new(400_000, gpu.class.clone()) };
    let plan = Arc::new(Plan::new(vec![(program, options)]).expect("a plan"));
    let error = pollster::block_on(GpuRun::new(gpu, plan)).err().expect("a refusal");
    let GpuError::OutOfMemory { buffer, bytes, .. } = &error else { panic!("{error}") };
    assert!(*bytes > 256 << 20, "{error}");
    assert!(error.to_string().contains(buffer.as_str()) && error.to_string().contains("smaller memory budget"), "{error}");
}

/// A budget that no plan meets is refused before anything is created.
#[test]
fn a_bound_below_the_plan_is_refused() {
    let settings = settings().with(|s| s.memory = Some("100KiB".into()));
    let shape = model_shape(&Waves::new(1).shape);
    let refused = Setup::training(shape, settings).plan(&Backend::Reference);
    let error = refused.err().expect("a refusal").to_string();
    assert!(error.contains("102,400 are allowed"), "{error}");
}
