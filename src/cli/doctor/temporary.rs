//! A finding about pam_tmpdir, which has a directory of the host's /tmp in the environment of each session.

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::host::module_line::{MODULE, before_ours};
use crate::cli::host::stack::{self, Entry, Stack};
use crate::policy::{Kind, Policy, Rule};

/// The module, which makes /tmp/user/UID and names it in TMPDIR.
const TMPDIR: &str = "pam_tmpdir";

/// The directory that it makes that in, and its name there.
const TMP: (&str, &str) = ("/tmp", "user");

/// Finds the services whose sessions are told of a directory that a rule covers.
pub fn findings(tree: &Tree, policy: &Policy) -> Vec<Finding> {
    let names = stack::services(tree).names.into_iter();
    let stacks = names.map(|name| stack::read(tree, &name, "session"));
    stacks
        .filter_map(|stack| of_stack(&stack, policy))
        .collect()
}

fn of_stack(stack: &Stack, policy: &Policy) -> Option<Finding> {
    let is_tmpdir = |entry: &&Entry| entry.name() == TMPDIR;
    let entry = before_ours(&stack.entries).iter().find(is_tmpdir)?;
    let mut rules = policy.rules.iter();
    let rule = rules.find(|rule| covers(rule) && rule.selectors.are_for_service(&stack.service))?;
    let said = format!(
        "{}: {TMPDIR} stands before {MODULE}: TMPDIR is a directory of the host's /tmp, which {} covers",
        stack.service, rule.location
    );
    Some(
        Finding::warning(Area::Pam, said)
            .at(&entry.location)
            .advise(format!(
                "move {TMPDIR} below {MODULE}: it makes the directory in the session's /tmp then; pam-auth-update \
                 --disable libpam-tmpdir takes it out of common-session"
            )),
    )
}

/// Whether the rule shows another /tmp, without the directory of pam_tmpdir's.
fn covers(rule: &Rule) -> bool {
    let (directory, name) = TMP;
    let is_kept = match &rule.kind {
        Kind::Private(rule) => rule.keep.iter().any(|kept| kept.to_string() == name),
        Kind::Tmpfs(rule) => rule.keep.iter().any(|kept| kept.to_string() == name),
        Kind::Hide(rule) => rule.keep.iter().any(|kept| kept.to_string() == name),
        Kind::Bind(_)
        | Kind::Overlay(_)
        | Kind::Isolate(_)
        | Kind::Root(_)
        | Kind::Volume(_)
        | Kind::Env(_)
        | Kind::Hook(_) => return false,
    };
    let path = rule.kind.path().and_then(|path| path.literal());
    path.is_some_and(|path| path.as_str() == directory) && !is_kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_to_be_made_in_the_session() {
        let (tmpdir, ours) = (
            "session optional pam_tmpdir.so\n",
            "session required pam_jns.so\n",
        );
        let (early, late) = (format!("{tmpdir}{ours}"), format!("{ours}{tmpdir}"));
        let private = "[[private]]\npath = \"/tmp\"\n";
        for (stack, policy, is_found) in [
            (early.as_str(), private, true),
            (&early, "[[tmpfs]]\npath = \"/tmp\"\nsize = \"1M\"\n", true),
            (&late, private, false),
            (tmpdir, private, false),
            (&early, "[[private]]\npath = \"/var/tmp\"\n", false),
            (&early, "[[overlay]]\npath = \"/tmp\"\n", false),
            (
                &early,
                "[[private]]\npath = \"/tmp\"\nkeep = [\"user\"]\n",
                false,
            ),
            (
                &early,
                "[[private]]\npath = \"/tmp\"\nservices = [\"su\"]\n",
                false,
            ),
        ] {
            let (_root, tree) = Tree::of_files([("etc/pam.d/sshd", stack)]);
            let loaded = Policy::parse(&[("p", policy.as_bytes())]).unwrap();
            let found = findings(&tree, &loaded.policy);
            assert_eq!(found.len(), usize::from(is_found), "{stack} {policy}");
        }
    }
}
