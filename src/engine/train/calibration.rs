//! Fits the factors of the spread on the validation windows: section 9b of docs/model.md.

use crate::numbers::softmax;
use crate::session::WindowMixture;

/// The factors tried: f from -0.4 to 0.6 in steps of 0.1.
const FACTORS: [f64; 11] = [-0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
/// Share of the targets that the central interval should cover.
const COVERED: f64 = 0.8;

/// Counts of observed targets, and of those inside the central 80 % interval for each factor, by step and target.
pub struct CalibrationFit {
    horizon: usize,
    targets: usize,
    components: usize,
    /// `[H, Nt]`.
    observed: Vec<f64>,
    /// `[H, Nt]` for each factor.
    inside: Vec<Vec<f64>>,
}

impl CalibrationFit {
    /// No windows yet; mixtures are `[H, Nt, K]`.
    #[must_use]
    pub fn new(horizon: usize, targets: usize, components: usize) -> Self {
        let n = horizon * targets;
        Self { horizon, targets, components, observed: vec![0.0; n], inside: vec![vec![0.0; n]; FACTORS.len()] }
    }

    /// Adds a window: its mixture, made with factors of 0, and its targets and their mask `[H, Nt]`.
    pub fn add(&mut self, mixture: &WindowMixture, target: &[f32], observed: &[f32]) {
        let k = self.components;
        for i in (0..self.observed.len()).filter(|i| observed[*i] != 0.0) {
            self.observed[i] += 1.0;
            let part = |values: &[f32]| values[i * k..(i + 1) * k].iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let (mean, log_std, weight) = (part(&mixture.mean), part(&mixture.log_std), softmax(&part(&mixture.logit)));
            let centre: f64 = weight.iter().zip(&mean).map(|(w, m)| w * m).sum();
            for (f, inside) in FACTORS.iter().zip(&mut self.inside) {
                let distribution: f64 = (0..k)
                    .map(|c| {
                        let z = (f64::from(target[i]) - centre - f.exp() * (mean[c] - centre)) * (-log_std[c] - f).exp();
                        weight[c] * 0.5 * (1.0 + libm::erf(z / std::f64::consts::SQRT_2))
                    })
                    .sum();
                inside[i] += f64::from((distribution - 0.5).abs() < COVERED / 2.0);
            }
        }
    }

    /// The factors `[H, Nt]`: of those whose share inside, averaged over the neighbouring steps, is nearest to 80 %, the smallest.
    #[must_use]
    pub fn factors(&self) -> Vec<f64> {
        let (h, nt) = (self.horizon, self.targets);
        (0..h * nt).map(|i| self.factor(i / nt, i % nt)).collect()
    }

    /// Share of the observed targets inside the central 80 % interval without factors, and with the fitted ones.
    #[must_use]
    pub fn covered(&self) -> (f64, f64) {
        let count = self.observed.iter().sum::<f64>().max(1.0);
        let with = |factor: f64, i: usize| FACTORS.iter().position(|f| *f == factor).map_or(0.0, |f| self.inside[f][i]);
        let before: f64 = (0..self.observed.len()).map(|i| with(0.0, i)).sum();
        let after: f64 = self.factors().iter().enumerate().map(|(i, f)| with(*f, i)).sum();
        (before / count, after / count)
    }

    fn factor(&self, step: usize, target: usize) -> f64 {
        let reach = self.horizon / 4;
        // Steps beyond the ends are repeated from the ends.
        let steps: Vec<usize> = (0..=2 * reach).map(|o| (step + o).saturating_sub(reach).min(self.horizon - 1)).collect();
        let total = |counts: &[f64]| steps.iter().map(|s| counts[s * self.targets + target]).sum::<f64>();
        let count = total(&self.observed);
        if count == 0.0 {
            return 0.0;
        }
        let errors: Vec<f64> = self.inside.iter().map(|inside| (total(inside) / count - COVERED).abs()).collect();
        let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
        let first = errors.iter().position(|e| *e <= least + 1e-9).unwrap_or(0);
        FACTORS[first]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A normal distribution per step, whose targets spread `wider` times as far as it says.
    fn fitted(wider: f64) -> Vec<f64> {
        let mut fit = CalibrationFit::new(3, 2, 1);
        let windows = 400;
        for w in 0..windows {
            // Quantiles of a normal distribution in place of random numbers.
            let p = (f64::from(w) + 0.5) / f64::from(windows);
            let (mut low, mut high) = (-8.0, 8.0);
            while high - low > 1e-9 {
                let z: f64 = 0.5 * (low + high);
                if 0.5 * (1.0 + libm::erf(z / std::f64::consts::SQRT_2)) < p { low = z } else { high = z }
            }
            #[expect(clippy::cast_possible_truncation, reason = "targets are f32")]
            let y = (2.0 + 0.5 * wider * low) as f32;
            let mixture = WindowMixture { mean: vec![2.0; 6], log_std: vec![0.5_f32.ln(); 6], logit: vec![0.0; 6] };
            fit.add(&mixture, &[y; 6], &[1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        }
        fit.factors()
    }

    #[test]
    fn the_factor_is_that_of_the_spread_and_0_where_nothing_was_observed() {
        for (wider, expected) in [(1.0, 0.0), (0.2_f64.exp(), 0.2), (0.6_f64.exp(), 0.6), (9.0, 0.6), ((-0.3_f64).exp(), -0.3)] {
            let factors = fitted(wider);
            for (i, f) in factors.iter().enumerate() {
                assert!((f - if i % 2 == 0 { expected } else { 0.0 }).abs() < 1e-12, "{wider}: {factors:?}");
            }
        }
    }
}
