//! Policies that `jns import` has made, and the logins that they are for.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

impl Sandbox {
    /// Makes what `jns import WORDS` prints the policy, and starts sshd under it. Gives what it could not carry.
    fn serve_ssh_under_import(&self, words: &str) -> String {
        let printed = self.sh(&format!(
            "jns import {words} 2>&1 >/etc/security/jns.toml || [ $? = 1 ]; jns check >&2"
        ));
        self.serve_ssh();
        printed
    }
}

/// What schroot mounts with its profile "default", and what comes commented out with it; the sandbox's programs.
const DEFAULT: &str = "\
/proc           /proc           none    rw,bind         0       0
/sys            /sys            none    rw,bind         0       0
/dev            /dev            none    rw,bind         0       0
/dev/pts        /dev/pts        none    rw,bind         0       0
/home           /home           none    rw,bind         0       0
/tmp            /tmp            none    rw,bind         0       0
/run/user       /run/user       none    rw,bind         0       0
/usr            /usr            none    bind,ro         0       0
";

/// What schroot mounts with its profile "sbuild"; the sandbox's programs and homes.
const SBUILD: &str = "\
/proc           /proc           none    rw,bind         0       0
/sys            /sys            none    rw,bind         0       0
/dev/pts        /dev/pts        none    rw,bind         0       0
tmpfs           /dev/shm        tmpfs   defaults        0       0
/run/user       /run/user       none    rw,bind         0       0
/home           /home           none    rw,bind         0       0
/usr            /usr            none    bind,ro         0       0
";

#[test]
fn an_fstab_with_binds_is_what_logins_see() {
    ours_only!("import");
    let sandbox = sandbox!();
    sandbox.write(
        "/etc/logins.fstab",
        "/srv/data /data    none  bind,ro,X-mount.mkdir\n\
         tmpfs     /scratch tmpfs size=1M,nosuid,nodev\n\
         server:/e /net     nfs   rw\n",
    );
    sandbox.sh(
        "mkdir /srv/data /scratch && echo shared >/srv/data/file && touch /scratch/of-the-host",
    );
    let printed = sandbox.serve_ssh_under_import("fstab /etc/logins.fstab");
    assert!(
        printed.starts_with("/etc/logins.fstab:3: left out: "),
        "{printed}"
    );
    let seen = sandbox.ssh(
        "alice",
        "cat /data/file; touch /data/x; ls /scratch; findmnt -rno SIZE /scratch",
    );
    assert_eq!(seen.stdout, "shared\n1M\n", "{seen:#?}");
    assert!(seen.stderr.contains("Read-only"), "{seen:#?}");
    assert_eq!(
        sandbox.sh("ls -A /data /scratch"),
        "/data:\n\n/scratch:\nof-the-host"
    );
}

/// What pam_tmpdir leaves: a directory with its modes and group, and a file in it.
#[test]
fn files_in_pam_tmpdirs_directories_stay_where_they_are() {
    ours_only!("import");
    let sandbox = sandbox!();
    sandbox.sh(
        "mkdir -m 0711 /tmp/user && uid=$(id -u alice) && mkdir -m 0700 /tmp/user/$uid
         echo draft >/tmp/user/$uid/letter && chown -R alice /tmp/user/$uid",
    );
    let printed = sandbox.serve_ssh_under_import("pam_tmpdir");
    assert!(printed.contains("d /tmp/user 0711 root root"), "{printed}");
    let show = "cat $TMPDIR/letter; [ $TMP$TEMP = $TEMPDIR$TMPDIR ]; echo $?; echo $TMP; echo $UID";
    let text = sandbox.ssh("alice", show).text();
    let lines: Vec<&str> = text.lines().collect();
    let [letter, same, place, uid] = lines[..] else {
        panic!("{text}");
    };
    assert_eq!(
        (letter, same, place),
        ("draft", "0", &*format!("/tmp/user/{uid}"))
    );
    // Others have theirs, made at the first login, and what is made there is where it was on the host.
    let made = sandbox.ssh(
        "bob",
        "mktemp; stat -c '%a %U' $TMPDIR; ls $TMPDIR/../$(id -u alice)",
    );
    assert!(made.stdout.ends_with("700 bob\n"), "{made:#?}");
    assert!(made.stderr.contains("Permission denied"), "{made:#?}");
    let file = made.stdout.lines().next().unwrap_or_default();
    assert_eq!(sandbox.sh(&format!("stat -c %U {file}")), "bob");
}

/// Without the directory that holds them, users get in, as with pam_tmpdir.
#[test]
fn nobody_is_kept_out_where_the_directory_is_missing() {
    ours_only!("import");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under_import("pam_tmpdir");
    assert_eq!(
        sandbox.ssh("alice", "echo in; ls -d /tmp/user").stdout,
        "in\n"
    );
    let log = sandbox.log();
    let is_reported = |line: &String| line.contains("/tmp/user/") && line.contains("left out");
    assert!(log.iter().any(is_reported), "{log:#?}");
}

/// Two lines of namespace.conf with one prefix: what was there is found, and both directories are private.
#[test]
fn two_directories_that_had_one_instance_are_both_private() {
    ours_only!("import");
    let sandbox = sandbox!();
    sandbox.write(
        "/etc/security/namespace.conf",
        "/tmp /tmp-inst/ user:noinit root\n/var/tmp /tmp-inst/ user:noinit root\n",
    );
    sandbox.sh(
        "mkdir -m 000 /tmp-inst && mkdir -m 1777 /tmp-inst/alice && echo kept >/tmp-inst/alice/file
         touch /var/tmp/of-the-host",
    );
    let printed = sandbox.serve_ssh_under_import("pam_namespace");
    assert!(
        printed.contains("namespace.conf:2: different: "),
        "{printed}"
    );
    let look = "cat /tmp/file; ls -A /var/tmp; touch /var/tmp/of-$(id -un)";
    assert_eq!(sandbox.ssh("alice", look).text(), "kept");
    assert_eq!(
        sandbox.ssh("bob", "ls -A /tmp /var/tmp").text(),
        "/tmp:\n\n/var/tmp:"
    );
    assert_eq!(sandbox.ssh("alice", "ls -A /var/tmp").text(), "of-alice");
    assert_eq!(sandbox.sh("ls -A /var/tmp"), "of-the-host");
}

/// A root directory with an fstab of schroot's: a terminal works, and a mount point is there that the root directory has.
#[test]
fn an_fstab_of_schroots_gives_a_login_with_a_terminal() {
    ours_only!("import");
    let sandbox = sandbox!();
    needs!(sandbox, "script");
    sandbox.sh(
        "mkdir -p /srv/root /run/user/of-the-host && touch /tmp/of-the-host
         mount -t tmpfs -o nodev,nosuid,mode=755 root /srv/root && cd /srv/root
         mkdir -p usr home tmp proc sys dev/pts dev/shm run/user root var/log
         for link in bin sbin lib lib64; do [ ! -e /$link ] || ln -s usr/$link $link; done
         cp -a /etc etc",
    );
    for (number, fstab) in [DEFAULT, SBUILD].into_iter().enumerate() {
        sandbox.write("/etc/root.fstab", fstab);
        let words = "import fstab --root /srv/root /etc/root.fstab";
        let printed = sandbox.sh(&format!("jns {words} 2>&1 >/etc/security/jns.toml"));
        assert!(!printed.contains("left"), "{printed}");
        match number {
            0 => sandbox.serve_ssh(),
            _ => sandbox.wait_for_logouts(),
        }
        let commands = "tty; echo x >$(tty); script -qc tty /dev/null; ls /run/user /dev/shm >/dev/null && ls -d /run/user/*; \
                        echo y >/dev/null && ps -o comm= -p $$";
        let seen = sandbox.exec(&["ssh", "-tt", "alice@localhost", commands]);
        let text = seen.stdout.replace('\r', "").replace("^@", "");
        let lines: Vec<&str> = text.lines().collect();
        let [tty, echoed, inner, shown, shell] = lines.as_slice() else {
            panic!("{fstab}{seen:#?} {:#?}", sandbox.log());
        };
        assert!(
            tty.starts_with("/dev/pts/") && inner.starts_with("/dev/pts/"),
            "{text}"
        );
        assert_eq!(
            (*echoed, *shown, *shell),
            ("x", "/run/user/of-the-host", "bash"),
            "{text}"
        );
    }
}

/// A file system in memory, binds, and one that a program opens, for those users alone whom the file names.
#[test]
fn pam_mounts_volumes_are_seen_by_their_users_sessions_alone() {
    ours_only!("import");
    let sandbox = sandbox!();
    sandbox.write(
        "/etc/security/pam_mount.conf.xml",
        r#"<?xml version="1.0" encoding="utf-8" ?>
<!DOCTYPE pam_mount SYSTEM "pam_mount.conf.xml.dtd">
<pam_mount>
<volume user="alice" fstype="tmpfs" mountpoint="~/scratch" options="size=1M,nosuid,nodev,mode=0700,uid=%(USER)" />
<volume sgrp="alice" path="/srv/%(USER)" mountpoint="/data" options="bind,ro" />
<volume user="bob" fstype="fuse" path="/usr/local/bin/opened#/srv" mountpoint="~" noroot="0" />
<mkmountpoint enable="1" />
</pam_mount>
"#,
    );
    sandbox.sh("mkdir -p /srv/alice && echo hers >/srv/alice/file");
    let printed = sandbox.serve_ssh_under_import("pam_mount");
    let told = "pam_mount.conf.xml:6: left public: a program of root's mounts nothing";
    assert!(printed.contains(told), "{printed}");
    let look = "cat /data/file; touch /data/x; echo >scratch/x && stat -c '%a %U' scratch; findmnt -rno SIZE ~/scratch";
    let seen = sandbox.ssh("alice", look);
    assert_eq!(seen.stdout, "hers\n700 alice\n1M\n", "{seen:#?}");
    assert!(seen.stderr.contains("Read-only"), "{seen:#?}");
    assert_eq!(
        sandbox.sh("ls -A /data ~alice/scratch"),
        "/data:\n\n/home/alice/scratch:"
    );
    assert_eq!(sandbox.ssh("bob", "ls -A /data; pwd").text(), "/home/bob");
}

/// Each session of the service `slurm` has directories of its own, of the user alone, and nothing is left of them.
#[test]
fn slurms_steps_have_directories_of_their_own() {
    ours_only!("import");
    let sandbox = sandbox!();
    needs!(sandbox, "pamtester");
    sandbox.sh("mkdir /etc/slurm");
    sandbox.write(
        "/etc/slurm/job_container.conf",
        "BasePath=/srv/nvme\nDirs=/tmp,/var/tmp,/dev/shm\nNodeName=other BasePath=/srv/other\n",
    );
    sandbox.sh("mkdir /srv/nvme && touch /tmp/of-the-host /var/tmp/of-the-host");
    let words = "import slurm --node this /etc/slurm/job_container.conf";
    let printed = sandbox.sh(&format!(
        "jns {words} 2>&1 >/etc/security/jns.toml || [ $? = 1 ]"
    ));
    assert!(
        printed.contains(": lost: each step of a job is a session of its own"),
        "{printed}"
    );
    sandbox.protect_with("slurm", "required", "");
    sandbox.write(
        "/srv/look",
        "#!/bin/sh\nls -A /tmp /var/tmp; stat -c '%a %U' /tmp /var/tmp /dev/shm; findmnt -rno FSTYPE /dev/shm | tail -1\n\
         touch /tmp/of-$PAM_USER /var/tmp/of-$PAM_USER\nls /srv/nvme/tmp | wc -l\n",
    );
    sandbox.sh("chmod 755 /srv/look; echo 'session required pam_exec.so type=open_session stdout /srv/look' >>/etc/pam.d/slurm");
    let step = |user| {
        sandbox.sh(&format!(
            "pamtester slurm {user} open_session close_session"
        ))
    };
    for user in ["alice", "alice", "bob"] {
        let seen = step(user);
        let expected = format!("/tmp:\n\n/var/tmp:\n700 {user}\n700 {user}\n1777 root\ntmpfs\n1\n");
        assert!(seen.contains(&expected), "{seen} {:#?}", sandbox.log());
    }
    assert_eq!(
        sandbox.sh("ls -A /srv/nvme/tmp /srv/nvme/var_tmp /var/tmp; ls -d /tmp/of-*"),
        "/srv/nvme/tmp:\n\n/srv/nvme/var_tmp:\n\n/var/tmp:\nof-the-host\n/tmp/of-the-host"
    );
}

/// An account of jailkit's is in its jail by ssh and su, as soon as it is changed as the import says.
#[test]
fn jailkits_jails_are_root_directories() {
    ours_only!("import");
    let sandbox = sandbox!();
    sandbox.sh(
        "mkdir -p /srv/jail && mount -t tmpfs -o nodev,nosuid,mode=755 jail /srv/jail && cd /srv/jail
         mkdir -p usr home tmp proc sys dev run root && mount --bind /usr usr
         for link in bin sbin lib lib64; do [ ! -e /$link ] || ln -s usr/$link $link; done
         cp -a /etc etc && install -d -o alice -g alice home/alice && echo hers >home/alice/file
         sed -i 's,^\\(alice:.*:\\)/home/alice:.*,\\1/srv/jail/./home/alice:/usr/sbin/jk_chrootsh,' /etc/passwd
         touch /srv/of-the-host",
    );
    let printed = sandbox.serve_ssh_under_import("jailkit");
    let change = printed
        .split('`')
        .find(|text| text.starts_with("usermod --home /home/alice --shell /"));
    sandbox.sh(change.unwrap_or_else(|| panic!("{printed}")));
    let look = "cat file; pwd; ls /srv /home; ps -e | wc -l";
    let seen = sandbox.ssh("alice", look);
    let text = seen.stdout.clone();
    let lines: Vec<&str> = text.lines().collect();
    let [file, place, missing @ .., processes] = lines.as_slice() else {
        panic!("{text} {:#?}", sandbox.log());
    };
    assert_eq!((*file, *place), ("hers", "/home/alice"), "{text}");
    assert_eq!(missing, ["/home:", "alice"], "{text}");
    assert!(processes.parse::<u32>().unwrap() < 8, "{text}");
    assert!(seen.stderr.contains("/srv"), "{seen:#?}");
    sandbox.protect("su");
    let by_su = sandbox.exec(&["su", "alice", "-c", "cat ~/file; ls -d /srv"]);
    assert_eq!(by_su.stdout, "hers\n", "{by_su:#?}");
    assert_eq!(sandbox.ssh("bob", "ls /srv/of*").text(), "/srv/of-the-host");
}
