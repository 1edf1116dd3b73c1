//! Nothing holds a login: file systems that do not answer, and who is kept waiting for them.

mod homes;
mod locks;
mod nfs;
mod programs;
mod server;

use crate::sandbox::{Outcome, Sandbox, needs, ours_only, sandbox};
use std::time::{Duration, Instant};

/// The deadline of the sessions, and a time that is far away from it: what is held, is held for ever.
pub(crate) const SETTINGS: &str = "[settings]\ndeadline = \"2s\"\nexempt = []\n";
pub(crate) const FAR: Duration = Duration::from_secs(30);

/// What does not answer: the directory, and how it comes to be.
const DEAD: &[(&str, &str)] = &[
    ("a FUSE server that is stopped", "/dead/fuse"),
    ("an automounter that is gone", "/dead/direct"),
    (
        "an entry of an automounter that is gone",
        "/dead/indirect/x",
    ),
];

impl Sandbox {
    /// Makes all of [`DEAD`]. The pipe of the automounts has a reader who never reads.
    pub(crate) fn make_dead(&self) {
        self.sh("mknod -m 666 /dev/fuse c 10 229; mkdir -p /dead/{fuse,direct,indirect} /srv/{cipher,root}
             printf secret | gocryptfs -init -quiet -scryptn 10 /srv/cipher
             printf secret | gocryptfs -quiet -allow_other /srv/cipher /dead/fuse
             mkdir /dead/fuse/d; echo '# none' >/dead/fuse/fstab; install /bin/true /dead/fuse/program
             mkfifo /run/automounter
             setsid sleep 1000 <>/run/automounter >/dev/null 2>&1 &
             until [ \"$(ps -o pgid= $!)\" -eq $! ]; do sleep 0.1; done
             exec 5>/run/automounter
             for kind in direct indirect; do
                 mount -i -t autofs -o fd=5,pgrp=$!,minproto=5,maxproto=5,$kind none /dead/$kind
             done
             pkill -STOP gocryptfs");
    }

    /// Ends what does not answer, so that nothing holds the sandbox.
    pub(crate) fn end_dead(&self) {
        self.sh("pkill -KILL gocryptfs; pkill -KILL sleep");
    }

    #[track_caller]
    pub(crate) fn su_in_time(&self, user: &str) -> Outcome {
        let began = Instant::now();
        let outcome = self.exec(&["su", user, "-c", "cd /; echo in"]);
        assert!(began.elapsed() < FAR, "{user} was held");
        outcome
    }

    /// Looks that nothing is left of a login that ended: no process, mount namespace, descriptor or lock.
    #[track_caller]
    pub(crate) fn assert_nothing_is_left(&self, of: &str) {
        self.wait_until("! ps -e -o comm= | grep -qx su");
        let left = self.sh(LEFT);
        assert!(left.is_empty(), "{of}: {left}");
    }

    /// Has a policy of settings and that rule, of which a part does not answer, met by logins: for whom it is, is denied a session in
    /// time, or has one without it where it is optional; nobody else is kept waiting, nor is root refused.
    #[track_caller]
    pub(crate) fn assert_denied_or_left_out(&self, settings: &str, name: &str, rule: &str) {
        let policy = format!("{settings}{rule}users = [\"alice\", \"root\"]\n");
        self.policy(&policy);
        let before = self.log().len();
        assert!(!self.su_in_time("alice").succeeded(), "{name}");
        let log = self.log().split_off(before);
        let told = |line: &String| line.contains("not answer") && names_a_dead_line(&policy, line);
        assert!(log.iter().any(told), "{name}: {log:?}");
        for other in ["bob", "root"] {
            assert_eq!(self.su_in_time(other).text(), "in", "{other}: {name}");
        }
        self.policy(&format!("{settings}{rule}optional = true\n"));
        let before = self.log().len();
        for way in ["the first", "a later one"] {
            let seen = self.su_in_time("alice");
            assert!(
                seen.succeeded(),
                "{way}, optional: {name}: {:?}",
                self.log().split_off(before)
            );
        }
        let log = self.log().split_off(before);
        let told = |line: &String| line.contains("not answer");
        assert!(log.iter().any(told), "{name}: {log:?}");
        self.assert_nothing_is_left(name);
    }
}

/// Prints what logins that have ended must not leave.
const LEFT: &str = "
    for process in /proc/[0-9]*; do readlink $process/ns/mnt || true; done | sort -u | tail -n +2
    find /proc/[0-9]*/fd \\( -lname '/dead*' -o -lname '/served*' -o -lname '/run/jns*' \\) -printf '%p %l\\n' 2>/dev/null || true
    for lock in /run/jns/lock/*; do
        [ ! -e $lock ] || flock -n $lock true || echo $lock
    done";

/// Whether what is logged names the line of the policy where it says what does not answer.
pub(crate) fn names_a_dead_line(policy: &str, logged: &str) -> bool {
    let number = logged
        .rsplit_once("(/etc/security/jns.toml:")
        .map(|(_, rest)| rest);
    let number: Option<usize> = number.and_then(|rest| rest.strip_suffix(')')?.parse().ok());
    let line = number.and_then(|number| policy.lines().nth(number - 1));
    line.is_some_and(|line| line.contains("/dead") || line.starts_with("keep"))
}

/// Rules of which a part does not answer, by that part.
fn rules(dead: &str) -> Vec<(&'static str, String)> {
    let rules = [
        ("source", "[[bind]]\nsource = \"DEAD/d\"\npath = \"/opt\"\n"),
        ("path", "[[private]]\npath = \"DEAD/d\"\n"),
        (
            "missing path",
            "[[tmpfs]]\npath = \"DEAD/new\"\ncreate = true\n",
        ),
        (
            "store",
            "[[private]]\npath = \"/opt\"\nstore = \"DEAD/d/{user}\"\n",
        ),
        ("overlay", "[[overlay]]\npath = \"DEAD/d\"\n"),
        ("root", "[[root]]\npath = \"DEAD/d\"\n"),
        (
            "fstab",
            "[[root]]\npath = \"/srv/root\"\nfstab = \"DEAD/fstab\"\n",
        ),
        ("keep", "[[hide]]\npath = \"/dead\"\nkeep = [\"NAME\"]\n"),
    ];
    let name = dead.trim_start_matches("/dead/");
    let of = |rule: &str| rule.replace("DEAD", dead).replace("NAME", name);
    rules.map(|(part, rule)| (part, of(rule))).into()
}

/// The combinations that are tried: every part below one kind, and one part below every other.
fn combinations() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (number, (kind, dead)) in DEAD.iter().enumerate() {
        for (part, rule) in rules(dead) {
            let direct = number == 1;
            let of_fuse = number == 0 && ["source", "keep", "fstab"].contains(&part);
            if direct || of_fuse || part == "path" {
                all.push((format!("{kind}, {part}"), rule));
            }
        }
    }
    all
}

#[test]
fn what_does_not_answer_denies_a_session_or_is_left_out() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs");
    sandbox.protect("su");
    sandbox.make_dead();
    for (name, rule) in combinations() {
        sandbox.assert_denied_or_left_out(SETTINGS, &name, &rule);
    }
    sandbox.end_dead();
}

/// A login that hangs holds the lock of its user.
#[test]
fn a_second_login_of_a_user_whose_first_one_hangs_ends_too() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs");
    sandbox.protect("su");
    sandbox.make_dead();
    let rule = "[[private]]\npath = \"/dead/direct\"\nusers = [\"alice\"]\n";
    sandbox.policy(&format!("{SETTINGS}{rule}[[private]]\npath = \"/tmp\"\n"));
    let began = Instant::now();
    let both = sandbox.run(
        "su alice -c true & first=$!; su alice -c true & second=$!
         su bob -c true; su root -c true; wait $first && exit 1; wait $second && exit 1; exit 0",
    );
    assert!(both.succeeded() && began.elapsed() < FAR, "{both:?}");
    sandbox.assert_nothing_is_left("two logins");
    // Whoever comes next is not held by anything.
    sandbox.policy(&format!("{SETTINGS}[[private]]\npath = \"/tmp\"\n"));
    assert_eq!(sandbox.su_in_time("alice").text(), "in");
    sandbox.end_dead();
}

/// A copy of the process is what a login pays for a file system that may not answer, and for no other.
#[test]
fn the_usual_login_starts_no_process() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "strace");
    sandbox.share();
    sandbox.protect("su");
    let copies = |user: &str| {
        sandbox.sh(&format!(
            "strace -f -qq -e trace=clone3 -o /root/trace su {user} -c true; grep -c CLONE_PIDFD /root/trace || true"
        ))
    };
    for way in ["the first", "a later one"] {
        assert_eq!(copies("alice"), "0", "{way}");
    }
}

/// The table grows with the mounts of others, and memory file systems keep no note of names that they do not have.
#[test]
fn the_usual_login_reads_no_mount_table() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "strace");
    sandbox.protect("su");
    sandbox.sh("mount -t tmpfs -o mode=1777 in-memory /tmp");
    sandbox.policy("[[private]]\npath = \"/tmp\"\nkeep = [\"missing\", \"another\"]\n");
    let tables = || {
        sandbox.sh(
            "strace -f -qq -e trace=open,openat,openat2 -o /root/trace su alice -c true
             grep -q missing /root/trace && { grep -c mountinfo /root/trace || true; }",
        )
    };
    for way in ["the first", "a later one"] {
        assert_eq!(tables(), "0", "{way}");
    }
}

/// A directory service that does not answer: a library that nsswitch.conf(5) names.
const HANGING_SERVICE: &str = r#"
#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>
enum nss_status _nss_hang_getpwnam_r(const char *n, struct passwd *p, char *b, size_t s, int *e)
{ if (!strcmp(n, "alice") || !strcmp(n, "toor")) for (;;) sleep(1000); return NSS_STATUS_NOTFOUND; }
"#;

#[test]
fn an_account_database_that_does_not_answer_holds_nobody() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gcc", "pamtester");
    sandbox.write("/root/hang.c", HANGING_SERVICE);
    sandbox.sh(
        "gcc -shared -fPIC -o \"$(dirname $(gcc -print-file-name=libc.so.6))/libnss_hang.so.2\" /root/hang.c",
    );
    sandbox.sh("printf 'session required pam_jns.so\n' >/etc/pam.d/bare");
    let module = sandbox.subject.module();
    sandbox.sh(&format!("sed -i 's|pam_jns.so|{module}|' /etc/pam.d/bare"));
    sandbox.policy(&format!("{SETTINGS}[[private]]\npath = \"/tmp\"\n"));
    sandbox.sh("sed -i 's/^passwd:.*/passwd: hang files/' /etc/nsswitch.conf");
    for (user, is_let_in) in [("alice", false), ("bob", true), ("root", true)] {
        let began = Instant::now();
        let opened = sandbox.run(&format!("pamtester bare {user} open_session"));
        assert_eq!(opened.succeeded(), is_let_in, "{user}: {opened:?}");
        assert!(began.elapsed() < FAR, "{user} was held");
    }
    let log = sandbox.log();
    let told = |line: &String| line.contains("the account database does not answer");
    assert!(log.iter().any(told), "{log:?}");
    assert!(
        !sandbox.run("pgrep pamtester").succeeded(),
        "something is left"
    );
}

/// A FUSE server that reads what it is asked and never answers: not even SIGKILL ends who waits for it.
const UNANSWERING_SERVER: &str = r#"
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    static char in[1 << 20];
    char options[100];
    int device = open("/dev/fuse", O_RDWR);
    sprintf(options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
    if (device < 0 || mount("none", argv[1], "fuse", 0, options)) return 1;
    read(device, in, sizeof in);
    struct { struct fuse_out_header header; struct fuse_init_out init; } out;
    memset(&out, 0, sizeof out);
    out.header.len = sizeof out;
    out.header.unique = ((struct fuse_in_header *)in)->unique;
    out.init.major = FUSE_KERNEL_VERSION;
    out.init.minor = FUSE_KERNEL_MINOR_VERSION;
    out.init.max_write = 4096;
    write(device, &out, sizeof out);
    if (fork()) return 0;
    while (read(device, in, sizeof in) >= 0);
    return 0;
}
"#;

#[test]
fn a_question_that_nothing_can_end_is_left_behind() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gcc");
    sandbox.protect("su");
    sandbox.write("/root/unanswering.c", UNANSWERING_SERVER);
    sandbox.sh(
        "gcc -w -o /usr/local/bin/unanswering /root/unanswering.c; mkdir -p /dead/fuse
         mknod -m 666 /dev/fuse c 10 229; unanswering /dead/fuse >/dev/null 2>&1 </dev/null",
    );
    let rule = "[[private]]\npath = \"/dead/fuse\"\n";
    sandbox.policy(&format!("{SETTINGS}{rule}users = [\"alice\", \"root\"]\n"));
    for (user, is_let_in) in [("alice", false), ("root", true), ("bob", true)] {
        let outcome = sandbox.su_in_time(user);
        assert_eq!(outcome.succeeded(), is_let_in, "{user}: {outcome:?}");
    }
    // It is the first process's, not one that a host would have to wait for.
    let left = "ps -e -o ppid=,stat=,comm= | grep -E '^ +1 +D.* su$' >/dev/null";
    assert!(
        sandbox.run(left).succeeded(),
        "the server has been waited for"
    );
    sandbox.sh("pkill -KILL unanswering");
    sandbox.wait_until("! pgrep -x su >/dev/null");
}
