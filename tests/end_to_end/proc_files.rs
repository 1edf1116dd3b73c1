//! Binds over files in /proc, as LXCFS has them to tell a session what is its own of the machine.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

const BINDS: &str = "[[bind]]\nsource = \"/srv/proc/cpuinfo\"\npath = \"/proc/cpuinfo\"\n\
    [[bind]]\nsource = \"/srv/proc/meminfo\"\npath = \"/proc/meminfo\"\n";

/// Shows both files, and that /proc is otherwise what it was.
const LOOK: &str = "cat /proc/cpuinfo /proc/meminfo && grep -q Pid: /proc/self/status && [ -e /proc/sys/kernel/ostype ]";

impl Sandbox {
    /// Makes what appears in /proc, and starts sshd with a policy that has it appear there.
    fn serve_proc_files(&self, more: &str) {
        self.sh("mkdir /srv/proc && echo one processor >/srv/proc/cpuinfo && echo 512 MB >/srv/proc/meminfo");
        self.serve_ssh_under(&format!("{BINDS}{more}"));
    }
}

#[track_caller]
fn assert_shown(more: &str) {
    let sandbox = sandbox!();
    sandbox.serve_proc_files(more);
    let before = sandbox.state();
    for user in ["alice", "bob", "alice"] {
        assert_eq!(
            sandbox.ssh(user, LOOK).text(),
            "one processor\n512 MB",
            "{user}"
        );
    }
    // It can be neither written nor taken away.
    let attempts = "umount /proc/cpuinfo || echo >/proc/cpuinfo || rm /proc/cpuinfo";
    assert!(!sandbox.ssh("alice", attempts).succeeded());
    assert!(!sandbox.sh("cat /proc/cpuinfo").contains("one processor"));
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_file_in_proc_is_what_a_rule_binds_there() {
    ours_only!("rule that binds");
    assert_shown("");
}

#[test]
fn it_is_in_a_proc_that_hides_others_processes() {
    ours_only!("processes that are hidden");
    assert_shown("[[isolate]]\nprocesses = \"hidden\"\n");
}

#[test]
fn it_is_in_the_proc_of_processes_of_the_sessions_own() {
    ours_only!("processes of the session's own");
    assert_shown("[[isolate]]\nprocesses = \"own\"\n");
}

/// A policy cannot see where a link leads: `/etc/mtab` is the mount table of whoever looks.
#[test]
fn what_leads_to_a_processs_own_is_not_covered() {
    ours_only!("rule that binds");
    let sandbox = sandbox!();
    sandbox.sh(
        "ln -sf ../proc/self/mounts /etc/mtab && ln -s /proc/sys/kernel/hostname /srv/name && \
                ln -s /proc/tty /srv/tty && touch /srv/file && mkdir /srv/directory",
    );
    sandbox.serve_ssh();
    for (source, path, reason) in [
        ("/srv/file", "/etc/mtab", "a process's own"),
        ("/srv/file", "/srv/name", "/proc/sys cannot be covered"),
        ("/srv/directory", "/srv/tty", "a file alone"),
        ("/srv/directory", "/proc/tty", "a file alone"),
    ] {
        sandbox.policy(&format!(
            "[[bind]]\nsource = \"{source}\"\npath = \"{path}\"\n"
        ));
        assert!(!sandbox.ssh("alice", "true").succeeded(), "{path}");
        sandbox.assert_reason_logged(&[path, reason]);
    }
    sandbox.policy("[[hide]]\npath = \"/etc/mtab\"\n");
    assert!(!sandbox.ssh("alice", "true").succeeded());
}

/// Programs of root's read there what the machine has, in the session too.
#[test]
fn nothing_that_the_user_may_write_appears_in_proc() {
    ours_only!("rule that binds");
    let sandbox = sandbox!();
    sandbox.serve_proc_files("");
    sandbox.sh("chown alice /srv/proc/meminfo");
    assert!(!sandbox.ssh("alice", "true").succeeded());
    let reason = "root believes what is there";
    sandbox.assert_reason_logged(&["/proc/meminfo", reason]);
    let explained = sandbox.jns(&["explain", "alice", "--service", "sshd"]);
    assert!(explained.stdout.contains(reason), "{explained:#?}");
    let checked = sandbox.jns(&["check"]);
    assert!(checked.stdout.contains(reason), "{checked:#?}");
    // The owner alone could change it.
    assert_eq!(sandbox.ssh("bob", LOOK).text(), "one processor\n512 MB");
}

#[test]
fn a_kernel_without_the_file_can_do_without_the_rule() {
    ours_only!("rule that binds");
    let sandbox = sandbox!();
    let rule = "[[bind]]\nsource = \"/srv/proc/cpuinfo\"\npath = \"/proc/none\"\n";
    sandbox.serve_proc_files(&format!("{rule}optional = true\n"));
    assert_eq!(sandbox.ssh("alice", LOOK).text(), "one processor\n512 MB");
    sandbox.policy(rule);
    assert!(!sandbox.ssh("alice", "true").succeeded());
    sandbox.assert_reason_logged(&["/proc/none", "No such file"]);
}

#[test]
fn a_command_has_it_bound_too() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.sh("mkdir /srv/proc && echo one processor >/srv/proc/cpuinfo");
    let bind = "/srv/proc/cpuinfo:/proc/cpuinfo";
    let look = ["--", "cat", "/proc/cpuinfo"];
    for more in [&[][..], &["--processes", "hidden"], &["--processes", "own"]] {
        let words = [&["run", "--bind", bind], more, &look].concat();
        assert_eq!(sandbox.jns(&words).text(), "one processor", "{more:?}");
    }
    for own in ["/proc/self/maps", "/proc/1/maps", "/proc/sys/kernel/ostype"] {
        let refused = sandbox.jns(&[
            "run",
            "--bind",
            &format!("/srv/proc/cpuinfo:{own}"),
            "--",
            "true",
        ]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
}

/// The program that this is for: a FUSE file system of root's, with a file for what a session is told of the machine.
#[test]
fn what_lxcfs_has_is_bound_there() {
    ours_only!("rule that binds");
    let sandbox = sandbox!();
    needs!(sandbox, "lxcfs");
    sandbox.protect("su");
    sandbox.sh("[ -e /dev/fuse ] || mknod -m 666 /dev/fuse c 10 229
         mkdir -p /sys && { mountpoint -q /sys || mount -t sysfs sysfs /sys; }
         mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup /sys/fs/cgroup");
    sandbox.sh("mkdir -p /var/lib/lxcfs; lxcfs -p /run/lxcfs.pid /var/lib/lxcfs >/dev/null 2>&1 &");
    sandbox.wait_until("[ -e /var/lib/lxcfs/proc/meminfo ]");
    sandbox.policy(
        "[[bind]]\nsource = \"/var/lib/lxcfs/proc/meminfo\"\npath = \"/proc/meminfo\"\n\
         [[bind]]\nsource = \"/var/lib/lxcfs/proc/uptime\"\npath = \"/proc/uptime\"\n",
    );
    let before = sandbox.state();
    let look = "grep -c MemTotal /proc/meminfo; findmnt -no FSTYPE /proc/uptime; cat /proc/uptime >/dev/null";
    for user in ["alice", "bob", "alice"] {
        assert_eq!(sandbox.su(user, look).text(), "1\nfuse.lxcfs", "{user}");
    }
    before.assert_nothing_left(&sandbox);
    sandbox.sh("kill $(cat /run/lxcfs.pid)");
}
