//! Sessions with processes of their own: real programs in a PID namespace, and what becomes of it.

use crate::bed::{Bed, bed, needs, ours_only};

/// The processes that a session sees, without those that look.
const SEEN: &str = "ps -A -o pid=,comm= | grep -vE ' (ps|grep|bash|sshd|sshd-session)$'";

/// Leaves no process of the session's, and no init.
const GONE: &str = "! pgrep -x jns-init && ! pgrep -f '^sleep 1234'";

impl Bed {
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
    let bed = bed!();
    bed.serve_with_own_processes("session");
    let host = "stat -c %d:%i /proc; readlink /proc/self/ns/pid; ps -o comm= -p 1,$$";
    let (before, shown) = (bed.state(), bed.sh(host));

    assert_eq!(bed.ssh("alice", SEEN).text().trim(), "1 jns-init");
    let of_init = "ps -o uid= -p 1; ls /proc/1/fd /proc/1/root 2>&1; kill -9 1 2>&1; true";
    let of_init = bed.ssh("alice", of_init).text();
    assert!(of_init.trim().starts_with("0\n"), "{of_init}");
    assert_eq!(of_init.matches("ermission denied").count(), 2, "{of_init}");
    assert!(of_init.contains("not permitted"), "{of_init}");
    let options = bed.ssh("alice", "findmnt -no OPTIONS /proc").text();
    assert!(options.contains("nosuid,nodev,noexec"), "{options}");
    assert_eq!(bed.sh(host), shown);
    before.assert_nothing_left(&bed);
    bed.assert_logins_logged("sshd", &["alice", "alice", "alice"]);
}

#[test]
fn what_a_session_leaves_behind_ends_with_it() {
    ours_only!("processes of a session's own");
    let bed = bed!();
    bed.serve_with_own_processes("session");
    let left = "setsid sleep 1234 </dev/null >/dev/null 2>&1 & echo here";
    for namespace in ["session", "user"] {
        bed.own_processes(namespace);
        let before = bed.state();
        assert_eq!(bed.ssh("alice", left).text(), "here");
        bed.wait_until(GONE);
        before.assert_nothing_left(&bed);
    }
}

#[test]
fn all_that_one_connection_does_is_in_one_namespace() {
    ours_only!("processes of a session's own");
    let bed = bed!();
    bed.serve_with_own_processes("session");
    let before = bed.state();
    let ssh = "ssh -S /root/control alice@localhost";

    bed.sh(&format!("{ssh} -M -f -N"));
    bed.sh(&format!(
        "{ssh} 'setsid sleep 1234 </dev/null >/dev/null 2>&1 &'"
    ));
    let namespace = "readlink /proc/self/ns/pid; pgrep -f '^sleep 1234'";
    let [first, second] = [(); 2].map(|()| bed.sh(&format!("{ssh} \"{namespace}\"")));
    assert_eq!(first, second);
    bed.sh("echo put /etc/hostname /tmp/by-sftp | sftp -o ControlPath=/root/control -b - alice@localhost");
    assert_eq!(bed.sh(&format!("{ssh} ls /tmp")), "by-sftp");
    bed.sh(&format!("{ssh} -O exit 2>&1"));
    bed.wait_until(GONE);
    let listed = bed.sh("eval $(ssh-agent) >/dev/null; ssh-add -q
         ssh -A alice@localhost ssh-add -l; kill $SSH_AGENT_PID");
    assert!(listed.contains("ED25519"), "{listed}");
    before.assert_nothing_left(&bed);
    bed.assert_logins_logged("sshd", &["alice", "alice"]);
}

#[test]
fn whatever_is_killed_the_session_ends_wholly() {
    ours_only!("processes of a session's own");
    let bed = bed!();
    bed.serve_with_own_processes("session");
    for namespace in ["session", "user"] {
        bed.own_processes(namespace);
        let before = bed.state();
        for victim in [
            "^sshd.*alice .priv.",
            "^sshd.*alice@notty",
            "^ssh -l alice",
            "^sleep 1000",
            "^sleep 1234",
            "init",
        ] {
            let session = bed.start_session("alice");
            bed.sh("nsenter -a -t $(pgrep -x -f 'sleep 1000') setsid sleep 1234 </dev/null >/dev/null 2>&1 &");
            bed.wait_until("pgrep -f '^sleep 1234'");
            bed.sh(&match victim {
                "init" => "pkill -9 -x jns-init".to_owned(),
                pattern => format!("pkill -9 -f '{pattern}'"),
            });
            if victim == "^sleep 1234" {
                bed.sh("pkill -f '^sleep 1000'");
            }
            bed.wait_for_logouts();
            bed.wait_until(GONE);
            drop(session);
            assert_eq!(
                bed.ssh("alice", SEEN).text().trim(),
                "1 jns-init",
                "{victim}"
            );
        }
        bed.wait_for_logouts();
        before.assert_nothing_left(&bed);
    }
}

#[test]
fn two_hundred_logins_leave_no_process_and_no_monitor() {
    ours_only!("processes of a session's own");
    let bed = bed!();
    bed.serve_with_own_processes("session");
    let before = bed.state();
    for namespace in ["session", "user"] {
        bed.own_processes(namespace);
        let failures = bed.sh(
            "for i in {1..10}; do
                 for j in {1..10}; do
                     ssh -l alice localhost 'setsid sleep 1234 >&- 2>&- <&- & echo $$' >/dev/null || echo $i $j &
                 done; wait
             done 2>&1",
        );
        assert_eq!(failures, "", "{:#?}", bed.log());
        bed.wait_for_logouts();
        bed.wait_until(GONE);
    }
    before.assert_nothing_left(&bed);
}

#[test]
fn all_logins_of_a_user_are_in_one_namespace() {
    ours_only!("processes of a session's own");
    let bed = bed!();
    needs!(bed, "cron");
    bed.serve_with_own_processes("user");
    bed.protect("cron");
    bed.sh("install -o alice /dev/null /var/lib/seen");
    let before = bed.state();
    let session = bed.start_session("alice");
    let look = "readlink /proc/self/ns/pid; cat /proc/1/comm; pgrep -fc '^sleep 1000'; true";
    let by_ssh = bed.ssh("alice", look).text();
    assert!(by_ssh.ends_with("\njns-init\n1"), "{by_ssh}");
    assert_eq!(bed.su("alice", look).text(), by_ssh);
    bed.write(
        "/etc/cron.d/job",
        format!("* * * * * alice ({look}) >/var/lib/seen 2>&1\n"),
    );
    bed.sh("cron");
    bed.wait_until("[ $(cat /var/lib/seen | wc -l) = 3 ]");
    bed.sh("kill $(cat /run/crond.pid) && rm /run/crond.* /etc/cron.d/job");
    assert_eq!(bed.sh("cat /var/lib/seen"), by_ssh);
    assert_ne!(bed.su("bob", look).text(), by_ssh);
    // What a login leaves behind lives as long as others do.
    let left = "setsid sleep 1234 </dev/null >/dev/null 2>&1 &";
    bed.ssh("alice", left).text();
    bed.wait_until("[ $(pgrep -c ^sshd) = 3 ]");
    assert_eq!(bed.su("alice", "pgrep -fc '^sleep 1234'").text(), "1");
    session.end();
    bed.wait_until(GONE);
    before.assert_nothing_left(&bed);
}

#[test]
fn every_service_opens_such_sessions() {
    ours_only!("processes of a session's own");
    let bed = bed!();
    needs!(bed, "login", "sudo", "at", "atd");
    bed.own_processes("user");
    bed.sh("touch /run/utmp");
    for service in ["su", "sudo", "login", "atd"] {
        bed.protect(service);
    }
    bed.sh("atd; echo 'ALL ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/bed");
    let before = bed.state();
    let sudo = |script| bed.exec(&["sudo", "-u", "alice", "bash", "-c", script]);
    for seen in [
        bed.su("alice", SEEN),
        sudo(SEEN),
        crate::console::log_in(&bed, "alice", SEEN),
        crate::jobs::run_at_once(&bed, "alice", &format!("{SEEN} | grep -v ' sh$'")),
    ] {
        let text = seen.text();
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(first.trim(), "1 jns-init", "{text}");
    }
    bed.wait_until(GONE);
    before.assert_nothing_left(&bed);
}

/// What a login sees besides its processes, which it sees by another /proc.
const VIEW: &str = "readlink /proc/self/ns/{mnt,ipc,uts,net}; ls /tmp";

#[test]
fn su_and_sudo_inside_get_the_views_of_direct_logins() {
    ours_only!("processes of a session's own");
    let bed = bed!();
    bed.prepare_for_nesting();
    bed.own_processes("user");
    bed.sh("mkdir /srv/by-admin; touch /tmp/of-host");
    for user in ["alice", "bob"] {
        bed.su(user, &format!("touch /tmp/of-{user}")).text();
    }
    bed.collect_garbage();
    let before = bed.state();

    let session = bed.start_session("alice");
    assert_eq!(
        bed.root_in_session(VIEW).text(),
        bed.sh(VIEW),
        "root is on the host"
    );
    bed.sudo_in_session("mount -t tmpfs of-admin /srv/by-admin")
        .text();
    let is_there = "grep -c ' /srv/by-admin .*of-admin' /proc/self/mountinfo";
    assert_eq!(bed.sh(is_there), "1");
    assert_eq!(bed.ssh("bob", is_there).text(), "1");
    bed.sh("umount /srv/by-admin");

    let inside = format!("ls /tmp; {SEEN}; readlink /proc/self/ns/pid");
    let inside = |user: &str| {
        bed.ssh("alice", &format!("sudo -n su - {user} -c \"{inside}\""))
            .text()
    };
    let outer = bed.ssh("alice", "readlink /proc/self/ns/pid").text();
    for user in ["bob", "alice"] {
        let seen = inside(user);
        let lines: Vec<&str> = seen.lines().map(str::trim).collect();
        assert_eq!(lines[..2], [&format!("of-{user}"), "1 jns-init"], "{seen}");
        assert_ne!(lines[2], outer, "it is within the first one, not that one");
    }
    let log = bed.log().join("\n");
    assert!(log.contains("cannot leave the PID namespace"), "{log}");
    session.end();
    bed.wait_until(GONE);
    before.assert_nothing_left(&bed);
}

#[test]
fn the_hosts_who_knows_the_session() {
    ours_only!("processes of a session's own");
    let bed = bed!();
    bed.serve_ssh();
    bed.sh("touch /run/utmp");
    let told = || {
        bed.sh(
            "ssh -tt alice@localhost 'touch ~/here; exec sleep 1234' <>/dev/ptmx >/dev/null 2>&1 &",
        );
        bed.wait_until("[ -e ~alice/here ]");
        let told = bed.sh("who | cut -d ' ' -f 1");
        bed.sh("pkill -f '^sleep 1234'; rm ~alice/here");
        bed.wait_for_logouts();
        assert_eq!(bed.sh("who"), "");
        told
    };
    // Not every userland has a who(1) that asks utmp.
    bed.policy("[settings]\nexempt = [\"*\"]\n");
    let without = told();
    bed.own_processes("session");
    assert_eq!(told(), without);
}

#[test]
fn enter_joins_the_processes_and_ps_knows_them() {
    ours_only!("jns enter");
    let bed = bed!();
    bed.serve_with_own_processes("user");
    for namespace in ["user", "session"] {
        bed.collect_garbage();
        bed.own_processes(namespace);
        let before = bed.state();
        let session = bed.start_session("alice");
        let seen = bed.jns(&[
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
        let killed = bed.jns(&["enter", "alice", "--", "sh", "-c", "kill -9 $$"]);
        assert_eq!(killed.status.code(), Some(137), "{killed:#?}");
        let init = bed.sh("pgrep -x jns-init");
        let listed = bed.jns(&["ps"]).text();
        assert!(
            listed.contains(&format!("processes=own  init {init}")),
            "{listed}"
        );
        assert!(
            listed.contains("/dev/shm: "),
            "what it holds in memory: {listed}"
        );
        let listed = bed.sh("jns ps --json");
        assert!(listed.contains(&format!("\"init\": {init}")), "{listed}");
        let own = bed.exec(&[
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
        bed.wait_until(GONE);
        before.assert_nothing_left(&bed);
    }
}

#[test]
fn a_namespace_whose_init_is_gone_is_not_joined_and_collected() {
    ours_only!("processes of a session's own");
    let bed = bed!();
    bed.serve_with_own_processes("user");
    let before = bed.state();
    bed.su("alice", "true").text();
    assert_eq!(bed.sh("ls /run/jns/ns | grep -c '[.]init$'"), "1");
    bed.wait_until(GONE);
    bed.su("alice", "true").text();
    let made = bed.logins();
    assert!(
        made.iter().all(|line| line.contains(": made ")),
        "{made:#?}"
    );
    bed.wait_until(GONE);
    bed.gc();
    assert_eq!(bed.sh("ls -A /run/jns/ns"), "");
    // Left over by a login that was killed between its socket and its pin.
    bed.sh("touch /run/jns/ns/2001-0123456789abcdef0123456789abcdef.init");
    bed.gc();
    assert_eq!(bed.sh("ls -A /run/jns/ns"), "");
    before.assert_nothing_left(&bed);
}
