//! Programs of a policy whose path leads to what does not answer.

use super::{FAR, names_a_dead_line};
use crate::sandbox::{needs, ours_only, sandbox};
use std::time::Instant;

const SETTINGS: &str = "[settings]\ndeadline = \"1s\"\nexempt = []\n";

/// Rules that run such a program, by its moment. A user's program is looked for by the process that becomes it.
const OPENING: &[(&str, &str)] = &[
    ("hook", "[[hook]]\nwhen = \"open\"\nrun = [\"PROGRAM\"]\n"),
    (
        "hook as the user",
        "[[hook]]\nwhen = \"open\"\nas = \"user\"\nrun = [\"PROGRAM\"]\n",
    ),
    ("init", "[[private]]\npath = \"/tmp\"\ninit = \"PROGRAM\"\n"),
    (
        "volume",
        "[[volume]]\npath = \"/opt\"\nas = \"root\"\nopen = [\"PROGRAM\"]\n",
    ),
];

#[test]
fn a_program_that_cannot_be_reached_denies_a_session() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs");
    sandbox.protect("su");
    sandbox.make_dead();
    for (number, (name, rule)) in OPENING.iter().enumerate() {
        let program = ["/dead/fuse/program", "/dead/direct/program"][number % 2];
        let rule = rule.replace("PROGRAM", program);
        let policy = format!("{SETTINGS}{rule}users = [\"alice\", \"root\"]\n");
        sandbox.policy(&policy);
        let before = sandbox.log().len();
        assert!(!sandbox.su_in_time("alice").succeeded(), "{name}");
        let log = sandbox.log().split_off(before);
        let told = |line: &String| {
            let reasons = ["not answer", "than the session has left of its time"];
            reasons.iter().any(|reason| line.contains(reason)) && names_a_dead_line(&policy, line)
        };
        assert!(log.iter().any(told), "{name}: {log:?}");
        for other in ["bob", "root"] {
            assert_eq!(sandbox.su_in_time(other).text(), "in", "{other}: {name}");
        }
        sandbox.assert_nothing_is_left(name);
    }
    sandbox.policy(&format!("{SETTINGS}[[private]]\npath = \"/tmp\"\n"));
    assert_eq!(sandbox.su_in_time("alice").text(), "in");
    sandbox.end_dead();
}

/// What a session runs at its end is looked for then.
#[test]
fn a_program_that_cannot_be_reached_holds_no_logout() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs");
    sandbox.protect("su");
    sandbox.make_dead();
    let hook =
        |run: &str| format!("[[hook]]\nwhen = \"close\"\ntimeout = \"1s\"\nrun = [\"{run}\"]\n");
    let volume = "[[volume]]\npath = \"/opt\"\nas = \"root\"\nopen = [\"mount\", \"-t\", \"tmpfs\", \"x\", \"/opt\"]\n\
                  close = [\"/dead/direct/program\"]\n"
        .replace("\"mount\"", &format!("{:?}", sandbox.sh("command -v mount").trim()));
    let rules = ["/dead/direct/program", "/dead/fuse/program"].map(hook);
    sandbox.policy(&format!("{SETTINGS}{}{volume}", rules.concat()));
    let began = Instant::now();
    let before = sandbox.log().len();
    assert_eq!(sandbox.su_in_time("alice").text(), "in");
    assert!(began.elapsed() < FAR);
    let log = sandbox.log().split_off(before);
    let told = log.iter().filter(|line| line.contains("not answer"));
    assert!(told.count() >= rules.len(), "{log:?}");
    sandbox.assert_nothing_is_left("a logout");
    sandbox.end_dead();
}
