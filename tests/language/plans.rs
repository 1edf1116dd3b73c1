//! Policies, who logs in, and what each gets.

use crate::cast::{Machine, alice, bob, root};
use crate::golden;
use pam_jns::login::Login;
use pam_jns::plan::Plan;
use pam_jns::policy::{Policy, Ruling, Selection, Verdict, select};
use std::fmt::Write;
use std::fs;

#[test]
fn plans_are_those_of_the_golden_files() {
    for file in golden::files("plans", "toml") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = fs::read(&file).unwrap();
        let found = told(&[(name, &text)]);
        golden::compare(&file.with_extension("plan"), &found);
    }
}

/// The built-in default, whose golden file shows what a machine without a policy does.
#[test]
fn the_built_in_default_does_what_its_golden_file_says() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = pam_jns::policy::source::BUILT_IN.as_bytes();
    golden::compare(
        &directory.join("built-in.plan"),
        &told(&[("built-in", text)]),
    );
}

/// What each of the cast gets from a policy.
fn told(files: &[(&str, &[u8])]) -> String {
    let loaded = Policy::parse(files).unwrap_or_else(|found| panic!("{found}"));
    let mut text = String::new();
    for login in [alice(), bob(), root()] {
        let selection = select(&loaded.policy, &login);
        writeln!(text, "# {} by {}", login.user, login.service).unwrap();
        text.push_str(&verdicts(&selection));
        writeln!(text, "{}\n", plan(&loaded.policy, &login)).unwrap();
    }
    text
}

fn verdicts(selection: &Selection<'_>) -> String {
    let exempt = selection
        .exemption
        .iter()
        .map(|exemption| format!("exempt as {} ({})\n", exemption.principal, exemption.origin));
    let rules = selection
        .rulings
        .iter()
        .map(|ruling| format!("{}\n", verdict(ruling)));
    exempt.chain(rules).collect()
}

fn verdict(ruling: &Ruling<'_>) -> String {
    let path = ruling
        .path
        .as_ref()
        .map(|path| format!(" {path}"))
        .unwrap_or_default();
    let verdict = match &ruling.verdict {
        Verdict::Applies => "applies".to_owned(),
        Verdict::NoMatch { selector, reason } => format!("does not match: {selector}: {reason}"),
        Verdict::LostTo(origin) => format!("lost to {origin}"),
        Verdict::Fails(error) => format!("fails: {error}"),
    };
    format!(
        "{} {}{path}: {verdict}",
        ruling.rule.origin,
        ruling.rule.kind.header()
    )
}

fn plan(policy: &Policy, login: &Login) -> String {
    match Plan::new(policy, login, &Machine) {
        Ok(plan) => format!(
            "=> {}\n{plan}",
            if plan.is_empty() {
                "the host's view"
            } else {
                "a view of its own"
            }
        ),
        Err(error) => format!("=> refused\n{error}"),
    }
}
