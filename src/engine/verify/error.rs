//! Why a golden file cannot be compared.

use crate::compare::Mismatch;
use crate::gpu::GpuError;
use crate::graph::GraphError;
use crate::model::ModelError;
use crate::plan::PlanError;

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
