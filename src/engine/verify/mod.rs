//! Compares the model with a golden file: inputs, parameters, block outputs, losses and gradients of the PyTorch reference, or a
//! trajectory: training steps and the parameters after them.
//!
//! The file holds `in.*`, `param.*`, `act.*`, `out.*`, `loss.*`, `grad.*` and its sizes as JSON in the metadata `config`; a trajectory
//! `in.*` with a leading axis of steps, `init.*` and `param.*` before and after them, `step.*`.

mod golden;
mod groups;
mod model;
mod ties;
mod trajectory;
mod zeros;

use crate::compare::Mismatch;
use crate::executor::Backend;
use crate::gpu::GpuError;
use crate::graph::GraphError;
use crate::model::ModelError;
use crate::plan::PlanError;
pub use golden::Golden;
pub use groups::GroupError;
pub use model::gradients;
pub use ties::{TIE, Tie};
pub use trajectory::verify_trajectory;
pub use zeros::contains_zeros;

/// A golden file cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Not a safetensors file, or damaged.
    #[error("the file cannot be read as safetensors: {0}")]
    Format(String),
    /// The metadata do not say what the sizes are.
    #[error("the file's metadata `config` {0}")]
    Config(String),
    /// A tensor that must be there is not.
    #[error("the file has no tensor {0}")]
    Missing(String),
    /// A tensor has another shape than the model says.
    #[error("{name}: the file has {found} elements, the model {expected}")]
    Shape {
        /// Name in the file.
        name: String,
        /// Elements in the model.
        expected: usize,
        /// Elements in the file.
        found: usize,
    },
    /// A tensor cannot be compared.
    #[error("{name}: {mismatch}")]
    Mismatch {
        /// Name in the file.
        name: String,
        /// Why.
        mismatch: Mismatch,
    },
    /// The model of the file cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Its gradient cannot.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// It cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

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
/// ([`contains_zeros`]).
#[must_use]
pub fn tolerance(backend: &Backend, group: &str) -> f64 {
    match (backend, group) {
        (Backend::Reference, _) => 1e-6,
        (Backend::Gpu(_), "grad") => 2e-3,
        (Backend::Gpu(_), "step") => 1e-4,
        (Backend::Gpu(_), "param") => 1e-3,
        (Backend::Gpu(_), groups::ZEROS) => 5e-3,
        (Backend::Gpu(_), _) => 2e-4,
    }
}

/// Runs the file's model on a backend, a step or a trajectory, and compares every tensor that the file holds of it. `limit`: the
/// tolerance of a group, such as [`tolerance`], by which a trajectory with a tie is judged.
///
/// # Errors
/// Fails if the file lacks a tensor, the model cannot be built, or the device fails.
pub async fn verify(golden: &Golden, backend: &Backend, limit: impl Fn(&str) -> f64) -> Result<Report, VerifyError> {
    if golden.is_trajectory() { verify_trajectory(golden, backend, None, limit).await } else { model::verify_step(golden, backend).await }
}
