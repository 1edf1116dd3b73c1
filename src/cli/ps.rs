//! `jns ps`: users, their namespaces, and the sessions in each.

mod census;
mod space;
mod stale;
mod text;
mod value;

use crate::cli::arguments::Ps;
use crate::cli::outcome::Outcome;
use crate::cli::terminal::Screen;
use crate::error::harmless;
use crate::error::{Error, Result};
use crate::login::{Accounts, Nss, is_effective_root};
use crate::session::origin;
use census::{Census, Whose};

/// Lists what the arguments ask for.
pub fn run(arguments: &Ps, screen: Screen) -> Outcome {
    match (take(arguments), arguments.json) {
        (Ok(census), true) => Outcome::json(&census).failing_if(!census.faults.is_empty()),
        (Ok(census), false) => as_text(&census, screen),
        (Err(error), true) => Outcome::json_failure(error),
        (Err(error), false) => Outcome::failure(error),
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
    let _home = origin::return_to_origin(None, None)?;
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

fn as_text(census: &Census, screen: Screen) -> Outcome {
    let faults = census.faults.iter();
    let outcome = Outcome {
        err: faults
            .map(|fault| format!("jns: {}\n", harmless(fault)))
            .collect(),
        ..Outcome::report(text::of(census, screen))
    };
    outcome.failing_if(!census.faults.is_empty())
}
