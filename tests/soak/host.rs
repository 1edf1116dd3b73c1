//! A process that opens and closes sessions of many users, one after the other, as few real programs do: it must have
//! the descriptors and the namespaces afterwards that it had before.

use crate::kills::INIT;
use crate::machine::{USERS, user};
use crate::tally::Tally;
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

/// The program, in the sandbox: that of the tests in tests/host.
pub const HOST: &str = "/usr/bin/driver";

/// The file in which it says what it has found.
const REPORT: &str = "/root/host";

/// The number of sessions that one process opens.
const SESSIONS: usize = 10;

/// Has one process after the other open and close sessions until the soak ends.
pub fn open_and_close(tally: &Tally, random: &mut fastrand::Rng) {
    while !tally.is_over() {
        let killed = tally.kills_of(INIT);
        let mut host = Command::new(HOST);
        host.args([REPORT, "/etc/pam.d", "stack=login"]);
        for number in 0..SESSIONS {
            let start = format!("start={}", user(random.u32(0..USERS)));
            host.args([&start, "open", "close", "end"]);
            // The first has opened the socket of libc's syslog(3).
            host.args((number == 0).then_some("state=before"));
        }
        let output = host.arg("state=after").output().expect("the host starts");
        // Any of its sessions may have needed that init.
        let is_disturbed = tally.kills_of(INIT) != killed;
        judge(tally, &output, is_disturbed);
        tally.sleep(Duration::from_millis(random.u64(100..2000)));
    }
}

fn judge(tally: &Tally, output: &Output, is_disturbed: bool) {
    let report = fs::read_to_string(REPORT).unwrap_or_default();
    let opened = report.lines().filter(|line| *line == "open 0").count();
    tally.count_sessions(opened);
    let (before, after) = (kept(&report, "before "), kept(&report, "after "));
    let is_whole = output.status.success() && opened == SESSIONS || is_disturbed;
    if is_whole && before == after && !before.is_empty() {
        return;
    }
    let differences: Vec<_> = before.symmetric_difference(&after).collect();
    let what = format!(
        "a host that opened {opened} of {SESSIONS} sessions; what it had before or after them alone: {differences:?}"
    );
    tally.note_failed_command(&what, output);
}

/// The descriptors and namespaces that it had under a label.
fn kept<'r>(report: &'r str, label: &str) -> BTreeSet<&'r str> {
    let lines = report.lines().filter_map(|line| line.strip_prefix(label));
    lines
        .filter(|line| line.starts_with("descriptor ") || line.starts_with("namespace "))
        .collect()
}
