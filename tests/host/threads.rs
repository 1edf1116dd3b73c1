//! A threaded host, for which libpam loads and unloads the module again and again.

use crate::room::{CONFDIR, SERVICE, in_room, program};
use std::process::Command;

#[test]
fn threads_open_sessions_of_their_own_and_end_without_a_crash() {
    in_room(|_| run("opened"));
}

/// 240 logins, four at a time, each in a thread of its own and each of them `opened` or `refused`.
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
