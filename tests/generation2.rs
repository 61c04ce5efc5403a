//! The second generation's training: category inputs and static inputs, linear start, rates by group, proximal step, moving mean, calibration. Everything that the first
//! generation holds (bits over budgets, kills and lost devices; created = planned) holds in both phases, with all parts of the model on.

use crate::common::{Waves, all_on, bits, gpu, settings, side_inputs, with_features};
use pgat::config::{Head, Metric, ModelSettings, Schedule, TrainingSettings};
use pgat::engine::executor::Backend;
use pgat::engine::model::ModelShape;
use pgat::engine::session::{Session, Setup, State};
use pgat::engine::train::{Control, Event, Outcome, Phase, Progress, Store, StoreError, Trainer};
use std::collections::BTreeSet;
use std::sync::Arc;

const START: u64 = 8;
const STEPS: u64 = 7;

/// All parts of both generations.
fn everything() -> ModelSettings {
    all_on().with(|s| {
        (s.driver_rank, s.driver_width, s.driver_products) = (3, 2, 5);
        (s.use_driver_highway, s.use_driver_products, s.use_driver_norm, s.use_driver_attention) = (true, true, true, true);
        (s.use_last_norm, s.use_calibration, s.use_zero_head, s.use_logit_penalty) = (true, true, true, false);
    })
}

fn training() -> TrainingSettings {
    settings().with(|s| {
        (s.batch_size, s.max_steps, s.validate_every, s.checkpoint_every) = (8, Some(STEPS), Some(3), 3);
        (s.schedule, s.learning_rate, s.weight_decay) = (Schedule::Cycle, 3e-3, 1e-2);
        (s.decay_matrices_only, s.highway_rate, s.edge_rate, s.edge_penalty) = (true, 0.1, 0.03, 0.3);
        s.average = 0.99;
        (s.start.steps, s.start.batch_size) = (START, 12);
    })
}

fn shape() -> ModelShape {
    with_features(Waves::new(1).shape, everything()).with_side(side_inputs())
}

fn session(backend: &Backend, settings: &TrainingSettings) -> Session {
    let setup = Setup::training(shape(), settings.clone()).judged_by(Metric::Crps);
    let session = pollster::block_on(Session::new(setup, backend.clone())).expect("a session");
    assert_eq!(session.executor().created_bytes(), session.plan().bytes(), "created = planned");
    session
}

/// 22 windows: the last batch of an epoch is short in both phases.
fn trainer(backend: &Backend, settings: &TrainingSettings) -> Trainer {
    Trainer::new(session(backend, settings), Arc::new(Waves::with_categories(22)), Some(Arc::new(Waves::with_categories(9))))
        .expect("a trainer")
}

/// Keeps what a run stores in memory.
#[derive(Default)]
struct Memory {
    last: Option<(State, Progress)>,
    best: Option<Vec<f32>>,
    validations: Vec<(u64, f64)>,
}

impl Store for Memory {
    fn checkpoint(&mut self, state: &State, progress: &Progress) -> Result<(), StoreError> {
        self.last = Some((state.clone(), progress.clone()));
        Ok(())
    }
    fn best(&mut self, parameters: &[f32], _: &Progress) -> Result<(), StoreError> {
        self.best = Some(parameters.to_vec());
        Ok(())
    }
    fn stored_best(&self) -> Result<Option<Vec<f32>>, StoreError> {
        Ok(self.best.clone())
    }
    fn record(&mut self, event: &Event) -> Result<(), StoreError> {
        if let Event::Validation { step, loss, .. } = event {
            self.validations.push((*step, *loss));
        }
        Ok(())
    }
    fn rewind(&mut self, progress: &Progress) -> Result<(), StoreError> {
        self.validations.retain(|v| v.0 <= progress.step);
        Ok(())
    }
}

fn run(trainer: &mut Trainer, memory: &mut Memory, listen: &mut dyn FnMut(&Event) -> Control) -> Outcome {
    pollster::block_on(trainer.run(memory, listen)).expect("a run")
}

fn whole(backend: &Backend, settings: &TrainingSettings) -> (Trainer, Memory) {
    let (mut trainer, mut memory) = (trainer(backend, settings), Memory::default());
    assert_eq!(run(&mut trainer, &mut memory, &mut |_| Control::Continue), Outcome::Finished);
    assert!(trainer.is_finished() && trainer.progress().calibrated);
    (trainer, memory)
}

fn assert_same((a, kept_a): (&Trainer, &Memory), (b, kept_b): (&Trainer, &Memory), what: &str) {
    let (x, y) = (a.state(), b.state());
    for (name, x, y) in [
        ("parameters", &x.parameters, &y.parameters),
        ("moment1", &x.moment1, &y.moment1),
        ("moment2", &x.moment2, &y.moment2),
        ("optimiser", &x.optimiser, &y.optimiser),
        ("average", &x.average, &y.average),
    ] {
        assert!(!x.is_empty() && bits(x) == bits(y), "{what}: {name} differ in bits");
    }
    let best = [kept_a, kept_b].map(|kept| bits(kept.best.as_ref().expect("best weights")));
    assert!(best[0] == best[1], "{what}: the best weights differ in bits");
    assert_eq!(a.progress(), b.progress(), "{what}");
}

/// Micro-batches, budgets and submits change the time alone, in both phases.
#[test]
fn no_budget_changes_a_bit() {
    let backend = gpu();
    let (first, kept) = whole(&backend, &training());
    let setup = Setup::training(shape(), training()).judged_by(Metric::Crps);
    let least = setup.planner(&setup.options(&backend)).expect("a planner").smallest().expect("a plan").bytes;
    let others = [
        training().with(|s| s.micro_batch = Some(1)),
        training().with(|s| s.micro_batch = Some(5)),
        training().with(|s| s.memory = Some(least.to_string())),
        training().with(|s| s.submit_bound_ms = 0),
    ];
    for (i, other) in others.iter().enumerate() {
        let (again, memory) = whole(&backend, other);
        assert!(again.session().plan().bytes() <= first.session().plan().bytes().max(least) || i != 2);
        assert_same((&first, &kept), (&again, &memory), &format!("settings {i}"));
    }
    let (other, _) = whole(&backend, &training().with(|s| s.seed = 1));
    assert_ne!(bits(&first.state().parameters), bits(&other.state().parameters));
}

/// A run that is stopped in either phase and resumed in a new session ends with the same bits.
#[test]
fn stopping_changes_no_bit() {
    let backend = gpu();
    let (undisturbed, kept) = whole(&backend, &training());
    for (phase, at) in [(Phase::Start, 1), (Phase::Start, 5), (Phase::Start, START), (Phase::Whole, 1), (Phase::Whole, 5)] {
        let (mut first, mut memory) = (trainer(&backend, &training()), Memory::default());
        let stop = &mut |e: &Event| match e {
            Event::Tick { phase: p, step, .. } if (*p, *step) == (phase, at) => Control::Stop,
            _ => Control::Continue,
        };
        let outcome = run(&mut first, &mut memory, stop);
        // A stop in the last step of the linear start is a stop before nothing: the change to the whole model is part of that step.
        assert_eq!(outcome, if (phase, at) == (Phase::Start, START) { Outcome::Finished } else { Outcome::Stopped });
        let (state, progress) = memory.last.clone().expect("a checkpoint");
        let mut second = trainer(&backend, &training());
        pollster::block_on(second.resume(state, progress)).expect("resumed");
        run(&mut second, &mut memory, &mut |_| Control::Continue);
        assert_same((&undisturbed, &kept), (&second, &memory), &format!("stopped in {phase:?} at {at}"));
    }
}

/// A run that was killed after its last step and before the calibration is calibrated when it is resumed, whatever the stored weights hold.
#[test]
fn a_kill_before_the_calibration_changes_no_bit() {
    let backend = gpu();
    let (undisturbed, kept) = whole(&backend, &training());
    let (mut first, mut memory) = (trainer(&backend, &training()), Memory::default());
    let mut uncalibrated = None;
    let listen = &mut |e: &Event| {
        if matches!(e, Event::Checkpoint { step: STEPS }) && uncalibrated.is_none() {
            uncalibrated = Some(());
            return Control::Stop;
        }
        Control::Continue
    };
    run(&mut first, &mut memory, listen);
    let (state, progress) = memory.last.clone().expect("a checkpoint");
    let mut second = trainer(&backend, &training());
    pollster::block_on(second.resume(state, Progress { calibrated: false, ..progress })).expect("resumed");
    assert!(!second.is_finished());
    run(&mut second, &mut memory, &mut |_| Control::Continue);
    assert_same((&undisturbed, &kept), (&second, &memory), "killed before the calibration");
}

/// A device that is lost in either phase is reopened, and the run ends with the bits of an undisturbed one.
#[test]
fn a_lost_device_changes_no_bit() {
    let (undisturbed, kept) = whole(&gpu(), &training());
    for (phase, at) in [(Phase::Start, 4), (Phase::Whole, 4)] {
        let backend = gpu();
        let (mut trainer, mut memory) = (trainer(&backend, &training()), Memory::default());
        let (mut destroyed, mut restarted) = (false, false);
        let listen = &mut |e: &Event| {
            match e {
                Event::Tick { phase: p, step, .. } if (*p, *step) == (phase, at) && !destroyed => {
                    destroyed = true;
                    if let Backend::Gpu(gpu) = &backend {
                        gpu.destroy();
                    }
                }
                Event::Restarted { .. } => restarted = true,
                _ => {}
            }
            Control::Continue
        };
        assert_eq!(run(&mut trainer, &mut memory, listen), Outcome::Finished);
        assert!(restarted);
        assert_same((&undisturbed, &kept), (&trainer, &memory), &format!("lost in {phase:?} at {at}"));
    }
}

/// The linear start trains the highways and the head's bias alone; its score is that of step 0; then moments are 0 and the mean follows.
#[test]
fn the_linear_start_trains_what_it_should() {
    for backend in [gpu(), Backend::Reference] {
        let (mut trainer, mut memory) = (trainer(&backend, &training()), Memory::default());
        let start = trainer.session().initial_state();
        let stop = &mut |e: &Event| if matches!(e, Event::Validation { step: 0, .. }) { Control::Stop } else { Control::Continue };
        assert_eq!(run(&mut trainer, &mut memory, stop), Outcome::Stopped);
        let (state, progress) = memory.last.clone().expect("a checkpoint");
        assert_eq!((progress.start, progress.step, progress.whole, progress.best_step), (START, 0, true, 0));
        assert_eq!(memory.validations.len(), 1);
        let mut changed = BTreeSet::new();
        for place in trainer.session().parameters() {
            let range = place.start..place.start + place.shape.iter().product::<usize>();
            if bits(&state.parameters[range.clone()]) != bits(&start.parameters[range]) {
                changed.insert(place.name.clone());
            }
        }
        let expected = [
            "decoder.head.bias",
            "decoder.highway.bias",
            "decoder.highway.weight",
            "drivers.code.weight",
            "drivers.edges",
            "drivers.out.weight",
            "drivers.pair.weight",
            "drivers.pair_out.weight",
        ];
        assert_eq!(changed, expected.map(str::to_owned).into());
        assert!(state.moment1.iter().chain(&state.moment2).chain(&state.optimiser).all(|v| *v == 0.0), "a new optimiser");
        assert_eq!(bits(&state.average), bits(&state.parameters), "the mean starts from the linear start");
        assert_eq!(bits(memory.best.as_ref().expect("best weights")), bits(&state.parameters));
        run(&mut trainer, &mut memory, &mut |_| Control::Continue);
        let state = trainer.state();
        assert_ne!(bits(&state.average), bits(&state.parameters), "the mean follows");
        assert!(memory.validations.iter().map(|v| v.0).eq([0, 3, 6, STEPS]), "{:?}", memory.validations);
        assert!(memory.validations[0].1 > 0.0 && memory.validations.iter().all(|v| v.1.is_finite()));
    }
}

/// The other heads start from the linear model too: their own loss decides, and the start lowers it. They have no calibration.
#[test]
fn every_head_has_a_linear_start() {
    let backend = Backend::Reference;
    for (head, metric) in [(Head::Gaussian, Metric::Crps), (Head::Quantile, Metric::Crps), (Head::Point, Metric::Loss)] {
        let settings = everything().with(|s| (s.head, s.use_calibration) = (head, head == Head::Gaussian));
        let after = |steps: u64| {
            let training = training().with(|s| {
                s.start.steps = steps;
                s.start.learning_rate = 3e-2;
                (s.max_steps, s.validate_every) = (Some(1), None);
            });
            let setup = Setup::training(with_features(Waves::new(1).shape, settings.clone()).with_side(side_inputs()), training);
            let session = pollster::block_on(Session::new(setup.judged_by(metric), backend.clone())).expect("a session");
            let (windows, validation) = (Arc::new(Waves::with_categories(22)), Arc::new(Waves::with_categories(9)));
            let mut trainer = Trainer::new(session, windows, Some(validation)).expect("a trainer");
            let mut memory = Memory::default();
            assert_eq!(run(&mut trainer, &mut memory, &mut |_| Control::Continue), Outcome::Finished);
            memory.validations.iter().find(|(step, _)| *step == 0).expect("the score of step 0").1
        };
        let (untrained, trained) = (after(1), after(40));
        assert!(trained < 0.9 * untrained, "{head:?}: {trained} after {untrained}");
    }
}
