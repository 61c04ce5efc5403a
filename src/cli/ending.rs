//! The outcome of a command and its exit status.

use std::process::ExitCode;

/// How a command ended, other than with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Negative,
    /// The comparison has no valid result.
    Void,
    Interrupted,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::Negative => Self::from(1),
            Ending::Void => Self::from(2),
            Ending::Interrupted => Self::from(130),
        }
    }
}
