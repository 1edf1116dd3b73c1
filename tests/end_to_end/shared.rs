//! One namespace for all logins of a user: who is in it, how long it stays, and when there is another one.

use crate::sandbox::numbers::{Number, are_disordered, processor};
use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

/// The name of the namespace that a command runs in.
pub const NAMESPACE: &str = "readlink /proc/self/ns/mnt";

/// The built-in rules, and one directory for each session.
const PER_SESSION: &str = "\
[settings]
namespace = \"user\"
[[private]]
path = \"/tmp\"
per = \"session\"
[[private]]
path = \"/dev/shm\"
medium = \"memory\"
";

impl Sandbox {
    /// Lets all logins of a user share one namespace.
    pub fn share(&self) {
        self.share_by("user");
    }

    /// Gives each login a namespace of its own.
    pub fn share_nothing(&self) {
        self.share_by("session");
    }

    fn share_by(&self, who: &str) {
        self.sh("mkdir -p /etc/security/jns.d");
        let settings = format!("[settings]\nnamespace = \"{who}\"\n");
        self.write("/etc/security/jns.d/10-shared.toml", settings);
    }

    /// Runs a script in a session of su.
    pub fn su(&self, user: &str, script: &str) -> crate::sandbox::Outcome {
        self.exec(&["su", user, "-c", script])
    }

    /// How many pins there are.
    pub fn pins(&self) -> usize {
        self.pins_of("")
    }

    /// How many pins there are of the user with that id.
    pub fn pins_of(&self, uid: &str) -> usize {
        let pins = self.sh("ls /run/jns/ns 2>/dev/null || true");
        let of_user = |pin: &&str| uid.is_empty() || pin.split('-').next() == Some(uid);
        pins.lines().filter(of_user).count()
    }
}

/// The namespace, what is in memory there, and how many mounts it has.
const WHERE: &str = "readlink /proc/self/ns/mnt; ls /dev/shm; grep -c . /proc/self/mountinfo";

#[test]
fn every_way_in_leads_to_one_namespace() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    needs!(sandbox, "cron", "atd", "at", "sudo");
    sandbox.share();
    sandbox.serve_ssh();
    for service in ["su", "runuser", "sudo", "cron", "atd"] {
        sandbox.protect(service);
    }
    let before = sandbox.state();
    sandbox.write("/srv/where", WHERE);
    let session = sandbox.start_session("alice");
    let seen = sandbox.ssh("alice", "touch /dev/shm/by-the-first; bash /srv/where");
    let seen = seen.text();

    let job = "* * * * * alice bash /srv/where >~/by-cron.part 2>&1; mv ~/by-cron.part ~/by-cron\n";
    sandbox.write("/etc/cron.d/job", job);
    sandbox.sh("cron; atd");
    sandbox.sh(
        "setpriv --reuid alice --regid alice --init-groups env HOME=/home/alice bash -c '
            cd; echo \"bash /srv/where >part 2>&1; mv part by-at\" | at -M now' 2>/dev/null",
    );
    for way in [
        "su alice -c",
        "runuser alice -c",
        "sudo -n -u alice bash -c",
    ] {
        let found = sandbox.sh(&format!("{way} 'bash /srv/where'"));
        assert_eq!(found, seen, "by {way}");
    }
    for by in ["by-at", "by-cron"] {
        sandbox.wait_until(&format!("[ -e /home/alice/{by} ]"));
        assert_eq!(sandbox.sh(&format!("cat /home/alice/{by}")), seen, "{by}");
    }
    let of_the_session = session.run("bash /srv/where").text();
    assert_eq!(of_the_session, seen, "the session from before them all");
    assert_ne!(
        sandbox.ssh("bob", NAMESPACE).text(),
        session.run(NAMESPACE).text()
    );

    sandbox.sh("kill $(cat /run/crond.pid) $(cat /run/atd.pid); rm -f /run/crond.* /run/atd.*");
    session.end();
    before.assert_nothing_left(&sandbox);
}

#[test]
fn sessions_have_namespaces_of_their_own_where_the_policy_says_so() {
    let sandbox = sandbox!();
    sandbox.protect("su");
    if sandbox.subject == crate::sandbox::Subject::Ours {
        sandbox.share_nothing();
    }
    let before = sandbox.state();
    sandbox.sh("su alice -c 'echo $$ >~/pid; exec sleep 1000' & echo $! >/root/su");
    sandbox.wait_until("[ -s ~alice/pid ]");
    let first = sandbox.sh("readlink /proc/$(cat ~alice/pid)/ns/mnt");
    assert_ne!(sandbox.su("alice", NAMESPACE).text(), first);
    sandbox.sh("kill $(cat ~alice/pid) && rm ~alice/pid");
    sandbox.wait_until("! [ -e /proc/$(cat /root/su) ]");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn what_is_in_memory_stays_from_one_login_to_the_next() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    let before = sandbox.state();

    let first = sandbox.su("alice", &format!("touch /dev/shm/kept; {NAMESPACE}"));
    let later = sandbox.su("alice", &format!("{NAMESPACE}; ls /dev/shm"));
    assert_eq!(later.text(), format!("{}\nkept", first.text()));
    assert_eq!(sandbox.pins(), 1);

    before.assert_nothing_left(&sandbox); // it runs the collector
    assert_eq!(sandbox.pins(), 0);
    assert_eq!(sandbox.su("alice", "ls /dev/shm").text(), "");
}

/// What makes a session's plan its own makes its namespace its own.
#[test]
fn a_rule_for_the_session_gives_it_a_namespace_of_its_own() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under(PER_SESSION);
    let before = sandbox.state();
    let session = sandbox.start_session("alice");
    session.run("touch /tmp/of-the-first").text();

    let other = sandbox
        .ssh("alice", &format!("{NAMESPACE}; ls /tmp"))
        .text();
    assert!(!other.contains("of-the-first"), "{other}");
    assert_ne!(other.trim(), session.run(NAMESPACE).text());
    assert_eq!(sandbox.sh("ls /var/lib/jns/session | wc -l"), "1");
    session.end();
    assert_eq!(sandbox.sh("ls /var/lib/jns/session | wc -l"), "0");
    before.assert_nothing_left(&sandbox);
    assert_eq!(sandbox.pins(), 0);
}

#[test]
fn two_hundred_logins_find_the_same_namespace() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    let found = sandbox.sh(&format!(
        "for i in {{1..200}}; do su alice -c '{NAMESPACE}'; done | sort -u"
    ));
    assert_eq!(found.lines().count(), 1, "{found}\n{:#?}", sandbox.log());
}

/// A sandbox in which the kernel takes new namespaces for older than the sandbox, unless they are made on the right
/// processor.
macro_rules! disordered_sandbox {
    () => {{
        if !are_disordered() {
            eprintln!("NOT APPLICABLE: this kernel numbers namespaces in their order");
            return;
        }
        match Sandbox::make_numbered(Number::Highest) {
            Ok(sandbox) => sandbox,
            Err(reason) => crate::sandbox::skip!("{reason}"),
        }
    }};
}

#[test]
fn logins_on_all_processors_meet_where_namespaces_look_older() {
    let sandbox = disordered_sandbox!();
    ours_only!("namespace that logins share");
    sandbox.share();
    sandbox.protect("su");
    let processors = "grep Cpus_allowed: /proc/self/status";
    let before = sandbox.sh(processors);
    for _ in 0..20 {
        let found = sandbox.sh(&format!(
            "for i in {{1..4}}; do su alice -c '{NAMESPACE}; {processors}'; done | sort -u"
        ));
        let lines: Vec<_> = found.lines().collect();
        assert_eq!(lines.len(), 2, "{found}\n{:#?}", sandbox.log());
        assert_eq!(lines[0], before, "where the session may run");
        sandbox.collect();
        assert_eq!(sandbox.pins(), 0);
    }
}

/// Where the kernel takes the new namespace for an older one, it cannot be bound to a file.
#[test]
fn a_namespace_that_cannot_be_pinned_is_the_sessions_own() {
    let sandbox = disordered_sandbox!();
    ours_only!("namespace that logins share");
    sandbox.share();
    sandbox.protect("su");
    let before = sandbox.state();
    let lowest = processor(Number::Lowest);
    let login = |script: &str| {
        let script = format!("taskset -c {lowest} su alice -c '{script}'");
        sandbox.sh(&script)
    };
    login("touch /tmp/of-alice /dev/shm/of-alice");
    let first = login("sleep 1000 & readlink /proc/self/ns/mnt");
    let second = login("readlink /proc/self/ns/mnt; ls /tmp /dev/shm");
    assert!(!second.contains(&first), "{first} is joined: {second}");
    assert!(
        second.ends_with("\n/dev/shm:\n\n/tmp:\nof-alice"),
        "{second}"
    );
    assert_eq!(sandbox.pins(), 0);
    let warned =
        |line: &&String| line.starts_with("<84>") && line.contains("no other login shares it");
    let warnings = sandbox.log();
    assert_eq!(warnings.iter().filter(warned).count(), 3, "{warnings:#?}");
    sandbox.sh("pkill -x sleep");
    before.assert_nothing_left(&sandbox);
}
