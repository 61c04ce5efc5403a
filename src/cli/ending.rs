//! How commands end, and the exit status that says so.

use std::process::ExitCode;

/// How a command ended, if not in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Negative,
    /// The question has no answer.
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
