//! The policy that a verb is about, and how its diagnostics are printed.

use crate::cli::arguments::Config;
use crate::cli::host::Tree;
use crate::cli::terminal::Screen;
use crate::login::is_effective_root;
use crate::policy::source::{BUILT_IN, BUILT_IN_NAME, DROP_INS, SYSTEM_FILE, is_drop_in};
use crate::policy::{Diagnostic, Diagnostics, Severity, Source};
use serde_json::{Value, json};

impl Config {
    /// The source that the arguments name.
    pub fn source(&self) -> Source {
        self.config.as_deref().map_or(Source::System, one_file)
    }
}

/// One file; a relative path is meant from the working directory.
pub fn one_file(path: &str) -> Source {
    let absolute = std::path::absolute(path).ok();
    let text = absolute.and_then(|path| path.into_os_string().into_string().ok());
    Source::File(text.unwrap_or_else(|| path.to_owned()))
}

/// The files that a source stands for on `tree`, by the names that diagnostics use.
pub fn files(source: &Source, tree: &Tree) -> Vec<String> {
    match source {
        Source::File(path) => vec![path.clone()],
        Source::System => {
            let main = if tree.exists(SYSTEM_FILE) {
                SYSTEM_FILE
            } else {
                BUILT_IN_NAME
            };
            let mut files = vec![main.to_owned()];
            files.extend(drop_ins(tree));
            files
        }
    }
}

fn drop_ins(tree: &Tree) -> impl Iterator<Item = String> {
    tree.list(DROP_INS)
        .into_iter()
        .filter(|name| is_drop_in(name))
        .map(|name| format!("{DROP_INS}/{name}"))
}

/// The first of these files that this user may not read, though a login could.
pub fn unreadable<'a>(files: &'a [String], tree: &Tree) -> Option<&'a String> {
    let forbidden = |file: &&String| {
        let tried = tree.read(file);
        tried.is_err_and(|reason| reason.kind() == std::io::ErrorKind::PermissionDenied)
    };
    files
        .iter()
        .find(forbidden)
        .filter(|_| !is_effective_root())
}

/// The text of a policy file that was named by [`files`], for showing a line of it.
///
/// # Errors
///
/// It cannot be read.
pub fn text_of(file: &str, tree: &Tree) -> std::io::Result<String> {
    if file == BUILT_IN_NAME {
        return Ok(BUILT_IN.to_owned());
    }
    tree.read(file)
}

/// Counts the diagnostics of a severity. Those that were not kept are as bad as the worst that were: a policy with
/// errors has no warnings beyond them, and one without has nothing else.
pub fn tally(diagnostics: &Diagnostics, severity: Severity) -> usize {
    let number = |severity| {
        let same = diagnostics.list.iter().filter(|d| d.severity == severity);
        same.count()
    };
    let worst = if number(Severity::Error) > 0 {
        Severity::Error
    } else {
        Severity::Warning
    };
    let unlisted = if severity == worst {
        diagnostics.more
    } else {
        0
    };
    number(severity).saturating_add(unlisted)
}

/// Every diagnostic with its line and underline, an empty line after each.
pub fn render(diagnostics: &Diagnostics, screen: Screen) -> String {
    let list = diagnostics.list.iter();
    let mut text: String = list
        .map(|diagnostic| diagnostic.render(screen.colour).trim_end().to_owned() + "\n\n")
        .collect();
    if diagnostics.more > 0 {
        text.push_str(&format!("… and {} more\n\n", diagnostics.more));
    }
    text
}

/// A diagnostic as JSON; places are null where the file could not be read.
pub fn diagnostic_as_json(diagnostic: &Diagnostic) -> Value {
    let place = diagnostic.place.as_ref();
    json!({
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "file": diagnostic.file.as_ref(),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "width": place.map(|place| place.width),
        "message": diagnostic.message,
        "help": diagnostic.help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_is_not_listed_is_counted_with_the_worst() {
        let one = |severity| Diagnostic {
            severity,
            file: Arc::from("p"),
            place: None,
            message: String::new(),
            help: None,
        };
        let (e, w) = (Severity::Error, Severity::Warning);
        let table = [
            (vec![], 0, (0, 0)),
            (vec![w], 2, (0, 3)),
            (vec![w, e], 2, (3, 1)),
            (vec![e], 0, (1, 0)),
        ];
        for (severities, more, expected) in table {
            let list = severities.into_iter().map(one).collect();
            let found = Diagnostics { list, more };
            assert_eq!((tally(&found, e), tally(&found, w)), expected, "{found:?}");
        }
    }
}
