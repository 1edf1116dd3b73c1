//! Sessions of su, runuser and sudo: opened and closed in one process, which stays in between.

use crate::bed::{Bed, Subject, bed, needs, ours_only};

#[test]
fn su_gives_directories_of_their_own() {
    let bed = bed!();
    bed.protect("su");
    bed.assert_own_directories("su", |user, script| bed.exec(&["su", user, "-c", script]));
}

#[test]
fn su_with_a_login_shell_gives_directories_of_their_own() {
    let bed = bed!();
    protect_both(&bed);
    bed.assert_own_directories("su-l", |user, script| {
        bed.exec(&["su", "-", user, "-c", script])
    });
}

#[test]
fn runuser_gives_directories_of_their_own() {
    let bed = bed!();
    bed.protect("runuser");
    bed.assert_own_directories("runuser", |user, script| {
        bed.exec(&["runuser", user, "-c", script])
    });
}

#[test]
fn runuser_with_a_login_shell_gives_directories_of_their_own() {
    let bed = bed!();
    bed.protect("runuser-l");
    bed.assert_own_directories("runuser-l", |user, script| {
        bed.exec(&["runuser", "-", user, "-c", script])
    });
}

#[test]
fn sudo_gives_directories_of_their_own() {
    let bed = bed!();
    needs!(bed, "sudo");
    bed.protect("sudo");
    bed.assert_own_directories("sudo", |user, script| {
        bed.exec(&["sudo", "-n", "-u", user, "bash", "-c", script])
    });
}

#[test]
fn sudo_with_a_login_shell_gives_directories_of_their_own() {
    let bed = bed!();
    needs!(bed, "sudo");
    bed.protect("sudo-i");
    bed.assert_own_directories("sudo-i", |user, script| {
        bed.write("/srv/job", script); // as an argument, the shell would read it twice
        bed.exec(&["sudo", "-i", "-u", user, "bash", "/srv/job"])
    });
}

/// Debian's su-l includes su: with the module in both it is called twice for one session.
#[test]
fn a_second_call_in_one_session_changes_nothing() {
    ours_only!("way to know that it was called before");
    let bed = bed!();
    protect_both(&bed);
    bed.protect_with("su-l", "required", "");
    let before = bed.state();
    let mounts = "grep -c . /proc/self/mountinfo";

    let once = bed.exec(&["su", "alice", "-c", mounts]).text();
    let twice = bed.exec(&["su", "-", "alice", "-c", mounts]).text();
    assert_eq!(once, twice, "mounts in a session");
    before.assert_nothing_left(&bed);
    bed.assert_logins_logged("su", &["alice", "alice"]);
}

#[test]
fn a_login_by_su_inside_a_session_gives_the_other_users_view() {
    let bed = bed!();
    bed.serve_ssh();
    bed.protect("su");
    bed.sh(&Bed::marking("host"));
    let before = bed.state();

    let su_bob = format!(
        "{}; echo secret | su - bob -c '{}'",
        Bed::marking("alice"),
        Bed::list()
    );
    assert_eq!(bed.ssh("alice", &su_bob).text(), Bed::listing(""));
    before.assert_nothing_left(&bed);
}

/// Protects su, and su-l by including it, as Debian's does and the example for it.
fn protect_both(bed: &Bed) {
    bed.protect("su");
    if bed.subject == Subject::Ours {
        bed.protect("su-l");
    }
    bed.sh("grep -Eq '^session[[:space:]]+include[[:space:]]+su' /etc/pam.d/su-l");
}

/// As on FUSE or NFS: root may not enter it.
#[test]
fn a_working_directory_that_is_closed_to_root_keeps_nobody_out() {
    ours_only!("way on from a directory that root may not enter");
    let bed = bed!();
    bed.protect("su");
    bed.sh("mkdir -m 700 /srv/closed && chown alice /srv/closed");
    let login = "cd /srv/closed && setpriv --bounding-set=-dac_override,-dac_read_search bash \\
                 -c 'su bob -c \"touch /tmp/mine\"' && [ ! -e /tmp/mine ]";
    bed.sh(login);
    bed.sh(login);
}

/// It ignores PAM_SESSION_ERR, and would run the command with the view of its caller.
#[test]
fn sudo_runs_nothing_for_a_session_that_is_refused() {
    ours_only!("refusal of sudo");
    let bed = bed!();
    needs!(bed, "sudo");
    bed.protect("sudo");
    bed.policy("nonsense");
    let refused = bed.exec(&["sudo", "-n", "-u", "bob", "touch", "/home/bob/was-here"]);
    assert!(!refused.succeeded());
    bed.sh("[ ! -e /home/bob/was-here ]");
}

/// The limits of whoever calls su are those of the process that writes the ledger.
#[test]
fn su_with_no_room_in_files_opens_a_session_like_any_other() {
    ours_only!("ledger");
    let bed = bed!();
    let told = |limit: &str| {
        let inner = "echo secret | su bob -c \"id -un; ulimit -f\" 2>/dev/null; echo $?";
        let script = format!("({limit}; {inner}) | cat");
        bed.exec(&["su", "alice", "-c", &script]).text()
    };
    // The second one can be lifted with CAP_SYS_RESOURCE alone: without, the session is not in the ledger.
    let limits = [("ulimit -S -f 0", true), ("ulimit -f 0", false)];
    let without_module = limits.map(|(limit, _)| told(limit));
    bed.protect("su");
    for ((limit, is_recorded), expected) in limits.into_iter().zip(without_module) {
        assert!(
            expected.starts_with("bob\n") && expected.ends_with("\n0"),
            "{expected}"
        );
        assert_eq!(told(limit), expected, "{limit}");
        let log = bed.log();
        let refused = log.iter().find(|line| line.contains("cannot write"));
        assert!(!is_recorded || refused.is_none(), "{refused:?}");
    }
}
