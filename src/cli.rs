//! The `jns` command.

use std::process::ExitCode;

/// Runs the command.
pub fn main() -> ExitCode {
    todo!()
}
