//! `jns check`: every mistake in the policy, found by the code that a login runs.

mod access;
mod drop_ins;
mod exempt;
mod fstabs;
mod hidden;
mod hostname;
mod labels;
mod missing;
mod services;
mod sources;
mod subject;

use crate::cli::arguments::Check;
use crate::cli::host::Tree;
use crate::cli::outcome::{Outcome, reason};
use crate::cli::source::{diagnostic_as_json, files, one_file, render, tally, text_of};
use crate::cli::terminal::{Screen, Tone, count};
use crate::error::Error;
use crate::error::harmless;
use crate::login::Nss;
use crate::policy::source::LIMIT;
use crate::policy::{Diagnostics, Loaded, Policy, Severity, Source};
use serde_json::{Value, json};
use std::io::{self, Read};
use subject::{Said, Subject};

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
    let mut report = judge(files(source, &tree), Policy::load(source), &text, &tree);
    if *source == Source::System {
        drop_ins::check(&tree, &mut report.diagnostics);
    }
    report
}

fn judge_stdin() -> io::Result<PolicyReport> {
    let mut bytes = Vec::new();
    // One byte more than a policy may have, so that the parser can say that it is too long.
    let limit = u64::try_from(LIMIT).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    let text = |_: &str| Some(String::from_utf8_lossy(&bytes).into_owned());
    let loaded = Policy::parse(&[(STDIN, &bytes)]);
    Ok(judge(vec![STDIN.to_owned()], loaded, &text, &Tree::host()))
}

fn judge(
    files: Vec<String>,
    loaded: Result<Loaded, Diagnostics>,
    text: &dyn Fn(&str) -> Option<String>,
    tree: &Tree,
) -> PolicyReport {
    match loaded {
        Err(diagnostics) => PolicyReport {
            files,
            rules: None,
            diagnostics,
        },
        Ok(Loaded {
            policy, warnings, ..
        }) => {
            let subject = Subject {
                policy: &policy,
                files: &files,
                text,
                accounts: &Nss,
                tree,
            };
            let diagnostics = with_findings(warnings, &subject);
            PolicyReport {
                rules: Some(policy.rules.len()),
                diagnostics,
                files,
            }
        }
    }
}

/// The warnings of a policy, and what is found when its names and its rules are compared with the machine and with each
/// other, in the order of the files and their lines.
fn with_findings(mut found: Diagnostics, subject: &Subject<'_>) -> Diagnostics {
    let Subject {
        policy,
        files,
        text,
        accounts,
        ..
    } = subject;
    labels::check(policy, &mut found);
    exempt::check(subject, &mut found);
    add_unknown(subject, &mut found);
    sources::check(policy, &mut found, text, *accounts);
    for check in [
        services::check,
        missing::check,
        hidden::check,
        access::check,
        hostname::check,
    ] {
        check(subject, &mut found);
    }
    fstabs::check(policy, &mut found);
    let rank = |name: &str| files.iter().position(|file| file == name);
    found.list.sort_by_key(|one| {
        let line = one.place.as_ref().map(|place| place.line);
        (rank(&one.file).unwrap_or(files.len()), line)
    });
    found
}

/// Adds a warning for each principal that names nobody, as far as anybody reads them.
fn add_unknown(subject: &Subject<'_>, found: &mut Diagnostics) {
    let unknown = subject
        .policy
        .unknown_principals(subject.accounts, usize::MAX);
    let shown = unknown.iter().take(SHOWN);
    let warnings = shown
        .map(|(principal, location)| subject.warning_at(location, principal, nobody(principal)));
    found.list.extend(warnings);
    let unsaid = unknown.len().saturating_sub(SHOWN);
    found.more = found.more.saturating_add(unsaid);
}

fn nobody(principal: &str) -> Said {
    let (kind, name) = match principal.strip_prefix('@') {
        Some(group) => ("group", group),
        None => ("user", principal),
    };
    Said {
        message: format!("there is no {kind} `{name}`, so `{principal}` matches nobody"),
        help: uid_meant(principal).map(|uid| format!("did you mean \"uid:{uid}\"?")),
    }
}

/// The user id that a name of digits alone may have been meant for.
fn uid_meant(principal: &str) -> Option<u32> {
    let is_decimal = principal.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| principal.parse().ok()).flatten()
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
    use crate::policy::Diagnostic;

    #[test]
    fn nobody_is_a_warning_in_the_words_of_the_policy() {
        let said = |principal| nobody(principal).message;
        assert_eq!(said("@x"), "there is no group `x`, so `@x` matches nobody");
        assert_eq!(said("x"), "there is no user `x`, so `x` matches nobody");
        let help = |principal| nobody(principal).help;
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
                    file: "p".into(),
                    place: None,
                    message: "x".to_owned(),
                    help: None,
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
