//! What sessions have of their own besides mounts, seen by real programs.

use crate::nested::Seen;
use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

/// Everything but processes of its own, for everybody but root.
const ISOLATED: &str = "\
[settings]
exempt = [\"root\"]
[[private]]
path = \"/tmp\"
[[isolate]]
processes = \"hidden\"
ipc       = \"own\"
hostname  = \"{user}-box\"
network   = \"none\"
";

/// The namespaces of a session, one a line.
const NAMESPACES: &str = "readlink /proc/self/ns/{mnt,ipc,uts,net}";

impl Sandbox {
    /// Serves ssh and su under a policy, all logins of a user together.
    fn isolate_by(&self, policy: &str) {
        self.policy(policy);
        self.share();
        self.serve_ssh();
        self.protect("su");
    }
}

#[test]
fn a_session_has_its_own_ipc_host_name_and_network() {
    ours_only!("isolation");
    let sandbox = sandbox!();
    sandbox.sh("mkdir /dev/mqueue && mount -t mqueue mqueue /dev/mqueue && chmod 1777 /dev/mqueue");
    sandbox.isolate_by(ISOLATED);
    sandbox.sh("ipcmk -Q; touch /dev/mqueue/of-host");
    let before = sandbox.state();

    let session = sandbox.start_session("alice");
    let look = "hostname; ip -o link | cut -d: -f2; ipcs -q | grep -c 0x; ls /dev/mqueue; true";
    assert_eq!(sandbox.ssh("alice", look).text(), "alice-box\n lo\n0");
    sandbox
        .ssh("alice", "ipcmk -Q; touch /dev/mqueue/of-alice")
        .text();
    let seen = sandbox.su("alice", look).text();
    assert_eq!(
        seen, "alice-box\n lo\n1\nof-alice",
        "a later login of alice's"
    );
    assert_eq!(sandbox.su("bob", look).text(), "bob-box\n lo\n0");
    assert_eq!(sandbox.sh("hostname; ls /dev/mqueue"), "sandbox\nof-host");
    assert_eq!(sandbox.sh("ipcs -q | grep -c 0x"), "1");

    let pinned = sandbox.sh("ls /run/jns/ns | sed 's/^.*\\././' | sort -u | grep '^\\.'");
    assert_eq!(pinned, ".ipc\n.net\n.uts");
    let mounts = sandbox.su("bob", "grep -c ' /run/jns/' /proc/self/mountinfo");
    assert_eq!(
        mounts.stdout.trim(),
        "0",
        "nobody's namespaces live by others"
    );
    session.end();
    before.assert_nothing_left(&sandbox); // it runs the collector
    assert_eq!(sandbox.sh("ls /run/jns/ns"), "");
}

#[test]
fn nothing_of_the_network_is_reached() {
    ours_only!("isolation");
    let sandbox = sandbox!();
    needs!(sandbox, "socat");
    sandbox.isolate_by(ISOLATED);
    sandbox
        .sh("socat ABSTRACT-LISTEN:of-host,fork,reuseaddr EXEC:'echo here' & echo $! >/root/socat");
    sandbox.wait_until("grep -q @of-host /proc/net/unix");
    let ask = "socat -u ABSTRACT-CONNECT:of-host - 2>&1";
    assert_eq!(sandbox.sh(ask), "here");
    let refused = sandbox.ssh("alice", ask);
    assert!(
        !refused.succeeded() && refused.stdout.contains("refused"),
        "{refused:#?}"
    );
    let local = "socat TCP-LISTEN:4444,bind=127.0.0.1 EXEC:'echo local' & \
                 for i in {1..100}; do socat -u TCP:127.0.0.1:4444 - 2>/dev/null && break; sleep 0.1; done";
    assert_eq!(sandbox.ssh("alice", local).text(), "local");
    sandbox.sh("kill $(cat /root/socat)");
}

#[test]
fn other_users_processes_are_hidden() {
    ours_only!("isolation");
    let sandbox = sandbox!();
    sandbox.isolate_by(ISOLATED);
    let session = sandbox.start_session("bob");
    let users = "ps -e -o user= | sort -u";
    assert_eq!(sandbox.ssh("alice", users).text(), "alice");
    assert_eq!(sandbox.su("bob", users).text(), "bob");
    let sees = format!(
        "ls -d /proc/{} 2>&1; cat /proc/{}/comm 2>&1",
        session.pid, session.pid
    );
    assert!(sandbox.su("bob", &sees).text().ends_with("\nsleep"));
    assert!(!sandbox.su("alice", &sees).stdout.contains("sleep"));
    assert!(
        sandbox.sh(users).contains("root"),
        "the host's /proc is as before"
    );
    let in_session = session.run("ps -e -o user=").text();
    assert!(in_session.contains("root"), "root sees all: {in_session}");
    session.end();
}

#[test]
fn a_named_network_is_that_of_ip_netns() {
    ours_only!("isolation");
    let sandbox = sandbox!();
    sandbox.isolate_by("[settings]\nexempt = [\"root\"]\n[[isolate]]\nnetwork = \"name:blue\"\n");
    let add = "ip netns add blue && ip -n blue link set lo up";
    let refused = sandbox.su("alice", "true");
    assert!(!refused.succeeded(), "there is no such network yet");
    let log = sandbox.log().join("\n");
    assert!(
        log.contains("cannot open /run/netns/blue: No such file"),
        "{log}"
    );
    sandbox.sh(add);
    let before = sandbox.state();
    let look = "ip -o link | grep -c LOOPBACK,UP";
    assert_eq!(sandbox.su("alice", look).text(), "1");
    let network = sandbox.su("alice", "readlink /proc/self/ns/net").text();
    assert_eq!(sandbox.sh("stat -c net:[%i] /run/netns/blue"), network);
    before.assert_nothing_left(&sandbox);

    let session = sandbox.start_session("alice");
    sandbox.sh(&format!("ip netns del blue && {add}"));
    let renewed = sandbox.su("alice", "readlink /proc/self/ns/net").text();
    assert_ne!(renewed, network, "that of before has no name any more");
    assert_eq!(session.run("cat /proc/self/comm").text(), "cat");
    session.end();
    sandbox.collect();
    sandbox.sh("ip netns del blue");
}

#[test]
fn nested_logins_are_in_the_namespaces_of_direct_ones() {
    ours_only!("isolation");
    let sandbox = sandbox!();
    needs!(sandbox, "sudo");
    sandbox.prepare_for_nesting();
    sandbox.policy(ISOLATED);
    sandbox.share();
    sandbox.sh("mkdir /srv/by-admin");
    let before = sandbox.state();
    // As long as a process holds them: namespaces in which none is are distinguished by nothing.
    let sessions = [sandbox.start_session("alice"), sandbox.start_session("bob")];
    let chain = [
        ("ssh", "alice"),
        ("su-l", "bob"),
        ("sudo-i", "root"),
        ("su-l", "alice"),
        ("su-l", "bob"),
    ];
    let nested: Vec<Seen> = sandbox.nest(&chain);
    for (level, ((_, user), seen)) in chain.iter().zip(&nested).enumerate() {
        let direct = sandbox.nest(&[("su-l", user)]).pop().unwrap();
        assert_eq!(seen.view(), direct.view(), "{user} at level {level}");
    }
    let host = sandbox.sh(NAMESPACES);
    let of_root = sandbox.root_in_session(&format!("{NAMESPACES}; hostname"));
    assert_eq!(
        of_root.text(),
        format!("{host}\nsandbox"),
        "root is on the host"
    );
    sandbox
        .sudo_in_session("mount -t tmpfs of-admin /srv/by-admin")
        .text();
    let is_there = "grep -c \" /srv/by-admin .*of-admin\" /proc/self/mountinfo";
    assert_eq!(sandbox.sh(is_there), "1");
    assert_eq!(sandbox.ssh("bob", is_there).text(), "1");
    sandbox.sh("umount /srv/by-admin");
    sandbox.sh(&format!("kill {}", sessions[1].pid));
    sessions.into_iter().next().unwrap().end();
    before.assert_nothing_left(&sandbox);
}

/// Something else confines the caller: its network is not that of the session.
#[test]
fn who_is_in_another_network_than_the_session_is_stays_where_they_are() {
    ours_only!("isolation");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.policy(ISOLATED);
    sandbox.share();
    let session = sandbox.start_session("alice");
    let inside = session.all("unshare -n bash -c 'readlink /proc/self/ns/net; su root -c \"readlink /proc/self/ns/{mnt,net}\"'");
    let lines: Vec<&str> = inside.lines().collect();
    assert_eq!(lines[0], lines[2], "{inside}");
    assert_eq!(lines[1], session.run("readlink /proc/self/ns/mnt").text());
    session.end();
}

#[test]
fn a_session_of_its_own_alone_is_left_and_ends_wholly() {
    ours_only!("isolation");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.policy(ISOLATED);
    sandbox.share_nothing();
    let before = sandbox.state();
    let other = sandbox.start_session("alice"); // as long as it lasts its numbers are its own
    let (inner, host) = (
        format!("su - root -c \"{NAMESPACES}\""),
        sandbox.sh(NAMESPACES),
    );
    let outer = sandbox.su(
        "alice",
        &format!("{NAMESPACES}; echo secret | {inner} 2>/dev/null"),
    );
    let outer = outer.text();
    assert!(!outer.starts_with(&other.all(NAMESPACES)), "{outer}");
    if crate::sandbox::numbers::own().is_some() {
        assert!(outer.ends_with(&host), "{outer}");
    }
    other.end();
    before.assert_nothing_left(&sandbox);
}

#[test]
fn enter_and_ps_know_all_of_it() {
    ours_only!("jns enter");
    let sandbox = sandbox!();
    sandbox.isolate_by(ISOLATED);
    for share in [true, false] {
        if !share {
            sandbox.collect();
            sandbox.share_nothing();
        }
        let session = sandbox.start_session("alice");
        let of_session = session.all("bash -c 'readlink /proc/self/ns/{mnt,ipc,uts,net}'");
        let entered = sandbox.sh(&format!("jns enter alice -- bash -c '{NAMESPACES}'"));
        assert_eq!(entered, of_session, "shared: {share}");
        let list = sandbox.sh("jns ps alice");
        let words = "hostname=alice-box ipc=own network=none processes=hidden";
        assert!(list.contains(words), "{list}");
        assert_eq!(
            sandbox.sh("jns ps --json | grep -o '\"hostname\": *\"[^\"]*\"' | head -n 1"),
            "\"hostname\": \"alice-box\""
        );
        session.end();
    }
}

#[test]
fn one_that_users_enter_themselves_says_what_it_is_not() {
    ours_only!("jns enter");
    let sandbox = sandbox!();
    sandbox.isolate_by(ISOLATED);
    let session = sandbox.start_session("alice");
    let outside = "setpriv --reuid alice --regid alice --init-groups jns enter alice -- hostname";
    let outcome = sandbox.run(outside);
    assert_eq!(outcome.stdout.trim(), "sandbox", "{outcome:#?}");
    assert!(
        outcome.stderr.contains("IPC, host name and network"),
        "{outcome:#?}"
    );
    session.end();
}

/// A login by each way, with nothing to say about it.
#[test]
fn every_way_in_works_without_a_network() {
    ours_only!("isolation");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.policy(ISOLATED);
    sandbox.share();
    for way in [
        "ssh -l alice localhost",
        "su alice -c",
        "sudo -n -u alice bash -c",
    ] {
        assert_eq!(
            sandbox.sh(&format!("{way} 'hostname'")),
            "alice-box",
            "{way}"
        );
    }
    sandbox.sh("echo put /etc/hostname /tmp/by-sftp | sftp -b - alice@localhost");
    assert_eq!(sandbox.ssh("alice", "ls /tmp").text(), "by-sftp");
}
