//! The reasons why nothing is run, and what is printed of them.

use super::text::UsageError;
use crate::cli::command::{FAILED, NotRun};
use crate::cli::outcome::Outcome;
use crate::cli::source::render;
use crate::cli::terminal::Screen;
use crate::error::Error;
use crate::policy::Diagnostics;

/// The reason why nothing is run.
#[derive(Debug)]
pub enum RunError {
    /// An option is wrong.
    UsageError(UsageError),
    /// The policy file has errors.
    Policy(Diagnostics),
    /// A failure that kept the command from running.
    NotRun(NotRun),
}

impl From<UsageError> for RunError {
    fn from(usage_error: UsageError) -> Self {
        Self::UsageError(usage_error)
    }
}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        Self::NotRun(error.into())
    }
}

impl From<NotRun> for RunError {
    fn from(not_run: NotRun) -> Self {
        Self::NotRun(not_run)
    }
}

impl RunError {
    /// Returns what is printed, and the exit status.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::UsageError(UsageError(text)) => Outcome {
                status: MISUSED,
                ..Outcome::failure(text)
            },
            Self::Policy(diagnostics) => Outcome {
                status: FAILED,
                out: String::new(),
                err: render(diagnostics, Screen::for_errors()),
            },
            Self::NotRun(not_run) => not_run.outcome(),
        }
    }
}

/// The exit status of a command line that is wrong.
const MISUSED: u8 = 2;
