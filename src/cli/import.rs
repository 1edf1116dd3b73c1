//! `jns import`: the policy that another program's configuration amounts to. It reads, and prints.

mod fstab;
mod imported;
mod input;
mod jailkit;
mod pam_mount;
mod pam_namespace;
mod pam_tmpdir;
mod policy;
mod remark;
mod slurm;
mod tmpfs;

use crate::cli::arguments::{Import, ImportInvocation};
use crate::cli::outcome::Outcome;
use crate::cli::terminal::{Screen, count};
use crate::error::harmless;
use crate::error::{Error, Result};
use crate::policy::source::LIMIT;
use imported::Imported;
use remark::Remark;
use serde_json::json;

/// The exit status for what cannot be read as a configuration.
const BAD_INPUT: u8 = 2;

/// Imports what the arguments name.
pub fn run(import: &Import) -> Outcome {
    let screen = Screen::for_errors();
    match import {
        Import::PamNamespace(arguments) => {
            deliver(pam_namespace::run(arguments), &arguments.invocation, screen)
        }
        Import::PamTmpdir(arguments) => {
            deliver(pam_tmpdir::run(arguments), &arguments.invocation, screen)
        }
        Import::PamMount(arguments) => {
            deliver(pam_mount::run(arguments), &arguments.invocation, screen)
        }
        Import::Slurm(arguments) => deliver(slurm::run(arguments), &arguments.invocation, screen),
        Import::Jailkit(arguments) => {
            deliver(jailkit::run(arguments), &arguments.invocation, screen)
        }
        Import::Fstab(arguments) => deliver(fstab::run(arguments), &arguments.invocation, screen),
    }
}

/// The policy that a namespace.conf(5) amounts to, as text, with the directories and the SELinux of this system.
///
/// # Errors
///
/// `bytes` are no text of bearable size, or the policy would be larger than one may be.
pub fn policy_of_namespace_conf(bytes: &[u8]) -> Result<String> {
    let imported = pam_namespace::of_bytes(bytes).and_then(readable)?;
    Ok(imported.policy.to_string())
}

fn deliver(imported: Result<Imported>, invocation: &ImportInvocation, screen: Screen) -> Outcome {
    match imported.and_then(readable) {
        Ok(imported) if invocation.json => as_json(&imported, invocation),
        Ok(imported) => as_text(&imported, invocation, screen),
        Err(error) if invocation.json => Outcome {
            status: BAD_INPUT,
            ..Outcome::json_failure(error)
        },
        Err(error) => Outcome {
            status: BAD_INPUT,
            ..Outcome::failure(harmless(&error.to_string()))
        },
    }
}

/// Refuses a policy that is larger than one may be.
fn readable(imported: Imported) -> Result<Imported> {
    match imported.policy.to_string().len() {
        size if size <= LIMIT => Ok(imported),
        size => Err(Error::new(
            "write",
            "the policy",
            format!("it would have {size} bytes, and may have {LIMIT}"),
        )),
    }
}

fn as_json(imported: &Imported, invocation: &ImportInvocation) -> Outcome {
    let policy = imported.policy_for(invocation);
    let ok = policy.is_some() && imported.lines_left_public() == 0 && imported.lines_lost() == 0;
    let document = json!({
        "ok": ok,
        "policy": policy,
        "rules": imported.policy.rules.len(),
        "remarks": imported.remarks.iter().map(Remark::as_json).collect::<Vec<_>>(),
    });
    Outcome::json(&document).failing_if(!ok)
}

fn as_text(imported: &Imported, invocation: &ImportInvocation, screen: Screen) -> Outcome {
    let policy = imported.policy_for(invocation);
    let remarks = imported.remarks.iter();
    let mut err: String = remarks.map(|remark| remark.render(screen) + "\n").collect();
    if policy.is_none() {
        let number = count(imported.remarks.len(), "remark");
        err.push_str(&format!(
            "jns: no policy was written: --strict, and {number}\n"
        ));
    }
    let is_refused = policy.is_none();
    let lacks = [
        (
            imported.lines_left_public(),
            "leaves public what was private or covered",
        ),
        (imported.lines_lost(), "lacks what users or programs had"),
    ];
    let lacks = lacks
        .iter()
        .filter(|(number, _)| *number > 0 && !is_refused);
    let said: Vec<String> = lacks
        .map(|(number, what)| format!("jns: the policy {what}: {}\n", count(*number, "line")))
        .collect();
    err.push_str(&said.concat());
    let outcome = Outcome {
        err,
        ..Outcome::report(policy.unwrap_or_default())
    };
    outcome.failing_if(is_refused || !said.is_empty())
}
