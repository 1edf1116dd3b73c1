//! A finding about the runtime directories of users: whether each session's mount table has those of all.

use super::collection::is_used;
use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::host::units::{UNIT_DIRECTORIES, is_systemd_running, unit_settings};
use crate::kernel::mount::runtime_directory::{PARENT, is_separate};

/// The unit that makes the directory of them a mount of its own.
const UNIT: &str = "jns-run-user.service";

/// The number of users who are logged in from which on the unit is worth more than a note: as many mounts again as a small
/// machine has.
const MANY: usize = 16;

const ENABLE: &str = "systemctl enable jns-run-user.service, and start the machine again";

/// Judges that where systemd-logind makes them and a service has the module.
pub fn findings(tree: &Tree) -> Option<Finding> {
    let is_running = !tree.is_host() || is_systemd_running(tree);
    let has_logind = || unit_settings(tree, "systemd-logind.service").is_some();
    if !(is_running && has_logind() && is_used(tree)) {
        return None;
    }
    match (
        tree.is_host() && is_separate().unwrap_or(false),
        is_enabled(tree),
    ) {
        (true, _) => Some(Finding::ok(
            Area::Units,
            format!(
                "{PARENT} is a mount of its own: a session has its user's runtime directory alone"
            ),
        )),
        (false, true) if !tree.is_host() => None,
        (false, true) => {
            let summary = format!("{UNIT} is enabled, but {PARENT} is no mount of its own");
            Some(Finding::note(Area::Units, summary).advise(
                "while somebody is logged in it cannot be made one: start the machine again",
            ))
        }
        (false, false) => Some(not_enabled(number_of_directories(tree))),
    }
}

fn not_enabled(users: usize) -> Finding {
    let summary = format!(
        "every session has the runtime directories of all users who are logged in ({PARENT}, {users} now)"
    );
    let finding = match users < MANY {
        true => Finding::note(Area::Units, summary),
        false => Finding::warning(
            Area::Units,
            summary + ": a mount in each namespace for each of them",
        ),
    };
    finding.advise(ENABLE)
}

fn is_enabled(tree: &Tree) -> bool {
    let mut wants = UNIT_DIRECTORIES.iter();
    wants.any(|directory| tree.exists(&format!("{directory}/sysinit.target.wants/{UNIT}")))
}

fn number_of_directories(tree: &Tree) -> usize {
    let names = tree.list(PARENT).into_iter();
    names.filter(|name| name.parse::<u32>().is_ok()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    const USED: (&str, &str) = ("etc/pam.d/sshd", "session required pam_jns.so\n");
    const LOGIND: (&str, &str) = ("usr/lib/systemd/system/systemd-logind.service", "");
    const ENABLED: (&str, &str) = (
        "etc/systemd/system/sysinit.target.wants/jns-run-user.service",
        "",
    );

    #[test]
    fn systems_where_it_is_worth_it() {
        for (reason, files, level) in [
            (
                "logind, and a service",
                vec![USED, LOGIND],
                Some(Level::Note),
            ),
            ("enabled", vec![USED, LOGIND, ENABLED], None),
            ("without logind", vec![USED], None),
            ("without a service", vec![LOGIND], None),
        ] {
            let (_root, tree) = Tree::of_files(files);
            let found = findings(&tree).map(|finding| finding.level);
            assert_eq!(found, level, "{reason}");
        }
    }

    #[test]
    fn many_users_are_worth_a_warning() {
        let users = |number: usize| (0..number).map(|user| (format!("run/user/{user}/bus"), ""));
        let others = [USED, LOGIND].map(|(path, text)| (path.to_owned(), text));
        for (number, level) in [(MANY - 1, Level::Note), (MANY, Level::Warning)] {
            let (_root, tree) = Tree::of_files(others.iter().cloned().chain(users(number)));
            assert_eq!(findings(&tree).map(|finding| finding.level), Some(level));
        }
    }
}
