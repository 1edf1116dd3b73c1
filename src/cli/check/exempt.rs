//! A list of those who get the host's view that leaves out root.

use super::subject::{Said, Subject};
use crate::policy::principal::{Listed, Principal};
use crate::policy::{Diagnostic, Diagnostics, Rule};

/// Adds a warning where root's logins get a view, unless the language itself has warned of that.
pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    let policy = subject.policy;
    if names_root(&policy.settings.exempt) || !policy.rules.iter().any(is_for_root) {
        return;
    }
    let written = policy.settings.exempt.first();
    let location = written.map(|listed| listed.location.clone());
    let Some(location) = location.or_else(|| subject.find_setting("exempt")) else {
        return;
    };
    let is_said = |warning: &Diagnostic| {
        let message = &warning.message;
        warning.file == location.file && message.starts_with("`exempt`") && message.contains("root")
    };
    if !found.list.iter().any(is_said) {
        let said = Said {
            message: "this leaves out root, whose logins get what the rules say".to_owned(),
            help: Some("`exempt = [\"root\", …]` leaves root the host's view".to_owned()),
        };
        found.list.push(subject.warning_at(&location, "", said));
    }
}

fn is_for_root(rule: &Rule) -> bool {
    let users = rule.selectors.users.as_ref();
    !names_root(&rule.selectors.except) && users.is_none_or(|users| names_root(users))
}

/// Whether root is among them, who is the user and the group of that name and has the id 0.
fn names_root(list: &[Listed]) -> bool {
    list.iter().any(|listed| match &listed.principal {
        Principal::Everyone => true,
        Principal::User(name) | Principal::Group(name) => name == "root",
        Principal::Uids(first, _) => *first == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::subject::found;

    #[test]
    fn a_list_without_root_is_said() {
        let rule = "[[private]]\npath = \"/tmp\"\n";
        let of_alice = "[[private]]\npath = \"/tmp\"\nusers = [\"alice\"]\n";
        let not_of_root = "[[private]]\npath = \"/tmp\"\nexcept = [\"root\"]\n";
        for (settings, rule, is_found) in [
            ("", rule, false),
            ("exempt = [\"root\"]", rule, false),
            ("exempt = [\"uid:0-999\"]", rule, false),
            ("exempt = [\"@root\"]", rule, false),
            ("exempt = [\"*\"]", rule, false),
            ("exempt = [\"uid:1-999\"]", rule, true),
            ("exempt = [\"backup\"]", rule, true),
            ("exempt = []", rule, true),
            ("exempt = []", of_alice, false),
            ("exempt = []", not_of_root, false),
        ] {
            let said = found(
                &format!("[settings]\n{settings}\n{rule}"),
                &[],
                super::check,
            );
            let expected = "p:2:1: warning: this leaves out root, whose logins get what the rules say; \
                            `exempt = [\"root\", …]` leaves root the host's view";
            let expected = is_found.then_some(expected);
            assert_eq!(said, Vec::from_iter(expected), "{settings} {rule}");
        }
    }
}
