//! A finding about garbage collection: whether anything runs `jns gc`.

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::host::module_line::line_of;
use crate::cli::host::{stack, units};

/// Root's tables of cron(8), which an ordinary user may not read.
const TABLES: [&str; 3] = [
    "/etc/crontab",
    "/var/spool/cron/crontabs/root",
    "/var/spool/cron/root",
];

/// Directories of tables and of scripts that cron runs.
const JOBS: [&str; 5] = [
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/periodic/15min",
    "/etc/periodic/hourly",
];

/// Says so when the module is used and nothing seems to collect what it leaves.
pub fn findings(tree: &Tree) -> Option<Finding> {
    let idle = is_used(tree) && !is_timer_enabled(tree) && !is_cron_job(tree);
    idle.then(|| {
        Finding::note(
            Area::Units,
            "neither a timer nor cron runs jns gc: namespaces that nobody uses stay",
        )
        .advise("systemctl enable --now jns-gc.timer, or in /etc/cron.d: */15 * * * * root jns gc")
    })
}

/// Whether some service has the module.
fn is_used(tree: &Tree) -> bool {
    let names = stack::services(tree).names;
    names.iter().any(|name| line_of(tree, name).is_some())
}

fn is_timer_enabled(tree: &Tree) -> bool {
    let wants = units::UNIT_DIRECTORIES.map(|directory| format!("{directory}/timers.target.wants"));
    wants
        .iter()
        .any(|directory| tree.exists(&format!("{directory}/jns-gc.timer")))
}

fn is_cron_job(tree: &Tree) -> bool {
    let own = TABLES.map(str::to_owned).into_iter();
    let dropped = JOBS.iter().flat_map(|directory| {
        let names = tree.list(directory).into_iter();
        names.map(move |name| format!("{directory}/{name}"))
    });
    own.chain(dropped)
        .filter_map(|file| tree.read(&file).ok())
        .any(|text| text.lines().any(collects))
}

/// Whether a line of a table or a script runs `jns gc`.
fn collects(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_comment = words.first().is_some_and(|word| word.starts_with('#'));
    let runs = words.windows(2).any(
        |pair| matches!(pair, [command, "gc"] if *command == "jns" || command.ends_with("/jns")),
    );
    runs && !is_comment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_collect() {
        let table = [
            ("*/15 * * * * root jns gc", true),
            (
                "0 3 * * * root /usr/local/bin/jns gc --older-than 90d",
                true,
            ),
            ("exec jns gc", true),
            ("# */15 * * * * root jns gc", false),
            ("#jns gc", false),
            ("jns check", false),
            ("jns", false),
            ("git gc", false),
            ("mjns gc", false),
        ];
        for (line, expected) in table {
            assert_eq!(collects(line), expected, "{line}");
        }
    }

    type Files<'a> = &'a [(&'a str, &'a str)];

    /// Why, files besides sshd's stack, and whether something is missing.
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
