//! Faults in the first login of an account that has another one's id: what it left is set aside, is never shown,
//! and is all there afterwards.

use super::judgement::{NOTE, Whole, files};
use super::{Call, Injection, Scene, campaign, errors, inject, kill};
use crate::kernel::names;
use crate::machine::{Machine, STORE};
use crate::report::{Report, code};

/// What an account keeps: a private directory, and a layer.
pub const POLICY: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
namespace = "session"
[[private]]
path = "/mnt/t"
[[overlay]]
path = "/mnt/o"
"#;

/// The note of an account that had alice's id, and is gone.
const FORMER: &str = r#"{"name":"carol","home":"/mnt/home/carol"}"#;

/// Files that it has left, as its sessions saw them: in a private directory and in a layer.
const SECRETS: [&str; 2] = ["/mnt/t/secret", "/mnt/o/secret"];

/// The session of the one before.
const FORMER_SESSION: &[&str] = &[
    "start=alice",
    "open",
    "touch=/mnt/t/secret",
    "touch=/mnt/o/secret",
    "close",
    "end",
];

/// A session that looks for its files.
pub const SESSION: &[&str] = &[
    "start=alice",
    "putenv=TMPDIR=/old",
    "environment=variables-before",
    "state=before",
    "open",
    "state=after",
    "environment=variables-after",
    "exists=/mnt/t/secret",
    "exists=/mnt/o/secret",
    "close",
    "state=closed",
    "end",
    "state=ended",
];

#[test]
fn every_call_of_a_login_with_a_former_accounts_id_fails_once() {
    campaign(Scene::Reuse, errors);
}

#[test]
fn every_call_of_a_login_with_a_former_accounts_id_is_its_last() {
    campaign(Scene::Reuse, kill);
}

/// Lets the one before leave something, and gives the id to alice.
pub fn prepare(machine: &Machine) {
    let report = machine.drive(FORMER_SESSION);
    assert_eq!(report.codes("open"), [code::SUCCESS]);
    std::fs::write(NOTE, FORMER).unwrap();
}

/// One login with that injection; what is wrong with it, and with the next one.
pub(super) fn suffer(
    machine: &Machine,
    call: &Call,
    injection: Injection,
    whole: &Whole,
) -> Vec<String> {
    assert_eq!(instances().len(), SECRETS.len(), "they are there before");
    let lines = machine.log().len();
    let report = match inject(Scene::Reuse, call, injection) {
        Ok(report) => report,
        Err(problem) => return vec![problem],
    };
    let mut problems = match injection {
        Injection::Kill | Injection::Stop => Vec::new(),
        Injection::Error(_) | Injection::Slow => {
            judge(&report, &machine.log().split_off(lines), whole)
        }
    };
    let next = machine.drive(SESSION);
    problems.extend(whole.compare_next(&next));
    problems.extend(problems_of_sight(&next));
    problems.extend(problems_of_loss());
    problems
}

fn judge(report: &Report, log: &[String], whole: &Whole) -> Vec<String> {
    match report.codes("open")[..] {
        [code::SUCCESS] => {
            let mut problems = whole.compare_other(report);
            problems.extend(problems_of_sight(report));
            problems
        }
        [code::PERM_DENIED | code::USER_UNKNOWN] => {
            let mut problems = Vec::new();
            if report.state("before") != report.state("after") {
                problems.push("  the process is not as before".to_owned());
            }
            if !log.iter().any(|line| line.starts_with("<83>")) {
                problems.push("  the log gives no reason".to_owned());
            }
            problems
        }
        ref other => vec![format!("  open gave {other:?}, {:?}", report.output)],
    }
}

/// A session that sees what is not its user's.
fn problems_of_sight(report: &Report) -> Vec<String> {
    let sees = |secret: &&&str| report.values(&format!("exists {secret}")) != ["0"];
    let seen = SECRETS.iter().filter(sees);
    seen.map(|secret| format!("  {secret} is shown")).collect()
}

/// Whatever happened, the files of the one before are in one directory, with the note whose they are.
fn problems_of_loss() -> Vec<String> {
    let user = format!("{STORE}/user");
    let aside: Vec<String> = names(&user)
        .into_iter()
        .filter(|name| name.contains(".former-"))
        .collect();
    let [aside] = &aside[..] else {
        return vec![format!("  set aside: {aside:?}")];
    };
    let note = std::fs::read_to_string(format!("{user}/{aside}/%account"));
    let mut problems = Vec::new();
    if note.as_deref().ok() != Some(FORMER) {
        problems.push(format!("  the note is {note:?}"));
    }
    let instances = instances();
    let is_aside = |path: &String| path.starts_with(&format!("{user}/2001.former-"));
    if instances.len() != SECRETS.len() || !instances.iter().all(is_aside) {
        problems.push(format!("  the instances are {instances:?}"));
    }
    problems
}

/// The files of the one before, wherever they are.
fn instances() -> Vec<String> {
    let mut files = files();
    files.retain(|path| path.ends_with("/secret") && path.starts_with(STORE));
    files
}
