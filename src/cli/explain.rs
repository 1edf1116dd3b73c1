//! `jns explain`: what a login would get, and why, through the calls that a login makes.

mod accounts;
mod every;
mod explanation;
mod text;
mod value;

use crate::cli::arguments::Explain;
use crate::cli::asked::refusal::Refusal;
use crate::cli::asked::{Inputs, gather, policy_of};
use crate::cli::outcome::Outcome;
use crate::cli::terminal::Screen;
use crate::error::Result;
use crate::login::is_effective_root;
use crate::session::origin::return_to_origin;
use explanation::Explanation;

/// Explains the login that the arguments describe, or those of every account.
pub fn run(arguments: Explain, screen: Screen) -> Outcome {
    let is_json = arguments.json;
    // Called in a session, root's question is about logins, which begin where that came from.
    let home = match is_effective_root() {
        true => return_to_origin(None, None),
        false => Ok(None),
    };
    let _home = match home {
        Err(error) if is_json => return Outcome::json_failure(error),
        Err(error) => return Outcome::failure(error),
        Ok(home) => home,
    };
    match (arguments.user.clone(), is_json) {
        (Some(user), true) => as_json(meet(arguments, user)),
        (Some(user), false) => as_text(meet(arguments, user), screen),
        (None, _) => every::run(arguments, screen),
    }
}

fn meet(arguments: Explain, user: String) -> Result<Inputs, Refusal> {
    let met = policy_of(&arguments.login)?;
    let login = gather(&arguments.login, user)?;
    Ok(met.with(login))
}

fn as_json(met: Result<Inputs, Refusal>) -> Outcome {
    match met {
        Ok(inputs) => {
            let explanation = Explanation::of(&inputs);
            let is_refused = explanation.refusal().is_some();
            Outcome::json(&value::Document::from(&explanation)).failing_if(is_refused)
        }
        Err(refusal) => refusal.into_json(),
    }
}

fn as_text(met: Result<Inputs, Refusal>, screen: Screen) -> Outcome {
    match met {
        Ok(inputs) => {
            let explanation = Explanation::of(&inputs);
            let is_refused = explanation.refusal().is_some();
            Outcome::report(text::of(&explanation, screen)).failing_if(is_refused)
        }
        Err(refusal) => refusal.into_text(),
    }
}
