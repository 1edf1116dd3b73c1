//! What sessions that were killed leave behind, and `jns gc`.

use crate::sandbox::{Outcome, Sandbox, needs, ours_only, sandbox};

/// Each session has a namespace and a /tmp of its own.
const PER_SESSION: &str = "\
[settings]
exempt = [\"root\"]
[[private]]
path = \"/tmp\"
per = \"session\"
";

impl Sandbox {
    /// Runs `jns gc`, which must remove all it finds, and returns what it printed.
    #[track_caller]
    pub fn gc(&self) -> String {
        self.gc_with(&["--verbose"]).text()
    }

    /// Runs `jns gc` with these options besides, and lets nothing linger.
    pub fn gc_with(&self, options: &[&str]) -> Outcome {
        self.exec(&[&["jns", "gc", "--linger", "0s"], options].concat())
    }

    /// What there is of sessions besides their processes.
    fn traces(&self) -> String {
        self.sh("cd /run/jns; find ns namespace session /var/lib/jns/session -mindepth 1 ! -name .vault 2>/dev/null || true
                 grep /run/jns/ns/[0-9] /proc/self/mountinfo || true")
    }

    /// Opens a session by su whose only process sleeps, and kills su as soon as that is so. Returns the pid of
    /// the process that sleeps.
    fn killed_session(&self, user: &str) -> String {
        self.sh(&format!(
            "su {user} -c 'echo $$ >~/pid; exec sleep 1000' </dev/null >/dev/null 2>&1 & su=$!
             until [ -s ~{user}/pid ]; do sleep 0.1; done
             kill -9 $su; wait $su || true
             cat ~{user}/pid; rm ~{user}/pid"
        ))
    }

    fn end(&self, pid: &str) {
        self.sh(&format!(
            "kill -9 {pid}; while [ -e /proc/{pid} ]; do sleep 0.1; done"
        ));
    }
}

#[test]
fn a_killed_session_leaves_nothing_when_its_processes_have_ended() {
    ours_only!("command that cleans up");
    let sandbox = sandbox!();
    sandbox.protect("su");
    let pid = sandbox.killed_session("alice");
    let said = sandbox.gc();
    assert!(
        said.contains("/run/jns/session/") && !said.contains("/run/jns/ns/"),
        "{said}"
    );
    let inside = sandbox.sh(&format!("readlink /proc/{pid}/ns/mnt"));
    let joined = sandbox
        .exec(&["su", "alice", "-c", "readlink /proc/self/ns/mnt"])
        .text();
    assert_eq!(joined, inside, "its process keeps the namespace for others");

    sandbox.end(&pid);
    assert!(sandbox.gc().contains("/run/jns/ns/2001-"));
    assert_eq!(sandbox.traces(), "");
    assert_eq!(sandbox.gc(), "");
    sandbox
        .exec(&["su", "alice", "-c", "touch /tmp/new"])
        .text();
}

#[test]
fn directories_of_killed_sessions_go() {
    ours_only!("command that cleans up");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.policy(PER_SESSION);
    let pid = sandbox.killed_session("alice");
    sandbox.gc();
    sandbox.sh(&format!("nsenter -t {pid} -m touch /tmp/still"));
    assert_eq!(sandbox.sh("ls /var/lib/jns/session | wc -l"), "1");
    sandbox.end(&pid);
    let would = sandbox.gc_with(&["--dry-run"]).text();
    assert_eq!(would, sandbox.gc().replace("removed ", "would remove "));
    assert!(would.contains("/var/lib/jns/session/"), "{would}");
    assert_eq!(sandbox.traces(), "");
}

#[test]
fn a_tmux_server_keeps_its_view() {
    ours_only!("command that cleans up");
    let sandbox = sandbox!();
    needs!(sandbox, "tmux");
    sandbox.policy(PER_SESSION);
    sandbox.serve_ssh();
    sandbox
        .ssh(
            "alice",
            "touch /tmp/mine; TMUX_TMPDIR=~ tmux new-session -d",
        )
        .text();
    sandbox.wait_for_logouts();
    let server = sandbox.sh("pgrep -u alice tmux");
    sandbox.gc();
    assert_eq!(sandbox.sh("ls /run/jns/namespace | wc -l"), "1");
    sandbox.end(&server);
    sandbox.gc();
    assert_eq!(sandbox.traces(), "");
}

/// Administrators who call it in a session of theirs are where pins are.
#[test]
fn it_works_from_inside_a_session() {
    ours_only!("command that cleans up");
    let sandbox = sandbox!();
    sandbox.protect("su");
    let pid = sandbox.killed_session("bob");
    sandbox.end(&pid);
    let alice = sandbox.killed_session("alice");
    let said = sandbox.sh(&format!(
        "nsenter -t {alice} -m jns gc --linger 0s --verbose"
    ));
    assert!(said.contains("removed /run/jns/ns/2002-"), "{said}");
    assert!(!said.contains("/run/jns/ns/2001-"), "{said}");
    sandbox.end(&alice);
}

#[test]
fn collecting_all_the_time_harms_no_login() {
    ours_only!("command that cleans up");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.sh("(until [ -e /root/stop ]; do jns gc --linger 0s --older-than 1d >/dev/null 2>>/root/failed; done) </dev/null >/dev/null 2>&1 &");
    let logins = |script: &str| {
        sandbox.sh(&format!(
            "for i in {{1..100}}; do su alice -c '{script}' & [ $((i % 4)) -gt 0 ] || wait; done; wait"
        ))
    };
    let seen = logins("touch /tmp/x && rm -f /tmp/x && echo well");
    assert_eq!(
        seen.lines().filter(|line| *line == "well").count(),
        100,
        "{seen}"
    );
    let pid = sandbox.killed_session("alice");
    let inside = sandbox.sh(&format!("readlink /proc/{pid}/ns/mnt"));
    let seen = logins("readlink /proc/self/ns/mnt");
    assert_eq!(
        seen.lines().filter(|line| *line == inside).count(),
        100,
        "{inside}: {seen}"
    );
    sandbox.sh("touch /root/stop; while pgrep -x jns; do sleep 0.1; done");
    assert_eq!(sandbox.sh("cat /root/failed"), "");
    sandbox.end(&pid);
}

/// Nothing else than a login of the user has to come, ten minutes after the last one that has looked.
#[test]
fn who_kills_su_again_and_again_leaves_the_records_of_ten_minutes() {
    ours_only!("ledger");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.killed_session("bob");
    for _ in 0..4 {
        sandbox.killed_session("alice");
    }
    let open = "su alice -c 'echo $$ >~/pid; exec sleep 1000' </dev/null >/dev/null 2>&1 &
        until [ -s ~alice/pid ]; do sleep 0.1; done";
    sandbox.sh(open);
    sandbox.sh("touch -d '-11 minutes' /run/jns/lock/2001");
    sandbox.exec(&["su", "alice", "-c", "true"]).text();
    let left = sandbox.sh("cat /run/jns/session/* | grep -h '\"user\"' | sort");
    assert_eq!(
        left.split_whitespace().collect::<String>(),
        "\"user\":\"alice\",\"user\":\"bob\","
    );
}

impl Sandbox {
    /// Takes alice's account away, and what of it the tests need with her home.
    fn delete_alice(&self) {
        self.sh("sed -i /^alice:/d /etc/passwd /etc/shadow");
    }
}

#[test]
fn what_of_a_deleted_user_stays_has_a_reason_and_a_process() {
    ours_only!("command that cleans up");
    let sandbox = sandbox!();
    sandbox.protect("su");
    let pid = sandbox.killed_session("alice");
    sandbox.delete_alice();
    let collect = ["--deleted-users", "--verbose"];
    let output = sandbox.gc_with(&collect);
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    let process = format!("process {pid} (sleep, uid 2001) ");
    assert!(
        output
            .stderr
            .contains("cannot remove /var/lib/jns/user/2001: "),
        "{output:#?}"
    );
    assert!(output.stderr.contains(&process), "{output:#?}");

    sandbox.end(&pid);
    let said = sandbox.gc_with(&collect).text();
    assert!(said.contains("removed /var/lib/jns/user/2001"), "{said}");
}

/// Who was in a session of another user's has its mounts in a namespace that none but they can leave.
#[test]
fn nobody_elses_user_namespace_keeps_what_a_deleted_user_has_left() {
    ours_only!("command that cleans up");
    let sandbox = sandbox!();
    sandbox.protect("su");
    let pid = sandbox.killed_session("alice");
    let bob = "mkdir /tmp/bobs /tmp/bobs/user /tmp/bobs/user/2001 /tmp/bobs/x; \
               mount --bind /tmp/bobs/x /tmp/bobs/x; mount --bind /tmp/bobs/user/2001 /mnt; \
               touch /tmp/ready; exec sleep 1000";
    sandbox.write("/srv/bob", bob);
    sandbox.sh(&format!(
        "nsenter -t {pid} -m setpriv --reuid 2002 --regid 2002 --clear-groups \
             unshare -Urm bash -e /srv/bob </dev/null >/dev/null 2>&1 &
         until nsenter -t {pid} -m [ -e /tmp/ready ]; do sleep 0.1; done"
    ));
    sandbox.end(&pid);
    sandbox.delete_alice();
    let said = sandbox.gc_with(&["--deleted-users", "--verbose"]).text();
    assert!(said.contains("removed /var/lib/jns/user/2001"), "{said}");
    assert_eq!(
        sandbox.sh("ls /var/lib/jns/user; pgrep -u bob sleep | wc -l"),
        "1"
    );
}

/// Neither the name nor the home alone makes another account.
#[test]
fn an_account_that_was_given_the_id_of_another_joins_none_of_its_namespaces() {
    ours_only!("shared namespace");
    let sandbox = sandbox!();
    sandbox.protect("su");
    let pid = sandbox.killed_session("alice");
    let its = sandbox.sh(&format!("readlink /proc/{pid}/ns/mnt"));
    let namespace = |user: &str| {
        sandbox
            .exec(&["su", user, "-c", "readlink /proc/self/ns/mnt"])
            .text()
    };
    let is_logged = || {
        sandbox
            .log()
            .iter()
            .any(|line| line.contains("the id 2001 of carol was alice's"))
    };
    sandbox.sh("sed -i s/^alice:/carol:/ /etc/passwd /etc/shadow");
    assert_eq!(namespace("carol"), its, "renamed");
    assert!(!is_logged());
    sandbox.sh("sed -i s/^carol:/alice:/ /etc/passwd /etc/shadow");
    assert_eq!(namespace("alice"), its, "renamed again");
    sandbox.sh("mkdir /home/carol; chown 2001 /home/carol
         sed -i s/^alice:/carol:/ /etc/passwd /etc/shadow
         sed -i s-:/home/alice:-:/home/carol:- /etc/passwd");
    assert_ne!(namespace("carol"), its, "another account");
    assert!(is_logged());
}
