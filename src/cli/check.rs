//! `jns check`: every mistake in the policy, found by the code that a login runs.

mod fstabs;
mod sources;

use crate::cli::arguments::Check;
use crate::cli::host::Tree;
use crate::cli::outcome::{Outcome, reason};
use crate::cli::source::{diagnostic_as_json, files, one_file, render, tally, text_of};
use crate::cli::terminal::{Screen, Tone, count};
use crate::error::harmless;
use crate::error::{Error, Location};
use crate::login::{Accounts, Nss};
use crate::policy::source::LIMIT;
use crate::policy::{Diagnostic, Diagnostics, Loaded, Place, Policy, Severity, Source};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Read};

/// The name of standard input, in diagnostics.
const STDIN: &str = "<stdin>";

/// The number of names of nobody that are shown; the rest is counted.
const SHOWN: usize = 100;

/// The findings about one policy.
#[derive(Debug)]
struct PolicyReport {
    files: Vec<String>,
    rules: Option<usize>,
    diagnostics: Diagnostics,
}

/// Checks what the arguments name.
pub fn run(arguments: &Check, screen: Screen) -> Outcome {
    match judge_all(arguments) {
        Ok(reports) => outcome(&reports, arguments, screen),
        Err(e) => Outcome::failure(Error::new("read", "standard input", reason(&e))),
    }
}

fn judge_all(arguments: &Check) -> io::Result<Vec<PolicyReport>> {
    if arguments.files.is_empty() {
        return Ok(vec![judge_source(&arguments.policy.source())]);
    }
    arguments
        .files
        .iter()
        .map(|file| judge_file(file))
        .collect()
}

fn judge_file(file: &str) -> io::Result<PolicyReport> {
    if file == "-" {
        return judge_stdin();
    }
    Ok(advised(judge_source(&one_file(file)), file))
}

fn judge_source(source: &Source) -> PolicyReport {
    let tree = Tree::host();
    let text = |file: &str| text_of(file, &tree).ok();
    judge(files(source, &tree), Policy::load(source), &text, &Nss)
}

fn judge_stdin() -> io::Result<PolicyReport> {
    let mut bytes = Vec::new();
    // One byte more than a policy may have, so that the parser can say that it is too long.
    let limit = u64::try_from(LIMIT).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    let text = |_: &str| Some(String::from_utf8_lossy(&bytes).into_owned());
    let loaded = Policy::parse(&[(STDIN, &bytes)]);
    Ok(judge(vec![STDIN.to_owned()], loaded, &text, &Nss))
}

fn judge(
    files: Vec<String>,
    loaded: Result<Loaded, Diagnostics>,
    text: &dyn Fn(&str) -> Option<String>,
    accounts: &dyn Accounts,
) -> PolicyReport {
    match loaded {
        Err(diagnostics) => PolicyReport {
            files,
            rules: None,
            diagnostics,
        },
        Ok(Loaded {
            policy, warnings, ..
        }) => PolicyReport {
            files,
            rules: Some(policy.rules.len()),
            diagnostics: with_unknown(warnings, &policy, text, accounts),
        },
    }
}

/// The warnings of a policy, and one for each principal that names nobody, as far as anybody reads them.
fn with_unknown(
    mut warnings: Diagnostics,
    policy: &Policy,
    text: &dyn Fn(&str) -> Option<String>,
    accounts: &dyn Accounts,
) -> Diagnostics {
    let unknown = policy.unknown_principals(accounts, usize::MAX);
    let mut texts: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for (principal, location) in unknown.iter().take(SHOWN) {
        let file = location.file.as_ref();
        let known = texts.entry(file).or_insert_with(|| text(file));
        warnings
            .list
            .push(nobody(principal, location, known.as_deref()));
    }
    let unsaid = unknown.len().saturating_sub(SHOWN);
    warnings.more = warnings.more.saturating_add(unsaid);
    fstabs::check(policy, &mut warnings);
    sources::check(policy, &mut warnings, text, accounts);
    warnings
}

fn nobody(principal: &str, location: &Location, text: Option<&str>) -> Diagnostic {
    let (kind, name) = match principal.strip_prefix('@') {
        Some(group) => ("group", group),
        None => ("user", principal),
    };
    Diagnostic {
        severity: Severity::Warning,
        file: location.file.clone(),
        place: text.map(|text| place_of(principal, location.line, text)),
        message: format!("there is no {kind} `{name}`, so `{principal}` matches nobody"),
        help: uid_meant(principal).map(|uid| format!("did you mean \"uid:{uid}\"?")),
    }
}

/// The user id that a name of digits alone may have been meant for.
fn uid_meant(principal: &str) -> Option<u32> {
    let is_decimal = principal.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| principal.parse().ok()).flatten()
}

/// Finds the place of a principal in its line: the whole line, if it is written with escapes.
fn place_of(principal: &str, line: usize, text: &str) -> Place {
    let line_text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let quoted = [format!("\"{principal}\""), format!("'{principal}'")];
    let found = quoted.iter().find_map(|word| {
        let before = line_text.split_once(word.as_str())?.0;
        Some((
            before.chars().count().saturating_add(1),
            word.chars().count(),
        ))
    });
    let (column, width) = found.unwrap_or((1, line_text.chars().count().max(1)));
    Place::in_line(line, line_text, column, width)
}

/// Adds to a report how a draft can be checked that is not yet fit to be a policy file.
fn advised(mut report: PolicyReport, file: &str) -> PolicyReport {
    for diagnostic in &mut report.diagnostics.list {
        if diagnostic.place.is_none() && is_file(file) {
            let advice = || format!("a draft can be checked with `jns check - < {file}`");
            diagnostic.help.get_or_insert_with(advice);
        }
    }
    report
}

fn is_file(path: &str) -> bool {
    std::fs::metadata(path).is_ok_and(|facts| facts.is_file())
}

impl PolicyReport {
    fn errors(&self) -> usize {
        tally(&self.diagnostics, Severity::Error)
    }

    fn warnings(&self) -> usize {
        tally(&self.diagnostics, Severity::Warning)
    }

    /// Whether nothing in it is as bad as `limit`, or worse.
    fn is_clean(&self, limit: Severity) -> bool {
        match limit {
            Severity::Error => self.errors() == 0,
            Severity::Warning => self.errors() == 0 && self.warnings() == 0,
        }
    }

    fn render(&self, screen: Screen) -> String {
        render(&self.diagnostics, screen) + &self.summary(screen) + "\n"
    }

    /// The last line: what was checked, and how it went.
    fn summary(&self, screen: Screen) -> String {
        let tone = match (self.errors(), self.warnings()) {
            (0, 0) => Tone::Good,
            (0, _) => Tone::Warning,
            _ => Tone::Bad,
        };
        let result = match (self.errors(), self.warnings()) {
            (0, 0) => String::from("ok"),
            (0, warnings) => count(warnings, "warning"),
            (errors, 0) => count(errors, "error"),
            (errors, warnings) => {
                format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
            }
        };
        let rules = self
            .rules
            .map(|rules| format!(" ({})", count(rules, "rule")));
        let files = harmless(&self.files.join(", "));
        format!(
            "{files}: {}{}",
            screen.paint(tone, &result),
            rules.unwrap_or_default()
        )
    }

    fn as_json(&self) -> Value {
        json!({
            "files": self.files,
            "rules": self.rules,
            "errors": self.errors(),
            "warnings": self.warnings(),
            "diagnostics": self.diagnostics.list.iter().map(diagnostic_as_json).collect::<Vec<_>>(),
            "more": self.diagnostics.more,
        })
    }
}

fn outcome(reports: &[PolicyReport], arguments: &Check, screen: Screen) -> Outcome {
    let limit = match arguments.strict {
        true => Severity::Warning,
        false => Severity::Error,
    };
    let clean = reports.iter().all(|report| report.is_clean(limit));
    if arguments.json {
        let policies: Vec<Value> = reports.iter().map(PolicyReport::as_json).collect();
        return Outcome::json(&json!({ "ok": clean, "policies": policies })).failing_if(!clean);
    }
    let texts: Vec<String> = reports.iter().map(|report| report.render(screen)).collect();
    Outcome::report(texts.concat()).failing_if(!clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_found_in_its_line() {
        let text = "[settings]\nexempt = ['ünknown', \"@staff\"]\n";
        let table = [
            ("ünknown", (11, 9)),
            ("@staff", (22, 8)),
            ("escaped", (1, 30)),
        ];
        for (principal, expected) in table {
            let place = place_of(principal, 2, text);
            assert_eq!((place.column, place.width), expected, "{principal}");
        }
    }

    #[test]
    fn nobody_is_a_warning_in_the_words_of_the_policy() {
        let location = Location::new("p.toml", 1);
        let said = |principal| nobody(principal, &location, None).message;
        assert_eq!(said("@x"), "there is no group `x`, so `@x` matches nobody");
        assert_eq!(said("x"), "there is no user `x`, so `x` matches nobody");
        let help = |principal| nobody(principal, &location, None).help;
        assert_eq!(help("1001").as_deref(), Some("did you mean \"uid:1001\"?"));
        assert_eq!((help("x1"), help("@1001")), (None, None));
    }

    #[test]
    fn only_strict_fails_on_warnings() {
        let report = |severity| PolicyReport {
            files: vec![],
            rules: Some(1),
            diagnostics: Diagnostics {
                list: vec![Diagnostic {
                    severity,
                    ..nobody("x", &Location::new("p", 1), None)
                }],
                more: 0,
            },
        };
        let table = [
            (Severity::Warning, Severity::Error, true),
            (Severity::Warning, Severity::Warning, false),
            (Severity::Error, Severity::Error, false),
            (Severity::Error, Severity::Warning, false),
        ];
        for (severity, limit, clean) in table {
            assert_eq!(
                report(severity).is_clean(limit),
                clean,
                "{severity:?} {limit:?}"
            );
        }
    }
}
