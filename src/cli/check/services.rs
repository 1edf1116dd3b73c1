//! Services that rules select by, and that have no PAM stack on this machine.

use super::subject::{Said, Subject};
use crate::cli::host::stack;
use crate::policy::pattern::Glob;
use crate::policy::{Diagnostic, Diagnostics, Rule, Settings, nearest};
use std::collections::BTreeSet;

/// Adds a warning for each. A machine without any stack is one for which nothing is known.
pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    let names = stack::services(subject.tree).names;
    if names.is_empty() {
        return;
    }
    let mut seen = BTreeSet::new();
    for rule in &subject.policy.rules {
        let said = rule.selectors.services.as_deref().unwrap_or_default();
        let excepted = rule.selectors.except_services.as_slice();
        for (key, globs) in [("services", said), ("except_services", excepted)] {
            let unknown = globs.iter().filter(|glob| !is_known(subject, glob, &names));
            let new = unknown.filter(|glob| seen.insert(glob.to_string()));
            let warnings = new.map(|glob| of_rule(subject, rule, key, glob, &names));
            found.list.extend(warnings.collect::<Vec<_>>());
        }
    }
    found.list.extend(of_settings(subject, &names));
}

/// `settings.inherit`, whose default names services that few machines have all of.
fn of_settings<'s>(
    subject: &'s Subject<'_>,
    names: &'s [String],
) -> impl Iterator<Item = Diagnostic> + 's {
    let usual = Settings::default().inherit;
    let said = subject.policy.settings.inherit.iter();
    let unknown = said.filter(move |glob| !usual.contains(glob) && !is_known(subject, glob, names));
    unknown.filter_map(move |glob| {
        let location = subject.find_setting("inherit")?;
        Some(subject.warning_at(
            &location,
            &glob.to_string(),
            said_of("inherit", glob, names),
        ))
    })
}

fn of_rule(
    subject: &Subject<'_>,
    rule: &Rule,
    key: &'static str,
    glob: &Glob,
    names: &[String],
) -> Diagnostic {
    let said = said_of(key, glob, names);
    subject.warning_at(&rule.location.of_key(key), &glob.to_string(), said)
}

fn is_known(subject: &Subject<'_>, glob: &Glob, names: &[String]) -> bool {
    names.iter().any(|name| glob.matches(name)) || stack::has_file(subject.tree, &glob.to_string())
}

fn said_of(key: &str, glob: &Glob, names: &[String]) -> Said {
    let written = glob.to_string();
    let is_pattern = written.contains(['*', '?', '[']);
    let message = match is_pattern {
        true => format!("no PAM service of this machine matches `{written}`"),
        false => format!("this machine has no PAM service `{written}`"),
    };
    let names = names.iter().map(String::as_str);
    let help = match nearest(&written, names).filter(|_| !is_pattern) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("`{key}` has names of files in /etc/pam.d, such as \"sshd\""),
    };
    let help = Some(help);
    Said { message, help }
}

#[cfg(test)]
mod tests {
    use super::super::subject::found;

    const STACKS: [(&str, &str); 4] = [
        ("etc/pam.d/sshd", ""),
        ("etc/pam.d/su", ""),
        ("etc/pam.d/org.example.tool", ""),
        ("usr/lib/pam.d/systemd-user", ""),
    ];

    fn services(list: &str) -> String {
        format!("[[private]]\npath = \"/tmp\"\nservices = [{list}]\n")
    }

    #[test]
    fn a_service_without_a_stack_is_said_with_the_nearest_one() {
        for (list, expected) in [
            ("\"sshd\"", &[][..]),
            ("\"systemd-user\", \"su*\", \"org.example.tool\"", &[]),
            (
                "\"su\", \"ssh\"",
                &["p:3:19: warning: this machine has no PAM service `ssh`; did you mean \"sshd\"?"],
            ),
            (
                "\"gdm\"",
                &["p:3:13: warning: this machine has no PAM service `gdm`; \
                   `services` has names of files in /etc/pam.d, such as \"sshd\""],
            ),
            (
                "\"gdm-*\"",
                &[
                    "p:3:13: warning: no PAM service of this machine matches `gdm-*`; \
                   `services` has names of files in /etc/pam.d, such as \"sshd\"",
                ],
            ),
        ] {
            let said = found(&services(list), &STACKS, super::check);
            assert_eq!(said, expected, "{list}");
        }
    }

    #[test]
    fn services_that_are_left_out_are_looked_at() {
        let policy = services("\"sshd\"").replace("services", "except_services");
        assert!(found(&policy, &STACKS, super::check).is_empty());
        let policy = services("\"ssh\"").replace("services", "except_services");
        assert_eq!(
            found(&policy, &STACKS, super::check),
            ["p:3:20: warning: this machine has no PAM service `ssh`; did you mean \"sshd\"?"]
        );
    }

    #[test]
    fn a_service_is_said_once() {
        let policy = services("\"gdm\"") + &services("\"gdm\"").replace("/tmp", "/mnt");
        assert_eq!(found(&policy, &STACKS, super::check).len(), 1);
    }

    #[test]
    fn a_machine_without_stacks_says_nothing() {
        assert!(found(&services("\"ssh\""), &[], super::check).is_empty());
    }

    #[test]
    fn what_the_settings_name_themselves_is_looked_at() {
        let settings = |list: &str| format!("[settings]\ninherit = [{list}]\n");
        let said = |list| found(&settings(list), &STACKS, super::check);
        assert!(said("\"su\", \"doas\"").is_empty());
        assert_eq!(
            said("\"su\", \"sus\""),
            ["p:2:18: warning: this machine has no PAM service `sus`; did you mean \"su\"?"]
        );
    }
}
