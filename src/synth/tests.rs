//! Tests that the data have the properties of the formula.

use super::*;
use crate::config::Config;
use crate::data::{Dataset, Scaler};
use crate::series_graph::SeriesGraph;
use nalgebra::{DMatrix, DVector};

fn made(change: impl FnOnce(&mut SynthSettings)) -> Synthetic {
    let mut settings = SynthSettings::default();
    change(&mut settings);
    Synthetic::new(settings).unwrap()
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
}

#[test]
fn waves_keep_to_their_bounds() {
    let (before, rows) = (10, 4000);
    let (mut frequencies, mut phases) = (vec![], vec![]);
    for seed in 0..200 {
        let w = wave(&mut Stream::new(seed), before, rows);
        assert_eq!(w.values.len(), before + rows);
        assert!(w.amplitude.iter().all(|a| (0.9..=1.0).contains(a)) && w.drift.iter().all(|v| (-1.0..=1.0).contains(v)));
        let steps = |x: &[f64]| x.windows(2).map(|p| (p[1] - p[0]).abs()).fold(0.0, f64::max);
        assert!((0.008..=0.01).contains(&steps(&w.amplitude)) && (0.045..=0.05).contains(&steps(&w.drift)));
        assert!((0.005..0.02).contains(&w.frequency) && (0.0..std::f64::consts::TAU).contains(&w.phase));
        // The difference to the sine is noise with a standard deviation of 0.03. The phase is that of row 0.
        let sine =
            |k: usize| w.amplitude[k] * (std::f64::consts::TAU * w.frequency * (k as f64 - before as f64) + w.phase + w.drift[k]).sin();
        let noise: Vec<f64> = w.values.iter().enumerate().map(|(k, x)| x - sine(k)).collect();
        let (mean, deviation) = mean_and_deviation(&noise);
        assert!(mean.abs() < 0.0025 && (deviation - 0.03).abs() < 0.002, "{mean} {deviation}");
        frequencies.push(w.frequency);
        phases.push(w.phase);
    }
    // Uniform distributions: the mean is within four standard errors of 200 draws, the standard deviation within 20 %.
    let uniform = |values: &[f64], low: f64, high: f64| {
        let (mean, deviation) = mean_and_deviation(values);
        let width = high - low;
        assert!((mean - f64::midpoint(low, high)).abs() < 4.0 * width / 12_f64.sqrt() / 200_f64.sqrt(), "{mean}");
        assert!((deviation / width * 12_f64.sqrt() - 1.0).abs() < 0.2, "{deviation}");
    };
    uniform(&frequencies, 0.005, 0.02);
    uniform(&phases, 0.0, std::f64::consts::TAU);
}

/// M estimated from the data: the sum of drivers is computed from each target and regressed on the lagged waves.
fn recovered(made: &Synthetic) -> Vec<Vec<f64>> {
    let s = made.settings();
    let from = s.lags;
    let by_target = |j: usize| {
        let b = |t: usize| {
            let wanted = made.targets[j][t] - trend(t, s.rows);
            let (mut low, mut high) = (-20.0, 20.0);
            for _ in 0..60 {
                let middle = f64::midpoint(low, high);
                if response(middle) < wanted { low = middle } else { high = middle }
            }
            low
        };
        let b = DVector::from_fn(s.rows - from, |t, _| b(t + from));
        let x = DMatrix::from_fn(s.rows - from, s.waves, |t, i| made.waves[i][t + from - made.drivers[i][j].lag]);
        let solved = (x.transpose() * &x).cholesky().unwrap().solve(&(x.transpose() * b));
        solved.iter().copied().collect::<Vec<f64>>()
    };
    (0..s.targets).map(by_target).collect()
}

#[test]
fn the_weights_can_be_found_in_the_data() {
    for (lags, sparsity) in [(0, 0.0), (0, 0.5), (6, 0.5)] {
        let made = made(|s| (s.lags, s.sparsity, s.targets) = (lags, sparsity, 4));
        let found = recovered(&made);
        let mut worst = 0.0_f64;
        for (i, row) in made.drivers.iter().enumerate() {
            for (j, driver) in row.iter().enumerate() {
                assert!(driver.weight.abs() < 0.6 && driver.lag <= lags && (lags == 0 || driver.lag > 0));
                worst = worst.max((found[j][i] - driver.weight).abs());
            }
        }
        // With noise of 0.02 over 4,096 rows, the expected error is about 0.02 / 1.5 / sqrt(4096 / 2).
        assert!(worst < 2e-3, "lags {lags}, sparsity {sparsity}: {worst}");
    }
}

#[test]
fn the_share_of_zeros_is_the_sparsity() {
    let dense = made(|s| s.targets = 5);
    for (sparsity, zeros) in [(0.0, 0), (0.3, 11), (0.5, 18), (1.0, 35)] {
        let sparse = made(|s| (s.targets, s.sparsity) = (5, sparsity));
        let weights = |made: &Synthetic| -> Vec<f64> { made.drivers.iter().flatten().map(|d| d.weight).collect() };
        assert_eq!(weights(&sparse).iter().filter(|w| **w == 0.0).count(), zeros);
        let same = weights(&sparse).iter().zip(weights(&dense)).all(|(s, d)| *s == 0.0 || *s == d);
        assert!(same && sparse.waves == dense.waves, "nothing else changes");
    }
    let spread = mean_and_deviation(
        &made(|s| (s.waves, s.targets, s.rows) = (40, 40, 2)).drivers.iter().flatten().map(|d| d.weight).collect::<Vec<_>>(),
    );
    assert!(spread.0.abs() < 0.035 && (spread.1 - 1.2 / 12_f64.sqrt()).abs() < 0.015, "{spread:?}");
}

#[test]
fn a_seed_names_the_data() {
    let one = made(|_| ());
    assert_eq!(one, made(|_| ()));
    assert_ne!(one.targets, made(|s| s.seed = 43).targets);
    let text = one.csv();
    assert_eq!(text, made(|_| ()).csv());
    let mut lines = text.lines();
    let header = "date,wave_0,wave_1,wave_2,wave_3,wave_4,wave_5,wave_6,target_0,target_1,target_2,covariate_gradient,covariate_dispersion";
    assert_eq!(lines.next(), Some(header));
    assert!(lines.next().unwrap().starts_with("2020-01-01 00:00:00,"));
    assert!(lines.next_back().unwrap().starts_with("2020-06-19 15:00:00,"));
    assert_eq!(text.lines().count(), 4097);
}

#[test]
fn covariates_are_gradient_and_variance() {
    let mut small = made(|s| (s.rows, s.waves, s.targets) = (3, 4, 1));
    small.waves = vec![vec![0.0, 1.0, 4.0], vec![2.0, 3.0, 4.0], vec![0.0, 0.0, 0.0], vec![2.0, 0.0, 0.0]];
    let rows: Vec<Vec<String>> = small.csv().lines().skip(1).map(|l| l.split(',').rev().take(2).map(str::to_owned).collect()).collect();
    // The mean waves are 1, 1, 2. The first half of the waves are the first two.
    assert_eq!(rows, [["1.000000", "0.000000"], ["1.000000", "0.500000"], ["0.000000", "1.000000"]]);
}

#[test]
fn the_starter_config_reads_the_data_and_the_graph() {
    for (rows, lags, sparsity) in [(4096, 0, 0.0), (100, 3, 0.4), (300, 0, 1.0)] {
        let made = made(|s| (s.rows, s.lags, s.sparsity) = (rows, lags, sparsity));
        let text = made.config("waves", "waves.csv", "edges.csv");
        assert!(Config::from_toml(&text).unwrap().graph.is_default(), "the true graph is not told unasked");
        let config = Config::from_toml(&text.replace("# [graph]\n# edges", "[graph]\nedges")).unwrap();
        let data = Dataset::read(&config, made.csv().as_bytes()).unwrap();
        assert_eq!((data.covariate_names().len(), data.target_names().len(), data.rows()), (9, 3, rows));
        Scaler::fit(&data).unwrap();
        assert!(!data.training_windows().unwrap().is_empty());
        assert!(!data.evaluation_windows(crate::data::Part::Validation).unwrap().is_empty());
        assert!(config.data.covariates.iter().all(|c| !c.known_future.is_known()));
        let (graph, _) = SeriesGraph::build(&config.graph, &data, Some(made.edges_csv().as_bytes())).unwrap();
        assert_eq!(graph.edges(), made.drivers.iter().flatten().filter(|d| d.weight != 0.0).count());
        assert_eq!(config.graph.path().is_some(), graph.edges() > 0);
        if sparsity == 0.0 {
            let at = |receiver: usize, sender: usize| graph.weights()[receiver * graph.len() + sender];
            assert!((at(9 + 2, 3) - made.drivers[3][2].weight.abs()).abs() < 1e-6);
        }
    }
}

#[test]
fn what_cannot_be_made_is_refused() {
    let refusal = |change: fn(&mut SynthSettings)| {
        let mut settings = SynthSettings::default();
        change(&mut settings);
        Synthetic::new(settings).unwrap_err().to_string()
    };
    assert_eq!(refusal(|s| s.rows = 1), "rows is 1; use at least 2");
    assert_eq!(refusal(|s| s.targets = 0), "targets is 0; use at least 1");
    assert!(refusal(|s| s.rows = 1 << 60).contains("too many"));
    assert!(refusal(|s| s.sparsity = 1.5).contains("0 to 1") && refusal(|s| s.sparsity = f64::NAN).contains("0 to 1"));
}

#[test]
fn frequencies_of_pandas() {
    for (text, ours) in [
        ("H", "1h"),
        ("h", "1h"),
        ("15T", "15min"),
        ("15min", "15min"),
        ("D", "1d"),
        ("W", "1w"),
        ("M", "1mo"),
        ("MS", "1mo"),
        ("Q", "3mo"),
        ("t", "1min"),
        ("s", "1s"),
        ("A", "1y"),
    ] {
        assert_eq!(original_frequency(text).unwrap().to_string(), ours, "{text}");
    }
    assert!(original_frequency("B").unwrap_err().contains("weekends") && original_frequency("x").is_err());
}
