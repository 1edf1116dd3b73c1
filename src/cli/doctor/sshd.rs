//! Findings about sshd's configuration, read as sshd_config(5) says: the first value wins, and what stands
//! after `Match` is for some connections only.

use super::finding::{Area, Finding, place};
use super::tree::Tree;
use crate::error::Origin;

const MAIN: &str = "/etc/ssh/sshd_config";

/// One line that has its turn, and the `Match` that it is under.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    keyword: String,
    value: String,
    condition: Option<String>,
    origin: Origin,
}

/// What keeps sshd's sessions from their namespaces, or makes them surprising. `covered` says whether a
/// rule of the policy is about a path in that directory.
pub fn findings(tree: &Tree, covered: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    if !tree.exists(MAIN) {
        return vec![Finding::note(Area::Sshd, format!("there is no {MAIN}"))];
    }
    let settings = settings(tree, MAIN, None, &[]);
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
            Finding::ok(Area::Sshd, "UsePAM is yes").at(&setting.origin)
        }
        Some(setting) => without_pam(&format!("UsePAM is {}", setting.value)).at(&setting.origin),
        None => without_pam("UsePAM is not set, and no by default"),
    }
}

fn without_pam(summary: &str) -> Finding {
    Finding::problem(
        Area::Sshd,
        format!("{summary}: sshd calls no session module"),
    )
    .advise(format!("write UsePAM yes into {MAIN}"))
}

fn of_chroots(settings: &[Setting], covered: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let chroots = settings.iter().filter(|setting| {
        setting.keyword == "chrootdirectory" && !setting.value.eq_ignore_ascii_case("none")
    });
    chroots
        .map(|setting| of_chroot(setting, covered(&setting.value)))
        .collect()
}

fn of_chroot(setting: &Setting, covered: bool) -> Finding {
    let directory = &setting.value;
    let whom = match &setting.condition {
        Some(condition) => format!(" for Match {condition}"),
        None => String::new(),
    };
    let summary = format!("ChrootDirectory is {directory}{whom}");
    let finding = if covered {
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
    finding.at(&setting.origin)
}

/// The settings of `file` and of what it includes, in place; `open` are the files that led to it.
fn settings(tree: &Tree, file: &str, outer: Option<String>, open: &[&str]) -> Vec<Setting> {
    let Ok(text) = tree.read(file) else {
        return Vec::new();
    };
    let inner = [open, &[file]].concat();
    let mut condition = outer;
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some((keyword, value)) = split(line) else {
            continue;
        };
        match keyword.as_str() {
            "match" => condition = matched(value),
            "include" => {
                let new = |target: &String| !inner.contains(&target.as_str());
                for target in targets(tree, &words(&value)).iter().filter(|t| new(t)) {
                    all.extend(settings(tree, target, condition.clone(), &inner));
                }
            }
            _ => all.push(Setting {
                value: words(&value).into_iter().next().unwrap_or_default(),
                keyword,
                condition: condition.clone(),
                origin: place(file, number),
            }),
        }
    }
    all
}

/// `Match all` ends what an earlier `Match` began.
fn matched(criteria: String) -> Option<String> {
    (!criteria.eq_ignore_ascii_case("all")).then_some(criteria)
}

/// The keyword in small letters, and the rest of a line; nothing for a comment.
fn split(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(line.len());
    let (keyword, rest) = line.split_at_checked(end)?;
    let value = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    Some((keyword.to_ascii_lowercase(), value.to_owned()))
}

/// Words between blanks, without quotation marks, up to a comment.
fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

/// The files that an `Include` names, in byte order for each of its patterns.
fn targets(tree: &Tree, patterns: &[String]) -> Vec<String> {
    patterns
        .iter()
        .flat_map(|pattern| expand(tree, pattern))
        .collect()
}

fn expand(tree: &Tree, pattern: &str) -> Vec<String> {
    let absolute = if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        format!("/etc/ssh/{pattern}")
    };
    let Some((directory, wanted)) = absolute.rsplit_once('/') else {
        return Vec::new();
    };
    tree.list(directory)
        .into_iter()
        .filter(|name| is_like(wanted, name))
        .map(|name| format!("{directory}/{name}"))
        .collect()
}

/// Whether a name matches a pattern with `*` in it, which does not match a leading dot.
fn is_like(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
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
    fn a_match_is_told() {
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
        assert_eq!(chroot.origin.as_ref().unwrap().line, 3);
    }

    #[test]
    fn patterns() {
        let table = [
            ("*.conf", "a.conf", true),
            ("*.conf", ".a.conf", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("*", "x", true),
            ("a*a", "a", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(is_like(pattern, name), expected, "{pattern} {name}");
        }
    }
}
