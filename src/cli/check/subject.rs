//! A policy that is looked at, the machine that it is meant for, and how what is found is shown.

use crate::cli::host::Tree;
use crate::error::Location;
use crate::login::Accounts;
use crate::path::is_within;
use crate::policy::{Diagnostic, Kind, Place, Policy, Rule, Severity};
#[cfg(test)]
use crate::{
    error::Result,
    login::{Basis, Label, Login},
    policy::Diagnostics,
};

/// A policy without errors, and what it is compared with.
pub(super) struct Subject<'s> {
    /// The policy.
    pub(super) policy: &'s Policy,
    /// The names of its files, in their order.
    pub(super) files: &'s [String],
    /// The text of a file of the policy, by its name; nothing where it cannot be read.
    pub(super) text: &'s dyn Fn(&str) -> Option<String>,
    /// The accounts of the machine.
    pub(super) accounts: &'s dyn Accounts,
    /// The files of the machine.
    pub(super) tree: &'s Tree,
}

/// What is found, and what to write instead.
pub(super) struct Said {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Subject<'_> {
    /// Warns at the line of a key of a rule.
    pub(super) fn warning(&self, rule: &Rule, key: &str, said: Said) -> Diagnostic {
        self.warning_at(&rule.location.of_key(key), "", said)
    }

    /// Warns at a line: at a string in it, where the line has that.
    pub(super) fn warning_at(&self, location: &Location, string: &str, said: Said) -> Diagnostic {
        let text = (self.text)(&location.file);
        Diagnostic {
            severity: Severity::Warning,
            file: location.file.clone(),
            place: text.map(|text| place_of(string, location.line, &text)),
            message: said.message,
            help: said.help,
        }
    }

    /// Finds the line of a key of `[settings]` in the last file that has it.
    pub(super) fn find_setting(&self, key: &str) -> Option<Location> {
        let line_of = |file: &String| {
            let line = line_in_settings(&(self.text)(file)?, key)?;
            Some(Location::new(file, line))
        };
        self.files.iter().rev().find_map(line_of)
    }

    /// Whether a path may lead elsewhere in a session than here: another rule shows something there or above, or the
    /// session has a root directory of its own.
    pub(super) fn may_be_covered(&self, rule: &Rule, path: &str) -> bool {
        self.policy.rules.iter().any(|other| {
            let covers = other.kind.path().is_some_and(|covered| {
                let covered = covered.sample();
                covered != path && is_within(path, &covered)
            });
            !std::ptr::eq(other, rule) && (covers || matches!(other.kind, Kind::Root(_)))
        })
    }
}

/// Finds the line of a key in the table `[settings]` of a policy that has no errors.
fn line_in_settings(text: &str, key: &str) -> Option<usize> {
    let mut is_in_settings = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim_start)) {
        if line.starts_with('[') {
            let name = line.trim_start_matches('[').trim_start();
            is_in_settings = name.starts_with("settings");
        }
        let rest = line.strip_prefix(key).filter(|_| is_in_settings);
        if rest.is_some_and(|rest| rest.trim_start().starts_with('=')) {
            return Some(number);
        }
    }
    None
}

/// Finds the place of a string in its line: all that the line says, if the string is written with escapes or is none.
fn place_of(string: &str, line: usize, text: &str) -> Place {
    let line_text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let quoted = [format!("\"{string}\""), format!("'{string}'")];
    let found = quoted
        .iter()
        .filter(|_| !string.is_empty())
        .find_map(|word| {
            let before = line_text.split_once(word.as_str())?.0;
            Some((before.chars().count(), word.chars().count()))
        });
    let (before, width) = found.unwrap_or_else(|| {
        let blanks = line_text.chars().take_while(|c| c.is_whitespace()).count();
        (blanks, line_text.trim().chars().count().max(1))
    });
    Place::in_line(line, line_text, before.saturating_add(1), width)
}

/// A machine with no accounts but root's and alice's, who has a group of her name.
#[cfg(test)]
struct Alice;

#[cfg(test)]
impl Accounts for Alice {
    fn uid(&self, user: &str) -> Option<u32> {
        ["root", "alice"]
            .iter()
            .position(|name| *name == user)?
            .try_into()
            .ok()
    }

    fn gid(&self, group: &str) -> Option<u32> {
        self.uid(group)
    }

    fn label(&self, _: &Login, _: &str, _: Basis) -> Result<Option<Label>> {
        Ok(None)
    }
}

/// The lines that `check` finds about a policy `p` on a machine with these files.
#[cfg(test)]
pub(super) fn found(
    policy: &str,
    files: &[(&str, &str)],
    check: impl FnOnce(&Subject<'_>, &mut Diagnostics),
) -> Vec<String> {
    let (_root, tree) = Tree::of_files(files.iter().copied());
    let loaded = Policy::parse(&[("p", policy.as_bytes())]).unwrap();
    let subject = Subject {
        policy: &loaded.policy,
        files: &["p".to_owned()],
        text: &|_| Some(policy.to_owned()),
        accounts: &Alice,
        tree: &tree,
    };
    let mut found = Diagnostics::default();
    check(&subject, &mut found);
    found.list.iter().map(Diagnostic::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_the_settings_alone() {
        let text =
            "[[private]]\nstore = \"/a/{user}\"\n[settings] # ours\nstores = 1\n store= \"/b\"\n";
        assert_eq!(line_in_settings(text, "store"), Some(5));
        assert_eq!(line_in_settings(text, "inherit"), None);
    }

    #[test]
    fn a_string_is_found_in_its_line() {
        let text = "[settings]\nexempt = ['ünknown', \"@staff\"]\n  mode = 1\n";
        let table = [
            ("ünknown", 2, (11, 9)),
            ("@staff", 2, (22, 8)),
            ("escaped", 2, (1, 30)),
            ("", 3, (3, 8)),
        ];
        for (string, line, expected) in table {
            let place = place_of(string, line, text);
            assert_eq!((place.column, place.width), expected, "{string}");
        }
    }
}
