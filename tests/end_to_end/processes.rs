//! Sessions with processes of their own: real programs in a PID namespace, and what becomes of it.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

/// The processes that a session sees, without those that look.
const SEEN: &str = "ps -A -o pid=,comm= | grep -vE ' (ps|grep|bash|sshd|sshd-session)$'";

/// Leaves no process of the session's, and no init.
const GONE: &str = "! pgrep -x jns-init && ! pgrep -f '^sleep 1234'";

impl Sandbox {
    /// Gives everybody but root processes of their own, all logins of a user together or each alone.
    fn own_processes(&self, namespace: &str) {
        self.policy(&format!(
            "[settings]\nexempt = [\"root\", \"uid:1-999\"]\nnamespace = \"{namespace}\"\n\
             [[private]]\npath = \"/tmp\"\n[[private]]\npath = \"/var/tmp\"\n\
             [[tmpfs]]\npath = \"/dev/shm\"\n[[isolate]]\nprocesses = \"own\"\n"
        ));
    }

    /// The same, for the sessions of ssh and su.
    fn serve_with_own_processes(&self, namespace: &str) {
        self.own_processes(namespace);
        self.serve_ssh();
        self.protect("su");
    }
}

#[test]
fn ps_shows_the_session_alone_and_the_hosts_proc_is_unharmed() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    sandbox.serve_with_own_processes("session");
    let host = "stat -c %d:%i /proc; readlink /proc/self/ns/pid; ps -o comm= -p 1,$$";
    let (before, shown) = (sandbox.state(), sandbox.sh(host));

    assert_eq!(sandbox.ssh("alice", SEEN).text().trim(), "1 jns-init");
    let of_init = "ps -o uid= -p 1; ls /proc/1/fd /proc/1/root 2>&1; kill -9 1 2>&1; true";
    let of_init = sandbox.ssh("alice", of_init).text();
    assert!(of_init.trim().starts_with("0\n"), "{of_init}");
    assert_eq!(of_init.matches("ermission denied").count(), 2, "{of_init}");
    assert!(of_init.contains("not permitted"), "{of_init}");
    let options = sandbox.ssh("alice", "findmnt -no OPTIONS /proc").text();
    assert!(options.contains("nosuid,nodev,noexec"), "{options}");
    assert_eq!(sandbox.sh(host), shown);
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("sshd", &["alice", "alice", "alice"]);
}

#[test]
fn what_a_session_leaves_behind_ends_with_it() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    sandbox.serve_with_own_processes("session");
    let left = "setsid sleep 1234 </dev/null >/dev/null 2>&1 & echo here";
    for namespace in ["session", "user"] {
        sandbox.own_processes(namespace);
        let before = sandbox.state();
        assert_eq!(sandbox.ssh("alice", left).text(), "here");
        sandbox.wait_until(GONE);
        before.assert_nothing_left(&sandbox);
    }
}

#[test]
fn all_that_one_connection_does_is_in_one_namespace() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    sandbox.serve_with_own_processes("session");
    let before = sandbox.state();
    let ssh = "ssh -S /root/control alice@localhost";

    sandbox.sh(&format!("{ssh} -M -f -N"));
    sandbox.sh(&format!(
        "{ssh} 'setsid sleep 1234 </dev/null >/dev/null 2>&1 &'"
    ));
    let namespace = "readlink /proc/self/ns/pid; pgrep -f '^sleep 1234'";
    let [first, second] = [(); 2].map(|()| sandbox.sh(&format!("{ssh} \"{namespace}\"")));
    assert_eq!(first, second);
    sandbox.sh("echo put /etc/hostname /tmp/by-sftp | sftp -o ControlPath=/root/control -b - alice@localhost");
    assert_eq!(sandbox.sh(&format!("{ssh} ls /tmp")), "by-sftp");
    sandbox.sh(&format!("{ssh} -O exit 2>&1"));
    sandbox.wait_until(GONE);
    let listed = sandbox.sh("eval $(ssh-agent) >/dev/null; ssh-add -q
         ssh -A alice@localhost ssh-add -l; kill $SSH_AGENT_PID");
    assert!(listed.contains("ED25519"), "{listed}");
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("sshd", &["alice", "alice"]);
}

#[test]
fn whatever_is_killed_the_session_ends_wholly() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    sandbox.serve_with_own_processes("session");
    for namespace in ["session", "user"] {
        sandbox.own_processes(namespace);
        let before = sandbox.state();
        for victim in [
            "^sshd.*alice .priv.",
            "^sshd.*alice@notty",
            "^ssh -l alice",
            "^sleep 1000",
            "^sleep 1234",
            "init",
        ] {
            let session = sandbox.start_session("alice");
            sandbox.sh("nsenter -a -t $(pgrep -x -f 'sleep 1000') setsid sleep 1234 </dev/null >/dev/null 2>&1 &");
            sandbox.wait_until("pgrep -f '^sleep 1234'");
            sandbox.sh(&match victim {
                "init" => "pkill -9 -x jns-init".to_owned(),
                pattern => format!("pkill -9 -f '{pattern}'"),
            });
            if victim == "^sleep 1234" {
                sandbox.sh("pkill -f '^sleep 1000'");
            }
            sandbox.wait_for_logouts();
            sandbox.wait_until(GONE);
            drop(session);
            assert_eq!(
                sandbox.ssh("alice", SEEN).text().trim(),
                "1 jns-init",
                "{victim}"
            );
        }
        sandbox.wait_for_logouts();
        before.assert_nothing_left(&sandbox);
    }
}

#[test]
fn two_hundred_logins_leave_no_process_and_no_monitor() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    sandbox.serve_with_own_processes("session");
    let before = sandbox.state();
    for namespace in ["session", "user"] {
        sandbox.own_processes(namespace);
        let failures = sandbox.sh(
            "for i in {1..10}; do
                 for j in {1..10}; do
                     ssh -l alice localhost 'setsid sleep 1234 >&- 2>&- <&- & echo $$' >/dev/null || echo $i $j &
                 done; wait
             done 2>&1",
        );
        assert_eq!(failures, "", "{:#?}", sandbox.log());
        sandbox.wait_for_logouts();
        sandbox.wait_until(GONE);
    }
    before.assert_nothing_left(&sandbox);
}

#[test]
fn all_logins_of_a_user_are_in_one_namespace() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    needs!(sandbox, "cron");
    sandbox.serve_with_own_processes("user");
    sandbox.protect("cron");
    sandbox.sh("install -o alice /dev/null /var/lib/seen");
    let before = sandbox.state();
    let session = sandbox.start_session("alice");
    let look = "readlink /proc/self/ns/pid; cat /proc/1/comm; pgrep -fc '^sleep 1000'; true";
    let by_ssh = sandbox.ssh("alice", look).text();
    assert!(by_ssh.ends_with("\njns-init\n1"), "{by_ssh}");
    assert_eq!(sandbox.su("alice", look).text(), by_ssh);
    sandbox.write(
        "/etc/cron.d/job",
        format!("* * * * * alice ({look}) >/var/lib/seen 2>&1\n"),
    );
    sandbox.sh("cron");
    sandbox.wait_until("[ $(cat /var/lib/seen | wc -l) = 3 ]");
    sandbox.sh("kill $(cat /run/crond.pid) && rm /run/crond.* /etc/cron.d/job");
    assert_eq!(sandbox.sh("cat /var/lib/seen"), by_ssh);
    assert_ne!(sandbox.su("bob", look).text(), by_ssh);
    // What a login leaves behind lives as long as others do.
    let left = "setsid sleep 1234 </dev/null >/dev/null 2>&1 &";
    sandbox.ssh("alice", left).text();
    sandbox.wait_until("[ $(pgrep -c ^sshd) = 3 ]");
    assert_eq!(sandbox.su("alice", "pgrep -fc '^sleep 1234'").text(), "1");
    session.end();
    sandbox.wait_until(GONE);
    before.assert_nothing_left(&sandbox);
}

#[test]
fn every_service_opens_such_sessions() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    needs!(sandbox, "login", "sudo", "at", "atd");
    sandbox.own_processes("user");
    sandbox.sh("touch /run/utmp");
    for service in ["su", "sudo", "login", "atd"] {
        sandbox.protect(service);
    }
    sandbox.sh("atd; echo 'ALL ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/sandbox");
    let before = sandbox.state();
    let sudo = |script| sandbox.exec(&["sudo", "-u", "alice", "bash", "-c", script]);
    for seen in [
        sandbox.su("alice", SEEN),
        sudo(SEEN),
        crate::console::log_in(&sandbox, "alice", SEEN),
        crate::jobs::run_at_once(&sandbox, "alice", &format!("{SEEN} | grep -v ' sh$'")),
    ] {
        let text = seen.text();
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(first.trim(), "1 jns-init", "{text}");
    }
    sandbox.wait_until(GONE);
    before.assert_nothing_left(&sandbox);
}

/// What a login sees besides its processes, which it sees by another /proc.
const VIEW: &str = "readlink /proc/self/ns/{mnt,ipc,uts,net}; ls /tmp";

#[test]
fn su_and_sudo_inside_get_the_views_of_direct_logins() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.own_processes("user");
    sandbox.sh("mkdir /srv/by-admin; touch /tmp/of-host");
    for user in ["alice", "bob"] {
        sandbox.su(user, &format!("touch /tmp/of-{user}")).text();
    }
    sandbox.collect();
    let before = sandbox.state();

    let session = sandbox.start_session("alice");
    assert_eq!(
        sandbox.root_in_session(VIEW).text(),
        sandbox.sh(VIEW),
        "root is on the host"
    );
    sandbox
        .sudo_in_session("mount -t tmpfs of-admin /srv/by-admin")
        .text();
    let is_there = "grep -c ' /srv/by-admin .*of-admin' /proc/self/mountinfo";
    assert_eq!(sandbox.sh(is_there), "1");
    assert_eq!(sandbox.ssh("bob", is_there).text(), "1");
    sandbox.sh("umount /srv/by-admin");

    let inside = format!("ls /tmp; {SEEN}; readlink /proc/self/ns/pid");
    let inside = |user: &str| {
        sandbox
            .ssh("alice", &format!("sudo -n su - {user} -c \"{inside}\""))
            .text()
    };
    let outer = sandbox.ssh("alice", "readlink /proc/self/ns/pid").text();
    for user in ["bob", "alice"] {
        let seen = inside(user);
        let lines: Vec<&str> = seen.lines().map(str::trim).collect();
        assert_eq!(lines[..2], [&format!("of-{user}"), "1 jns-init"], "{seen}");
        assert_ne!(lines[2], outer, "it is within the first one, not that one");
    }
    let log = sandbox.log().join("\n");
    assert!(log.contains("cannot leave the PID namespace"), "{log}");
    session.end();
    sandbox.wait_until(GONE);
    before.assert_nothing_left(&sandbox);
}

#[test]
fn the_hosts_who_knows_the_session() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.sh("touch /run/utmp");
    let names = || {
        sandbox.sh(
            "ssh -tt alice@localhost 'touch ~/here; exec sleep 1234' <>/dev/ptmx >/dev/null 2>&1 &",
        );
        sandbox.wait_until("[ -e ~alice/here ]");
        let names = sandbox.sh("who | cut -d ' ' -f 1");
        sandbox.sh("pkill -f '^sleep 1234'; rm ~alice/here");
        sandbox.wait_for_logouts();
        assert_eq!(sandbox.sh("who"), "");
        names
    };
    // Not every userland has a who(1) that asks utmp.
    sandbox.policy("[settings]\nexempt = [\"*\"]\n");
    let without = names();
    sandbox.own_processes("session");
    assert_eq!(names(), without);
}

#[test]
fn enter_joins_the_processes_and_ps_knows_them() {
    ours_only!("jns enter");
    let sandbox = sandbox!();
    sandbox.serve_with_own_processes("user");
    for namespace in ["user", "session"] {
        sandbox.collect();
        sandbox.own_processes(namespace);
        let before = sandbox.state();
        let session = sandbox.start_session("alice");
        let seen = sandbox.jns(&[
            "enter",
            "alice",
            "--",
            "sh",
            "-c",
            &format!("{SEEN}; id -un; exit 7"),
        ]);
        assert_eq!(
            seen.stdout.split_whitespace().collect::<Vec<_>>()[..2],
            ["1", "jns-init"],
            "{seen:#?}"
        );
        assert!(
            seen.stdout.contains("sleep\n") && seen.stdout.ends_with("alice\n"),
            "{seen:#?}"
        );
        assert_eq!(seen.status.code(), Some(7));
        let killed = sandbox.jns(&["enter", "alice", "--", "sh", "-c", "kill -9 $$"]);
        assert_eq!(killed.status.code(), Some(137), "{killed:#?}");
        let init = sandbox.sh("pgrep -x jns-init");
        let listed = sandbox.jns(&["ps"]).text();
        assert!(
            listed.contains(&format!("processes=own  init {init}")),
            "{listed}"
        );
        assert!(
            listed.contains("/dev/shm: "),
            "what it holds in memory: {listed}"
        );
        let listed = sandbox.sh("jns ps --json");
        assert!(listed.contains(&format!("\"init\": {init}")), "{listed}");
        let own = sandbox.exec(&[
            "setpriv",
            "--reuid",
            "alice",
            "--regid",
            "alice",
            "--clear-groups",
            "--",
            "jns",
            "enter",
            "alice",
            "--",
            "ls",
            "/proc/1/comm",
        ]);
        assert_eq!(own.stdout, "/proc/1/comm\n");
        assert!(
            own.stderr.contains("the /proc is not the session's"),
            "{own:#?}"
        );
        session.end();
        sandbox.wait_until(GONE);
        before.assert_nothing_left(&sandbox);
    }
}

#[test]
fn a_namespace_whose_init_is_gone_is_not_joined_and_collected() {
    ours_only!("processes of a session's own");
    let sandbox = sandbox!();
    sandbox.serve_with_own_processes("user");
    let before = sandbox.state();
    sandbox.su("alice", "true").text();
    assert_eq!(sandbox.sh("ls /run/jns/ns | grep -c '[.]init$'"), "1");
    sandbox.wait_until(GONE);
    sandbox.su("alice", "true").text();
    let made = sandbox.logins();
    assert!(
        made.iter().all(|line| line.contains(": made ")),
        "{made:#?}"
    );
    sandbox.wait_until(GONE);
    sandbox.gc();
    assert_eq!(sandbox.sh("ls /run/jns/ns"), "");
    // Left over by a login that was killed between its socket and its pin.
    sandbox.sh("touch /run/jns/ns/2001-0123456789abcdef0123456789abcdef.init");
    sandbox.gc();
    assert_eq!(sandbox.sh("ls /run/jns/ns"), "");
    before.assert_nothing_left(&sandbox);
}
