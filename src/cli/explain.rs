//! `jns explain`: what a login would get, and why, through the calls that a login makes.

mod text;
mod value;

use crate::cli::arguments::Explain;
use crate::cli::doctor::{Entry, Tree, line_of, source_of};
use crate::cli::outcome::{FAULT, Outcome};
use crate::cli::source::{as_json, files, unreadable};
use crate::cli::terminal::Screen;
use crate::error::{Error, Result};
use crate::login::{Login, Needs, Nss, Request, Unknown};
use crate::plan::Plan;
use crate::policy::{Diagnostics, Loaded, Policy, Selection, select};
use serde_json::{Value, json};

/// What stands in for a session's name, which is another one at each login.
const ANY_SESSION: &str = "SESSION";

/// A login, explained.
#[derive(Debug)]
struct Explanation<'p> {
    files: Vec<String>,
    line: Option<Entry>,
    loaded: &'p Loaded,
    login: Login,
    selection: Selection<'p>,
    plan: Result<Plan>,
}

/// Explains the login that the arguments describe.
pub fn run(arguments: Explain, screen: Screen) -> Outcome {
    let json = arguments.json;
    let host = Tree::host();
    let line = line_of(&host, &arguments.service);
    let source = match (&arguments.policy.config, &line) {
        (None, Some(entry)) => source_of(entry),
        _ => arguments.policy.source(),
    };
    let files = files(&source, &host);
    if let Some(file) = unreadable(&files, &host) {
        let reason = Error::new("read", file, "permission denied; ask as root");
        return failure(&reason, json);
    }
    let loaded = match Policy::load(&source) {
        Ok(loaded) => loaded,
        Err(diagnostics) => return refused_policy(&diagnostics, json),
    };
    let login = match gather(arguments) {
        Ok(login) => login,
        Err(reason) => return failure(&reason, json),
    };
    let explanation = Explanation {
        line,
        files,
        selection: select(&loaded.policy, &login),
        plan: Plan::new(&loaded.policy, &login, &Nss),
        loaded: &loaded,
        login,
    };
    outcome(&explanation, json, screen)
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
            session: ANY_SESSION.to_owned(),
            ..login
        }),
        Err(Unknown::User(reason) | Unknown::Fault(reason)) => Err(reason),
    }
}

fn outcome(explanation: &Explanation<'_>, json: bool, screen: Screen) -> Outcome {
    let admitted = explanation.plan.is_ok();
    if json {
        return Outcome::json(&value::of(explanation), admitted);
    }
    Outcome::report(text::of(explanation, screen), admitted)
}

fn failure(reason: &Error, json: bool) -> Outcome {
    if json {
        return Outcome::json(&json!({ "error": reason.to_string() }), false);
    }
    Outcome::failure(reason)
}

/// A policy with errors refuses every login.
fn refused_policy(diagnostics: &Diagnostics, json: bool) -> Outcome {
    const REASON: &str = "the policy has errors, and every login is refused";
    if json {
        let list: Vec<Value> = diagnostics.list.iter().map(as_json).collect();
        return Outcome::json(&json!({ "error": REASON, "diagnostics": list }), false);
    }
    let screen = Screen::for_errors();
    let shown: Vec<String> = diagnostics
        .list
        .iter()
        .map(|diagnostic| diagnostic.render(screen.colour).trim_end().to_owned() + "\n\n")
        .collect();
    Outcome {
        out: String::new(),
        err: format!("{}jns: {REASON}\n", shown.concat()),
        status: FAULT,
    }
}
