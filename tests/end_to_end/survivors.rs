//! What outlives its session, and sessions that end badly.

use crate::sandbox::{Subject, needs, sandbox};

/// The server stays in the first login's namespace; its socket is in the user's own /tmp.
#[test]
fn tmux_is_found_again_by_the_next_login() {
    let sandbox = sandbox!();
    needs!(sandbox, "tmux");
    sandbox.serve_ssh();
    let before = sandbox.state();

    sandbox.ssh("alice", "tmux new-session -d").text();
    sandbox
        .ssh("alice", "tmux send-keys 'touch /tmp/by-tmux' Enter")
        .text();
    let appears = "until [ -e /tmp/by-tmux ]; do sleep 0.1; done";
    sandbox.ssh("alice", appears).text();
    assert!(!sandbox.ssh("bob", "tmux list-sessions").succeeded());
    sandbox.ssh("alice", "tmux kill-server").text();
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_background_process_keeps_its_view_after_logout() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();

    let later = "(sleep 1; ls /tmp >~/seen; touch ~/done) </dev/null >/dev/null 2>&1 &";
    sandbox
        .ssh(
            "alice",
            &format!("touch /tmp/of-alice; setsid bash -c '{later}'"),
        )
        .text();
    sandbox.wait_until("[ -e ~alice/done ]");
    assert_eq!(sandbox.sh("cat ~alice/seen"), "of-alice");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_client_that_vanishes_leaves_nothing() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();

    let session = sandbox.start_session("alice");
    sandbox.sh(&format!("kill -9 {}", session.client));
    session.end(); // nobody hangs up a process without a terminal
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("sshd", &["alice"]);
}

/// The monitor is the process that would have closed the session.
#[test]
fn a_killed_monitor_hurts_nobody() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();

    let session = sandbox.start_session("alice");
    session.kill_monitor();
    session.end();
    if sandbox.subject == Subject::Ours {
        sandbox.gc();
    }
    before.assert_nothing_left(&sandbox);
    for user in ["alice", "bob"] {
        sandbox
            .ssh(user, &format!("touch /tmp/still-{user}"))
            .text();
    }
    for user in ["alice", "bob"] {
        let seen = sandbox.ssh(user, "ls /tmp").text();
        assert_eq!(seen, format!("still-{user}"));
    }
}
