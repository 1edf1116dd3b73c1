//! Findings about commands that somebody runs as somebody else in their session, by sudo(8) or su(1).

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::host::module_line::line_of;
use crate::cli::host::units::is_systemd_running;
use crate::cli::host::{stack, sudoers};
use crate::cli::outcome::reason;
use crate::kernel::mount::mount_table::{self, Mount};
use crate::policy::{Policy, Rule};
use std::io::ErrorKind;
use std::path::Path;

/// The mounts of the host, wherever the command itself runs.
const HOSTS_MOUNTS: &str = "/proc/1/mountinfo";

/// The init system of most distributions, where it is installed.
const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// Finds what of the running system keeps root's mounts from the host, and the host's from sessions.
pub fn of_propagation() -> Option<Finding> {
    // Where it cannot be read there is no /proc, which is a finding of its own.
    let mounts = mount_table::read(HOSTS_MOUNTS).ok()?;
    of_root(&mounts)
}

fn of_root(mounts: &[Mount]) -> Option<Finding> {
    let is_root = |mount: &&Mount| mount.place() == Path::new("/");
    // The last one covers those before it.
    let root = mounts.iter().rfind(is_root)?;
    (!root.is_shared).then(|| {
        let said = "the host's root directory is not a shared mount: what root mounts in a command of su or sudo stays \
                    in the command's namespace, and what the host mounts later does not appear in sessions";
        Finding::warning(Area::Kernel, said)
            .advise("mount --make-rshared / when the machine starts, as systemd does")
    })
}

/// Finds a rule that keeps something from users which sudoedit's editor shows them.
pub fn of_sudoedit(tree: &Tree, policy: &Policy) -> Option<Finding> {
    let rule = policy.rules.iter().find(|rule| is_lifted(rule))?;
    line_of(tree, "sudo")?;
    match sudoers::is_sudoedit_without_session(tree) {
        Ok(true) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Ok(false) => Some(
            Finding::warning(
                Area::Policy,
                "sudoedit runs the editor in root's session, where this rule does not hold",
            )
            .at(&rule.location)
            .advise("in a file of /etc/sudoers.d: Defaults!sudoedit !pam_session, see pam_jns(8)"),
        ),
        Err(error) => Some(
            Finding::note(
                Area::Policy,
                format!("cannot read sudoers: {}", reason(&error)),
            )
            .advise("run jns doctor as root"),
        ),
    }
}

/// Whether a rule keeps something from users that it does not keep from the commands that they run as root.
fn is_lifted(rule: &Rule) -> bool {
    rule.kind.restricts() && !rule.is_inherited()
}

/// Warns that a daemon which is started in a command keeps the caller's directories. systemd starts daemons itself,
/// with the host's view.
pub fn of_daemons(tree: &Tree, policy: &Policy) -> Option<Finding> {
    let inherits =
        |service: &String| policy.settings.inherits(service) && line_of(tree, service).is_some();
    let services: Vec<String> = stack::services(tree).names;
    let commands: Vec<String> = services.into_iter().filter(inherits).collect();
    let is_something = policy.rules.iter().any(Rule::is_inherited);
    (is_without_systemd(tree) && is_something && !commands.is_empty()).then(|| {
        let said = format!(
            "a daemon that is started by {} keeps the caller's directories, as its /tmp",
            commands.join(" or ")
        );
        Finding::note(Area::Pam, said)
            .advise("start daemons from a login of root's, which has the host's view: sudo -i")
    })
}

fn is_without_systemd(tree: &Tree) -> bool {
    !is_systemd_running(tree) && (tree.is_host() || !tree.exists(SYSTEMD))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    type Files<'a> = &'a [(&'a str, &'a str)];

    fn system(files: Files<'_>) -> (tempfile::TempDir, Tree) {
        Tree::of_files(files.iter().copied())
    }

    fn policy(text: &str) -> Policy {
        Policy::parse(&[("p", text.as_bytes())]).unwrap().policy
    }

    const OURS: &str = "session required pam_jns.so\n";

    #[test]
    fn the_hosts_root_is_shared() {
        let table = [
            ("1 0 8:1 / / rw shared:1 - ext4 d rw", false),
            ("1 0 8:1 / / rw - ext4 d rw", true),
            ("1 0 8:1 / / rw master:4 - ext4 d rw", true),
            (
                "1 1 0:2 / / rw - rootfs r rw\n2 1 8:1 / / rw shared:1 - ext4 d rw\n3 2 0:4 / /proc rw - proc p rw",
                false,
            ),
            ("", false),
        ];
        for (mounts, is_told) in table {
            let mounts: Vec<Mount> = mount_table::parse(mounts.as_bytes()).collect();
            assert_eq!(of_root(&mounts).is_some(), is_told, "{mounts:?}");
        }
    }

    #[test]
    fn sudoedit_is_reported_where_a_rule_is_lifted_in_it() {
        let (hide, isolate) = ("[[hide]]\npath = \"/a\"\n", "[[isolate]]\nipc = \"own\"\n");
        let inherited = "[[hide]]\npath = \"/a\"\ninherit = true\n";
        let private = "[[private]]\npath = \"/tmp\"\n";
        let (stack, none) = (("etc/pam.d/sudo", OURS), ("etc/pam.d/sudo", ""));
        let (sudoers, exempted) = (
            ("etc/sudoers", ""),
            ("etc/sudoers", "Defaults!sudoedit !pam_session\n"),
        );
        let table: &[(&str, Files<'_>, bool)] = &[
            (hide, &[stack, sudoers], true),
            (isolate, &[stack, sudoers], true),
            (hide, &[stack, exempted], false),
            (inherited, &[stack, sudoers], false),
            (private, &[stack, sudoers], false),
            (hide, &[none, sudoers], false),
            (hide, &[stack], false),
        ];
        for (text, files, is_told) in table {
            let (_root, tree) = system(files);
            let found = of_sudoedit(&tree, &policy(text));
            let level = found.map(|finding| finding.level);
            assert_eq!(level, is_told.then_some(Level::Warning), "{text} {files:?}");
        }
    }

    #[test]
    fn daemons_are_reported_where_nothing_but_commands_starts_them() {
        let private = "[[private]]\npath = \"/tmp\"\n";
        let apart = "[settings]\ninherit = []\n[[private]]\npath = \"/tmp\"\n";
        let own = "[[private]]\npath = \"/tmp\"\ninherit = false\n";
        let stack = ("etc/pam.d/sudo", OURS);
        let table: &[(&str, Files<'_>, bool)] = &[
            (private, &[stack], true),
            (apart, &[stack], false),
            (own, &[stack], false),
            (private, &[("etc/pam.d/sshd", OURS)], false),
            (private, &[stack, ("usr/lib/systemd/systemd", "")], false),
            (private, &[stack, ("run/systemd/system/x", "")], false),
        ];
        for (text, files, is_told) in table {
            let (_root, tree) = system(files);
            let found = of_daemons(&tree, &policy(text));
            let level = found.map(|finding| finding.level);
            assert_eq!(level, is_told.then_some(Level::Note), "{text} {files:?}");
        }
    }
}
