//! Average precision and area under the ROC curve of pair scores against the edges of a known graph.

use super::InspectError;
use super::graph::Scores;
use crate::random::Stream;
use crate::series_graph::SeriesGraph;
use serde::Serialize;

/// Average precision of scores against the true graph.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recovery {
    /// Average precision of the scores.
    pub average_precision: f64,
    /// Area under the ROC curve: the probability that a true edge has a higher score than a pair without edge; equal scores count half.
    pub auroc: f64,
    /// Fraction of the pairs that are true edges. Random scores reach this average precision on average if there are many edges.
    pub density: f64,
    /// True edges among the pairs.
    pub edges: usize,
    /// Pairs of driver and target.
    pub pairs: usize,
    /// Mean average precision of a random order, slightly above the density if there are few edges.
    pub chance: f64,
    /// Fraction of random orders whose average precision is at least as high.
    pub p_value: f64,
}

/// Compares driver-target scores with the edges of a graph of the same series. `candidates` are the pairs (target, driver) that count.
///
/// # Errors
/// Fails if none or all of the pairs are edges.
pub fn recovery(scores: &Scores, truth: &SeriesGraph, candidates: &[(usize, usize)]) -> Result<Recovery, InspectError> {
    let n = truth.len();
    let at = |name: &String| truth.names().iter().position(|other| other == name);
    let edge = |target: &String, driver: &String| at(target).zip(at(driver)).is_some_and(|(t, d)| truth.weights()[t * n + d] > 0.0);
    let truth: Vec<bool> = candidates.iter().map(|&(t, d)| edge(&scores.targets[t], &scores.drivers[d])).collect();
    let values: Vec<f64> = candidates.iter().map(|&(t, d)| scores.values[t * scores.drivers.len() + d]).collect();
    let (edges, pairs) = (truth.iter().filter(|e| **e).count(), truth.len());
    if edges == 0 || edges == pairs {
        return Err(InspectError::Truth { edges, pairs });
    }
    let (average_precision, auroc) = (average_precision(&values, &truth), auroc(&values, &truth));
    let (chance, p_value) = by_chance(&truth, average_precision);
    let density = edges as f64 / pairs as f64;
    Ok(Recovery { average_precision, auroc, density, edges, pairs, chance, p_value })
}

/// Average precision: the sum, over falling thresholds, of the precision times the gain in recall. Equal scores share one threshold, so
/// constant scores reach the fraction of true pairs, whatever their order. 0 if no pair is true.
///
/// # Panics
/// Panics if the slices differ in length.
#[must_use]
pub fn average_precision(scores: &[f64], truth: &[bool]) -> f64 {
    assert_eq!(scores.len(), truth.len(), "a score for each pair");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut hits, mut seen, mut sum) = (0, 0, 0.0);
    for equals in order.chunk_by(|&a, &b| scores[a].total_cmp(&scores[b]).is_eq()) {
        let found = equals.iter().filter(|&&i| truth[i]).count();
        seen += equals.len();
        hits += found;
        sum += found as f64 * hits as f64 / seen as f64;
    }
    sum / f64::max(hits as f64, 1.0)
}

/// Area under the ROC curve. 0.5 if one of the kinds is missing.
///
/// # Panics
/// Panics if the slices differ in length.
#[must_use]
pub fn auroc(scores: &[f64], truth: &[bool]) -> f64 {
    assert_eq!(scores.len(), truth.len(), "a score for each pair");
    let of = |kind: bool| scores.iter().zip(truth).filter(move |(_, t)| **t == kind).map(|(s, _)| *s);
    let won = |edge: f64| of(false).map(|other| if edge > other { 1.0 } else { 0.5 * f64::from(u8::from(edge >= other)) }).sum::<f64>();
    let pairs = of(true).count() as f64 * of(false).count() as f64;
    if pairs == 0.0 { 0.5 } else { of(true).map(won).sum::<f64>() / pairs }
}

/// Number of random orders in the sample.
const ORDERS: u32 = 10_000;

/// Mean average precision of random orders, and the fraction of them that reaches `found`. Deterministic: equal arguments give equal
/// results.
fn by_chance(truth: &[bool], found: f64) -> (f64, f64) {
    let (mut random, mut sum, mut reached) = (Stream::new(1), 0.0, 0);
    for _ in 0..ORDERS {
        let scores: Vec<f64> = truth.iter().map(|_| (random.next_u64() >> 11) as f64).collect();
        let one = average_precision(&scores, truth);
        sum += one;
        reached += u32::from(one >= found);
    }
    (sum / f64::from(ORDERS), f64::from(reached + 1) / f64::from(ORDERS + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn precision_of_known_orders() {
        close(average_precision(&[4.0, 3.0, 2.0, 1.0], &[true, true, false, false]), 1.0);
        close(average_precision(&[4.0, 3.0, 2.0, 1.0], &[false, true, false, true]), f64::midpoint(1.0 / 2.0, 2.0 / 4.0));
        close(average_precision(&[1.0, 2.0, 3.0], &[true, false, false]), 1.0 / 3.0);
    }

    #[test]
    fn roc_of_known_orders() {
        close(auroc(&[4.0, 3.0, 2.0, 1.0], &[true, true, false, false]), 1.0);
        close(auroc(&[4.0, 3.0, 2.0, 1.0], &[false, true, false, true]), 0.25);
        close(auroc(&[1.0, 1.0, 0.0], &[true, false, false]), 0.75);
    }

    #[test]
    fn equal_scores_know_nothing() {
        close(average_precision(&[1.0; 8], &[true, false, false, false, true, false, false, false]), 0.25);
        close(average_precision(&[2.0, 1.0, 1.0, 1.0], &[true, true, false, false]), f64::midpoint(1.0, 2.0 / 4.0));
    }

    #[test]
    fn chance_is_near_the_density_and_rarely_right() {
        let truth: Vec<bool> = (0..72).map(|i| i % 4 == 0).collect();
        let (mean, all) = by_chance(&truth, 0.0);
        assert!((0.25..0.30).contains(&mean) && all == 1.0, "{mean} {all}");
        let (_, best) = by_chance(&truth, 1.0);
        assert!(best < 2e-4, "{best}");
    }
}
