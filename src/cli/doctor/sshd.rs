//! Findings about sshd's configuration, of which the first value wins (sshd_config(5)).

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::host::sshd_config::{self, MAIN, Setting};

/// Finds what keeps sshd's sessions from their namespaces, or makes them surprising. `covered` says whether a rule of
/// the policy is about a path in that directory.
pub fn findings(tree: &Tree, covered: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let Some(settings) = sshd_config::read(tree) else {
        return vec![Finding::note(Area::Sshd, format!("there is no {MAIN}"))];
    };
    let mut all = vec![of_use_pam(&settings)];
    all.extend(of_chroots(&settings, covered));
    all
}

fn of_use_pam(settings: &[Setting]) -> Finding {
    let said = settings
        .iter()
        .find(|setting| setting.keyword == "usepam" && setting.condition.is_none());
    match said {
        Some(setting) if setting.value == "yes" => {
            Finding::ok(Area::Sshd, "UsePAM is yes").at(&setting.location)
        }
        Some(setting) => {
            without_pam(&format!("UsePAM is {}", setting.value), settings).at(&setting.location)
        }
        None => without_pam("UsePAM is not set, and no by default", settings),
    }
}

fn without_pam(summary: &str, settings: &[Setting]) -> Finding {
    let mut advice = format!("write UsePAM yes into {MAIN}");
    if takes_passwords_by_pam_alone(settings) {
        advice.push_str(
            ", and KbdInteractiveAuthentication no: by PAM sshd takes passwords in spite of PasswordAuthentication no",
        );
    }
    Finding::problem(
        Area::Sshd,
        format!("{summary}: sshd calls no session module"),
    )
    .advise(advice)
}

/// Whether passwords that sshd does not ask for would be asked for by PAM (sshd_config(5)).
fn takes_passwords_by_pam_alone(settings: &[Setting]) -> bool {
    let is_no = |keywords: &[&str]| {
        let mut set = settings.iter();
        let first = set.find(|setting| keywords.contains(&setting.keyword.as_str()));
        first.is_some_and(|setting| setting.value.eq_ignore_ascii_case("no"))
    };
    let interactive = [
        "kbdinteractiveauthentication",
        "challengeresponseauthentication",
    ];
    is_no(&["passwordauthentication"]) && !is_no(&interactive)
}

fn of_chroots(settings: &[Setting], covered: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let chroots = settings.iter().filter(|setting| {
        setting.keyword == "chrootdirectory" && !setting.value.eq_ignore_ascii_case("none")
    });
    chroots.map(|setting| of_chroot(setting, covered)).collect()
}

fn of_chroot(setting: &Setting, covered: &dyn Fn(&str) -> bool) -> Finding {
    let directory = &setting.value;
    let condition = match &setting.condition {
        Some(criteria) => format!(" for Match {criteria}"),
        None => String::new(),
    };
    let summary = format!("ChrootDirectory is {directory}{condition}");
    let finding = if covered(directory) {
        Finding::ok(
            Area::Sshd,
            format!("{summary}, and the policy has rules in it"),
        )
    } else {
        Finding::warning(
            Area::Sshd,
            format!("{summary}: those sessions see {directory}/tmp, which no rule is about"),
        )
        .advise(format!(
            "give {directory}/tmp a rule of its own if it is there and shared"
        ))
    };
    finding.at(&setting.location)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    const PART: &str = "etc/ssh/sshd_config.d/10.conf";

    /// The findings about a system with this sshd_config, and this beside it.
    fn look(main: &str, beside: &[(&str, &str)]) -> Vec<Finding> {
        let files = [&[("etc/ssh/sshd_config", main)], beside].concat();
        let (_root, tree) = Tree::of_files(files);
        findings(&tree, &|path| path == "/srv/ruled")
    }

    fn levels(found: &[Finding]) -> Vec<Level> {
        found.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn one_file() {
        use Level::{Ok, Problem, Warning};
        let table: &[(&str, &str, &[Level])] = &[
            ("yes", "UsePAM yes", &[Ok]),
            ("any case, equals sign", "usepam=yes", &[Ok]),
            ("quoted, with a comment", "UsePAM \"yes\" # so", &[Ok]),
            ("no", "UsePAM no", &[Problem]),
            ("the default is no", "#UsePAM yes", &[Problem]),
            ("the first wins", "UsePAM no\nUsePAM yes", &[Problem]),
            (
                "a chroot",
                "UsePAM yes\nChrootDirectory /srv/x",
                &[Ok, Warning],
            ),
            (
                "a chroot with rules",
                "UsePAM yes\nChrootDirectory /srv/ruled",
                &[Ok, Ok],
            ),
            ("no chroot", "UsePAM yes\nChrootDirectory none", &[Ok]),
            (
                "an include of itself",
                "UsePAM yes\nInclude sshd_config",
                &[Ok],
            ),
        ];
        for (reason, text, expected) in table {
            assert_eq!(&levels(&look(text, &[])), expected, "{reason}");
        }
    }

    #[test]
    fn several_files() {
        let include = "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n";
        let relative = "Include sshd_config.d/1*.conf\n";
        let table = [
            (
                "an include comes first",
                include,
                PART,
                "UsePAM no",
                Level::Problem,
            ),
            (
                "a relative include",
                relative,
                PART,
                "UsePAM yes",
                Level::Ok,
            ),
            (
                "not included",
                include,
                "etc/ssh/sshd_config.d/x",
                "UsePAM no",
                Level::Ok,
            ),
        ];
        for (reason, main, path, text, level) in table {
            assert_eq!(levels(&look(main, &[(path, text)])), [level], "{reason}");
        }
    }

    #[test]
    fn no_sshd_is_worth_a_note() {
        let root = tempfile::tempdir().unwrap();
        let found = findings(&Tree::under(root.path()).unwrap(), &|_| false);
        assert_eq!(levels(&found), [Level::Note]);
    }

    #[test]
    fn a_match_is_reported() {
        let text =
            "UsePAM yes\nMatch Group sftp\n  ChrootDirectory %h\nMatch all\nChrootDirectory none\n";
        let found = look(text, &[]);
        let chroot = found.last().unwrap();
        assert!(
            chroot
                .summary
                .starts_with("ChrootDirectory is %h for Match Group sftp"),
            "{chroot:?}"
        );
        assert_eq!(chroot.location.as_ref().unwrap().line, 3);
    }
}
