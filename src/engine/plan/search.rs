//! Searches which nodes to recompute: from none to the lowest peak memory it can find, in steps of a few percent.
//!
//! The search is greedy. It chooses the node that saves the most bytes above the target peak (summed over the turns of a step) per second
//! of additional time. Once the target is reached, it removes every node that is not needed. The earlier node wins a tie, so the same
//! program gets the same choices on every machine.

use super::ledger::{At, Ledger, Profile};
use crate::order;

/// Ratio of each target peak to the previous one.
const STEP: f64 = 0.94;

/// The nodes to recompute for one micro-batch size, and the resulting memory and time.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Windows per micro-batch.
    pub micro: usize,
    /// Nodes to recompute.
    pub again: Vec<usize>,
    /// Peak of the live arena bytes.
    pub peak: u64,
    /// Predicted seconds of a step.
    pub seconds: f64,
}

impl Choice {
    fn new(micro: usize, again: &[bool], profile: &Profile) -> Self {
        let nodes = again.iter().enumerate().filter(|a| *a.1).map(|a| a.0).collect();
        Self { micro, again: nodes, peak: profile.peak(), seconds: profile.seconds }
    }
}

/// Choices for one micro-batch size, from no recomputation to the lowest peak found.
#[must_use]
pub fn choices(ledger: &Ledger, micro: usize) -> Vec<Choice> {
    let at = ledger.at(micro);
    let mut again = vec![false; ledger.nodes()];
    let start = ledger.profile(&at, &again);
    let mut all = vec![Choice::new(micro, &again, &start)];
    let candidates = ledger.candidates();
    let mut target = start.peak();
    loop {
        #[expect(clippy::cast_possible_truncation, reason = "a share of bytes")]
        let next = (target as f64 * STEP) as u64;
        target = next;
        if target == 0 || !reach(ledger, &at, &candidates, &mut again, target) {
            return all;
        }
        let mut spare = again.clone();
        take_back(ledger, &at, &mut spare, target);
        let profile = ledger.profile(&at, &spare);
        // Drop earlier choices that are neither smaller nor faster than this one.
        all.retain(|c| c.peak < profile.peak() || c.seconds < profile.seconds);
        target = target.min(profile.peak());
        all.push(Choice::new(micro, &spare, &profile));
        again = spare;
    }
}

/// Applies the node sets found for another micro-batch size to this size.
#[must_use]
pub fn choices_of(ledger: &Ledger, micro: usize, sets: &[Choice]) -> Vec<Choice> {
    let at = ledger.at(micro);
    let one = |set: &Choice| {
        let mut again = vec![false; ledger.nodes()];
        set.again.iter().for_each(|&n| again[n] = true);
        Choice::new(micro, &again, &ledger.profile(&at, &again))
    };
    sets.iter().map(one).collect()
}

/// Flips nodes until at most `target` bytes are live at once. Returns whether this is possible. A flip can also keep a node again, because
/// a kept tensor between two long runs of recomputed nodes shortens both runs.
fn reach(ledger: &Ledger, at: &At, candidates: &[usize], again: &mut [bool], target: u64) -> bool {
    let mut now = ledger.profile(at, again);
    // Gains of the previous round, the largest first. Most gains only shrink, so few nodes need to be evaluated again.
    let mut gains: Vec<(f64, usize)> = candidates.iter().map(|&n| (f64::INFINITY, n)).collect();
    while now.excess(target) > 0 {
        let mut best: Option<(f64, usize, Profile)> = None;
        for (known, node) in &mut gains {
            if best.as_ref().is_some_and(|b| b.0 >= *known) {
                break;
            }
            again[*node] = !again[*node];
            let with = ledger.profile(at, again);
            again[*node] = !again[*node];
            *known = gain(&now, &with, target);
            if *known > 0.0 && best.as_ref().is_none_or(|b| *known > b.0) {
                best = Some((*known, *node, with));
            }
        }
        let Some((_, node, with)) = best else { return false };
        again[node] = !again[node];
        now = with;
        order::sort_by(&mut gains, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    true
}

/// Bytes above the target that a flip saves, per second of additional time.
fn gain(now: &Profile, with: &Profile, target: u64) -> f64 {
    let less = now.excess(target) as f64 - with.excess(target) as f64;
    // A flip that also saves time precedes all flips that cost time.
    less / (with.seconds - now.seconds).max(1e-9)
}

/// Removes nodes that are not needed to stay within the target, the slowest first.
fn take_back(ledger: &Ledger, at: &At, again: &mut [bool], target: u64) {
    let mut now = ledger.profile(at, again);
    let mut chosen: Vec<(f64, usize)> = vec![];
    for node in (0..again.len()).filter(|&n| again[n]).collect::<Vec<_>>() {
        again[node] = false;
        chosen.push((now.seconds - ledger.profile(at, again).seconds, node));
        again[node] = true;
    }
    order::sort_by(&mut chosen, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, node) in chosen {
        again[node] = false;
        let without = ledger.profile(at, again);
        if without.peak() <= target && without.seconds < now.seconds {
            now = without;
        } else {
            again[node] = true;
        }
    }
}
