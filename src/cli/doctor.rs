//! `jns doctor`: what would keep logins from getting their namespaces. It reads, and changes nothing.

mod alone;
mod collection;
mod commands;
mod elsewhere;
mod finding;
mod isolation;
mod jumps;
mod kernel;
mod lockout;
mod own_stores;
mod pam;
mod policy;
mod privileges;
mod processes;
mod programs;
mod rights;
mod runtime_directories;
mod sshd;
mod store;
mod temporary;
mod units;

use crate::cli::arguments::Doctor;
use crate::cli::host::Tree;
use crate::cli::host::module_line::policies;
use crate::cli::outcome::{Outcome, reason};
use crate::cli::terminal::{Screen, Tone, count};
use crate::path::is_within;
use crate::policy::{Policy, Source};
use crate::store::layout::DEFAULT_STORE;
use finding::{Finding, Level};
use rights::Rights;
use serde_json::{Value, json};

/// Examines this system, or the one under `--root`.
pub fn run(arguments: &Doctor, screen: Screen) -> Outcome {
    let tree = match &arguments.root {
        None => Tree::host(),
        Some(directory) => match Tree::under(directory) {
            Ok(tree) => tree,
            Err(e) => {
                let (directory, reason) = (directory.display(), reason(&e));
                return Outcome::failure(format_args!("cannot open {directory}: {reason}"));
            }
        },
    };
    let findings = examine(&tree, &arguments.policy.source());
    let report = match arguments.json {
        true => Outcome::json(&as_json(&findings)),
        false => Outcome::report(as_text(&findings, screen)),
    };
    report.failing_if(number(&findings, Level::Problem) > 0)
}

fn examine(tree: &Tree, source: &Source) -> Vec<Finding> {
    let mut all = Vec::new();
    let rights = Rights::own();
    if tree.is_host() {
        all.extend(kernel::findings(rights));
        all.extend(commands::of_propagation());
        all.extend(privileges::findings(rights));
        all.extend(alone::findings());
    }
    let (found, policy) = policy::findings(tree, source);
    all.extend(found);
    if let Some(policy) = policy.as_ref().filter(|_| tree.is_host()) {
        all.extend(isolation::findings(policy, rights));
    }
    for other in policies(tree) {
        if other != *source {
            all.extend(policy::findings(tree, &other).0);
        }
    }
    if let Some(policy) = &policy {
        all.extend(programs::findings(tree, policy));
        all.extend(processes::findings(tree, policy));
        all.extend(commands::of_sudoedit(tree, policy));
    }
    let settled = policy.as_ref().map(|policy| policy.settings.store.as_str());
    all.extend(store::findings(tree, settled.unwrap_or(DEFAULT_STORE)));
    all.extend(
        policy
            .iter()
            .flat_map(|policy| own_stores::findings(tree, policy)),
    );
    all.extend(pam::findings(tree));
    all.extend(
        policy
            .iter()
            .flat_map(|policy| temporary::findings(tree, policy)),
    );
    let of_daemons = |policy| commands::of_daemons(tree, policy);
    all.extend(policy.as_ref().and_then(of_daemons));
    all.extend(units::findings(tree));
    if let Some(policy) = &policy {
        all.extend(elsewhere::findings(tree, policy));
    }
    all.extend(collection::findings(tree));
    all.extend(runtime_directories::findings(tree));
    all.extend(sshd::findings(tree, &|directory| {
        covers(policy.as_ref(), directory)
    }));
    all
}

/// Whether some rule for sshd's sessions is about `directory`, written as in a policy, what is in it, or what it is in.
fn covers(policy: Option<&Policy>, directory: &str) -> bool {
    let rules = policy
        .map(|policy| policy.rules.as_slice())
        .unwrap_or_default();
    let of_sshd = rules
        .iter()
        .filter(|rule| rule.selectors.are_for_service("sshd"));
    let mut paths = of_sshd.filter_map(|rule| rule.kind.path());
    paths.any(|path| {
        let path = path.to_string();
        is_within(&path, directory) || is_within(directory, &path)
    })
}

fn number(findings: &[Finding], level: Level) -> usize {
    findings
        .iter()
        .filter(|finding| finding.level == level)
        .count()
}

fn as_json(findings: &[Finding]) -> Value {
    json!({
        "ok": number(findings, Level::Problem) == 0,
        "problems": number(findings, Level::Problem),
        "warnings": number(findings, Level::Warning),
        "findings": findings.iter().map(Finding::as_json).collect::<Vec<_>>(),
    })
}

fn as_text(findings: &[Finding], screen: Screen) -> String {
    let problems = number(findings, Level::Problem);
    let warnings = number(findings, Level::Warning);
    let tone = match (problems, warnings) {
        (0, 0) => Tone::Good,
        (0, _) => Tone::Warning,
        _ => Tone::Bad,
    };
    let said = format!(
        "{}, {}",
        count(problems, "problem"),
        count(warnings, "warning")
    );
    render(findings, screen) + &screen.paint(tone, &said) + "\n"
}

fn render(findings: &[Finding], screen: Screen) -> String {
    let mut text = String::new();
    let mut area = None;
    for finding in findings {
        if area != Some(finding.area) {
            area = Some(finding.area);
            text.push_str(&screen.paint(Tone::Strong, finding.area.word()));
            text.push('\n');
        }
        text.push_str(&finding.render(screen));
    }
    text
}
