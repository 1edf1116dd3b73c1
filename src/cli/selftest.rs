//! `jns selftest`: a session is opened as a login opens one, and looked at: does it show what the policy promises?
//!
//! A copy of this process opens it by PAM, with the stack of the service, so that nothing that a module does stays with
//! this one. What is seen in it, another copy sees with the rights of the user.

mod check;
mod copy;
mod host;
mod inside;
mod user;

use crate::cli::arguments::Selftest;
use crate::cli::asked::refusal::Refusal;
use crate::cli::asked::trial::Tried;
use crate::cli::asked::{Inputs, gather, planned, policy_of};
use crate::cli::host::Tree;
use crate::cli::host::module_line::line_of;
use crate::cli::outcome::Outcome;
use crate::cli::terminal::{Screen, Tone, count};
use crate::error::{Error, Result, harmless};
use crate::login::is_effective_root;
use crate::session::origin::return_to_origin;
use check::Check;
use copy::in_copy;
use host::Host;
use inside::Expected;
use serde::Serialize;

/// The services by which root's commands are run in a session.
const COMMANDS: [&str; 4] = ["su", "su-l", "sudo", "sudo-i"];

#[derive(Serialize)]
struct Document<'c> {
    ok: bool,
    checks: &'c [Check],
}

/// Opens a session of the user's, and reports what it shows.
pub fn run(arguments: &Selftest, screen: Screen) -> Outcome {
    let checks = match checks(arguments) {
        Ok(checks) => checks,
        Err(refusal) if arguments.json => return refusal.into_json(),
        Err(refusal) => return refusal.into_text(),
    };
    let is_wrong = checks.iter().any(|check| check.failure.is_some());
    let report = match arguments.json {
        true => Outcome::json(&Document {
            ok: !is_wrong,
            checks: &checks,
        }),
        false => Outcome::report(text(&checks, screen)),
    };
    report.failing_if(is_wrong)
}

fn checks(arguments: &Selftest) -> Result<Vec<Check>, Refusal> {
    if !is_effective_root() {
        return Err(Error::new("open", "a session", "only root can").into());
    }
    // Sessions begin where that of who asks came from.
    let _home = return_to_origin(None, None)?;
    let login = gather(&arguments.login, arguments.user.clone())?;
    let inputs = policy_of(&arguments.login)?.with(login);
    if inputs.line.is_none() {
        let reason = format!("no session line of {} has pam_jns", arguments.login.service);
        return Err(Error::new("test", "the session", reason).into());
    }
    Ok(sessions(&inputs)?)
}

/// Opens the session in a copy of this process, and looks at the host before and after.
fn sessions(inputs: &Inputs) -> Result<Vec<Check>> {
    let (policy, login) = (&inputs.loaded.policy, &inputs.login);
    let plan = planned(policy, login);
    let tried = Tried::of(&plan, login, policy);
    let plan = &plan?;
    let host = Tree::host();
    let called = COMMANDS
        .iter()
        .filter(|service| line_of(&host, service).is_some());
    let commands: Vec<(&str, bool)> = called
        .map(|service| (*service, policy.settings.inherits(service)))
        .collect();
    let before = Host::look(plan)?;
    let expected = Expected {
        login,
        plan,
        tried: &tried,
        host: &before,
        is_root_exempt: host::is_root_exempt(policy)?,
        commands: &commands,
    };
    let mut checks = in_copy(|| expected.check())?;
    checks.extend(before.compare(&Host::look(plan)?));
    Ok(checks)
}

fn text(checks: &[Check], screen: Screen) -> String {
    let line = |check: &Check| {
        let promise = harmless(&check.promise);
        match &check.failure {
            None => format!("{}      {promise}\n", screen.paint(Tone::Good, "ok")),
            Some(found) => {
                let failed = screen.paint(Tone::Bad, "FAILED");
                format!("{failed}  {promise}: {}\n", harmless(found))
            }
        }
    };
    let failed = checks.iter().filter(|check| check.failure.is_some());
    let lines: String = checks.iter().map(line).collect();
    format!(
        "{lines}{}, {} failed\n",
        count(checks.len(), "promise"),
        failed.count()
    )
}
