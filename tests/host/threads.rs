//! A threaded host, for which libpam loads and unloads the module again and again.

use crate::machine::{CONFDIR, PRIVATE_T, SERVICE, on_machine, program};
use crate::report::code;
use std::process::Command;

/// What is wrong with a thread.
const LATER: &str = "it is opened in a thread that is not the first one";

#[test]
fn threads_open_sessions_of_their_own_and_end_without_a_crash() {
    on_machine(|machine| {
        let settings = "namespace = \"session\"\nstore";
        machine.policy(PRIVATE_T.replacen("store", settings, 1));
        machine.stack("threads=any");
        run("opened");
    });
}

#[test]
fn threads_share_a_namespace_while_their_process_stays_where_it_is() {
    on_machine(|machine| {
        machine.stack("threads=any");
        run("joined");
        let log = machine.log();
        assert!(
            log.iter()
                .any(|line| line.starts_with("<84>") && line.contains(LATER)),
            "{log:?}"
        );
    });
}

#[test]
fn a_session_in_a_later_thread_is_refused_with_the_reason() {
    on_machine(|machine| {
        // As somebody's who logs in for the first time, and where others have left what a login needs to know.
        for _ in 0..2 {
            run("refused");
            let errors = machine.errors();
            let last = errors.last().unwrap();
            assert!(last.contains(LATER), "{last}");
            assert!(last.contains("threads=any"), "{last}");
            let report = machine.drive(&["start=alice", "open", "close", "end"]);
            assert_eq!(report.codes("open"), [code::SUCCESS], "the first thread");
        }
    });
}

/// Who gets no view of their own needs none in another thread.
#[test]
fn an_exempt_user_may_open_a_session_in_any_thread() {
    on_machine(|machine| {
        machine.policy(PRIVATE_T.replacen("store", "exempt = [\"alice\"]\nstore", 1));
        run("exempt");
        assert!(machine.errors().is_empty(), "{:?}", machine.errors());
    });
}

/// 240 logins, four at a time, each in a thread of its own and each of them `opened`, `joined`, `refused` or
/// `exempt`.
pub fn run(expected: &str) {
    let output = Command::new(program("threads"))
        .args([CONFDIR, SERVICE, "alice", "60", "4", expected])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, format!("240 {expected}\n"));
    assert!(output.stderr.is_empty(), "{output:?}");
}
