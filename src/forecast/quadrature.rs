//! Adaptive Gauss-Kronrod quadrature.

/// Nodes of the 15-point Kronrod rule in [0, 1], largest first. The nodes at odd positions also belong to the 7-point Gauss rule (R.
/// Piessens et al., QUADPACK, 1983, qk15).
const NODES: [f64; 8] = [
    0.991_455_371_120_812_6,
    0.949_107_912_342_758_5,
    0.864_864_423_359_769_1,
    0.741_531_185_599_394_4,
    0.586_087_235_467_691_1,
    0.405_845_151_377_397_2,
    0.207_784_955_007_898_47,
    0.0,
];
const KRONROD: [f64; 8] = [
    0.022_935_322_010_529_224,
    0.063_092_092_629_978_55,
    0.104_790_010_322_250_18,
    0.140_653_259_715_525_92,
    0.169_004_726_639_267_9,
    0.190_350_578_064_785_4,
    0.204_432_940_075_298_9,
    0.209_482_141_084_727_82,
];
const GAUSS: [f64; 4] = [0.129_484_966_168_869_7, 0.279_705_391_489_276_64, 0.381_830_050_505_118_9, 0.417_959_183_673_469_4];

/// Maximum number of halvings of one interval.
const DEPTH: u32 = 40;

/// The integral of `f` over [a, b] by the Kronrod rule, and its distance from the Gauss rule.
fn rule(f: &impl Fn(f64) -> f64, a: f64, b: f64) -> (f64, f64) {
    let (centre, half) = (0.5 * (a + b), 0.5 * (b - a));
    let (mut kronrod, mut gauss) = (0.0, 0.0);
    for i in 0..8 {
        let pair = if i == 7 { f(centre) } else { f(centre - half * NODES[i]) + f(centre + half * NODES[i]) };
        kronrod += KRONROD[i] * pair;
        if i % 2 == 1 {
            gauss += GAUSS[i / 2] * pair;
        }
    }
    (half * kronrod, half * (kronrod - gauss).abs())
}

fn refine(f: &impl Fn(f64) -> f64, a: f64, b: f64, tolerance: f64, depth: u32) -> f64 {
    let (value, error) = rule(f, a, b);
    if error <= tolerance || depth == 0 {
        return value;
    }
    let middle = 0.5 * (a + b);
    refine(f, a, middle, 0.5 * tolerance, depth - 1) + refine(f, middle, b, 0.5 * tolerance, depth - 1)
}

/// Integral of `f` from the first to the last of `points` (ascending), with the absolute `tolerance`. `f` must be smooth between
/// neighbouring points.
///
/// Add a point at each jump, kink and narrow feature: the rule misses a feature that contains none of its nodes.
pub fn integrate(f: impl Fn(f64) -> f64, points: &[f64], tolerance: f64) -> f64 {
    let share = tolerance / points.len().max(1) as f64;
    points.windows(2).filter(|pair| pair[1] > pair[0]).map(|pair| refine(&f, pair[0], pair[1], share, DEPTH)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_exact_for_its_degree_and_not_beyond() {
        // The 15-point Kronrod rule is exact up to degree 23 (even powers: 22), the 7-point Gauss rule up to degree 13.
        for power in 0..=22 {
            let (value, error) = rule(&|x: f64| x.powi(power), 0.0, 2.0);
            let exact = 2f64.powi(power + 1) / f64::from(power + 1);
            assert!((value / exact - 1.0).abs() < 1e-14, "degree {power}: {value} against {exact}");
            assert_eq!(error / exact < 1e-14, power <= 13, "Gauss's rule at degree {power}: {error:e}");
        }
        let beyond = rule(&|x: f64| x.powi(60), 0.0, 2.0).0 * 61.0 / 2f64.powi(61) - 1.0;
        assert!(beyond.abs() > 1e-10, "{beyond:e}");
    }

    #[test]
    fn kinks_are_refined_and_jumps_at_points_cost_nothing() {
        let kink = integrate(|x| (x - 0.3).abs(), &[0.0, 1.0], 1e-10);
        assert!((kink - 0.29).abs() < 1e-9, "{kink}");
        let jump = integrate(|x| if x < 0.3 { 0.0 } else { 1.0 }, &[0.0, 0.3, 1.0], 1e-10);
        assert!((jump - 0.7).abs() < 1e-14, "{jump}");
    }
}
