//! The gradient records of a run: the right steps, the right values, and bit-identical weights with and without them.

use crate::common::probe::largest;
use crate::common::{Waves, bits, gpu, session, settings};
use pgat::config::TrainingSettings;
use pgat::engine::executor::Backend;
use pgat::engine::health::{Ailment, GradientHealth, group_of};
use pgat::engine::session::State;
use pgat::engine::train::{Control, Event, TrainError, Trainer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Trains a run to its end and returns the gradients that it recorded.
fn run(backend: &Backend, settings: &TrainingSettings) -> (State, Vec<(u64, GradientHealth)>) {
    let (train, validation) = (Arc::new(Waves::new(70)), Arc::new(Waves::new(20)));
    let session = session(backend, settings);
    let mut trainer = Trainer::new(session, train, Some(validation)).expect("a trainer");
    let mut seen = vec![];
    let listen = &mut |e: &Event| {
        if let Event::Gradients { step, gradients } = e {
            seen.push((*step, gradients.clone()));
        }
        Control::Continue
    };
    pollster::block_on(trainer.run(&mut (), listen)).expect("a run");
    (trainer.state().clone(), seen)
}

fn every(steps: u64) -> TrainingSettings {
    settings().with(|s| s.health_every = steps)
}

/// The weights are bit-identical with and without gradient records. The records are identical for every size of micro-batch.
#[test]
fn looking_changes_no_bit() {
    let backend = gpu();
    let (plain, nothing) = run(&backend, &every(0));
    assert!(nothing.is_empty());
    let (watched, all) = run(&backend, &every(1));
    assert_eq!(all.iter().map(|a| a.0).collect::<Vec<_>>(), (1..=24).collect::<Vec<_>>());
    for (a, b) in [(&plain.parameters, &watched.parameters), (&plain.moment1, &watched.moment1), (&plain.moment2, &watched.moment2)] {
        assert_eq!(bits(a), bits(b));
    }
    let (cut, some) = run(&backend, &every(7).with(|s| s.micro_batch = Some(3)));
    assert_eq!(bits(&plain.parameters), bits(&cut.parameters));
    let expected: Vec<_> = all.into_iter().filter(|(step, _)| step % 7 == 0).collect();
    assert_eq!(some, expected, "other records in micro-batches of 3, every 7 steps");
}

/// The kernels and the twins (the f64 reference implementations of the ops) record the same values.
#[test]
fn kernels_find_what_the_twins_find() {
    let settings = every(4).with(|s| s.max_steps = Some(12));
    let ((_, device), (_, twins)) = (run(&gpu(), &settings), run(&Backend::Reference, &settings));
    assert_eq!(twins.iter().map(|t| t.0).collect::<Vec<_>>(), [4, 8, 12]);
    let groups =
        ["autocorr", "decoder", "embedding", "graph", "layers.0", "scale_norm", "scales.0", "scales.1", "to_target", "to_transition"];
    for ((step, found), (_, expected)) in device.iter().zip(&twins) {
        assert_eq!(found.keys().collect::<Vec<_>>(), groups);
        for (group, expected) in expected {
            let found = found[group];
            assert!(
                expected.norm > 0.0 && (found.norm - expected.norm).abs() < 1e-3 * expected.norm,
                "{step}, {group}: {found:?}, {expected:?}"
            );
            assert!((found.zeros - expected.zeros).abs() < 0.01, "{step}, {group}: {found:?}, {expected:?}");
            assert_eq!((found.non_finite, expected.non_finite, found.ailment()), (0, 0, None));
        }
    }
}

/// After one step, the record equals what the gradients themselves give before the clip.
fn one_step(backend: &Backend) -> f64 {
    let settings = every(1).with(|s| s.clip_norm = 1e-3);
    let mut session = session(backend, &settings);
    pollster::block_on(session.train_step(&Waves::new(70), &(0..16).collect::<Vec<_>>(), 0, 0, 1e-3)).expect("a step");
    let found = pollster::block_on(session.gradient_health()).expect("a device").expect("it was looked at");
    let plan = session.plan().clone();
    let program = &plan.recordings[0].program;
    // Sum of squares, number of zeros, number of elements.
    let mut groups: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
    for place in session.parameters().iter().filter(|p| p.trained) {
        let sum = groups.entry(group_of(&place.name)).or_default();
        let elements = place.shape.iter().product::<usize>();
        let parameter = program.graph.find(&place.name).expect("a parameter");
        let values = program.gradients.get(&parameter).map(|&g| pollster::block_on(session.executor().read(0, &[g], 1)).expect("values"));
        let values = values.map_or_else(|| vec![0.0; elements], |mut v| v.remove(0));
        sum[0] += values[..elements].iter().map(|g| g * g).sum::<f64>();
        sum[1] += f64::from(u32::try_from(values[..elements].iter().filter(|g| **g == 0.0).count()).expect("few"));
        sum[2] += f64::from(u32::try_from(elements).expect("few"));
    }
    assert_eq!(groups.len(), found.len());
    let mut errors = vec![];
    for (group, [squares, zeros, elements]) in groups {
        errors.push((found[group].norm - squares.sqrt()) / squares.sqrt());
        assert!((found[group].zeros - zeros / elements).abs() < 1e-12, "{group}: {:?}, {zeros} of {elements}", found[group]);
    }
    // The norms of all groups combine to the norm that the step reports.
    let norm = f64::from(pollster::block_on(session.report()).expect("a report").grad_norm);
    let total = found.values().map(|h| h.norm * h.norm).sum::<f64>().sqrt();
    assert!(norm > 1e-3 && (norm - total).abs() < 1e-5 * norm, "{norm}, {total}");
    largest(&errors)
}

#[test]
fn numbers_are_those_of_the_gradients() {
    let errors = [Backend::Reference, gpu()].map(|b| one_step(&b));
    eprintln!("norms within {errors:?}");
    assert!(errors[0] < 1e-12 && errors[1] < 1e-5, "{errors:?}");
}

/// With infinite data, every record contains only finite numbers and counts the non-finite ones, and the run ends as it does without
/// records.
#[test]
fn what_is_not_finite_is_counted() {
    let settings = every(1).with(|s| {
        s.batch_size = 1;
        s.log_every = 2;
        s.max_bad_steps = 2;
    });
    for backend in [Backend::Reference, gpu()] {
        let source = Arc::new(Waves { poisoned: Some(0), ..Waves::new(1) });
        let mut trainer = Trainer::new(session(&backend, &settings), source, None).expect("a trainer");
        let mut lines = vec![];
        let listen = &mut |e: &Event| {
            if let Event::Gradients { gradients, .. } = e {
                assert_eq!(gradients["embedding"].ailment(), Some(Ailment::NotFinite));
                lines.push(serde_json::to_value(e).expect("JSON"));
            }
            Control::Continue
        };
        let error = pollster::block_on(trainer.run(&mut (), listen)).expect_err("bad numbers");
        assert!(matches!(error, TrainError::NotFinite { .. }), "{error}");
        assert_eq!(lines[0]["step"], 1);
        for (group, health) in lines[0]["gradients"].as_object().expect("groups") {
            assert!(["norm", "zeros", "non_finite"].iter().all(|k| health[k].is_number()), "{group}: {health}");
        }
    }
}
