//! A fit of the calibration: mixtures and targets of validation windows, and the factors of the spread. It needs no backend.

use super::groups::Groups;
use super::{Golden, Report, VerifyError};
use crate::session::WindowMixture;
use crate::train::CalibrationFit;

/// Fits the factors and compares them.
///
/// # Errors
/// The same as [`verify`](super::verify).
pub(super) fn verify_fit(golden: &Golden) -> Result<Report, VerifyError> {
    let (w, k) = (golden.shape.window, golden.shape.settings.mdn_components);
    let n = w.horizon * w.num_targets;
    let [mean, log_std, logit, target, observed] =
        ["in.mean", "in.log_std", "in.logit", "in.target", "in.target_observed"].map(|name| golden.f32(name));
    let (mean, log_std, logit, target, observed) = (mean?, log_std?, logit?, target?, observed?);
    let expected = target.len() * k;
    for (name, found) in [("in.mean", mean.len()), ("in.log_std", log_std.len()), ("in.logit", logit.len())] {
        if found != expected || observed.len() != target.len() {
            return Err(VerifyError::Shape { name: name.into(), expected, found });
        }
    }
    let mut fit = CalibrationFit::new(w.horizon, w.num_targets, k);
    for b in 0..target.len() / n.max(1) {
        let part = |values: &[f32], one: usize| values[b * one..(b + 1) * one].to_vec();
        let mixture = WindowMixture { mean: part(&mean, n * k), log_std: part(&log_std, n * k), logit: part(&logit, n * k) };
        fit.add(&mixture, &part(&target, n), &part(&observed, n));
    }
    let mut groups = Groups::default();
    groups.add(golden, "out.calibration", &fit.factors())?;
    Ok(Report { groups: groups.finish(golden, &["out"])?, ties: vec![] })
}
