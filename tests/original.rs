//! What the tests of the original system expect of such a model, each with its test here.
//!
//! | expectation of the original | test |
//! |---|---|
//! | output [B, horizon, targets] at batch 1, 2, 4, 8 | `outputs_have_their_shape` |
//! | samples of a batch do not mix (there they did) | `windows_do_not_mix` |
//! | determinism | `two_passes_are_one`; of training: `training.rs`, `the_budget_changes_no_bit` |
//! | finite gradients, global norm between 1e-8 and 100 | `gradients_are_sane` |
//! | fewer than half of the parameters without gradient | `gradients_are_sane`; none at all: `features.rs`, `every_parameter_has_a_gradient` |
//! | edge weights and adjacency in [0, 1] | `graphs_are_probabilities` |
//! | encodings keep shapes and change their input | `encodings_keep_shapes` |
//! | different inputs give different outputs | `different_inputs_give_different_outputs` |
//! | equivariance to a permutation of the series | `series_have_no_order` |
//! | several history lengths | `several_history_lengths` |
//! | bad inputs rejected by name | `bad_inputs_are_named`; configs: unit tests of `config`; data: unit tests of `data`, and `cli.rs`, `wrong_configs_and_data_are_named` |
//! | no memory growth | `growth.rs`; `memory.rs`, `nothing_is_created_after_compilation` |

use crate::common::probe::{Batch, Named, change, full, largest, parameters, pass};
use crate::common::{Waves, all_on, gpu, session, settings};
use pgat::config::ModelSettings;
use pgat::data::WindowShape;
use pgat::engine::executor::Backend;
use pgat::engine::model::{Mode, ModelShape, build, init};
use pgat::engine::train::weights::{Notes, read_weights, write_weights};
use pgat::series_graph::GraphConstants;
use std::sync::Arc;

/// The smallest relative change that counts.
const CHANGE: f64 = 1e-4;

fn waves() -> Waves {
    let plain = Waves::new(32);
    Waves { shape: WindowShape { num_covariates: 3, ..plain.shape }, ..plain }
}

fn shape() -> ModelShape {
    full(waves().shape, all_on().with(|s| s.num_transitions = 3))
}

fn backends() -> [Backend; 2] {
    [Backend::Reference, gpu()]
}

fn windows(n: usize) -> Batch {
    Batch::of(&waves(), &(0..n).map(|i| 3 * i + 1).collect::<Vec<_>>())
}

/// Values of one window's mixture: mean, log deviation and logit of each component of each step of each target.
fn window_len(shape: &ModelShape) -> usize {
    3 * shape.window.horizon * shape.window.num_targets * shape.settings.mdn_components
}

#[test]
fn outputs_have_their_shape() {
    let shape = shape();
    let parameters = parameters(&shape, 1);
    for backend in backends() {
        for batch in [1, 2, 4, 8] {
            let found = pass(&shape, &backend, &parameters, &windows(batch));
            assert_eq!(found.mixture.len(), batch * window_len(&shape));
            assert!(found.loss.is_finite() && found.mixture.iter().all(|v| v.is_finite()));
        }
        // In the library's layout: [H, Nt, K] for each window, for any batch size.
        let mut session = session(&backend, &settings());
        for batch in [1, 2, 4, 8] {
            let mut seen = 0;
            let all: Vec<usize> = (0..batch).collect();
            pollster::block_on(session.score(&Waves::new(8), &all, |index, mixture| {
                assert_eq!(index, seen);
                seen += 1;
                for part in [&mixture.mean, &mixture.log_std, &mixture.logit] {
                    assert_eq!(part.len(), 4 * 3 * 3);
                }
            }))
            .expect("scores");
            assert_eq!(seen, batch);
        }
    }
}

/// The output of a window is bit-identical alone and among other windows.
#[test]
fn windows_do_not_mix() {
    let shape = shape();
    let parameters = parameters(&shape, 1);
    for backend in backends() {
        let together = pass(&shape, &backend, &parameters, &windows(8)).mixture;
        for (i, expected) in together.chunks(window_len(&shape)).enumerate() {
            let alone = pass(&shape, &backend, &parameters, &Batch::of(&waves(), &[3 * i + 1])).mixture;
            assert_eq!(alone, expected, "window {i}");
        }
    }
}

#[test]
fn two_passes_are_one() {
    let shape = shape();
    let parameters = parameters(&shape, 1);
    for backend in backends() {
        let [a, b] = [0, 1].map(|_| pass(&shape, &backend, &parameters, &windows(4)));
        assert_eq!((a.mixture, a.loss.to_bits(), a.gradients), (b.mixture, b.loss.to_bits(), b.gradients));
    }
}

/// Tests the initial parameters of training.
#[test]
fn gradients_are_sane() {
    let shape = shape();
    let model = build(&shape, Mode::Score).expect("a model");
    let flat = init::start(&model.graph, &model.inits, 7);
    let places = model.graph.parameters().into_iter().chain(model.graph.stored_tensors());
    let value = |(t, at): (usize, usize)| {
        let tensor = &model.graph.tensors[t];
        (tensor.name.clone(), flat[at..at + tensor.operand.len()].iter().map(|v| f64::from(*v)).collect())
    };
    let start: Named = places.map(value).collect();
    for backend in backends() {
        let found = pass(&shape, &backend, &start, &windows(4));
        let norm = found.gradients.values().flatten().map(|g| g * g).sum::<f64>().sqrt();
        assert!(norm.is_finite() && (1e-8..100.0).contains(&norm), "norm {norm}");
        let all = model.graph.parameters();
        let none = |(t, _): &&(usize, usize)| found.gradients.get(&model.graph.tensors[*t].name).is_none_or(|g| largest(g) < 1e-9);
        let (without, all) = (all.iter().filter(none).count(), all.len());
        eprintln!("norm {norm}, {without} of {all} tensors without gradient at the start");
        assert!(2 * without < all, "{without} of {all}");
    }
}

#[test]
fn graphs_are_probabilities() {
    let shape = shape();
    let (n, covariates) = (shape.nodes(), shape.window.num_covariates);
    for backend in backends() {
        let found = pass(&shape, &backend, &parameters(&shape, 1), &windows(4));
        let unit = |values: &[f64]| values.iter().all(|v| (0.0..=1.0).contains(v));
        assert_eq!((found.proposals.len(), found.edges.len(), found.gates.len()), (3, 2, 3 * 4));
        for (which, proposal) in found.proposals.iter().enumerate() {
            assert!(unit(proposal), "proposal {which}");
            for (row, weights) in proposal.chunks(n.next_multiple_of(4)).enumerate() {
                // In the learned graph, rows of covariates receive nothing. The padding is 0.
                let expected = if which == 1 && row < covariates { 0.0 } else { 1.0 };
                let sum: f64 = weights[..n].iter().sum();
                assert!((sum - expected).abs() < 1e-5 && weights[n..].iter().all(|v| *v == 0.0), "proposal {which}, row {row}: {sum}");
            }
        }
        for rows in found.edges.iter().map(|e| e.chunks(2)).chain([found.gates.chunks(3)]) {
            for row in rows {
                assert!(unit(row) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
            }
        }
    }
}

#[test]
fn encodings_keep_shapes() {
    let whole = shape();
    let parameters = parameters(&whole, 1);
    let tokens = |settings: ModelSettings| {
        let shape = ModelShape { settings, ..whole.clone() };
        pass(&shape, &Backend::Reference, &parameters, &windows(2)).activations
    };
    let on = || whole.settings.clone();
    let base = tokens(on());
    let expected = 2 * whole.tokens() * whole.nodes() * whole.settings.d_model;
    for block in ["embedding", "layers.0", "scale_norm"] {
        assert_eq!(base[block].len(), expected, "{block}");
    }
    let without = [
        ("temporal", on().with(|s| s.use_temporal_encoding = false)),
        ("adaptive temporal", on().with(|s| s.use_adaptive_temporal = false)),
        ("step and node", on().with(|s| s.use_adaptive_embedding = false)),
        ("structural", on().with(|s| s.use_structural_encoding = false)),
        ("graph", on().with(|s| s.use_graph_encoding = false)),
    ];
    for (name, settings) in without {
        let other = tokens(settings);
        assert_eq!(other["embedding"].len(), expected, "{name}");
        assert!(change(&base["embedding"], &other["embedding"]) > CHANGE, "the {name} encoding changes nothing");
    }
}

#[test]
fn different_inputs_give_different_outputs() {
    let (shape, source) = (shape(), waves());
    let (w, parameters) = (shape.window, parameters(&shape, 1));
    let base = windows(2);
    let run = |batch: &Batch| pass(&shape, &Backend::Reference, &parameters, batch).mixture;
    let before = run(&base);
    let (first, second) = before.split_at(before.len() / 2);
    assert!(change(first, second) > 1e-2, "two windows give one output");
    // (step, series, channel): an early value of a driver, the last value of a target, a target's own covariate in the horizon.
    for (step, series, channel) in [(1, 0, 0), (w.history - 1, 4, 0), (w.steps() - 1, 5, 1)] {
        let mut other = base.clone();
        let at = (step * w.num_series() + series) * w.num_channels + channel;
        (other.values[at], other.observed[at]) = (other.values[at] + 1.0, 1.0);
        let after = run(&other);
        assert!(change(first, &after[..first.len()]) > CHANGE, "step {step}, series {series}, channel {channel}");
        assert_eq!(second, &after[first.len()..], "another window's input changed this one's output");
    }
    let mut other = base.clone();
    other.calendar[0] += 1.0;
    assert!(change(first, &run(&other)[..first.len()]) > CHANGE, "the calendar");
    // The targets to be forecast are not an input.
    let mut other = base.clone();
    other.target.iter_mut().for_each(|t| *t += 1.0);
    assert_eq!(before, run(&other));
    assert_eq!(source.shape, w);
}

/// Reorders rows of `width` elements: row i of the result is row `order[i]`.
fn reordered<T: Copy>(rows: &[T], width: usize, order: &[usize]) -> Vec<T> {
    assert_eq!(rows.len() % (width * order.len()), 0);
    let block = width * order.len();
    rows.chunks(block).flat_map(|b| order.iter().flat_map(move |&i| b[i * width..(i + 1) * width].iter().copied())).collect()
}

/// With the series and everything that belongs to a node in another order, the outputs are the same values in that order.
#[test]
fn series_have_no_order() {
    let shape = shape();
    let (w, s) = (shape.window, &shape.settings);
    // Covariates, targets and hubs are each permuted among themselves.
    let nodes = [2, 0, 1, 5, 3, 4, 7, 8, 6];
    let (series, targets, hubs) = (&nodes[..6], [2, 0, 1], [1, 2, 0]);
    let features = GraphConstants {
        prior: reordered(&reordered(&shape.features.prior, 1, &nodes), shape.nodes(), &nodes),
        hop_distance: reordered(&shape.features.hop_distance, 1, &nodes),
        centrality: reordered(&shape.features.centrality, 4, &nodes),
        spectral: reordered(&shape.features.spectral, s.num_spectral, &nodes),
        random_walk: reordered(&shape.features.random_walk, s.num_random_walk, &nodes),
        eigenmaps: reordered(&shape.features.eigenmaps, s.num_eigenvectors, &nodes),
        clusters: shape.features.clusters.iter().map(|c| reordered(c, 1, &nodes)).collect(),
    };
    let other = ModelShape { features: Arc::new(features), ..shape.clone() };
    let before = parameters(&shape, 1);
    let mut after = before.clone();
    let d = s.d_model;
    for (name, width) in [
        ("embedding.node", d),
        ("embedding.adaptive", d),
        ("graph.memory", d),
        ("graph.sender", s.adaptive_rank),
        ("graph.receiver", s.adaptive_rank),
    ] {
        after.insert(name.into(), reordered(&before[name], width, &nodes));
    }
    let table = |name: &str, rows: &[usize], columns: &[usize]| reordered(&reordered(&before[name], 1, columns), columns.len(), rows);
    after.insert("graph.series_to_transition".into(), table("graph.series_to_transition", &hubs, series));
    after.insert("graph.transition_to_target".into(), table("graph.transition_to_target", &targets, &hubs));
    let batch = windows(3);
    let moved = Batch {
        values: reordered(&batch.values, w.num_channels, series),
        observed: reordered(&batch.observed, w.num_channels, series),
        target: reordered(&batch.target, 1, &targets),
        target_observed: reordered(&batch.target_observed, 1, &targets),
        ..batch.clone()
    };
    for (backend, limit) in backends().iter().zip([1e-12, 2e-5]) {
        let expected = pass(&shape, backend, &before, &batch);
        let found = pass(&other, backend, &after, &moved);
        let outputs = reordered(&expected.mixture, s.mdn_components, &targets);
        let error = change(&outputs, &found.mixture);
        eprintln!("outputs within {error:e}, losses {} and {}", expected.loss, found.loss);
        assert!(error < limit && (expected.loss - found.loss).abs() < limit * expected.loss.abs().max(1.0));
        assert!(change(&expected.mixture, &found.mixture) > CHANGE, "the order of the targets did not matter");
        let gradient = reordered(&expected.gradients["embedding.node"], d, &nodes);
        assert!(change(&gradient, &found.gradients["embedding.node"]) < limit);
        // With the node parameters left in the old order, the outputs change: the test is sensitive to the order.
        let left = pass(&other, backend, &before, &moved);
        assert!(change(&outputs, &left.mixture) > CHANGE, "node parameters did not matter");
    }
}

#[test]
fn several_history_lengths() {
    for history in [2, 4, 6, 16, 24, 48] {
        let source = Waves { shape: WindowShape { history, ..waves().shape }, ..waves() };
        let shape = full(source.shape, all_on().with(|s| s.num_transitions = 3));
        let batch = Batch::of(&source, &[0, 5]);
        let [twins, kernels] = backends().map(|b| pass(&shape, &b, &parameters(&shape, 1), &batch));
        assert_eq!(twins.mixture.len(), 2 * window_len(&shape));
        let error = change(&twins.mixture, &kernels.mixture);
        eprintln!("history {history}: twins and kernels within {error:e}");
        assert!(error < 2e-4, "history {history}: {error:e}");
        assert!(twins.gradients.values().flatten().all(|g| g.is_finite()));
    }
}

#[test]
fn bad_inputs_are_named() {
    type Change = fn(&mut GraphConstants);
    let shape = shape();
    let cut = |change: Change| {
        let mut features = (*shape.features).clone();
        change(&mut features);
        let shape = ModelShape { features: Arc::new(features), ..shape.clone() };
        build(&shape, Mode::Score).err().expect("a refusal").to_string()
    };
    let cases: [(&str, Change); 7] = [
        ("prior", |f| f.prior.truncate(1)),
        ("hop_distance", |f| f.hop_distance.truncate(1)),
        ("centrality", |f| f.centrality.truncate(1)),
        ("spectral", |f| f.spectral.truncate(1)),
        ("random_walk", |f| f.random_walk.truncate(1)),
        ("eigenmaps", |f| f.eigenmaps.truncate(1)),
        ("clusters", |f| f.clusters[1].truncate(1)),
    ];
    for (name, change) in cases {
        let error = cut(change);
        assert!(error.contains(name) && error.contains("has 1 elements"), "{error}");
    }
    // Weights of another model: the error names the tensor that does not fit.
    let places = pgat::engine::model::parameter_places(&shape).expect("places");
    let end = places.iter().map(|p| p.start + p.shape.iter().product::<usize>()).max().expect("parameters");
    let bytes = write_weights(&places, &vec![0.5; end.next_multiple_of(64)], &Notes::new()).expect("a file");
    let wider = ModelShape { settings: shape.settings.clone().with(|s| s.adaptive_rank = 5), ..shape.clone() };
    let wider = pgat::engine::model::parameter_places(&wider).expect("places");
    let error = read_weights(&bytes, &wider).expect_err("a refusal").to_string();
    assert!(error.contains("graph.sender"), "{error}");
    let deeper = ModelShape { settings: shape.settings.clone().with(|s| s.n_layers = 2), ..shape.clone() };
    let deeper = pgat::engine::model::parameter_places(&deeper).expect("places");
    let error = read_weights(&bytes, &deeper).expect_err("a refusal").to_string();
    assert!(error.contains("layers.1."), "{error}");
    // A state of another size.
    let mut session = session(&Backend::Reference, &settings());
    let error = pollster::block_on(session.load_parameters(&[0.0; 3])).expect_err("a refusal").to_string();
    assert!(error.contains("have 3 values"), "{error}");
}
