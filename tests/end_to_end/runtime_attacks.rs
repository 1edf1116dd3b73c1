//! `/run/jns` and what lies in it, forged; and users who hold on to whatever they can.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};
use crate::shared::NAMESPACE;

/// What the first login finds at, or in, `/run/jns`. Nobody but root can put it there; a package's or an
/// administrator's mistake can.
const FORGERIES: &[(&str, &str)] = &[
    ("a user's directory", "install -d -o alice -m 700 /run/jns"),
    ("a directory for everybody", "install -d -m 777 /run/jns"),
    (
        "a directory that a group may use",
        "install -d -g team -m 770 /run/jns",
    ),
    ("a file", "echo text >/run/jns"),
    ("a pipe", "mkfifo -m 600 /run/jns"),
    ("a pipe for everybody", "mkfifo -m 666 /run/jns"),
    (
        "a link to a user's directory",
        "ln -s /home/alice/forged /run/jns",
    ),
    (
        "a link to root's directory",
        "install -d -m 700 /srv/mine; ln -s /srv/mine /run/jns",
    ),
    ("a link that leads nowhere", "ln -s /srv/nowhere /run/jns"),
    (
        "locks that are a link",
        "install -d -m 700 /run/jns; ln -s /home/alice/forged /run/jns/lock",
    ),
    (
        "a lock that is a pipe",
        "install -d -m 700 /run/jns /run/jns/lock; mkfifo /run/jns/lock/2001 /run/jns/lock/pins",
    ),
    (
        "a lock that is a link",
        "install -d -m 700 /run/jns /run/jns/lock; ln -s /home/alice/target /run/jns/lock/2001",
    ),
    (
        "a lock that is a user's",
        "install -d -m 700 /run/jns /run/jns/lock; install -o alice -m 600 /dev/null /run/jns/lock/2001",
    ),
    (
        "a lock that is a directory",
        "install -d -m 700 /run/jns /run/jns/lock /run/jns/lock/2001",
    ),
    (
        "pins that are a link",
        "install -d -m 700 /run/jns; ln -s /home/alice/forged /run/jns/ns",
    ),
    (
        "pins that are a user's",
        "install -d -m 700 /run/jns; install -d -o alice -m 700 /run/jns/ns",
    ),
    (
        "pins that are a pipe",
        "install -d -m 700 /run/jns; mkfifo -m 600 /run/jns/ns",
    ),
    (
        "pins on a file system of their own",
        "install -d -m 700 /run/jns /run/jns/ns; mount -t tmpfs -o mode=700 x /run/jns/ns",
    ),
    (
        "records that are a link",
        "install -d -m 700 /run/jns; ln -s /home/alice/forged /run/jns/session; ln -s /home/alice/forged /run/jns/namespace",
    ),
    (
        "records that are pipes",
        "install -d -m 700 /run/jns; mkfifo /run/jns/session /run/jns/namespace /run/jns/stamp",
    ),
    (
        "cached plans that are a user's",
        "install -d -m 700 /run/jns; install -d -o alice -m 777 /run/jns/stamp",
    ),
    (
        "a read-only file system",
        "install -d -m 700 /run/jns; mount -t tmpfs -o ro,mode=700 x /run/jns",
    ),
];

impl Sandbox {
    /// Asserts that alice's login is in a view of her own and not in the namespace `forged`, or is refused
    /// with a reason in the log. Nothing in her home directory is touched.
    #[track_caller]
    fn assert_not_lured(&self, what: &str, forged: &str) {
        let logged = self.log().len();
        let state = "find /home/alice -printf '%p %y %m %u %s %T@\\n'";
        let home = self.sh(state);
        let login = self.run(&format!(
            "timeout 80 su alice -c '{NAMESPACE}; ls /tmp; cat /etc/forged 2>/dev/null; true'"
        ));
        assert_ne!(login.status.code(), Some(124), "{what}: the login hangs");
        if login.succeeded() {
            assert!(!login.stdout.contains("of-host"), "{what}: {login:?}");
            assert_ne!(login.stdout.lines().next(), Some(forged), "{what}");
            assert!(!login.stdout.contains("false"), "{what}: {login:?}");
        } else {
            let log = self.log().split_off(logged);
            let is_reason = |line: &String| line.starts_with("<83>") && line.contains("/run/jns");
            assert!(log.iter().any(is_reason), "{what}: no reason in {log:#?}");
        }
        assert_eq!(self.sh(state), home, "{what}: alice's home directory");
    }

    /// Takes away all that is at `/run/jns`.
    fn forget_runtime(&self) {
        self.sh(
            "grep -o ' /run/jns[^ ]* ' /proc/self/mountinfo | sort -r | xargs -r -n1 umount -l
             rm -rf /run/jns",
        );
    }
}

#[test]
fn a_forged_runtime_directory_is_not_followed() {
    ours_only!("runtime directory");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    sandbox.sh("touch /tmp/of-host; su alice -c 'mkdir -m 700 ~/forged; echo text >~/target'");
    sandbox.forget_runtime();
    for (what, forge) in FORGERIES {
        sandbox.sh(forge);
        sandbox.assert_not_lured(what, "");
        sandbox.forget_runtime();
    }
    assert_eq!(
        sandbox.su("alice", "ls /tmp").text(),
        "",
        "once it is mended"
    );
}

/// What is bound to alice's pin in place of her namespace.
const FALSE_PINS: &[(&str, &str)] = &[
    ("nothing", "true"),
    (
        "a namespace of the network",
        "mount --bind /proc/self/ns/net $pin",
    ),
    ("a user namespace", "mount --bind /proc/self/ns/user $pin"),
    ("a directory", "rm $pin; mkdir $pin"),
    ("a file of a user's", "chown alice $pin"),
    ("a pipe", "rm $pin; mkfifo $pin"),
    ("a link", "rm $pin; ln -s /home/alice/target $pin"),
    (
        "the namespace of a user's making",
        "mount --bind /proc/$(cat /home/alice/pid)/ns/mnt $pin",
    ),
];

#[test]
fn a_pin_that_is_something_else_is_not_joined() {
    ours_only!("pins");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    sandbox.sh("touch /tmp/of-host; echo text >/home/alice/target");
    sandbox.su("alice", "true").text();
    let pin = format!("/run/jns/ns/{}", sandbox.sh("ls /run/jns/ns"));
    let forged = sandbox_of_alice(&sandbox);
    for (what, forge) in FALSE_PINS {
        sandbox.sh(&format!(
            "pin={pin}; umount $pin 2>/dev/null || true; [ -f $pin ] || (rm -rf $pin; touch $pin); {forge}"
        ));
        sandbox.assert_not_lured(what, &forged);
    }
}

/// A namespace that alice has prepared with a false account database, and a process of hers in it. Its pid
/// is in her home directory; the name of the namespace is returned.
fn sandbox_of_alice(sandbox: &Sandbox) -> String {
    let script = "sed s/2001:2001/0:0/ /etc/passwd >~/passwd; echo false >~/false
        unshare -Urm setsid bash -c '
            mount --bind ~/passwd /etc/passwd; echo $$ >~/pid.new; mv ~/pid.new ~/pid; exec sleep 1000
        ' </dev/null >/dev/null 2>&1 &";
    sandbox.write("/srv/nested", script);
    sandbox.sh(
        "setpriv --reuid alice --regid alice --init-groups env HOME=/home/alice bash /srv/nested",
    );
    sandbox.wait_until("[ -s /home/alice/pid ]");
    sandbox.sh("readlink /proc/$(cat /home/alice/pid)/ns/mnt")
}

/// Others look for "a process of that user" and go where it is.
#[test]
fn a_login_never_lands_in_a_namespace_that_the_user_prepared() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.serve_ssh();
    sandbox.protect("su");
    let forged = sandbox_of_alice(&sandbox);
    for _ in 0..3 {
        for seen in [
            sandbox.ssh("alice", NAMESPACE),
            sandbox.su("alice", NAMESPACE),
        ] {
            assert_ne!(seen.text(), forged);
        }
        let who = "id -u; grep ^alice: /etc/passwd";
        let seen = sandbox.ssh("alice", who).text();
        assert!(seen.starts_with("2001\nalice:x:2001:"), "{seen}");
        sandbox.sh("rm /run/jns/ns/*");
    }
}

#[test]
fn a_user_can_open_nothing_of_the_runtime_directory() {
    ours_only!("runtime directory");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    sandbox.su("alice", "true").text();
    let session = "ls -A /run/jns; ls /run/jns/ns; : </run/jns/lock/2001; : >>/run/jns/lock/2001
        cd /run/jns; mkdir /run/jns/x; rmdir /run/jns/stamp; mv /run/jns /run/other
        flock -n /run/jns/lock/2001 echo locked; unshare -Urm ls -A /run/jns; echo end";
    let seen = sandbox.run(&format!("su alice -c '{session}' 2>&1"));
    let refused = |line: &&str| line.contains("ermission denied") || line.contains("not permitted");
    let seen = seen.text();
    let lines: Vec<_> = seen.lines().filter(|line| !refused(line)).collect();
    assert_eq!(lines, ["end"], "{seen}");
    // Descriptors of the module's are not handed to the session.
    let inherited = sandbox.su("alice", "ls -l /proc/self/fd").text();
    assert!(
        !inherited.contains("jns") && !inherited.contains("mnt:"),
        "{inherited}"
    );
    sandbox.su("alice", "true").text();
}

#[test]
fn a_thousand_processes_that_never_end_do_no_harm() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    needs!(sandbox, "tmux");
    sandbox.share();
    sandbox.protect("su");
    let before = sandbox.state();
    let first = sandbox.su("alice", NAMESPACE).text();
    sandbox
        .su(
            "alice",
            "for i in {1..950}; do setsid -f sleep 100000 </dev/null >/dev/null 2>&1; done
         for i in {1..50}; do tmux -L server-$i new-session -d sleep 100000; done",
        )
        .text();

    sandbox.collect();
    assert_eq!(sandbox.pins(), 1, "a namespace with processes stays");
    assert_eq!(sandbox.su("alice", NAMESPACE).text(), first);
    let sessions = sandbox.su("alice", "tmux -L server-50 list-sessions | wc -l");
    assert_eq!(sessions.text(), "1");
    assert_eq!(sandbox.su("alice", "pgrep -cx sleep").text(), "1000");
    sandbox
        .su("alice", "pkill -x sleep; pkill tmux; true")
        .text();
    before.assert_nothing_left(&sandbox);
    assert_eq!(sandbox.pins(), 0);
}

/// Who stops a su that they started keeps its lock: others wait for two seconds at most and go on without.
#[test]
fn a_lock_that_is_never_given_back_keeps_nobody_out() {
    ours_only!("lock");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    sandbox.su("alice", "true").text();
    for (kind, lock) in [("-s", "2001"), ("-x", "2001"), ("-x", "pins")] {
        for pinned in [true, false] {
            if !pinned {
                sandbox.sh("rm /run/jns/ns/*");
            }
            sandbox.sh(&format!(
                "install -m 600 /dev/null /run/jns/lock/{lock}
                 flock {kind} /run/jns/lock/{lock} sleep 100000 </dev/null >/dev/null 2>&1 &"
            ));
            sandbox.wait_until(&format!("! flock -n -x /run/jns/lock/{lock} true"));
            let seen = sandbox.run("timeout 80 su alice -c 'ls /tmp /dev/shm'");
            let case = format!("{kind} {lock}, pinned: {pinned}");
            assert_eq!(seen.text(), "/dev/shm:\n\n/tmp:", "{case}");
            assert!(
                sandbox.run("timeout 80 su bob -c true").succeeded(),
                "{case}"
            );
            sandbox.sh("pkill -x sleep; ! pgrep -x flock || sleep 0.1");
            sandbox.su("alice", "true").text();
        }
    }
    sandbox.wait_until("! pgrep -x flock");
    sandbox.assert_nothing_locked();
    let later = [
        sandbox.su("alice", NAMESPACE),
        sandbox.su("alice", NAMESPACE),
    ];
    let later = later.map(|seen| seen.text());
    assert_eq!(later[0], later[1], "afterwards they meet again");
}
