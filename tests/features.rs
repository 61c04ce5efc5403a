//! Every part of the model has an effect. Each parameter tensor has a gradient, except those whose gradient is zero in theory (section 11.7
//! of docs/model.md). Each switch and each feature of the series graph changes the output. Also tested here, because no golden file covers
//! it: a series without observed history, values beyond both clamps, a flat history.
//! "Twins" are the f64 reference implementations of the ops.

#![expect(clippy::cast_possible_truncation, reason = "test data")]

use crate::common::probe::{Batch, Found, Named, change, full, largest, parameters, pass};
use crate::common::{Waves, all_on, gpu};
use pgat::config::ModelSettings;
use pgat::data::WindowShape;
use pgat::engine::executor::Backend;
use pgat::engine::model::ModelShape;
use pgat::series_graph::GraphConstants;
use std::ops::Range;
use std::sync::Arc;

/// The smallest change, relative to the output, that counts: far above the rounding errors of the twins (f64) and the kernels (f32).
const CHANGE: f64 = 1e-4;

fn waves() -> Waves {
    Waves::new(12)
}

fn batch() -> Batch {
    Batch::of(&waves(), &[0, 3, 7])
}

/// Every switch on, and several hubs, so that every softmax has more than one choice.
fn settings() -> ModelSettings {
    all_on().with(|s| {
        s.num_transitions = 3;
        (s.driver_rank, s.driver_width, s.driver_products) = (3, 2, 5);
        (s.use_driver_highway, s.use_driver_products, s.use_driver_norm, s.use_driver_attention) = (true, true, true, true);
        (s.use_last_norm, s.use_calibration) = (true, true);
    })
}

fn shape(settings: ModelSettings) -> ModelShape {
    full(waves().shape, settings)
}

/// A part of a parameter tensor whose gradient is zero in theory.
struct Zero {
    name: String,
    part: Option<Range<usize>>,
}

impl Zero {
    fn all(name: impl Into<String>) -> Self {
        Self { name: name.into(), part: None }
    }

    fn part(name: impl Into<String>, part: Range<usize>) -> Self {
        Self { name: name.into(), part: Some(part) }
    }
}

/// Section 11.7 of docs/model.md: the key biases of plain softmax attention (they add the same value to all scores of a query), and the
/// query and key bias of autocorrelation (they add the same value to all lags, summed over the steps).
fn always_zero(d: usize) -> Vec<Zero> {
    let keys = d..2 * d;
    vec![
        Zero::part("embedding.temporal.qkv.bias", keys.clone()),
        Zero::part("layers.0.key_value.bias", 0..d),
        Zero::part("scales.0.qkv.bias", keys.clone()),
        Zero::part("scales.1.qkv.bias", keys),
        Zero::part("autocorr.qkv.bias", 0..2 * d),
    ]
}

/// The gradients of a model on the twins. The listed exceptions must be zero, all others must not.
fn check_gradients(settings: ModelSettings, zeros: &[Zero]) -> (ModelShape, Found) {
    let shape = shape(settings);
    let parameters = parameters(&shape, 1);
    let found = pass(&shape, &Backend::Reference, &parameters, &batch());
    let all = found.gradients.values().map(|v| largest(v)).fold(0.0, f64::max);
    for zero in zeros {
        assert!(parameters.contains_key(&zero.name), "there is no parameter {}", zero.name);
        // A parameter that no loss depends on has no gradient tensor.
        let size = found.gradients.get(&zero.name).map_or(0.0, |v| largest(&v[zero.part.clone().unwrap_or(0..v.len())]));
        assert!(size < 1e-9, "{}: zero by theory, but {size:e}", zero.name);
    }
    let places = pgat::engine::model::parameter_places(&shape).expect("places");
    let mut least = (f64::INFINITY, String::new());
    for place in places.iter().filter(|p| p.trained) {
        let (name, mine) = (&place.name, zeros.iter().filter(|z| z.name == place.name).collect::<Vec<_>>());
        if mine.iter().any(|z| z.part.is_none()) {
            continue;
        }
        let values = found.gradients.get(name).unwrap_or_else(|| panic!("no loss reaches {name}"));
        // Queries, keys and values are stored one after the other: each third (or half) of such a tensor is checked separately.
        let pieces = if name.contains("qkv") { 3 } else { 1 + usize::from(name.contains("key_value")) };
        for (i, piece) in values.chunks(values.len() / pieces).enumerate() {
            if mine.iter().any(|z| z.part.as_ref().is_some_and(|p| p.contains(&(i * piece.len())))) {
                continue;
            }
            let size = largest(piece);
            assert!(size > 1e-6 * all, "{name}, piece {i}: {size:e}, and the largest gradient is {all:e}");
            if size < least.0 {
                least = (size, format!("{name}, piece {i}"));
            }
        }
    }
    eprintln!("{} tensors; least gradient {:e} of {:e} ({})", found.gradients.len(), least.0, all, least.1);
    (shape, found)
}

/// On the twins every parameter tensor has a gradient, and so has each query or key part. On the kernels the gradients are the same.
#[test]
fn every_parameter_has_a_gradient() {
    let (shape, twins) = check_gradients(settings(), &always_zero(16));
    let kernels = pass(&shape, &gpu(), &parameters(&shape, 1), &batch());
    for (name, expected) in &twins.gradients {
        // Within a tenth of the tensor's size, the kernels' value is the gradient and not noise.
        let (size, found) = (largest(expected), &kernels.gradients[name]);
        let error = expected.iter().zip(found).fold(0.0_f64, |m, (e, f)| m.max((e - f).abs()));
        assert!(error < 0.1 * size, "{name}: {error:e} from the twins' {size:e}");
    }
}

/// Section 11: without dynamic edge weights, bias_receiver and the key bias of section 7 have no gradient.
#[test]
fn without_dynamic_edge_weights() {
    let mut zeros = always_zero(16);
    for stage in ["to_transition", "to_target", "driver_attention"] {
        zeros.extend(["weight", "bias"].map(|p| Zero::all(format!("{stage}.bias_receiver.{p}"))));
        zeros.push(Zero::part(format!("{stage}.key_value.bias"), 0..16));
    }
    check_gradients(settings().with(|s| s.use_dynamic_edge_weights = false), &zeros);
}

/// Section 11: with a single sender, the parameters that shape its softmax have no gradient.
#[test]
fn with_one_hub() {
    let mut zeros = always_zero(16);
    let whole = ["query.weight", "query.bias", "bias_sender.weight", "bias_receiver.weight", "bias_receiver.bias", "feature_weight"];
    let edges = ["edge_sender.weight", "edge_receiver.weight", "edge_receiver.bias", "edge_out.weight", "edge_out.bias"];
    zeros.extend(whole.iter().chain(&edges).chain(&["structural_weight"]).map(|p| Zero::all(format!("to_target.{p}"))));
    zeros.push(Zero::part("to_target.key_value.bias", 0..16));
    zeros.push(Zero::part("to_target.key_value.weight", 0..16 * 16));
    check_gradients(settings().with(|s| s.num_transitions = 1), &zeros);
}

/// Section 11: without hops nothing reads the gates and the adaptive graph.
#[test]
fn without_hops() {
    let mut zeros = always_zero(16);
    let adaptive = ["sender", "receiver", "sender_memory.weight", "receiver_memory.weight"];
    let gates = ["gate1.weight", "gate1.bias", "gate2.weight", "gate2.bias"];
    zeros.extend(adaptive.iter().chain(&gates).map(|p| Zero::all(format!("graph.{p}"))));
    check_gradients(settings().with(|s| s.use_hops = false), &zeros);
}

/// Switches of initial values and of the loss, which change training and not the output; tests/generation2.rs and golden files have them.
const OF_TRAINING: [&str; 2] = ["use_zero_head", "use_logit_penalty"];

/// For each switch of the output, the model with that one switch inverted.
fn turned(settings: &ModelSettings) -> Vec<(String, ModelSettings)> {
    let all = serde_json::to_value(settings).expect("settings");
    let keys = all.as_object().expect("a table").keys().filter(|k| k.starts_with("use_") && !OF_TRAINING.contains(&k.as_str()));
    let turn = |key: &String| {
        let mut all = all.clone();
        all[key] = (!all[key].as_bool().expect("a switch")).into();
        (key.clone(), serde_json::from_value(all).expect("settings"))
    };
    keys.map(turn).collect()
}

/// Each switch changes the output, on the twins and on the kernels. Parameters with the same name keep their values.
#[test]
fn every_switch_changes_the_output() {
    let (on, backend) = (settings(), gpu());
    let whole = shape(on.clone());
    let parameters = parameters(&whole, 1);
    let base = [&Backend::Reference, &backend].map(|b| pass(&whole, b, &parameters, &batch()).mixture);
    let all = turned(&on);
    assert!(all.len() >= 16, "{all:?}");
    for (name, settings) in all {
        let shape = shape(settings);
        let other = [&Backend::Reference, &backend].map(|b| pass(&shape, b, &parameters, &batch()).mixture);
        let changes = [change(&base[0], &other[0]), change(&base[1], &other[1])];
        eprintln!("{name}: {changes:?}");
        assert!(changes.iter().all(|c| *c > CHANGE), "{name} changes the output by {changes:?}");
        assert!(change(&other[0], &other[1]) < 2e-4, "{name}: twins and kernels differ");
    }
}

/// Each feature of the series graph changes the output when it is moved to another series.
#[test]
fn every_graph_feature_changes_the_output() {
    let whole = shape(settings());
    let parameters = parameters(&whole, 1);
    let base = pass(&whole, &Backend::Reference, &parameters, &batch()).mixture;
    // The destructuring fails to compile when a feature is added, so that a new feature is not forgotten here.
    let GraphConstants { prior, hop_distance, centrality, spectral, random_walk, eigenmaps, clusters } = (*whole.features).clone();
    let plain = || (*whole.features).clone();
    let others = [
        ("prior", GraphConstants { prior: shifted(&prior, whole.nodes()), ..plain() }),
        ("hop_distance", GraphConstants { hop_distance: shifted(&hop_distance, 1), ..plain() }),
        ("centrality", GraphConstants { centrality: shifted(&centrality, 4), ..plain() }),
        ("spectral", GraphConstants { spectral: shifted(&spectral, 3), ..plain() }),
        ("random_walk", GraphConstants { random_walk: shifted(&random_walk, 2), ..plain() }),
        ("eigenmaps", GraphConstants { eigenmaps: shifted(&eigenmaps, 4), ..plain() }),
        ("clusters", GraphConstants { clusters: clusters.iter().map(|c| shifted(c, 1)).collect(), ..plain() }),
    ];
    for (name, features) in others {
        let other = ModelShape { features: Arc::new(features), ..whole.clone() };
        let change = change(&base, &pass(&other, &Backend::Reference, &parameters, &batch()).mixture);
        eprintln!("{name}: {change:e}");
        assert!(change > CHANGE, "{name} changes the output by {change:e}");
    }
}

/// Each node takes the row of the next node.
fn shifted<T: Copy>(rows: &[T], width: usize) -> Vec<T> {
    let mut rows = rows.to_vec();
    rows.rotate_left(width);
    rows
}

/// Runs on twins and kernels and checks that all results agree. Returns the results of the twins.
fn agreed(shape: &ModelShape, parameters: &Named, batch: &Batch) -> Found {
    let [twins, kernels] = [Backend::Reference, gpu()].map(|b| pass(shape, &b, parameters, batch));
    assert!(twins.loss.is_finite() && twins.penalty.is_finite());
    let error = change(&twins.mixture, &kernels.mixture);
    assert!(error < 2e-4, "outputs differ by {error:e}");
    assert!((twins.loss - kernels.loss).abs() < 2e-4 * twins.loss.abs().max(1.0), "{} and {}", twins.loss, kernels.loss);
    let all = twins.gradients.values().map(|v| largest(v)).fold(0.0, f64::max);
    let mut worst = (0.0, "");
    for (name, expected) in &twins.gradients {
        let scale = largest(expected).max(1e-4 * all);
        let found = &kernels.gradients[name];
        assert!(expected.iter().chain(found).all(|v| v.is_finite()), "{name} is not finite");
        let error = expected.iter().zip(found).fold(0.0_f64, |m, (e, f)| m.max((e - f).abs())) / scale;
        assert!(error < 2e-3, "the gradient of {name} differs by {error:e}");
        if error > worst.0 {
            worst = (error, name);
        }
    }
    eprintln!("outputs within {error:e}, gradients within {:e} ({}), loss {}", worst.0, worst.1, twins.loss);
    twins
}

/// Sets the history of a series in all windows: its value and whether it is observed.
fn set_history(batch: &mut Batch, w: &WindowShape, series: usize, value: impl Fn(usize) -> (f32, f32)) {
    for window in 0..batch.windows {
        for step in 0..w.history {
            for channel in 0..w.num_channels {
                let at = ((window * w.steps() + step) * w.num_series() + series) * w.num_channels + channel;
                (batch.values[at], batch.observed[at]) = value(step);
            }
        }
    }
}

/// A driver and a target without any observed value: the values in the gaps have no effect.
#[test]
fn a_series_without_history() {
    let shape = shape(settings());
    let parameters = parameters(&shape, 1);
    let gaps = |content: f32| {
        let mut batch = batch();
        for series in [0, 2] {
            set_history(&mut batch, &shape.window, series, |_| (content, 0.0));
        }
        agreed(&shape, &parameters, &batch)
    };
    let (zeros, junk) = (gaps(0.0), gaps(1e6));
    assert_eq!(zeros.mixture, junk.mixture, "an unobserved value reached the output");
    // Target 1 is series 2: shift 0, scale 1.
    for window in zeros.stats.chunks(2 * shape.window.num_targets) {
        assert_eq!(window[2..4], [0.0, 1.0]);
    }
}

/// A target with a flat history: its deviation is the square root of `norm_epsilon`.
#[test]
fn a_flat_history() {
    let shape = shape(settings());
    let mut batch = batch();
    set_history(&mut batch, &shape.window, 1, |_| (1.75, 1.0));
    let found = agreed(&shape, &parameters(&shape, 1), &batch);
    for window in found.stats.chunks(2 * shape.window.num_targets) {
        assert!((window[0] - 1.75).abs() < 1e-12 && (window[1] - 0.1).abs() < 1e-8, "{:?}", &window[..2]);
    }
}

/// The clamps: log deviations at -7 and 5, temperatures at 0.1 and 10. Beyond them the output is constant and the gradient is zero.
#[test]
fn both_clamps_at_work() {
    let shape = shape(settings().with(|s| s.use_calibration = false));
    let (w, k) = (shape.window, shape.settings.mdn_components);
    for (temperature, at) in [(4.0, 10.0_f64), (-4.0, 0.1)] {
        let mut parameters = parameters(&shape, 1);
        parameters.insert("graph.log_temperature".into(), vec![temperature]);
        // [3, p, K]: the log deviation of component 0 is far below the lower clamp, that of component 1 far above the upper clamp.
        let bias = parameters.get_mut("decoder.head.bias").expect("the head");
        for position in 0..shape.settings.patch_len {
            let first = (shape.settings.patch_len + position) * k;
            (bias[first], bias[first + 1]) = (-40.0, 40.0);
        }
        let found = agreed(&shape, &parameters, &batch());
        let part = w.horizon * w.num_targets * k;
        for (window, mixture) in found.mixture.chunks(3 * part).enumerate() {
            for (e, log_std) in mixture[part..2 * part].iter().enumerate() {
                let scale = found.stats[2 * (window * w.num_targets + e / k % w.num_targets) + 1].ln();
                let expected = [Some(-7.0), Some(5.0), None][e % k];
                assert!(expected.is_none_or(|v| (log_std - scale - v).abs() < 1e-9), "{log_std} less {scale}");
            }
        }
        for position in 0..shape.settings.patch_len {
            let first = (shape.settings.patch_len + position) * k;
            assert_eq!(found.gradients["decoder.head.bias"][first..first + 2], [0.0; 2]);
        }
        assert_eq!(found.gradients["graph.log_temperature"], [0.0]);
        parameters.insert("graph.log_temperature".into(), vec![f64::from(at.ln() as f32)]);
        let at_the_bound = pass(&shape, &Backend::Reference, &parameters, &batch());
        assert!(change(&found.mixture, &at_the_bound.mixture) < 1e-7, "the temperature is not clamped at {at}");
        parameters.insert("graph.log_temperature".into(), vec![temperature / 8.0]);
        let within = pass(&shape, &Backend::Reference, &parameters, &batch());
        let effect = change(&found.mixture, &within.mixture);
        assert!(effect > CHANGE, "the temperature changes the output by {effect:e}");
        assert!(within.gradients["graph.log_temperature"][0].abs() > 0.0);
    }
}
