//! `jns explain`: what a login would get, and why, through the calls that a login makes.

mod explanation;
mod text;
mod value;

use crate::apply::{check_beliefs, read_fstab};
use crate::cli::arguments::Explain;
use crate::cli::host::Tree;
use crate::cli::host::module_line::{line_of, source_of};
use crate::cli::outcome::{FAULT, Outcome};
use crate::cli::source::{diagnostic_as_json, files, render, unreadable};
use crate::cli::terminal::Screen;
use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::walk::Trust;
use crate::login::{Login, Needs, Nss, Request, SessionId, Unknown};
use crate::plan::Plan;
use crate::policy::{Diagnostics, Policy, select};
use explanation::{Explanation, Inputs};
use serde_json::{Value, json};

/// The reason why there is nothing to explain.
#[derive(Debug)]
enum Refusal {
    /// The policy has errors.
    Policy(Diagnostics),
    /// The policy cannot be read by this user, or the login's facts cannot be had.
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Explains the login that the arguments describe.
pub fn run(arguments: Explain, screen: Screen) -> Outcome {
    match arguments.json {
        true => as_json(meet(arguments)),
        false => as_text(meet(arguments), screen),
    }
}

fn meet(arguments: Explain) -> Result<Inputs, Refusal> {
    let host = Tree::host();
    let line = line_of(&host, &arguments.service);
    let source = match (&arguments.policy.config, &line) {
        (None, Some(entry)) => source_of(entry),
        _ => arguments.policy.source(),
    };
    let files = files(&source, &host);
    if let Some(file) = unreadable(&files, &host) {
        return Err(Error::new("read", file, "permission denied; ask as root").into());
    }
    Ok(Inputs {
        line,
        files,
        loaded: Policy::load(&source).map_err(Refusal::Policy)?,
        login: gather(arguments)?,
    })
}

fn explain(inputs: &Inputs) -> Explanation<'_> {
    let policy = &inputs.loaded.policy;
    Explanation {
        inputs,
        selection: select(policy, &inputs.login),
        plan: planned(policy, &inputs.login),
    }
}

fn planned(policy: &Policy, login: &Login) -> Result<Plan> {
    let mut plan = Plan::new(policy, login, &Nss)?;
    read_fstab(&mut plan, Trust::Root, &Deadline::none())?;
    if plan.root.is_none() {
        check_beliefs(&plan, login.uid)?;
    }
    Ok(plan)
}

/// The facts of a login. More of them than a login asks for, where the policy does not care.
fn gather(arguments: Explain) -> Result<Login> {
    let request = Request {
        user: arguments.user,
        service: arguments.service,
        tty: arguments.tty,
        rhost: arguments.rhost,
    };
    let all = Needs {
        groups: true,
        group_name: true,
    };
    match Login::gather(request, all) {
        Ok(login) => Ok(Login {
            session: SessionId::placeholder(),
            ..login
        }),
        Err(Unknown::User(reason) | Unknown::Fault(reason)) => Err(reason),
    }
}

/// The answer for a login whose policy has errors.
const REFUSED: &str = "the policy has errors, and every login but root's is refused";

fn as_json(met: Result<Inputs, Refusal>) -> Outcome {
    match met {
        Ok(inputs) => {
            let explanation = explain(&inputs);
            Outcome::json(&value::Document::from(&explanation))
                .failing_if(explanation.plan.is_err())
        }
        Err(Refusal::Policy(diagnostics)) => {
            let list: Vec<Value> = diagnostics.list.iter().map(diagnostic_as_json).collect();
            Outcome::json(&json!({ "error": REFUSED, "diagnostics": list })).failing_if(true)
        }
        Err(Refusal::Other(reason)) => Outcome::json_failure(reason),
    }
}

fn as_text(met: Result<Inputs, Refusal>, screen: Screen) -> Outcome {
    match met {
        Ok(inputs) => {
            let explanation = explain(&inputs);
            Outcome::report(text::of(&explanation, screen)).failing_if(explanation.plan.is_err())
        }
        Err(Refusal::Policy(diagnostics)) => {
            let shown = render(&diagnostics, Screen::for_errors());
            Outcome {
                out: String::new(),
                err: format!("{shown}jns: {REFUSED}\n"),
                status: FAULT,
            }
        }
        Err(Refusal::Other(reason)) => Outcome::failure(reason),
    }
}
