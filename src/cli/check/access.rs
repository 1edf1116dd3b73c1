//! Directories that users may not enter: `mode` leaves others out, and they are root's.

use super::subject::{Said, Subject};
use crate::policy::rule::Ownership;
use crate::policy::{Diagnostics, Kind, Rule};

/// The permissions to enter a directory for its group, and for others.
const GROUP_ENTERS: u32 = 0o010;
const OTHERS_ENTER: u32 = 0o001;

/// Adds a warning for each.
pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    for rule in &subject.policy.rules {
        if let Some(said) = said_of(subject, rule) {
            found.list.push(subject.warning(rule, "mode", said));
        }
    }
}

fn said_of(subject: &Subject<'_>, rule: &Rule) -> Option<Said> {
    let Ownership { mode, owner, group } = rule.kind.ownership()?;
    let (mode, path) = ((*mode)?, rule.kind.path()?.literal()?);
    let (uid, gid) = covered_ids(subject, rule, path.as_str());
    let group_enters = mode.bits() & GROUP_ENTERS != 0 && (group.is_some() || gid != 0);
    if owner.is_some() || uid != 0 || mode.bits() & OTHERS_ENTER != 0 || group_enters {
        return None;
    }
    let help = match group {
        Some(_) => "write `owner = \"{user}\"`, or a `mode` with which the group may enter it",
        None => "write `owner = \"{user}\"`",
    };
    Some(Said {
        message: format!(
            "users may not enter {path}: with mode {mode} root alone may, whose it is"
        ),
        help: Some(help.to_owned()),
    })
}

/// The owner and the group of what is shown where the rule does not say it: those of the covered directory, or root's
/// in a `[[tmpfs]]` and where `create` makes that directory.
fn covered_ids(subject: &Subject<'_>, rule: &Rule, path: &str) -> (u32, u32) {
    let covered = subject.tree.stat(path).ok();
    let covered = covered.filter(|_| !matches!(rule.kind, Kind::Tmpfs(_)));
    covered.map_or((0, 0), |status| (status.st_uid, status.st_gid))
}

#[cfg(test)]
mod tests {
    use super::super::subject::found;

    #[test]
    fn a_mode_that_keeps_users_out_is_said_with_the_owner_to_write() {
        let owner = "write `owner = \"{user}\"`";
        for (kind, keys, expected) in [
            ("private", "", None),
            ("private", "mode = \"0755\"", None),
            ("private", "mode = \"1777\"", None),
            ("private", "mode = \"0700\"\nowner = \"{user}\"", None),
            ("private", "mode = \"0770\"\ngroup = \"{group}\"", None),
            ("private", "mode = \"0700\"", Some(owner)),
            ("private", "mode = \"0750\"", Some(owner)),
            ("private", "mode = \"0766\"", Some(owner)),
            ("tmpfs", "mode = \"0700\"", Some(owner)),
            (
                "private",
                "mode = \"0700\"\ngroup = \"staff\"",
                Some("write `owner = \"{user}\"`, or a `mode` with which the group may enter it"),
            ),
        ] {
            let policy = format!("[[{kind}]]\npath = \"/x\"\n{keys}\n");
            let said = found(&policy, &[], super::check);
            assert_eq!(said.len(), expected.iter().count(), "{keys} {said:?}");
            if let (Some(help), Some(said)) = (expected, said.first()) {
                let start = "p:3:1: warning: users may not enter /x: with mode ";
                assert!(said.starts_with(start), "{said}");
                assert!(said.ends_with(help), "{said}");
            }
        }
        let home = "[[private]]\npath = \"{home}/.cache\"\nmode = \"0700\"\n";
        assert!(
            found(home, &[], super::check).is_empty(),
            "the user's own directory"
        );
    }
}
