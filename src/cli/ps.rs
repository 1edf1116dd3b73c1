//! `jns ps`: users, their namespaces, and the sessions in each.

mod census;
mod space;
mod stale;
mod text;
mod value;

use crate::cli::arguments::Ps;
use crate::cli::outcome::{FAULT, Outcome};
use crate::cli::terminal::{Screen, harmless};
use crate::error::{Error, Result};
use crate::login::{Accounts, Nss, is_effective_root};
use crate::session::origin;
use census::{Census, Whose};
use serde_json::json;

/// Lists what the arguments ask for.
pub fn run(arguments: &Ps, screen: Screen) -> Outcome {
    match take(arguments) {
        Ok(census) => outcome(&census, arguments.json, screen),
        Err(error) if arguments.json => {
            Outcome::json(&json!({ "error": error.to_string() }), false)
        }
        Err(error) => Outcome::failure(error),
    }
}

fn take(arguments: &Ps) -> Result<Census> {
    if !is_effective_root() {
        let reason = "only root can see who is in which namespace";
        return Err(Error::new("list", "sessions", reason));
    }
    let user = arguments.user.as_deref();
    let whose = Whose(user.map(|user| (user, Nss.uid(user))));
    // From inside a session, pins are not to be seen.
    let _home = origin::return_to_origin()?;
    let mut census = census::take(whose)?;
    if let Some((user, None)) = whose.0
        && census.users.is_empty()
    {
        return Err(Error::new(
            "find",
            format_args!("user {user}"),
            "no such account",
        ));
    }
    if arguments.space {
        space::count(&mut census);
    }
    Ok(census)
}

fn outcome(census: &Census, json: bool, screen: Screen) -> Outcome {
    let clean = census.faults.is_empty();
    if json {
        return Outcome::json(&value::of(census), clean);
    }
    let faults = census.faults.iter();
    Outcome {
        out: text::of(census, screen),
        err: faults
            .map(|fault| format!("jns: {}\n", harmless(fault)))
            .collect(),
        status: if clean { 0 } else { FAULT },
    }
}
