//! The order of the windows in an epoch, computed without a list.

use crate::random::{GAMMA, finalise};

/// A keyed permutation of `0..len`: a Feistel network over the next even number of bits, applied repeatedly until the result is in range.
///
/// The same (length, seed, epoch) gives the same order on every machine. Each position can be computed separately, so that a resumed run
/// can continue in the middle of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permutation {
    len: u64,
    half_bits: u32,
    keys: [u64; Self::ROUNDS],
}

impl Permutation {
    const ROUNDS: usize = 6;

    /// The order of an epoch.
    #[must_use]
    pub fn new(len: usize, seed: u64, epoch: u64) -> Self {
        let len = len as u64;
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        let base = finalise(seed ^ finalise(epoch.wrapping_add(GAMMA)));
        let mut keys = [0; Self::ROUNDS];
        for (round, key) in (1_u64..).zip(keys.iter_mut()) {
            *key = finalise(base.wrapping_add(round.wrapping_mul(GAMMA)));
        }
        Self { len, half_bits: bits.div_ceil(2).max(1), keys }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// Whether the permutation is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element at `position`.
    ///
    /// # Panics
    /// If `position` is not less than the length.
    #[must_use]
    pub fn get(&self, position: usize) -> usize {
        let mut value = position as u64;
        assert!(value < self.len, "position {position} of {}", self.len);
        loop {
            value = self.encrypt(value);
            if value < self.len {
                return usize::try_from(value).expect("below a length that was a usize");
            }
        }
    }

    fn encrypt(&self, value: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (finalise(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_permuted() {
        for len in (0..200).chain([255, 256, 257, 1_000, 8_449]) {
            for epoch in 0..3 {
                let order = Permutation::new(len, 7, epoch);
                let mut seen = vec![false; len];
                for position in 0..len {
                    assert!(!std::mem::replace(&mut seen[order.get(position)], true), "{len}");
                }
            }
        }
    }

    #[test]
    fn seeds_and_epochs_differ_and_repeat() {
        let order = |seed, epoch| {
            let p = Permutation::new(1_000, seed, epoch);
            (0..1_000).map(|i| p.get(i)).collect::<Vec<_>>()
        };
        assert_eq!(order(1, 2), order(1, 2));
        assert_ne!(order(1, 2), order(2, 1));
        assert_ne!(order(0, 0), order(0, 1));
        // A random permutation has one fixed point on average.
        let fixed = order(3, 3).iter().enumerate().filter(|(i, v)| i == *v).count();
        assert!(fixed < 8, "{fixed}");
    }

    #[test]
    fn neighbours_are_torn_apart() {
        let p = Permutation::new(10_000, 0, 0);
        let near = (1..10_000).filter(|&i| p.get(i).abs_diff(p.get(i - 1)) < 100).count();
        assert!((100..320).contains(&near), "{near} of 9,999, about 200 expected");
    }
}
