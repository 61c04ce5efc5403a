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
    /// The training steps of a trajectory cannot be planned.
    #[error("{0}")]
    Training(String),
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
