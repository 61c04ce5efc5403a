//! The mathematics of every op, in f64 and without a GPU. A twin is the f64 reference implementation of an op. Backward twins are compared
//! with finite differences of forward twins, and further properties of backward twins are checked (they add to the gradient; a gradient
//! that is not wanted changes nothing).
//!
//! Differences are taken along random directions that touch few elements of one input, weighted by random numbers over all outputs. The
//! formula has five points, so its error falls with the fourth power of the step size. The step starts at 1e-3 and shrinks until halving it
//! leaves the derivative unchanged. Near a kink (relu, clamp) this happens once the kink is outside the interval. If it never happens, the
//! direction counts as skipped, and only few directions may be skipped.

use crate::support::twin::{Driven, len};
use pgat::engine::ops::twin::{StepValues, TwinTensor};
use pgat::engine::ops::{Backward, Case, CaseInput, OPS, OpDef, Operand};
use pgat::engine::selftest::Draw;

/// Directions for each input of each case, and elements that one direction touches.
const DIRECTIONS: usize = 5;
const TOUCHED: usize = 3;
/// Allowed error, as a share of the sum of absolute terms.
const TOLERANCE: f64 = 1e-7;
const STEPS: [f64; 5] = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7];

#[derive(Default)]
struct Tally {
    compared: usize,
    skipped: usize,
    /// Directions in which the tolerance exceeds the rounding error and the derivative is not zero.
    telling: usize,
    worst: f64,
}

/// A derivative, the sum of its absolute terms, the magnitude of the subtracted values, and that of all weighted outputs.
struct Slope {
    value: f64,
    terms: f64,
    moved: f64,
    all: f64,
}

/// `sum_o weight_o (out(x + h v) - out(x - h v))_o`, five points, along `direction` of input `i`.
fn slope(driven: &Driven, weights: &[Vec<f64>], i: usize, direction: &[(usize, f64)], h: f64) -> Slope {
    let at = |t: f64| {
        let mut moved = driven.clone();
        for (e, v) in direction {
            moved.inputs[i].data[*e] += t * v;
        }
        moved.forward().outputs
    };
    let [near_up, near_down, far_up, far_down] = [h, -h, 2.0 * h, -2.0 * h].map(at);
    let mut s = Slope { value: 0.0, terms: 0.0, moved: 0.0, all: 0.0 };
    for (o, weights) in weights.iter().enumerate() {
        for (e, w) in weights.iter().enumerate() {
            let near = near_up[o].data[e] - near_down[o].data[e];
            let far = far_up[o].data[e] - far_down[o].data[e];
            let d = w * (8.0 * near - far) / (12.0 * h);
            s.value += d;
            s.terms += d.abs();
            s.all += w.abs() * (1.0 + near_up[o].data[e].abs());
            if near != 0.0 || far != 0.0 {
                s.moved += (w * near_up[o].data[e]).abs();
            }
        }
    }
    s
}

/// Compares one direction. Returns the error divided by the tolerance, and whether the direction is informative; `None` if no step size
/// works.
fn compare_direction(driven: &Driven, weights: &[Vec<f64>], i: usize, direction: &[(usize, f64)], gradient: &[f64]) -> Option<(f64, bool)> {
    let analytic: f64 = direction.iter().map(|(e, v)| gradient[*e] * v).sum();
    let analytic_terms: f64 = direction.iter().map(|(e, v)| (gradient[*e] * v).abs()).sum();
    let mut coarse = slope(driven, weights, i, direction, STEPS[0]);
    for h in STEPS {
        if h < STEPS[0] {
            coarse = slope(driven, weights, i, direction, h);
        }
        let fine = slope(driven, weights, i, direction, h / 2.0);
        // The rounding error of the subtraction at the smaller step, and of cancellation in the backward pass itself.
        let rounding = 8.0 * f64::EPSILON * (fine.moved / h + 2.0 * fine.all);
        let terms = fine.terms + analytic_terms;
        if (coarse.value - fine.value).abs() <= 0.2 * TOLERANCE * terms + rounding {
            let allowed = TOLERANCE * terms + 2.0 * rounding;
            let telling = terms > 0.0 && TOLERANCE * terms > 0.01 * rounding;
            let error = (fine.value - analytic).abs();
            return Some((if error == 0.0 { 0.0 } else { error / allowed }, telling));
        }
    }
    None
}

/// A case with random data.
fn drawn(op: &'static OpDef, case: &Case, seed: u64) -> Driven {
    let mut draw = Draw::new(seed << 32);
    let tensor = |i: &CaseInput| {
        let operand = Operand { shape: i.shape.clone(), scope: i.scope };
        let data = draw.fill(i.fill, len(&operand, case.windows)).into_iter().map(f64::from).collect();
        TwinTensor { operand, data }
    };
    let inputs = case.inputs.iter().map(tensor).collect();
    let windows = u32::try_from(case.windows).expect("few windows");
    let step = StepValues {
        windows,
        first_window: 5,
        key0: 17,
        key1: 4,
        learning_rate: 0.01,
        inverse_count: 0.125,
        inverse_windows: 0.2,
        shrink: 0.02,
    };
    Driven { op, attrs: case.attrs.clone(), windows: case.windows, step, inputs }
}

fn cotangents(driven: &Driven, draw: &mut Draw) -> Vec<Vec<f64>> {
    let normal = |o: &Operand| (0..len(o, driven.windows)).map(|_| draw.normal()).collect();
    let outputs = driven.shapes().0;
    outputs[..outputs.len() - driven.discrete()].iter().map(normal).collect()
}

fn zeros(driven: &Driven, wanted: &[usize]) -> Vec<Option<Vec<f64>>> {
    driven.inputs.iter().enumerate().map(|(i, t)| wanted.contains(&i).then(|| vec![0.0; t.data.len()])).collect()
}

fn differentiable() -> impl Iterator<Item = &'static OpDef> {
    OPS.iter().copied().filter(|op| matches!(op.backward, Backward::Kernels(_)))
}

fn wanted(case: &Case) -> Vec<usize> {
    (0..case.inputs.len()).filter(|&i| case.inputs[i].grad).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "an index")]
fn pick(draw: &mut Draw, n: usize) -> usize {
    ((draw.uniform() * n as f64) as usize).min(n - 1)
}

fn check_case(op: &'static OpDef, case: &Case, seed: u64, tally: &mut Vec<Tally>) {
    let driven = drawn(op, case, seed);
    let mut draw = Draw::new(seed << 40);
    let weights = cotangents(&driven, &mut draw);
    let wanted = wanted(case);
    let gradients = driven.backward(&driven.forward(), &weights, zeros(&driven, &wanted));
    for &i in &wanted {
        tally.resize_with(tally.len().max(i + 1), Tally::default);
        let gradient = gradients[i].as_ref().expect("it was wanted");
        for d in 0..DIRECTIONS {
            let touched = if d == 0 { 1 } else { TOUCHED.min(gradient.len()) };
            let mut direction: Vec<(usize, f64)> = (0..touched).map(|_| (pick(&mut draw, gradient.len()), draw.normal())).collect();
            // A repeated element would count twice on only one side.
            direction.sort_by_key(|t| t.0);
            direction.dedup_by_key(|t| t.0);
            let Some((times, telling)) = compare_direction(&driven, &weights, i, &direction, gradient) else {
                tally[i].skipped += 1;
                continue;
            };
            assert!(
                times <= 1.0,
                "{}, {}, seed {seed}: gradient of input {i} along {direction:?} is {times:.3e} times the tolerance off",
                op.name,
                case.name
            );
            tally[i].compared += 1;
            tally[i].telling += usize::from(telling);
            tally[i].worst = tally[i].worst.max(times);
        }
    }
}

#[test]
fn backward_is_the_derivative_of_forward() {
    for op in differentiable() {
        let mut tally = vec![];
        for (k, case) in op.cases().iter().enumerate() {
            check_case(op, case, k as u64 + 1, &mut tally);
        }
        for (i, t) in tally.iter().enumerate().filter(|(_, t)| t.compared + t.skipped > 0) {
            eprintln!(
                "{}, input {i}: {} directions, {} telling, {} skipped, at worst {:.2e} of the tolerance",
                op.name, t.compared, t.telling, t.skipped, t.worst
            );
            assert!(t.skipped * 10 <= t.compared, "{}, input {i}: too many kinks: {} of {}", op.name, t.skipped, t.compared);
            assert!(t.telling >= 5, "{}, input {i}: only {} directions could tell anything", op.name, t.telling);
        }
        assert!(tally.iter().any(|t| t.compared > 0), "{}: no gradient was compared", op.name);
    }
}

/// Every input whose gradient some op writes is compared in some case. An input that no case marks would be missed by all tests, unless
/// the op declares it as data.
#[test]
fn inputs_without_a_gradient_are_data() {
    for op in differentiable() {
        let cases = op.cases();
        let most = cases.iter().map(|c| c.inputs.len()).max().unwrap_or(0);
        for i in 0..most {
            let marked = cases.iter().any(|c| c.inputs.get(i).is_some_and(|input| input.grad));
            assert_eq!(marked, !op.data.contains(&i), "{}, input {i}", op.name);
        }
    }
}

#[test]
fn backward_adds() {
    for op in differentiable() {
        for (k, case) in op.cases().iter().enumerate() {
            let driven = drawn(op, case, k as u64 + 1);
            let mut draw = Draw::new(77 + k as u64);
            let weights = cotangents(&driven, &mut draw);
            let wanted = wanted(case);
            let made = driven.forward();
            let fresh = driven.backward(&made, &weights, zeros(&driven, &wanted));
            let start: Vec<Option<Vec<f64>>> =
                fresh.iter().map(|g| g.as_ref().map(|g| g.iter().map(|_| draw.normal()).collect())).collect();
            let added = driven.backward(&made, &weights, start.clone());
            for &i in &wanted {
                let [fresh, start, added] = [&fresh, &start, &added].map(|v| v[i].as_ref().expect("it was wanted"));
                let scale = 1.0 + fresh.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
                for (e, ((g, s), a)) in fresh.iter().zip(start).zip(added).enumerate() {
                    assert!((g + s - a).abs() <= 1e-11 * scale, "{}, {}, input {i}, element {e}: {s} + {g} gives {a}", op.name, case.name);
                }
            }
        }
    }
}

#[test]
fn a_gradient_does_not_depend_on_which_others_are_wanted() {
    for op in differentiable() {
        for (k, case) in op.cases().iter().enumerate() {
            let driven = drawn(op, case, k as u64 + 1);
            let weights = cotangents(&driven, &mut Draw::new(7));
            let wanted = wanted(case);
            let made = driven.forward();
            let all = driven.backward(&made, &weights, zeros(&driven, &wanted));
            for &i in &wanted {
                let alone = driven.backward(&made, &weights, zeros(&driven, &[i]));
                assert!(alone[i] == all[i], "{}, {}, input {i}", op.name, case.name);
                assert!(alone.iter().enumerate().all(|(j, d)| d.is_some() == (i == j)));
            }
        }
    }
}

/// Forward writes all of its outputs (the test fills them with NaN before), reads none of them, and changes only the inputs that it
/// declares as updated.
#[test]
fn forward_is_a_function_of_its_inputs() {
    for &op in OPS {
        for (k, case) in op.cases().iter().enumerate() {
            let driven = drawn(op, case, k as u64 + 1);
            let (first, second) = (driven.forward(), driven.forward());
            let bits = |t: &[TwinTensor]| t.iter().flat_map(|t| &t.data).map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&first.outputs), bits(&second.outputs), "{}, {}", op.name, case.name);
            // Some cases have non-finite inputs on purpose.
            let finite = driven.inputs.iter().flat_map(|t| &t.data).all(|v| v.is_finite());
            let mut written = first.outputs.iter().chain(&first.saved).flat_map(|t| &t.data);
            assert!(!finite || written.all(|v| v.is_finite()), "{}, {}: an output was not written", op.name, case.name);
            for (i, (before, after)) in driven.inputs.iter().zip(&first.inputs).enumerate() {
                let same = bits(std::slice::from_ref(before)) == bits(std::slice::from_ref(after));
                assert!(same || op.updates.contains(&i), "{}, {}: input {i} changed", op.name, case.name);
            }
        }
    }
}
