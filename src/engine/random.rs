//! Random numbers of the host. Kernels use PCG4D: see `ops/twin.rs`.
//!
//! A sample of a forecast is a function of its address, not of the order in which samples are drawn. Each number is from SplitMix64 (G. L.
//! Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Its initial state is a mix of seed,
//! window, series, step and sample, one after the other. So a forecast of one series alone, or on another machine, has the same samples as
//! in the forecast of all series (up to the last rounding of the platform's `ln`, `cos` and `exp`).

/// SplitMix64's increment, 2^64 divided by the golden ratio.
pub(crate) const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's output function; a bijection.
pub(crate) fn finalise(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The number at `index` of the sequence of `seed`, as two words: its upper and its lower 32 bits.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of 64 bits")]
pub fn keys(seed: u64, index: u64) -> [u32; 2] {
    let bits = finalise(seed ^ index.wrapping_mul(GAMMA).wrapping_add(GAMMA));
    [bits as u32, (bits >> 32) as u32]
}

/// A standard normal number from two uniform numbers in (0, 1] (G. E. P. Box and M. E. Muller, 1958).
#[must_use]
pub fn box_muller(radius: f64, angle: f64) -> f64 {
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A SplitMix64 stream.
#[derive(Debug, Clone)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// The SplitMix64 stream that starts from this state.
    pub fn new(state: u64) -> Self {
        Self { state }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        finalise(self.state)
    }

    /// A number in the open interval (0, 1): odd multiples of 2^-53, symmetric about one half.
    pub fn uniform(&mut self) -> f64 {
        ((self.next_u64() >> 12) as f64 + 0.5) * 2f64.powi(-52)
    }

    /// A standard normal number.
    pub fn normal(&mut self) -> f64 {
        box_muller(self.uniform(), self.uniform())
    }
}

/// The address of one random sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleKey {
    /// The run's seed.
    pub seed: u64,
    /// Index of the window (or of the origin's row).
    pub window: u64,
    /// Step of the horizon, from 0.
    pub series: u64,
    /// Step of the horizon, 0 first.
    pub step: u64,
    /// Number of the sample.
    pub sample: u64,
}

impl SampleKey {
    /// The stream of random numbers at this address.
    pub fn stream(self) -> Stream {
        let parts = [self.seed, self.window, self.series, self.step, self.sample];
        Stream::new(parts.into_iter().fold(0, |state: u64, part| finalise(state.wrapping_add(GAMMA) ^ part)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn splitmix_matches_its_published_sequence() {
        // The outputs for seed 1234567 that are commonly used to test implementations of SplitMix64.
        let mut stream = Stream::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423_u64];
        assert_eq!([stream.next_u64(), stream.next_u64(), stream.next_u64()], expected);
    }

    #[test]
    fn every_part_of_the_address_matters() {
        let mut seen = HashSet::new();
        for n in 0..3_u64.pow(5) {
            let digit = |i: u32| n / 3_u64.pow(i) % 3;
            let key = SampleKey { seed: digit(0), window: digit(1), series: digit(2), step: digit(3), sample: digit(4) };
            assert!(seen.insert(key.stream().next_u64()), "{key:?} repeats another address");
            assert_eq!(key.stream().next_u64(), key.stream().next_u64());
        }
    }

    #[test]
    fn normals_across_addresses_are_standard_and_uncorrelated() {
        let count = 40_000_u64;
        let draw = |sample| SampleKey { seed: 7, window: 1, series: 2, step: 3, sample }.stream().normal();
        let values: Vec<f64> = (0..count).map(draw).collect();
        let moment = |f: &dyn Fn(f64) -> f64| values.iter().map(|&x| f(x)).sum::<f64>() / count as f64;
        // Bounds are about four standard errors.
        assert!(moment(&|x| x).abs() < 0.02);
        assert!((moment(&|x| x * x) - 1.0).abs() < 0.03);
        assert!((moment(&|x| x.powi(4)) - 3.0).abs() < 0.2);
        let lagged: f64 = values.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / count as f64;
        assert!(lagged.abs() < 0.02, "neighbouring samples correlate: {lagged}");
    }
}
