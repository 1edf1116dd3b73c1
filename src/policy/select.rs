//! The rules that apply to a login, and the reasons why the others do not.

use super::fields::shortened;
use super::load::Policy;
use super::pattern::{Glob, Host};
use super::principal;
use super::rule::{Kind, Rule, Selectors};
use crate::error::{Error, Location};
use crate::login::Login;
use crate::path::AbsPath;
use std::collections::BTreeMap;

/// Every rule of a policy, judged for one login.
#[derive(Debug, Clone)]
pub struct Selection<'p> {
    /// The reason why the login gets the host's own view, whatever the rules say.
    pub exemption: Option<Exemption>,
    /// Each rule and its decision, in the order of the policy. For an exempt login these are the decisions
    /// that it would have had.
    pub rulings: Vec<Ruling<'p>>,
}

/// The principal of `exempt` that a login matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// The principal, as written.
    pub principal: String,
    /// The location of the principal.
    pub location: Location,
}

/// A rule and what becomes of it.
#[derive(Debug, Clone)]
pub struct Ruling<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// The decision about the rule.
    pub decision: Decision,
    /// The rule's path with its templates expanded, when the rule matches and has one.
    pub path: Option<AbsPath>,
}

/// The decision about a rule at a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The rule matches, and its effect is part of the plan.
    Applies,
    /// A selector does not match.
    NoMatch {
        /// The selector's key: `users`, `except`, `services`, `except_services`, `ttys` or `rhosts`.
        selector: &'static str,
        /// The reason, such as "the service is sshd".
        reason: String,
    },
    /// The rule matches, and a later rule with the same path wins.
    LostTo(Location),
    /// The rule matches, and its path cannot be made for this login: the login is refused.
    Fails(Error),
}

/// Judges every rule of `policy` for `login`.
#[must_use]
pub fn select<'p>(policy: &'p Policy, login: &Login) -> Selection<'p> {
    let exempt = principal::find(&policy.settings.exempt, login);
    let mut rulings: Vec<Ruling<'p>> = policy.rules.iter().map(|rule| judge(rule, login)).collect();
    let mut winners: BTreeMap<_, &Rule> = BTreeMap::new();
    for ruling in rulings.iter_mut().rev() {
        let Some(path) = ruling.path.clone() else {
            continue;
        };
        let is_root = matches!(ruling.rule.kind, Kind::Root(_));
        let winner = winners.entry((is_root, path)).or_insert(ruling.rule);
        if !std::ptr::eq(*winner, ruling.rule) {
            ruling.decision = Decision::LostTo(winner.location.clone());
        }
    }
    Selection {
        exemption: exempt.map(|listed| Exemption {
            principal: listed.principal.to_string(),
            location: listed.location.clone(),
        }),
        rulings,
    }
}

impl<'p> Selection<'p> {
    /// The rulings that shape the plan: of rules that apply, and of those that refuse the login.
    pub fn effective(&self) -> impl Iterator<Item = &Ruling<'p>> {
        let exempt = self.exemption.is_some();
        self.rulings.iter().filter(move |ruling| {
            !exempt && matches!(ruling.decision, Decision::Applies | Decision::Fails(_))
        })
    }
}

fn judge<'p>(rule: &'p Rule, login: &Login) -> Ruling<'p> {
    let mut ruling = Ruling {
        rule,
        decision: Decision::Applies,
        path: None,
    };
    if let Err((selector, reason)) = rule.selectors.judge(login) {
        ruling.decision = Decision::NoMatch { selector, reason };
    } else if let Some(template) = rule.kind.path() {
        match template.expand(login) {
            Ok(path) => ruling.path = Some(path),
            Err(reason) => {
                let error =
                    Error::new("use the path", template, reason).at_key(&rule.location, "path");
                ruling.decision = Decision::Fails(error);
            }
        }
    }
    ruling
}

impl Selectors {
    /// The selector that does not match, and why.
    fn judge(&self, login: &Login) -> Result<(), (&'static str, String)> {
        self.judge_user(login)?;
        self.judge_service(&login.service)?;
        if let Some(ttys) = &self.ttys {
            judge_item("ttys", "terminal", login.tty.as_deref(), |tty| {
                is_tty(ttys, tty)
            })?;
        }
        if let Some(rhosts) = &self.rhosts {
            let matches = |rhost: &str| rhosts.iter().any(|host: &Host| host.matches(rhost));
            judge_item("rhosts", "remote host", login.rhost.as_deref(), matches)?;
        }
        Ok(())
    }

    /// Whether `services`, if it stands, has the service, and `except_services` has not.
    #[must_use]
    pub(crate) fn are_for_service(&self, service: &str) -> bool {
        self.judge_service(service).is_ok()
    }

    fn judge_service(&self, service: &str) -> Result<(), (&'static str, String)> {
        let matches = |glob: &&Glob| glob.matches(service);
        if let Some(glob) = self.except_services.iter().find(matches) {
            return Err(("except_services", format!("it names {glob}")));
        }
        match &self.services {
            Some(globs) if !globs.iter().any(|glob| matches(&glob)) => {
                Err(("services", format!("the service is {}", shortened(service))))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn judge_user(&self, login: &Login) -> Result<(), (&'static str, String)> {
        if let Some(listed) = principal::find(&self.except, login) {
            return Err(("except", format!("it names {}", listed.principal)));
        }
        match &self.users {
            Some(users) if principal::find(users, login).is_none() => Err((
                "users",
                format!("it does not name {}", shortened(&login.user)),
            )),
            _ => Ok(()),
        }
    }
}

fn judge_item(
    selector: &'static str,
    noun: &str,
    item: Option<&str>,
    matches: impl Fn(&str) -> bool,
) -> Result<(), (&'static str, String)> {
    match item.filter(|item| !item.is_empty()) {
        None => Err((selector, format!("there is no {noun}"))),
        Some(item) if matches(item) => Ok(()),
        Some(item) => Err((selector, format!("the {noun} is {}", shortened(item)))),
    }
}

/// Whether a pattern matches `tty`, which some services give with `/dev/` and some without.
fn is_tty(patterns: &[Glob], tty: &str) -> bool {
    let short = tty.strip_prefix("/dev/").unwrap_or(tty);
    patterns
        .iter()
        .any(|glob| glob.matches(tty) || glob.matches(short))
}
