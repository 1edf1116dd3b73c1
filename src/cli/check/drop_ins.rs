//! Files in the directory of drop-ins that no login reads.

use crate::cli::host::Tree;
use crate::policy::source::{DROP_INS, is_drop_in};
use crate::policy::{Diagnostic, Diagnostics, Severity};

/// The ends of names that editors and package managers give to what they leave behind.
const LEFT_OVER: [&str; 9] = [
    "~", ".bak", ".old", ".orig", ".rej", ".swp", ".save", ".dpkg-", ".rpm",
];

/// Adds a warning for each. An empty file, such as `.gitkeep`, would say nothing if it were read.
pub(super) fn check(tree: &Tree, found: &mut Diagnostics) {
    let names = tree.list(DROP_INS).into_iter();
    let unread = names.filter(|name| !is_drop_in(name) && !is_empty(tree, name));
    found.list.extend(unread.map(|name| unread_file(&name)));
}

fn is_empty(tree: &Tree, name: &str) -> bool {
    let status = tree.stat(&format!("{DROP_INS}/{name}"));
    status.is_ok_and(|status| status.st_size == 0)
}

fn unread_file(name: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        file: format!("{DROP_INS}/{name}").into(),
        place: None,
        message: "no login reads this file: the name of a drop-in ends in `.toml`, and starts with no dot"
            .to_owned(),
        help: Some(match is_left_over(name) {
            true => format!("move it out of {DROP_INS}"),
            false => format!("name it `{}`, or move it out of {DROP_INS}", name_of(name)),
        }),
    }
}

fn is_left_over(name: &str) -> bool {
    LEFT_OVER
        .iter()
        .any(|end| match end.ends_with('-') || *end == ".rpm" {
            true => name.contains(end),
            false => name.ends_with(end),
        })
        || name.starts_with(".#")
        || name.starts_with('#')
}

/// The name that a file has to have so that it is read.
fn name_of(name: &str) -> String {
    let bare = name.trim_start_matches('.');
    if bare.ends_with(".toml") {
        return bare.to_owned();
    }
    let stem = bare.rsplit_once('.').map_or(bare, |(stem, _)| stem);
    format!("{stem}.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_read_are_said_with_what_to_do() {
        let named = |name: &str| format!("name it `{name}`, or move it out of {DROP_INS}");
        let left = || format!("move it out of {DROP_INS}");
        for (name, text, expected) in [
            ("10-local.toml", "x", None),
            (".gitkeep", "", None),
            ("10-local.conf", "x", Some(named("10-local.toml"))),
            ("10-local", "x", Some(named("10-local.toml"))),
            (".10-local.toml", "x", Some(named("10-local.toml"))),
            ("10-local.TOML", "x", Some(named("10-local.toml"))),
            ("10-local.toml~", "x", Some(left())),
            (".10-local.toml.swp", "x", Some(left())),
            ("10-local.toml.dpkg-old", "x", Some(left())),
            ("10-local.toml.rpmsave", "x", Some(left())),
            ("#10-local.toml#", "x", Some(left())),
        ] {
            let path = format!("etc/security/jns.d/{name}");
            let (_root, tree) = Tree::of_files([(path, text)]);
            let mut found = Diagnostics::default();
            check(&tree, &mut found);
            let help: Vec<_> = found.list.into_iter().filter_map(|one| one.help).collect();
            assert_eq!(help, Vec::from_iter(expected), "{name}");
        }
    }
}
