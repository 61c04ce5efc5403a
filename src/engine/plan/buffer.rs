//! The buffers of a plan and their purposes.

use crate::graph::Flat;

/// The purpose of a buffer. There is one buffer per role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BufferRole {
    /// Parameters, stored contiguously.
    Parameters,
    /// Gradients, followed by accumulators; zeroed at the start of a step.
    Gradients,
    /// First moments of the optimiser.
    Moment1,
    /// Second moments of the optimiser.
    Moment2,
    /// Counters of the optimiser.
    State,
    /// Moving mean of the parameters.
    Average,
    /// Data that is uploaded once.
    Constants,
    /// Data of one micro-batch.
    Inputs,
    /// A page of the arena.
    Arena(usize),
    /// Uniform `Params` of every dispatch.
    DispatchUniforms,
    /// Uniform `Step`: one entry for prologue and epilogue, and one per micro-batch.
    StepUniforms,
    /// Mapped for uploads; two buffers, used alternately.
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
            Self::Average => "moving mean",
            Self::Constants => "constants",
            Self::Inputs => "inputs",
            Self::DispatchUniforms => "dispatch uniforms",
            Self::StepUniforms => "step uniforms",
            Self::ReadBack => "read-back",
        })
    }
}

impl BufferRole {
    /// Whether kernels bind it as a storage buffer.
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
            Flat::Average => Self::Average,
        }
    }
}

/// A buffer of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BufferSpec {
    /// Purpose.
    pub role: BufferRole,
    /// Size in bytes.
    pub bytes: u64,
}
