//! The runtime directories of users under `/run/user`, by a logind that is a script: in sessions where the host has that
//! as a mount of its own (jns-run-user.service), each user's alone.

use crate::sandbox::{Outcome, Sandbox, needs, ours_only, sandbox};

/// What systemd-logind does for the first session of a user, and after the last one.
const LOGIND: &str = r#"#!/bin/bash
# logind open|close USER
set -e
exec 9>/run/logind.lock; flock 9
directory=/run/user/$(id -u "$2")
case $1 in
open_session)
    mkdir -p -m 700 "$directory"
    mountpoint -q "$directory" || mount -t tmpfs -o "nosuid,nodev,mode=700,uid=$(id -u "$2")" tmpfs "$directory"
    mkdir -p "/run/sessions/$2"; mktemp "/run/sessions/$2/XXXX" >/dev/null;;
close_session)
    rm "$(find "/run/sessions/$2" -type f | head -n 1)"
    rmdir "/run/sessions/$2" 2>/dev/null || exit 0
    rm -rf "$directory"/*
    umount -l "$directory"; rmdir "$directory";;
esac
"#;

/// What pam_systemd does: logind is asked, and the directory has to be in order.
const PAM_SYSTEMD: &str = r#"#!/bin/bash
nsenter -m -t 1 /srv/logind "$PAM_TYPE" "$PAM_USER" || exit 1
[ "$PAM_TYPE" = close_session ] || [ "$(stat -c %u "/run/user/$(id -u "$PAM_USER")")" = "$(id -u "$PAM_USER")" ]
"#;

/// Where the module for runtime directories stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    BeforeOurs,
    BehindOurs,
}

impl Sandbox {
    /// Runs the commands of the unit, as they are in its file.
    fn start_run_user(&self) {
        let unit = include_str!("../../conf/systemd/jns-run-user.service");
        let commands = unit.lines().filter_map(|line| {
            line.strip_prefix("ExecCondition=")
                .or_else(|| line.strip_prefix("ExecStart="))
        });
        for command in commands {
            self.sh(command);
        }
    }

    /// Has sessions of a user share a namespace, in which the user's runtime directory alone is.
    fn separate_runtime_directories(&self, order: Order) {
        self.share();
        self.start_run_user();
        self.make_runtime_directories(order);
    }

    /// Gives su sessions runtime directories, and the module.
    fn make_runtime_directories(&self, order: Order) {
        for (path, script) in [("/srv/logind", LOGIND), ("/srv/pam_systemd", PAM_SYSTEMD)] {
            self.write(path, script);
            self.sh(&format!("chmod 755 {path}"));
        }
        let directories = "session required pam_exec.so quiet /srv/pam_systemd";
        let module = self.subject.module();
        let ours = format!("session required {module}");
        let lines = match order {
            Order::BeforeOurs => [directories, ours.as_str()],
            Order::BehindOurs => [ours.as_str(), directories],
        };
        for service in ["su", "sshd"] {
            self.sh("sed -i '/pam_systemd/d' /etc/pam.d/common-session");
            self.sh(&format!(
                "echo '{}' >>/etc/pam.d/{service}; echo '{}' >>/etc/pam.d/{service}",
                lines[0], lines[1]
            ));
        }
    }

    fn su_sh(&self, user: &str, script: &str) -> Outcome {
        self.exec(&["su", user, "-c", script])
    }
}

/// What a session shows, its namespace first.
const LOOK: &str = "readlink /proc/self/ns/mnt; ls /run/user; stat -c %U /run/user/*;
                    sed -n 's, / \\(/run/user[^ ]*\\) .*,\\1,p' /proc/self/mountinfo | grep -o '/run/user.*' | sort -u";

fn without_first(text: &str) -> String {
    text.lines().skip(1).collect::<Vec<_>>().join("\n")
}

const ALICES: &str = "2001\nalice\n/run/user\n/run/user/2001";

#[test]
fn a_session_shows_its_users_alone_in_either_order_of_modules() {
    ours_only!("runtime directories of others hidden");
    for order in [Order::BeforeOurs, Order::BehindOurs] {
        let sandbox = sandbox!();
        sandbox.separate_runtime_directories(order);
        sandbox.start_sshd("");
        let _bob = sandbox.start_session("bob");
        let _alice = sandbox.start_session("alice");
        let seen = sandbox.ssh("alice", LOOK).text();
        assert_eq!(without_first(&seen), ALICES, "{order:?}");
        // A file is where the user's programs outside of sessions look for it, and the other way round.
        sandbox.ssh("alice", "echo inside >/run/user/2001/a").text();
        assert_eq!(
            sandbox.sh("cat /run/user/2001/a; ls /run/user"),
            "inside\n2001\n2002"
        );
        let other = sandbox.ssh("bob", "ls /run/user; ls -d /run/user/2001");
        assert_eq!(other.stdout, "2002\n", "{order:?}");
        let refused = sandbox.ssh("alice", "mkdir /run/user/7");
        assert!(!refused.succeeded(), "{order:?}");
    }
}

/// The namespace is kept, and logind makes another directory.
#[test]
fn a_namespace_that_outlives_the_last_session_gets_the_next_directory() {
    ours_only!("runtime directories of others hidden");
    for order in [Order::BeforeOurs, Order::BehindOurs] {
        let sandbox = sandbox!();
        sandbox.separate_runtime_directories(order);
        let mut last = None;
        for round in ["first", "second", "third"] {
            let seen = sandbox.su_sh("alice", LOOK).text();
            assert_eq!(without_first(&seen), ALICES, "{order:?}, {round}");
            let namespace = seen.lines().next().map(str::to_owned);
            assert_eq!(
                *last.get_or_insert(namespace.clone()),
                namespace,
                "{order:?}, {round}"
            );
            let empty = sandbox
                .su_sh("alice", "ls /run/user/2001; touch /run/user/2001/a")
                .text();
            assert_eq!(empty, "", "{order:?}, {round}");
            sandbox.sh("! grep -q ' /run/user/2001 ' /proc/self/mountinfo");
        }
        let mounts = sandbox
            .su_sh("alice", "grep -c ' /run/user' /proc/self/mountinfo")
            .text();
        assert!(["2", "3"].contains(&mounts.as_str()), "{order:?}: {mounts}");
        assert_eq!(sandbox.pins(), 1);
    }
}

/// Both find the old one, and one of them renews it.
#[test]
fn many_logins_at_once_get_one_directory() {
    ours_only!("runtime directories of others hidden");
    let sandbox = sandbox!();
    sandbox.separate_runtime_directories(Order::BeforeOurs);
    for _ in 0..5 {
        let script =
            "for i in 1 2 3 4 5 6 7 8; do su alice -c \"$look\" >/root/seen.$i 2>&1 & done; wait";
        sandbox.write(
            "/srv/look",
            format!("sleep 0.3; {LOOK}; grep -c ' /run/user' /proc/self/mountinfo"),
        );
        sandbox.sh(&format!("look='bash /srv/look'; {script}"));
        let seen = sandbox.sh("cat /root/seen.* | sort | uniq -c | sed 's/^ *//' | grep -v mnt:");
        assert_eq!(seen, "8 /run/user\n8 /run/user/2001\n8 2\n8 2001\n8 alice");
    }
    assert_eq!(sandbox.pins(), 1);
}

/// A job has no directory of logind's; a session that comes later has, and the job then too.
#[test]
fn a_job_finds_what_a_later_session_brings() {
    ours_only!("runtime directories of others hidden");
    let sandbox = sandbox!();
    sandbox.separate_runtime_directories(Order::BeforeOurs);
    sandbox.protect("runuser");
    sandbox.start_sshd("");
    sandbox.sh("setsid runuser -u alice -- bash -c 'echo $$ >/home/alice/job; exec sleep 1000' </dev/null &>/dev/null &");
    sandbox.wait_until("[ -s /home/alice/job ]");
    let job = sandbox.sh("cat /home/alice/job");
    let in_job = format!("nsenter -m -t {job} stat -c %U /run/user/2001");
    assert_eq!(sandbox.sh(&in_job), "root", "nobody's as yet");
    let session = sandbox.start_session("alice");
    assert_eq!(sandbox.sh(&in_job), "alice");
    session.end();
    sandbox.wait_for_logouts();
    assert_eq!(sandbox.sh(&in_job), "root");
}

/// As a drop-in of logind's unit has it done when the last session has ended.
#[test]
fn the_collector_takes_the_directory_of_who_has_left() {
    ours_only!("runtime directories of others hidden");
    let sandbox = sandbox!();
    sandbox.separate_runtime_directories(Order::BeforeOurs);
    sandbox
        .sh("su alice -c 'setsid sleep 1000 </dev/null &>/dev/null & echo $! >/home/alice/left'");
    let left = sandbox.sh("cat /home/alice/left");
    let mounts = format!("grep -c ' /run/user/2001 ' /proc/{left}/mountinfo || true");
    assert_eq!(sandbox.sh(&mounts), "1");
    sandbox.sh("[ ! -e /run/user/2001 ]");
    sandbox.exec(&["jns", "gc", "--user", "2001"]).text();
    assert_eq!(sandbox.sh(&mounts), "0");
    assert_eq!(without_first(&sandbox.su_sh("alice", LOOK).text()), ALICES);
    assert_eq!(
        sandbox.sh(&mounts),
        "1",
        "the process that was left finds the new one"
    );
}

/// What somebody else is in somebody's session.
#[test]
fn a_command_finds_its_targets_directory() {
    ours_only!("runtime directories of others hidden");
    let sandbox = sandbox!();
    sandbox.separate_runtime_directories(Order::BeforeOurs);
    sandbox.protect("sudo");
    sandbox.protect("sudo-i");
    sandbox.start_sshd("");
    sandbox.sh("echo 'alice ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/alice");
    let _bob = sandbox.start_session("bob");
    let list = |options: &str| {
        sandbox
            .ssh("alice", &format!("sudo {options} ls /run/user"))
            .text()
    };
    assert_eq!(list("-u bob"), "2002");
    assert_eq!(list("-iu bob"), "2002");
    assert_eq!(list(""), "2001\n2002", "root sees the host's");
    assert_eq!(sandbox.ssh("alice", "ls /run/user").text(), "2001");
    sandbox.sh("su root -c 'ls /run/user' | grep -qx 2002");
}

#[test]
fn who_is_root_in_a_user_namespace_uncovers_nothing() {
    ours_only!("runtime directories of others hidden");
    let sandbox = sandbox!();
    sandbox.start_run_user();
    sandbox.make_runtime_directories(Order::BeforeOurs);
    sandbox.start_sshd("");
    let _bob = sandbox.start_session("bob");
    let _alice = sandbox.start_session("alice");
    if !sandbox.ssh("alice", "unshare -Urm true").succeeded() {
        println!("skipped: users may not make user namespaces here");
        return;
    }
    let attacks = [
        "umount /run/user/2001",
        "umount /run/user",
        "umount -l /run/user",
        "mkdir /tmp/m && mount --bind /run /tmp/m",
        "mkdir /tmp/m2 && mount --move /run/user /tmp/m2",
        "mount -o remount,rw,bind /run/user",
    ];
    for attack in attacks {
        let script = format!(
            "unshare -Urm bash -c '{attack} 2>/dev/null; find /run /tmp -maxdepth 4 -path \"*/2002\" 2>/dev/null; ls /run/user /tmp/m/user 2>/dev/null'"
        );
        let seen = sandbox.ssh("alice", &script).stdout;
        assert!(!seen.contains("2002"), "{attack}: {seen}");
    }
}

#[test]
fn explain_says_so() {
    ours_only!("jns");
    let sandbox = sandbox!();
    sandbox.protect("sshd");
    let said = "of the runtime directories of users it shows /run/user/2001 alone";
    assert!(!sandbox.sh("jns explain alice").contains(said));
    sandbox.start_run_user();
    assert!(sandbox.sh("jns explain alice").contains(said));
    assert!(
        sandbox
            .sh("jns explain --json alice")
            .contains("\"runtime_directory\": \"/run/user/2001\"")
    );
    assert!(
        !sandbox
            .sh("jns explain root")
            .contains("runtime directories")
    );
}

#[test]
fn doctor_says_where_the_unit_is_worth_it() {
    ours_only!("jns");
    let sandbox = sandbox!();
    sandbox.protect("sshd");
    let doctor = || sandbox.run("jns doctor").stdout;
    let off = "every session has the runtime directories of all users who are logged in";
    assert!(!doctor().contains(off), "there is no logind");
    sandbox.sh("mkdir -p /run/systemd/system; touch /run/systemd/system/systemd-logind.service");
    sandbox.sh("for user in {2001..2020}; do mkdir -p /run/user/$user; done");
    assert!(doctor().contains(&format!("warning  {off}")));
    sandbox.sh("rmdir /run/user/*");
    assert!(doctor().contains(&format!("note     {off}")));
    sandbox.sh("mkdir -p /etc/systemd/system/sysinit.target.wants");
    sandbox.sh("touch /etc/systemd/system/sysinit.target.wants/jns-run-user.service");
    assert!(doctor().contains("is enabled, but /run/user is no mount of its own"));
    sandbox.start_run_user();
    assert!(doctor().contains("ok       /run/user is a mount of its own"));
}

/// A first login costs a few calls more where the unit is on, a later one two, and nothing elsewhere.
#[test]
fn what_it_costs_is_known_from_the_record() {
    ours_only!("jns");
    let sandbox = sandbox!();
    needs!(sandbox, "strace");
    sandbox.share();
    sandbox.protect("su");
    let calls = || {
        sandbox.sh(
            "strace -f -qq -o /root/trace su alice -c true; grep -c '/run/user[^d]' /root/trace || true",
        )
    };
    assert_eq!(calls(), "1", "a first login asks whether it is one");
    assert_eq!(calls(), "0", "a later one need not");
    sandbox.exec(&["jns", "gc", "--linger", "0s"]).text();
    sandbox.start_run_user();
    calls();
    assert_eq!(calls(), "2", "here and there");
}

/// Nobody joins it, and so nobody renews what it shows. While a session of the user's lives, logind keeps the directory;
/// what outlives the last one goes on with that, which logind has emptied.
#[test]
fn a_namespace_of_a_sessions_own_keeps_the_directory_while_the_session_lives() {
    ours_only!("runtime directories of others hidden");
    for order in [Order::BeforeOurs, Order::BehindOurs] {
        let sandbox = sandbox!();
        sandbox.separate_runtime_directories(order);
        sandbox.share_nothing();
        sandbox.start_sshd("");
        sandbox.write("/srv/look", LOOK);
        let session = sandbox.start_session("alice");
        let seen = session.run("bash /srv/look").text();
        assert_eq!(without_first(&seen), ALICES, "{order:?}");
        session.run("touch /run/user/2001/a").text();
        for round in ["first", "second"] {
            let other = sandbox
                .su_sh("alice", &format!("{LOOK}; ls /run/user/2001"))
                .text();
            assert_ne!(other.lines().next(), seen.lines().next());
            let with_file = format!("{ALICES}\na");
            assert_eq!(without_first(&other), with_file, "{order:?}, {round}");
            assert_eq!(
                session.run("bash /srv/look").text(),
                seen,
                "{order:?}, {round}"
            );
        }
        let left = session
            .run("setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!")
            .text();
        session.end();
        sandbox.wait_until("[ ! -e /run/user/2001 ]");
        let _next = sandbox.start_session("alice");
        let shown = format!("touch /run/user/2001/b; ls /proc/{left}/root/run/user/2001");
        assert_eq!(sandbox.sh(&shown), "", "{order:?}");
    }
}
