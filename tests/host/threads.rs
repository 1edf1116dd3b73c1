//! A threaded host, for which libpam loads and unloads the module again and again.

use crate::room::{CONFDIR, SERVICE, in_room, program};
use std::process::Command;

#[test]
fn threads_open_sessions_of_their_own_and_end_without_a_crash() {
    in_room(|_| {
        let output = Command::new(program("threads"))
            .args([CONFDIR, SERVICE, "alice", "60", "4"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "opened 240\n");
    });
}
