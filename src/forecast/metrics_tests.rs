use super::*;
use crate::forecast::mixture::{Component, Mixture};
use crate::forecast::predictive::Point;
use crate::forecast::transform::{TargetDistribution, TargetTransform};
use crate::random::{SampleKey, Stream};

const LEVELS: [f64; 3] = [0.1, 0.5, 0.9];

fn spec() -> ScoreSpec {
    ScoreSpec { series: vec!["a".to_owned(), "b".to_owned()], deviation: vec![2.0, 0.25], horizon: 3, levels: LEVELS.to_vec() }
}

fn scores() -> Scores {
    Scores::new(spec()).expect("a valid specification")
}

/// A forecast and a value for each (window, step, series); some values are unobserved.
fn cells() -> Vec<(usize, usize, TargetDistribution, Option<f64>)> {
    let mut stream = Stream::new(9);
    let transform = TargetTransform::new(1.0, 2.0, Some(0.0), None).expect("valid");
    let mut cells = Vec::new();
    for window in 0..40 {
        for step in 0..3 {
            for series in 0..2 {
                let mut part = || Component { weight: stream.uniform(), mean: stream.normal(), std: stream.uniform() };
                let mixture = Mixture::new(vec![part(), part()]).expect("valid");
                let y = (1.0 + 2.0 * stream.normal()).max(0.0);
                let observed = (window + step + series) % 4 != 0;
                cells.push((series, step, transform.distribution(mixture), observed.then_some(y)));
            }
        }
    }
    cells
}

fn close(found: Option<f64>, expected: f64, what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what} is missing"));
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{what}: {found} against {expected}");
}

/// Every measure over the cells that `keep` selects, computed with plain loops over the stored windows.
fn brute(keep: impl Fn(usize, usize) -> bool) -> Measures {
    let kept: Vec<_> =
        cells().into_iter().filter_map(|(series, step, d, y)| y.filter(|_| keep(series, step)).map(|y| (series, d, y))).collect();
    let n = kept.len() as f64;
    let mean = |f: &dyn Fn(usize, &TargetDistribution, f64) -> f64| kept.iter().map(|(s, d, y)| f(*s, d, *y)).sum::<f64>() / n;
    let deviation = spec().deviation;
    let quantile_loss = |p: f64| {
        mean(&|_, d, y| {
            let q = d.quantile(p);
            if y < q { (1.0 - p) * (q - y) } else { p * (y - q) }
        })
    };
    let inside = |low: f64, high: f64| mean(&|_, d, y| f64::from(u8::from(y >= d.quantile(low) && y <= d.quantile(high))));
    Measures {
        count: kept.len() as u64,
        nll: Some(mean(&|_, d, y| d.nll(y).expect("a density"))),
        crps: Some(mean(&|_, d, y| d.crps(y))),
        mae: Some(mean(&|_, d, y| (y - d.quantile(0.5)).abs())),
        mse: Some(mean(&|_, d, y| (y - d.mean()).powi(2))),
        mean_pinball: Some(LEVELS.map(quantile_loss).iter().sum::<f64>() / 3.0),
        pinball: LEVELS.map(quantile_loss).to_vec(),
        coverage: vec![inside(0.25, 0.75), inside(0.1, 0.9), inside(0.05, 0.95)],
        standardised_mae: Some(mean(&|s, d, y| (y - d.quantile(0.5)).abs() / deviation[s])),
        standardised_mse: Some(mean(&|s, d, y| ((y - d.mean()) / deviation[s]).powi(2))),
    }
}

fn compare(found: &Measures, expected: &Measures, what: &str) {
    assert_eq!(found.count, expected.count, "{what}");
    let named = [
        ("nll", found.nll, expected.nll),
        ("crps", found.crps, expected.crps),
        ("mae", found.mae, expected.mae),
        ("mse", found.mse, expected.mse),
        ("mean pinball", found.mean_pinball, expected.mean_pinball),
        ("standardised mae", found.standardised_mae, expected.standardised_mae),
        ("standardised mse", found.standardised_mse, expected.standardised_mse),
    ];
    for (name, found, expected) in named {
        close(found, expected.expect("brute force has all"), &format!("{what}, {name}"));
    }
    for (name, found, expected) in [("pinball", &found.pinball, &expected.pinball), ("coverage", &found.coverage, &expected.coverage)] {
        assert_eq!(found.len(), expected.len(), "{what}, {name}");
        found.iter().zip(expected).for_each(|(&f, &e)| close(Some(f), e, &format!("{what}, {name}")));
    }
}

#[test]
fn streaming_sums_equal_brute_force() {
    let mut scores = scores();
    for (series, step, forecast, y) in cells() {
        scores.add(series, step, &forecast, y);
    }
    let found = scores.finish("model");
    assert!(found.overall.count > 0 && found.overall.count < 240);
    compare(&found.overall, &brute(|_, _| true), "overall");
    for series in 0..2 {
        compare(&found.per_series[series], &brute(|s, _| s == series), &format!("series {series}"));
    }
    for step in 0..3 {
        compare(&found.per_step[step], &brute(|_, h| h == step), &format!("step {step}"));
    }
}

#[test]
fn merged_parts_equal_the_whole() {
    let (mut whole, mut first, mut second) = (scores(), scores(), scores());
    for (i, (series, step, forecast, y)) in cells().into_iter().enumerate() {
        whole.add(series, step, &forecast, y);
        let part = if i % 3 == 0 { &mut first } else { &mut second };
        part.add(series, step, &forecast, y);
    }
    first.merge(&second);
    let (found, expected) = (first.finish("x"), whole.finish("x"));
    compare(&found.overall, &expected.overall, "merged");
    assert_ne!(second.finish("x").overall.count, expected.overall.count);
}

#[test]
fn a_point_has_its_absolute_error_as_crps_and_no_density() {
    let mut scores = scores();
    scores.add(0, 0, &Point(3.0), Some(5.0));
    scores.add(1, 2, &Point(3.0), Some(2.0));
    scores.add(1, 2, &Point(3.0), None);
    scores.add(1, 2, &Point(3.0), Some(f64::NAN));
    let overall = scores.finish("naive").overall;
    assert_eq!((overall.count, overall.nll), (2, None));
    assert!(overall.coverage.is_empty());
    close(overall.crps, 1.5, "crps");
    close(overall.mae, 1.5, "mae");
    close(overall.mse, 2.5, "mse");
    close(overall.standardised_mse, (1.0 + 16.0) / 2.0, "standardised mse");
    close(overall.standardised_mae, (1.0 + 4.0) / 2.0, "standardised mae");
    for (found, expected) in overall.pinball.iter().zip([(0.2 + 0.9) / 2.0, 0.75, (1.8 + 0.1) / 2.0]) {
        close(Some(*found), expected, "pinball");
    }
    let nothing = &scores.finish("naive").per_step[1];
    assert_eq!((nothing.count, nothing.crps, nothing.mean_pinball), (0, None, None));
}

#[test]
fn a_calibrated_forecast_covers_what_it_says() {
    // Values drawn from the forecasts themselves, clipped at 0 in one series and unbounded in the other.
    let mut scores = scores();
    let bounds = [None, Some(-50.0)];
    let transforms = bounds.map(|b| TargetTransform::new(0.0, 1.0, b, None).expect("valid"));
    let mut stream = Stream::new(4);
    let windows = 4000_u64;
    for window in 0..windows {
        for (series, transform) in transforms.iter().enumerate() {
            let mut part = || Component { weight: 1.0, mean: stream.normal(), std: 0.1 + stream.uniform() };
            let d = transform.distribution(Mixture::new(vec![part(), part()]).expect("valid"));
            let key = SampleKey { seed: 1, window, series: series as u64, step: 0, sample: 0 };
            scores.add(series, 0, &d, Some(d.sample(key)));
        }
    }
    let found = scores.finish("model").overall;
    for (&share, central) in found.coverage.iter().zip(INTERVALS) {
        let slack = 4.0 * (central * (1.0 - central) / (2.0 * windows as f64)).sqrt();
        assert!((share - central).abs() < slack, "{central}: {share}");
    }
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let bad = |change: &dyn Fn(&mut ScoreSpec)| {
        let mut spec = spec();
        change(&mut spec);
        Scores::new(spec).err()
    };
    assert_eq!(bad(&|s| s.levels[1] = 1.0), Some(ScoreError::Level(1.0)));
    assert_eq!(bad(&|s| s.deviation.push(1.0)), Some(ScoreError::Lengths { series: 2, deviation: 3 }));
    let constant = bad(&|s| s.deviation[1] = 0.0);
    assert_eq!(constant, Some(ScoreError::Deviation { series: "b".to_owned(), deviation: 0.0 }));
}
