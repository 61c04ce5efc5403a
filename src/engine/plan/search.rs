//! The search for what to compute again: from nothing to as little memory as it can find, a step of a few percent at a time.
//!
//! Greedy: of all nodes not yet chosen the one that takes most bytes above the wanted peak away, summed over the turns of a step, for its
//! seconds; then, once the peak is reached, whatever the choice can do without is taken back. Ties go to the earlier node, so that the
//! same program has the same choices everywhere.

use super::ledger::{At, Ledger, Profile};

/// Wanted peak over the one before.
const STEP: f64 = 0.94;

/// Nodes to be computed again for one size of micro-batches, and what that means.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Windows of a micro-batch.
    pub micro: usize,
    /// Nodes to be computed again.
    pub again: Vec<usize>,
    /// Most bytes of the arena alive at once.
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

/// Choices for one size of micro-batches, from computing nothing again down to the least peak found.
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
        // A tighter choice that is no slower makes the one before pointless.
        all.retain(|c| c.peak < profile.peak() || c.seconds < profile.seconds);
        target = target.min(profile.peak());
        all.push(Choice::new(micro, &spare, &profile));
        again = spare;
    }
}

/// What sets that were found for another size of micro-batches mean for this one.
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

/// Flips nodes until no more than `target` bytes are alive at once; whether that was possible. To keep a node again is a flip too: what
/// lies between two long runs of nodes is worth its bytes.
fn reach(ledger: &Ledger, at: &At, candidates: &[usize], again: &mut [bool], target: u64) -> bool {
    let mut now = ledger.profile(at, again);
    // Gains of an earlier round, the greatest first: most nodes' gains only shrink, so that few need to be looked at again.
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
        gains.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    true
}

/// Bytes above the target that go away, for a second.
fn gain(now: &Profile, with: &Profile, target: u64) -> f64 {
    let less = now.excess(target) as f64 - with.excess(target) as f64;
    // A flip that also saves time comes before all that cost some.
    less / (with.seconds - now.seconds).max(1e-9)
}

/// Takes back nodes that are not needed to stay within the target, the slowest first.
fn take_back(ledger: &Ledger, at: &At, again: &mut [bool], target: u64) {
    let mut now = ledger.profile(at, again);
    let mut chosen: Vec<(f64, usize)> = vec![];
    for node in (0..again.len()).filter(|&n| again[n]).collect::<Vec<_>>() {
        again[node] = false;
        chosen.push((now.seconds - ledger.profile(at, again).seconds, node));
        again[node] = true;
    }
    chosen.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
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
