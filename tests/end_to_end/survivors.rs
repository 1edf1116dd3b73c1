//! What outlives its session, and sessions that end badly.

use crate::bed::{Bed, bed, needs};

/// The server stays in the first login's namespace; its socket is in the user's own /tmp.
#[test]
fn tmux_is_found_again_by_the_next_login() {
    let bed = bed!();
    needs!(bed, "tmux");
    bed.serve_ssh();
    bed.ssh("alice", "rm -rf /tmp/*").text();
    let before = bed.state();

    bed.ssh("alice", "tmux new-session -d").text();
    bed.ssh("alice", "tmux send-keys 'touch /tmp/by-tmux' Enter")
        .text();
    bed.ssh(
        "alice",
        "for i in {1..100}; do [ -e /tmp/by-tmux ] && exit 0; sleep 0.1; done; exit 1",
    )
    .text();
    assert!(!bed.ssh("bob", "tmux list-sessions").succeeded());
    bed.ssh("alice", "tmux kill-server").text();
    before.assert_nothing_left(&bed);
}

#[test]
fn a_background_process_keeps_its_view_after_logout() {
    let bed = bed!();
    bed.serve_ssh();
    let before = bed.state();

    let later = "(sleep 1; ls /tmp >~/seen; touch ~/done) </dev/null >/dev/null 2>&1 &";
    bed.ssh(
        "alice",
        &format!("touch /tmp/of-alice; setsid bash -c '{later}'"),
    )
    .text();
    bed.sh("for i in {1..100}; do [ -e ~alice/done ] && break; sleep 0.1; done");
    assert_eq!(bed.sh("cat ~alice/seen"), "of-alice");
    before.assert_nothing_left(&bed);
}

#[test]
fn a_client_that_vanishes_leaves_nothing() {
    let bed = bed!();
    bed.serve_ssh();
    let before = bed.state();

    let client = bed.start_session("alice");
    bed.sh(&format!("kill -9 {client}"));
    bed.sh("kill $(pgrep -u alice sleep)"); // nobody hangs up a session without a terminal
    before.assert_nothing_left(&bed);
}

/// The monitor is the process that would have closed the session.
#[test]
fn a_killed_monitor_hurts_nobody() {
    let bed = bed!();
    bed.serve_ssh();
    let before = bed.state();

    let client = bed.start_session("alice");
    bed.sh("kill -9 $(pgrep -f 'alice \\[priv\\]')");
    let rest = "kill $(pgrep -u alice) 2>/dev/null; kill";
    bed.run(&format!("{rest} {client}"));
    before.assert_nothing_left(&bed);
    bed.assert_own_directories_still(&["alice", "bob"]);
}

impl Bed {
    /// Starts an ssh session that sleeps, and returns the pid of its client once it is there.
    pub fn start_session(&self, user: &str) -> String {
        self.sh(&format!(
            "ssh -l {user} localhost 'echo there; exec sleep 1000' </dev/null >/root/session 2>/dev/null &
             for i in {{1..100}}; do grep -q there /root/session && break; sleep 0.1; done; echo $!"
        ))
    }

    /// Asserts that these users can still log in and do not see each other's files.
    fn assert_own_directories_still(&self, users: &[&str]) {
        for user in users {
            self.ssh(user, &format!("touch /tmp/still-{user}")).text();
        }
        for user in users {
            let seen = self.ssh(user, "ls /tmp | grep ^still").text();
            assert_eq!(seen, format!("still-{user}"));
        }
    }
}
