//! `su -` and `sudo -i` inside sessions: each gives what a direct login of its target gives, and nothing stacks.

use crate::sandbox::{Outcome, Sandbox, needs, ours_only, sandbox};
use crate::shared::NAMESPACE;

/// Where the scripts of a chain of logins are, and what they saw.
const LEVELS: &str = "/srv/levels";

/// What a login sees: its namespaces, its working directory and its mounts.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    namespace: String,
    others: [String; 3],
    directory: String,
    mounts: Vec<String>,
}

impl Seen {
    /// Prints what [`Seen::of`] reads.
    const LOOK: &str = "readlink /proc/self/ns/{mnt,ipc,uts,net}; pwd -P; cat /proc/self/mountinfo";

    /// All but the working directory, which is the caller's where it can be.
    pub fn view(&self) -> (&str, &[String; 3], &[String]) {
        (&self.namespace, &self.others, &self.mounts)
    }

    fn of(text: &str) -> Self {
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || {
            lines
                .next()
                .unwrap_or_else(|| panic!("a line more: {text}"))
        };
        let (namespace, others) = (next(), [next(), next(), next()]);
        let directory = next();
        let mut mounts: Vec<_> = lines.map(|line| without_ids(&line)).collect();
        mounts.sort();
        Self {
            namespace,
            others,
            directory,
            mounts,
        }
    }
}

/// A line of mountinfo without the numbers of the mount, its parent, its device and its peers.
fn without_ids(line: &str) -> String {
    let words = line.split(' ').skip(3);
    let words = words.map(|word| match word.split_once(':') {
        Some((kind @ ("shared" | "master" | "propagate_from"), _)) => kind,
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

impl Sandbox {
    /// A sandbox for chains of logins: every service asks the module, for root too, and sudo asks nobody for a
    /// password.
    pub fn prepare_for_nesting(&self) {
        for service in ["sshd", "su", "sudo", "sudo-i"] {
            self.protect_with(service, "required", "");
        }
        self.write("/etc/sudoers.d/all", "ALL ALL=(ALL:ALL) NOPASSWD: ALL\n");
        self.sh("chmod 440 /etc/sudoers.d/all");
        self.start_sshd("");
    }

    /// Logs in through each of `ways`, one inside the other, and says what each of them saw, the outermost
    /// once more at the end.
    #[track_caller]
    pub fn nest(&self, ways: &[(&str, &str)]) -> Vec<Seen> {
        self.sh(&format!("rm -rf {LEVELS}; install -d -m 1777 {LEVELS}"));
        let look = Seen::LOOK;
        for (level, (_, user)) in ways.iter().enumerate() {
            let inner = ways.get(level + 1).map(|next| way_in(*next, level + 1));
            let inner = inner.unwrap_or_else(|| "true".to_owned());
            let script = format!(
                "[ $(id -un) = {user} ] || exit 9
                 ({look}) >{LEVELS}/{level}.seen; {inner} || exit
                 ({look}) >{LEVELS}/{level}.again\n"
            );
            self.write(&format!("{LEVELS}/{level}"), script);
        }
        self.sh(&way_in(ways[0], 0));
        let read = |name: String| Seen::of(&self.sh(&format!("cat {LEVELS}/{name}")));
        let levels = 0..ways.len();
        let seen: Vec<_> = levels
            .clone()
            .map(|level| read(format!("{level}.seen")))
            .collect();
        let again: Vec<_> = levels.map(|level| read(format!("{level}.again"))).collect();
        assert_eq!(seen, again, "each before and after the logins inside it");
        seen
    }

    /// Runs a script in an ssh session of alice's as root, by way of sudo.
    pub fn sudo_in_session(&self, script: &str) -> Outcome {
        self.ssh("alice", &format!("sudo -n bash -c '{script}'"))
    }

    /// Runs a script in an ssh session of alice's as root in a login of root's.
    pub fn root_in_session(&self, script: &str) -> Outcome {
        self.write("/srv/script", script);
        self.ssh("alice", "sudo -n -i bash /srv/script")
    }
}

/// Whether the kernel numbers namespaces for good (Linux 6.11).
fn are_numbered() -> bool {
    crate::sandbox::numbers::own().is_some()
}

/// With namespaces that logins share, and with those of a session alone: without numbers, the latter are kept.
fn ways_of_sharing() -> impl Iterator<Item = bool> {
    [true, false]
        .into_iter()
        .filter(|is_shared| *is_shared || are_numbered())
}

/// A command that runs the script of that level in a login by ssh, `su -` or `sudo -i`.
fn way_in((way, user): (&str, &str), level: usize) -> String {
    let script = format!("{LEVELS}/{level}");
    match way {
        "ssh" => format!("ssh -o BatchMode=yes -l {user} localhost bash {script}"),
        "su-l" => format!("echo secret | su - {user} -c 'bash {script}' 2>/dev/null"),
        "sudo-i" => format!("sudo -n -i -u {user} bash {script}"),
        other => panic!("no way in is called {other}"),
    }
}

#[test]
fn su_to_root_inside_a_session_gives_the_hosts_view() {
    ours_only!("return to the host's view, unless asked to unmount");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.sh(&Sandbox::marking("host"));
    let before = sandbox.state();

    let su_root = format!("echo secret | su - root -c '{}'", Sandbox::list());
    assert_eq!(
        sandbox.ssh("alice", &su_root).text(),
        Sandbox::listing("of-host")
    );
    before.assert_nothing_left(&sandbox);
}

#[test]
fn nested_logins_see_what_direct_ones_see() {
    for is_shared in ways_of_sharing() {
        let sandbox = sandbox!();
        ours_only!("way back from a session");
        needs!(sandbox, "sudo");
        sandbox.prepare_for_nesting();
        if is_shared {
            sandbox.share();
        } else {
            sandbox.share_nothing();
        }
        let before = sandbox.state();

        let chain = [
            ("ssh", "alice"),
            ("su-l", "bob"),
            ("sudo-i", "root"),
            ("su-l", "alice"),
        ];
        let nested = sandbox.nest(&chain);
        for ((_, user), seen) in chain.iter().zip(&nested) {
            let direct = sandbox.nest(&[("su-l", user)]).pop().unwrap();
            assert_eq!(seen.mounts, direct.mounts, "{user}, shared: {is_shared}");
            if is_shared || *user == "root" {
                assert_eq!(seen.namespace, direct.namespace, "{user}");
            }
        }
        assert_eq!(
            nested[2].namespace,
            sandbox.sh(NAMESPACE),
            "root is back on the host"
        );
        before.assert_nothing_left(&sandbox);
    }
}

#[test]
fn nothing_stacks_however_deep() {
    ours_only!("way back from a session");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    for is_shared in ways_of_sharing() {
        if is_shared {
            sandbox.share();
        } else {
            sandbox.share_nothing();
        }
        let before = sandbox.state();
        let chain: Vec<_> = (0..20)
            .map(|level| ("su-l", if level % 2 == 0 { "alice" } else { "bob" }))
            .collect();
        let seen = sandbox.nest(&chain);
        for level in 2..chain.len() {
            assert_eq!(seen[level].mounts, seen[level - 2].mounts, "level {level}");
        }
        let namespaces: std::collections::BTreeSet<_> =
            seen.iter().map(|seen| &seen.namespace).collect();
        assert_eq!(namespaces.len(), if is_shared { 2 } else { 20 });
        before.assert_nothing_left(&sandbox);
    }
}

#[test]
fn what_root_mounts_after_sudo_is_on_the_host_and_in_every_session() {
    ours_only!("way back from a session");
    let sandbox = sandbox!();
    needs!(sandbox, "sudo");
    sandbox.share();
    sandbox.prepare_for_nesting();
    sandbox.sh("mkdir /srv/by-admin");
    let before = sandbox.state();
    let (of_alice, of_bob) = (sandbox.start_session("alice"), sandbox.start_session("bob"));

    sandbox
        .sudo_in_session("mount -t tmpfs of-admin /srv/by-admin")
        .text();
    let is_there = "grep -c \" /srv/by-admin .*of-admin\" /proc/self/mountinfo";
    assert_eq!(sandbox.sh(is_there), "1", "on the host");
    for session in [&of_alice, &of_bob] {
        let seen = session.run(&format!("bash -c '{is_there}'")).text();
        assert_eq!(seen, "1", "in a session from before");
    }
    assert_eq!(sandbox.ssh("bob", is_there).text(), "1", "in a later one");
    sandbox.sudo_in_session("umount /srv/by-admin").text();
    sandbox.sh(&format!("kill {}", of_bob.pid));
    of_alice.end();
    before.assert_nothing_left(&sandbox);
}

/// Without a number or a pin, another namespace may have got the inode of the one that was made.
#[test]
fn a_namespace_that_cannot_be_known_again_is_not_left() {
    ours_only!("way back from a session");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.share_nothing();
    let before = sandbox.state();

    let seen = sandbox.nest(&[("su-l", "alice"), ("su-l", "root")]);
    let is_kept = seen[0].namespace == seen[1].namespace;
    assert_eq!(is_kept, !are_numbered(), "root sees what the session does");
    let is_left = seen[1].namespace == sandbox.sh(NAMESPACE);
    assert_eq!(is_left, are_numbered(), "root is back on the host");
    let reason = "cannot leave mnt:[";
    let is_reported = sandbox.log().iter().any(|line| line.contains(reason));
    assert_eq!(is_reported, is_kept, "the log says so");
    before.assert_nothing_left(&sandbox);
}

/// Logins come back to the host, so what was mounted in the caller's view does not follow them; their commands find it.
#[test]
fn what_root_mounts_inside_a_session_stays_there() {
    ours_only!("way back from a session");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.sh("mkdir /srv/inner");
    let before = sandbox.state();
    let session = sandbox.start_session("alice");
    session.run("mount -t tmpfs inner /srv/inner").text();
    session.run("touch /srv/inner/here").text();

    for (user, expected) in [("root", ""), ("bob", ""), ("alice", "here")] {
        let look = |su: &str| {
            session
                .run(&format!("{su} {user} -c 'ls /srv/inner'"))
                .text()
        };
        assert_eq!(look("su -"), expected, "what {user} sees in a login");
        assert_eq!(look("su"), "here", "what {user} sees in a command");
    }
    session.end();
    before.assert_nothing_left(&sandbox);
}

/// What confines the caller, besides the session.
const CONFINED: &[(&str, &str)] = &[
    ("a chroot", "chroot /srv/jail bash -c"),
    (
        "a namespace of its own",
        "unshare -m bash -c 'mount --bind /srv/jail/opt /opt; \"$@\"' - bash -c",
    ),
    (
        "a namespace to which nothing travels",
        "unshare -m --propagation private bash -c 'mount --bind /srv/jail/opt /opt; \"$@\"' - bash -c",
    ),
    (
        "a process id namespace with a /proc of its own",
        "unshare -mpf --mount-proc bash -c 'mount --bind /srv/jail/opt /opt; \"$@\"' - bash -c",
    ),
];

#[test]
fn who_is_confined_by_something_else_stays_confined() {
    ours_only!("way back from a session");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.share();
    sandbox.sh("mkdir /srv/jail && mount --rbind / /srv/jail && mount --make-rprivate /srv/jail");
    sandbox.sh("mount -t tmpfs jail /srv/jail/opt");
    sandbox.sh("touch /srv/jail/opt/in-jail");
    let before = sandbox.state();
    let session = sandbox.start_session("alice");

    for (what, confine) in CONFINED {
        for user in ["root", "bob", "alice"] {
            let script = format!("{confine} \"su {user} -c \\\"ls /opt\\\"\"");
            sandbox.write("/srv/script", &script);
            let of_host = sandbox.sh("bash /srv/script");
            assert_eq!(of_host, "in-jail", "{user} by su in {what} on the host");
            let inside = session.run("bash /srv/script").text();
            assert_eq!(inside, "in-jail", "{user} by su in {what} in a session");
        }
    }
    let direct = sandbox.ssh("alice", "ls /opt").text();
    assert!(
        !direct.contains("in-jail"),
        "the shared namespace is {direct}"
    );
    session.end();
    // Only who sees all processes, which is nobody in a test's sandbox, knows that what those of the user made is left
    // over.
    sandbox.sh("jns gc --linger 0s; rm -f /run/jns/ns/*; rm -f /run/jns/namespace/*");
    before.assert_nothing_left(&sandbox);
}

/// A copy of the host's namespace shows the files of its pins, and nothing that is bound to them.
#[test]
fn logins_and_gc_in_a_sandbox_of_roots_leave_the_hosts_pins_alone() {
    ours_only!("pins");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.share();
    let session = sandbox.start_session("alice");
    let first = session.run(NAMESPACE).text();
    let bobs = sandbox.su("bob", NAMESPACE).text();
    sandbox.sh("unshare -m touch -d '-1 hour' /run/jns/ns/*");

    sandbox.sh(
        "unshare -m bash -c 'su alice -c true; su bob -c true; jns gc --linger 0s; jns gc --linger 0s --older-than 1s'",
    );
    sandbox.sh("unshare -m su alice -c true");
    assert_eq!(sandbox.ssh("alice", NAMESPACE).text(), first);
    assert_eq!(sandbox.su("bob", NAMESPACE).text(), bobs);
    session.end();
}

/// A sandbox that a user has made has no more rights with su than without.
#[test]
fn su_in_a_users_own_user_namespace_leads_nowhere() {
    ours_only!("way back from a session");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.share();
    let before = sandbox.state();
    let script = "unshare -Urm bash -c '
        readlink /proc/self/ns/mnt; su root -c \"readlink /proc/self/ns/mnt; ls -A /run/jns\" </dev/null'";
    let seen = sandbox
        .ssh("alice", &format!("{script} 2>/dev/null; true"))
        .text();
    let lines: Vec<_> = seen.lines().collect();
    assert!(
        lines.len() == 1 || lines.len() == 2 && lines[0] == lines[1],
        "{seen}"
    );
    before.assert_nothing_left(&sandbox);
}
