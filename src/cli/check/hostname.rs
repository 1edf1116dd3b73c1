//! Host names that are made of names which not every account has in such a form.

use super::subject::{Said, Subject};
use crate::policy::principal::Principal;
use crate::policy::rule::Isolate;
use crate::policy::template::{Fact, HostnameTemplate};
use crate::policy::{Diagnostics, Kind, Rule};

/// What a login takes as a host name.
const FITTING: &str = "1 to 64 letters, digits, `-`, `.` and `_`";

/// Adds a warning for each that refuses some users.
pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    for rule in &subject.policy.rules {
        let Kind::Isolate(Isolate {
            hostname: Some(name),
            ..
        }) = &rule.kind
        else {
            continue;
        };
        if let Some(said) = said_of(name, rule) {
            found.list.push(subject.warning(rule, "hostname", said));
        }
    }
}

fn said_of(name: &HostnameTemplate, rule: &Rule) -> Option<Said> {
    let (fact, noun, example, number) = if name.mentions(&[Fact::User]) && !are_plain(rule) {
        ("user", "user", "user@example.org", "uid")
    } else if name.mentions(&[Fact::Group]) {
        ("group", "member of a group", "domain users", "gid")
    } else {
        return None;
    };
    Some(Said {
        message: format!(
            "a login of a {noun} such as `{example}` is refused: a host name is {FITTING}"
        ),
        help: Some(format!("write `{{{number}}}` for `{{{fact}}}`")),
    })
}

/// Whether the rule is for users alone whose names have no other characters than a host name.
fn are_plain(rule: &Rule) -> bool {
    let is_plain = |name: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        name.len() <= 32 && name.chars().all(good)
    };
    let users = rule.selectors.users.as_ref();
    users.is_some_and(|users| {
        users.iter().all(|listed| match &listed.principal {
            Principal::User(name) => is_plain(name),
            Principal::Everyone | Principal::Group(_) | Principal::Uids(..) => false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::subject::found;

    #[test]
    fn a_host_name_that_refuses_some_names_is_said_with_one_that_does_not() {
        for (keys, expected) in [
            ("hostname = \"build\"", None),
            ("hostname = \"build-{uid}\"", None),
            ("hostname = \"build-{user}\"\nusers = [\"alice\"]", None),
            (
                "hostname = \"build-{user}\"",
                Some("write `{uid}` for `{user}`"),
            ),
            (
                "hostname = \"b-{user}\"\nusers = [\"alice\", \"@staff\"]",
                Some("write `{uid}` for `{user}`"),
            ),
            (
                "hostname = \"b-{user}\"\nusers = [\"a@example.org\"]",
                Some("write `{uid}` for `{user}`"),
            ),
            (
                "hostname = \"{group}\"",
                Some("write `{gid}` for `{group}`"),
            ),
        ] {
            let policy = format!("[[isolate]]\n{keys}\n");
            let said = found(&policy, &[], super::check);
            assert_eq!(said.len(), expected.iter().count(), "{keys} {said:?}");
            if let (Some(help), Some(said)) = (expected, said.first()) {
                assert!(said.starts_with("p:2:1: warning: a login of a "), "{said}");
                assert!(said.ends_with(help), "{said}");
            }
        }
    }
}
