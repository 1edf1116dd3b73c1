//! Findings about the PAM stacks: where the module stands in each, and where it does not.

use super::finding::{Area, Finding};
use super::{jumps, lockout};
use crate::apply::USER_MANAGER;
use crate::cli::host::Tree;
use crate::cli::host::module_line::{
    MODULE, has_line, is_for_root, is_for_root_alone, is_ours, position_of_ours,
};
use crate::cli::host::stack::{self, Action, Entry, Stack};
use crate::cli::host::units::is_systemd_running;

/// The service of user managers, whose sessions are those of all that they start.
pub const MANAGER: &str = USER_MANAGER;

/// Services that users log in through, or run commands by as somebody else.
const LOGINS: [&str; 30] = [
    "sshd",
    "login",
    "su",
    "su-l",
    "sudo",
    "sudo-i",
    "doas",
    "polkit-1",
    "systemd-run0",
    "runuser",
    "runuser-l",
    "cron",
    "crond",
    "atd",
    MANAGER,
    "remote",
    "gdm-password",
    "gdm-fingerprint",
    "gdm-smartcard",
    "gdm-autologin",
    "lightdm",
    "lightdm-autologin",
    "sddm",
    "sddm-autologin",
    "greetd",
    "xdm",
    "vsftpd",
    "proftpd",
    "cockpit",
    "xrdp-sesman",
];

/// Services that are called inside sessions, where the module has something to do for root as well.
const INSIDE: [&str; 8] = [
    "su",
    "su-l",
    "sudo",
    "sudo-i",
    "doas",
    "polkit-1",
    "runuser",
    "runuser-l",
];

/// Modules that should have had their turn, and why.
const BEFORE: [(&str, &str); 5] = [
    (
        "pam_systemd",
        "with propagation = \"private\" the session would have no XDG_RUNTIME_DIR",
    ),
    (
        "pam_elogind",
        "with propagation = \"private\" the session would have no XDG_RUNTIME_DIR",
    ),
    (
        "pam_mkhomedir",
        "at a first login there would be no home directory for rules to find",
    ),
    (
        "pam_oddjob_mkhomedir",
        "at a first login there would be no home directory for rules to find",
    ),
    (
        "pam_selinux",
        "instances would be made in the daemon's context, not the user's",
    ),
];

/// Modules that mount for the session when it opens, and unmount when it closes. Modules close in the order of the
/// stack too: one that stands before the module closes while the process is still in the session's namespace.
const MOUNTING: [&str; 4] = ["pam_mount", "pam_ecryptfs", "pam_encfs", "pam_zfs_key"];

/// Finds what is wrong with the stacks of a system.
pub fn findings(tree: &Tree) -> Vec<Finding> {
    let services = stack::services(tree);
    let logins: Vec<Stack> = services
        .names
        .iter()
        .filter(|name| LOGINS.contains(&name.as_str()) || !services.included.contains(*name))
        .filter(|name| *name != "other")
        .map(|name| stack::read(tree, name, "session"))
        .collect();
    let mut all: Vec<Finding> = logins.iter().flat_map(of_stack).collect();
    all.extend(once_each(logins.iter().flat_map(of_lines)));
    let names = logins.iter().map(|stack| stack.service.as_str());
    all.extend(once_each(lockout::findings(tree, names).into_iter()));
    all.extend(once_each(logins.iter().flat_map(jumps::findings)));
    all.extend(of_other_groups(tree, &services.names));
    all.extend(of_absence(&logins));
    all.extend(of_other(tree, &logins));
    all.extend(of_manager(tree, &logins));
    all
}

/// A line that several services include is reported once.
fn once_each(findings: impl Iterator<Item = Finding>) -> Vec<Finding> {
    findings.fold(Vec::new(), |mut all, finding| {
        if !all.contains(&finding) {
            all.push(finding);
        }
        all
    })
}

/// Finds what is wrong with the module's place in one service's stack.
fn of_stack(stack: &Stack) -> Vec<Finding> {
    let entries = stack.entries.as_slice();
    let Some(position) = position_of_ours(entries) else {
        return Vec::new();
    };
    let Some((before, [entry, after @ ..])) = entries.split_at_checked(position) else {
        return Vec::new();
    };
    let service = &stack.service;
    let stands = format!("{service}: session {} {MODULE}", entry.control.text);
    let mut all = vec![Finding::ok(Area::Pam, stands).at(&entry.location)];
    all.extend(of_order(service, after));
    all.extend(of_mounts(service, before));
    all.extend(of_ways_around(service, before));
    all.extend(of_root(service, before));
    all.extend(of_rival(stack));
    all.extend(of_repetition(service, after));
    all
}

/// Finds what treats root in another way than everybody, which nothing needs. Where the service is called inside
/// sessions and root passes by, root keeps the caller's view, and `su -` and `sudo -i` do not find back to the host's.
fn of_root(service: &str, before: &[Entry]) -> Option<Finding> {
    let passes_by = |entry: &&Entry| is_for_root(entry) || is_ours(entry);
    let entry = ways_around(before).find(passes_by)?;
    let finding = match (is_ours(entry), INSIDE.contains(&service)) {
        (true, _) => Finding::note(
            Area::Pam,
            format!("{service}: root has a line of its own, which nothing needs"),
        ),
        (false, false) => Finding::note(
            Area::Pam,
            format!("{service}: root passes {MODULE} by, which nothing needs"),
        ),
        (false, true) => Finding::warning(
            Area::Pam,
            format!("{service}: root passes {MODULE} by, and keeps the caller's view"),
        ),
    };
    Some(finding.at(&entry.location).advise(format!(
        "{MODULE} never refuses root: leave one line, session required {MODULE}.so"
    )))
}

fn of_order(service: &str, after: &[Entry]) -> Vec<Finding> {
    let late = after.iter().filter(|entry| !only_closes(entry));
    late.filter_map(|entry| {
        let (name, why) = BEFORE.iter().find(|(name, _)| *name == entry.name())?;
        Some(
            Finding::warning(
                Area::Pam,
                format!("{service}: {name} stands after {MODULE}"),
            )
            .at(&entry.location)
            .advise(format!("{why}; move {MODULE} below it")),
        )
    })
    .collect()
}

/// Finds modules whose mounts are made on the host, and unmounted in the session alone.
fn of_mounts(service: &str, before: &[Entry]) -> Vec<Finding> {
    let early = before
        .iter()
        .filter(|entry| MOUNTING.contains(&entry.name()));
    early
        .map(|entry| {
            let said = format!("{service}: {} stands before {MODULE}", entry.name());
            Finding::problem(Area::Pam, said)
                .at(&entry.location)
                .advise(format!(
                    "at logout it unmounts in the session, and what it has mounted stays on the host; move it below \
                     {MODULE}"
                ))
        })
        .collect()
}

/// `pam_selinux close` has nothing to do when a session opens.
fn only_closes(entry: &Entry) -> bool {
    entry.name() == "pam_selinux" && entry.arguments.iter().any(|argument| argument == "close")
}

/// Lists the entries before the module that can leave it out.
fn ways_around(before: &[Entry]) -> impl Iterator<Item = &Entry> {
    let distances = (0..before.len()).rev();
    let around = before.iter().zip(distances);
    around
        .filter(|(entry, left)| match entry.control.success {
            Action::Continue => false,
            Action::Stop => true,
            Action::Skip(number) => number > *left,
        })
        .map(|(entry, _)| entry)
}

fn of_ways_around(service: &str, before: &[Entry]) -> Vec<Finding> {
    ways_around(before)
        .filter(|entry| !is_for_root(entry) && !is_ours(entry))
        .map(|entry| of_way_around(service, entry))
        .collect()
}

fn of_way_around(service: &str, entry: &Entry) -> Finding {
    let said = format!(
        "{service}: {MODULE} is left out when {} succeeds",
        [&[entry.name().to_owned()], entry.arguments.as_slice()]
            .concat()
            .join(" ")
    );
    if entry.name() == "pam_succeed_if" {
        Finding::note(Area::Pam, said).at(&entry.location)
    } else {
        Finding::warning(Area::Pam, said)
            .at(&entry.location)
            .advise(format!(
                "put {MODULE} above it, or give it a control that goes on"
            ))
    }
}

fn of_rival(stack: &Stack) -> Option<Finding> {
    let rival = stack
        .entries
        .iter()
        .find(|entry| entry.name() == "pam_namespace")?;
    Some(
        Finding::problem(
            Area::Pam,
            format!(
                "{}: pam_namespace and {MODULE} cover the same directories",
                stack.service
            ),
        )
        .at(&rival.location)
        .advise(
            "`jns import` makes a policy of what pam_namespace covers: with that in force, take its line out",
        ),
    )
}

fn of_repetition(service: &str, after: &[Entry]) -> Option<Finding> {
    let again = after.iter().find(|entry| is_ours(entry))?;
    Some(
        Finding::note(
            Area::Pam,
            format!("{service}: {MODULE} stands here again, and does nothing"),
        )
        .at(&again.location),
    )
}

/// Finds what is wrong with the module's lines themselves, whatever service they belong to.
fn of_lines(stack: &Stack) -> Vec<Finding> {
    let entries = stack.entries.as_slice();
    let ours = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| is_ours(entry));
    ours.flat_map(|(at, entry)| {
        let roots = is_for_root_alone(entries.get(..at).unwrap_or_default());
        let control = (!roots).then(|| of_control(entry));
        control.flatten().into_iter().chain(of_arguments(entry))
    })
    .collect()
}

fn of_control(entry: &Entry) -> Option<Finding> {
    let control = &entry.control;
    let finding = if control.success == Action::Stop {
        Finding::problem(
            Area::Pam,
            format!("`{}` ends the stack where {MODULE} succeeds", control.text),
        )
        .advise("the modules below are never called; use required")
    } else if control.denies {
        return None;
    } else {
        Finding::warning(
            Area::Pam,
            format!(
                "`{}` lets logins go on with the host's view when {MODULE} fails",
                control.text
            ),
        )
        .advise("good for a trial; use required afterwards")
    };
    Some(finding.at(&entry.location))
}

fn of_arguments(entry: &Entry) -> Vec<Finding> {
    let wrong = entry
        .arguments
        .iter()
        .filter_map(|argument| objection(argument));
    wrong
        .map(|objection| {
            Finding::problem(Area::Pam, objection)
                .at(&entry.location)
                .advise(
                    "every login here but root's is refused; the arguments are config=PATH, observe, debug and \
                     threads=any",
                )
        })
        .chain(of_observe(entry))
        .collect()
}

/// Returns what is wrong with an argument.
fn objection(argument: &str) -> Option<String> {
    match argument.strip_prefix("config=") {
        Some(path) if path.starts_with('/') => None,
        Some(_) => Some(format!("`{argument}` needs an absolute path")),
        None if matches!(argument, "observe" | "debug" | "threads=any") => None,
        None => Some(format!("{MODULE} has no argument `{argument}`")),
    }
}

fn of_observe(entry: &Entry) -> Option<Finding> {
    let observes = entry.arguments.iter().any(|argument| argument == "observe");
    observes.then(|| {
        Finding::warning(Area::Pam, "`observe`: plans are logged, not applied")
            .at(&entry.location)
            .advise("remove the argument when the log shows what is wanted")
    })
}

/// Lines of management groups in which the module has nothing to do. In `auth` it keeps the password for volumes.
fn of_other_groups(tree: &Tree, services: &[String]) -> Vec<Finding> {
    let groups = ["account", "password"];
    let entries = services.iter().flat_map(|service| {
        groups
            .iter()
            .flat_map(|group| stack::read(tree, service, group).entries)
    });
    once_each(entries.filter(is_ours).map(|entry| {
        Finding::warning(
            Area::Pam,
            format!(
                "{MODULE} does nothing in {}, and answers PAM_IGNORE",
                entry.group
            ),
        )
        .at(&entry.location)
        .advise("remove this line; a jump above that counts it has to count one less")
    }))
}

/// The services that users log in through without the module.
fn of_absence(logins: &[Stack]) -> Option<Finding> {
    let (with, without): (Vec<&Stack>, Vec<&Stack>) = logins
        .iter()
        .filter(|stack| LOGINS.contains(&stack.service.as_str()))
        .partition(|stack| has_line(stack));
    let names: Vec<&str> = without
        .iter()
        .map(|stack| stack.service.as_str())
        .filter(|name| *name != MANAGER)
        .collect();
    let finding = match (with.is_empty(), names.is_empty()) {
        (true, _) => Finding::warning(
            Area::Pam,
            format!("{MODULE} stands in no session stack that users log in through"),
        ),
        (false, false) => Finding::warning(
            Area::Pam,
            format!(
                "without {MODULE}, and with the view they are started in: {}",
                names.join(", ")
            ),
        ),
        (false, true) => return None,
    };
    Some(finding.advise("pam.d-examples shows where the line belongs in each"))
}

/// The stack of services that have none, without the module beside logins with it. One that denies opens no session.
fn of_other(tree: &Tree, logins: &[Stack]) -> Option<Finding> {
    let other = stack::read(tree, "other", "session");
    let denies = |entry: &Entry| entry.name() == "pam_deny" && entry.control.denies;
    let is_jumped_over = |entry: &Entry| other.jumps.iter().any(|jump| jump.over.contains(entry));
    let mut entries = other.entries.iter();
    let is_closed = entries.any(|entry| denies(entry) && !is_jumped_over(entry));
    let is_apart = logins.iter().any(has_line) && !has_line(&other);
    let place = other.entries.last().filter(|_| is_apart && !is_closed)?;
    let said = format!(
        "other: without {MODULE}, so sessions of services that have no stack of their own see the host's view"
    );
    Some(
        Finding::note(Area::Pam, said)
            .at(&place.location)
            .advise(
                "where such a service opens sessions for users, give it a file with the line, or put that at the end of \
                 /etc/pam.d/other",
            ),
    )
}

/// User managers without the module, beside logins with it.
fn of_manager(tree: &Tree, logins: &[Stack]) -> Option<Finding> {
    let is_there = |stack: &Stack| stack.service == MANAGER;
    let serves = logins.iter().any(is_there) || is_systemd_running(tree);
    let apart = logins.iter().any(has_line) && !has_line(&stack::read(tree, MANAGER, "session"));
    (serves && apart).then(|| {
        Finding::warning(
            Area::Pam,
            format!(
                "{MANAGER}: without {MODULE}, so users' services do not see what their logins see"
            ),
        )
        .advise(
            "copy /usr/lib/pam.d/systemd-user to /etc/pam.d where there is none, and put the line at its end: \
             pam.d-examples/systemd-user",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    /// A system with these files beneath /etc/pam.d and an installed module.
    fn system(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let root = tempfile::tempdir().unwrap();
        let security = root.path().join("usr/lib/x86_64-linux-gnu/security");
        let services = root.path().join("etc/pam.d");
        std::fs::create_dir_all(&security).unwrap();
        std::fs::create_dir_all(&services).unwrap();
        let others = [
            "pam_permit",
            "pam_deny",
            "pam_unix",
            "pam_selinux",
            "pam_namespace",
        ];
        for module in others
            .iter()
            .chain(&["pam_jns", "pam_mkhomedir", "pam_env"])
        {
            std::fs::write(security.join(format!("{module}.so")), "").unwrap();
        }
        for (name, text) in files {
            std::fs::write(services.join(name), text).unwrap();
        }
        let tree = Tree::under(root.path()).unwrap();
        (root, tree)
    }

    /// The findings about an sshd stack, other than that the module stands in it.
    fn about(text: &str) -> Vec<(Level, String)> {
        let (_root, tree) = system(&[("sshd", text)]);
        let found = findings(&tree).into_iter();
        found
            .map(|finding| (finding.level, finding.summary))
            .filter(|(level, _)| *level != Level::Ok)
            // Whoever runs the tests owns the fabricated module.
            .filter(|(_, summary)| !summary.contains("changed by others"))
            .collect()
    }

    /// The reason, the stack of sshd, and what is found in it.
    const STACKS: &[(&str, &str, Level, &str)] = &[
        (
            "a trial",
            "session optional pam_jns.so",
            Level::Warning,
            "go on",
        ),
        (
            "a trial in brackets",
            "session [default=ignore] pam_jns.so",
            Level::Warning,
            "go on",
        ),
        (
            "an end",
            "session sufficient pam_jns.so",
            Level::Problem,
            "ends the stack",
        ),
        (
            "a wrong argument",
            "session required pam_jns.so debgu",
            Level::Problem,
            "no argument `debgu`",
        ),
        (
            "a relative policy",
            "session required pam_jns.so config=x",
            Level::Problem,
            "`config=x` needs an absolute path",
        ),
        (
            "observing",
            "session required pam_jns.so observe",
            Level::Warning,
            "not applied",
        ),
        (
            "not installed",
            "session required /opt/pam_jns.so",
            Level::Problem,
            "is missing",
        ),
        (
            "too early",
            "session required pam_jns.so\nsession optional pam_systemd.so",
            Level::Warning,
            "pam_systemd stands after",
        ),
        (
            "before the home",
            "session required pam_jns.so\nsession required pam_mkhomedir.so",
            Level::Warning,
            "pam_mkhomedir stands after",
        ),
        (
            "before the context",
            "session required pam_jns.so\nsession required pam_selinux.so open",
            Level::Warning,
            "pam_selinux stands after",
        ),
        (
            "a volume on the host",
            "session optional pam_mount.so\nsession required pam_jns.so",
            Level::Problem,
            "pam_mount stands before pam_jns",
        ),
        (
            "another one",
            "session optional pam_zfs_key.so homes=pool/home\nsession required pam_jns.so",
            Level::Problem,
            "pam_zfs_key stands before pam_jns",
        ),
        (
            "a rival",
            "session required pam_namespace.so\nsession required pam_jns.so",
            Level::Problem,
            "pam_namespace and pam_jns",
        ),
        (
            "twice",
            "session required pam_jns.so\nsession required pam_jns.so",
            Level::Note,
            "again",
        ),
        (
            "left out",
            "session sufficient pam_x.so\nsession required pam_jns.so",
            Level::Warning,
            "left out when pam_x succeeds",
        ),
        (
            "jumped over",
            "session [default=1] pam_permit.so\nsession required pam_jns.so",
            Level::Warning,
            "left out when pam_permit",
        ),
        (
            "some users' way past it",
            "session [success=1 default=ignore] pam_succeed_if.so user ingroup x\nsession required pam_jns.so",
            Level::Note,
            "left out when pam_succeed_if user ingroup x",
        ),
        (
            "the wrong group",
            "account required pam_jns.so",
            Level::Warning,
            "does nothing in account",
        ),
        (
            "nowhere",
            "session required pam_unix.so",
            Level::Warning,
            "in no session stack",
        ),
    ];

    #[test]
    fn stacks_and_what_is_found_in_them() {
        for (reason, text, level, part) in STACKS {
            let found = about(text);
            assert!(
                found
                    .iter()
                    .any(|(l, summary)| l == level && summary.contains(part)),
                "{reason}: {found:?}"
            );
        }
    }

    #[test]
    fn stacks_that_are_right() {
        let table = [
            (
                "last",
                "session optional pam_systemd.so\nsession required pam_jns.so",
            ),
            (
                "with arguments",
                "session required pam_jns.so config=/etc/x.toml debug",
            ),
            ("requisite", "session requisite pam_jns.so"),
            (
                "a volume of the session's",
                "session required pam_jns.so\nsession optional pam_mount.so",
            ),
            (
                "close is not late",
                "session required pam_jns.so\nsession required pam_selinux.so close",
            ),
            (
                "a jump that ends before it",
                "session [default=1] pam_permit.so\nsession requisite pam_deny.so\nsession required pam_jns.so",
            ),
        ];
        for (reason, text) in table {
            let found = about(text);
            let worse: Vec<_> = found
                .iter()
                .filter(|(level, _)| *level > Level::Note)
                .collect();
            assert!(worse.is_empty(), "{reason}: {worse:?}");
        }
    }

    #[test]
    fn one_line_is_enough_for_root_too() {
        let own = "session required pam_jns.so\n";
        let past = "session [success=1 default=ignore] pam_succeed_if.so quiet uid = 0\n";
        let past_by_word = "session [success=1 default=ignore] pam_succeed_if.so uid eq 0\n";
        let past_by_name = "session [success=1 default=ignore] pam_succeed_if.so user = root\n";
        let roots = "session [success=ignore default=1] pam_succeed_if.so quiet uid = 0\n\
                     session [default=1] pam_jns.so\n";
        let too_short = "session [success=1 default=ignore] pam_succeed_if.so quiet uid = 0\n\
                         session required pam_env.so\n";
        let (note, warning) = (Some(Level::Note), Some(Level::Warning));
        for (above, service, level, part) in [
            ("", "sshd", None, ""),
            ("", "su", None, ""),
            (past, "sshd", note, "root passes pam_jns by, which nothing"),
            (past, "su", warning, "by, and keeps the caller's view"),
            (past, "runuser-l", warning, "by, and keeps the caller's"),
            (past_by_word, "sudo", warning, "by, and keeps the caller's"),
            (past_by_name, "su-l", warning, "by, and keeps the caller's"),
            (roots, "su", note, "root has a line of its own"),
            (roots, "sshd", note, "root has a line of its own"),
            (too_short, "su", None, ""),
        ] {
            let stack = format!("{above}{own}session optional pam_permit.so\n");
            let (_root, tree) = system(&[(service, &stack)]);
            let all = findings(&tree);
            let about = |finding: &&Finding| finding.summary.contains(": root ");
            let found: Vec<&Finding> = all.iter().filter(about).collect();
            let levels: Vec<Level> = found.iter().map(|finding| finding.level).collect();
            assert_eq!(levels, Vec::from_iter(level), "{service} {above}");
            let is_told = |finding: &&Finding| finding.summary.contains(part);
            assert!(found.iter().all(is_told), "{service} {found:?}");
        }
    }

    #[test]
    fn roots_own_line_is_no_trial_and_not_reported_as_a_repetition() {
        let own = "session [success=ignore default=1] pam_succeed_if.so quiet uid = 0\n\
                   session [default=1] pam_jns.so\nsession required pam_jns.so\n";
        let levels: Vec<Level> = about(own).into_iter().map(|(level, _)| level).collect();
        assert_eq!(levels, [Level::Note]);
    }

    #[test]
    fn a_line_that_is_included_is_reported_once() {
        let common = "session optional pam_jns.so bad\n";
        let (_root, tree) = system(&[
            ("common-session", common),
            ("sshd", "@include common-session\n"),
            ("login", "@include common-session\n"),
            ("su", "auth required pam_unix.so\n"),
        ]);
        let found = findings(&tree);
        let number = |text: &str| found.iter().filter(|f| f.summary.contains(text)).count();
        assert_eq!(number("no argument `bad`"), 1);
        assert_eq!(number("sshd: session optional"), 1);
        assert_eq!(number("login: session optional"), 1);
        assert_eq!(
            number("common-session: "),
            0,
            "a file that is only included is no service"
        );
        assert!(
            found.iter().any(|f| f.summary.ends_with("started in: su")),
            "{found:?}"
        );
    }

    #[test]
    fn commands_need_the_line_where_the_system_has_their_service() {
        let with = "session required pam_jns.so\n";
        let without = "session required pam_unix.so\n";
        let including = "session include runuser\n";
        type Services<'a> = &'a [(&'a str, &'a str)];
        let table: &[(Services<'_>, Option<&str>)] = &[
            (&[], None),
            (&[("doas", without)], Some("doas")),
            (
                &[("../../usr/lib/pam.d/polkit-1", without)],
                Some("polkit-1"),
            ),
            (
                &[
                    ("../../usr/lib/pam.d/polkit-1", without),
                    ("polkit-1", with),
                ],
                None,
            ),
            (
                &[("runuser", without), ("runuser-l", including)],
                Some("runuser, runuser-l"),
            ),
            (&[("runuser", with), ("runuser-l", including)], None),
        ];
        for (services, expected) in table {
            let (root, tree) = system(&[("sshd", with)]);
            std::fs::create_dir_all(root.path().join("usr/lib/pam.d")).unwrap();
            for (name, text) in *services {
                std::fs::write(root.path().join("etc/pam.d").join(name), text).unwrap();
            }
            let found = findings(&tree);
            let mut names = found
                .iter()
                .filter_map(|finding| finding.summary.split_once("started in: "))
                .map(|(_, names)| names);
            assert_eq!(names.next(), *expected, "{services:?}");
        }
    }

    #[test]
    fn services_without_a_stack_of_their_own() {
        let with = "session required pam_jns.so\n";
        let debian = "session [default=1] pam_permit.so\nsession requisite pam_deny.so\nsession required pam_permit.so\n";
        let beside = format!("{debian}{with}");
        for (other, sshd, is_found) in [
            (debian, with, true),
            ("session required pam_unix.so\n", with, true),
            ("session required pam_deny.so\n", with, false),
            (&beside, with, false),
            (debian, "session required pam_unix.so\n", false),
            ("", with, false),
        ] {
            let (_root, tree) = system(&[("other", other), ("sshd", sshd)]);
            let found = findings(&tree);
            let is_reported = found
                .iter()
                .any(|f| f.summary.starts_with("other: without"));
            assert_eq!(is_reported, is_found, "{other} {sshd}");
        }
    }

    #[test]
    fn user_managers() {
        let with = "session required pam_jns.so\n";
        let without = "session required pam_unix.so\n";
        type Services<'a> = &'a [(&'a str, &'a str)];
        let table: &[(&str, Services<'_>, bool)] = &[
            ("apart", &[("sshd", with), ("systemd-user", without)], true),
            ("together", &[("sshd", with), ("systemd-user", with)], false),
            (
                "neither",
                &[("sshd", without), ("systemd-user", without)],
                false,
            ),
            ("no systemd", &[("sshd", with)], false),
        ];
        for (reason, services, expected) in table {
            let (_root, tree) = system(services);
            let found = findings(&tree);
            let is_reported = |text: &str| found.iter().any(|f| f.summary.contains(text));
            assert_eq!(
                is_reported("systemd-user: without pam_jns"),
                *expected,
                "{reason}"
            );
            assert!(
                !is_reported("started in: systemd-user"),
                "{reason}: reported twice"
            );
        }
    }

    #[test]
    fn a_user_manager_without_a_stack_of_its_own_has_that_of_other() {
        let with = "session required pam_jns.so\n";
        for (other, expected) in [("session required pam_unix.so\n", true), (with, false)] {
            let (root, tree) = system(&[("sshd", with), ("other", other)]);
            std::fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
            let found = findings(&tree);
            let is_reported = found
                .iter()
                .any(|f| f.summary.starts_with("systemd-user: without"));
            assert_eq!(is_reported, expected, "{other}");
        }
    }
}
