//! Sessions of su, runuser and sudo: opened and closed in one process, which stays in between.

use crate::sandbox::{Sandbox, Subject, needs, ours_only, sandbox};

#[test]
fn su_gives_directories_of_their_own() {
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.assert_own_directories("su", |user, script| {
        sandbox.exec(&["su", user, "-c", script])
    });
}

#[test]
fn su_with_a_login_shell_gives_directories_of_their_own() {
    let sandbox = sandbox!();
    protect_both(&sandbox);
    sandbox.assert_own_directories("su-l", |user, script| {
        sandbox.exec(&["su", "-", user, "-c", script])
    });
}

#[test]
fn runuser_gives_directories_of_their_own() {
    let sandbox = sandbox!();
    sandbox.protect("runuser");
    sandbox.assert_own_directories("runuser", |user, script| {
        sandbox.exec(&["runuser", user, "-c", script])
    });
}

#[test]
fn runuser_with_a_login_shell_gives_directories_of_their_own() {
    let sandbox = sandbox!();
    sandbox.protect("runuser-l");
    sandbox.assert_own_directories("runuser-l", |user, script| {
        sandbox.exec(&["runuser", "-", user, "-c", script])
    });
}

#[test]
fn sudo_gives_directories_of_their_own() {
    let sandbox = sandbox!();
    needs!(sandbox, "sudo");
    sandbox.protect("sudo");
    sandbox.assert_own_directories("sudo", |user, script| {
        sandbox.exec(&["sudo", "-n", "-u", user, "bash", "-c", script])
    });
}

#[test]
fn sudo_with_a_login_shell_gives_directories_of_their_own() {
    let sandbox = sandbox!();
    needs!(sandbox, "sudo");
    sandbox.protect("sudo-i");
    sandbox.assert_own_directories("sudo-i", |user, script| {
        sandbox.write("/srv/job", script); // as an argument, the shell would read it twice
        sandbox.exec(&["sudo", "-i", "-u", user, "bash", "/srv/job"])
    });
}

/// Debian's su-l includes su: with the module in both it is called twice for one session.
#[test]
fn a_second_call_in_one_session_changes_nothing() {
    ours_only!("way to know that it was called before");
    let sandbox = sandbox!();
    protect_both(&sandbox);
    sandbox.protect_with("su-l", "required", "");
    let before = sandbox.state();
    let mounts = "grep -c . /proc/self/mountinfo";

    let once = sandbox.exec(&["su", "alice", "-c", mounts]).text();
    let twice = sandbox.exec(&["su", "-", "alice", "-c", mounts]).text();
    assert_eq!(once, twice, "mounts in a session");
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("su", &["alice", "alice"]);
}

#[test]
fn a_login_by_su_inside_a_session_gives_the_other_users_view() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.protect("su");
    sandbox.sh(&Sandbox::marking("host"));
    let before = sandbox.state();

    let su_bob = format!(
        "{}; echo secret | su - bob -c '{}'",
        Sandbox::marking("alice"),
        Sandbox::list()
    );
    assert_eq!(sandbox.ssh("alice", &su_bob).text(), Sandbox::listing(""));
    before.assert_nothing_left(&sandbox);
}

/// Protects su, and su-l by including it, as Debian's does and the example for it.
fn protect_both(sandbox: &Sandbox) {
    sandbox.protect("su");
    if sandbox.subject == Subject::Ours {
        sandbox.protect("su-l");
    }
    sandbox.sh("grep -Eq '^session[[:space:]]+include[[:space:]]+su' /etc/pam.d/su-l");
}

/// As on FUSE or NFS: root may not enter it.
#[test]
fn a_working_directory_that_is_closed_to_root_keeps_nobody_out() {
    ours_only!("way on from a directory that root may not enter");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.sh("mkdir -m 700 /srv/closed && chown alice /srv/closed");
    let login = "cd /srv/closed && setpriv --bounding-set=-dac_override,-dac_read_search bash \\
                 -c 'su bob -c \"touch /tmp/mine\"' && [ ! -e /tmp/mine ]";
    sandbox.sh(login);
    sandbox.sh(login);
}

/// It ignores PAM_SESSION_ERR, and would run the command with the view of its caller.
#[test]
fn sudo_runs_nothing_for_a_session_that_is_refused() {
    ours_only!("refusal of sudo");
    let sandbox = sandbox!();
    needs!(sandbox, "sudo");
    sandbox.protect("sudo");
    sandbox.policy("nonsense");
    let refused = sandbox.exec(&["sudo", "-n", "-u", "bob", "touch", "/home/bob/was-here"]);
    assert!(!refused.succeeded());
    sandbox.sh("[ ! -e /home/bob/was-here ]");
}

/// The limits of whoever calls su are those of the process that writes the ledger.
#[test]
fn su_with_no_room_in_files_opens_a_session_like_any_other() {
    ours_only!("ledger");
    let sandbox = sandbox!();
    let printed = |limit: &str| {
        let inner = "echo secret | su bob -c \"id -un; ulimit -f\" 2>/dev/null; echo $?";
        let script = format!("({limit}; {inner}) | cat");
        sandbox.exec(&["su", "alice", "-c", &script]).text()
    };
    // The second one can be lifted with CAP_SYS_RESOURCE alone: without, the session is not in the ledger.
    let limits = [("ulimit -S -f 0", true), ("ulimit -f 0", false)];
    let without_module = limits.map(|(limit, _)| printed(limit));
    sandbox.protect("su");
    for ((limit, is_recorded), expected) in limits.into_iter().zip(without_module) {
        assert!(
            expected.starts_with("bob\n") && expected.ends_with("\n0"),
            "{expected}"
        );
        assert_eq!(printed(limit), expected, "{limit}");
        let log = sandbox.log();
        let refused = log.iter().find(|line| line.contains("cannot write"));
        assert!(!is_recorded || refused.is_none(), "{refused:?}");
    }
}
