//! Paths that another rule takes away before they can be covered.

use super::subject::{Said, Subject};
use crate::path::AbsPath;
use crate::policy::rule::{Hide, Medium, Private, Tmpfs};
use crate::policy::template::PathTemplate;
use crate::policy::{Diagnostics, Kind, Rule, Selectors, Severity};

/// What a rule leaves of the directory that it covers.
struct Left {
    /// The entries that stay, as they are written.
    kept: Vec<String>,
    /// Whether a rule can make its path there.
    has_room: bool,
    /// Whether something may be there that was made before: in an instance on disk.
    lasts: bool,
}

/// Adds an error where no login to which both rules apply can succeed, and a warning where a first login cannot.
pub(super) fn check(subject: &Subject<'_>, found: &mut Diagnostics) {
    for rule in &subject.policy.rules {
        let path = rule.kind.path().and_then(PathTemplate::literal);
        let Some(path) = path.filter(|_| !rule.optional && !matches!(rule.kind, Kind::Root(_)))
        else {
            continue;
        };
        let Some((cover, below)) = cover_of(subject, rule, &path) else {
            continue;
        };
        let lacks = left_by(&cover.kind).filter(|left| !left.has(&below, &rule.kind));
        if let Some(left) = lacks {
            let said = said_of(rule, &path, cover, &below, &left);
            let mut diagnostic = subject.warning(rule, "path", said);
            if !left.lasts {
                diagnostic.severity = Severity::Error;
            }
            found.list.push(diagnostic);
        }
    }
}

/// Finds the rule that covers the directory in which a path lies, for every login for which the path is covered, and
/// the path from there. Where several rules have one of the paths, the last one that matches wins: which, depends on
/// the login.
fn cover_of<'s>(
    subject: &'s Subject<'_>,
    rule: &Rule,
    path: &AbsPath,
) -> Option<(&'s Rule, String)> {
    let covers = subject.policy.rules.iter().filter_map(|other| {
        let covered = AbsPath::new(&other.kind.path()?.sample()).ok()?;
        let is_there = !std::ptr::eq(other, rule) && !matches!(other.kind, Kind::Root(_));
        (is_there && path.is_within(&covered)).then_some((other, covered))
    });
    let covers: Vec<(&Rule, AbsPath)> = covers.collect();
    let length = |covered: &AbsPath| covered.as_str().len();
    let longest = covers.iter().map(|(_, covered)| length(covered)).max();
    let nearest = covers
        .iter()
        .filter(|(_, covered)| Some(length(covered)) == longest);
    let [&(cover, ref covered)] = nearest.collect::<Vec<_>>()[..] else {
        return None;
    };
    let below = path.as_str().strip_prefix(covered.as_str())?;
    let below = below.strip_prefix('/').unwrap_or(below);
    let is_certain = !cover.optional && cover.kind.path()?.literal().is_some();
    let is_for_all = cover.selectors == Selectors::default() || cover.selectors == rule.selectors;
    (is_certain && is_for_all && !below.is_empty()).then(|| (cover, below.to_owned()))
}

/// Nothing for kinds that leave what is there, or of which the policy does not tell what they show.
fn left_by(kind: &Kind) -> Option<Left> {
    let texts = |kept: &[_]| kept.iter().map(ToString::to_string).collect();
    match kind {
        Kind::Hide(Hide { keep, .. }) => Some(Left {
            kept: keep.iter().map(ToString::to_string).collect(),
            has_room: false,
            lasts: false,
        }),
        Kind::Tmpfs(Tmpfs { keep, .. }) => Some(Left {
            kept: texts(keep),
            has_room: true,
            lasts: false,
        }),
        Kind::Private(Private { keep, medium, .. }) => Some(Left {
            kept: texts(keep),
            has_room: true,
            lasts: matches!(medium, Medium::Disk { .. }),
        }),
        Kind::Bind(_)
        | Kind::Overlay(_)
        | Kind::Isolate(_)
        | Kind::Root(_)
        | Kind::Volume(_)
        | Kind::Env(_)
        | Kind::Hook(_) => None,
    }
}

impl Left {
    /// Whether the path `below` is there, or may be, or is made by a rule of that kind.
    fn has(&self, below: &str, kind: &Kind) -> bool {
        let is_made = self.has_room && kind.makes_path() == Some(true);
        is_made || self.kept.iter().any(|kept| may_show(kept, below))
    }
}

/// Whether an entry that is kept may be on the way to a path, or have it on its own.
fn may_show(kept: &str, below: &str) -> bool {
    let names = kept.split('/').zip(below.split('/'));
    let is_open = |name: &str| name.contains(['*', '?', '{']);
    names
        .into_iter()
        .all(|(kept, name)| kept == name || is_open(kept))
}

fn said_of(rule: &Rule, path: &AbsPath, cover: &Rule, below: &str, left: &Left) -> Said {
    let (header, location) = (cover.kind.header(), &cover.location);
    let when = match left.lasts {
        true => " in a new instance",
        false => "",
    };
    let first = below.split('/').next().unwrap_or(below);
    let keep = format!("write `keep = [\"{first}\"]` in that rule");
    let help = match rule.kind.makes_path().filter(|_| left.has_room) {
        Some(_) => format!("write `create = true` here, or {keep}"),
        None => keep,
    };
    Said {
        message: format!("{header} of {location} leaves no {path}{when}: logins are refused"),
        help: Some(help),
    }
}

#[cfg(test)]
mod tests {
    use super::super::subject::found;

    const BIND: &str = "[[bind]]\nsource = \"/etc\"\npath = \"/srv/data\"\n";

    #[test]
    fn a_path_that_is_taken_away_is_said_with_what_keeps_it() {
        let keep = "write `keep = [\"data\"]` in that rule";
        let create = format!("write `create = true` here, or {keep}");
        for (cover, more, expected) in [
            ("[[hide]]\npath = \"/srv\"", "", Some(("", "", keep))),
            (
                "[[hide]]\npath = \"/srv\"",
                "create = true",
                Some(("", "", keep)),
            ),
            ("[[hide]]\npath = \"/srv\"", "optional = true", None),
            (
                "[[hide]]\npath = \"/srv\"",
                "users = [\"alice\"]",
                Some(("", "", keep)),
            ),
            ("[[hide]]\npath = \"/srv\"\nusers = [\"alice\"]", "", None),
            ("[[hide]]\npath = \"/srv\"\nkeep = [\"data\"]", "", None),
            ("[[hide]]\npath = \"/srv\"\nkeep = [\"da*\"]", "", None),
            (
                "[[hide]]\npath = \"/srv\"\nkeep = [\"other\"]",
                "",
                Some(("", "", keep)),
            ),
            ("[[hide]]\npath = \"/srvs\"", "", None),
            ("[[overlay]]\npath = \"/srv\"", "", None),
            (
                "[[tmpfs]]\npath = \"/srv\"",
                "",
                Some(("", "", create.as_str())),
            ),
            ("[[tmpfs]]\npath = \"/srv\"", "create = true", None),
            (
                "[[private]]\npath = \"/srv\"",
                "",
                Some((" warning:", " in a new instance", create.as_str())),
            ),
            (
                "[[private]]\npath = \"/srv\"\nmedium = \"memory\"",
                "",
                Some(("", "", create.as_str())),
            ),
            ("[[private]]\npath = \"/srv\"", "create = true", None),
        ] {
            let policy = format!("{cover}\n{BIND}{more}\n");
            let said = found(&policy, &[], super::check);
            let line = cover.lines().count() + 3;
            let header = cover.lines().next().unwrap();
            let expected = expected.map(|(severity, when, help)| {
                format!("p:{line}:1:{severity} {header} of p:1 leaves no /srv/data{when}: logins are refused; {help}")
            });
            assert_eq!(said, Vec::from_iter(expected), "{policy}");
        }
    }

    #[test]
    fn the_nearest_rule_decides_and_none_where_several_have_its_path() {
        let hide = "[[hide]]\npath = \"/srv\"\n";
        let overlay = "[[overlay]]\npath = \"/srv\"\nusers = [\"alice\"]\n";
        let near = "[[bind]]\nsource = \"/var\"\npath = \"/srv/data\"\n[[bind]]\nsource = \"/etc\"\npath = \"/srv/data/x\"\n";
        assert!(found(&format!("{hide}{overlay}{BIND}"), &[], super::check).is_empty());
        assert_eq!(found(&format!("{hide}{near}"), &[], super::check).len(), 1);
    }
}
