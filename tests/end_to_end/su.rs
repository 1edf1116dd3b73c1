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
fn su_inside_a_session_gives_the_other_users_view() {
    let bed = bed!();
    bed.serve_ssh();
    bed.protect("su");
    bed.sh(&Bed::marking("host"));
    let before = bed.state();

    let su_bob = format!(
        "{}; echo secret | su bob -c '{}'",
        Bed::marking("alice"),
        Bed::list()
    );
    assert_eq!(bed.ssh("alice", &su_bob).text(), Bed::listing(""));
    before.assert_nothing_left(&bed);
}

#[test]
fn the_working_directory_is_looked_up_again_in_the_new_view() {
    ours_only!("care for the working directory: it stays in the directory that is covered");
    let bed = bed!();
    bed.protect("su");
    bed.sh("mkdir -m 755 /tmp/shared-name /tmp/host-only");
    bed.exec(&[
        "su",
        "bob",
        "-c",
        "mkdir /tmp/shared-name && touch /tmp/shared-name/of-bob",
    ])
    .text();
    let before = bed.state();

    let seen = bed.sh("cd /tmp/shared-name && su bob -c 'pwd; ls'");
    assert_eq!(seen, "/tmp/shared-name\nof-bob");
    let seen = bed.sh("cd /tmp/host-only && su bob -c '/bin/pwd'");
    assert_eq!(seen, "/", "a directory that the view does not have");
    let seen = bed.sh("cd /home && su bob -c '/bin/pwd'");
    assert_eq!(seen, "/home", "a directory that is not covered");
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

/// Of an account with the host's view: nothing of the caller's must be left for want of descriptors.
#[test]
fn sudo_with_few_descriptors_keeps_no_view_of_its_callers() {
    ours_only!("way back");
    let bed = bed!();
    needs!(bed, "sudo");
    bed.protect("su");
    bed.protect("sudo");
    bed.write("/etc/sudoers.d/alice", "alice ALL=(ALL) NOPASSWD: ALL\n");
    let script = "touch /tmp/of-alice; for n in $(seq 8 40) 1000; do
        (ulimit -n $n; sudo -n -u system ls /tmp/of-alice /proc/version 2>/dev/null); done";
    let seen = bed.exec(&["su", "alice", "-c", script]);
    assert!(!seen.stdout.contains("of-alice"), "{}", seen.stdout);
    assert!(seen.stdout.contains("/proc/version"), "{}", seen.stdout);
}
