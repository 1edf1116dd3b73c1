//! Findings about the collector: whether anything runs `jns gc`, and finds it.

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::host::module_line::line_of;
use crate::cli::host::schedule::{self, Job, Runner};
use crate::cli::host::stack;
use rustix::fs::FileType;

/// Where `make install` puts the command, and packages do.
const COMMANDS: [&str; 3] = ["/usr/local/bin/jns", "/usr/bin/jns", "/usr/sbin/jns"];

/// Says so when the module is used and nothing seems to collect what it leaves, or cron does not find the command.
pub fn findings(tree: &Tree) -> Vec<Finding> {
    if !is_used(tree) {
        return Vec::new();
    }
    let jobs = schedule::jobs(tree);
    let is_timer_enabled = schedule::is_timer_enabled(tree);
    if jobs.is_empty() && !is_timer_enabled {
        return vec![idle()];
    }
    let of_timer = is_timer_enabled.then(|| schedule::job_of_timer(tree));
    let all = of_timer.flatten().into_iter().chain(jobs);
    all.filter_map(|job| of_job(tree, &job)).collect()
}

fn idle() -> Finding {
    Finding::warning(
        Area::Units,
        "neither a timer nor cron runs jns gc: namespaces that nobody uses never end (settings.linger), and stay \
         with what they hold in memory",
    )
    .advise("systemctl enable --now jns-gc.timer; without systemd, cron.d/jns among the documents is for /etc/cron.d")
}

/// A line of cron's or of the unit's that does not find the command.
fn of_job(tree: &Tree, job: &Job) -> Option<Finding> {
    let candidates = job.candidates();
    if candidates.is_empty() || candidates.iter().any(|path| is_program(tree, path)) {
        return None;
    }
    let runner = match job.runner {
        Runner::Systemd => "systemd",
        Runner::Cron => "cron",
    };
    let reason = match &job.searched {
        Some(searched) if !job.program.starts_with('/') => format!("it looks in {searched}"),
        _ => "that is no program".to_owned(),
    };
    let summary = format!("{runner} does not find {} gc: {reason}", job.program);
    let mut commands = COMMANDS.iter();
    let advice = match commands.find(|path| is_program(tree, path)) {
        Some(path) => format!("write {path} there"),
        None => "run make install, and write the path of the command there".to_owned(),
    };
    Some(
        Finding::warning(Area::Units, summary)
            .at(&job.location)
            .advise(advice),
    )
}

fn is_program(tree: &Tree, path: &str) -> bool {
    let facts = tree.stat(path);
    facts.is_ok_and(|facts| {
        let is_file = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile;
        is_file && facts.st_mode & 0o111 != 0
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
    use std::os::unix::fs::PermissionsExt;

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
            let mut summaries = found.iter().map(|finding| finding.summary.as_str());
            let is_idle = summaries.any(|summary| summary.starts_with("neither"));
            assert_eq!(is_idle, *missing, "{reason}");
        }
    }

    #[test]
    fn cron_has_to_find_the_command() {
        let local = Some("/usr/local/bin/jns");
        for (file, text, command, expected) in [
            (
                "etc/cron.d/jns",
                "* * * * * root jns gc",
                local,
                Some("looks in /usr/bin:/bin"),
            ),
            (
                "etc/cron.d/jns",
                "* * * * * root jns gc",
                Some("/usr/bin/jns"),
                None,
            ),
            (
                "etc/cron.d/jns",
                "PATH=/usr/local/bin\n* * * * * root jns gc",
                local,
                None,
            ),
            (
                "etc/cron.d/jns",
                "* * * * * root /usr/local/bin/jns gc",
                local,
                None,
            ),
            (
                "etc/cron.d/jns",
                "* * * * * root /usr/local/bin/jns gc",
                None,
                Some("no program"),
            ),
            (
                "etc/cron.hourly/jns",
                "#!/bin/sh\n/opt/jns gc",
                local,
                Some("no program"),
            ),
            ("etc/cron.hourly/jns", "#!/bin/sh\njns gc", local, None),
        ] {
            let sshd = ("etc/pam.d/sshd", "session required pam_jns.so\n");
            let (root, tree) = Tree::of_files([sshd, (file, text)]);
            if let Some(command) = command {
                let path = root.path().join(command.trim_start_matches('/'));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, "").unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            }
            let found = findings(&tree);
            assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
            if let (Some(finding), Some(part)) = (found.first(), expected) {
                assert!(finding.summary.contains(part), "{finding:?}");
                assert!(finding.location.is_some());
            }
        }
    }
}
