//! The result of a comparison, and the tolerances that decide about it.

#[cfg(feature = "native")]
use super::VerifyError;
use super::groups::{GroupError, ZEROS};
use super::ties::Tie;
use crate::executor::Backend;

/// The result of a comparison.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// Largest error of each group.
    pub groups: Vec<GroupError>,
    /// Choices that f32 may make differently. Tensors that depend on them are void, except in a trajectory that agrees anyway.
    pub ties: Vec<Tie>,
}

impl Report {
    /// The report of a trajectory, whose groups `compare` makes, void from the given step on. A trajectory contains so many choices that
    /// most trajectories contain ties, and f32 resolves most ties in the same way as f64. So a tie only excuses a difference: if all errors
    /// are below `limit`, nothing is void; otherwise everything is void from the first step with a tie on.
    #[cfg(feature = "native")]
    pub(super) fn of_trajectory(
        ties: Vec<Tie>,
        limit: impl Fn(&str) -> f64,
        compare: impl Fn(Option<usize>) -> Result<Vec<GroupError>, VerifyError>,
    ) -> Result<Self, VerifyError> {
        let report = Self { groups: compare(None)?, ties };
        match report.ties.iter().filter_map(|t| t.step).min() {
            Some(first) if report.above(limit).is_some() => Ok(Self { groups: compare(Some(first))?, ..report }),
            _ => Ok(report),
        }
    }

    /// The first group with an error above its tolerance.
    #[must_use]
    pub fn above(&self, tolerance: impl Fn(&str) -> f64) -> Option<&GroupError> {
        self.groups.iter().find(|g| g.error.is_some_and(|e| e > tolerance(&g.group)))
    }
}

/// Largest error of a group that rounding can explain: the default tolerance.
///
/// Golden files are in float32, which also limits the accuracy of the f64 reference. In a trajectory, Adam divides by the square root of
/// the second moment, which makes noise as large as a gradient. So parameters diverge, most of all those whose gradients are zero in theory
/// ([`contains_zeros`](super::contains_zeros)).
#[must_use]
pub fn tolerance(backend: &Backend, group: &str) -> f64 {
    match (backend, group) {
        (Backend::Reference, _) => 1e-6,
        (Backend::Gpu(_), "grad" | "crps_grad") => 2e-3,
        (Backend::Gpu(_), "step") => 1e-4,
        (Backend::Gpu(_), "param" | "linear" | "average") => 1e-3,
        (Backend::Gpu(_), ZEROS) => 5e-3,
        (Backend::Gpu(_), _) => 2e-4,
    }
}
