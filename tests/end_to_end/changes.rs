//! What changes while sessions of a shared namespace run: the policy, groups, the store, files' times.

use crate::sandbox::{Sandbox, ours_only, sandbox};
use crate::shared::NAMESPACE;

/// A policy of one rule for alice and bob, with other settings.
fn policy(settings: &str, rule: &str) -> String {
    format!("[settings]\nnamespace = \"user\"\n{settings}\n[[private]]\n{rule}\n")
}

impl Sandbox {
    /// The namespace of alice's next login, which stays in use: its number is not given to another one.
    #[track_caller]
    fn next_login(&self) -> String {
        let script = format!("sleep 1000 >/dev/null 2>&1 </dev/null & {NAMESPACE}");
        self.su("alice", &script).text()
    }

    /// Logs alice in until her plan is cached: not while the policy is so young that its next
    /// change could look the same.
    #[track_caller]
    fn wait_for_cached_plan(&self) {
        self.sh("rm -rf /run/jns/stamp");
        self.wait_until("su alice -c true && [ -d /run/jns/stamp ]");
    }

    /// A sandbox for su under this policy.
    fn begin_with(&self, policy: &str) {
        self.policy(policy);
        self.protect("su");
        self.serve_ssh();
    }
}

#[test]
fn a_changed_policy_gives_the_next_login_another_namespace() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    let (old, new) = (policy("", "path = \"/tmp\""), policy("", "path = \"/srv\""));
    sandbox.begin_with(&old);
    let before = sandbox.state();
    let session = sandbox.start_session("alice");
    let view = || session.run("cat /proc/self/mountinfo").text();
    sandbox.wait_for_cached_plan();
    let (first, mounts) = (sandbox.next_login(), view());
    sandbox.sh("touch /srv/of-host");

    sandbox.policy(&new);
    let second = sandbox.next_login();
    assert_ne!(second, first);
    assert_eq!(sandbox.su("alice", "ls /srv").text(), "");
    assert_eq!(sandbox.next_login(), second, "which they share");
    assert_eq!(sandbox.pins(), 2);
    assert_eq!(view(), mounts, "the running session");
    let inside = session.run(&format!("su - alice -c '{NAMESPACE}'"));
    assert_eq!(inside.text(), second, "a login inside the running session");

    sandbox.policy(&old);
    assert_eq!(sandbox.next_login(), first, "when it is changed back");
    session.end();
    sandbox.sh("pkill -x sleep");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_change_that_changes_nothing_leaves_them_together() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    let text = policy("", "path = \"/tmp\"\nusers = [\"alice\", \"@team\"]");
    sandbox.begin_with(&text);
    let first = sandbox.next_login();
    sandbox.policy(&format!("# a comment\n{text}"));
    assert_eq!(sandbox.next_login(), first, "a comment");
    sandbox.sh("touch -d '2001-01-01' /etc/security/jns.toml");
    assert_eq!(sandbox.next_login(), first, "an older file");
    sandbox.sh("touch -d '2101-01-01' /etc/security/jns.toml");
    assert_eq!(sandbox.next_login(), first, "a file from the future");
    sandbox.policy(&format!(
        "{text}[[hide]]\npath = \"/srv\"\nusers = [\"bob\"]\n"
    ));
    assert_eq!(sandbox.next_login(), first, "a rule that is another user's");
}

/// Neither size nor time of a file show that it is the same: `cp -p` and a restored backup keep both.
#[test]
fn a_policy_is_read_again_however_old_it_looks() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    let (old, new) = (policy("", "path = \"/srv\""), policy("", "path = \"/opt\""));
    sandbox.begin_with(&old);
    sandbox.sh("mkdir /srv/of-host /opt/of-host");
    let file = "/etc/security/jns.toml";
    for time in ["2001-01-01", "2101-01-01"] {
        let replace = [
            format!("cp /root/new {file}"),
            format!("cp {file} /root/was; mv /root/new {file}; chmod 644 {file}"),
        ];
        for replace in replace {
            sandbox.policy(&old);
            sandbox.sh(&format!("touch -d {time} {file}"));
            sandbox.wait_for_cached_plan();
            let seen = sandbox.su("alice", "ls /srv; ls -d /opt/of-host").text();
            assert_eq!(seen, "/opt/of-host", "the old policy of {time}");
            sandbox.write("/root/new", &new);
            sandbox.sh(&format!("{replace}; touch -d {time} {file}"));
            let seen = sandbox.su("alice", "ls /opt; ls -d /srv/of-host").text();
            assert_eq!(seen, "/srv/of-host", "{replace} at {time}");
        }
    }
}

/// What the module remembers for speed may be lost, older or younger than everything else, or nonsense.
#[test]
fn what_is_remembered_for_speed_is_never_the_truth() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    let text = policy("", "path = \"/srv\"");
    sandbox.begin_with(&text);
    sandbox.sh("mkdir /srv/of-host");
    sandbox.wait_for_cached_plan();
    let first = sandbox.next_login();
    let damages = [
        "touch -d 2001-01-01",
        "touch -d 2101-01-01",
        "truncate -s 0",
        "truncate -s 1",
        "truncate -s -1",
        "truncate -s +1000000",
        "sed -i s/[0-9a-f]/x/g",
        "rm",
    ];
    for damage in damages {
        sandbox.sh(&format!("find /run/jns/stamp -type f | xargs {damage}"));
        assert_eq!(sandbox.next_login(), first, "after {damage}");
        assert_eq!(sandbox.su("alice", "ls /srv").text(), "", "after {damage}");
    }
    sandbox.sh("cp -a /run/jns/stamp /root/stamp; ls /root/stamp/*");
    sandbox.policy(&policy("", "path = \"/opt\""));
    let second = sandbox.next_login();
    sandbox.sh("rm -rf /run/jns/stamp; cp -a /root/stamp /run/jns/stamp");
    assert_eq!(
        sandbox.next_login(),
        second,
        "with what was remembered of the old policy"
    );
}

#[test]
fn a_changed_membership_holds_from_the_next_login() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    let of_team = policy("", "path = \"/srv/team\"\nusers = [\"@team\"]");
    sandbox.begin_with(&format!("{of_team}[[private]]\npath = \"/tmp\"\n"));
    sandbox.sh("mkdir -p /srv/team/of-host");
    sandbox.wait_for_cached_plan();
    let session = sandbox.start_session("alice");
    let first = sandbox.next_login();
    assert_eq!(sandbox.su("alice", "ls /srv/team").text(), "");

    sandbox.sh("gpasswd -d alice team >/dev/null");
    let second = sandbox.next_login();
    assert_ne!(second, first);
    assert_eq!(sandbox.su("alice", "ls /srv/team").text(), "of-host");
    assert_eq!(
        sandbox.su("bob", "ls /srv/team").text(),
        "",
        "who is still in the group"
    );
    assert_eq!(
        session.run("ls /srv/team").text(),
        "",
        "the running session"
    );

    sandbox.sh("gpasswd -a alice team >/dev/null");
    assert_eq!(sandbox.next_login(), first);
    session.end();
}

#[test]
fn a_changed_account_holds_from_the_next_login() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.begin_with(&policy("", "path = \"{home}/private\"\ncreate = true"));
    let first = sandbox.next_login();
    sandbox
        .sh("cp -a /home/alice /home/moved && sed -i s,:/home/alice:,:/home/moved:, /etc/passwd");
    let second = sandbox.next_login();
    assert_ne!(second, first, "her home is elsewhere");
    sandbox.su("alice", "touch /home/moved/private/here").text();
    assert_eq!(sandbox.sh("ls /home/moved/private"), "");
    sandbox.sh("sed -i s/^alice:x:2001:/alice:x:2099:/ /etc/passwd; chown -R 2099 /home/moved");
    let third = sandbox.next_login();
    assert!(third != first && third != second, "she has another id");
    assert_eq!(
        sandbox.su("alice", "ls /home/moved/private").text(),
        "",
        "the old id's file"
    );
}

#[test]
fn a_moved_store_holds_from_the_next_login() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    let rule = "path = \"/tmp\"";
    sandbox.begin_with(&policy("", rule));
    sandbox.su("alice", "touch /tmp/in-old").text();
    let first = sandbox.next_login();

    sandbox.policy(&policy("store = \"/srv/store\"", rule));
    assert_ne!(sandbox.next_login(), first);
    assert_eq!(
        sandbox.su("alice", "touch /tmp/in-new; ls /tmp").text(),
        "in-new"
    );
    sandbox.sh("[ -e /srv/store/user/2001/tmp/in-new ]");

    sandbox.policy(&policy("", rule));
    assert_eq!(sandbox.su("alice", "ls /tmp").text(), "in-old");
    assert_eq!(sandbox.next_login(), first);
}

/// What may happen to an instance while a namespace that shows it lives.
const LOSSES: &[(&str, &str)] = &[
    ("removed", "rm -rf /var/lib/jns/user/2001/tmp"),
    ("moved away", "mv /var/lib/jns/user/2001/tmp /srv/moved"),
    (
        "moved away, user and all",
        "mv /var/lib/jns/user/2001 /srv/moved",
    ),
    (
        "replaced",
        "mv /var/lib/jns/user/2001/tmp /srv/moved; cp -a /srv/moved /var/lib/jns/user/2001/tmp",
    ),
    (
        "restored from a backup",
        "cp -a /var/lib/jns /srv/moved; rm -rf /var/lib/jns; mv /srv/moved /var/lib/jns",
    ),
    ("lost with the store", "rm -rf /var/lib/jns"),
    (
        "covered by a file system",
        "mount -t tmpfs -o mode=700 store /var/lib/jns",
    ),
];

#[test]
fn a_login_never_lands_in_a_directory_that_is_no_longer_the_instance() {
    for (loss, lose) in LOSSES {
        let sandbox = sandbox!();
        ours_only!("namespace that logins share");
        sandbox.share();
        sandbox.protect("su");
        sandbox.serve_ssh();
        let session = sandbox.start_session("alice");
        sandbox.su("alice", "touch /tmp/old").text();
        sandbox.sh(lose);

        sandbox.su("alice", "touch /tmp/new").text();
        let found = sandbox.run("[ -e /var/lib/jns/user/2001/tmp/new ]");
        assert!(
            found.succeeded(),
            "{loss}: {}",
            sandbox.sh("find /var/lib/jns")
        );
        let (one, other) = (sandbox.next_login(), sandbox.next_login());
        assert_eq!(one, other, "{loss}: afterwards they share again");
        session.run("ls /tmp").text();
        session.end();
    }
}

#[test]
fn a_login_never_lands_in_a_source_that_is_no_longer_there() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.sh("mkdir -m 755 -p /srv/data /data && touch /srv/data/old");
    sandbox.begin_with("[[bind]]\nsource = \"/srv/data\"\npath = \"/data\"\n");
    let session = sandbox.start_session("alice");
    assert_eq!(sandbox.su("alice", "ls /data").text(), "old");
    sandbox.sh("mv /srv/data /srv/older && mkdir -m 755 /srv/data && touch /srv/data/new");

    assert_eq!(sandbox.su("alice", "ls /data").text(), "new");
    assert_eq!(session.run("ls /data").text(), "old", "the running session");
    assert_eq!(sandbox.next_login(), sandbox.next_login());
    session.end();
}

/// Rules for what may be there later.
const LATER: &str = "\
[settings]
namespace = \"user\"
[[private]]
path = \"/tmp\"
keep = [\".X11-unix\"]
[[private]]
path = \"/srv/late\"
optional = true
[[bind]]
path = \"/mnt\"
source = \"/srv/data\"
optional = true
";

/// What may come into being on the host, and how a new namespace shows it.
const LATECOMERS: &[(&str, &str)] = &[
    (
        "mkdir -m 1777 /srv/late",
        "grep ' /srv/late ' /proc/self/mountinfo",
    ),
    (
        "mkdir -m 755 /srv/data",
        "grep ' /mnt ' /proc/self/mountinfo",
    ),
    ("mkdir -m 1777 /tmp/.X11-unix", "ls -d /tmp/.X11-unix"),
];

#[test]
fn a_login_lacks_nothing_that_was_missing_when_the_namespace_was_made() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.begin_with(LATER);
    for (come, shown) in LATECOMERS {
        sandbox.wait_for_cached_plan();
        let before = sandbox.next_login();
        assert!(!sandbox.su("alice", shown).succeeded(), "{come}: too early");
        assert_eq!(
            sandbox.next_login(),
            before,
            "{come}: nothing has changed yet"
        );
        sandbox.sh(come);

        sandbox.su("alice", shown).text();
        assert_eq!(
            sandbox.next_login(),
            sandbox.next_login(),
            "{come}: they share again"
        );
    }
}

/// What may happen on the host to a directory that is covered.
const UPHEAVALS: &[(&str, &str)] = &[
    ("made again", "rmdir /srv/dir && mkdir -m 1777 /srv/dir"),
    (
        "renamed",
        "mv /srv/dir /srv/older && mkdir -m 1777 /srv/dir",
    ),
    (
        "led elsewhere",
        "mkdir -m 1777 /srv/other && ln -sfn other /srv/link",
    ),
];

#[test]
fn a_login_gets_its_whole_view_whatever_became_of_covered_directories() {
    for (name, happen) in UPHEAVALS {
        let sandbox = sandbox!();
        ours_only!("namespace that logins share");
        sandbox.sh("mkdir -m 1777 /srv/dir /srv/first && ln -s first /srv/link");
        let rule = "path = \"/srv/dir\"\n[[private]]\npath = \"/srv/link\"";
        sandbox.begin_with(&policy("", rule));
        sandbox.wait_for_cached_plan();
        sandbox.next_login();
        sandbox.sh(happen);

        sandbox
            .su("alice", "touch /srv/dir/mine /srv/link/mine")
            .text();
        assert_eq!(
            sandbox.sh("ls /srv/dir /srv/link/"),
            "/srv/dir:\n\n/srv/link/:",
            "{name}"
        );
        assert_eq!(
            sandbox.next_login(),
            sandbox.next_login(),
            "{name}: they share again"
        );
    }
}
