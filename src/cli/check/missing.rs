//! What a policy names and this machine has not, as far as it is the same for every login.

use super::subject::{Said, Subject};
use crate::path::{AbsPath, is_within};
use crate::policy::rule::{Bind, Isolate, Network};
use crate::policy::template::PathTemplate;
use crate::policy::{Diagnostic, Diagnostics, Kind, Rule};
use std::collections::BTreeSet;

/// The permissions to run a program.
const ANYBODY_RUNS: u32 = 0o111;

/// Adds a warning for each. The draft of a policy may be written on another machine.
pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    for rule in &subject.policy.rules {
        let mut all = of_paths(subject, rule);
        all.extend(of_parent(subject, rule));
        all.extend(of_programs(subject, rule));
        all.extend(of_network(subject, rule));
        all.extend(of_owners(subject, rule));
        found.list.extend(all);
    }
    found.list.extend(of_store(subject));
}

/// What to do about a path of a rule.
const MAKE: &str = "make it, or write `optional = true`: logins are refused";
const MAKE_OR_CREATE: &str =
    "make it, or write `create = true` or `optional = true`: logins are refused";

/// The path that is covered and the source of a bind, unless the rule is left out without them or makes them.
fn of_paths(subject: &Subject<'_>, rule: &Rule) -> Vec<Diagnostic> {
    if rule.optional {
        return Vec::new();
    }
    let help = match rule.kind.makes_path() {
        Some(_) => MAKE_OR_CREATE,
        None => MAKE,
    };
    let mut named = vec![("path", covered_path(subject, rule), help)];
    if let Kind::Bind(Bind { source, .. }) = &rule.kind {
        named.push(("source", source.literal(), MAKE));
    }
    let warning = |(key, path, help): (&str, Option<AbsPath>, &str)| {
        let path = path.filter(|path| is_missing(subject, path.as_str()))?;
        Some(subject.warning(rule, key, absent(path.as_str(), help)))
    };
    named.into_iter().filter_map(warning).collect()
}

/// The path of a rule that has to be there, in the host's view.
fn covered_path(subject: &Subject<'_>, rule: &Rule) -> Option<AbsPath> {
    let path = rule.kind.path()?.literal()?;
    let is_root = matches!(rule.kind, Kind::Root(_));
    let is_elsewhere = !is_root && subject.may_be_covered(rule, path.as_str());
    (!is_elsewhere && rule.kind.makes_path() != Some(true)).then_some(path)
}

/// The directory in which a login would make what holds the rule's own instances, or its layers.
fn of_parent(subject: &Subject<'_>, rule: &Rule) -> Option<Diagnostic> {
    let (_, store) = rule.kind.store().filter(|_| !rule.optional)?;
    let written = store.to_string();
    let (parent, _) = written.rsplit_once('/')?;
    let directory = match matches!(rule.kind, Kind::Overlay(_)) {
        true => parent,
        false => parent.rsplit_once('/')?.0,
    };
    let directory = directory.split('{').next()?;
    let is_whole = written.starts_with(&format!("{directory}/")) && !directory.is_empty();
    let is_lacking = is_whole && is_missing(subject, directory);
    is_lacking.then(|| {
        subject.warning(
            rule,
            "store",
            absent(
                directory,
                "make it: no login does, and all that need it are refused",
            ),
        )
    })
}

/// The directory that holds the store, where a rule needs that.
fn of_store(subject: &Subject<'_>) -> Option<Diagnostic> {
    let policy = subject.policy;
    let needs_store = |rule: &Rule| rule.kind.store_use().is_some() && rule.kind.store().is_none();
    let (parent, _) = policy.settings.store.as_str().rsplit_once('/')?;
    let is_lacking = !parent.is_empty() && is_missing(subject, parent);
    if !is_lacking || !policy.rules.iter().any(needs_store) {
        return None;
    }
    let location = subject.find_setting("store")?;
    Some(subject.warning_at(
        &location,
        "",
        absent(
            parent,
            "make it: no login does, and all that need it are refused",
        ),
    ))
}

fn of_programs(subject: &Subject<'_>, rule: &Rule) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let programs = rule.kind.programs().into_iter();
    let new = programs.filter(|(key, path)| seen.insert((*key, path.clone())));
    let here = new.filter(|(_, path)| !is_shown_by_rule(subject, path));
    here.filter_map(|(key, path)| {
        let said = said_of_program(subject, &path)?;
        Some(subject.warning(rule, key, said))
    })
    .collect()
}

fn said_of_program(subject: &Subject<'_>, path: &str) -> Option<Said> {
    let status = subject.tree.find(path).ok()?;
    match status {
        None => Some(absent(path, "install it")),
        Some(status) if status.st_mode & ANYBODY_RUNS == 0 => Some(Said {
            message: format!("nobody may run {path}"),
            help: Some(format!("chmod a+x {path}")),
        }),
        Some(_) => None,
    }
}

/// Whether a program may be another one, or there at last, in a session.
fn is_shown_by_rule(subject: &Subject<'_>, program: &str) -> bool {
    subject.policy.rules.iter().any(|rule| {
        let path = rule.kind.path().map(PathTemplate::sample);
        matches!(rule.kind, Kind::Root(_)) || path.is_some_and(|path| is_within(program, &path))
    })
}

fn of_network(subject: &Subject<'_>, rule: &Rule) -> Option<Diagnostic> {
    let Kind::Isolate(Isolate {
        network: Some(Network::Named(name)),
        ..
    }) = &rule.kind
    else {
        return None;
    };
    let path = format!("/run/netns/{name}");
    let help = format!("`ip netns add {name}` makes it, until the machine is started again");
    is_missing(subject, &path).then(|| subject.warning(rule, "network", absent(&path, &help)))
}

/// The `owner` and the `group` that no account has.
fn of_owners(subject: &Subject<'_>, rule: &Rule) -> Vec<Diagnostic> {
    let Some(ownership) = rule.kind.ownership() else {
        return Vec::new();
    };
    let named = |key, name: &Option<_>| Some((key, name.as_ref().map(ToString::to_string)?));
    let names = [
        named("owner", &ownership.owner),
        named("group", &ownership.group),
    ];
    let is_unknown = |(key, name): &(&str, String)| {
        let is_name = !name.contains('{') && !name.bytes().all(|byte| byte.is_ascii_digit());
        let id = match *key {
            "owner" => subject.accounts.uid(name),
            _ => subject.accounts.gid(name),
        };
        is_name && id.is_none()
    };
    let unknown = names.into_iter().flatten().filter(is_unknown);
    let warning = |(key, name): (&str, String)| {
        let noun = if key == "owner" { "user" } else { "group" };
        let said = Said {
            message: format!("there is no {noun} `{name}`"),
            help: Some("make it, or name another one: logins are refused".to_owned()),
        };
        subject.warning(rule, key, said)
    };
    unknown.map(warning).collect()
}

/// Whether nothing is there. What this user may not look for may be there.
fn is_missing(subject: &Subject<'_>, path: &str) -> bool {
    matches!(subject.tree.find(path), Ok(None))
}

fn absent(path: &str, help: &str) -> Said {
    Said {
        message: format!("{path} is not on this machine"),
        help: Some(help.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::subject::found;

    const FILES: [(&str, &str); 2] = [("here/file", ""), ("var/lib/x", "")];

    /// Each rule, and what is said about it: the place, the message, the start of the help.
    const TABLE: &[(&str, &[&str])] = &[
        ("[[private]]\npath = \"/here\"", &[]),
        ("[[private]]\npath = \"/none\"\ncreate = true", &[]),
        ("[[private]]\npath = \"/none\"\noptional = true", &[]),
        ("[[private]]\npath = \"/none/{user}\"", &[]),
        (
            "[[private]]\npath = \"/none\"",
            &[
                "2:1: warning: /none is not on this machine; make it, or write `create = true` or `optional = true`",
            ],
        ),
        (
            "[[hide]]\npath = \"/none\"",
            &["2:1: warning: /none is not on this machine; make it, or write `optional = true`"],
        ),
        (
            "[[overlay]]\npath = \"/none\"",
            &["2:1: warning: /none is not on this machine"],
        ),
        (
            "[[root]]\npath = \"/none\"",
            &["2:1: warning: /none is not on this machine"],
        ),
        (
            "[[root]]\npath = \"/here\"\n[[private]]\npath = \"/in-root\"",
            &[],
        ),
        (
            "[[tmpfs]]\npath = \"/here\"\n[[bind]]\nsource = \"/here\"\npath = \"/here/x\"",
            &[],
        ),
        (
            "[[bind]]\nsource = \"/none\"\npath = \"/here\"",
            &["2:1: warning: /none is not on this machine; make it, or write `optional = true`"],
        ),
        ("[[bind]]\nsource = \"/none/{user}\"\npath = \"/here\"", &[]),
        (
            "[[private]]\npath = \"/here\"\nstore = \"/here/inst/{user}\"",
            &[],
        ),
        (
            "[[private]]\npath = \"/here\"\nstore = \"/no/inst/{user}\"",
            &["3:1: warning: /no is not on this machine; make it: no login does"],
        ),
        (
            "[[overlay]]\npath = \"/here\"\nstore = \"/here/l/{user}\"",
            &["3:1: warning: /here/l is not on this machine"],
        ),
        (
            "[settings]\nstore = \"/no/jns\"\n[[private]]\npath = \"/here\"",
            &["2:1: warning: /no is not on this machine; make it: no login does"],
        ),
        (
            "[settings]\nstore = \"/no/jns\"\n[[tmpfs]]\npath = \"/here\"",
            &[],
        ),
        (
            "[[hook]]\nwhen = \"open\"\nrun = [\"/no/prog\"]",
            &["3:1: warning: /no/prog is not on this machine; install it"],
        ),
        (
            "[[hook]]\nwhen = \"open\"\nrun = [\"/here/file\"]",
            &["3:1: warning: nobody may run /here/file; chmod a+x /here/file"],
        ),
        ("[[hook]]\nwhen = \"open\"\nrun = [\"{home}/prog\"]", &[]),
        (
            "[[private]]\npath = \"/here\"\ninit = \"/no/i\"\nhook = [\"/no/h\"]",
            &[
                "4:1: warning: /no/h is not on this machine",
                "3:1: warning: /no/i is not on this machine",
            ],
        ),
        (
            "[[volume]]\npath = \"/here\"\nopen = [\"/no/o\"]\nclose = [\"/no/c\"]",
            &["3:1: warning: /no/o is not", "4:1: warning: /no/c is not"],
        ),
        (
            "[[isolate]]\nnetwork = \"name:lab\"",
            &["2:1: warning: /run/netns/lab is not on this machine; `ip netns add lab` makes it"],
        ),
        (
            "[[private]]\npath = \"/here\"\nowner = \"alice\"\ngroup = \"root\"",
            &[],
        ),
        (
            "[[private]]\npath = \"/here\"\nowner = \"{user}\"\ngroup = \"12\"",
            &[],
        ),
        (
            "[[private]]\npath = \"/here\"\nowner = \"bob\"\ngroup = \"bobs\"",
            &[
                "3:1: warning: there is no user `bob`",
                "4:1: warning: there is no group `bobs`",
            ],
        ),
    ];

    #[test]
    fn what_is_not_on_the_machine_is_said_at_its_key() {
        for (policy, expected) in TABLE {
            let said = found(policy, &FILES, super::check);
            assert_eq!(said.len(), expected.len(), "{policy}\n{said:#?}");
            for (said, expected) in said.iter().zip(*expected) {
                assert!(
                    said.starts_with(&format!("p:{expected}")),
                    "{policy}\n{said}"
                );
            }
        }
    }
}
