use super::*;
use crate::forecast::quadrature::integrate;

fn mixture(parts: &[(f64, f64, f64)]) -> Mixture {
    let components = parts.iter().map(|&(weight, mean, std)| Component { weight, mean, std }).collect();
    Mixture::new(components).expect("valid components")
}

/// Standardised mixtures whose transforms put mass inside, on and beyond the bounds.
fn standardised() -> Vec<Mixture> {
    vec![
        mixture(&[(1.0, 0.0, 1.0)]),
        mixture(&[(0.3, -1.5, 0.1), (0.7, 1.0, 0.8)]),
        mixture(&[(0.5, -4.0, 0.01), (0.5, 3.0, 0.5)]),
        mixture(&[(0.9, 0.2, 1e-3), (0.1, 0.0, 3.0)]),
        mixture(&[(1.0, -9.0, 1.0)]),
    ]
}

/// 0.4 + 0.3 z, with four choices of bounds.
fn transforms() -> Vec<TargetTransform> {
    let bounds = [(None, None), (Some(0.05), None), (None, Some(1.0)), (Some(0.05), Some(1.0))];
    bounds.map(|(lower, upper)| TargetTransform::new(0.4, 0.3, lower, upper).expect("valid")).to_vec()
}

fn cases() -> Vec<TargetDistribution> {
    transforms().iter().flat_map(|t| standardised().into_iter().map(|m| t.distribution(m))).collect()
}

/// Ends and knots for integrals over x: the ends are beyond all mass, with a knot at each jump and each component.
fn knots(d: &TargetDistribution, extra: &[f64]) -> Vec<f64> {
    let spans = d.latent.components().iter().flat_map(|c| [-9.0, -3.0, 0.0, 3.0, 9.0].map(|z| c.mean + z * c.std));
    let mut knots: Vec<f64> = spans.chain([-20.0, 0.05, 1.0, 20.0]).chain(extra.iter().copied()).collect();
    knots.sort_by(f64::total_cmp);
    knots
}

#[test]
fn crps_is_the_integral_over_the_clipped_distribution_function() {
    for d in cases() {
        for y in [-0.2, 0.05, 0.13, 0.46, 1.0, 1.3] {
            let integrand = |x: f64| (d.cdf(x) - if x >= y { 1.0 } else { 0.0 }).powi(2);
            let numeric = integrate(integrand, &knots(&d, &[y]), 1e-11);
            assert!((d.crps(y) - numeric).abs() < 2e-9, "{d:?} at {y}: {} against {numeric}", d.crps(y));
        }
    }
}

#[test]
fn crps_equals_the_pinball_integral() {
    // CRPS = 2 * integral of the pinball loss over all levels. This checks crps() against quantile().
    for d in cases() {
        let y = 0.31;
        let n = 4000_u32;
        let losses = (0..n).map(|i| {
            let p = (f64::from(i) + 0.5) / f64::from(n);
            let error = y - d.quantile(p);
            2.0 * (p * error).max((p - 1.0) * error)
        });
        let pinball = losses.sum::<f64>() / f64::from(n);
        assert!((d.crps(y) - pinball).abs() < 1e-4, "{d:?}: {} against {pinball}", d.crps(y));
    }
}

#[test]
fn moments_are_those_of_the_clipped_distribution() {
    for d in cases() {
        // E X = b - integral of F over [a, b] for a distribution within [a, b].
        let (a, b) = (-20.0, 20.0);
        let points = knots(&d, &[]);
        let mean = b - integrate(|x| d.cdf(x), &points, 1e-11);
        assert!((d.mean() - mean).abs() < 1e-9, "{d:?}: mean {} against {mean}", d.mean());
        // E X^2 = b^2 - integral of 2 x F.
        let second = b * b - integrate(|x| 2.0 * x * d.cdf(x), &points, 1e-11);
        let variance = second - mean * mean;
        assert!((d.std().powi(2) - variance).abs() < 1e-8, "{d:?}: variance {} against {variance}", d.std().powi(2));
        assert!(points[0] <= a && points[points.len() - 1] >= b);
    }
}

#[test]
fn quantiles_and_samples_stay_within_the_bounds_and_agree() {
    for d in cases() {
        let (lower, upper) = d.transform.bounds();
        let inside = |x: f64| lower.is_none_or(|l| x >= l) && upper.is_none_or(|u| x <= u);
        let count = 3000_u64;
        let key = |sample| SampleKey { seed: 5, window: 0, series: 1, step: 2, sample };
        let samples: Vec<f64> = (0..count).map(|s| d.sample(key(s))).collect();
        assert!(samples.iter().all(|&x| inside(x)), "{d:?}");
        for p in [0.05, 0.3, 0.5, 0.77, 0.95] {
            let quantile = d.quantile(p);
            assert!(inside(quantile), "{d:?}: quantile {quantile} at {p}");
            let share = |at: &dyn Fn(f64) -> bool| samples.iter().filter(|&&x| at(x)).count() as f64 / count as f64;
            // P(X < q) <= p <= P(X <= q), within four standard errors.
            let slack = 4.0 * (p * (1.0 - p) / count as f64).sqrt();
            assert!(share(&|x| x < quantile) <= p + slack && share(&|x| x <= quantile) >= p - slack, "{d:?} at {p}");
        }
    }
}

#[test]
fn intervals_agree_with_quantiles() {
    for d in cases() {
        for central in [0.5, 0.8, 0.9] {
            let (low, high) = (d.quantile(0.5 - 0.5 * central), d.quantile(0.5 + 0.5 * central));
            // The candidates keep a distance from the ends that exceeds the rounding error, except at bounds.
            let candidates = [-0.5, 0.05, 0.1, 0.39, 0.5, 0.99, 1.0, 1.4, low - 1e-6, low + 1e-6, high - 1e-6, high + 1e-6];
            for y in candidates {
                assert_eq!(d.covers(y, central), Some(y >= low && y <= high), "{d:?}: {y} in [{low}, {high}], {central}");
            }
        }
    }
}

#[test]
fn nll_is_in_original_units_and_ignores_the_bounds() {
    let m = standardised().remove(1);
    for t in transforms() {
        let d = t.distribution(m.clone());
        for y in [0.0, 0.3, 2.0] {
            let expected = m.nll((y - 0.4) / 0.3) + 0.3_f64.ln();
            assert!((d.nll(y).expect("a density") - expected).abs() < 1e-9);
        }
        // exp(-NLL) is a density in original units.
        let mass = integrate(|x| (-d.nll(x).expect("a density")).exp(), &knots(&d, &[]), 1e-10);
        assert!((mass - 1.0).abs() < 1e-8, "{mass}");
    }
}

#[test]
fn the_shortcut_where_bounds_cut_nothing_off_changes_nothing() {
    // The mass on the bounds decreases to 0. The closed form applies below 1e-7; the score does not jump there.
    let t = TargetTransform::new(0.0, 1.0, Some(0.0), Some(1.0)).expect("valid");
    for std in [0.2, 0.1, 0.097, 0.096, 0.09, 0.05] {
        let d = t.distribution(mixture(&[(1.0, 0.5, std)]));
        assert!((d.crps(0.6) - d.crps_numeric(0.6)).abs() < 1e-9, "deviation {std}");
        assert_eq!(d.bounds_do_not_bite(0.6), std < 0.0963, "deviation {std}");
        assert!(!d.bounds_do_not_bite(1.1));
    }
}

#[test]
fn values_go_there_and_back() {
    let t = TargetTransform::new(5.0, 2.0, Some(0.0), Some(8.0)).expect("valid");
    assert_eq!((t.to_original(1.0), t.to_original(9.0), t.to_original(-9.0)), (7.0, 8.0, 0.0));
    assert_eq!(t.to_standard(7.0), 1.0);
    assert_eq!(t.to_standard(11.0), 3.0, "data beyond the bounds is not clipped");
}

#[test]
fn a_transform_comes_back_from_json_and_a_broken_one_is_refused() {
    for t in transforms() {
        let json = serde_json::to_string(&t).expect("serialises");
        assert_eq!(serde_json::from_str::<TargetTransform>(&json).expect("parses"), t);
    }
    assert!(serde_json::from_str::<TargetTransform>(r#"{"mean": 0, "std": 1}"#).is_ok());
    for bad in [r#"{"mean": 0, "std": 0}"#, r#"{"mean": 0, "std": 1, "lower": 1, "upper": 1}"#, r#"{"mean": 0, "std": 1, "link": "later"}"#]
    {
        assert!(serde_json::from_str::<TargetTransform>(bad).is_err(), "{bad}");
    }
    let not_finite = TargetTransform::new(0.0, 1.0, Some(f64::NAN), None);
    assert!(matches!(not_finite, Err(TransformError::Bounds { .. })));
}
