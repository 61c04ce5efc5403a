//! What a comparison found, and what of it is rounding.

use super::groups::{GroupError, ZEROS};
use super::ties::Tie;
use crate::executor::Backend;

/// What a comparison found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// Largest error of each group.
    pub groups: Vec<GroupError>,
    /// Choices that f32 may take otherwise; what follows from them is void, but in a trajectory that agrees all the same.
    pub ties: Vec<Tie>,
}

impl Report {
    /// The first group with an error above its tolerance.
    #[must_use]
    pub fn above(&self, tolerance: impl Fn(&str) -> f64) -> Option<&GroupError> {
        self.groups.iter().find(|g| g.error.is_some_and(|e| e > tolerance(&g.group)))
    }
}

/// Greatest error of a group that is taken for rounding, unless told otherwise.
///
/// Golden files are float32: the twins, in f64, are as near as that. In a trajectory, Adam divides by the root of the second moment, and
/// so makes noise as large as a gradient: parameters drift from one another, most of all where gradients are zero in theory
/// ([`contains_zeros`](super::contains_zeros)).
#[must_use]
pub fn tolerance(backend: &Backend, group: &str) -> f64 {
    match (backend, group) {
        (Backend::Reference, _) => 1e-6,
        (Backend::Gpu(_), "grad") => 2e-3,
        (Backend::Gpu(_), "step") => 1e-4,
        (Backend::Gpu(_), "param") => 1e-3,
        (Backend::Gpu(_), ZEROS) => 5e-3,
        (Backend::Gpu(_), _) => 2e-4,
    }
}
