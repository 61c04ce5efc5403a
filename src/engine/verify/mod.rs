//! Compares the model with a golden file. The file contains either inputs, parameters, block outputs, losses and gradients of the PyTorch
//! reference, or a trajectory: training steps and the parameters after them.
//!
//! Its tensors are `in.*`, `param.*`, `act.*`, `out.*`, `loss.*`, `grad.*`. Those of a trajectory are `in.*` with a leading axis of steps,
//! `init.*` and `param.*` before and after the steps, `step.*`. The sizes are JSON in the metadata entry `config`.

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
    /// The file is damaged or not in the safetensors format.
    #[error("the file cannot be read as safetensors: {0}")]
    Format(String),
    /// The metadata do not contain valid sizes.
    #[error("the file's metadata `config` {0}")]
    Config(String),
    /// A required tensor is missing.
    #[error("there is no tensor {0}")]
    Missing(String),
    /// The size of a tensor differs from that in the model.
    #[error("{name}: the file has {found} elements, the model has {expected}")]
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
    /// The gradient of the model cannot be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The model cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// The result of a comparison.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// Largest error of each group.
    pub groups: Vec<GroupError>,
    /// Choices that f32 may make differently. Tensors that depend on them are void, except in a trajectory that agrees anyway.
    pub ties: Vec<Tie>,
}

impl Report {
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

/// Runs the model of the file on a backend, for a step or a trajectory, and compares every tensor of the file. `limit` is the tolerance of
/// a group, such as [`tolerance`]; it decides whether a trajectory with a tie agrees.
///
/// # Errors
/// Fails if the file lacks a tensor, the model cannot be built, or the device fails.
pub async fn verify(golden: &Golden, backend: &Backend, limit: impl Fn(&str) -> f64) -> Result<Report, VerifyError> {
    if golden.is_trajectory() { verify_trajectory(golden, backend, None, limit).await } else { model::verify_step(golden, backend).await }
}
