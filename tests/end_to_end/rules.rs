//! What each kind of rule makes appear in a session.

use crate::sandbox::{Sandbox, ours_only, sandbox};

#[test]
fn kept_entries_stay_visible() {
    ours_only!("entries that stay visible");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.sh("mkdir -m 1777 /tmp/.X11-unix /tmp/secret && touch /tmp/.X11-unix/X0");
    let before = sandbox.state();
    assert_eq!(
        sandbox.ssh("alice", "find /tmp -mindepth 1 | sort").text(),
        "/tmp/.X11-unix\n/tmp/.X11-unix/X0"
    );
    sandbox.ssh("alice", "touch /tmp/.X11-unix/X1").text();
    assert_eq!(sandbox.sh("ls /tmp/.X11-unix"), "X0\nX1");
    sandbox.sh("rm /tmp/.X11-unix/X1");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn instances_have_the_mode_and_owner_of_what_they_cover() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let shape = "stat -c '%a %u:%g' /tmp /var/tmp /dev/shm";
    sandbox.sh("chgrp team /var/tmp && chmod 1771 /var/tmp");
    assert_eq!(sandbox.ssh("alice", shape).text(), sandbox.sh(shape));
    sandbox.assert_logins_logged("sshd", &["alice"]);
}

#[test]
fn a_hardened_mount_stays_hardened() {
    ours_only!("care for the flags of the mount that it covers");
    let sandbox = sandbox!();
    sandbox.sh("mount -o remount,bind,noexec,noatime /tmp");
    sandbox.serve_ssh();
    // mountinfo is not in the order in which mounts cover each other; the open directory names its own.
    let mount = r#"exec 3</tmp; read -r _ id < <(grep mnt_id /proc/self/fdinfo/3)
        grep "^$id " /proc/self/mountinfo"#;
    let flags = sandbox.ssh("alice", mount).text();
    for flag in ["noexec", "nosuid", "nodev", "noatime"] {
        assert!(flags.contains(flag), "{flag} in {flags}");
    }
}

#[test]
fn memory_is_bounded() {
    ours_only!("bound unless it is given one");
    let sandbox = sandbox!();
    sandbox.share_nothing();
    sandbox.serve_ssh_under("[[tmpfs]]\npath = \"/tmp\"\nsize = \"1M\"\n");
    let before = sandbox.state();
    assert!(
        !sandbox
            .ssh("alice", "head -c 2M /dev/zero >/tmp/large")
            .succeeded()
    );
    sandbox
        .ssh(
            "alice",
            "[ -z \"$(ls -A /tmp)\" ] && head -c 900K /dev/zero >/tmp/small",
        )
        .text();
    before.assert_unchanged(&sandbox);
}

#[test]
fn a_bound_directory_appears_with_its_options() {
    ours_only!("rule that binds");
    let sandbox = sandbox!();
    sandbox.sh("mkdir -m 777 /srv/here /srv/there && touch /srv/there/file");
    sandbox.serve_ssh_under(
        "[[bind]]\nsource = \"/srv/there\"\npath = \"/srv/here\"\noptions = [\"ro\"]\n",
    );
    let before = sandbox.state();
    assert_eq!(sandbox.ssh("alice", "ls /srv/here").text(), "file");
    let refused = sandbox.ssh("alice", "touch /srv/here/new");
    assert!(
        refused.stderr.contains("Read-only file system"),
        "{refused:#?}"
    );
    sandbox.ssh("alice", "touch /srv/there/new").text();
    assert_eq!(
        sandbox.sh("ls /srv/here /srv/there"),
        "/srv/here:\n\n/srv/there:\nfile\nnew"
    );
    before.assert_unchanged(&sandbox);
}

#[test]
fn a_bound_file_appears() {
    ours_only!("rule that binds");
    let sandbox = sandbox!();
    sandbox.sh("echo hosts of ours >/srv/hosts");
    sandbox.serve_ssh_under("[[bind]]\nsource = \"/srv/hosts\"\npath = \"/etc/hosts\"\n");
    let before = sandbox.state();
    assert_eq!(
        sandbox.ssh("alice", "cat /etc/hosts").text(),
        "hosts of ours"
    );
    assert!(sandbox.sh("cat /etc/hosts").starts_with("127.0.0.1"));
    before.assert_unchanged(&sandbox);
}

#[test]
fn the_homes_of_others_can_be_hidden() {
    ours_only!("rule that hides");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under("[[hide]]\npath = \"/home\"\nkeep = [\"{user}\"]\n");
    let before = sandbox.state();
    assert_eq!(sandbox.ssh("alice", "ls -A /home").text(), "alice");
    assert_eq!(
        sandbox.ssh("bob", "ls -A /home; touch ~/works").text(),
        "bob"
    );
    assert!(!sandbox.ssh("bob", "mkdir /home/new").succeeded());
    assert_eq!(
        sandbox.ssh("root", "ls -A /home").text(),
        "alice\nbob\nsystem"
    );
    before.assert_unchanged(&sandbox);
}

#[test]
fn a_file_can_be_hidden() {
    ours_only!("rule that hides");
    let sandbox = sandbox!();
    sandbox.sh("echo public >/srv/notice");
    sandbox.serve_ssh_under("[[hide]]\npath = \"/srv/notice\"\n");
    let before = sandbox.state();
    assert!(!sandbox.ssh("alice", "cat /srv/notice").succeeded());
    assert_eq!(sandbox.sh("cat /srv/notice"), "public");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn the_sessions_environment_is_set() {
    ours_only!("rule for the environment");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under(
        "[[env]]\nset = { TMPDIR = \"/tmp/{user}\", EDITOR = \"ed\" }\nusers = [\"alice\"]\n",
    );
    sandbox.protect("su");
    assert_eq!(
        sandbox.ssh("alice", "echo $TMPDIR $EDITOR").text(),
        "/tmp/alice ed"
    );
    assert_eq!(sandbox.ssh("bob", "echo $TMPDIR $EDITOR").text(), "");
    assert_eq!(
        sandbox.exec(&["su", "alice", "-c", "echo $TMPDIR"]).text(),
        "/tmp/alice"
    );
}

#[test]
fn members_of_a_group_share_its_directory() {
    ours_only!("directory for each group");
    let sandbox = sandbox!();
    sandbox.sh("usermod -g team alice && usermod -g team bob");
    sandbox.sh("useradd -u 2003 -m -s /bin/bash carol && cp -r ~alice/.ssh ~carol/ && chown -R carol ~carol");
    sandbox.serve_ssh_under("[[private]]\npath = \"/tmp\"\nper = \"group\"\n");
    let before = sandbox.state();
    sandbox.ssh("alice", "touch /tmp/of-team").text();
    assert_eq!(sandbox.ssh("bob", "ls /tmp").text(), "of-team");
    assert_eq!(sandbox.ssh("carol", "ls /tmp").text(), "");
    before.assert_nothing_left(&sandbox);
}

/// Each session has an empty /tmp, which goes with it.
const PER_SESSION: &str = "[[private]]\npath = \"/tmp\"\nper = \"session\"\n";

/// A sandbox with that policy, whose store has its lasting directories already.
fn serve_per_session(sandbox: &Sandbox) {
    sandbox.serve_ssh_under(PER_SESSION);
    sandbox.ssh("bob", "true").text();
    sandbox.wait_for_logouts();
}

#[test]
fn a_sessions_directory_is_empty_at_login_and_gone_after_logout() {
    ours_only!("removal of a session's directory");
    let sandbox = sandbox!();
    serve_per_session(&sandbox);
    let before = sandbox.state();
    let fill = "mkdir -p /tmp/a/b/c && touch /tmp/a/b/c/d /tmp/.hidden && mkdir -m 0 /tmp/a/closed";
    sandbox.ssh("alice", fill).text();
    assert_eq!(sandbox.ssh("alice", "ls -A /tmp").text(), "");
    before.assert_unchanged(&sandbox);
}

#[test]
fn sessions_at_once_have_a_directory_each() {
    ours_only!("removal of a session's directory");
    let sandbox = sandbox!();
    serve_per_session(&sandbox);
    let before = sandbox.state();
    let first = sandbox.start_session("alice");
    sandbox.sh(&format!("touch {}", first.path("/tmp/of-first")));
    assert_eq!(sandbox.ssh("alice", "ls -A /tmp").text(), "");
    assert_eq!(first.run("ls /tmp").text(), "of-first");
    first.end();
    before.assert_unchanged(&sandbox);
}

#[test]
fn removing_a_sessions_directory_crosses_no_link() {
    ours_only!("removal of a session's directory");
    let sandbox = sandbox!();
    serve_per_session(&sandbox);
    sandbox.sh("mkdir -m 777 /srv/precious && touch /srv/precious/file");
    let before = sandbox.state();
    sandbox
        .ssh(
            "alice",
            "ln -s /srv/precious /tmp/link; ln -s /srv/precious/file /tmp/file",
        )
        .text();
    before.assert_unchanged(&sandbox);
    assert_eq!(sandbox.sh("ls /srv/precious"), "file");
}

#[test]
fn removing_a_sessions_directory_crosses_no_mount() {
    ours_only!("removal of a session's directory");
    let sandbox = sandbox!();
    serve_per_session(&sandbox);
    sandbox.sh("mkdir -m 777 /srv/precious && touch /srv/precious/file");
    let before = sandbox.state();
    let session = sandbox.start_session("alice");
    sandbox.sh(&format!("mkdir {}", session.path("/tmp/{inside,outside}")));
    session.run("mount --bind /srv/precious /tmp/inside").text();
    sandbox.sh("mount --bind /srv/precious $(find /var/lib/jns -name outside)");
    session.end();

    assert_eq!(sandbox.sh("ls /srv/precious"), "file");
    sandbox.sh("umount $(find /var/lib/jns -name outside) && rm -r /var/lib/jns/session/*");
    before.assert_unchanged(&sandbox);
}

#[test]
fn a_directory_left_by_a_killed_monitor_hurts_nobody() {
    ours_only!("removal of a session's directory");
    let sandbox = sandbox!();
    serve_per_session(&sandbox);
    let session = sandbox.start_session("alice");
    sandbox.sh(&format!("touch {}", session.path("/tmp/left")));
    session.kill_monitor();
    session.end();
    assert_eq!(sandbox.ssh("alice", "ls -A /tmp").text(), "");
    assert_eq!(sandbox.ssh("bob", "ls -A /tmp").text(), "");
}

#[test]
fn a_missing_path_can_be_made_or_skipped() {
    ours_only!("rule that is optional");
    let sandbox = sandbox!();
    sandbox.sh("mkdir /srv/rules");
    sandbox.serve_ssh_under(
        "[[private]]\npath = \"/srv/rules/made\"\ncreate = true\nmode = \"0700\"\nowner = \"{user}\"\n\
         [[private]]\npath = \"/srv/rules/missing\"\noptional = true\n",
    );
    let seen = sandbox.ssh(
        "alice",
        "touch /srv/rules/made/file && stat -c '%a %U' /srv/rules/made && ls /srv/rules",
    );
    assert_eq!(seen.text(), "700 alice\nmade");
}

#[test]
fn an_instance_with_a_wrong_mode_is_repaired() {
    ours_only!("repair of what a crash left");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under("[[private]]\npath = \"/tmp\"\n");
    sandbox.ssh("alice", "touch /tmp/known-by-this").text();
    sandbox.wait_for_logouts();
    let before = sandbox.state();
    sandbox.sh("chmod 400 $(find /var/lib/jns -name known-by-this -printf '%h')");
    sandbox.ssh("alice", "touch /tmp/known-by-this").text();
    before.assert_unchanged(&sandbox);
}
