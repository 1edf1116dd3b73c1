//! A threaded host, for which libpam loads and unloads the module again and again.

use crate::room::{CONFDIR, PRIVATE_T, SERVICE, in_room, program};
use std::process::Command;

#[test]
fn threads_open_sessions_of_their_own_and_end_without_a_crash() {
    in_room(|room| {
        let settings = "namespace = \"session\"\nstore";
        room.policy(PRIVATE_T.replacen("store", settings, 1));
        run("opened");
    });
}

#[test]
fn threads_share_a_namespace_while_their_process_stays_where_it_is() {
    in_room(|_| run("joined"));
}

/// 240 logins, four at a time, each in a thread of its own and each of them `opened`, `joined` or `refused`.
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
