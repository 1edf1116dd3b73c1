//! How mounts travel between the host and a session.

use crate::bed::{Bed, bed};

/// Makes a mount on the host and one inside alice's session, and says who sees what of them.
fn mounts_seen_across(bed: &Bed) -> (bool, bool) {
    bed.sh("mkdir /srv/by-host /srv/by-session");
    let before = bed.state();
    let client = bed.start_session("alice");
    let inside = "nsenter -m -t $(pgrep -u alice sleep)";

    bed.sh("mount -t tmpfs later /srv/by-host");
    bed.sh(&format!("{inside} mount -t tmpfs later /srv/by-session"));
    let arrives = bed.run(&format!(
        "{inside} grep -q /srv/by-host /proc/self/mountinfo"
    ));
    let escapes = bed.run("grep -q /srv/by-session /proc/self/mountinfo");

    bed.sh(&format!(
        "umount /srv/by-host; kill $(pgrep -u alice sleep); kill {client} || true"
    ));
    before.assert_nothing_left(bed);
    (arrives.succeeded(), escapes.succeeded())
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
    bed.sh("for i in {1..50}; do [ $(pgrep -c -x sleep) = 1 ] && break; sleep 0.1; done; mount --make-rslave /");
    bed.serve_ssh();
    bed.sh("mkdir /srv/by-outer");
    let before = bed.state();

    let client = bed.start_session("alice");
    let outer = "nsenter -m -t $(pgrep -u root -x sleep)";
    bed.sh(&format!("{outer} mount -t tmpfs later /srv/by-outer"));
    bed.sh("nsenter -m -t $(pgrep -u alice sleep) grep -q /srv/by-outer /proc/self/mountinfo");
    bed.sh(&format!(
        "{outer} umount /srv/by-outer; kill $(pgrep -u alice sleep); kill {client} || true"
    ));
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
