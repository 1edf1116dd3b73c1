//! Which rules apply to a login, and why the others do not.

use super::{Policy, Rule};
use crate::error::{Error, Origin};
use crate::login::Login;
use crate::policy::value::AbsPath;

/// Every rule of a policy, judged for one login.
#[derive(Debug, Clone)]
pub struct Selection<'p> {
    /// Why the login gets the host's own view, whatever the rules say.
    pub exemption: Option<Exemption>,
    /// Each rule and its verdict, in the order of the policy. For an exempt login these are the verdicts
    /// that it would have had.
    pub rulings: Vec<Ruling<'p>>,
}

/// The principal of `exempt` that a login matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// The principal, as written.
    pub principal: String,
    /// Where it stands.
    pub origin: Origin,
}

/// A rule and what becomes of it.
#[derive(Debug, Clone)]
pub struct Ruling<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// What becomes of it.
    pub verdict: Verdict,
    /// The rule's path with its templates expanded, when the rule matches and has one.
    pub path: Option<AbsPath>,
}

/// What becomes of a rule at a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It matches, and its effect is part of the plan.
    Applies,
    /// A selector does not match.
    NoMatch {
        /// The selector's key: `users`, `except`, `services`, `ttys` or `rhosts`.
        selector: &'static str,
        /// Why, such as "service is sshd".
        reason: String,
    },
    /// It matches, and a later rule with the same path wins.
    LostTo(Origin),
    /// It matches, and its path cannot be made for this login: the login is refused.
    Fails(Error),
}

/// Judges every rule of `policy` for `login`.
#[must_use]
pub fn select<'p>(policy: &'p Policy, login: &Login) -> Selection<'p> {
    let _ = (policy, login);
    todo!()
}
