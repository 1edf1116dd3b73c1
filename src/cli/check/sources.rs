//! The sources of binds, as far as they are the same for every login: on this machine one may be everybody's to write.

use crate::kernel::fs::directory::Writer;
use crate::kernel::fs::walk::{Place as Opened, is_writable_by, open_plainly};
use crate::login::Accounts;
use crate::policy::believed::{REASON, is_believed};
use crate::policy::principal::{Listed, Principal};
use crate::policy::rule::Bind;
use crate::policy::{Diagnostic, Diagnostics, Kind, Place, Policy, Rule, Selectors, Severity};

/// Adds an error for each that somebody else than root may write, over what root believes, where that refuses a login.
pub(super) fn check(
    policy: &Policy,
    found: &mut Diagnostics,
    text: &dyn Fn(&str) -> Option<String>,
    accounts: &dyn Accounts,
) {
    for rule in &policy.rules {
        let Some(place) = source_over_believed(rule) else {
            continue;
        };
        let is_for = |uid| is_for(policy, rule, uid, accounts);
        if let Some(writer) = writer_of(&place, is_for) {
            found
                .list
                .push(diagnostic(rule, &writer, &place.path, text));
        }
    }
}

/// The source of a bind over what root believes, where it is the same for every login.
fn source_over_believed(rule: &Rule) -> Option<Opened> {
    let Kind::Bind(Bind { source, path, .. }) = &rule.kind else {
        return None;
    };
    let source = source.literal().filter(|_| is_believed(&path.sample()))?;
    open_plainly(source.as_str()).ok()
}

/// Finds who may write a source besides root: anybody, who has a login like everybody, or its owner, whose own login
/// is refused, and root's.
fn writer_of(source: &Opened, is_for: impl Fn(u32) -> bool) -> Option<String> {
    let mut of_root = source.status;
    let owner = std::mem::replace(&mut of_root.st_uid, 0);
    if of_root.st_mode & 0o002 != 0 {
        return Some("everybody".to_owned());
    }
    if is_writable_by(Writer::Others, source, &of_root) {
        return Some(Writer::Others.to_string());
    }
    (owner != 0 && (is_for(owner) || is_for(0))).then(|| format!("uid {owner}"))
}

/// Whether a rule is for logins of a user, as far as that is certain: the members of a group are not looked up.
fn is_for(policy: &Policy, rule: &Rule, uid: u32, accounts: &dyn Accounts) -> bool {
    let names = |list: &[Listed], has_group: bool| {
        let mut principals = list.iter().map(|listed| &listed.principal);
        principals.any(|principal| match principal {
            Principal::Everyone => true,
            Principal::User(name) => accounts.uid(name) == Some(uid),
            Principal::Group(_) => has_group,
            Principal::Uids(first, last) => (*first..=*last).contains(&uid),
        })
    };
    let Selectors { users, except, .. } = &rule.selectors;
    let is_excepted = names(&policy.settings.exempt, true) || names(except, true);
    !is_excepted && users.as_ref().is_none_or(|users| names(users, false))
}

fn diagnostic(
    rule: &Rule,
    writer: &str,
    source: &str,
    text: &dyn Fn(&str) -> Option<String>,
) -> Diagnostic {
    let line = rule.location.line;
    let place = text(&rule.location.file).map(|text| {
        let text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        Place::in_line(line, text, 1, text.chars().count().max(1))
    });
    let path = rule
        .kind
        .path()
        .map(ToString::to_string)
        .unwrap_or_default();
    Diagnostic {
        severity: Severity::Error,
        file: rule.location.file.clone(),
        place,
        message: format!("{writer} may write to {source}, and at {path} {REASON}"),
        help: Some(
            "logins to which it applies are refused, but for root's: that has the host's view"
                .to_owned(),
        ),
    }
}
