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
    all.extend(of_chroots(tree, &settings, covered));
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

fn of_chroots(tree: &Tree, settings: &[Setting], covered: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let chroots = settings.iter().filter(|setting| {
        setting.keyword == "chrootdirectory" && !setting.value.eq_ignore_ascii_case("none")
    });
    chroots
        .map(|setting| of_chroot(tree, setting, covered))
        .collect()
}

/// The directories that users share in a root directory, where they are in it.
const SHARED: [&str; 3] = ["tmp", "var/tmp", "dev/shm"];

/// A directory of sshd's with what stands for its `%` in a policy, and whether each user has another one (sshd_config(5)).
fn as_in_policies(directory: &str) -> (String, bool) {
    let tokens = [("%h", "{home}"), ("%u", "{user}"), ("%U", "{uid}")];
    let is_users = tokens.iter().any(|(token, _)| directory.contains(token));
    let replace = |text: String, (token, fact): &(&str, &str)| text.replace(token, fact);
    let path = tokens.iter().fold(directory.to_owned(), replace);
    (path.trim_end_matches('/').to_owned(), is_users)
}

fn of_chroot(tree: &Tree, setting: &Setting, covered: &dyn Fn(&str) -> bool) -> Finding {
    let directory = &setting.value;
    let condition = match &setting.condition {
        Some(criteria) => format!(" for Match {criteria}"),
        None => String::new(),
    };
    let summary = format!("ChrootDirectory is {directory}{condition}");
    let (path, is_users) = as_in_policies(directory);
    let mut shared = SHARED.iter().map(|name| format!("{path}/{name}"));
    let finding = if covered(&path) {
        Finding::ok(
            Area::Sshd,
            format!("{summary}, and the policy has rules in it"),
        )
    } else if is_users {
        Finding::ok(Area::Sshd, format!("{summary}: each user's own"))
    } else if let Some(shared) = shared.find(|path| tree.exists(path)) {
        Finding::warning(
            Area::Sshd,
            format!("{summary}: those sessions share {shared}, which no rule is about"),
        )
        .advise(format!("give {shared} a rule of its own"))
    } else {
        Finding::ok(
            Area::Sshd,
            format!("{summary}, where nothing is that users share"),
        )
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
        let files = [
            &[("etc/ssh/sshd_config", main), ("srv/x/var/tmp/x", "")],
            beside,
        ]
        .concat();
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
                "a chroot without a directory that users share",
                "UsePAM yes\nChrootDirectory /srv/y",
                &[Ok, Ok],
            ),
            (
                "a chroot of each user's own",
                "UsePAM yes\nChrootDirectory /srv/x/%u",
                &[Ok, Ok],
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
    fn tokens_stand_for_facts() {
        for (directory, expected) in [
            ("/srv/x/", ("/srv/x", false)),
            ("%h", ("{home}", true)),
            ("/srv/%u/root", ("/srv/{user}/root", true)),
            ("/srv/%U", ("/srv/{uid}", true)),
        ] {
            let (path, is_users) = as_in_policies(directory);
            assert_eq!((path.as_str(), is_users), expected);
        }
    }

    #[test]
    fn passwords_that_sshd_does_not_take_are_not_let_in_by_pam() {
        let main = "UsePAM no\nPasswordAuthentication no\n";
        let closed = format!("{main}KbdInteractiveAuthentication no\n");
        let closed_by_old_name = format!("{main}ChallengeResponseAuthentication no\n");
        for (text, is_told) in [
            (main, true),
            (&closed, false),
            (&closed_by_old_name, false),
            ("UsePAM no\n", false),
        ] {
            let advice = look(text, &[]).remove(0).advice.unwrap();
            let tells = advice.contains("KbdInteractiveAuthentication no");
            assert_eq!(tells, is_told, "{text}");
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
