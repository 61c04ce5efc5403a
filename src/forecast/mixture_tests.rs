use super::*;
use crate::forecast::quadrature;

fn mixture(parts: &[(f64, f64, f64)]) -> Mixture {
    let components = parts.iter().map(|&(weight, mean, std)| Component { weight, mean, std }).collect();
    Mixture::new(components).expect("valid components")
}

/// Ordinary and overlapping mixtures, and difficult ones: narrow within wide, far apart, tiny weight, tiny and huge scale.
fn zoo() -> Vec<Mixture> {
    vec![
        mixture(&[(1.0, 0.0, 1.0)]),
        mixture(&[(0.3, -1.0, 0.5), (0.7, 2.0, 1.5)]),
        mixture(&[(0.2, 0.0, 1.0), (0.5, 0.1, 1e-4), (0.3, -2.0, 0.3)]),
        mixture(&[(0.5, -1000.0, 1e-3), (0.5, 1000.0, 2.0)]),
        mixture(&[(1e-9, 50.0, 1.0), (1.0, 0.0, 1.0)]),
        mixture(&[(0.4, 1e-6, 1e-7), (0.6, 2e-6, 3e-7)]),
        mixture(&[(0.4, 1e7, 1e5), (0.6, -3e6, 4e6)]),
    ]
}

fn points(m: &Mixture, y: f64) -> Vec<f64> {
    let spans = m.components().iter().flat_map(|c| [-9.0, -3.0, 0.0, 3.0, 9.0].map(|z| c.mean + z * c.std));
    let mut points: Vec<f64> = spans.chain([y]).collect();
    points.sort_by(f64::total_cmp);
    points
}

#[test]
fn crps_equals_its_integral() {
    for m in zoo() {
        let std = m.std();
        for y in [m.mean(), m.mean() - 0.7 * std, m.mean() + 3.0 * std, m.components()[0].mean] {
            let integrand = |x: f64| (m.cdf(x) - if x >= y { 1.0 } else { 0.0 }).powi(2);
            let numeric = quadrature::integrate(integrand, &points(&m, y), 1e-11 * std);
            assert!((m.crps(y) - numeric).abs() < 1e-9 * std, "{m:?} at {y}: {} against {numeric}", m.crps(y));
        }
    }
}

#[test]
fn crps_of_a_standard_normal_at_zero_is_known() {
    // 2 phi(0) - 1 / sqrt(pi).
    assert!((mixture(&[(1.0, 0.0, 1.0)]).crps(0.0) - 0.233_694_977_255_1).abs() < 1e-12);
}

#[test]
fn quantile_inverts_the_distribution_function() {
    let levels: Vec<f64> = (1..1000).map(|i| f64::from(i) / 1000.0).chain([1e-9, 1e-5, 0.99999, 1.0 - 1e-9]).collect();
    for m in zoo() {
        for &p in &levels {
            let x = m.quantile(p);
            // A rounding step of x changes the level by pdf(x) ulp(x); apart from that, the quantile reproduces the level.
            let slack = 2e-12 * p.min(1.0 - p) + 5e-16 + 4.0 * f64::EPSILON * x.abs() * m.pdf(x);
            assert!((m.cdf(x) - p).abs() <= slack, "{m:?}: F({x}) = {} for {p}", m.cdf(x));
        }
    }
}

#[test]
fn quantiles_never_cross() {
    let levels: Vec<f64> = (1..20_000).map(|i| f64::from(i) / 20_000.0).collect();
    for m in zoo() {
        let quantiles = m.quantiles(&levels);
        let crossed = quantiles.windows(2).position(|w| w[0] > w[1]);
        assert_eq!(crossed, None, "{m:?}");
    }
    // Steps of 1e-10 around the level at which two distant components meet, where the density is 0 over a wide gap.
    let m = &zoo()[3];
    let near: Vec<f64> = (-50..=50).map(|i| m.quantile(0.5 + f64::from(i) * 1e-10)).collect();
    assert!(near.windows(2).all(|w| w[0] <= w[1]), "{near:?}");
}

#[test]
fn quantile_is_precise_in_units_of_the_component_it_falls_in() {
    // Half the mass is within 1e-3 of -1000: the median of this component is at level 0.25, its upper decile at level 0.45.
    let m = &zoo()[3];
    assert!((m.quantile(0.25) + 1000.0).abs() < 1e-12);
    assert!((m.quantile(0.45) - (-1000.0 + 1e-3 * 1.281_551_565_544_600_4)).abs() < 1e-12);
    assert!((zoo()[0].quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-11);
    assert_eq!((m.quantile(0.0), m.quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(m.quantile(f64::NAN).is_nan());
}

#[test]
fn density_is_the_slope_of_the_distribution_function_and_integrates_to_moments() {
    for m in zoo() {
        let (mean, std) = (m.mean(), m.std());
        let knots = points(&m, mean);
        let mass = quadrature::integrate(|x| m.pdf(x), &knots, 1e-12);
        let first = quadrature::integrate(|x| (x - mean) / std * m.pdf(x), &knots, 1e-12);
        let second = quadrature::integrate(|x| ((x - mean) / std).powi(2) * m.pdf(x), &knots, 1e-12);
        assert!((mass - 1.0).abs() < 1e-9 && first.abs() < 1e-9 && (second - 1.0).abs() < 1e-9, "{m:?}: {mass} {first} {second}");
        for &x in &knots {
            let pdf = m.pdf(x);
            let from_log = m.log_pdf(x).exp();
            assert!((from_log - pdf).abs() <= 1e-12 * pdf, "{m:?}: {from_log} against {pdf} at {x}");
        }
    }
}

#[test]
fn log_density_survives_where_the_density_does_not() {
    let m = mixture(&[(0.5, 0.0, 1.0), (0.5, 1.0, 1.0)]);
    assert_eq!(m.pdf(100.0), 0.0);
    let expected = 0.5_f64.ln() - HALF_LN_2PI - 0.5 * 99.0 * 99.0;
    assert!((m.log_pdf(100.0) - expected).abs() < 1e-9);
    assert_eq!(m.nll(100.0), -m.log_pdf(100.0));
}

#[test]
fn decoder_output_is_softmax_and_exponential() {
    let m = Mixture::from_decoder(&[1.0, -2.0], &[0.0, -1.0], &[1000.0, 1001.0]).expect("valid");
    let [a, b] = m.components() else { panic!("two components") };
    let e = std::f64::consts::E;
    assert!((a.weight - 1.0 / (1.0 + e)).abs() < 1e-15 && (b.weight - e / (1.0 + e)).abs() < 1e-15);
    assert_eq!((a.mean, a.std, b.mean), (1.0, 1.0, -2.0));
    assert!((b.std - 1.0 / e).abs() < 1e-15);
}

#[test]
fn affine_shifts_and_scales_everything() {
    for m in zoo() {
        let moved = m.clone().affine(3.0, -7.0);
        let x = m.quantile(0.3);
        assert!((moved.mean() - (3.0 * m.mean() - 7.0)).abs() <= 1e-12 * moved.mean().abs().max(7.0));
        // The shift costs some digits of the spread of a narrow mixture.
        let rounding = 1e-12 + 8.0 * f64::EPSILON * 7.0 / m.std();
        assert!((moved.std() / m.std() - 3.0).abs() < rounding, "{m:?}");
        let slack = 1e-9 + 4.0 * f64::EPSILON * x.abs().max(7.0) * m.pdf(x);
        assert!((moved.cdf(3.0 * x - 7.0) - m.cdf(x)).abs() <= slack);
        assert!((moved.nll(3.0 * x - 7.0) - m.nll(x) - 3.0_f64.ln()).abs() < 1e-6, "{m:?}");
    }
}

#[test]
fn samples_have_a_uniform_probability_integral_transform() {
    for (window, m) in (0_u64..).zip(zoo()) {
        let count = 4000_u32;
        let key = |sample| SampleKey { seed: 11, window, series: 0, step: 0, sample };
        let mut pit: Vec<f64> = (0..u64::from(count)).map(|s| m.cdf(m.sample(key(s)))).collect();
        pit.sort_by(f64::total_cmp);
        // Kolmogorov-Smirnov test: the distance exceeds 1.95 / sqrt(n) once in a thousand draws.
        let steps = (0..count).zip(&pit);
        let distance = steps.map(|(i, u)| (u - (f64::from(i) + 0.5) / f64::from(count)).abs()).fold(0.0, f64::max);
        assert!(distance < 1.95 / f64::from(count).sqrt(), "{m:?}: Kolmogorov-Smirnov distance {distance}");
    }
}

#[test]
fn what_is_no_mixture_is_refused() {
    assert_eq!(Mixture::new(vec![]), Err(MixtureError::Empty));
    let lengths = Mixture::from_decoder(&[0.0], &[0.0, 1.0], &[0.0]);
    assert_eq!(lengths, Err(MixtureError::Lengths { mean: 1, log_std: 2, logit: 1 }));
    for (mean, log_std, logit, expected) in [
        (f32::NAN, 0.0, 0.0, "mean"),
        (0.0, f32::NEG_INFINITY, 0.0, "deviation"),
        (0.0, f32::NAN, 0.0, "deviation"),
        (0.0, 0.0, f32::NAN, "logit"),
        (0.0, 0.0, f32::INFINITY, "logit"),
    ] {
        match Mixture::from_decoder(&[0.0, mean], &[0.0, log_std], &[0.0, logit]) {
            Err(MixtureError::Value { what, component: 1, .. }) => assert_eq!(what, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}
