//! Findings about jumps in session stacks, such as are left over when the lines of the module that they led around are
//! gone.

use super::finding::{Area, Finding};
use crate::cli::host::module_line::{MODULE, is_for_root, is_ours};
use crate::cli::host::stack::{Entry, Jump, Stack};

/// The module that tests for a jump.
const TEST: &str = "pam_succeed_if";

/// Stood at the end of stacks with a jump, to have something to land on. It does nothing, and nothing is lost without.
const LANDING: &str = "pam_permit";

/// Finds what the jumps of a stack do that nobody wants.
pub fn findings(stack: &Stack) -> Vec<Finding> {
    let judge = |jump: &Jump| too_far(jump).or_else(|| left_over(jump));
    stack.jumps.iter().filter_map(judge).collect()
}

/// A jump that libpam refuses ("bad jump in stack"), with PAM_PERM_DENIED, whatever the other modules say.
fn too_far(jump: &Jump) -> Option<Finding> {
    jump.is_too_far.then(|| {
        let said = format!("`{}` jumps past the end of the stack", text(&jump.from));
        // A line that only tests decides nothing itself; another one may be what keeps somebody out.
        let only_tests = jump.from.name() == TEST || is_ours(&jump.from);
        let remedy = match only_tests && !jump.from.control.denies {
            true => "take the line out, or put back what it jumped over",
            false => "put back what it jumped over, or count again",
        };
        let advice = format!("libpam refuses the session, root's too; {remedy}");
        Finding::problem(Area::Pam, said)
            .at(&jump.from.location)
            .advise(advice)
    })
}

/// A jump by a test that leaves out something else than the module. One by the name of the service is a distribution's.
fn left_over(jump: &Jump) -> Option<Finding> {
    let is_of_service = |word: &String| word == "service";
    if jump.from.name() != TEST || jump.from.arguments.iter().any(is_of_service) {
        return None;
    }
    let others = jump.over.iter().filter(|entry| !is_ours(entry));
    let names: Vec<&str> = others
        .map(Entry::name)
        .filter(|name| *name != LANDING)
        .collect();
    (!names.is_empty()).then(|| finding(&jump.from, &names.join(", ")))
}

fn finding(from: &Entry, names: &str) -> Finding {
    let said = format!("`{}` jumps over {names}, which is not {MODULE}", text(from));
    let finding = if is_for_root(from) {
        Finding::warning(Area::Pam, said)
    } else {
        Finding::note(Area::Pam, said)
    };
    finding.at(&from.location).advise(format!(
        "where it is left over from a line of {MODULE}, take it out"
    ))
}

/// The line, without its group.
fn text(entry: &Entry) -> String {
    let words = [entry.control.text.clone(), entry.module.clone()];
    [words.as_slice(), entry.arguments.as_slice()]
        .concat()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::super::pam;
    use super::*;
    use crate::cli::host::{Tree, stack};

    const PAST: &str = "session [success=1 default=ignore] pam_succeed_if.so quiet uid = 0\n";
    const OTHERS_PAST: &str =
        "session [success=ignore default=1] pam_succeed_if.so quiet uid = 0\n";
    const TEAM_PAST: &str =
        "session [success=1 default=ignore] pam_succeed_if.so user ingroup team\n";
    const OWN: &str = "session [default=1] pam_jns.so\n";
    const OURS: &str = "session required pam_jns.so\n";
    const LANDING: &str = "session optional pam_permit.so\n";
    const OTHER: &str = "session optional pam_gnome_keyring.so auto_start\n";

    /// The lines of a stack, and what is found: the level, the number of the line, a part of the summary.
    type Row<'a> = (&'a [&'a str], Option<(Level, usize, &'a str)>);

    const STACKS: &[Row<'_>] = &[
        (&[PAST, OURS, LANDING], None),
        (&[PAST, OURS], None),
        (&[PAST, LANDING], None),
        (&[OTHERS_PAST, OWN, OURS, LANDING], None),
        (&[OTHERS_PAST, OWN, OURS], None),
        (&[TEAM_PAST, OURS], None),
        (&[OURS], None),
        (
            &[OTHER, PAST],
            Some((Level::Problem, 2, "uid = 0` jumps past the end")),
        ),
        (
            &[OURS, PAST],
            Some((Level::Problem, 2, "uid = 0` jumps past the end")),
        ),
        (
            &[OTHER, OTHERS_PAST],
            Some((Level::Problem, 2, "uid = 0` jumps past the end")),
        ),
        (
            &[OTHERS_PAST, OWN],
            Some((
                Level::Problem,
                2,
                "`[default=1] pam_jns.so` jumps past the end",
            )),
        ),
        (
            &[OTHER, "auth required pam_env.so\n", TEAM_PAST],
            Some((Level::Problem, 3, "ingroup team` jumps past the end")),
        ),
        (
            &[PAST, OTHER, OURS],
            Some((Level::Warning, 1, "jumps over pam_gnome_keyring, which")),
        ),
        (
            &[PAST, OTHER],
            Some((Level::Warning, 1, "jumps over pam_gnome_keyring, which")),
        ),
        (
            &[OTHERS_PAST, OTHER],
            Some((Level::Warning, 1, "jumps over pam_gnome_keyring, which")),
        ),
        (
            &[
                "session [success=2 default=ignore] pam_succeed_if.so uid = 0\n",
                OURS,
                OTHER,
            ],
            Some((Level::Warning, 1, "jumps over pam_gnome_keyring, which")),
        ),
        (
            &[TEAM_PAST, OTHER, OURS],
            Some((Level::Note, 1, "jumps over pam_gnome_keyring, which")),
        ),
        // Debian's and Fedora's own.
        (
            &[
                "session [default=1] pam_permit.so\n",
                "session requisite pam_deny.so\n",
                "session required pam_permit.so\n",
            ],
            None,
        ),
        (
            &[
                "session [success=1 default=ignore] pam_succeed_if.so service in crond quiet use_uid\n",
                "session required pam_unix.so\n",
            ],
            None,
        ),
        (
            &[
                "session [success=1 default=ignore] pam_succeed_if.so service !~ gdm* service !~ su* quiet\n",
                "session [default=1] pam_lastlog.so nowtmp showfailed\n",
                "session optional pam_lastlog.so silent noupdate showfailed\n",
            ],
            None,
        ),
    ];

    fn system(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let path = |(name, text): &(_, _)| (format!("etc/pam.d/{name}"), *text);
        Tree::of_files(files.iter().map(path))
    }

    #[test]
    fn jumps_and_what_is_found() {
        for (lines, expected) in STACKS {
            let (_root, tree) = system(&[("su", &lines.concat())]);
            let found = findings(&stack::read(&tree, "su", "session"));
            assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
            for (finding, (level, line, part)) in found.iter().zip(expected) {
                assert_eq!(finding.level, *level, "{lines:?}");
                let place = format!("/etc/pam.d/su:{line}");
                assert_eq!(finding.location.as_ref().unwrap().to_string(), place);
                assert!(finding.summary.contains(part), "{finding:?}");
            }
        }
    }

    #[test]
    fn a_jump_that_services_include_is_reported_once_and_without_any_line_of_ours() {
        let (_root, tree) = system(&[
            ("common-session", &[OTHER, PAST].concat()),
            ("sshd", "@include common-session\n"),
            ("login", "@include common-session\n"),
            ("su", &["@include common-session\n", OTHER].concat()),
        ]);
        let count_of = |part: &str| {
            let found = pam::findings(&tree);
            let about = found
                .iter()
                .filter(|finding| finding.summary.contains(part));
            about.count()
        };
        assert_eq!(count_of("jumps past the end"), 1);
        assert_eq!(count_of("jumps over pam_gnome_keyring"), 1);
    }
}
