//! Why a plan cannot be made.

use crate::bytes::grouped;

/// A rule is broken: which dispatch, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dispatch {dispatch} ({entry}): {rule}")]
pub struct RuleBroken {
    /// Index of the dispatch.
    pub dispatch: usize,
    /// Its entry point.
    pub entry: &'static str,
    /// The rule and the ranges.
    pub rule: String,
}

/// A plan cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A tensor of one window, or a fixed scratch, is larger than the device's buffers or bindings.
    #[error(
        "{tensor} takes {bytes} bytes even in the smallest micro-batch, and this device allows {limit}: use fewer nodes, a shorter history or a smaller width"
    )]
    TooLarge {
        /// The tensor.
        tensor: String,
        /// Its bytes.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// All parameters together are larger than a buffer or binding.
    #[error("the parameters take {bytes} bytes, and this device allows buffers of {limit}: use a smaller width or fewer layers")]
    Parameters {
        /// Their bytes.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The smallest plan takes more than is allowed.
    #[error(
        "the smallest plan takes {} bytes on the device, and {} are allowed{}",
        grouped(*smallest),
        grouped(*allowed),
        if *said { "" } else { " where no budget is given" }
    )]
    Budget {
        /// Bytes allowed.
        allowed: u64,
        /// Bytes of the smallest plan.
        smallest: u64,
        /// Whether the user named the budget.
        said: bool,
    },
    /// There is nothing to plan: a bug of this crate.
    #[error("internal error: no program has a plan")]
    Nothing,
    /// The recording breaks a rule of WebGPU: a bug of this crate.
    #[error("internal error: the plan breaks a rule: {0}")]
    Rule(#[from] RuleBroken),
}
