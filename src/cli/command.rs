//! The command that `jns run` and `jns enter` become: why it does not come to run, and with which status they end then.

use crate::cli::outcome::{Outcome, reason};
use crate::error::Error;
use crate::kernel::process::credentials::{self, Program};
use std::path::Path;

/// The name of a command of `jns run` where a login has its PAM service.
pub const SERVICE: &str = "jns";

/// The exit status when the command was not run because of `jns` itself, as of env(1) and timeout(1).
pub const FAILED: u8 = 125;
/// The exit status when the command is there but cannot be run, as of a shell.
const NOT_EXECUTABLE: u8 = 126;
/// The exit status when there is no such command, as of a shell.
const NOT_FOUND: u8 = 127;

/// The reason why the command does not run.
#[derive(Debug)]
pub struct NotRun {
    /// The exit status.
    pub status: u8,
    /// The failure that is printed.
    pub error: Error,
}

impl From<Error> for NotRun {
    fn from(error: Error) -> Self {
        Self {
            status: FAILED,
            error,
        }
    }
}

impl NotRun {
    /// Returns what the verb ends with.
    pub fn outcome(&self) -> Outcome {
        Outcome {
            status: self.status,
            ..Outcome::failure(&self.error)
        }
    }
}

/// Becomes the program; comes back only when that fails.
pub fn execute(program: &Program) -> NotRun {
    let error = credentials::to_program(program);
    let status = match error.kind() == std::io::ErrorKind::NotFound {
        true => NOT_FOUND,
        false => NOT_EXECUTABLE,
    };
    let mut reason = reason(&error);
    if status == NOT_FOUND && Path::new(&program.path).is_absolute() && is_there(program) {
        reason.push_str("; the file is there, what it is run by is not: its interpreter, or ld.so");
    }
    let name = program.path.to_string_lossy();
    NotRun {
        status,
        error: Error::new("run", name, reason),
    }
}

fn is_there(program: &Program) -> bool {
    std::fs::metadata(&program.path).is_ok()
}
