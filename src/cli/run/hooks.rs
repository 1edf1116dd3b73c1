//! The programs of a policy's `[[hook]]` rules, run when a command begins and when it has ended.

use super::prepared::Prepared;
use super::subject::subject;
use crate::cli::outcome::say;
use crate::error::harmless;
use crate::error::{Error, Result};
use crate::kernel::process::helper::Purpose;
use crate::plan::When;

/// Runs those for that moment, in the command's namespaces.
///
/// # Errors
///
/// One of them failed whose failure is not only logged.
pub fn run(prepared: &Prepared, when: When) -> Result<()> {
    let mut hooks = prepared.plan.hooks.iter().filter(|hook| hook.when == when);
    let subject = subject(prepared, None)?;
    hooks.try_for_each(|hook| {
        let ran = subject
            .helper(&hook.helper, Purpose::Hook, &[])
            .run(b"")
            .map_err(|error| error.at_key(&hook.location, "run"));
        hook.on_failure.deny_or_warn(ran, print_error)
    })
}

/// Says what went wrong without consequences.
pub fn print_error(error: &Error) {
    say(&format!("jns: {}\n", harmless(&error.to_string())));
}
