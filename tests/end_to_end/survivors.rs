//! What outlives its session, and sessions that end badly.

use crate::bed::{Subject, bed, needs};

/// The server stays in the first login's namespace; its socket is in the user's own /tmp.
#[test]
fn tmux_is_found_again_by_the_next_login() {
    let bed = bed!();
    needs!(bed, "tmux");
    bed.serve_ssh();
    let before = bed.state();

    bed.ssh("alice", "tmux new-session -d").text();
    bed.ssh("alice", "tmux send-keys 'touch /tmp/by-tmux' Enter")
        .text();
    let appears = "until [ -e /tmp/by-tmux ]; do sleep 0.1; done";
    bed.ssh("alice", appears).text();
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
    bed.wait_until("[ -e ~alice/done ]");
    assert_eq!(bed.sh("cat ~alice/seen"), "of-alice");
    before.assert_nothing_left(&bed);
}

#[test]
fn a_client_that_vanishes_leaves_nothing() {
    let bed = bed!();
    bed.serve_ssh();
    let before = bed.state();

    let session = bed.start_session("alice");
    bed.sh(&format!("kill -9 {}", session.client));
    session.end(); // nobody hangs up a process without a terminal
    before.assert_nothing_left(&bed);
    bed.assert_logins_logged("sshd", &["alice"]);
}

/// The monitor is the process that would have closed the session.
#[test]
fn a_killed_monitor_hurts_nobody() {
    let bed = bed!();
    bed.serve_ssh();
    let before = bed.state();

    let session = bed.start_session("alice");
    session.kill_monitor();
    session.end();
    if bed.subject == Subject::Ours {
        bed.gc();
    }
    before.assert_nothing_left(&bed);
    for user in ["alice", "bob"] {
        bed.ssh(user, &format!("touch /tmp/still-{user}")).text();
    }
    for user in ["alice", "bob"] {
        let seen = bed.ssh(user, "ls /tmp").text();
        assert_eq!(seen, format!("still-{user}"));
    }
}
