//! What each kind of rule makes appear in a session.

use crate::bed::{Bed, bed, ours_only};

#[test]
fn kept_entries_stay_visible() {
    ours_only!("entries that stay visible");
    let bed = bed!();
    bed.serve_ssh();
    bed.sh("mkdir -m 1777 /tmp/.X11-unix /tmp/secret && touch /tmp/.X11-unix/X0");
    let before = bed.state();
    assert_eq!(
        bed.ssh("alice", "find /tmp -mindepth 1 | sort").text(),
        "/tmp/.X11-unix\n/tmp/.X11-unix/X0"
    );
    bed.ssh("alice", "touch /tmp/.X11-unix/X1").text();
    assert_eq!(bed.sh("ls /tmp/.X11-unix"), "X0\nX1");
    bed.sh("rm /tmp/.X11-unix/X1");
    before.assert_nothing_left(&bed);
}

#[test]
fn instances_have_the_mode_and_owner_of_what_they_cover() {
    let bed = bed!();
    bed.serve_ssh();
    let shape = "stat -c '%a %u:%g' /tmp /var/tmp /dev/shm";
    bed.sh("chgrp team /var/tmp && chmod 1771 /var/tmp");
    assert_eq!(bed.ssh("alice", shape).text(), bed.sh(shape));
    bed.assert_logins_logged("sshd", &["alice"]);
}

#[test]
fn a_hardened_mount_stays_hardened() {
    ours_only!("care for the flags of the mount that it covers");
    let bed = bed!();
    bed.sh("mount -o remount,bind,noexec,noatime /tmp");
    bed.serve_ssh();
    // mountinfo is not in the order in which mounts cover each other; the open directory names its own.
    let mount = r#"exec 3</tmp; read -r _ id < <(grep mnt_id /proc/self/fdinfo/3)
        grep "^$id " /proc/self/mountinfo"#;
    let flags = bed.ssh("alice", mount).text();
    for flag in ["noexec", "nosuid", "nodev", "noatime"] {
        assert!(flags.contains(flag), "{flag} in {flags}");
    }
}

#[test]
fn memory_is_bounded() {
    ours_only!("bound unless it is told one");
    let bed = bed!();
    bed.share_nothing();
    bed.serve_ssh_under("[[tmpfs]]\npath = \"/tmp\"\nsize = \"1M\"\n");
    let before = bed.state();
    assert!(
        !bed.ssh("alice", "head -c 2M /dev/zero >/tmp/large")
            .succeeded()
    );
    bed.ssh(
        "alice",
        "[ -z \"$(ls -A /tmp)\" ] && head -c 900K /dev/zero >/tmp/small",
    )
    .text();
    before.assert_unchanged(&bed);
}

#[test]
fn a_bound_directory_appears_with_its_options() {
    ours_only!("rule that binds");
    let bed = bed!();
    bed.sh("mkdir -m 777 /srv/here /srv/there && touch /srv/there/file");
    bed.serve_ssh_under(
        "[[bind]]\nsource = \"/srv/there\"\npath = \"/srv/here\"\noptions = [\"ro\"]\n",
    );
    let before = bed.state();
    assert_eq!(bed.ssh("alice", "ls /srv/here").text(), "file");
    let refused = bed.ssh("alice", "touch /srv/here/new");
    assert!(
        refused.stderr.contains("Read-only file system"),
        "{refused:#?}"
    );
    bed.ssh("alice", "touch /srv/there/new").text();
    assert_eq!(
        bed.sh("ls /srv/here /srv/there"),
        "/srv/here:\n\n/srv/there:\nfile\nnew"
    );
    before.assert_unchanged(&bed);
}

#[test]
fn a_bound_file_appears() {
    ours_only!("rule that binds");
    let bed = bed!();
    bed.sh("echo hosts of ours >/srv/hosts");
    bed.serve_ssh_under("[[bind]]\nsource = \"/srv/hosts\"\npath = \"/etc/hosts\"\n");
    let before = bed.state();
    assert_eq!(bed.ssh("alice", "cat /etc/hosts").text(), "hosts of ours");
    assert!(bed.sh("cat /etc/hosts").starts_with("127.0.0.1"));
    before.assert_unchanged(&bed);
}

#[test]
fn the_homes_of_others_can_be_hidden() {
    ours_only!("rule that hides");
    let bed = bed!();
    bed.serve_ssh_under("[[hide]]\npath = \"/home\"\nkeep = [\"{user}\"]\n");
    let before = bed.state();
    assert_eq!(bed.ssh("alice", "ls -A /home").text(), "alice");
    assert_eq!(bed.ssh("bob", "ls -A /home; touch ~/works").text(), "bob");
    assert!(!bed.ssh("bob", "mkdir /home/new").succeeded());
    assert_eq!(bed.ssh("root", "ls -A /home").text(), "alice\nbob\nsystem");
    before.assert_unchanged(&bed);
}

#[test]
fn a_file_can_be_hidden() {
    ours_only!("rule that hides");
    let bed = bed!();
    bed.sh("echo public >/srv/notice");
    bed.serve_ssh_under("[[hide]]\npath = \"/srv/notice\"\n");
    let before = bed.state();
    assert!(!bed.ssh("alice", "cat /srv/notice").succeeded());
    assert_eq!(bed.sh("cat /srv/notice"), "public");
    before.assert_nothing_left(&bed);
}

#[test]
fn the_sessions_environment_is_set() {
    ours_only!("rule for the environment");
    let bed = bed!();
    bed.serve_ssh_under(
        "[[env]]\nset = { TMPDIR = \"/tmp/{user}\", EDITOR = \"ed\" }\nusers = [\"alice\"]\n",
    );
    bed.protect("su");
    assert_eq!(
        bed.ssh("alice", "echo $TMPDIR $EDITOR").text(),
        "/tmp/alice ed"
    );
    assert_eq!(bed.ssh("bob", "echo $TMPDIR $EDITOR").text(), "");
    assert_eq!(
        bed.exec(&["su", "alice", "-c", "echo $TMPDIR"]).text(),
        "/tmp/alice"
    );
}

#[test]
fn members_of_a_group_share_its_directory() {
    ours_only!("directory for each group");
    let bed = bed!();
    bed.sh("usermod -g team alice && usermod -g team bob");
    bed.sh("useradd -u 2003 -m -s /bin/bash carol && cp -r ~alice/.ssh ~carol/ && chown -R carol ~carol");
    bed.serve_ssh_under("[[private]]\npath = \"/tmp\"\nper = \"group\"\n");
    let before = bed.state();
    bed.ssh("alice", "touch /tmp/of-team").text();
    assert_eq!(bed.ssh("bob", "ls /tmp").text(), "of-team");
    assert_eq!(bed.ssh("carol", "ls /tmp").text(), "");
    before.assert_nothing_left(&bed);
}

/// Each session has an empty /tmp, which goes with it.
const PER_SESSION: &str = "[[private]]\npath = \"/tmp\"\nper = \"session\"\n";

/// A bed with that policy, whose store has its lasting directories already.
fn serve_per_session(bed: &Bed) {
    bed.serve_ssh_under(PER_SESSION);
    bed.ssh("bob", "true").text();
    bed.wait_for_logouts();
}

#[test]
fn a_sessions_directory_is_empty_at_login_and_gone_after_logout() {
    ours_only!("removal of a session's directory");
    let bed = bed!();
    serve_per_session(&bed);
    let before = bed.state();
    let fill = "mkdir -p /tmp/a/b/c && touch /tmp/a/b/c/d /tmp/.hidden && mkdir -m 0 /tmp/a/closed";
    bed.ssh("alice", fill).text();
    assert_eq!(bed.ssh("alice", "ls -A /tmp").text(), "");
    before.assert_unchanged(&bed);
}

#[test]
fn sessions_at_once_have_a_directory_each() {
    ours_only!("removal of a session's directory");
    let bed = bed!();
    serve_per_session(&bed);
    let before = bed.state();
    let first = bed.start_session("alice");
    bed.sh(&format!("touch {}", first.path("/tmp/of-first")));
    assert_eq!(bed.ssh("alice", "ls -A /tmp").text(), "");
    assert_eq!(first.run("ls /tmp").text(), "of-first");
    first.end();
    before.assert_unchanged(&bed);
}

#[test]
fn removing_a_sessions_directory_crosses_no_link() {
    ours_only!("removal of a session's directory");
    let bed = bed!();
    serve_per_session(&bed);
    bed.sh("mkdir -m 777 /srv/precious && touch /srv/precious/file");
    let before = bed.state();
    bed.ssh(
        "alice",
        "ln -s /srv/precious /tmp/link; ln -s /srv/precious/file /tmp/file",
    )
    .text();
    before.assert_unchanged(&bed);
    assert_eq!(bed.sh("ls /srv/precious"), "file");
}

#[test]
fn removing_a_sessions_directory_crosses_no_mount() {
    ours_only!("removal of a session's directory");
    let bed = bed!();
    serve_per_session(&bed);
    bed.sh("mkdir -m 777 /srv/precious && touch /srv/precious/file");
    let before = bed.state();
    let session = bed.start_session("alice");
    bed.sh(&format!("mkdir {}", session.path("/tmp/{inside,outside}")));
    session.run("mount --bind /srv/precious /tmp/inside").text();
    bed.sh("mount --bind /srv/precious $(find /var/lib/jns -name outside)");
    session.end();

    assert_eq!(bed.sh("ls /srv/precious"), "file");
    bed.sh("umount $(find /var/lib/jns -name outside) && rm -r /var/lib/jns/session/*");
    before.assert_unchanged(&bed);
}

#[test]
fn a_directory_left_by_a_killed_monitor_hurts_nobody() {
    ours_only!("removal of a session's directory");
    let bed = bed!();
    serve_per_session(&bed);
    let session = bed.start_session("alice");
    bed.sh(&format!("touch {}", session.path("/tmp/left")));
    session.kill_monitor();
    session.end();
    assert_eq!(bed.ssh("alice", "ls -A /tmp").text(), "");
    assert_eq!(bed.ssh("bob", "ls -A /tmp").text(), "");
}

#[test]
fn a_missing_path_can_be_made_or_skipped() {
    ours_only!("rule that is optional");
    let bed = bed!();
    bed.sh("mkdir /srv/rules");
    bed.serve_ssh_under(
        "[[private]]\npath = \"/srv/rules/made\"\ncreate = true\nmode = \"0700\"\nowner = \"{user}\"\n\
         [[private]]\npath = \"/srv/rules/missing\"\noptional = true\n",
    );
    let seen = bed.ssh(
        "alice",
        "touch /srv/rules/made/file && stat -c '%a %U' /srv/rules/made && ls /srv/rules",
    );
    assert_eq!(seen.text(), "700 alice\nmade");
}

#[test]
fn an_instance_with_a_wrong_mode_is_repaired() {
    ours_only!("repair of what a crash left");
    let bed = bed!();
    bed.serve_ssh_under("[[private]]\npath = \"/tmp\"\n");
    bed.ssh("alice", "touch /tmp/known-by-this").text();
    bed.wait_for_logouts();
    let before = bed.state();
    bed.sh("chmod 400 $(find /var/lib/jns -name known-by-this -printf '%h')");
    bed.ssh("alice", "touch /tmp/known-by-this").text();
    before.assert_unchanged(&bed);
}
