//! How mounts travel between the host and a session.

use crate::sandbox::{Sandbox, sandbox};

/// Makes a mount on the host and one inside alice's session, and says who sees what of them.
fn mounts_seen_across(sandbox: &Sandbox) -> (bool, bool) {
    sandbox.sh("mkdir -p /srv/by-host /srv/by-session");
    let before = sandbox.state();
    let session = sandbox.start_session("alice");

    sandbox.sh("mount -t tmpfs later /srv/by-host");
    session.run("mount -t tmpfs later /srv/by-session").text();
    let arrives = session
        .run("grep -q /srv/by-host /proc/self/mountinfo")
        .succeeded();
    let escapes = sandbox
        .run("grep -q /srv/by-session /proc/self/mountinfo")
        .succeeded();

    sandbox.sh("umount /srv/by-host");
    session.end();
    before.assert_nothing_left(sandbox);
    (arrives, escapes)
}

#[test]
fn under_a_shared_root_the_hosts_mounts_arrive_and_none_escapes() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    assert_eq!(mounts_seen_across(&sandbox), (true, false));
}

#[test]
fn under_a_private_root_no_mount_escapes() {
    let sandbox = sandbox!();
    sandbox.sh("mount --make-rprivate /");
    sandbox.serve_ssh();
    let (_, escapes) = mounts_seen_across(&sandbox);
    assert!(!escapes);
}

/// The host is itself a container whose mounts follow those of another namespace.
#[test]
fn under_a_slave_root_the_outer_mounts_arrive_and_none_escapes() {
    let sandbox = sandbox!();
    sandbox.sh("setsid unshare -m --propagation unchanged sleep 1000 </dev/null >/dev/null 2>&1 &");
    sandbox.wait_until("pgrep -x sleep");
    sandbox.sh("mount --make-rslave / && mkdir /srv/by-outer");
    let outer = format!("nsenter -m -t {}", sandbox.sh("pgrep -x sleep"));
    sandbox.serve_ssh();
    let before = sandbox.state();

    let session = sandbox.start_session("alice");
    sandbox.sh(&format!("{outer} mount -t tmpfs later /srv/by-outer"));
    session
        .run("grep -q /srv/by-outer /proc/self/mountinfo")
        .text();
    sandbox.sh(&format!("{outer} umount /srv/by-outer"));
    session.end();
    before.assert_nothing_left(&sandbox);

    let (_, escapes) = mounts_seen_across(&sandbox);
    assert!(!escapes);
}

/// Instances are attached to the session's copy of a mount, never to a peer of the host's.
#[test]
fn a_shared_tmp_under_a_private_root_stays_the_hosts() {
    let sandbox = sandbox!();
    crate::sandbox::ours_only!("protection of shared mounts under a private root");
    sandbox.sh("mount --make-rprivate / && mount --make-shared /tmp");
    sandbox.serve_ssh();
    sandbox.assert_own_directories("sshd", |user, script| sandbox.ssh(user, script));
}
