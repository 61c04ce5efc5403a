//! Learning rate of a step.

use crate::config::{Schedule, TrainingSettings};

/// Learning rate of step `step` (from 0) of `total`.
///
/// `constant`: the peak rate after a linear warm-up. `cosine`: after the warm-up, decays to 0 along half a cosine. `one-cycle` (Smith and
/// Topin, 2019): rises from 1/25 of the peak along half a cosine during the warm-up (30 % of all steps by default), then falls to 1/10,000
/// of the initial rate. `cycle`: see [`cycle`].
#[must_use]
pub fn learning_rate(settings: &TrainingSettings, step: u64, total: u64) -> f64 {
    let peak = settings.learning_rate;
    let warmup = settings.warmup(total);
    let half_cosine = |from: f64, to: f64, share: f64| to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos());
    let after = |warmup: u64| (step - warmup) as f64 / (total.saturating_sub(warmup).max(1)) as f64;
    match settings.schedule {
        Schedule::Constant | Schedule::Cosine if step < warmup => peak * (step + 1) as f64 / warmup as f64,
        Schedule::Constant => peak,
        Schedule::Cycle => peak * cycle(step, total),
        Schedule::Cosine => half_cosine(peak, 0.0, after(warmup).min(1.0)),
        Schedule::OneCycle => {
            let stated = settings.warmup_steps.is_some() || settings.warmup_fraction.is_some();
            let rise = if stated { warmup } else { total * 3 / 10 };
            let low = peak / 25.0;
            if step < rise { half_cosine(low, peak, step as f64 / rise as f64) } else { half_cosine(peak, low / 1e4, after(rise).min(1.0)) }
        }
    }
}

/// Share of the peak rate in step `step` (from 0) of `total`: with the share f of steps done, `f / 0.15` below 0.15, then
/// `(1 + cos(pi (f - 0.15) / 0.85)) / 2`, and at least 0.001.
#[must_use]
pub fn cycle(step: u64, total: u64) -> f64 {
    let f = step as f64 / total.max(1) as f64;
    let share = if f < 0.15 { f / 0.15 } else { f64::midpoint(1.0, (std::f64::consts::PI * (f - 0.15) / 0.85).cos()) };
    share.max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, warmup: Option<u64>) -> Vec<f64> {
        let settings = TrainingSettings { learning_rate: 1.0, schedule, warmup_steps: warmup, ..TrainingSettings::default() };
        (0..100).map(|s| learning_rate(&settings, s, 100)).collect()
    }

    #[test]
    fn constant_warms_up_and_stays() {
        let r = rates(Schedule::Constant, Some(10));
        assert!((r[0] - 0.1).abs() < 1e-12 && (r[9] - 1.0).abs() < 1e-12);
        assert!(r[10..].iter().all(|v| (v - 1.0).abs() < 1e-12));
    }

    #[test]
    fn cosine_falls_to_zero() {
        let r = rates(Schedule::Cosine, Some(10));
        assert!((r[10] - 1.0).abs() < 1e-12 && (r[55] - 0.5).abs() < 1e-12 && r[99] < 1e-3);
        assert!(r[10..].windows(2).all(|w| w[1] < w[0]));
    }

    #[test]
    fn a_cycle_rises_in_a_line_and_falls_along_a_cosine() {
        let r = rates(Schedule::Cycle, None);
        assert!((r[0] - 1e-3).abs() < 1e-12 && (r[3] - 0.2).abs() < 1e-12 && (r[15] - 1.0).abs() < 1e-12);
        let half = 0.5 * (1.0 + (std::f64::consts::PI * 0.35 / 0.85).cos());
        assert!((r[50] - half).abs() < 1e-12 && r.iter().all(|v| (1e-3..=1.0).contains(v)));
    }

    #[test]
    fn one_cycle_rises_then_falls() {
        let r = rates(Schedule::OneCycle, None);
        assert!((r[0] - 0.04).abs() < 1e-12 && (r[30] - 1.0).abs() < 1e-12 && r[99] < 1e-3);
        assert!(r[..31].windows(2).all(|w| w[1] > w[0]) && r[30..].windows(2).all(|w| w[1] < w[0]));
    }
}
