//! Where the namespaces of users are pinned, and what the host and others see of it.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

/// The name of the mount namespace of a session.
const NAMESPACE: &str = "readlink /proc/self/ns/mnt";

/// Namespaces besides the mount namespace for everybody but root.
const ISOLATED: &str = "\
[settings]
exempt = [\"root\"]
[[private]]
path = \"/tmp\"
[[isolate]]
ipc      = \"own\"
hostname = \"{user}-box\"
network  = \"none\"
";

impl Sandbox {
    /// The mounts of ours in the host's table.
    #[track_caller]
    fn mounts_of_ours(&self) -> String {
        let found = self.sh("grep -o ' /run/jns[^ ]*' /proc/self/mountinfo || true");
        found.trim().to_owned()
    }
}

#[test]
fn the_host_has_one_mount_for_all_users_and_sessions_have_none() {
    ours_only!("pins");
    let sandbox = sandbox!();
    // As systemd does it, with a service in a namespace of its own.
    sandbox.sh("mount --make-rshared /; unshare -m --propagation slave sleep 1000 </dev/null >/dev/null 2>&1 &");
    sandbox.policy(ISOLATED);
    sandbox.share();
    sandbox.protect("su");
    for user in ["alice", "bob", "alice"] {
        let seen = sandbox.su(user, "grep -c '/run/jns' /proc/self/mountinfo");
        assert_eq!(seen.stdout.trim(), "0", "{user}");
        assert_eq!(sandbox.mounts_of_ours(), "/run/jns/ns/.vault", "{user}");
    }
    let service = sandbox.sh("grep -c /run/jns /proc/$(pgrep -xn sleep)/mountinfo || true");
    assert_eq!(service, "0");
    assert_eq!(sandbox.pins(), 8, "two users, and three that go with each");
    sandbox.collect();
    assert_eq!(sandbox.pins(), 0);
    assert_eq!(sandbox.mounts_of_ours(), "/run/jns/ns/.vault");
}

#[test]
fn sessions_outlive_the_vault_and_the_next_login_makes_another() {
    ours_only!("pins");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.serve_ssh();
    sandbox.protect("su");
    let session = sandbox.start_session("alice");
    let first = session.run(NAMESPACE).text();
    assert_eq!(sandbox.su("alice", NAMESPACE).text(), first);

    sandbox.sh("umount /run/jns/ns/.vault");
    assert!(!sandbox.sh("jns ps alice").contains("shared"));
    let lost = "the sessions of alice go on in namespaces whose pins were taken away";
    assert!(sandbox.run("jns doctor").stdout.contains(lost));
    let second = sandbox.su("alice", NAMESPACE).text();
    assert_ne!(second, first);
    assert_eq!(sandbox.su("alice", NAMESPACE).text(), second);
    assert_eq!(session.run(NAMESPACE).text(), first);
    assert_eq!(sandbox.mounts_of_ours(), "/run/jns/ns/.vault");
    session.end();
    sandbox.wait_until(
        "jns gc --linger 0s; [ -z \"$(ls /run/jns/ns /run/jns/namespace | grep '[0-9]')\" ]",
    );
}

#[test]
fn what_is_in_its_place_costs_the_sharing_and_no_login() {
    ours_only!("pins");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.serve_ssh();
    sandbox.protect("su");
    let session = sandbox.start_session("alice");
    let first = session.run(NAMESPACE).text();
    let reason = "cannot use /run/jns/ns/.vault: it is no mount namespace";
    sandbox.sh("mount --bind /proc/self/ns/net /run/jns/ns/.vault");
    for user in ["alice", "bob"] {
        let logged = sandbox.log().len();
        assert_ne!(sandbox.su(user, NAMESPACE).text(), first, "{user}");
        let log = sandbox.log().split_off(logged);
        assert!(log.iter().any(|line| line.contains(reason)), "{log:#?}");
    }
    for command in ["jns ps", "jns doctor"] {
        let said = sandbox.run(command);
        assert!(format!("{said:?}").contains(reason), "{command}: {said:?}");
    }
    sandbox.sh("umount /run/jns/ns/.vault");
    assert_eq!(sandbox.su("alice", NAMESPACE).text(), first);
    session.end();
}

/// As after an update of the module, whose earlier versions pinned in the host's table.
#[test]
fn pins_of_earlier_versions_are_joined_entered_and_collected() {
    ours_only!("pins");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.serve_ssh();
    sandbox.protect("su");
    let session = sandbox.start_session("alice");
    let first = session.run(NAMESPACE).text();
    let pid = &session.pid;
    sandbox.sh(&format!(
        "cd /run/jns; umount ns/.vault; rm ns/.vault; mount --bind ns ns; mount --make-private ns
         for pin in ns/2001-*; do rm /run/jns/$pin; touch /run/jns/$pin; mount --bind /proc/{pid}/ns/mnt /run/jns/$pin; done"
    ));
    assert_eq!(sandbox.su("alice", NAMESPACE).text(), first);
    assert!(sandbox.sh("jns ps alice").contains("shared"));
    assert_eq!(
        sandbox.sh(&format!("jns enter alice -- {NAMESPACE}")),
        first
    );
    let bobs = sandbox.su("bob", NAMESPACE).text();
    assert_eq!(sandbox.su("bob", NAMESPACE).text(), bobs);
    let mounts = sandbox.su("bob", "grep -c /run/jns /proc/self/mountinfo");
    assert_eq!(mounts.stdout.trim(), "0");
    session.end();
    sandbox.wait_until("jns gc --linger 0s; [ -z \"$(ls /run/jns/ns)\" ]");
}

/// The calls by which a login binds the vault.
const BINDING: &[&str] = &["move_mount", "mount_setattr", "setns", "umount2"];

/// Where it is killed in between, a cover of the vault's file stays, beneath the vault or alone.
#[test]
fn a_login_that_is_killed_while_it_binds_the_vault_leaves_no_mount_after_a_collection() {
    ours_only!("pins");
    let sandbox = sandbox!();
    needs!(sandbox, "strace");
    sandbox.sh("mount --make-rshared /; unshare -m --propagation slave sleep 1000 </dev/null >/dev/null 2>&1 &");
    sandbox.share();
    sandbox.protect("su");
    let one = "/run/jns/ns/.vault";
    let (mut beneath, mut alone) = (0, 0);
    for call in BINDING {
        for number in 1..50 {
            sandbox.sh("umount -q /run/jns/ns/.vault || true; rm -rf /run/jns");
            sandbox.sh(&format!(
                "strace -qq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={number} su alice -c true || true"
            ));
            let left = sandbox.mounts_of_ours();
            if left.is_empty() {
                continue;
            }
            let name = format!("killed at {call} {number}, with {left:?}");
            let is_held = sandbox
                .run("stat -fc %T /run/jns/ns/.vault | grep -qx nsfs")
                .succeeded();
            let covers = left.lines().count() - usize::from(is_held);
            beneath += usize::from(is_held && covers > 0);
            alone += usize::from(!is_held && covers > 0);
            let collected = sandbox.jns(&["gc", "--verbose"]);
            assert!(collected.succeeded(), "{name}: {collected:?}");
            let told = collected.stdout.contains(one);
            assert_eq!(told, covers > 0, "{name}: {collected:?}");
            let expected = if is_held { one } else { "" };
            assert_eq!(sandbox.mounts_of_ours(), expected, "{name}");
            let service = sandbox.sh("grep -c /run/jns /proc/$(pgrep -xn sleep)/mountinfo || true");
            assert_eq!(service, "0", "{name}");
            // It is the vault, and what comes next needs no other.
            let namespace = sandbox.su("alice", NAMESPACE).text();
            assert_eq!(sandbox.su("alice", NAMESPACE).text(), namespace, "{name}");
            assert_eq!(sandbox.mounts_of_ours(), one, "{name}");
            if is_held && covers == 0 {
                break;
            }
        }
    }
    assert!(beneath > 0 && alone > 0, "{beneath} {alone}");
}
