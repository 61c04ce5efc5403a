//! What the buffers of a plan are for.

use crate::graph::Flat;

/// What a buffer is for. One buffer each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BufferRole {
    /// Parameters, one after the other.
    Parameters,
    /// Their gradients, then accumulators; zeroed at the start of a step.
    Gradients,
    /// First moments.
    Moment1,
    /// Second moments.
    Moment2,
    /// Counters of the optimiser.
    State,
    /// Data uploaded once.
    Constants,
    /// Data of one micro-batch.
    Inputs,
    /// Page of the arena.
    Arena(usize),
    /// Uniform `Params` of every dispatch.
    DispatchUniforms,
    /// Uniform `Step`, one entry a micro-batch and one for prologue and epilogue.
    StepUniforms,
    /// Mapped for uploads; two, used in turn.
    Staging(usize),
    /// Mapped for read-backs.
    ReadBack,
}

impl std::fmt::Display for BufferRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Arena(page) => return write!(f, "arena {page}"),
            Self::Staging(slot) => return write!(f, "staging {slot}"),
            Self::Parameters => "parameters",
            Self::Gradients => "gradients",
            Self::Moment1 => "moments 1",
            Self::Moment2 => "moments 2",
            Self::State => "optimiser state",
            Self::Constants => "constants",
            Self::Inputs => "inputs",
            Self::DispatchUniforms => "dispatch uniforms",
            Self::StepUniforms => "step uniforms",
            Self::ReadBack => "read-back",
        })
    }
}

impl BufferRole {
    /// Whether kernels bind it as storage.
    #[must_use]
    pub fn is_storage(self) -> bool {
        !matches!(self, Self::DispatchUniforms | Self::StepUniforms | Self::Staging(_) | Self::ReadBack)
    }
}

impl From<Flat> for BufferRole {
    fn from(flat: Flat) -> Self {
        match flat {
            Flat::Parameters => Self::Parameters,
            Flat::Gradients => Self::Gradients,
            Flat::Moment1 => Self::Moment1,
            Flat::Moment2 => Self::Moment2,
            Flat::State => Self::State,
        }
    }
}

/// A buffer of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BufferSpec {
    /// What for.
    pub role: BufferRole,
    /// Its size.
    pub bytes: u64,
}
