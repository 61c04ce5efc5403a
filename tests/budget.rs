//! Memory budgets of a whole model: what fits, what is refused, and that every budget gives bit-identical weights.

#![expect(clippy::cast_possible_truncation, reason = "ratios")]

use crate::common::{Waves, all_on, bits, gpu, settings, with_features};
use pgat::bytes::{Budget, grouped};
use pgat::config::{ModelSettings, TrainingSettings};
use pgat::data::WindowShape;
use pgat::engine::executor::Backend;
use pgat::engine::model::ModelShape;
use pgat::engine::plan::{DeviceLimits, Offer, PlanError, PlanOptions, Planner};
use pgat::engine::session::{Session, SessionError, Setup, State};
use pgat::engine::train::{Control, Outcome, Trainer};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::collections::HashSet;
use std::sync::Arc;

/// Two layers with every switch on: dropout, Gumbel noise, moving memory.
fn shape() -> ModelShape {
    with_features(Waves::new(1).shape, all_on().with(|s| s.n_layers = 2))
}

/// 22 windows in batches of 8: the third batch of an epoch has 6.
fn short_batches() -> TrainingSettings {
    settings().with(|s| {
        s.batch_size = 8;
        s.max_steps = Some(5);
        s.validate_every = Some(3);
    })
}

fn planner_of(shape: &ModelShape, settings: &TrainingSettings, backend: &Backend) -> Planner {
    let setup = Setup::training(shape.clone(), settings.clone());
    setup.planner(&setup.options(backend)).expect("a planner")
}

fn within(settings: &TrainingSettings, bytes: u64) -> TrainingSettings {
    settings.clone().with(|s| s.memory = Some(bytes.to_string()))
}

fn train(backend: &Backend, settings: &TrainingSettings, bytes: u64) -> State {
    let settings = within(settings, bytes);
    let session = pollster::block_on(Session::new(Setup::training(shape(), settings), backend.clone())).expect("a session");
    assert!(session.plan().bytes() <= bytes, "{} bytes planned, {bytes} allowed", session.plan().bytes());
    assert_eq!(session.executor().created_bytes(), session.plan().bytes());
    let (train, validation) = (Arc::new(Waves::new(22)), Arc::new(Waves::new(9)));
    let mut trainer = Trainer::new(session, train, Some(validation)).expect("a trainer");
    let outcome = pollster::block_on(trainer.run(&mut (), &mut |_| Control::Continue)).expect("a run");
    assert_eq!(outcome, Outcome::Finished);
    trainer.state().clone()
}

/// Tests every plan of the curve, and the curves for one micro-batch a batch and for single windows. All of them use dropout, Gumbel
/// noise, the moving memory and a short last batch.
#[test]
fn no_budget_changes_a_bit() {
    let backend = gpu();
    let (mut seen, mut kinds) = (0, HashSet::new());
    let mut first: Option<State> = None;
    for micro_batch in [None, Some(8), Some(1)] {
        let settings = short_batches().with(|s| s.micro_batch = micro_batch);
        let curve: Vec<Offer> = planner_of(&shape(), &settings, &backend).curve().expect("a curve");
        for offer in curve {
            let state = train(&backend, &settings, offer.bytes);
            let first = first.get_or_insert_with(|| state.clone());
            assert_eq!(bits(&first.parameters), bits(&state.parameters), "parameters within {} bytes", offer.bytes);
            assert_eq!(bits(&first.moment2), bits(&state.moment2), "second moments within {} bytes", offer.bytes);
            assert_eq!(bits(&first.optimiser), bits(&state.optimiser));
            seen += 1;
            kinds.insert((offer.micro_batch, offer.computed_again > 0));
        }
    }
    eprintln!("{seen} budgets; micro-batch and whether anything is computed again: {kinds:?}");
    assert!(first.is_some_and(|s| s.parameters.iter().all(|p| p.is_finite())));
    assert!(kinds.contains(&(8, true)) && kinds.contains(&(1, false)) && kinds.iter().any(|k| k.0 < 8 && k.1), "{kinds:?}");
}

fn any_shape() -> impl Strategy<Value = (ModelShape, usize)> {
    (2..9_usize, 1..5_usize, 1..6_usize, 1..3_usize, 1..3_usize, 1..40_usize, 0..4_u8).prop_map(
        |(patches, horizon, targets, layers, quads, batch, off)| {
            let window = WindowShape {
                history: 2 * patches,
                horizon: 2 * horizon,
                num_covariates: 1,
                num_targets: targets,
                num_channels: 1,
                num_calendar: 2,
                ..WindowShape::default()
            };
            let on = |switch: u8| off != switch;
            let settings = all_on().with(|s| {
                s.d_model = 16 * quads;
                s.n_layers = layers;
                s.use_convolution = on(1);
                s.use_graph_attention = on(2);
                s.use_hierarchy = on(3);
            });
            (ModelShape::new(window, settings), batch)
        },
    )
}

proptest! {
    #![proptest_config(Config { cases: 24, rng_seed: RngSeed::Fixed(6), failure_persistence: None, ..Config::default() })]

    /// The smallest plan is a candidate within every budget. One byte less is refused with an error that states the size, every larger
    /// budget is feasible, and a larger budget is never slower.
    #[test]
    fn every_budget_from_the_smallest_on_is_feasible((shape, batch) in any_shape(), shares in prop::collection::vec(0.0..1.0_f64, 6)) {
        let settings = settings().with(|s| s.batch_size = batch);
        let mut planner = planner_of(&shape, &settings, &Backend::Reference);
        let smallest = planner.smallest().expect("a smallest plan").bytes;
        prop_assert_eq!(planner.plan(Budget::Bytes(smallest)).expect("the smallest fits itself").bytes(), smallest);
        match planner.plan(Budget::Bytes(smallest - 1)) {
            Err(PlanError::Budget { allowed, smallest: named, .. }) => prop_assert_eq!((allowed, named), (smallest - 1, smallest)),
            other => prop_assert!(false, "a budget below the smallest: {:?}", other.map(|p| p.bytes())),
        }
        let most = planner.plan(Budget::Unlimited).expect("a plan").bytes();
        let mut budgets: Vec<u64> = shares.iter().map(|s| smallest + ((most.max(smallest) - smallest) as f64 * s) as u64).collect();
        budgets.sort_unstable();
        let mut before = f64::INFINITY;
        for budget in budgets {
            let plan = planner.plan(Budget::Bytes(budget)).expect("feasible");
            prop_assert!(plan.bytes() <= budget, "{} planned within {budget}", plan.bytes());
            // Predictions that differ by less than the tie tolerance count as equal.
            let seconds = plan.recordings[0].seconds();
            prop_assert!(seconds <= before * (1.0 + 2.0 * pgat::engine::plan::planner::TIE), "{seconds} s within {budget}, {before} s within less");
            before = before.min(seconds);
        }
    }
}

/// The search predicts a plan correctly: live bytes exactly, seconds up to rounding. Every arena is close to its lower bound, the maximum
/// of its live bytes.
#[test]
fn the_search_knows_what_it_chooses() {
    let settings = settings().with(|s| s.batch_size = 12);
    let window = WindowShape {
        history: 24,
        horizon: 8,
        num_covariates: 1,
        num_targets: 6,
        num_channels: 2,
        num_calendar: 2,
        ..WindowShape::default()
    };
    let shape = ModelShape::new(
        window,
        all_on().with(|s| {
            s.n_layers = 2;
            s.d_model = 32;
        }),
    );
    let mut planner = planner_of(&shape, &settings, &Backend::Reference);
    let all = planner.predictions();
    assert!(all.len() > 10, "{} candidates", all.len());
    let mut worst: f64 = 1.0;
    for (peak, seconds, offer) in all {
        assert_eq!(peak, offer.arena_bound, "{offer:?}");
        assert!((seconds - offer.seconds).abs() < 1e-9 * seconds, "{seconds} s, {offer:?}");
        worst = worst.max(offer.arena_bytes as f64 / offer.arena_bound as f64);
    }
    eprintln!("the arena is at most {worst:.4} of its lower bound");
    assert!(worst < 1.03, "{worst}");
}

/// The default model with a thousand series is planned: the plan, the smallest plan and the curve, in seconds on any machine. Where a
/// tensor of one window exceeds WebGPU's default binding size, the plan uses the device's larger limit and reports it.
#[test]
fn a_thousand_series_are_planned() {
    let settings = settings().with(|s| s.batch_size = 32);
    let planned = |history: usize, granted: DeviceLimits| {
        let window = WindowShape {
            history,
            horizon: 24,
            num_covariates: 0,
            num_targets: 1000,
            num_channels: 1,
            num_calendar: 4,
            ..WindowShape::default()
        };
        let shape = ModelShape::new(window, ModelSettings::default().with(|s| s.patch_len = 1));
        let setup = Setup::training(shape.clone(), settings.clone());
        let options = PlanOptions { granted, ..setup.options(&Backend::Reference) };
        let mut planner = setup.planner(&options)?;
        let plan = planner.plan(Budget::Unlimited)?;
        assert!(planner.curve()?.len() > 1);
        Ok::<_, SessionError>((plan.bytes(), plan.limits))
    };
    let from = std::time::Instant::now();
    let (bytes, limits) = planned(48, DeviceLimits::default()).expect("a plan");
    let seconds = from.elapsed().as_secs_f64();
    eprintln!("planned in {seconds:.2} s: {bytes} bytes");
    assert!(seconds < 30.0, "{seconds} s");
    assert_eq!(limits, DeviceLimits::default());
    let Err(SessionError::Plan(PlanError::TooLarge { .. })) = planned(168, DeviceLimits::default()) else { panic!("it fits") };
    let more = DeviceLimits { binding_bytes: 1 << 30, buffer_bytes: 1 << 30, ..DeviceLimits::default() };
    assert_eq!(planned(168, more).expect("a plan").1, more);
}

/// A budget below the smallest plan is also refused on the device, before anything is created.
#[test]
fn a_byte_too_few_is_refused_before_anything_is_created() {
    let backend = gpu();
    let settings = short_batches();
    let smallest = planner_of(&shape(), &settings, &backend).smallest().expect("a smallest plan").bytes;
    let open = |bytes| pollster::block_on(Session::new(Setup::training(shape(), within(&settings, bytes)), backend.clone()));
    let refused = open(smallest - 1).err().expect("a refusal").to_string();
    assert!(refused.contains(&grouped(smallest)) && refused.contains(&grouped(smallest - 1)), "{refused}");
    assert!(open(smallest).is_ok());
}
