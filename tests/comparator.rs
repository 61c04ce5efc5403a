//! The comparator that every other test relies on must reject wrong results.

use pgat::engine::compare::{Mismatch, compare, largest_error, magnitude};

fn values(n: usize) -> Vec<f64> {
    (0..n).map(|i| 1.0 + f64::from(u32::try_from(i % 97).expect("small")) / 97.0).collect()
}

const TOLERANCE: f64 = 1e-5;

fn verdict(expected: &[f64], found: &[f64]) -> Result<f64, Mismatch> {
    compare(expected, found, TOLERANCE, 1e-4, false)
}

#[test]
fn accepts_what_is_equal_or_close() {
    let x = values(1000);
    assert_eq!(verdict(&x, &x), Ok(0.0));
    let close: Vec<f64> = x.iter().map(|v| v * (1.0 + 0.5 * TOLERANCE)).collect();
    let times = verdict(&x, &close).expect("within the tolerance");
    assert!(times > 0.1 && times <= 1.0, "{times}");
}

#[test]
fn rejects_not_a_number_and_infinity_on_either_side() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for at in [0, 500, 999] {
            let mut x = values(1000);
            x[at] = bad;
            assert!(matches!(verdict(&values(1000), &x), Err(Mismatch::NotFinite { index, .. }) if index == at), "{bad} found");
            assert!(matches!(verdict(&x, &values(1000)), Err(Mismatch::NotFinite { index, .. }) if index == at), "{bad} expected");
            assert!(matches!(verdict(&x, &x.clone()), Err(Mismatch::NotFinite { .. })), "{bad} on both sides");
        }
    }
}

#[test]
fn rejects_wrong_lengths_and_nothing() {
    let x = values(10);
    assert_eq!(verdict(&x, &x[..9]), Err(Mismatch::Length { expected: 10, found: 9 }));
    assert_eq!(verdict(&x[..9], &x), Err(Mismatch::Length { expected: 9, found: 10 }));
    assert_eq!(verdict(&x, &[]), Err(Mismatch::Length { expected: 10, found: 0 }));
    assert_eq!(verdict(&[], &[]), Err(Mismatch::Empty));
    assert_eq!(compare(&[], &[], TOLERANCE, 1.0, true), Err(Mismatch::Empty));
}

#[test]
fn rejects_one_wrong_element_among_a_million() {
    let x = values(1_000_000);
    for at in [0, 1, 654_321, 999_999] {
        let mut y = x.clone();
        y[at] += 1e-3;
        let Err(Mismatch::Differs { index, expected, found, times }) = verdict(&x, &y) else { panic!("element {at} passed") };
        assert_eq!((index, expected, found), (at, x[at], y[at]));
        assert!(times > 10.0, "{times}");
    }
}

#[test]
fn rejects_a_flipped_sign() {
    let x = values(1000);
    let flipped: Vec<f64> = x.iter().map(|v| -v).collect();
    assert!(matches!(verdict(&x, &flipped), Err(Mismatch::Differs { .. })));
    let mut one = x.clone();
    one[17] = -one[17];
    assert!(matches!(verdict(&x, &one), Err(Mismatch::Differs { index: 17, .. })));
}

#[test]
fn rejects_zeros_for_values_and_values_for_zeros() {
    let (x, zeros) = (values(100), vec![0.0; 100]);
    assert!(matches!(verdict(&x, &zeros), Err(Mismatch::Differs { .. })));
    assert_eq!(verdict(&zeros, &zeros), Err(Mismatch::AllZero));
    assert_eq!(compare(&zeros, &zeros, TOLERANCE, 1e-4, true), Ok(0.0));
    let mut small = zeros.clone();
    small[50] = 1e-6;
    assert!(matches!(compare(&zeros, &small, TOLERANCE, 1e-4, true), Err(Mismatch::Differs { index: 50, .. })));
    assert!(matches!(compare(&zeros, &small, TOLERANCE, 0.0, true), Err(Mismatch::Differs { index: 50, .. })));
}

#[test]
fn rejects_a_shift_and_a_scale_that_are_small_but_systematic() {
    let x = values(1000);
    let scaled: Vec<f64> = x.iter().map(|v| v * (1.0 + 3.0 * TOLERANCE)).collect();
    let shifted: Vec<f64> = x.iter().map(|v| v + 5.0 * TOLERANCE).collect();
    assert!(verdict(&x, &scaled).is_err());
    assert!(verdict(&x, &shifted).is_err());
}

#[test]
fn names_the_worst_element() {
    let x = values(100);
    let mut y = x.clone();
    y[10] += 0.1;
    y[20] -= 0.4;
    assert!(matches!(verdict(&x, &y), Err(Mismatch::Differs { index: 20, .. })));
    let (error, index) = largest_error(&x, &y, 2.0).expect("finite");
    assert_eq!(index, 20);
    assert!((error - 0.2).abs() < 1e-12);
    assert_eq!(magnitude(&[1.0, -3.0, 2.0]), 3.0);
}

/// A tensor holds values of very different magnitude. The small values are compared with a tolerance relative to the largest value.
#[test]
fn small_values_beside_a_large_one_are_still_compared() {
    let (mut x, mut y) = (values(100), values(100));
    x[0] = 100.0;
    y[0] = 100.0;
    y[50] += 1e-3;
    assert!(matches!(verdict(&x, &y), Err(Mismatch::Differs { index: 50, .. })));
}
