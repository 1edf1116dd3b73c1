//! The module's arguments, and the environment of the session.

use crate::kernel::exists;
use crate::machine::{PRIVATE_T, STORE, WATCHED, on_machine};
use crate::report::{assert_same, code};

#[test]
fn an_unknown_argument_is_refused_with_its_name() {
    on_machine(|machine| {
        for argument in [
            "nonsense",
            "debugging",
            "Debug",
            "observe=1",
            "debug=",
            "configuration=/x",
            "unmnt_remnt",
            "threads",
            "threads=",
            "threads=first",
            "threads=any,debug",
            "Threads=any",
        ] {
            machine.stack(argument);
            let report = machine.drive(WATCHED);
            assert_eq!(report.codes("open"), [code::PERM_DENIED], "{argument}");
            assert_same(&report.state("before"), &report.state("after"), argument);
            let errors = machine.errors();
            let message = format!(
                "cannot use module argument {argument}: known ones are config=PATH, observe, debug and threads=any"
            );
            assert!(errors.last().unwrap().contains(&message), "{errors:?}");
        }
    });
}

#[test]
fn observe_changes_nothing_and_logs_what_would_be_done() {
    on_machine(|machine| {
        let by_policy = PRIVATE_T.replace("[settings]", "[settings]\nmode = \"observe\"");
        for (arguments, policy) in [("observe", PRIVATE_T), ("", &by_policy)] {
            let lines = machine.log().len();
            machine.stack(arguments);
            machine.policy(policy);
            let report = machine.drive(WATCHED);
            assert_eq!(report.codes("open"), [code::SUCCESS]);
            assert_same(&report.state("before"), &report.state("after"), "observe");
            assert!(!exists(STORE), "no store is made");
            let log = machine.log().split_off(lines);
            assert!(
                log.iter()
                    .any(|line| line.contains("observing only") && line.contains("/mnt/t")),
                "{log:?}"
            );
        }
    });
}

#[test]
fn one_line_a_login_and_more_with_debug() {
    on_machine(|machine| {
        machine.drive(&["start=alice", "open", "close", "end"]);
        let log = machine.log();
        assert_eq!(log.len(), 1, "{log:?}");
        for part in [
            "<86>pam_jns[",
            "session of alice by jns-host",
            "/mnt/t",
            "mnt:[",
        ] {
            assert!(log[0].contains(part), "{part:?} is missing in {log:?}");
        }
        machine.stack("debug");
        machine.drive(&["start=alice", "open", "close", "end"]);
        let debug = machine.log().split_off(1);
        assert!(
            debug.len() > 1 && debug.iter().any(|line| line.starts_with("<87>")),
            "{debug:?}"
        );
    });
}

#[test]
fn variables_go_through_pam_and_not_into_the_process() {
    on_machine(|machine| {
        let set = "[[env]]\nset = { TMPDIR = \"/mnt/t/{user}\", ADDED = \"1\" }\n";
        machine.policy(format!("{PRIVATE_T}{set}"));
        let words = [
            "start=alice",
            "putenv=TMPDIR=/old",
            "putenv=OTHER=x",
            "state=before",
            "open",
            "state=after",
            "environment=pam",
            "close",
        ];
        let report = machine.drive(&words);
        let mut variables = report.values("pam");
        variables.sort_unstable();
        assert_eq!(variables, ["ADDED=1", "OTHER=x", "TMPDIR=/mnt/t/alice"]);
        let environ = |label| report.values(&format!("{label} environ"));
        assert_eq!(environ("before"), environ("after"));
    });
}

#[test]
fn a_refused_login_has_the_variables_it_had() {
    on_machine(|machine| {
        let rest = "[[env]]\nset = { TMPDIR = \"/mnt/t/{user}\", ADDED = \"1\" }\n\
                    [[bind]]\nsource = \"/mnt/missing\"\npath = \"/mnt/home\"\n";
        machine.policy(format!("{PRIVATE_T}{rest}"));
        let report = machine.drive(&[
            "start=alice",
            "putenv=TMPDIR=/old",
            "environment=before",
            "open",
            "environment=after",
        ]);
        assert_eq!(report.codes("open"), [code::PERM_DENIED]);
        assert_eq!(report.values("before"), ["TMPDIR=/old"]);
        assert_eq!(report.values("after"), ["TMPDIR=/old"]);
    });
}
