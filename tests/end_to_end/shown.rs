//! What a shared namespace shows stays true: entries that are kept, and mounts that are made later inside.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

/// A rule for `/tmp` that keeps entries.
fn keeping(keep: &str) -> String {
    format!("[[private]]\npath = \"/tmp\"\nkeep = [{keep}]\n")
}

impl Sandbox {
    /// What alice sees in /tmp at her next login.
    #[track_caller]
    fn tmp_of_alice(&self) -> String {
        self.su("alice", "cd /tmp; find . -mindepth 1 | sort")
            .text()
    }

    /// Does something on the host as another user.
    #[track_caller]
    fn as_user(&self, user: &str, script: &str) {
        let script =
            format!("setpriv --reuid {user} --regid {user} --clear-groups bash -c '{script}'");
        self.sh(&script);
    }

    #[track_caller]
    fn assert_logged(&self, text: &str) {
        let log = self.log();
        assert!(
            log.iter().any(|line| line.contains(text)),
            "{text}: {log:#?}"
        );
    }
}

/// A directory of sockets that is made anew, as when the X server's package is installed again or a cleaner has run.
#[test]
fn a_login_never_sees_a_kept_directory_that_is_gone() {
    ours_only!("entries that are kept");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.protect("su");
    sandbox.sh("mkdir -m 1777 /tmp/.X11-unix && touch /tmp/.X11-unix/X0");
    let session = sandbox.start_session("alice");
    assert_eq!(sandbox.tmp_of_alice(), "./.X11-unix\n./.X11-unix/X0");
    let first = sandbox.su("alice", crate::shared::NAMESPACE).text();

    sandbox.sh("rm -r /tmp/.X11-unix && mkdir -m 1777 /tmp/.X11-unix && touch /tmp/.X11-unix/X1");
    assert_eq!(sandbox.tmp_of_alice(), "./.X11-unix\n./.X11-unix/X1");
    let second = sandbox.su("alice", crate::shared::NAMESPACE).text();
    assert_ne!(second, first);
    assert_eq!(
        sandbox.su("alice", crate::shared::NAMESPACE).text(),
        second,
        "they share again"
    );

    sandbox.sh("rm -r /tmp/.X11-unix");
    assert_eq!(
        sandbox.su("alice", "ls -A /tmp/.X11-unix").text(),
        "",
        "a mount point"
    );
    session.end();
}

/// Files and sockets are replaced by renaming another one to their names.
#[test]
fn a_login_never_sees_a_kept_file_that_was_replaced() {
    ours_only!("entries that are kept");
    let sandbox = sandbox!();
    sandbox.policy(&keeping("\"motd\""));
    sandbox.protect("su");
    sandbox.sh("echo old >/tmp/motd; su alice -c 'sleep 1000 >/dev/null 2>&1 &'");
    assert_eq!(sandbox.su("alice", "cat /tmp/motd").text(), "old");
    sandbox.sh("echo new >/tmp/motd.new; mv /tmp/motd.new /tmp/motd");
    assert_eq!(sandbox.su("alice", "cat /tmp/motd").text(), "new");
}

/// Who is first with a name in a directory of everybody's would serve all others.
#[test]
fn what_another_user_made_is_not_kept_until_root_owns_it() {
    ours_only!("entries that are kept");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.as_user(
        "bob",
        "mkdir -m 1777 /tmp/.X11-unix; touch /tmp/.X11-unix/X0",
    );
    sandbox.as_user("alice", "mkdir -m 1777 /tmp/.ICE-unix");
    sandbox.sh("su alice -c 'sleep 1000 >/dev/null 2>&1 &'");
    assert_eq!(sandbox.tmp_of_alice(), "./.ICE-unix");
    sandbox.assert_logged("/tmp/.X11-unix not kept: it belongs to uid 2002");
    assert_eq!(sandbox.su("bob", "ls -A /tmp").text(), ".X11-unix");

    // Whatever bob goes on doing, she has one namespace.
    let first = sandbox.su("alice", crate::shared::NAMESPACE).text();
    sandbox.as_user("bob", "rm -r /tmp/.X11-unix; mkdir -m 1777 /tmp/.X11-unix");
    assert_eq!(sandbox.su("alice", crate::shared::NAMESPACE).text(), first);

    sandbox.sh("chown root: /tmp/.X11-unix");
    assert_eq!(sandbox.tmp_of_alice(), "./.ICE-unix\n./.X11-unix");
}

#[test]
fn what_begins_to_match_is_seen_at_the_next_login() {
    ours_only!("entries that are kept");
    let sandbox = sandbox!();
    sandbox.policy(&keeping("\".X?-lock\", \"{user}*\""));
    sandbox.protect("su");
    sandbox.sh("touch /tmp/.X0-lock /tmp/alice-1; su alice -c 'sleep 1000 >/dev/null 2>&1 &'");
    assert_eq!(sandbox.tmp_of_alice(), "./.X0-lock\n./alice-1");
    let first = sandbox.su("alice", crate::shared::NAMESPACE).text();
    sandbox.sh("touch /tmp/.X-lock /tmp/bob-1 /tmp/other");
    assert_eq!(
        sandbox.su("alice", crate::shared::NAMESPACE).text(),
        first,
        "what does not match"
    );

    sandbox.sh("touch /tmp/.X1-lock /tmp/alice");
    assert_eq!(
        sandbox.tmp_of_alice(),
        "./.X0-lock\n./.X1-lock\n./alice\n./alice-1"
    );
    let second = sandbox.su("alice", crate::shared::NAMESPACE).text();
    assert_eq!(
        sandbox.su("alice", crate::shared::NAMESPACE).text(),
        second,
        "they share again"
    );
}

/// What a user is called is no pattern.
#[test]
fn a_users_name_is_matched_literally() {
    ours_only!("entries that are kept");
    let sandbox = sandbox!();
    sandbox.sh("sed -i 's/^alice:/al*:/' /etc/passwd /etc/shadow; install -d -o 2001 '/home/al*'");
    sandbox.policy("[[hide]]\npath = \"/home\"\nkeep = [\"{user}\"]\n");
    sandbox.protect("su");
    assert_eq!(sandbox.su("al*", "ls /home").text(), "al*");
}

/// A link of root's that leads to another version by now.
#[test]
fn a_login_sees_where_the_link_of_a_source_leads_now() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.sh(
        "mkdir -p /srv/one /srv/two /data; touch /srv/one/1 /srv/two/2; ln -s one /srv/current",
    );
    sandbox.policy("[[bind]]\nsource = \"/srv/current\"\npath = \"/data\"\n");
    sandbox.protect("su");
    sandbox.sh("su alice -c 'sleep 1000 >/dev/null 2>&1 &'");
    assert_eq!(sandbox.su("alice", "ls /data").text(), "1");
    sandbox.sh("ln -sfn two /srv/current");
    assert_eq!(sandbox.su("alice", "ls /data").text(), "2");
}

#[test]
fn a_login_sees_what_an_overlay_is_on_now() {
    ours_only!("layers of a user's own");
    let sandbox = sandbox!();
    sandbox.sh("mkdir /srv/dir && touch /srv/dir/old");
    sandbox.sh("mkdir -m 700 /var/lib/jns && mount -t tmpfs -o mode=700 store /var/lib/jns");
    sandbox.policy("[[overlay]]\npath = \"/srv/dir\"\n");
    sandbox.protect("su");
    assert_eq!(sandbox.su("alice", "ls /srv/dir").text(), "old");
    sandbox.sh("mount -t tmpfs new /srv/dir && touch /srv/dir/new");
    assert_eq!(sandbox.su("alice", "ls /srv/dir").text(), "new");
}

/// Starts what a container does in alice's session: a mount namespace that follows the one it was started in, of a
/// user namespace of hers. Gives its pid.
fn start_container(sandbox: &Sandbox) -> String {
    sandbox.sh("ssh -n -f alice@localhost 'exec unshare -Urm --propagation slave sleep 1003' >/dev/null 2>&1");
    sandbox.wait_until("pgrep -xf 'sleep 1003'");
    sandbox.sh("pgrep -xf 'sleep 1003'")
}

#[test]
fn containers_see_what_is_mounted_in_their_session_later() {
    ours_only!("mounts that are shared within a session");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.sh("mkdir -p /srv/later /srv/by-host");
    let before = sandbox.state();
    let session = sandbox.start_session("alice");
    let container = start_container(&sandbox);
    assert_eq!(
        session.run("findmnt -no PROPAGATION /").text(),
        "shared,slave"
    );
    let of_tmp = session.run("findmnt -no PROPAGATION /tmp").text();
    assert_eq!(of_tmp.lines().next(), Some("shared"), "the instance");

    session.run("mkdir /tmp/later /dev/shm/later").text();
    for place in ["/srv/later", "/tmp/later", "/dev/shm/later"] {
        session.run(&format!("mount -t tmpfs later {place}")).text();
        let seen = |pid: &str| {
            let script = format!("grep -q ' {place} ' /proc/{pid}/mountinfo");
            sandbox.run(&script).succeeded()
        };
        assert!(seen(&container), "{place}");
        assert!(!seen("1"), "{place} on the host");
    }
    sandbox.sh("mount -t tmpfs later /srv/by-host");
    sandbox.sh(&format!(
        "grep ' /srv/by-host ' /proc/{container}/mountinfo"
    ));
    sandbox.sh(&format!("umount /srv/by-host; kill {container}"));
    session.end();
    before.assert_nothing_left(&sandbox);
}

/// A session in another one is no peer of it: neither hears what the other mounts.
#[test]
fn sessions_within_sessions_keep_their_mounts() {
    ours_only!("mounts that are shared within a session");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.sh("mkdir -p /srv/inner");
    let session = sandbox.start_session("alice");
    let inner = session.run(
        "jns run --tmpfs /mnt -- bash -c 'mount -t tmpfs inner /srv/inner && grep -c /srv/inner /proc/self/mountinfo'",
    );
    assert_eq!(inner.text(), "1");
    for pid in [session.pid.as_str(), "1"] {
        let seen = sandbox.run(&format!("grep /srv/inner /proc/{pid}/mountinfo"));
        assert!(!seen.succeeded(), "{pid}: {seen:?}");
    }
    session.end();
}

#[test]
fn under_private_propagation_containers_see_nothing_later() {
    ours_only!("mounts that are shared within a session");
    let sandbox = sandbox!();
    sandbox.sh("mkdir -p /etc/security/jns.d /srv/later");
    sandbox.write(
        "/etc/security/jns.d/10-private.toml",
        "[settings]\npropagation = \"private\"\n",
    );
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let container = start_container(&sandbox);
    assert_eq!(session.run("findmnt -no PROPAGATION /").text(), "private");
    session.run("mount -t tmpfs later /srv/later").text();
    let seen = sandbox.run(&format!("grep /srv/later /proc/{container}/mountinfo"));
    assert!(!seen.succeeded());
    sandbox.sh(&format!("kill {container}"));
    session.end();
}

/// Podman looks at `/` when it starts, and says what containers will not see.
#[test]
fn podman_finds_a_shared_root() {
    ours_only!("mounts that are shared within a session");
    let sandbox = sandbox!();
    needs!(sandbox, "podman", "newuidmap");
    sandbox.serve_ssh();
    sandbox.sh("printf 'alice:100000:65536\nbob:200000:65536\n' | tee /etc/subuid >/etc/subgid; mkdir /srv/later
            mount -t sysfs -o ro sysfs /sys; mount -t cgroup2 -o ro cgroup /sys/fs/cgroup");
    let session = sandbox.start_session("alice");
    let warning = "is not a shared mount";
    let said = sandbox.ssh("alice", "podman unshare true");
    assert!(
        said.succeeded() && !said.stderr.contains(warning),
        "{said:?}"
    );

    sandbox.sh("ssh -n -f alice@localhost 'exec podman unshare sleep 1003' >/dev/null 2>&1");
    sandbox.wait_until("pgrep -xf 'sleep 1003'");
    session.run("mount -t tmpfs later /srv/later").text();
    sandbox.sh("grep ' /srv/later ' /proc/$(pgrep -xf 'sleep 1003')/mountinfo");

    sandbox.sh("mkdir -p /etc/security/jns.d");
    let private = "[settings]\npropagation = \"private\"\n";
    sandbox.write("/etc/security/jns.d/10-private.toml", private);
    let said = sandbox.ssh("bob", "podman unshare true");
    assert!(
        said.stderr.contains(warning),
        "what is looked for: {said:?}"
    );
    sandbox.run("pkill -u alice,bob");
    sandbox.wait_for_logouts();
}

/// An instance for each session in a directory that the session covers.
const BELOW: &str = "\
[settings]
exempt = [\"root\", \"system\"]
[[private]]
path = \"/tmp\"
per = \"session\"
store = \"/tmp/.sessions/{user}-{session}\"
";

#[test]
fn a_sessions_own_store_goes_with_it_although_the_session_covers_it() {
    ours_only!("sessions with directories of their own");
    let sandbox = sandbox!();
    sandbox.policy(BELOW);
    sandbox.protect("su");
    sandbox.serve_ssh();
    sandbox.sh("mkdir -m 700 /tmp/.sessions");
    let before = sandbox.state();
    let session = sandbox.start_session("alice");
    session.run("mkdir -p /tmp/a/b").text();
    assert_eq!(sandbox.su("alice", "ls -A /tmp; touch /tmp/x").text(), "");
    assert_eq!(
        sandbox.sh("ls /tmp/.sessions | wc -l"),
        "1",
        "that of the session"
    );
    session.end();
    assert_eq!(sandbox.sh("ls /tmp/.sessions"), "");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_session_that_a_hook_refuses_leaves_no_directory() {
    ours_only!("sessions with directories of their own");
    let sandbox = sandbox!();
    sandbox.policy(&format!(
        "{BELOW}[[hook]]\nwhen = \"open\"\nrun = [\"/bin/false\"]\non_failure = \"deny\"\n"
    ));
    sandbox.protect("su");
    sandbox.sh("mkdir -m 700 /tmp/.sessions");
    assert!(!sandbox.su("alice", "true").succeeded());
    assert_eq!(
        sandbox.sh("ls /tmp/.sessions /run/jns/session"),
        "/run/jns/session:\n\n/tmp/.sessions:"
    );
}

#[test]
fn what_a_killed_session_had_in_a_store_of_its_own_is_collected() {
    ours_only!("command that cleans up");
    let sandbox = sandbox!();
    sandbox.policy(BELOW);
    sandbox.serve_ssh();
    sandbox.sh("mkdir -m 700 /tmp/.sessions; mkdir /tmp/.sessions/alice-else");
    let session = sandbox.start_session("alice");
    session.run("mkdir -p /tmp/a/b").text();
    session.kill_monitor();
    assert_eq!(
        sandbox.sh("jns gc --linger 0s --verbose | grep /tmp/.sessions || true"),
        "",
        "it runs"
    );
    session.end();

    let said = sandbox.sh("jns gc --linger 0s --dry-run");
    assert!(said.contains("/tmp/.sessions/alice-"), "{said}");
    assert_eq!(sandbox.sh("ls /tmp/.sessions | wc -l"), "2");
    let said = sandbox.sh("jns gc --linger 0s --verbose");
    assert!(said.contains("/tmp/.sessions/alice-"), "{said}");
    assert_eq!(sandbox.sh("ls /tmp/.sessions"), "alice-else");
    assert_eq!(sandbox.sh("ls /run/jns/session"), "");
}

/// Neither a directory that has the name of the session's by now, nor one that something is mounted in, is removed.
#[test]
fn another_directory_of_that_name_is_not_collected() {
    ours_only!("command that cleans up");
    for (change, left, record) in [
        (
            "mv $d $d-old; mkdir $d; touch $d/precious",
            "$d/precious",
            false,
        ),
        (
            "mkdir $d/m; mount -t tmpfs x $d/m; touch $d/m/precious",
            "$d/m/precious",
            true,
        ),
    ] {
        let sandbox = sandbox!();
        sandbox.policy(BELOW);
        sandbox.serve_ssh();
        sandbox.sh("mkdir -m 700 /tmp/.sessions");
        let session = sandbox.start_session("alice");
        session.kill_monitor();
        sandbox.sh(&format!("d=$(echo /tmp/.sessions/alice-*); {change}"));
        session.end();
        sandbox.run("jns gc --linger 0s");
        sandbox.sh(&format!(
            "d=$(ls -d /tmp/.sessions/alice-* | grep -v old); [ -e {left} ]"
        ));
        assert_eq!(
            sandbox.sh("ls /run/jns/session | wc -l"),
            if record { "1" } else { "0" }
        );
    }
}
