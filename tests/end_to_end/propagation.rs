//! How mounts travel between the host and a session.

use crate::bed::{Bed, bed};

/// Makes a mount on the host and one inside alice's session, and says who sees what of them.
fn mounts_seen_across(bed: &Bed) -> (bool, bool) {
    bed.sh("mkdir -p /srv/by-host /srv/by-session");
    let before = bed.state();
    let session = bed.start_session("alice");

    bed.sh("mount -t tmpfs later /srv/by-host");
    session.run("mount -t tmpfs later /srv/by-session").text();
    let arrives = session
        .run("grep -q /srv/by-host /proc/self/mountinfo")
        .succeeded();
    let escapes = bed
        .run("grep -q /srv/by-session /proc/self/mountinfo")
        .succeeded();

    bed.sh("umount /srv/by-host");
    session.end();
    before.assert_nothing_left(bed);
    (arrives, escapes)
}

#[test]
fn under_a_shared_root_the_hosts_mounts_arrive_and_none_escapes() {
    let bed = bed!();
    bed.serve_ssh();
    assert_eq!(mounts_seen_across(&bed), (true, false));
}

#[test]
fn under_a_private_root_no_mount_escapes() {
    let bed = bed!();
    bed.sh("mount --make-rprivate /");
    bed.serve_ssh();
    let (_, escapes) = mounts_seen_across(&bed);
    assert!(!escapes);
}

/// The host is itself a container whose mounts follow those of another namespace.
#[test]
fn under_a_slave_root_the_outer_mounts_arrive_and_none_escapes() {
    let bed = bed!();
    bed.sh("setsid unshare -m --propagation unchanged sleep 1000 </dev/null >/dev/null 2>&1 &");
    bed.wait_until("pgrep -x sleep");
    bed.sh("mount --make-rslave / && mkdir /srv/by-outer");
    let outer = format!("nsenter -m -t {}", bed.sh("pgrep -x sleep"));
    bed.serve_ssh();
    let before = bed.state();

    let session = bed.start_session("alice");
    bed.sh(&format!("{outer} mount -t tmpfs later /srv/by-outer"));
    session
        .run("grep -q /srv/by-outer /proc/self/mountinfo")
        .text();
    bed.sh(&format!("{outer} umount /srv/by-outer"));
    session.end();
    before.assert_nothing_left(&bed);

    let (_, escapes) = mounts_seen_across(&bed);
    assert!(!escapes);
}

/// Instances are attached to the session's copy of a mount, never to a peer of the host's.
#[test]
fn a_shared_tmp_under_a_private_root_stays_the_hosts() {
    let bed = bed!();
    crate::bed::ours_only!("protection of shared mounts under a private root");
    bed.sh("mount --make-rprivate / && mount --make-shared /tmp");
    bed.serve_ssh();
    bed.assert_own_directories("sshd", |user, script| bed.ssh(user, script));
}
