//! Errors of planning.

use crate::bytes::grouped;

/// A dispatch breaks a rule of WebGPU.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dispatch {dispatch} ({entry}): {rule}")]
pub struct RuleBroken {
    /// Index of the dispatch.
    pub dispatch: usize,
    /// Entry point of its kernel.
    pub entry: &'static str,
    /// The broken rule and the ranges involved.
    pub rule: String,
}

/// The reason why no plan can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A tensor of one window, or a scratch of fixed size, is larger than the buffers or bindings of the device.
    #[error(
        "{tensor} needs {bytes} bytes even with the smallest micro-batch, but this device allows {limit}: use fewer nodes, a shorter \
         history or a smaller width"
    )]
    TooLarge {
        /// Name of the tensor.
        tensor: String,
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The parameters together are larger than a buffer or binding.
    #[error("the parameters need {bytes} bytes, but this device allows buffers of {limit}: use a smaller width or fewer layers")]
    Parameters {
        /// Size of the parameters in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The smallest plan exceeds the budget.
    #[error(
        "the smallest plan takes {} bytes on the device, but only {} are allowed{}",
        grouped(*smallest),
        grouped(*allowed),
        if *said { "" } else { " if no budget is given" }
    )]
    Budget {
        /// Allowed bytes.
        allowed: u64,
        /// Bytes of the smallest plan.
        smallest: u64,
        /// Whether the user gave the budget.
        said: bool,
    },
    /// There is no candidate: a bug of this crate.
    #[error("internal error: the planner found no plan")]
    Nothing,
    /// The recording breaks a rule of WebGPU: a bug of this crate.
    #[error("internal error: the plan breaks a rule of WebGPU: {0}")]
    Rule(#[from] RuleBroken),
}
