//! Sessions that live in another root directory.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox, skip};

/// The sandbox's programs once more, in a root with accounts and a configuration of its own.
const FSTAB: &str = "\
# The programs, which nobody may change.
/usr        /usr        none   bind,ro
/home       /home       none   rbind
tmpfs       /tmp        tmpfs  size=1M,mode=1777,nosuid,nodev   0 0
tmpfs       /var/a\\040b tmpfs  X-mount.mkdir,noexec
proc        /proc       proc   nosuid,nodev,noexec              0 0
/dev/none   /mnt        ext4   nofail                           0 2
LABEL=later /media      vfat   noauto
";

const POLICY: &str = "[settings]\nexempt = [\"root\"]\n\
    [[root]]\npath = \"/srv/root\"\nfstab = \"/etc/jns.fstab\"\n";

impl Sandbox {
    /// Makes the root directory, and a policy by which everybody but root lives in it.
    fn settle_in_root(&self) {
        self.write("/etc/jns.fstab", FSTAB);
        self.policy(POLICY);
        self.sh("mkdir -p /srv/root/var/log && cd /srv/root
             mkdir usr home tmp proc mnt media root
             for link in bin sbin lib lib64; do [ ! -e /$link ] || ln -s usr/$link $link; done
             cp -a /etc etc
             echo of-the-root >etc/hostname; echo of-the-host >/etc/hostname
             touch /etc/of-the-host");
    }
}

#[test]
fn a_login_by_ssh_lives_in_the_root() {
    ours_only!("[[root]]");
    let sandbox = sandbox!();
    sandbox.settle_in_root();
    sandbox.serve_ssh();
    let seen = sandbox.ssh(
        "alice",
        "cat /etc/hostname; ls -d /srv /etc/of-the-host /var/a*; pwd; ps -o comm= -p $$; \
         touch /usr/x; findmnt -no OPTIONS /usr; findmnt -no SIZE /tmp",
    );
    let (out, err) = (&seen.stdout, &seen.stderr);
    let begin = "of-the-root\n/var/a b\n/home/alice\nbash\nro,";
    assert!(out.starts_with(begin) && out.ends_with("1M\n"), "{seen:#?}");
    for missing in [
        "'/etc/of-the-host': No such file",
        "'/srv': No such file",
        "Read-only file",
    ] {
        assert!(err.contains(missing), "{missing} {seen:#?}");
    }
    sandbox.wait_for_logouts();
    let log = sandbox.log().join("\n");
    assert!(
        log.contains("/mnt left out: cannot open /dev/none"),
        "{log}"
    );
    // sshd says so itself, by a socket that it opens in the root.
    assert!(log.contains("session closed for user alice"), "{log}");
    assert_eq!(sandbox.sh("ls /srv/root/var"), "a b\nlog");
    assert_eq!(
        sandbox.sh("cat /etc/hostname; ls /run/jns/session"),
        "of-the-host"
    );
}

#[test]
fn terminals_work_in_the_root() {
    ours_only!("[[root]]");
    let sandbox = sandbox!();
    needs!(sandbox, "script");
    sandbox.settle_in_root();
    sandbox.serve_ssh();
    sandbox.protect("su");
    let commands = "tty; stat -c %U $(tty); script -qc tty /dev/null";
    for login in [
        ["ssh", "-tt", "alice@localhost", commands].as_slice(),
        &[
            "script",
            "-qc",
            &format!("su alice -c '{commands}'"),
            "/dev/null",
        ],
    ] {
        let seen = sandbox
            .exec(login)
            .text()
            .replace('\r', "")
            .replace("^@", "");
        let lines: Vec<&str> = seen.lines().collect();
        let [tty, owner, inner] = lines.as_slice() else {
            panic!("{login:?}: {seen}");
        };
        assert!(
            tty.starts_with("/dev/pts/") && inner.starts_with("/dev/pts/"),
            "{seen}"
        );
        assert!(tty != inner && ["alice", "root"].contains(owner), "{seen}");
    }
}

#[test]
fn sftp_serves_the_root() {
    ours_only!("[[root]]");
    let sandbox = sandbox!();
    sandbox.settle_in_root();
    sandbox.serve_ssh();
    sandbox.sh("echo 'get /etc/hostname /root/got' | sftp -q -b - alice@localhost");
    assert_eq!(sandbox.sh("cat /root/got"), "of-the-root");
}

#[test]
fn su_to_root_gets_the_host_back() {
    ours_only!("[[root]]");
    let sandbox = sandbox!();
    sandbox.settle_in_root();
    sandbox.serve_ssh();
    sandbox.protect("su");
    // The stack of the root's own su, in which the session begins.
    sandbox.sh("cp /etc/pam.d/su /srv/root/etc/pam.d/su");
    sandbox.sh("cp /etc/pam.d/su /srv/root/etc/pam.d/su-l");
    let su =
        |user: &str, script: &str| format!("echo secret | su - {user} -c '{script}' 2>/dev/null");
    let look = "cat /etc/hostname; ls -d /srv/root";
    let seen = sandbox.ssh("alice", &su("root", look)).text();
    assert_eq!(seen, "of-the-host\n/srv/root");
    // A command is on the host as well, in the directory that it was called in.
    let command = format!("echo secret | su root -c '{look}; pwd' 2>/dev/null");
    let seen = sandbox.ssh("alice", &command).text();
    assert_eq!(seen, "of-the-host\n/srv/root\n/home/alice");
    let seen = sandbox.ssh(
        "alice",
        &su(
            "bob",
            "cat /etc/hostname; id -un; grep -c . /proc/self/mountinfo",
        ),
    );
    let direct = sandbox.ssh(
        "bob",
        "cat /etc/hostname; id -un; grep -c . /proc/self/mountinfo",
    );
    assert_eq!(seen.text(), direct.text());
}

#[test]
fn logins_share_the_root_until_its_fstab_changes() {
    ours_only!("[[root]]");
    let sandbox = sandbox!();
    sandbox.settle_in_root();
    sandbox.serve_ssh();
    sandbox.protect("su");
    let look = "readlink /proc/self/ns/mnt; touch /dev/shm/x; ls /dev/shm; cat /etc/hostname";
    let first = sandbox.ssh("alice", look).text();
    assert_eq!(sandbox.su("alice", look).text(), first);
    assert_eq!(
        sandbox.sh(&format!("jns enter alice -- bash -c '{look}'")),
        first
    );
    assert!(sandbox.sh("jns ps").contains("alice"));
    sandbox.write("/etc/jns.fstab", FSTAB.replace("size=1M", "size=2M"));
    assert_eq!(sandbox.ssh("alice", "findmnt -rno SIZE /tmp").text(), "2M");
}

#[test]
fn what_ends_with_a_session_ends_in_the_root_too() {
    ours_only!("[[root]]");
    let sandbox = sandbox!();
    sandbox.settle_in_root();
    let rules = "[[private]]\npath = \"/tmp\"\nper = \"session\"\n\
                 [[private]]\npath = \"/var/log\"\n";
    sandbox.policy(&format!("{POLICY}{rules}"));
    sandbox.serve_ssh();
    sandbox.protect("su");
    let before = sandbox.state();
    for _ in 0..2 {
        let look = "touch /tmp/mine; ls /tmp; ls -d /var/lib/jns";
        assert_eq!(sandbox.ssh("alice", look).stdout, "mine\n");
        assert_eq!(sandbox.su("alice", look).stdout, "mine\n");
    }
    before.assert_nothing_left(&sandbox);
    assert_eq!(
        sandbox.sh("ls /var/lib/jns/user/2001 /var/lib/jns/session"),
        "/var/lib/jns/session:\n\n/var/lib/jns/user/2001:\n%account\nvar-log"
    );
}

#[test]
fn a_login_that_cannot_have_its_root_is_refused_and_leaves_nothing() {
    ours_only!("[[root]]");
    let sandbox = sandbox!();
    sandbox.settle_in_root();
    sandbox.serve_ssh();
    sandbox.ssh("alice", "true").text();
    sandbox.wait_for_logouts();
    let before = sandbox.state();
    for (fstab, reason) in [
        (
            "tmpfs tmp tmpfs\n",
            "cannot use /etc/jns.fstab:1:7: a path must be absolute (/etc/security/jns.toml:5)",
        ),
        (
            "\ntmpfs /tmp tmpfs size=x\n",
            "cannot mount on /tmp: tmpfs: Bad value for 'size' (/etc/jns.fstab:2)",
        ),
        (
            "/usr /usr none bind\ntmpfs /none tmpfs\n",
            "cannot open /none: No such file or directory (/etc/jns.fstab:2)",
        ),
    ] {
        sandbox.write("/etc/jns.fstab", fstab);
        assert!(!sandbox.ssh("alice", "true").succeeded(), "{fstab}");
        before.assert_nothing_left(&sandbox);
        let log = sandbox.log().join("\n");
        assert!(log.contains(reason), "{reason}\n{log}");
        let explained = sandbox.run("jns check; jns explain alice sshd");
        let by_text = format!("{}{}", explained.stdout, explained.stderr);
        assert_eq!(
            by_text.contains("a path must be absolute"),
            reason.contains("absolute"),
            "{by_text}"
        );
    }
    sandbox.sh("chmod 666 /etc/jns.fstab");
    assert!(!sandbox.ssh("alice", "true").succeeded());
    assert!(
        sandbox
            .log()
            .join("\n")
            .contains("cannot read /etc/jns.fstab: its mode is 0666")
    );
}

/// The fstab and the isolation that people give a debootstrapped system, at each login.
#[test]
fn a_login_lives_in_another_debian() {
    ours_only!("[[root]]");
    let sandbox = sandbox!();
    if let Err(reason) = sandbox.show_debian13("/srv/trixie") {
        skip!("{reason}");
    }
    sandbox.write(
        "/etc/jns.fstab",
        "proc  /proc proc  defaults 0 0\n\
         sysfs /sys  sysfs ro,nosuid,nodev,noexec 0 0\n\
         /home /home none  bind 0 0\n",
    );
    sandbox.policy(
        "[settings]\nexempt = [\"root\"]\n\
         [[root]]\npath = \"/srv/trixie\"\nfstab = \"/etc/jns.fstab\"\n\
         [[private]]\npath = \"/tmp\"\n\
         [[isolate]]\nprocesses = \"own\"\nipc = \"own\"\nhostname = \"test\"\n",
    );
    sandbox.serve_ssh();
    let before = sandbox.state();
    let seen = sandbox.ssh(
        "alice",
        "cut -d. -f1 /etc/debian_version; hostname; dpkg --print-architecture >/tmp/x && ls /tmp; \
         ps -p 1 -o comm=; ps -e -o comm= | grep -c sshd; setsid sleep 4242 >/dev/null 2>&1 & \
         ls /srv; stat -fc %T /proc /sys",
    );
    assert_eq!(
        seen.stdout, "13\ntest\nx\njns-init\n1\nftp\nproc\nsysfs\n",
        "{seen:#?}"
    );
    // Its own su, in which nobody has named the module, stays there.
    let inner = "echo secret | su bob -c \"cut -d. -f1 /etc/debian_version; id -un\" 2>/dev/null";
    assert_eq!(sandbox.ssh("alice", inner).text(), "13\nbob");
    let tty = sandbox
        .exec(&["ssh", "-tt", "alice@localhost", "tty"])
        .text();
    assert!(tty.starts_with("/dev/pts/"), "{tty}");
    before.assert_nothing_left(&sandbox);
    assert!(!sandbox.run("pgrep -x sleep").succeeded());
    assert_eq!(
        sandbox.sh("hostname; ls /srv/trixie/tmp | wc -l"),
        "sandbox\n0"
    );
}

#[test]
fn a_file_in_proc_is_covered_in_the_root() {
    ours_only!("[[root]]");
    let sandbox = sandbox!();
    sandbox.settle_in_root();
    sandbox.serve_ssh();
    sandbox.sh("echo one processor >/srv/cpuinfo");
    let rule = "[[bind]]\nsource = \"/srv/cpuinfo\"\npath = \"/proc/cpuinfo\"\n";
    for isolation in ["", "[[isolate]]\nprocesses = \"own\"\n"] {
        sandbox.policy(&format!("{POLICY}\n{rule}{isolation}"));
        let seen = sandbox.ssh("alice", "cat /proc/cpuinfo /etc/hostname");
        assert_eq!(seen.text(), "one processor\nof-the-root", "{isolation}");
        sandbox.wait_for_logouts();
    }
}
