//! A finding about the collector: whether anything runs `jns gc`.

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::host::module_line::line_of;
use crate::cli::host::{schedule, stack};

/// Says so when the module is used and nothing seems to collect what it leaves.
pub fn findings(tree: &Tree) -> Option<Finding> {
    let is_idle = is_used(tree) && !schedule::runs_gc(tree);
    is_idle.then(|| {
        Finding::warning(
            Area::Units,
            "neither a timer nor cron runs jns gc: namespaces that nobody uses never end (settings.linger), and stay \
             with what they hold in memory",
        )
        .advise("systemctl enable --now jns-gc.timer; without systemd, cron.d/jns among the documents is for /etc/cron.d")
    })
}

/// Whether some service has the module.
pub fn is_used(tree: &Tree) -> bool {
    let names = stack::services(tree).names;
    names.iter().any(|name| line_of(tree, name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files<'a> = &'a [(&'a str, &'a str)];

    /// The reason, the files besides sshd's stack, and whether something is missing.
    const SYSTEMS: &[(&str, Files<'_>, bool)] = &[
        ("nothing", &[], true),
        (
            "an installed timer is not an enabled one",
            &[("usr/lib/systemd/system/jns-gc.timer", "")],
            true,
        ),
        (
            "an enabled timer",
            &[("etc/systemd/system/timers.target.wants/jns-gc.timer", "")],
            false,
        ),
        (
            "a preset timer",
            &[(
                "usr/lib/systemd/system/timers.target.wants/jns-gc.timer",
                "",
            )],
            false,
        ),
        (
            "cron",
            &[("etc/cron.d/jns", "*/15 * * * * root jns gc\n")],
            false,
        ),
        (
            "a script",
            &[("etc/cron.hourly/jns", "#!/bin/sh\njns gc\n")],
            false,
        ),
        (
            "root's crontab",
            &[("var/spool/cron/crontabs/root", "@hourly jns gc\n")],
            false,
        ),
        (
            "another job",
            &[("etc/cron.d/other", "@hourly root other\n")],
            true,
        ),
        (
            "no service with the module",
            &[("etc/pam.d/sshd", "session required pam_unix.so\n")],
            false,
        ),
    ];

    #[test]
    fn systems_that_collect() {
        for (reason, files, missing) in SYSTEMS {
            let sshd = ("etc/pam.d/sshd", "session required pam_jns.so\n");
            let (_root, tree) = Tree::of_files([&[sshd], *files].concat());
            let found = findings(&tree);
            assert_eq!(found.is_some(), *missing, "{reason}");
        }
    }
}
